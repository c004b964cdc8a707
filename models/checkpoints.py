"""Weights into networks: PyTorch, safetensors and ONNX files, all or nothing.

A file either fits its network name by name and shape by shape, or the network is left as it
was and the error says what is missing, unexpected or of the wrong shape. What is in a file beside
the weights is ignored where it is known, and said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from ..texts import first_ten
from .checksums import sha256_of
from .families import all_families, ancestor_of
from .onnx_checkpoint import OnnxWeights, read_onnx, state_from_onnx
from .state_dicts import Choice, Taken, choose, tensors_of
from .weight_files import check_is_file, kind_of, read_entries

__all__ = ["Taken", "load_weights", "sha256_of"]

# A counter of training steps that inference never reads; old and folded files lack it.
OPTIONAL = "num_batches_tracked"


def load_weights(network: nn.Module, path: Path, key: str | None = None) -> Taken:
    """Put a file's weights into ``network``, in place.

    Args:
        network: Built, on any device; keeps its device and dtype.
        path: What PyTorch or safetensors saved, by its content and whatever its name; or an
            ONNX export of the network.
        key: Which weights, where the file holds several sets: a dotted path of keys, and of the
            beginning of names; a dot at its end means the names as they stand there.

    Returns:
        What of the file was taken, and what was ignored.

    Raises:
        CheckpointError: The file can't be read or doesn't fit, or holds several sets of weights
            that do; ``network`` is unchanged.
        MissingToolError: An ONNX file, and onnx is not installed.
    """
    path = Path(path)
    check_is_file(path)
    if kind_of(path) == "onnx":
        if key is not None:
            raise CheckpointError(
                f"{path} is an ONNX file, whose weights have no key.", "Leave --weights-key out."
            )
        state, note = _matched(read_onnx(path), network)
        taken = Taken(notes=(note,) if note else ())
    else:
        choice = choose(read_entries(path), network, key, path)
        _check_fit(network, choice, path)
        state, taken = choice.state, choice.taken
    _check_finite(state, path)
    with torch.no_grad():
        for name, tensor in tensors_of(network).items():
            if name in state and _fits(name, state[name], tensor):
                # Averages of whole numbers have become floats.
                whole = not tensor.is_floating_point() and state[name].is_floating_point()
                tensor.copy_(state[name].nan_to_num().round() if whole else state[name])
    family = ancestor_of(network)
    mended = family.loaded(network) if family else ""
    return replace(taken, notes=(*taken.notes, mended)) if mended else taken


def _matched(file: OnnxWeights, network: nn.Module) -> tuple[dict[str, Tensor], str]:
    try:
        state, note = state_from_onnx(file, network)
    except CheckpointError as exc:
        for label, candidate in _known_networks(_widths(file.tensors)):
            try:
                state_from_onnx(file, candidate)
            except CheckpointError:
                continue
            raise CheckpointError(exc.what, f"This looks like {label}.") from exc
        raise
    _check_fit(network, Choice(Taken(), "", state, []), file.path)
    return state, note


def _check_fit(network: nn.Module, choice: Choice, path: Path) -> None:
    wanted, state = tensors_of(network), choice.state
    missing = [name for name in wanted if name not in state and not name.endswith(OPTIONAL)]
    unexpected = [name for name in state if name not in wanted and not name.endswith(OPTIONAL)]
    unexpected += choice.strangers
    misfits = [
        f"{name}: {_shape(state[name])} in the file, {_shape(tensor)} in the network"
        for name, tensor in wanted.items()
        if name in state and not name.endswith(OPTIONAL) and not _fits(name, state[name], tensor)
    ]
    if not (missing or unexpected or misfits):
        return
    where = str(replace(choice.taken, ignored=()))
    lines = [f"{path} does not fit the network{f' ({where})' if where else ''}."]
    for title, names in (
        ("missing from the file", missing),
        ("unexpected in the file", unexpected),
        ("of the wrong shape or type", misfits),
    ):
        if names:
            lines.append(f"{len(names)} {title}:\n{first_ten(names)}")
    remedy = _remedy(network, state)
    if unexpected and not missing and not misfits and unexpected == choice.strangers:
        remedy = f"Where these are no part of the network: --weights-key {choice.label}"
    elif missing and not unexpected and not misfits and not _trained(network) & set(missing):
        remedy = (
            "All that is trained is there, and no running means: an average of parameters. Save "
            "both: torch.save({**network.state_dict(), **averages}, 'weights.pth')."
        )
    raise CheckpointError("\n".join(lines), remedy)


def _trained(network: nn.Module) -> set[str]:
    return {name for name, _ in network.named_parameters(remove_duplicate=False)}


def _fits(name: str, given: Tensor, wanted: Tensor) -> bool:
    if given.shape != wanted.shape or given.is_complex():
        return False
    if given.is_floating_point() and not wanted.is_floating_point():
        # What averages of weights make of a counter, and of a table that is always the same.
        return name.endswith(OPTIONAL) or torch.equal(given.round().to(wanted), wanted)
    return given.is_floating_point() == wanted.is_floating_point()


def _shape(tensor: Tensor) -> str:
    size = "x".join(map(str, tensor.shape)) or "one number"
    kind = "" if tensor.is_floating_point() else f" {str(tensor.dtype).removeprefix('torch.')}"
    return size + kind


def _remedy(network: nn.Module, state: dict[str, Tensor]) -> str:
    shapes = _shapes(state)
    if shapes == _shapes(tensors_of(network)):
        return (
            "The names and shapes are this network's, the types are not: give its weights in "
            "floating point, as they were before they were quantised."
        )
    outputs = shapes.get("outconv.weight", (1,))[0]
    for label, known in _known_networks({1, outputs}):
        if _shapes(known.state_dict()) == shapes:
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
            for family in all_families():
                yield from family.variants(channels)


def _check_finite(state: dict[str, Tensor], path: Path) -> None:
    broken = [
        name
        for name, tensor in state.items()
        if tensor.is_floating_point()
        and not name.endswith(OPTIONAL)
        and not tensor.isfinite().all()
    ]
    if broken:
        raise CheckpointError(
            f"{path} has {len(broken)} tensors with NaN or infinite values:\n{first_ten(broken)}",
            "Training diverged, or float16 overflowed: take an earlier checkpoint.",
        )
