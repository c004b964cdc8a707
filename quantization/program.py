"""The end of quantising: a torch.export program with the quantiser's own scales in it.

Every integer format starts from it, and each converter takes the scales in its own way. The form
is what PyTorch's PT2E flow ends in (torchao, "PyTorch 2 Export Quantization"): each rounded tensor
is quantised once and dequantised before each reader, weights are int8 behind one dequantiser a
reader. The flow's observers would find ranges of their own, so the nodes are put in here, from the
quantised network: scales that are shared stay shared, which integer runtimes demand of joined,
pooled and resized tensors.

What stays in float has no such nodes: the modules that a recipe names, sums and resizes behind the
last convolutions, and the mask.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import ExportError
from .encodings import Encoding, QuantizedNetwork
from .graph import NetworkGraph, captured
from .simulation import Simulation
from .weight_grids import LARGEST_WEIGHT, across

__all__ = ["float_weight", "load_program", "quantized_program", "reexported", "roundings"]

# Biases are int32, in steps of the input's scale times the weight's. Half of the range is left
# to the sum that is added to it.
_LARGEST_BIAS = 2.0**30
_STEP = 1 / 255


def quantized_program(view: nn.Module, network: QuantizedNetwork, photo: NDArray[np.uint8]) -> Any:
    """The program (a torch.export.ExportedProgram) of a network that a recipe has quantised.

    Args:
        view: The rewritten view that came with the numbers; it stays as it is.
        network: The numbers.
        photo: (3, H, W) RGB bytes that the program is tried on.

    Returns:
        A program that takes (1, 3, H, W) and gives (1, C, H, W), float32, both in [0, 1].

    Raises:
        ExportError: A tensor is to have another width than 8 bits, or the program draws another
            mask than the simulation of the numbers.
        NetworkError: The network can't be captured.
    """
    _register_operations()
    image = torch.from_numpy(np.ascontiguousarray(photo))[None].float() / 255
    module = captured(view, image)
    encodings = {name: tensor.encoding for name, tensor in network.tensors.items()}
    graph = NetworkGraph(module, network.shape)
    with torch.no_grad():
        exact = module(image)
        wanted = Simulation(graph, network.weights, encodings)(image)
    nodes = {node.name: node for node in module.graph.nodes}
    for name, encoding in _encodings(network).items():
        _round(module.graph, nodes[name], encoding)
    for path, weight in _weights(network).items():
        _store_integers(module, path, weight)
    module.graph.lint()
    module.recompile()
    with torch.no_grad():
        off = float((module(image) - wanted).abs().mean())
    # Both round at the same places, but exact halves either way; what comes of those goes through
    # the whole network, and is about as much as rounding itself does.
    if not off <= max(_STEP, float((exact - wanted).abs().mean())):
        raise ExportError(
            f"The quantised program's mask is {off:.3f} off its own simulation.",
            "Report it with the network; targets that are not INT8 don't need it.",
        )
    return reexported(module, image)


def load_program(path: Path) -> Any:
    """A saved program as a torch.fx.GraphModule that may be changed.

    It is without its hooks, which hold photos to the shape that it was captured with.
    """
    _register_operations()
    module = torch.export.load(str(path)).module(check_guards=False)
    return torch.fx.GraphModule(module, module.graph)


def _register_operations() -> None:
    """Make torch know the operations of such programs."""
    from torch.ao.quantization.fx import _decomposed  # noqa: F401


def reexported(module: Any, example: Tensor) -> Any:
    """The program (a torch.export.ExportedProgram) of a captured module that was changed.

    Exporting it again forgets which of the network's modules an operation is from; converters
    make names of that, so it is told again.

    Args:
        module: A torch.fx.GraphModule.
        example: What it is given.
    """
    with warnings.catch_warnings(action="ignore"), torch.no_grad():
        program = torch.export.export(module, (example,), strict=False)
    calls, again = (
        [node for node in graph.nodes if node.op == "call_function"]
        for graph in (module.graph, program.graph)
    )
    if [n.target for n in calls] == [n.target for n in again]:
        for node, new in zip(calls, again, strict=True):
            new.meta["nn_module_stack"] = node.meta.get("nn_module_stack", {})
    return program


def roundings(module: Any) -> Iterator[Any]:
    """The nodes of such a program that quantise an activation or dequantise it again.

    Their arguments are what they read, scale, zero point, lowest and highest integer, and type.
    """
    _register_operations()
    operations = torch.ops.quantized_decomposed
    pair = {operations.quantize_per_tensor.default, operations.dequantize_per_tensor.default}
    return (node for node in module.graph.nodes if node.target in pair)


def float_weight(module: Any, dequantizer: Any) -> Any:
    """A new node that holds the float values which a weight's dequantiser gives, put before it;
    None where a node is no such dequantiser.

    Args:
        module: The torch.fx.GraphModule of such a program.
        dequantiser: A node of it.
    """
    operation = torch.ops.quantized_decomposed.dequantize_per_channel.default
    if dequantizer.target is not operation:
        return None
    integers, scales, zeros, *how = dequantizer.args
    stored = (getattr(module, str(node.target)) for node in (integers, scales, zeros))
    name = f"{integers.target}_values"
    module.register_buffer(name, operation(*stored, *how))
    with module.graph.inserting_before(dequantizer):
        return module.graph.get_attr(name)


class _Weight(NamedTuple):
    """A weight as integers, in torch's layout, and (O,) the scale of each output channel."""

    integers: NDArray[np.int8]
    scales: NDArray[np.float32]
    outputs: int


