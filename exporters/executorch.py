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
    inputs, outputs = run.float_tensors("NCHW")
    inside, outside = _delegated(lowered)
    if not inside:
        raise ExportError(
            f"XNNPACK took no operation of {run.spec.name}; the file would be very slow.",
            "Use another target, or rewrite the network with common operations.",
        )
    return Exported(
        inputs, outputs, properties={"backend": "xnnpack", "undelegated_operators": outside}
    )


def _delegated(lowered: Any) -> tuple[int, list[str]]:
    """How many parts XNNPACK took, and the names of the operations that it left."""
    calls = [node for node in lowered.exported_program().graph.nodes if node.op == "call_function"]
    names = [str(node.target) for node in calls]
    inside = sum("executorch_call_delegate" in name for name in names)
    skipped = ("executorch_call_delegate", "getitem", "alloc")
    return inside, sorted({n for n in names if not any(s in n for s in skipped)})
