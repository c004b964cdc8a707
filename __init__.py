"""maskport: from a mask-producing PyTorch checkpoint to the files that phones run.

    from maskport import export, validate

    bundle = export("u2netp", weights="u2netp.pth", targets=["coreml-fp16"], out="exports/u2netp")
    print(bundle.file("coreml-fp16"))
    print(validate(bundle.path, images="photos").artifacts["coreml-fp16"].fidelity)

Importing the package loads neither torch nor an SDK; the names below are loaded when used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import adopt, quantize, sensitivity
    from .artifacts.bundle import Bundle, load_bundle, verify
    from .exporting import export
    from .runtimes.inspect.isolated import inspect
    from .segmenting import open_segmenter
    from .specs import ImageSpec, MaskSpec, ModelSpec
    from .validation.validate import bench, validate

__all__ = [
    "Bundle",
    "ImageSpec",
    "MaskSpec",
    "ModelSpec",
    "__version__",
    "adopt",
    "bench",
    "export",
    "inspect",
    "load_bundle",
    "open_segmenter",
    "quantize",
    "sensitivity",
    "validate",
    "verify",
]

_HOMES = {
    "Bundle": ".artifacts.bundle",
    "ImageSpec": ".specs",
    "MaskSpec": ".specs",
    "ModelSpec": ".specs",
    "adopt": ".api",
    "bench": ".validation.validate",
    "export": ".exporting",
    "inspect": ".runtimes.inspect.isolated",
    "load_bundle": ".artifacts.bundle",
    "open_segmenter": ".segmenting",
    "quantize": ".api",
    "sensitivity": ".api",
    "validate": ".validation.validate",
    "verify": ".artifacts.bundle",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name], __name__), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("maskport")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
