"""Core ML with int8 weights and int8 activations, calibrated and made without a Mac.

Weights and ranges are those of the quantised network that all integer targets of a run share.
The conversion starts from torch's exported program instead of the trace, because its names go
through coremltools: they tell which value of the Core ML program is which tensor.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from ..quantization.encodings import QuantizedNetwork
from .coreml_conversion import convert
from .coreml_integers import TARGET, ProgramTensors, in_integers
from .coreml_package import coremltools, finish, full_mask
from .run import Exported, Run

__all__ = ["export_w8a8"]


def export_w8a8(run: Run, path: Path) -> Exported:
    """Write the package with int8 weights and activations, for iOS 17 and macOS 14.

    Args:
        run: A recipe's own run, see `Run.of_recipe`.
        path: Of the package.

    Raises:
        ExportError: coremltools can't convert the network, or makes values of unknown range.
    """
    network = run.quantized
    run.step("converting")
    model, names = _converted(run, network)
    run.step("quantising")
    model, merged = in_integers(model, ProgramTensors(network, names))
    if merged:
        model = _with_int8_weights(model, merged)
    return finish(
        model,
        run,
        path,
        TARGET,
        run.quantization("int8, per tensor, ranges from the calibration photos; else float16"),
    )


def _with_int8_weights(model: Any, operations: list[str]) -> Any:
    """Round weights that coremltools has merged something into, such as a factor, once more."""
    cto = coremltools().optimize.coreml
    each = cto.OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8", weight_threshold=0)
    config = cto.OptimizationConfig(op_name_configs=dict.fromkeys(operations, each))
    return cto.linear_quantize_weights(model, config)


def _converted(run: Run, network: QuantizedNetwork) -> tuple[Any, dict[str, str]]:
    """The float16 program with the quantised network's weights.

    Returns:
        The model, and the names of the network's tensors by the program's.
    """
    program = _program(run, network)
    names = _names(program, network)
    remedy = "The log says at which operation; coreml-w8 starts from a trace instead."
    return convert(program, run, "FLOAT16", TARGET, remedy), names


def _program(run: Run, network: QuantizedNetwork) -> Any:
    """The run's program with rounded weights, and another real value for a full mask."""
    import torch

    full = full_mask(run)
    exported = torch.export.load(str(run.program))
    view = network.apply_to(exported.module(check_guards=False))

    class Scaled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.view = view

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            mask: torch.Tensor = self.view(image)
            return mask if full == 1.0 else mask * full

    example = torch.full(run.image_shape, 0.5)
    with warnings.catch_warnings(action="ignore"), torch.no_grad():
        program = torch.export.export(Scaled(), (example,), strict=False)
        # coremltools reads functional operations only.
        program = program.run_decompositions({})
    for node in program.graph.nodes:
        # It wants the strides, which torch leaves out where they are the window's size.
        if node.target is torch.ops.aten.max_pool2d.default and len(node.args) == 2:
            node.args = (*node.args, node.args[1])
    return program


def _names(program: Any, network: QuantizedNetwork) -> dict[str, str]:
    """Names of the network's tensors by the program's, where a decomposition changed them.

    An operation that became several gives its name to the last of them.
    """
    made_last: dict[str, str] = {}
    for node in program.graph.nodes:
        origins = node.meta.get("from_node") or ()
        origin = origins[0].name if origins else node.name
        if origin in network.tensors and node.op == "call_function":
            made_last[origin] = node.name
    return {name: origin for origin, name in made_last.items()}
