"""Weights of a network from an ONNX file of it, such as those that rembg publishes.

Exporters fold batch norms into the convolutions before them and number the weights afresh, so
names are of no use there. Convolutions are matched by structure (`structure`); a folded batch
norm becomes an identity in the network. Files that kept the state dict's names are read by name.
Where the network's structure can't be compared with the file's, `onnx_layers` matches what has
weights, and no more.

Nothing is run, and no file beside the one given is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..errors import CheckpointError
from .families import ancestor_of
from .onnx_file import FileLayer, OnnxWeights, attributes_of_node, damaged, read_onnx, transferred
from .onnx_layers import state_by_layers
from .structure import Convolution, ConvolutionNumbers, Numbering, described, structure_of

__all__ = ["OnnxWeights", "read_onnx", "state_from_onnx"]

_SAVED_WITH_NAMES = "Load weights with names: .pth or .safetensors."


@dataclass(slots=True)
class FileConvolution(FileLayer):
    """A convolution of the file, and its value's number."""

    number: int = -1


def state_from_onnx(file: OnnxWeights, network: nn.Module) -> tuple[dict[str, Tensor], str]:
    """The state dict that makes ``network`` compute what the file does.

    Returns:
        The state dict, and what is to be said of it, for people; usually nothing.

    Raises:
        CheckpointError: The file's graph is not this network's; names the first convolution
            that differs.
    """
    try:
        return _state(file, network)
    except (
        AttributeError,
        LookupError,
        ArithmeticError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as exc:
        # Attributes of another type than the format says, norms of another size, and the like.
        raise damaged(file.path, exc) from exc


def _state(file: OnnxWeights, network: nn.Module) -> tuple[dict[str, Tensor], str]:
    wanted = [name for name in network.state_dict() if not name.endswith("num_batches_tracked")]
    used = {node.input[1] for node in file.nodes if node.op_type == "Conv"}
    if used <= set(wanted) <= file.tensors.keys():
        return {name: file.tensors[name] for name in wanted}, ""
    numbering = Numbering()
    ours = structure_of(network, numbering)
    if ours.incomplete:
        return _by_layers(file, network, ours.incomplete)
    theirs = _Walk(file, numbering).walk()
    try:
        absent = _absent(file.path, network, ours.convolutions, theirs)
    except CheckpointError:
        if ours.foreign:
            return _by_layers(file, network, f"it computes with {', '.join(ours.foreign[:3])}")
        raise
    twins = {conv.number: conv for conv in theirs}
    modules = dict(network.named_modules())
    state: dict[str, Tensor] = {}
    for conv in ours.convolutions:
        if conv in absent:
            own = modules[conv.name].state_dict()
            state.update({f"{conv.name}.{part}": tensor for part, tensor in own.items()})
        else:
            state.update(transferred(file.path, conv.name, conv.norm, twins[conv.number], modules))
    left = ", ".join(conv.name for conv in absent)
    return state, f"not in the file, and no part of the mask: {left}" if left else ""


def _by_layers(file: OnnxWeights, network: nn.Module, reason: str) -> tuple[dict[str, Tensor], str]:
    try:
        return state_by_layers(file, network)
    except CheckpointError as exc:
        raise CheckpointError(
            f"The network can't be compared with {file.path} as a whole ({reason}), nor layer by "
            f"layer: {exc.what}",
            _SAVED_WITH_NAMES,
        ) from exc


def _absent(
    path: Path, network: nn.Module, ours: Sequence[Convolution], theirs: Sequence[FileConvolution]
) -> list[Convolution]:
    """The convolutions that the file lacks and needs not have.

    Files are often exported with the mask as their only output. Of a family it is known that
    the mask is the first one.
    """
    known, wanted = {conv.number for conv in theirs}, {conv.number for conv in ours}
    lacking = [conv for conv in ours if conv.number not in known]
    strangers = [conv for conv in theirs if conv.number not in wanted]
    superfluous = all(not conv.is_needed and not conv.norm for conv in lacking)
    if not strangers and superfluous and (not lacking or ancestor_of(network) is not None):
        return lacking
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

    def walk(self) -> list[FileConvolution]:
        for node in self.file.nodes:
            number = self._number(node)
            if number is not None and node.output:
                self.values[node.output[0]] = number
        return self.found

    def _number(self, node: Any) -> int | None:
        reads = [self.values[name] for name in node.input if name in self.values]
        if not reads:
            return None  # arithmetic on constants
        attributes = attributes_of_node(node)
        of = self.numbering.of
        match node.op_type:
            case "Conv":
                return self._convolution(node)
            case "BatchNormalization":
                return self._norm(node, reads[0])
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

    def _convolution(self, node: Any) -> int:
        name = node.name or node.output[0]
        parts = self.file.convolution(node)
        if parts is None:
            raise CheckpointError(
                f"{self.file.path}: the weights of {name} are computed (quantised, perhaps) or "
                "not two-dimensional filters.",
                "Give the float32 export of the network.",
            )
        weight, bias, attributes = parts
        shape, read = tuple(weight.shape), self.values.get(node.input[0], -1)
        number = self.conv_numbers.of(read, shape, *attributes)
        conv = FileConvolution(name, weight, bias, described(shape, attributes[2]), number=number)
        self.found.append(conv)
        self.made[node.output[0]] = conv
        return number

    def _norm(self, node: Any, read: int) -> int:
        conv = self.made.get(node.input[0])
        norm = self.file.norm_of(node)
        if conv is None or self.file.readers[node.input[0]] > 1 or norm is None:
            return self.numbering.of("onnx BatchNormalization", read)
        conv.norm = norm
        return read
