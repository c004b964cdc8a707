"""An ONNX file's weights layer by layer, for networks that `structure` can't compare with it.

Those are networks that torch.fx can't trace, and those with more than convolutions, batch norms
and what stands between them in salient-object networks. A layer's twin in the file is the one
whose node has the name of the module, as PyTorch's exporters write it, or whose weight has; where
names are lost, the one at the same place in the order of execution. Kind, shapes and attributes of
all have to agree, and none may be left over. What reads what is not compared, which is said.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from ..texts import first_line
from .onnx_file import FileLayer, Norm, OnnxWeights, attributes_of_node, transferred
from .structure import described, padding_of

__all__ = ["state_by_layers"]

# The photo that a network is tried with where the file says no size of its own, or one that would
# take the memory of a strange file's choice.
SIZE = (256, 256)
LARGEST = 1024

_NODES = {"Conv": "convolution", "ConvTranspose": "transposed convolution"}
_LINEAR = {"Gemm", "MatMul"}


@dataclass(slots=True)
class Layer:
    """A layer of the network, and the batch norm that reads nothing but what it gives."""

    name: str
    kind: str
    shape: tuple[int, ...]
    attributes: Hashable
    norm: str = ""


@dataclass(slots=True)
class StoredLayer(FileLayer):
    """A layer of the file.

    Attributes:
        kind: As `Layer.kind`.
        attributes: As `Layer.attributes`.
        places: What names of the file say its module is called; possibly nothing.
    """

    kind: str = ""
    attributes: Hashable = ()
    places: set[str] = field(default_factory=set)


def state_by_layers(file: OnnxWeights, network: nn.Module) -> tuple[dict[str, Tensor], str]:
    """The state dict that gives ``network`` the file's layers, and how they were told apart.

    Raises:
        CheckpointError: The layers are others, in number, kind, shape or attributes; or neither
            names nor order tell which is which; or the file lacks a tensor that is in no layer.
    """
    ours = _layers_of(network, _size(file))
    theirs = list(_layers_in(file))
    pairs = _by_names(ours, theirs)
    how = "matched by the names of layers"
    if pairs is None:
        pairs = _by_order(file, ours, theirs)
        how = "matched by the order of layers"
    if len(theirs) > len(ours):
        extra = next(layer for layer in theirs if all(layer is not other for _, other in pairs))
        raise CheckpointError(
            f"{file.path} has {len(theirs)} layers with weights, the network {len(ours)}; "
            f"{extra.name} ({extra.description}) is none of them."
        )
    modules = dict(network.named_modules())
    norms = sum(node.op_type == "BatchNormalization" for node in file.nodes)
    stray = norms > sum(stored.norm is not None for stored in theirs)
    state: dict[str, Tensor] = {}
    for layer, stored in pairs:
        _check_same(file, layer, stored)
        norm, twin = layer.norm, stored
        if _is_named(file, network, norm):  # it is among the rest
            norm, twin = "", replace(stored, norm=None)
        elif norm and stored.norm is None and stray:
            raise CheckpointError(
                f"{file.path} has batch norms that are told apart neither by name nor by place, "
                f"one of which may be {norm}."
            )
        state.update(transferred(file.path, layer.name, norm, twin, modules))
    return {**_rest(file, network, state), **state}, how + ", not by what reads what"


def _size(file: OnnxWeights) -> tuple[int, int]:
    """Height and width of the file's photo."""
    for value in file.model.graph.input:
        sizes = [d.dim_value for d in value.type.tensor_type.shape.dim]
        if value.name not in file.tensors and len(sizes) == 4:
            height, width = sizes[2:]
            return (height, width) if 0 < min(sizes[2:]) <= max(sizes[2:]) <= LARGEST else SIZE
    return SIZE


