"""Core ML: ML programs that take and give images, in five precisions.

The trace is converted once to float16 and once to float32; the compressed targets start from
the float16 program. Weights are compressed as Core ML stores them, activations stay float16.
"""

from __future__ import annotations

import hashlib
import json
import sys
import uuid
from pathlib import Path
from typing import Any

from ..artifacts.manifest import Quantization, Tensor, TensorQuantization
from ..errors import ExportError
from .run import Exported, Run

__all__ = ["export_fp16", "export_fp32", "export_palette4", "export_palette6", "export_w8"]

# iOS 16 and macOS 13: the first with compressed weights in ML programs, which is all that these
# files need; a newer target would only lock out phones.
DEPLOYMENT_TARGET = "iOS16"
_PRECISIONS = {"fp16": "FLOAT16", "fp32": "FLOAT32"}
# Apple's keys for what its tools would write themselves.
_DATE_KEY = "com.github.apple.coremltools.conversion_date"


def export_fp32(run: Run, path: Path) -> Exported:
    """Write the full-precision package, for CPU and GPU."""
    return _finish(_converted(run, "fp32"), run, path)


def export_fp16(run: Run, path: Path) -> Exported:
    """Write the float16 package, the one that the Neural Engine runs."""
    return _finish(_converted(run, "fp16"), run, path)


def export_w8(run: Run, path: Path) -> Exported:
    """Write the package with int8 weights, symmetric, a scale per output channel."""
    cto = _coremltools().optimize.coreml
    config = cto.OptimizationConfig(
        cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=_SMALL)
    )
    run.step("quantising weights")
    model = cto.linear_quantize_weights(_converted(run, "fp16"), config)
    return _finish(model, run, path, "int8, symmetric, per output channel")


def export_palette6(run: Run, path: Path) -> Exported:
    """Write the package whose weights come from 64 values a tensor."""
    return _palettised(run, path, 6)


def export_palette4(run: Run, path: Path) -> Exported:
    """Write the package whose weights come from 16 values a tensor."""
    return _palettised(run, path, 4)


# Tensors below this many elements cost more in tables than they save.
_SMALL = 512


def _palettised(run: Run, path: Path, bits: int) -> Exported:
    cto = _coremltools().optimize.coreml
    config = cto.OptimizationConfig(
        cto.OpPalettizerConfig(mode="kmeans", nbits=bits, weight_threshold=_SMALL)
    )
    run.step("clustering weights")
    model = cto.palettize_weights(_converted(run, "fp16"), config)
    return _finish(model, run, path, f"{bits}-bit palette, k-means, per tensor")


def _converted(run: Run, precision: str) -> Any:
    """The program in float16 or float32, converted on first use and read back after that."""
    ct = _coremltools()
    kept = run.scratch / f"coreml-{precision}.mlpackage"
    if kept.exists():
        return ct.models.MLModel(str(kept), skip_model_load=True)
    run.step("converting")
    as_image = _gives_image(run)
    traced = _traced(run, 255.0 if as_image else 1.0)
    output = (
        ct.ImageType(name="mask", color_layout=ct.colorlayout.GRAYSCALE)
        if as_image
        else ct.TensorType(name="mask", dtype=float)
    )
    try:
        model = ct.convert(
            traced,
            convert_to="mlprogram",
            inputs=[
                ct.ImageType(
                    name="image",
                    shape=run.image_shape,
                    scale=1 / 255,
                    color_layout=ct.colorlayout.RGB,
                )
            ],
            outputs=[output],
            compute_precision=getattr(ct.precision, _PRECISIONS[precision]),
            minimum_deployment_target=getattr(ct.target, DEPLOYMENT_TARGET),
            skip_model_load=True,
        )
    except Exception as exc:  # coremltools raises everything from KeyError to RuntimeError
        raise ExportError(
            f"coremltools can't convert {run.spec.name}: {exc}",
            "The log says at which operation; other formats don't depend on it.",
        ) from exc
    partial = run.scratch / f"partial-{precision}.mlpackage"
    model.save(str(partial))
    partial.rename(kept)
    return model


