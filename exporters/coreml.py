"""Core ML: ML programs that take and give images, in five precisions.

The trace is converted once to float16 and once to float32; the compressed targets start from
the float16 program. Weights are compressed as Core ML stores them, activations stay float16.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..artifacts.manifest import Quantization
from ..sdks.slim import coremltools
from .coreml_package import convert, finish, read_back, scaled
from .flexible import with_constant_factors
from .run import Exported, Run
from .steps import kept_once

__all__ = ["export_fp16", "export_fp32", "export_palette4", "export_palette6", "export_w8"]

# iOS 16 and macOS 13: the first with compressed weights in ML programs, which is all that these
# files need; a newer target would only lock out phones.
DEPLOYMENT_TARGET = "iOS16"
_REMEDY = "The log says at which operation; other formats don't depend on it."
_PRECISIONS = {"fp16": "FLOAT16", "fp32": "FLOAT32"}


def export_fp32(run: Run, path: Path) -> Exported:
    """Write the full-precision package, for CPU and GPU."""
    return _finished(_converted(run, "fp32"), run, path)


def export_fp16(run: Run, path: Path) -> Exported:
    """Write the float16 package, the one that the Neural Engine runs."""
    return _finished(_converted(run, "fp16"), run, path)


def export_w8(run: Run, path: Path) -> Exported:
    """Write the package with int8 weights, symmetric, a scale per output channel."""
    cto = coremltools().optimize.coreml
    config = cto.OptimizationConfig(
        cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=_SMALL)
    )
    run.step("quantising weights")
    model = cto.linear_quantize_weights(_converted(run, "fp16"), config)
    return _compressed(model, run, path, "int8, symmetric, per output channel")


def export_palette6(run: Run, path: Path) -> Exported:
    """Write the package whose weights come from 64 values a tensor."""
    return _palettized(run, path, 6)


def export_palette4(run: Run, path: Path) -> Exported:
    """Write the package whose weights come from 16 values a tensor."""
    return _palettized(run, path, 4)


# Tensors below this many elements cost more in tables than they save.
_SMALL = 512


def _palettized(run: Run, path: Path, bits: int) -> Exported:
    cto = coremltools().optimize.coreml
    config = cto.OptimizationConfig(
        cto.OpPalettizerConfig(mode="kmeans", nbits=bits, weight_threshold=_SMALL)
    )

    def make(bare: Run, partial: Path) -> None:
        model = _converted(bare, "fp16")
        run.step("clustering weights")
        cto.palettize_weights(model, config).save(str(partial))

    model = read_back(kept_once(run, run.scratch / f"palette{bits}.mlpackage", make))
    return _compressed(model, run, path, f"{bits}-bit palette, k-means, per tensor")


def _compressed(model: Any, run: Run, path: Path, weights: str) -> Exported:
    stored = Quantization(weights=weights, activations="float16")
    return _finished(model, run, path, stored)


def _finished(
    model: Any, run: Run, path: Path, quantization: Quantization | None = None
) -> Exported:
    sizes = run.options.coreml_sizes
    return finish(model, run, path, DEPLOYMENT_TARGET, quantization, sizes)


def _converted(run: Run, precision: str) -> Any:
    """The program in float16 or float32, converted on first use and read back after that."""

    def make(bare: Run, path: Path) -> None:
        run.step("converting")
        sizes = bare.options.coreml_sizes
        model = convert(
            _traced(bare), bare, _PRECISIONS[precision], DEPLOYMENT_TARGET, _REMEDY, sizes
        )
        model.save(str(path))

    return read_back(kept_once(run, run.scratch / f"coreml-{precision}.mlpackage", make))


def _traced(run: Run) -> Any:
    """The run's trace from bytes, scaled."""
    import torch

    with torch.no_grad():
        example = torch.full(run.image_shape, 128.0)
        view = torch.jit.load(str(run.trace))
        # What the photo is multiplied by comes first in all kinds of normalisation.
        next(view.normalize.buffers()).div_(255)
        traced = torch.jit.trace(scaled(view, "mask", run).eval(), example, check_trace=False)
    # Unfrozen, some constants stay arrays that coremltools 9 can't read with NumPy 2.4.
    frozen = torch.jit.freeze(traced)
    if not run.options.coreml_sizes:
        return frozen
    image = run.spec.image
    sizes = ((image.height, image.width), *run.options.coreml_sizes)
    return with_constant_factors(frozen, run.spec.name, sizes)
