"""ExecuTorch in INT8 for XNNPACK: the program with the quantiser's own scales in it.

What PyTorch's PT2E flow ends in (torchao, "PyTorch 2 Export Quantization") is a program in which
each rounded tensor is quantised once and dequantised before each reader; XNNPACK's partitioner
recognises the integer operations in it. The flow's observers would find ranges of their own, so
the nodes are put in here, from the quantised network: scales that are shared stay shared, which
XNNPACK demands of concatenations and pools.

XNNPACK resizes bilinearly in float only; what is resized is dequantised before and rounded
after, inside the delegate.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import ExportError
from ..quantization.encodings import Encoding, QuantizedNetwork
from ..quantization.weight_grids import LARGEST_WEIGHT
from .executorch import lower
from .run import Exported, Run
from .stored_integers import Weight, stored_encodings, stored_weights

__all__ = ["export_int8", "quantise"]


def export_int8(run: Run, path: Path) -> Exported:
    """Write the int8 ``.pte`` file; float32 in and out.

    Raises:
        ExportError: A tensor that is to be rounded is not in the program, lowering failed, or
            XNNPACK took no part of the network.
    """
    import torch

    run.step("importing ExecuTorch")
    import executorch.exir  # noqa: F401

    run.step("quantising")
    module = torch.export.load(str(run.program)).module(check_guards=False)
    quantise(module, run.quantized)
    with torch.no_grad():
        program = torch.export.export(module, (torch.full(run.image_shape, 0.5),), strict=False)
    exported = lower(program, run, path)
    return Exported(
        exported.inputs,
        exported.outputs,
        quantization=run.quantization(
            "int8, per tensor; float32 where the recipe keeps it, while resizing, and the mask"
        ),
        properties=exported.properties,
    )


def quantise(module: Any, network: QuantizedNetwork) -> None:
    """Put quantisers and dequantisers into a captured view in place.

    Args:
        module: A torch.fx.GraphModule of the rewritten view, as `quantization.graph` captures
            it: its nodes have the names of the network's tensors.
        network: Where and how values are rounded.

    Raises:
        ExportError: A tensor that is to be rounded is not there, or is to have another width
            than 8 bits.
    """
    # Registers the operations that PT2E programs consist of.
    from torch.ao.quantization.fx import _decomposed  # noqa: F401

    graph = module.graph
    nodes = {node.name: node for node in graph.nodes}
    for name, encoding in stored_encodings(network).items():
        if name not in nodes:
            raise ExportError(
                f"{name} is to be rounded and is not in the program.",
                "Report it with the network; targets that are not INT8 don't need it.",
            )
        _round(graph, nodes[name], encoding)
    for path, weight in stored_weights(network).items():
        _store_integers(module, path, weight)
    graph.lint()
    module.recompile()


def _round(graph: Any, node: Any, encoding: Encoding) -> None:
    """Quantise what a node gives, and dequantise it before each reader.

    Each reader has a dequantiser of its own: XNNPACK's partitioner takes it for a part of the
    reader.
    """
    import torch

    operations = torch.ops.quantized_decomposed
    how = (encoding.scale, encoding.zero_point, encoding.lowest, encoding.highest, torch.int8)
    readers = list(node.users)
    with graph.inserting_after(node):
        integers = graph.call_function(operations.quantize_per_tensor.default, (node, *how))
    for reader in readers:
        with graph.inserting_before(reader):
            values = graph.call_function(operations.dequantize_per_tensor.default, (integers, *how))
        reader.replace_input_with(node, values)


def _store_integers(module: Any, path: str, weight: Weight) -> None:
    """Let a weight's readers read int8 through one dequantiser each."""
    import torch

    graph = module.graph
    readers = [
        (node, reader)
        for node in graph.nodes
        if node.op == "get_attr" and node.target == path
        for reader in list(node.users)
    ]
    if not readers:
        raise ExportError(
            f"The weight {path} is not in the program.",
            "Report it with the network; targets that are not INT8 don't need it.",
        )
    parts = {
        "integers": torch.from_numpy(weight.integers),
        "scales": torch.from_numpy(weight.scales),
        "zeros": torch.zeros(len(weight.scales), dtype=torch.int64),
    }
    plain = path.replace(".", "_")
    for part, values in parts.items():
        module.register_buffer(f"{plain}_{part}", values)
    for node, reader in readers:
        with graph.inserting_before(reader):
            stored = [graph.get_attr(f"{plain}_{part}") for part in parts]
            values = graph.call_function(
                torch.ops.quantized_decomposed.dequantize_per_channel.default,
                (*stored, weight.outputs, -LARGEST_WEIGHT, LARGEST_WEIGHT, torch.int8),
            )
        reader.replace_input_with(node, values)
        if not node.users:
            graph.erase_node(node)