def _traced(run: Run, full: float) -> Any:
    """The run's trace with another real value for a full mask: 8-bit images count to 255."""
    import torch

    class Scaled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mask = torch.jit.load(str(run.trace))

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            mask: torch.Tensor = self.mask(image)
            return mask if full == 1.0 else mask * full

    with torch.no_grad():
        example = torch.full(run.image_shape, 0.5)
        traced = torch.jit.trace(Scaled().eval(), example, check_trace=False)
    # Unfrozen, some constants stay arrays that coremltools 9 can't read with NumPy 2.4.
    return torch.jit.freeze(traced)


def _coremltools() -> Any:
    """coremltools, imported without the frameworks that it would load only to look at them.

    It imports TensorFlow wherever that is installed, several seconds for a converter that we
    don't use. A module that is None in `sys.modules` counts as not installed.
    """
    unused = [name for name in ("tensorflow", "torchao") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(unused))  # type: ignore[arg-type]
    try:
        import coremltools
    finally:
        for name in unused:
            sys.modules.pop(name, None)
    return coremltools


def _gives_image(run: Run) -> bool:
    return run.options.coreml_output == "image" and run.spec.mask.channels == 1


def _finish(model: Any, run: Run, path: Path, weights: str | None = None) -> Exported:
    """Fill in what Xcode shows, save, and take out what would differ between equal runs."""
    card = run.card
    model.author, model.license, model.version = card.author, card.licence, card.version
    model.short_description = card.description
    image = run.spec.image
    model.input_description["image"] = f"Photo, RGB, {image.width} x {image.height} pixels"
    model.output_description["mask"] = _mask_text(run)
    model.user_defined_metadata["maskport.spec"] = json.dumps(run.spec.to_dict(), sort_keys=True)
    model.save(str(path))
    _make_reproducible(path)
    pixel = TensorQuantization(scale=1 / 255, zero_point=0)
    inputs = [
        Tensor(
            name="image",
            shape=list(run.image_shape),
            dtype="uint8",
            layout="image",
            quantization=pixel,
        )
    ]
    _, outputs = run.float_tensors("NCHW")
    if _gives_image(run):
        update = {"dtype": "uint8", "layout": "image", "quantization": pixel}
        outputs = [tensor.model_copy(update=update) for tensor in outputs]
    return Exported(
        inputs,
        outputs,
        quantization=(weights and Quantization(weights=weights, activations="float16")) or None,
        properties={
            "minimum_deployment_target": DEPLOYMENT_TARGET,
            "specification_version": model.get_spec().specificationVersion,
        },
    )


def _mask_text(run: Run) -> str:
    labels = ", ".join(run.spec.mask.labels)
    if _gives_image(run):
        return "Mask, 8-bit grayscale: 255 is the object, 0 the background"
    return f"Mask, values from 0 to 1, one plane each for: {labels}"


def _make_reproducible(package: Path) -> None:
    """Replace random ids by ids made from the content, and drop the conversion's date."""
    from coremltools.proto import Model_pb2

    manifest_path = package / "Manifest.json"
    manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
    entries = manifest["itemInfoEntries"]
    renamed: dict[str, str] = {}
    for key, entry in entries.items():
        item = package / "Data" / entry["path"]
        if item.suffix == ".mlmodel":
            spec = Model_pb2.Model()
            spec.ParseFromString(item.read_bytes())
            spec.description.metadata.userDefined.pop(_DATE_KEY, None)
            item.write_bytes(spec.SerializeToString(deterministic=True))
        digest = hashlib.sha256(entry["path"].encode())
        for file in sorted(p for p in (item, *item.rglob("*")) if p.is_file()):
            digest.update(file.read_bytes())
        renamed[key] = str(uuid.uuid5(uuid.NAMESPACE_OID, digest.hexdigest())).upper()
    manifest["itemInfoEntries"] = {
        renamed[key]: entries[key] for key in sorted(entries, key=renamed.__getitem__)
    }
    manifest["rootModelIdentifier"] = renamed[manifest["rootModelIdentifier"]]
    manifest_path.write_text(json.dumps(manifest, indent=4) + "\n", encoding="utf-8")
    for leftover in package.rglob(".DS_Store"):
        leftover.unlink()
