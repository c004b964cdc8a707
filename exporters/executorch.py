"""ExecuTorch with the XNNPACK back end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import ExportError
from .run import Exported, Run

__all__ = ["export", "lower"]


def export(run: Run, path: Path) -> Exported:
    """Write the ``.pte`` file.

    Raises:
        ExportError: Lowering failed, or XNNPACK took no part of the network.
    """
    import torch

    run.step("importing ExecuTorch")
    import executorch.exir  # noqa: F401

    return lower(torch.export.load(str(run.program)), run, path)


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
