"""ExecuTorch with the XNNPACK back end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import ExportError
from ..quantization.program import float_weight, load_program, reexported
from .one_trace import one_trace
from .run import Exported, Run

__all__ = ["export", "export_int8"]


def export(run: Run, path: Path) -> Exported:
    """Write the ``.pte`` file.

    Raises:
        ExportError: Lowering failed, or XNNPACK took no part of the network.
    """
    import torch

    run.step("importing ExecuTorch")
    import executorch.exir  # noqa: F401

    return _write(_lowered(torch.export.load(str(run.program)), run), run, path)


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

    module, example = load_program(run.program), torch.full(run.image_shape, 0.5)
    lowered = _lowered(reexported(module, example), run)
    left = _dequantized_outside(lowered)
    if left:
        # Transposed convolutions, for one, XNNPACK reads in float only; and what it doesn't take,
        # ExecuTorch has no kernel for.
        _give_floats(module, left)
        lowered = _lowered(reexported(module, example), run)
    exported = _write(lowered, run, path)
    return replace(
        exported,
        quantization=run.quantization(
            "int8, per tensor; float32 where the recipe keeps it, while resizing, and the mask"
        ),
    )


def _lowered(program: Any, run: Run) -> Any:
    """A torch.export program, its parts delegated to XNNPACK.

    Raises:
        ExportError: Lowering failed, or XNNPACK took no part of the network.
    """
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import (
        XnnpackPartitioner,
    )
    from executorch.exir import to_edge_transform_and_lower

    run.step("lowering")
    try:
        with one_trace():
            lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    except Exception as exc:  # executorch raises its own kinds and torch's
        raise _refused(exc, run) from exc
    if not _delegates(lowered):
        raise ExportError(
            f"XNNPACK took no operation of {run.spec.name}; the file would be very slow.",
            "Use another target, or rewrite the network with common operations.",
        )
    return lowered


def _write(lowered: Any, run: Run, path: Path) -> Exported:
    from executorch.exir import ExecutorchBackendConfig

    run.step("writing")
    config = ExecutorchBackendConfig(memory_planning_pass=_NamedEnds())
    try:
        path.write_bytes(lowered.to_executorch(config).buffer)
    except Exception as exc:
        raise _refused(exc, run) from exc
    return Exported(*run.float_tensors("NCHW"))


class _NamedEnds:
    """ExecuTorch's planning of memory, the last pass before a program is written; then image and
    mask get their names. Other tensors' the format keeps only where they lie outside of the file.
    """

    def run(self, module: Any, signature: Any) -> Any:
        """As `MemoryPlanningPass.run`."""
        from executorch.exir.passes import MemoryPlanningPass
        from executorch.exir.schema import ExtraTensorInfo

        planned = MemoryPlanningPass().run(module, signature)
        nodes = list(planned.graph_module.graph.nodes)
        images = [node for node in nodes if node.name in signature.user_inputs]
        # The signature calls the mask by a name that it had before.
        (masks,) = nodes[-1].args
        for called, ends in (("image", images), ("mask", masks)):
            for node in ends:
                info = ExtraTensorInfo(fully_qualified_name=called)
                node.meta["spec"].extra_tensor_info = info
        return planned


def _refused(exc: Exception, run: Run) -> ExportError:
    return ExportError(
        f"executorch can't lower {run.spec.name}: {exc}",
        "The log says at which operation; other formats don't depend on it.",
    )


def _delegates(lowered: Any) -> bool:
    """Whether XNNPACK took a part."""
    nodes = lowered.exported_program().graph.nodes
    return any("executorch_call_delegate" in str(node.target) for node in nodes)


def _dequantized_outside(lowered: Any) -> set[str]:
    """Names of the weights whose dequantisers XNNPACK left to ExecuTorch."""
    program = lowered.exported_program()
    stored = program.graph_signature.inputs_to_buffers
    return {
        stored[node.args[0].name]
        for node in program.graph.nodes
        if "dequantize_per_channel" in str(node.target)
    }


def _give_floats(module: Any, names: set[str]) -> None:
    """Turn weights of these names into floats, in place."""
    for node in list(module.graph.nodes):
        if node.args and str(getattr(node.args[0], "target", "")) in names:
            node.replace_all_uses_with(float_weight(module, node))
            module.graph.erase_node(node)
    module.recompile()
