"""Weights of a network from an ONNX file of it, such as those that rembg publishes.

Exporters fold batch norms into the convolutions before them and number the weights afresh, so
names are of no use there. Convolutions are matched by structure (`structure`); a folded batch
norm becomes an identity in the network: weight 1, bias 0, mean 0, and variance 1 - eps, whose
sum with eps is 1. Files that kept the state dict's names are read by name.

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
from .structure import Convolution, ConvolutionNumbers, Numbering, convolutions_of, described
from .weight_files import check_is_file

__all__ = ["OnnxWeights", "read_onnx", "state_from_onnx"]

Norm = tuple[list[Tensor], float]  # weight, bias, mean, variance; epsilon


@dataclass(slots=True)
class FileConvolution:
    """A convolution of the file, with the batch norm behind it where it is unfolded."""

    name: str
    number: int
    weight: Tensor
    bias: Tensor | None
    description: str
    norm: Norm | None = None


@dataclass(frozen=True, slots=True)
class OnnxWeights:
    """An ONNX file, read.

    Attributes:
        path: The file.
        model: onnx.ModelProto.
        tensors: Initialisers and constants by name, floating-point ones as float32.
    """

    path: Path
    model: Any
    tensors: dict[str, Tensor]


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
        raise _damaged(path, exc) from exc
    graph = model.graph
    if not graph.node:
        raise _damaged(path, ValueError("it has no graph"))
    protos = {proto.name: proto for proto in graph.initializer}
    for node in graph.node:
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
    try:
        tensors = {name: _tensor(proto) for name, proto in protos.items()}
    except Exception as exc:  # sizes that don't fit their data, unknown types
        raise _damaged(path, exc) from exc
    return OnnxWeights(path, model, tensors)


def state_from_onnx(file: OnnxWeights, network: nn.Module) -> dict[str, Tensor]:
    """The state dict that makes ``network`` compute what the file does.

    Raises:
        CheckpointError: The file's graph is not this network's; names the first convolution
            that differs.
    """
    wanted = [name for name in network.state_dict() if not name.endswith("num_batches_tracked")]
    used = {node.input[1] for node in file.model.graph.node if node.op_type == "Conv"}
    if used <= set(wanted) <= file.tensors.keys():
        return {name: file.tensors[name] for name in wanted}
    numbering = Numbering()
    ours = convolutions_of(network, numbering)
    theirs = _Walk(file, numbering).walk()
    _check_same(file.path, ours, theirs)
    twins = {conv.number: conv for conv in theirs}
    modules = dict(network.named_modules())
    state: dict[str, Tensor] = {}
    for conv in ours:
        state.update(_transfer(file.path, conv, twins[conv.number], modules))
    return state


def _check_same(path: Path, ours: list[Convolution], theirs: list[FileConvolution]) -> None:
    known, wanted = {conv.number for conv in theirs}, {conv.number for conv in ours}
    lacking = [conv for conv in ours if conv.number not in known]
    strangers = [conv for conv in theirs if conv.number not in wanted]
    if not lacking and not strangers:
        return
    lines = [f"{path} has {len(theirs)} convolutions, the network {len(ours)}."]
    if lacking:
        lines.append(
            f"  first one that the file lacks: {lacking[0].name} ({lacking[0].description})"
        )
    if strangers:
        lines.append(
            f"  first one that the network lacks: {strangers[0].name} ({strangers[0].description})"
        )
    lines.append("Size, attributes and what it reads have to agree, back to the photo.")
    raise CheckpointError("\n".join(lines), "Give the network that the file was exported from.")


def _transfer(
    path: Path, ours: Convolution, theirs: FileConvolution, modules: dict[str, nn.Module]
) -> Iterator[tuple[str, Tensor]]:
    conv = cast(nn.Conv2d, modules[ours.name])
    bias = theirs.bias if theirs.bias is not None else torch.zeros(theirs.weight.shape[0])
    yield f"{ours.name}.weight", theirs.weight
    if conv.bias is not None:
        yield f"{ours.name}.bias", bias
        bias = torch.zeros_like(bias)
    if not ours.norm:
        if theirs.norm is not None:
            raise CheckpointError(
                f"{path} has a batch norm after {theirs.name}, the network none after {ours.name}.",
                "Give the network that the file was exported from, or fold the file's batch norms.",
            )
        if bias.any():
            raise CheckpointError(
                f"{path} adds a bias in {theirs.name}; the network has none in {ours.name}.",
                "Build the network with that bias.",
            )
        return
    norm = cast(nn.BatchNorm2d, modules[ours.norm])
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
            f"{ours.norm} has no weight and bias of its own to take those of {path}.",
            "Build the network with batch norms that have them (affine=True).",
        )
    names = ("weight", "bias", "running_mean", "running_var")
    for name, value in zip(names, values, strict=True):
        if norm.affine or name.startswith("running"):
            yield f"{ours.norm}.{name}", value


class _Walk:
    """Numbers a file's values as `structure` numbers a network's."""

    def __init__(self, file: OnnxWeights, numbering: Numbering) -> None:
        self.file = file
        self.numbering = numbering
        self.conv_numbers = ConvolutionNumbers(numbering)
        graph = file.model.graph
        photos = [value.name for value in graph.input if value.name not in file.tensors]
        self.values = {name: numbering.of("photo") for name in photos[:1]}
        self.found: list[FileConvolution] = []
        self.made: dict[str, FileConvolution] = {}
        self.readers: dict[str, int] = {}
        self.aliases: dict[str, str] = {}
        self.nodes = _in_order(file)
        for node in self.nodes:
            if node.op_type in {"Cast", "Identity"} and node.input and node.output:
                self.aliases[node.output[0]] = node.input[0]
            for name in node.input:
                self.readers[name] = self.readers.get(name, 0) + 1

    def walk(self) -> list[FileConvolution]:
        for node in self.nodes:
            number = self._number(node)
            if number is not None and node.output:
                self.values[node.output[0]] = number
        return self.found

    def _number(self, node: Any) -> int | None:
        reads = [self.values[name] for name in node.input if name in self.values]
        if not reads:
            return None  # arithmetic on constants
        attributes = _attributes(node)
        of = self.numbering.of
        match node.op_type:
            case "Conv":
                return self._convolution(node, attributes)
            case "BatchNormalization":
                return self._norm(node, attributes, reads[0])
            case "Identity" | "Cast" | "Dropout":
                return reads[0]
            case "Relu" | "Sigmoid" as kind:
                return of(kind.lower(), reads[0])
            case "MaxPool":
                kernel = attributes.get("kernel_shape", ())
                return of("pool", reads[0], kernel, attributes.get("strides", (1, 1)))
            case "Resize" | "Upsample":
                return of("resize", reads[0], attributes.get("mode", "nearest"))
            case "Concat":
                return of("concat", attributes.get("axis", 0) % 4, *reads)
            case "Add":
                return of("add", *sorted(reads))
            case kind:
                # Matches nothing in the network; so does all that reads it.
                return of(f"onnx {kind}", *reads)

    def _convolution(self, node: Any, attributes: dict[str, Any]) -> int:
        name = node.name or node.output[0]
        weight = self._weight(node, 1)
        bias = self._weight(node, 2) if len(node.input) > 2 and node.input[2] else None
        if weight is None or weight.ndim != 4 or (bias is None and len(node.input) > 2):
            raise CheckpointError(
                f"{self.file.path}: the weights of {name} are computed (quantised, perhaps) or "
                "not two-dimensional filters.",
                "Give the float32 export of the network.",
            )
        shape = tuple(weight.shape)
        dilations = attributes.get("dilations", (1, 1))
        number = self.conv_numbers.of(
            self.values.get(node.input[0], -1),
            shape,
            attributes.get("strides", (1, 1)),
            _padding(attributes, shape, dilations),
            dilations,
            attributes.get("group", 1),
        )
        conv = FileConvolution(name, number, weight, bias, described(shape, dilations))
        self.found.append(conv)
        self.made[node.output[0]] = conv
        return number

    def _norm(self, node: Any, attributes: dict[str, Any], read: int) -> int:
        conv = self.made.get(node.input[0])
        parts = [self._weight(node, position) for position in range(1, 5)]
        values = [part for part in parts if part is not None]
        if conv is None or self.readers[node.input[0]] > 1 or len(values) < 4:
            return self.numbering.of("onnx BatchNormalization", read)
        conv.norm = (values, float(attributes.get("epsilon", 1e-5)))
        return read

    def _weight(self, node: Any, position: int) -> Tensor | None:
        """A tensor of the file, also through the Cast or Identity of a half-precision file."""
        name = node.input[position]
        for _ in range(2):
            if name in self.file.tensors:
                return self.file.tensors[name]
            name = self.aliases.get(name, "")
        return None


def _in_order(file: OnnxWeights) -> list[Any]:
    """The nodes, each after what it reads, otherwise as they are written.

    The format asks files for such an order, and runtimes make it where it is missing: converters
    to half precision write their Cast nodes at the end.
    """
    nodes = list(file.model.graph.node)
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
        raise _damaged(file.path, ValueError("its nodes read each other in a circle"))
    return ordered


def _attributes(node: Any) -> dict[str, Any]:
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
    pads = attributes.get("pads", (0, 0, 0, 0))
    automatic = attributes.get("auto_pad", "NOTSET")
    if automatic == "SAME_UPPER" and set(attributes.get("strides", (1, 1))) == {1}:
        return tuple(d * (k - 1) // 2 for d, k in zip(dilations, shape[2:], strict=True))
    if automatic not in {"NOTSET", "VALID"} or pads[:2] != pads[2:]:
        return (automatic, pads)  # torch has no such padding
    return (0, 0) if automatic == "VALID" else pads[:2]


def _tensor(proto: Any) -> Tensor:
    import onnx

    array = onnx.numpy_helper.to_array(proto)
    if array.dtype.name == "bfloat16" or array.dtype.kind == "f":
        array = array.astype("float32")
    if array.dtype.kind not in "fiub":
        return torch.empty(0)  # strings and the like; no weight
    return torch.from_numpy(array.copy())


def _damaged(path: Path, exc: Exception) -> CheckpointError:
    text = str(exc).strip().splitlines()
    return CheckpointError(
        f"{path} is damaged, incomplete or no ONNX file "
        f"({text[0][:200] if text else type(exc).__name__}).",
        "Download or export it again, and compare its checksum.",
    )
