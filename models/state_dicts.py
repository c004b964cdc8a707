"""Which tensors of a checkpoint are a network's weights.

Training programs save more than weights, under names of their own: several sets of weights, an
optimizer, counters of a profiler, the balance of a loss. Nothing here goes by a list of where
weights usually are: a file is read as one flat list of names with dots, and the weights are what
stands behind the prefix that makes the network's own names fit. Where that leaves a choice, the
user has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from ..texts import first_ten
from .saved_parts import Leaf, averages, cuts, grouped, is_no_weight, leaves, parts_beside
from .weight_files import SAVE_STATE_DICT

__all__ = [
    "Choice",
    "Names",
    "Taken",
    "choose",
    "fitting_prefixes",
    "names_of",
    "tensors_of",
    "votes_of",
]

_LISTED = 30
# Ten times what the largest network has with its averages.
MOST_LEAVES = 200_000


@dataclass(frozen=True, slots=True)
class Taken:
    """What of a file was taken for a network's weights.

    Attributes:
        key: Where they are in the file; empty where it is nothing but weights.
        prefix: What stood before each name there, with its dot.
        ignored: What else the file holds, for people; at most thirty, and how many more.
        notes: What else is to be said of how they came into the network, for people.
    """

    key: str = ""
    prefix: str = ""
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line; empty where there is nothing to say."""
        parts = [f"taken from {self.key}"] if self.key else []
        if self.prefix:
            parts.append(f"{self.prefix} taken off the names")
        if self.ignored:
            parts.append("ignored: " + ", ".join(self.ignored))
        return "; ".join([*parts, *self.notes])


@dataclass(frozen=True, slots=True)
class Choice:
    """The tensors that are a network's weights, or come nearest.

    Attributes:
        taken: Where they were.
        label: What ``--weights-key`` takes to mean nothing but these.
        state: By the network's names, floating-point ones as float32; possibly not all of them.
        strangers: Names beside them that the network lacks and that nothing is known of.
    """

    taken: Taken
    label: str
    state: dict[str, Tensor]
    strangers: list[str]


def choose(entries: Any, network: nn.Module, key: str | None, path: Path) -> Choice:
    """Find a network's weights in what a file holds.

    Args:
        entries: From `weight_files.read_entries`.
        network: Whose names and shapes tell which tensors are meant.
        key: Where to look: a dotted path of keys, and of the beginning of names; a dot at its
            end means the names as they stand there. Everywhere where None.
        path: The file, for messages.

    Raises:
        CheckpointError: There are no tensors by name; several sets fit, or one does and an
            average of the weights stands beside it; nothing has that key; or what fits is no
            plain tensors.
    """
    key = key or None
    if not isinstance(entries, Mapping | list | tuple) or not entries:
        raise _no_tensors(f"{path} holds {_described(entries)}")
    held = list(islice(leaves(entries), MOST_LEAVES + 1))
    if len(held) > MOST_LEAVES:
        raise CheckpointError(
            f"{path} holds more than {MOST_LEAVES:,} things; no network has as many tensors.",
            SAVE_STATE_DICT,
        )
    within = f"{key.rstrip('.')}." if key and key.rstrip(".") else ""
    inside = [leaf for leaf in held if leaf.name.startswith(within)]
    named = {leaf.name: leaf for leaf in inside if leaf.is_named}
    if not named:
        raise _nothing(held, inside, key, path)
    if len(named) < sum(leaf.is_named for leaf in inside):
        raise CheckpointError(f"{path} holds two tensors of one name.", SAVE_STATE_DICT)
    # Where nothing fits, the names as they are say what is missing.
    candidates = list(names_of(network))
    fits = ((names, found) for names in candidates if (found := fitting_prefixes(named, names)))
    names, fitting = next(fits, (candidates[0], []))
    if key is not None and key.endswith("."):
        prefix, others = within, [other for other in fitting if other != within]
    else:
        if fitting:
            _check_single(fitting, named, held if key is None else [], path)
        prefix = fitting[0] if fitting else _nearest(named, votes_of(named, names.tensors))
        others = []
    return _chosen(prefix, within, others, held, names, path)


