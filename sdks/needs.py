"""What must be installed, and what is; nothing is imported to find out."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterable

from ..formats import FORMATS, Need

__all__ = ["installed", "needs_of", "not_installed", "stands_in"]

# What runs TorchScript is a dependency of maskport itself.
_TORCH = Need("torch", "torch", "")


def not_installed(modules: Iterable[str]) -> list[str]:
    """Those of some modules that are not installed here."""
    return [name for name in modules if importlib.util.find_spec(name) is None]


def needs_of(runtime: str) -> tuple[Need, ...]:
    """What the runtime of that name needs installed; nothing for PyTorch's, or no such runtime."""
    rows = ((row, way) for row in FORMATS.values() for way in row.runtimes)
    return next((way.needs or row.needs for row, way in rows if way.name == runtime), ())


def stands_in(need: Need) -> bool:
    """Whether another distribution has the module, such as onnxruntime-gpu: then the version of
    what is needed says nothing."""
    if importlib.util.find_spec(need.module) is None:
        return False
    try:
        importlib.metadata.version(need.package)
    except importlib.metadata.PackageNotFoundError:
        return True
    return False


def installed(runtime: str) -> tuple[str, str]:
    """Distribution and version of the runtime of that name; it must be installed."""
    need = (*needs_of(runtime), _TORCH)[0]
    try:
        return need.package, importlib.metadata.version(need.package)
    except importlib.metadata.PackageNotFoundError:  # tensorflow-cpu has the module tensorflow
        package = importlib.metadata.packages_distributions()[need.module][0]
        return package, importlib.metadata.version(package)
