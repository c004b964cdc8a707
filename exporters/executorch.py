"""ExecuTorch with the XNNPACK back end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import ExportError
from ..quantization.program import load_program, reexported, weight_values
from .run import Exported, Run

__all__ = ["export", "export_int8", "lower"]


def export(run: Run, path: Path) -> Exported:
    """Write the ``.pte`` file.

    Raises:
        ExportError: Lowering failed, or XNNPACK took no part of the network.
    """
    import torch

    run.step("importing ExecuTorch")
    import executorch.exir  # noqa: F401

    return lower(torch.export.load(str(run.program)), run, path)


def export_int8(run: Run, path: Path) -> Exported:
    """Write the int8 ``.pte`` file of a recipe's own run; float32 in and out.

    XNNPACK resizes bilinearly in float only; what is resized is dequantised before and rounded
    after, inside the delegate.

    Raises:
        ExportError: Lowering failed, or XNNPACK took no part of the network.
    """
    import torch

    run.step("importing ExecuTorch")
    import executorch.exir  # noqa: F401

    module = load_program(run.program)
    _give_floats(module)
    program = reexported(module, torch.full(run.image_shape, 0.5))
    exported = lower(program, run, path)
    return replace(
        exported,
        quantization=run.quantization(
            "int8, per tensor; float32 where the recipe keeps it, while resizing, and the mask"
        ),
    )


def lower(program: Any, run: Run, path: Path) -> Exported:
    """Write a ``.pte`` file of a torch.export program.

    Raises:
        ExportError: Lowering failed, or XNNPACK took no part of the network.
    """
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import (
        XnnpackPartitioner,
    )
    from executorch.exir import to_edge_transform_and_lower

    run.step("lowering")
    try:
        lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
        run.step("writing")
        buffer = lowered.to_executorch().buffer
    except Exception as exc:  # executorch raises its own kinds and torch's
        raise ExportError(
            f"executorch can't lower {run.spec.name}: {exc}",
            "The log says at which operation; other formats don't depend on it.",
        ) from exc
    path.write_bytes(buffer)
    if not _delegates(lowered):
        raise ExportError(
            f"XNNPACK took no operation of {run.spec.name}; the file would be very slow.",
            "Use another target, or rewrite the network with common operations.",
        )
    return Exported(*run.float_tensors("NCHW"))


def _delegates(lowered: Any) -> bool:
    """Whether XNNPACK took a part."""
    nodes = lowered.exported_program().graph.nodes
    return any("executorch_call_delegate" in str(node.target) for node in nodes)


def _give_floats(module: Any) -> None:
    """Turn weights that XNNPACK reads in float only into floats, in place.

    It takes scales along a weight's first dimension, as convolutions have them; a transposed
    convolution's lie along the second. What it leaves, ExecuTorch has no kernel for.
    """
    for node in list(module.graph.nodes):
        values = weight_values(module, node)
        if values is None or node.args[3] == 0:
            continue
        name = f"{node.args[0].target}_values"
        module.register_buffer(name, values)
        with module.graph.inserting_before(node):
            node.replace_all_uses_with(module.graph.get_attr(name))
        module.graph.erase_node(node)
    module.recompile()