def _check_single(
    fitting: Sequence[str], named: Iterable[str], held: Iterable[Leaf], path: Path
) -> None:
    """Refuse to choose between several sets of weights.

    Args:
        fitting: Prefixes of those that fit.
        named: The tensors' names.
        held: Where averages of weights that don't fit are looked for.
        path: The file, for messages.
    """
    sets = {
        _label(prefix, fitting): f"{sum(name.startswith(prefix) for name in named)} tensors"
        for prefix in fitting
    }
    for place, what in averages(held).items():
        if not any(prefix.startswith(f"{place}.") for prefix in fitting):
            sets[place] = what
    if len(sets) > 1:
        width = max(map(len, sets))
        raise CheckpointError(
            f"{path} holds several sets of weights that may be meant:\n"
            + first_ten([f"{label:{width}}  {what}" for label, what in sets.items()]),
            f"Say which, for example --weights-key {next(iter(sets))} (weights_key in Python).",
        )


def _label(prefix: str, others: Iterable[str]) -> str:
    """The key that means a set; with the dot that shuts out those that lie within it."""
    if not prefix:
        return "."
    is_around = any(other != prefix and other.startswith(prefix) for other in others)
    return prefix if is_around else prefix[:-1]


def _nearest(named: Mapping[str, Leaf], votes: Counter[str]) -> str:
    """The prefix that misses least, for an error that says what is missing."""
    best = max(votes, key=lambda prefix: votes[prefix], default="")
    if votes[best]:
        return best
    sizes = Counter(leaf.holder for leaf in named.values())
    return max(sizes, key=lambda holder: sizes[holder])


def _chosen(
    prefix: str, within: str, others: Sequence[str], held: Sequence[Leaf], names: Names, path: Path
) -> Choice:
    """Sort what a file holds.

    Args:
        prefix: What stands before the names of the weights.
        within: What the user's key limits it to.
        others: Prefixes of other sets of weights, which are not meant.
        held: All of it.
        names: The network's.
        path: The file, for messages.
    """
    fitting = {prefix + name for name in names.tensors}
    holders = {leaf.holder for leaf in held if leaf.name in fitting} or {prefix}
    state: dict[str, Tensor] = {}
    beside: list[Leaf] = []
    strangers, known, wrong = [], [], []
    for leaf in held:
        elsewhere = leaf.holder not in holders or not leaf.name.startswith(within)
        if elsewhere or any(leaf.name.startswith(other) for other in others):
            beside.append(leaf)
            continue
        ours = leaf.name.startswith(prefix)
        name = leaf.name.removeprefix(prefix) if ours else leaf.name
        if leaf.name not in fitting and (not leaf.is_named or is_no_weight(leaf.name)):
            known.append(leaf.name.removeprefix(leaf.holder))
        elif problem := _problem(leaf.value):
            wrong.append(f"{name}: {problem}")
        elif ours:
            state[name] = leaf.value
        else:
            strangers.append(leaf.name)
    if wrong:
        raise CheckpointError(
            f"{path} holds more than tensors by name:\n{first_ten(wrong)}", SAVE_STATE_DICT
        )
    # Names of one and the same data cost nothing in the file, and memory for each here.
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    if claimed > 4 * path.stat().st_size:
        raise CheckpointError(
            f"{path} holds tensors of {claimed:,} bytes in a file of {path.stat().st_size:,}.",
            SAVE_STATE_DICT,
        )
    holder = next(iter(holders)) if len(holders) == 1 else ""
    key = holder if prefix.startswith(holder) else prefix
    ignored = [*parts_beside(beside, [within] if within else holders), *grouped(known)]
    if len(ignored) > _LISTED:
        ignored = [*ignored[:_LISTED], f"and {len(ignored) - _LISTED} more"]
    return Choice(
        Taken(key.rstrip("."), prefix.removeprefix(key), tuple(ignored)),
        prefix.rstrip(".") or ".",
        {names.wrapping + name: _plain(tensor) for name, tensor in state.items()},
        strangers,
    )


