"""Which modules are compared, with which tensors, and which can't be."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import cast

from .graph import Graph, Key
from .kinds import ACTIVATIONS, WEIGHTED, kind_of
from .matching import Matching
from .tape import IMAGE, Mark, Tape

__all__ = ["MASK", "Row", "Unmatched", "choose_rows", "reference_name"]

# What the last row is called, and the reference's own output.
MASK = "mask"


@dataclass(frozen=True, slots=True)
class Row:
    """One module's output and its counterpart.

    Attributes:
        name: The module, as the network calls it: ``stage1d.rebnconvin``.
        names: All modules that give this very value, as `reference_name` calls them.
        value: Its number on the tape.
        tensor: The file's own name of its tensor.
        sources: The rows' values, or the image, that it is computed from.
        weights: The modules with weights between those and it.
    """

    name: str
    names: tuple[str, ...]
    value: int
    tensor: str
    sources: tuple[int, ...]
    weights: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A module that is not compared, and why."""

    name: str
    reason: str


def choose_rows(
    tape: Tape, network: Graph, file: Graph, found: Matching
) -> tuple[list[Row], list[Unmatched]]:
    """The modules that can be compared, in execution order, and those that can't.

    A value that only an activation reads has no row where the activation has one: what is wrong
    with the one is seen in the other.
    """
    marks: dict[int, list[Mark]] = {}
    for mark in tape.marks:
        marks.setdefault(mark.number, []).append(mark)
    marks.setdefault(tape.result, [])
    _follow_fused(marks, network, file, found)
    order = [n for call in tape.calls for n in call.results.values() if n in marks]
    tensors, reasons = _tensors(order, tape, network, file, found)
    activated = _activated(network, tensors)
    shown = [number for number in order if number in tensors and number not in activated]
    names = {number: _name(marks[number], number == tape.result) for number in order}
    rows: dict[str, Row] = {}
    for number in shown:
        # A module that only hands on what another computed says nothing new.
        if names[number] not in rows:
            rows[names[number]] = Row(
                names[number],
                _names(marks[number], number == tape.result),
                number,
                str(tensors[number]),
                *_cut(tape, number, {*shown, IMAGE}),
            )
    unmatched = [
        Unmatched(names[number], reasons[number])
        for number in order
        if number not in tensors and number not in activated
    ]
    return list(rows.values()), unmatched


def reference_name(name: str) -> str:
    """What the reference calls a module of the exported view; empty for the view's own."""
    if name == MASK or re.match(r"normalize\b", name):
        return name
    found = re.match(r"body\.(network\b.*)", name)
    return found[1] if found else ""


def _tensors(
    order: list[int], tape: Tape, network: Graph, file: Graph, found: Matching
) -> tuple[dict[int, Key], dict[int, str]]:
    """The file's tensor of each value that has one, and the reason of each that has none."""
    made = {operation.makes: place for place, operation in enumerate(network.operations)}
    tensors: dict[int, Key] = {}
    reasons: dict[int, str] = {}
    for number in order:
        own = network.classes.get(number)
        if own is None:
            reasons[number] = "converters fold it with what is done to it next"
            continue
        theirs = found.classes.get(own)
        if theirs is None:
            reason = found.reasons.get(made.get(own, -1), "")
            reasons[number] = reason or "the network only hands it through"
            continue
        members = file.members(theirs)
        alike = [key for key in members if file.shapes[key] == tape.shapes[number]]
        if alike:
            tensors[number] = alike[0]
        elif members:
            reasons[number] = f"the file holds it in another shape, {file.shapes[members[0]]}"
        else:
            reasons[number] = "the file fuses its activation into it"
    return tensors, reasons


def _follow_fused(
    marks: dict[int, list[Mark]], network: Graph, file: Graph, found: Matching
) -> None:
    """Let a module whose tensor a file hides stand for the activation that is fused into it.

    That is for activations which are no modules; where they are, they have a row themselves.
    """
    for operation in network.operations:
        before, after = operation.reads[0], operation.makes
        if operation.kind not in ACTIVATIONS or before not in marks or after in marks:
            continue
        theirs = found.classes.get(before)
        if theirs is not None and not file.members(theirs):
            # Of a tape's graph, tensors are numbers.
            marks[cast("int", after)] = marks.pop(before)


def _activated(network: Graph, tensors: dict[int, Key]) -> set[Key]:
    """Values that one operation reads, an activation whose result is compared."""
    readers = Counter(key for operation in network.operations for key in set(operation.reads))
    return {
        key
        for operation in network.operations
        if operation.kind in ACTIVATIONS and operation.makes in tensors
        for key in operation.reads
        if readers[key] == 1
    }


def _cut(tape: Tape, number: int, known: set[int]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """What a value is computed from, and the modules with weights on the way."""
    sources: list[int] = []
    weights: list[str] = []
    needed = {number}
    for call in reversed(tape.calls):
        if not needed.intersection(call.results.values()):
            continue
        if kind_of(call.name) == WEIGHTED and call.module not in weights:
            weights.append(call.module)
        for read in call.reads:
            if read in known:
                sources.append(read)
            else:
                needed.add(read)
    return tuple(dict.fromkeys(sources[::-1])), tuple(_plain(w) for w in weights[::-1])


def _name(marks: list[Mark], is_result: bool) -> str:
    """The outermost module that gives a value; the exported view's wrappers are none."""
    if is_result:
        return MASK
    names = [_plain(mark.name) for mark in marks]
    named = [name for name in names if name and not name.startswith(("body", "network"))]
    return min(named or names or ["?"], key=lambda name: (name.count("."), len(name)))


def _names(marks: list[Mark], is_result: bool) -> tuple[str, ...]:
    names = [reference_name(mark.name) for mark in marks]
    names = sorted({n for n in names if n}, key=lambda name: (name.count("."), name))
    return (MASK, *names) if is_result else tuple(names)


def _plain(name: str) -> str:
    return re.sub(r"^body\.network\.", "", name)
