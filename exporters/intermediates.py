"""The three shapes of the prepared view that converters start from, each written once.

They are plain files, so that a converter in another process needs neither the network's Python
class nor a pickle of it.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch.jit._fuser import optimized_execution

from ..errors import ExportError
from ..models.devices import full_precision
from ..models.prepared import PreparedMask
from .branches import REMEDY, check_trace, reads
from .failures import ran_out, reason_of
from .onnx import from_program
from .probes import check_probes
from .run import Run

__all__ = ["MAKERS", "OPSET", "keep_program", "make_onnx", "make_program", "make_trace"]

# The newest opset at which onnx2tf's Resize handles every coordinate mode.
OPSET = 17


def example(run: Run) -> torch.Tensor:
    """A photo of the right shape; its values never matter, so they are not random."""
    return torch.full(run.image_shape, 0.5)


def make_onnx(prepared: PreparedMask, run: Run) -> None:
    """Write `Run.onnx`, as torch gives it: simplifying is the exporter's work.

    The tracing exporter is the first choice, not the dynamo one: it is several times faster, and it
    names nodes and weights after the network's modules, which later tells where files drift.
    """
    image = example(run)
    partial = run.onnx.with_suffix(".raw")
    try:
        with _heard() as warned:
            torch.onnx.export(
                prepared,
                (image,),
                str(partial),
                dynamo=False,
                opset_version=OPSET,
                input_names=["image"],
                output_names=["mask"],
            )
    except Exception as exc:  # torch raises many kinds, some of them private
        if ran_out(exc) or not _onnx_of_program(prepared, image, partial):
            raise
    else:
        check_trace(warned, prepared, image, run.spec.name)
        if _in_doubles(partial):
            _onnx_of_program(prepared, image, partial)
    partial.rename(run.onnx)


def _in_doubles(path: Path) -> bool:
    """It computes in float64, as a trace does where a network makes a tensor of its sizes; few
    runtimes have such operations."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(onnx.load(str(path))).graph
    types = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    return any(
        types.get(name) == onnx.TensorProto.DOUBLE
        for node in graph.node
        if node.op_type not in {"Constant", "Cast"}
        for name in node.output
    )


def _onnx_of_program(prepared: PreparedMask, image: torch.Tensor, path: Path) -> bool:
    """Write what can't be traced by the other exporter; False where that one can't either."""
    try:
        with _heard(), torch.no_grad():
            model = from_program(
                torch.export.export(prepared, (image,), strict=False), optimize=True
            )
    except Exception:  # the tracer's reason is the one that is told
        return False
    path.write_bytes(model.SerializeToString())
    return True


def make_trace(prepared: PreparedMask, run: Run) -> None:
    """Write `Run.trace`."""
    partial = run.trace.with_suffix(".raw")
    image = example(run)
    with _heard() as warned, torch.no_grad():
        traced = torch.jit.trace(prepared, image, check_trace=False)
        torch.jit.save(traced, str(partial))
    check_trace(warned, prepared, image, run.spec.name)
    # Three photos don't pay for being compiled.
    with _heard(), torch.no_grad(), full_precision(), optimized_execution(False):
        check_probes(
            run,
            "The trace",
            lambda photo: traced(torch.from_numpy(photo)).numpy(),
            "Does its forward decide by what a photo shows, or keep something from an earlier "
            "photo? Compute such a thing with tensors.",
        )
    partial.rename(run.trace)


def make_program(prepared: PreparedMask, run: Run) -> None:
    """Write `Run.program`."""
    with _heard(), torch.no_grad():
        program = torch.export.export(prepared, (example(run),), strict=False)
    keep_program(program, run)


def keep_program(program: torch.export.ExportedProgram, run: Run) -> None:
    """Write `Run.program`; in a recipe's own run it is the quantised one."""
    partial: Path = run.program.with_name("partial.pt2")
    with _heard():
        torch.export.save(program, str(partial))
    partial.rename(run.program)


MAKERS = {"onnx": make_onnx, "program": make_program, "trace": make_trace}


def make(source: str, prepared: PreparedMask, run: Run) -> None:
    """Write one intermediate.

    Raises:
        ExportError: torch can't express the network in that form, or would take what a photo
            shows for a constant.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    # Attention as plain matrix products; its fused form is no operation of any format.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        MAKERS[source](prepared, run)
    except ExportError:
        raise
    except Exception as exc:  # torch raises many kinds, some of them private
        raise _explained(exc, source, prepared, run) from exc
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _explained(exc: Exception, source: str, prepared: PreparedMask, run: Run) -> ExportError:
    what = f"torch could not turn {run.spec.name} into {_CALLED[source]}: {reason_of(exc)}"
    # What a tracer takes for a constant, torch.export refuses, in words of its own.
    if source == "program" and (found := reads(prepared, example(run))):
        return ExportError(f"{what}\nPython reads a tensor's value in {found[0].said}", REMEDY)
    if any(isinstance(module, torch.jit.ScriptModule) for module in prepared.modules()):
        return ExportError(what, "It is TorchScript: give the network's own Python class instead.")
    return ExportError(
        what, "Rewrite the operation that it names, or leave out the targets that need it."
    )


_CALLED = {"onnx": "an ONNX graph", "program": "an exported program", "trace": "a trace"}


def _heard() -> warnings.catch_warnings[list[warnings.WarningMessage]]:
    """Warnings, kept from the user: torch's older exporters warn of themselves."""
    return warnings.catch_warnings(record=True, action="always")
