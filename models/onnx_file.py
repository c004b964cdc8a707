"""An ONNX file read as data: its nodes in order, its tensors, and layers with their weights.

Nothing is run, and no file beside the one given is opened.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..errors import CheckpointError, MissingToolError
from ..texts import first_line
from .weight_files import check_is_file

__all__ = [
    "FileLayer",
    "Norm",
    "OnnxWeights",
    "attributes_of_node",
    "damaged",
    "read_onnx",
    "transferred",
]

Norm = tuple[list[Tensor], float]  # weight, bias, mean, variance; epsilon

# Inputs that an operator can't be without; whatever has fewer is damaged.
LEAST_INPUTS = {"Conv": 2, "ConvTranspose": 2, "Gemm": 2, "MatMul": 2, "BatchNormalization": 5}


@dataclass(slots=True)
class FileLayer:
    """A layer of the file, with the batch norm behind it where it is unfolded.

    Attributes:
        name: Of its node.
        weight: As PyTorch's module of this kind has it.
        bias: One number for each output channel; None for none.
        description: Size in words.
        norm: The batch norm.
    """

    name: str
    weight: Tensor
    bias: Tensor | None
    description: str
    norm: Norm | None = None


class OnnxWeights:
    """An ONNX file, read.

    Attributes:
        path: The file.
        model: onnx.ModelProto.
        tensors: Initialisers and constants by name, floating-point ones as float32.
        nodes: Each after what it reads, otherwise as they are written.
        aliases: What Cast and Identity nodes give, by its name, and what they read.
        readers: How many inputs of nodes read a value.
    """

    def __init__(self, path: Path, model: Any, tensors: dict[str, Tensor]) -> None:
        self.path, self.model, self.tensors = path, model, tensors
        self.nodes = _in_order(path, list(model.graph.node))
        self.aliases: dict[str, str] = {}
        self.readers: dict[str, int] = {}
        for node in self.nodes:
            if node.op_type in {"Cast", "Identity"} and node.input and node.output:
                self.aliases[node.output[0]] = node.input[0]
            for name in node.input:
                self.readers[name] = self.readers.get(name, 0) + 1

    def tensor(self, node: Any, position: int) -> Tensor | None:
        """What a node reads there, also through the Cast or Identity of a half-precision file.

        None where it reads nothing, or something that is computed.
        """
        name = node.input[position] if position < len(node.input) else ""
        for _ in range(2):
            if name in self.tensors:
                return self.tensors[name]
            name = self.aliases.get(name, "")
        return None

    def convolution(self, node: Any) -> tuple[Tensor, Tensor | None, tuple[Hashable, ...]] | None:
        """Weight, bias, and strides, padding, dilations and groups of a convolution.

        None where the weights are computed, or are not two-dimensional filters.
        """
        weight, bias = self.tensor(node, 1), self.tensor(node, 2)
        if weight is None or weight.ndim != 4 or (bias is None and any(node.input[2:])):
            return None
        values, shape = attributes_of_node(node), tuple(weight.shape)
        strides, dilations = values.get("strides", (1, 1)), values.get("dilations", (1, 1))
        padding = _padding(values, shape, dilations)
        return weight, bias, (strides, padding, dilations, values.get("group", 1))

    def norm_of(self, node: Any) -> Norm | None:
        """The values of a BatchNormalization node; None where some are computed."""
        parts = [self.tensor(node, position) for position in range(1, 5)]
        values = [part for part in parts if part is not None]
        if len(values) < 4:
            return None
        return values, float(attributes_of_node(node).get("epsilon", 1e-5))


def read_onnx(path: Path) -> OnnxWeights:
    """Read a file's graph and tensors.

    Raises:
        CheckpointError: Missing, damaged, no ONNX file, or its tensors lie in other files.
        MissingToolError: onnx is not installed.
    """
    check_is_file(path)
    try:
        import onnx
    except ImportError as exc:
        raise MissingToolError("onnx", "onnx", "Reading ONNX weights") from exc
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as exc:  # protobuf's errors differ between its implementations
        raise damaged(path, exc) from exc
    graph = model.graph
    if not graph.node:
        raise damaged(path, ValueError("it has no graph"))
    protos = {proto.name: proto for proto in graph.initializer}
    for node in graph.node:
        if len(node.input) < LEAST_INPUTS.get(node.op_type, 0) or not node.output:
            raise damaged(path, ValueError(f"the node {node.name!r} lacks inputs or outputs"))
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            protos[node.output[0]] = node.attribute[0].t
    external = [
        name for name, proto in protos.items() if proto.data_location == onnx.TensorProto.EXTERNAL
    ]
    if external:
        raise CheckpointError(
            f"{path} keeps tensors in other files ({external[0]} and {len(external) - 1} more), "
            "and where it points to is its own choice.",
            "Put them into one file where you trust it: onnx.save(onnx.load(path), 'one.onnx').",
        )
    if any(node.op_type in {"ConvInteger", "QLinearConv"} for node in graph.node):
        raise CheckpointError(
            f"{path} is quantised: its convolutions compute with integers.",
            "Give the float32 or float16 export of the network.",
        )
    try:
        tensors = {name: _tensor(proto) for name, proto in protos.items()}
    except Exception as exc:  # sizes that don't fit their data, unknown types
        raise damaged(path, exc) from exc
    return OnnxWeights(path, model, tensors)


def attributes_of_node(node: Any) -> dict[str, Any]:
    """A node's attributes by name; lists as tuples."""
    import onnx

    found: dict[str, Any] = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        found[attribute.name] = tuple(value) if isinstance(value, list) else value
    return found