def _problem(value: Any) -> str:
    if not isinstance(value, Tensor):
        return f"not a tensor but {type(value).__name__}"
    if value.layout != torch.strided or value.is_quantized:
        return "a sparse or quantised tensor"
    if value.is_meta:
        return "a tensor without data"
    # A few bytes can claim a shape of terabytes with strides of 0.
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return f"shape {tuple(value.shape)} is larger than the data behind it"
    return ""


def _plain(tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    return tensor.float() if tensor.is_floating_point() else tensor


def _nothing(
    held: Sequence[Leaf], inside: Sequence[Leaf], key: str | None, path: Path
) -> CheckpointError:
    """What to say where there are no tensors by name."""
    if key is not None and not inside:
        there = parts_beside(held, [])
        return CheckpointError(
            f"{path} holds nothing of the key {key!r}.", f"It holds {', '.join(there[:_LISTED])}."
        )
    where = f"{path} holds" if key is None else f"{path} holds as {key}"
    tensors = sum(isinstance(leaf.value, Tensor) for leaf in inside)
    if tensors:
        return _no_tensors(f"{where} {tensors} tensors without names")
    lines = [f"{leaf.name}: {_described(leaf.value)}" for leaf in inside]
    return CheckpointError(f"{where} no tensors by name:\n{first_ten(lines)}", SAVE_STATE_DICT)


def _no_tensors(what: str) -> CheckpointError:
    return CheckpointError(f"{what}, not tensors by name.", SAVE_STATE_DICT)


def _described(value: Any) -> str:
    if isinstance(value, Mapping | list | tuple) and not value:
        return "nothing"
    return f"a {type(value).__name__}"


@dataclass(frozen=True, slots=True)
class Names:
    """A network's names as its checkpoint may have them.

    Attributes:
        wrapping: What stands before all of them in the network, and is left out here.
        tensors: All of them.
        trained: Those of parameters.
    """

    wrapping: str
    tensors: Mapping[str, Tensor]
    trained: Sequence[str]


def names_of(network: nn.Module) -> Iterator[Names]:
    """As they are; then without the modules that a factory wrapped the trained network in."""
    tensors = tensors_of(network)
    # A network may leave some of its parameters out of what it saves.
    own = (name for name, _ in network.named_parameters(remove_duplicate=False))
    trained = [name for name in own if name in tensors] or list(tensors)
    wrapping = ""
    while True:
        yield Names(wrapping, tensors, trained)
        module = f"{next(iter(tensors), '').partition('.')[0]}."
        if not tensors or not all(name.startswith(module) for name in tensors):
            return
        wrapping += module
        tensors = {name.removeprefix(module): tensor for name, tensor in tensors.items()}
        trained = [name.removeprefix(module) for name in trained]


def fitting_prefixes(named: Mapping[str, Leaf], names: Names) -> list[str]:
    """The prefixes behind which all parameters stand, in their shapes."""
    votes = votes_of(named, names.tensors)
    return [
        prefix
        for prefix, count in votes.items()
        if count >= len(names.trained) and _covers(named, prefix, names.trained, names.tensors)
    ]


def votes_of(named: Iterable[str], wanted: Mapping[str, Tensor]) -> Counter[str]:
    """How many of a network's names stand behind each prefix."""
    found: Counter[str] = Counter()
    for name in named:
        found.update(name[:cut] for cut in (0, *cuts(name)) if name[cut:] in wanted)
    return found


def tensors_of(network: nn.Module) -> dict[str, Tensor]:
    """A network's parameters and buffers by name."""
    return {n: t for n, t in network.state_dict().items() if isinstance(t, Tensor)}


def _covers(
    named: Mapping[str, Leaf], prefix: str, names: Iterable[str], wanted: Mapping[str, Tensor]
) -> bool:
    """Whether all of these names stand behind a prefix, in their shapes."""
    leaves = ((named.get(prefix + name), wanted[name]) for name in names)
    return all(leaf is not None and leaf.value.shape == own.shape for leaf, own in leaves)
