"""What a training program saved, as one flat list of names with dots, and what names say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .stand_ins import Blank, BlankValue

__all__ = ["Leaf", "averages", "cuts", "grouped", "is_no_weight", "leaves", "parts_beside"]

# Last parts of names that are no weights: thop's counters, how many networks were averaged, and
# the balance of a loss.
_COUNTERS = ("total_ops", "total_params", "n_averaged", "pos_weight")
# Modules beside a network, whose tensors are no weights of it.
_BESIDE = re.compile(r"(^|_)(criterions?|criteria|loss|losses|metrics?)(_|\d|$)")
# What may hold tensors by the names of weights and is no set of weights.
_NO_SET = re.compile(r"optimi[sz]er|^optim(_|$)|schedul|scaler|rng_state", re.IGNORECASE)
# What training programs call a running average of the weights, the set that is usually meant.
_AVERAGE = re.compile(
    r"(^|_)(emas?|averaged?|avg|swa|polyak|shadow)(_|\d|$)|(^|[a-z_])(EMA|Ema)([A-Z_]|$)"
    r"|^ema[A-Z]|^(EMA|SWA|AVG)(_|$)"
)
_AVERAGED_MODEL = re.compile(r"^(\w+_)?(ema|EMA|swa|averaged?)(_model|_net|_network)?$")
# Parts within parts; no training program goes deeper.
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Leaf:
    """One thing that was saved, and no container of others.

    Attributes:
        name: All keys that lead to it, and its own, with dots between them.
        holder: The keys alone, with a dot at the end; empty for what lies in no container.
        value: Whatever it is; None for what is passed over, such as an optimizer.
        is_named: It is a tensor that has a name, and is not one of a list.
    """

    name: str
    holder: str
    value: Any
    is_named: bool


def leaves(value: Any, holder: str = "") -> Iterator[Leaf]:
    """Everything that was saved, in order; each container once, though it have several names."""
    yield from _leaves(value, holder, set(), 0)


def is_no_weight(name: str) -> bool:
    """Whether a tensor's name says that it is nothing of a network's."""
    *modules, last = name.split(".")
    return last in _COUNTERS or any(_BESIDE.search(module) for module in modules)


def averages(held: Iterable[Leaf]) -> dict[str, str]:
    """Averages of weights by what they are called, readable or not: where, and what they are."""
    named: Counter[str] = Counter()
    nameless: Counter[str] = Counter()
    unreadable: dict[str, str] = {}
    for leaf in held:
        if isinstance(leaf.value, Tensor):
            parts = leaf.holder.split(".")[:-1]
            depth = next((i for i, part in enumerate(parts, 1) if _AVERAGE.search(part)), 0)
            if depth:
                (named if leaf.is_named else nameless)[".".join(parts[:depth])] += 1
        elif isinstance(leaf.value, Blank) and not isinstance(leaf.value, BlankValue):
            own = leaf.name.removeprefix(leaf.holder)
            if _AVERAGED_MODEL.search(own):
                unreadable[leaf.name] = f"a whole {type(leaf.value).__name__}, which is not read"
    return {
        **{place: f"{count} tensors" for place, count in named.items()},
        **{
            place: f"{count} tensors without names"
            for place, count in nameless.items()
            if place not in named
        },
        **unreadable,
    }


def parts_beside(held: Iterable[Leaf], places: Iterable[str]) -> list[str]:
    """Leaves outside of places, by the shortest names that mean none of these; tensors counted.

    Args:
        held: Some of what `leaves` gives.
        places: Keys with a dot at the end; empty for the file as a whole.
    """
    around = {place[:cut] for place in places for cut in cuts(place)}
    counts: Counter[str] = Counter()
    for leaf in held:
        apart = (cut for cut in cuts(leaf.name) if leaf.name[:cut] not in around)
        name = leaf.name[: next(apart, None)].rstrip(".")
        counts[name] += isinstance(leaf.value, Tensor)
    return [_counted(name, count) if count else name for name, count in counts.items()]


def grouped(names: Iterable[str]) -> list[str]:
    """Names in few lines: those of a profiler's counters, and of one module, together."""
    groups: dict[str, list[str]] = {}
    for name in names:
        first, _, rest = name.partition(".")
        last = name.rpartition(".")[2]
        together = f"*.{last}" if last in _COUNTERS else f"{first}.*" if rest else name
        groups.setdefault(together, []).append(name)
    return [
        some[0] if len(some) == 1 else _counted(together, len(some))
        for together, some in groups.items()
    ]


def _leaves(value: Any, holder: str, seen: set[int], depth: int) -> Iterator[Leaf]:
    is_dict = isinstance(value, Mapping)
    seen.add(id(value))
    for key, inner in value.items() if is_dict else enumerate(value):
        name = f"{holder}{key}"
        # A pickle can hold a dict twice, and within itself.
        if _NO_SET.search(str(key)) or id(inner) in seen:
            yield Leaf(name, holder, None, False)
        elif _holds_parts(inner) and depth < _DEEPEST:
            yield from _leaves(inner, f"{name}.", seen, depth + 1)
        else:
            is_named = isinstance(inner, Tensor) and isinstance(key, str) and is_dict
            yield Leaf(name, holder, inner, is_named)


def _holds_parts(value: Any) -> bool:
    """Whether it is a container that is looked into; a list of numbers is one thing."""
    if isinstance(value, Mapping):
        return bool(value)
    return isinstance(value, list | tuple) and any(
        isinstance(inner, Tensor | Mapping | list | tuple | Blank) for inner in value
    )


def cuts(name: str) -> list[int]:
    """Where the parts of a name begin, but for the first."""
    return [place for place, letter in enumerate(name, 1) if letter == "."]


def _counted(name: str, count: int) -> str:
    return f"{name} ({count} tensor{'s' if count != 1 else ''})"