def _padding(
    attributes: dict[str, Any], shape: tuple[int, ...], dilations: tuple[int, ...]
) -> Hashable:
    """(y, x) at both ends where torch has such a padding, something else where not."""
    pads = attributes.get("pads", (0, 0, 0, 0))
    automatic = attributes.get("auto_pad", "NOTSET")
    if automatic == "SAME_UPPER" and set(attributes.get("strides", (1, 1))) == {1}:
        return tuple(d * (k - 1) // 2 for d, k in zip(dilations, shape[2:], strict=True))
    if automatic not in {"NOTSET", "VALID"} or pads[:2] != pads[2:]:
        return (automatic, pads)
    return (0, 0) if automatic == "VALID" else pads[:2]


def transferred(
    path: Path, name: str, norm_name: str, theirs: FileLayer, modules: dict[str, nn.Module]
) -> Iterator[tuple[str, Tensor]]:
    """The tensors that make a layer, and the batch norm behind it, compute what the file's does.

    A folded batch norm becomes an identity: weight 1, bias 0, mean 0, and variance 1 - eps, whose
    sum with eps is 1.

    Args:
        path: Of the file, for messages.
        name: Of the network's layer.
        norm_name: Of its batch norm, or empty.
        theirs: Of the file.
        modules: The network's, by name.

    Raises:
        CheckpointError: The network has no place for a bias or a batch norm of the file.
    """
    own = modules[name]
    yield f"{name}.weight", theirs.weight
    outputs = _outputs(own)
    bias = theirs.bias if theirs.bias is not None else torch.zeros(outputs)
    if bias.numel() != outputs:
        raise damaged(path, ValueError(f"the bias of {theirs.name} has another size"))
    if own.bias is not None:
        yield f"{name}.bias", bias
        bias = torch.zeros_like(bias)
    if not norm_name:
        if theirs.norm is not None:
            raise CheckpointError(
                f"{path} has a batch norm after {theirs.name}, the network none after {name}.",
                "Give the network that the file was exported from, or fold the file's batch norms.",
            )
        if bias.any():
            raise CheckpointError(
                f"{path} adds a bias in {theirs.name}; the network has none in {name}.",
                "Build the network with that bias.",
            )
        return
    norm = cast(nn.BatchNorm2d, modules[norm_name])
    if theirs.norm is None:
        # A bias that the convolution has no place for goes into the identity.
        values = [torch.ones_like(bias), bias, torch.zeros_like(bias), torch.ones_like(bias)]
        epsilon = 0.0
    else:
        values, epsilon = theirs.norm
        values = [values[0], values[1], values[2] - bias, values[3]]
    values[3] = values[3] + (epsilon - norm.eps)
    if not norm.affine and (values[1].any() or (values[0] != 1).any()):
        raise CheckpointError(
            f"{norm_name} has no weight and bias of its own to take those of {path}.",
            "Build the network with batch norms that have them (affine=True).",
        )
    names = ("weight", "bias", "running_mean", "running_var")
    for part, value in zip(names, values, strict=True):
        if norm.affine or part.startswith("running"):
            yield f"{norm_name}.{part}", value


def damaged(path: Path, exc: Exception) -> CheckpointError:
    """What to raise for a file that no parser, or nothing after it, understands."""
    return CheckpointError(
        f"{path} is damaged, incomplete or no ONNX file ({first_line(exc)[:200]}).",
        "Download or export it again, and compare its checksum.",
    )


def _outputs(layer: nn.Module) -> int:
    features: int = getattr(layer, "out_features", 0) or getattr(layer, "out_channels", 0)
    return features


def _in_order(path: Path, nodes: list[Any]) -> list[Any]:
    """The nodes, each after what it reads, otherwise as they are written.

    The format asks files for such an order, and runtimes make it where it is missing: converters
    to half precision write their Cast nodes at the end.
    """
    makers = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    needs = [{makers[name] for name in node.input if name in makers} for node in nodes]
    readers: dict[int, list[int]] = {}
    for index, sources in enumerate(needs):
        for source in sources:
            readers.setdefault(source, []).append(index)
    ready = [index for index, sources in enumerate(needs) if not sources]
    ordered = []
    while ready:
        index = heapq.heappop(ready)
        ordered.append(nodes[index])
        for reader in readers.get(index, []):
            needs[reader].remove(index)
            if not needs[reader]:
                heapq.heappush(ready, reader)
    if len(ordered) < len(nodes):
        raise damaged(path, ValueError("its nodes read each other in a circle"))
    return ordered


def _tensor(proto: Any) -> Tensor:
    import onnx

    array = onnx.numpy_helper.to_array(proto)
    if array.dtype.name == "bfloat16" or array.dtype.kind == "f":
        array = array.astype("float32")
    if array.dtype.kind not in "fiub":
        return torch.empty(0)  # strings and the like; no weight
    return torch.from_numpy(array.copy())
