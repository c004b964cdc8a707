"""Weights into networks: PyTorch, safetensors and ONNX files, all or nothing.

A file either fits its network name by name and shape by shape, or the network is left as it
was and the error says what is missing, unexpected or of the wrong shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from .checksums import sha256_of
from .onnx_checkpoint import OnnxWeights, read_onnx, state_from_onnx
from .state_dicts import SUFFIXES, first_ten, read_state_dict
from .u2net import u2net, u2netp

__all__ = ["SUFFIXES", "load_weights", "read_state_dict", "sha256_of"]

# A counter of training steps that inference never reads; old and folded files lack it.
OPTIONAL = "num_batches_tracked"


def load_weights(network: nn.Module, path: Path) -> None:
    """Put a file's weights into ``network``, in place.

    Args:
        network: Built, on any device; keeps its device and dtype.
        path: `.pth`, `.pt`, `.bin`, `.ckpt`, `.safetensors`, or an `.onnx` export of it.

    Raises:
        CheckpointError: The file can't be read or doesn't fit; ``network`` is unchanged.
        MissingToolError: An ONNX file, and onnx is not installed.
    """
    path = Path(path)
    if path.suffix == ".onnx":
        state = _matched(read_onnx(path), network)
    else:
        state = read_state_dict(path)
        _check_fit(network, state, path)
    _check_finite(state, path)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name in state:
                tensor.copy_(state[name])


def _matched(file: OnnxWeights, network: nn.Module) -> dict[str, Tensor]:
    try:
        state = state_from_onnx(file, network)
    except CheckpointError as exc:
        for label, candidate in _known_networks(_widths(file.tensors)):
            try:
                state_from_onnx(file, candidate)
            except CheckpointError:
                continue
            raise CheckpointError(exc.what, f"This looks like {label}.") from exc
        raise
    _check_fit(network, state, file.path)
    return state


def _check_fit(network: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in state and not name.endswith(OPTIONAL)]
    unexpected = [name for name in state if name not in wanted and not name.endswith(OPTIONAL)]
    misfits = [
        f"{name}: {_shape(state[name])} in the file, {_shape(tensor)} in the network"
        for name, tensor in wanted.items()
        if name in state and not _fits(state[name], tensor)
    ]
    if not (missing or unexpected or misfits):
        return
    lines = [f"{path} does not fit the network."]
    for title, names in (
        ("missing from the file", missing),
        ("unexpected in the file", unexpected),
        ("of the wrong shape or type", misfits),
    ):
        if names:
            lines.append(f"{len(names)} {title}:\n{first_ten(names)}")
    raise CheckpointError("\n".join(lines), _remedy(state))


def _fits(given: Tensor, wanted: Tensor) -> bool:
    return given.shape == wanted.shape and given.is_floating_point() == wanted.is_floating_point()


def _shape(tensor: Tensor) -> str:
    size = "x".join(map(str, tensor.shape)) or "one number"
    kind = "" if tensor.is_floating_point() else f" {str(tensor.dtype).removeprefix('torch.')}"
    return size + kind


def _remedy(state: dict[str, Tensor]) -> str:
    shapes = _shapes(state)
    outputs = shapes.get("outconv.weight", (1,))[0]
    for label, network in _known_networks({1, outputs}):
        if _shapes(network.state_dict()) == shapes:
            return f"This looks like {label}."
    return "Give the network that these weights were trained in, or the weights of this one."


def _shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(t.shape) for name, t in state.items() if not name.endswith(OPTIONAL)}


def _widths(tensors: dict[str, Tensor]) -> set[int]:
    """How many channels the output may have: those of the 1x1 convolutions."""
    return {1} | {t.shape[0] for t in tensors.values() if t.ndim == 4 and t.shape[2:] == (1, 1)}


def _known_networks(outputs: set[int]) -> Iterator[tuple[str, nn.Module]]:
    """Networks of the catalog, by what a user would call them; without memory for weights."""
    with torch.device("meta"):
        for channels in sorted(outputs):
            large, small = "U²-Net: name u2net or one of its kind", "U²-Netp: name u2netp"
            if channels > 1:
                large = f"U²-Net with {channels} output channels"
                large += ": name u2net_cloth_seg" if channels == 4 else ""
                small = (
                    f"U²-Netp with {channels} output channels: give a factory that returns "
                    f"maskport.models.u2net.u2netp({channels})"
                )
            yield large, u2net(channels)
            yield small, u2netp(channels)


def _check_finite(state: dict[str, Tensor], path: Path) -> None:
    broken = [name for name, t in state.items() if t.is_floating_point() and not t.isfinite().all()]
    if broken:
        raise CheckpointError(
            f"{path} has {len(broken)} tensors with NaN or infinite values:\n{first_ten(broken)}",
            "Training diverged, or float16 overflowed: take an earlier checkpoint.",
        )