def _layers_of(network: nn.Module, size: tuple[int, int]) -> list[Layer]:
    """The layers in order of execution, found by running a copy; without memory where it can."""
    reason = ""
    for device in ("meta", "cpu"):
        try:
            run = copy.deepcopy(network).to(device).eval()
            return _observed(run, torch.zeros(1, 3, *size, device=device))
        except CheckpointError:
            raise
        except Exception as exc:  # the network's own code may raise anything
            reason = first_line(exc)
    raise CheckpointError(f"the network fails on a photo of {size[0]}x{size[1]} ({reason}).")


def _observed(network: nn.Module, photo: Tensor) -> list[Layer]:
    found: list[Layer] = []
    # A batch norm belongs to the layer whose output it reads unchanged.
    made: list[tuple[Tensor, int, Layer]] = []

    def watch(name: str, module: nn.Module) -> Any:
        def seen(_module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            if isinstance(module, nn.BatchNorm2d):
                for tensor, version, layer in made:
                    if tensor is inputs[0] and tensor._version == version and not layer.norm:
                        layer.norm = name
                return
            layer = _layer(name, module)
            if any(other.name == name for other in found):
                raise CheckpointError(f"the network uses {name} twice.")
            found.append(layer)
            made.append((output, output._version, layer))

        return module.register_forward_hook(seen)

    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.BatchNorm2d):
            watch(name, module)
    with torch.no_grad():
        network(photo)
    return found


def _layer(name: str, module: nn.Module) -> Layer:
    if isinstance(module, nn.Conv2d):
        padding = padding_of(module) if module.padding_mode == "zeros" else (0, 0)
        attributes = (module.stride, padding, module.dilation, module.groups)
        return Layer(name, "convolution", tuple(module.weight.shape), attributes)
    if isinstance(module, nn.ConvTranspose2d):
        attributes = (module.stride, module.padding, module.dilation, module.groups)
        return Layer(name, "transposed convolution", tuple(module.weight.shape), attributes)
    return Layer(name, "linear", tuple(module.get_parameter("weight").shape), ())


def _layers_in(file: OnnxWeights) -> Iterator[StoredLayer]:
    """The file's layers, as they are written, which is the order of execution.

    (`OnnxWeights.nodes` may have another where a converter wrote its casts at the end.)
    """
    norms: dict[str, Norm] = {}
    additions: dict[str, Tensor] = {}
    for node in file.nodes:
        if node.op_type == "BatchNormalization" and file.readers[node.input[0]] == 1:
            norm = file.norm_of(node)
            if norm is not None:
                norms[node.input[0]] = norm
        if node.op_type == "Add" and len(node.input) == 2:
            for position in (0, 1):
                added = file.tensor(node, position)
                if added is not None and added.ndim == 1:
                    additions[node.input[1 - position]] = added
    for node in file.model.graph.node:
        if node.op_type in _NODES:
            layer = _convolution(file, node)
        elif node.op_type in _LINEAR and file.tensor(node, 1) is not None:
            layer = _linear(file, node, additions.get(node.output[0]))
        else:
            continue
        layer.norm = norms.get(node.output[0])
        yield layer


def _convolution(file: OnnxWeights, node: Any) -> StoredLayer:
    name, parts = node.name or node.output[0], file.convolution(node)
    if parts is None:
        raise CheckpointError(
            f"the weights of {name} are computed (quantised, perhaps) or not two-dimensional "
            "filters."
        )
    weight, bias, attributes = parts
    description, kind = described(tuple(weight.shape), attributes[2]), _NODES[node.op_type]
    return StoredLayer(name, weight, bias, description, None, kind, attributes, _places(file, node))


def _linear(file: OnnxWeights, node: Any, added: Tensor | None) -> StoredLayer:
    weight = file.tensor(node, 1)
    bias = file.tensor(node, 2) if node.op_type == "Gemm" else added
    name = node.name or node.output[0]
    if weight is None or weight.ndim != 2:
        raise CheckpointError(f"the weights of {name} are not those of a linear layer.")
    if node.op_type == "MatMul" or not attributes_of_node(node).get("transB", 0):
        weight = weight.T.contiguous()
    if bias is not None and bias.shape != weight.shape[:1]:
        bias = None
    shape = tuple(weight.shape)
    return StoredLayer(
        name, weight, bias, described(shape, ()), None, "linear", (), _places(file, node)
    )