def _encodings(network: QuantizedNetwork) -> dict[str, Encoding]:
    """Of each tensor that is rounded, by name.

    The mask is not among them: it leaves as float32, and rounding it before would only lose.
    """
    *_, mask = network.tensors
    found = {}
    for name, tensor in network.tensors.items():
        if tensor.encoding is None or name == mask:
            continue
        if tensor.encoding.bits != 8:
            raise ExportError(
                f"{name} is to have {tensor.encoding.bits} bits; integer files have 8.",
                "Use a recipe with activation_bits = 8; or tflite-int8x16, which has 16.",
            )
        found[name] = tensor.encoding
    return found


def _weights(network: QuantizedNetwork) -> dict[str, _Weight]:
    """Each weight by path.

    They are the quantised network's, but for channels whose weights are so small that the bias
    would be beyond int32: those of no weight at all, which only give a constant. Their scale is
    as large as the bias demands; what rounding the weights again loses is 2^-30 of the bias.
    """
    found = {}
    for path in network.weight_scales:
        scales = network.weight_scales[path].detach().cpu().double().numpy()
        needed = np.zeros_like(scales)
        for tensor in network.tensors.values():
            source = network.tensors[tensor.sources[0]] if tensor.sources else None
            if tensor.weight != path or not tensor.bias or source is None or not source.encoding:
                continue
            bias = network.weights[tensor.bias].detach().cpu().double().numpy()
            if bias.shape == scales.shape:
                step = np.abs(bias) / (_LARGEST_BIAS * source.encoding.scale)
                needed = np.maximum(needed, step)
        integers, outputs = network.integers(path), network.outputs(path)
        small = needed > scales
        if small.any():
            weight = network.weights[path].detach().cpu().double()
            scales = np.where(small, needed, scales)
            steps = (weight / across(torch.from_numpy(scales), weight, outputs)).round().numpy()
            chosen = across(torch.from_numpy(small), weight, outputs).numpy()
            integers = np.where(chosen, steps, integers).astype(np.int8)
        found[path] = _Weight(integers, scales.astype(np.float32), outputs)
    return found


def _round(graph: Any, node: Any, encoding: Encoding) -> None:
    """Quantise what a node gives, and dequantise it before each reader.

    Each reader has a dequantiser of its own: converters take it for a part of the reader.
    """
    operations = torch.ops.quantized_decomposed
    how = (encoding.scale, encoding.zero_point, encoding.lowest, encoding.highest, torch.int8)
    readers = list(node.users)
    with graph.inserting_after(node):
        integers = graph.call_function(operations.quantize_per_tensor.default, (node, *how))
    integers.meta["nn_module_stack"] = node.meta.get("nn_module_stack", {})
    for reader in readers:
        with graph.inserting_before(reader):
            values = graph.call_function(operations.dequantize_per_tensor.default, (integers, *how))
        values.meta["nn_module_stack"] = node.meta.get("nn_module_stack", {})
        reader.replace_input_with(node, values)


def _store_integers(module: nn.Module, path: str, weight: _Weight) -> None:
    """Let a weight's readers read int8 through one dequantiser each."""
    graph: Any = module.graph
    readers = [
        (node, reader)
        for node in graph.nodes
        if node.op == "get_attr" and node.target == path
        for reader in list(node.users)
    ]
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
        values.meta["nn_module_stack"] = reader.meta.get("nn_module_stack", {})
        reader.replace_input_with(node, values)
        if not node.users:
            graph.erase_node(node)
