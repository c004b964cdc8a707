"""Core ML with int8 weights and int8 activations, calibrated and made without a Mac.

coremltools takes the quantised program as it is: pairs of ``quantize`` and ``dequantize`` around
what Core ML runs in integers, weights as int8 with the scales of their output channels.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ..quantization.program import load_program, roundings
from .coreml_package import convert, finish, read_back, scaled
from .one_trace import one_trace
from .run import Exported, Run
from .steps import kept_once

__all__ = ["export_w8a8"]

# iOS 17 and macOS 14: the first with quantize and dequantize in ML programs.
TARGET = "iOS17"
_SMALLEST_SCALE = float(np.finfo(np.float16).smallest_normal)


def export_w8a8(run: Run, path: Path) -> Exported:
    """Write the package with int8 weights and activations, for iOS 17 and macOS 14.

    Args:
        run: A recipe's own run, see `Run.of_recipe`.
        path: Of the package.

    Raises:
        ExportError: coremltools can't convert the network.
    """
    model = read_back(kept_once(run, run.scratch / "w8a8.mlpackage", _convert))
    stored = run.quantization("int8, per tensor, ranges from the calibration photos; else float16")
    return finish(model, run, path, TARGET, stored)


def _convert(run: Run, path: Path) -> None:
    run.step("converting")
    remedy = "The log says at which operation; coreml-w8 starts from a trace instead."
    convert(_program(run), run, "FLOAT16", TARGET, remedy).save(str(path))


def _program(run: Run) -> Any:
    """The run's program, scaled, in functional operations."""
    import torch

    view = load_program(run.program)
    _raise_scales(view)
    _take_bytes(view)
    example = torch.full(run.image_shape, 128.0)
    with warnings.catch_warnings(action="ignore"), torch.no_grad():
        program = torch.export.export(scaled(view, "view", run), (example,), strict=False)
        # coremltools reads functional operations only.
        with one_trace():
            program = program.run_decompositions({})
    for node in list(program.graph.nodes):
        if node.target is torch.ops.aten.alias.default:
            node.replace_all_uses_with(node.args[0])
            program.graph.erase_node(node)
        # It wants the strides, which torch leaves out where they are the window's size.
        if node.target is torch.ops.aten.max_pool2d.default and len(node.args) == 2:
            node.args = (*node.args, node.args[1])
    return program


def _take_bytes(module: Any) -> None:
    """Let it read a photo's bytes instead of values in [0, 1], in place."""
    import torch

    (photo,) = (node for node in module.graph.nodes if node.op == "placeholder")
    quantize = torch.ops.quantized_decomposed.quantize_per_tensor.default
    if all(node.target is quantize for node in photo.users):
        for node in list(photo.users):  # exact: steps of 1/255 are those of bytes
            values, scale, *rest = node.args
            node.args = (values, scale * 255, *rest)
    else:
        with module.graph.inserting_after(photo):
            value = module.graph.call_function(torch.ops.aten.mul.Tensor, (photo, 1 / 255))
        photo.replace_all_uses_with(value, delete_user_cb=lambda node: node is not value)
    module.recompile()


def _raise_scales(module: Any) -> None:
    """Let no scale be smaller than float16 can hold, in place: chips take it for zero.

    Such are of tensors that were zero on all calibration photos.
    """
    for node in roundings(module):
        values, scale, *rest = node.args
        node.args = (values, max(scale, _SMALLEST_SCALE), *rest)
    module.recompile()