def _places(file: OnnxWeights, node: Any) -> set[str]:
    """Names of the module that a node was in: of the node, of its notes, of its weight."""
    parts = node.name.strip("/").split("/")[:-1] if node.name.startswith("/") else []
    # A module in a Sequential is written with it: /encoder/encoder.0/Conv.
    outer = {part for part, after in pairwise(parts) if after.startswith(f"{part}.")}
    places = {".".join(part for part in parts if part not in outer)}
    for note in node.metadata_props:
        if note.key == "pkg.torch.onnx.name_scopes":
            scopes = re.findall(r"'([^']*)'", note.value)
            places.update(scopes[-2:-1])
    weight = file.aliases.get(node.input[1], node.input[1])
    places.add(weight.removesuffix(".weight") if weight.endswith(".weight") else "")
    return places - {""}


def _by_names(
    ours: Sequence[Layer], theirs: Sequence[StoredLayer]
) -> list[tuple[Layer, StoredLayer]] | None:
    """By the names of modules, where each of ours has exactly one behind a common prefix."""
    if not ours:
        return []
    at: dict[str, list[StoredLayer]] = {}
    for stored in theirs:
        for place in stored.places:
            at.setdefault(place, []).append(stored)
    first = ours[0].name
    prefixes = {p.removesuffix(first) for p in at if p == first or p.endswith(f".{first}")}
    for prefix in sorted(prefixes, key=len):
        found = [at.get(prefix + layer.name, []) for layer in ours]
        if all(len(candidates) == 1 for candidates in found):
            twins = [candidates[0] for candidates in found]
            if len({id(twin) for twin in twins}) == len(twins):
                return list(zip(ours, twins, strict=True))
    return None


def _by_order(
    file: OnnxWeights, ours: Sequence[Layer], theirs: Sequence[StoredLayer]
) -> list[tuple[Layer, StoredLayer]]:
    if len(ours) != len(theirs):
        raise CheckpointError(
            f"{file.path} has {len(theirs)} layers with weights, the network {len(ours)}, and "
            "their names are others."
        )
    if file.model.producer_name != "pytorch":
        raise CheckpointError(
            f"the names of {file.path}'s layers are others than the network's, and only of files "
            "that PyTorch wrote is it known that their order is that of execution (this one is by "
            f"{file.model.producer_name or 'nobody'!r})."
        )
    return list(zip(ours, theirs, strict=True))


def _check_same(file: OnnxWeights, ours: Layer, theirs: StoredLayer) -> None:
    given = (theirs.kind, tuple(theirs.weight.shape), theirs.attributes)
    if given == (ours.kind, ours.shape, ours.attributes):
        return
    raise CheckpointError(
        f"{theirs.name} in {file.path} is a {theirs.kind} of {theirs.description}, {ours.name} a "
        f"{ours.kind} of {'x'.join(map(str, ours.shape))}, or strides, padding, dilations or "
        "groups differ."
    )


def _is_named(file: OnnxWeights, network: nn.Module, module: str) -> bool:
    """Whether the file has all tensors of a module by the network's names."""
    if not module:
        return False
    wanted = network.get_submodule(module).state_dict()
    names = [f"{module}.{part}" for part in wanted if part != "num_batches_tracked"]
    # What nothing reads was left over when it was folded.
    return all(name in file.tensors and file.readers.get(name) for name in names)


def _rest(file: OnnxWeights, network: nn.Module, known: dict[str, Tensor]) -> dict[str, Tensor]:
    """What is in no layer, by its own name."""
    found: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        if name in known or name.endswith("num_batches_tracked"):
            continue
        stored = file.tensors.get(name) if file.readers.get(name) else None
        if stored is None or stored.shape != tensor.shape:
            raise CheckpointError(
                f"{file.path} has no {name} of {'x'.join(map(str, tensor.shape)) or 'one number'}, "
                "which is in none of the layers that are matched."
            )
        found[name] = stored
    return found
