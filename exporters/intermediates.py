"""The three shapes of the prepared view that converters start from, each written once.

They are plain files, so that a converter in another process needs neither the network's Python
class nor a pickle of it.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from ..errors import ExportError
from ..models.prepared import PreparedMask
from .run import Run

__all__ = ["MAKERS", "OPSET", "make_onnx", "make_program", "make_trace"]

# The newest opset at which onnx2tf's Resize handles every coordinate mode.
OPSET = 17


def example(run: Run) -> torch.Tensor:
    """A photo of the right shape; its values never matter, so they are not random."""
    return torch.full(run.image_shape, 0.5)


def make_onnx(prepared: PreparedMask, run: Run) -> None:
    """Write `Run.onnx`, as torch gives it: simplifying is the exporter's work.

    The tracing exporter is used, not the dynamo one: it is several times faster, and it names
    nodes and weights after the network's modules, which later tells where files drift.
    """
    with _quiet():
        torch.onnx.export(
            prepared,
            (example(run),),
            str(run.onnx.with_suffix(".raw")),
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["mask"],
        )
    run.onnx.with_suffix(".raw").rename(run.onnx)


def make_trace(prepared: PreparedMask, run: Run) -> None:
    """Write `Run.trace`."""
    partial = run.trace.with_suffix(".raw")
    with _quiet(), torch.no_grad():
        traced = torch.jit.trace(prepared, example(run), check_trace=False)
        torch.jit.save(traced, str(partial))
    partial.rename(run.trace)


def make_program(prepared: PreparedMask, run: Run) -> None:
    """Write `Run.program`."""
    partial: Path = run.program.with_name("partial.pt2")
    with _quiet(), torch.no_grad():
        program = torch.export.export(prepared, (example(run),), strict=False)
        torch.export.save(program, str(partial))
    partial.rename(run.program)


MAKERS = {"onnx": make_onnx, "program": make_program, "trace": make_trace}


def make(source: str, prepared: PreparedMask, run: Run) -> None:
    """Write one intermediate.

    Raises:
        ExportError: torch can't express the network in that form.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    # Attention as plain matrix products; its fused form is no operation of any format.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        MAKERS[source](prepared, run)
    except Exception as exc:  # torch raises many kinds, some of them private
        reason = str(exc).strip().splitlines()
        raise ExportError(
            f"torch could not turn {run.spec.name} into a{'n' if source == 'onnx' else ''} "
            f"{source}: {reason[0] if reason else type(exc).__name__}",
            "Rewrite the operation that it names, or leave out the targets that need it.",
        ) from exc
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _quiet() -> warnings.catch_warnings[None]:
    """torch warns about its own older exporters and about constants in traces: no news here."""
    return warnings.catch_warnings(action="ignore")
