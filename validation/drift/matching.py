"""Which tensor of a file is which value of the network.

Both graphs are walked from the image. An operation whose inputs are known and that has one
counterpart on the same inputs, of the same kind and shape, is that counterpart; names that the
exporter kept and the weights tell several apart. Where the walk ends, because a converter wrote
something in another way, it goes on from the next operation that names, weights or a shape that
nothing else has single out. Values of tensors are never looked at: a fault must not hide itself
by being matched with something else, and what can't be told apart stays unmatched.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .graph import Graph, Key, Operation
from .kinds import WEIGHTED

__all__ = ["Matching", "match"]

# Cosine of two sketches: weights of a 4-bit palette keep 0.98, unrelated ones 0 ± 0.13.
SIMILAR = 0.7
# By how much the best must beat the next.
AHEAD = 0.2


@dataclass
class Matching:
    """What was found.

    Attributes:
        classes: Class of the network → class of the file.
        pairs: Operation of the network → operation of the file, by position.
        reasons: Operation of the network → why it has no counterpart.
    """

    classes: dict[Key, Key] = field(default_factory=dict)
    pairs: dict[int, int] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)


def match(network: Graph, file: Graph, given: dict[Key, Key]) -> Matching:
    """Find each of the network's operations in the file.

    Args:
        network: Of the exported view of the network.
        file: Of the artifact.
        given: Classes known beforehand: the image, where the file takes it as it is.
    """
    search = _Search(network, file, given)
    while search.walk() or search.resume():
        pass
    search.explain()
    return search.found


class _Search:
    def __init__(self, network: Graph, file: Graph, given: dict[Key, Key]) -> None:
        self.network, self.file = network.operations, file.operations
        self.found = Matching(classes=dict(given))
        self.taken: set[int] = set()
        self.back = {theirs: ours for ours, theirs in given.items()}
        # What an operation looks like, how many there are of it, and which of the file are so.
        self.looks = [_looks(operation) for operation in self.network]
        self.same = Counter(self.looks)
        self.by_looks: dict[tuple[object, ...], list[int]] = {}
        for place, operation in enumerate(self.file):
            self.by_looks.setdefault(_looks(operation), []).append(place)

    def walk(self) -> bool:
        """Match what follows from known inputs; True where something was."""
        moved = False
        for place, operation in enumerate(self.network):
            if place in self.found.pairs:
                continue
            known = [self.found.classes.get(key) for key in operation.reads]
            if None in known:
                continue
            chosen = self._narrowed(operation, self._reading(place, known))
            if chosen is not None and self._pair(place, chosen):
                moved = True
        return moved

    def resume(self) -> bool:
        """Match the first operation beyond a gap that is beyond doubt; True where one was."""
        for place, operation in enumerate(self.network):
            if place in self.found.pairs or operation.kind != WEIGHTED or not operation.kernel:
                continue
            candidates = [c for c in self._free(place) if self._agrees(operation, self.file[c])]
            if not candidates:
                continue
            look = self.looks[place]
            chosen = self._by_name(operation, candidates) or self._by_weights(operation, candidates)
            if len(chosen) != 1 and self.same[look] == len(self.by_looks[look]) == 1:
                chosen = candidates
            if len(chosen) == 1 and self._pair(place, chosen[0]):
                return True
        return False

    def explain(self) -> None:
        """Give each operation that was not found its reason."""
        for place, operation in enumerate(self.network):
            if place in self.found.pairs:
                continue
            alike = self._free(place)
            known = [self.found.classes.get(key) for key in operation.reads]
            here = self._reading(place, known)
            if len(here) > 1:
                reason = f"{len(here)} nodes of the file could be its {operation.kind}"
            elif None in known:
                reason = "what it reads has no counterpart in the file"
            elif alike:
                reason = f"no {operation.kind} of the file reads the same tensors"
            else:
                reason = f"the file has no {operation.kind} of its shape"
            self.found.reasons[place] = reason

    def _free(self, place: int) -> list[int]:
        return [c for c in self.by_looks.get(self.looks[place], ()) if c not in self.taken]

    def _reading(self, place: int, known: list[Key | None]) -> list[int]:
        """The free ones that read those classes."""
        return [c for c in self._free(place) if Counter(self.file[c].reads) == Counter(known)]

    def _agrees(self, operation: Operation, other: Operation) -> bool:
        """Nothing known of their inputs speaks against it."""
        if len(operation.reads) != len(other.reads):
            return False
        return all(
            self.found.classes.get(ours, theirs) == theirs and self.back.get(theirs, ours) == ours
            for ours, theirs in zip(operation.reads, other.reads, strict=True)
        )

    def _narrowed(self, operation: Operation, candidates: list[int]) -> int | None:
        for narrow in (self._by_name, self._by_weights):
            if len(candidates) > 1:
                candidates = narrow(operation, candidates) or candidates
        return candidates[0] if len(candidates) == 1 else None

    def _by_name(self, operation: Operation, candidates: Sequence[int]) -> list[int]:
        """Those whose name begins with the module's path."""
        path = _plain(operation.label)
        return [c for c in candidates if path and _plain(self.file[c].label).startswith(path)]

    def _by_weights(self, operation: Operation, candidates: Sequence[int]) -> list[int]:
        """The one whose weights are the module's, where it stands out both ways."""
        own = operation.weights
        if len(own) == 1:
            return []
        scored = sorted(((self._similar(own, c), c) for c in candidates), reverse=True)
        best, chosen = scored[0]
        second = scored[1][0] if len(scored) > 1 else 0.0
        rivals = [
            self._similar(rival.weights, chosen)
            for place, rival in enumerate(self.network)
            if rival is not operation
            and place not in self.found.pairs
            and self.looks[place] == _looks(operation)
        ]
        if best < SIMILAR or best - max([second, *rivals]) < AHEAD:
            return []
        return [chosen]

    def _similar(self, own: np.ndarray, candidate: int) -> float:
        theirs = self.file[candidate].weights
        return float(own @ theirs) if len(own) == len(theirs) else 0.0

    def _pair(self, place: int, other: int) -> bool:
        """Note that both are the same, unless something known speaks against it."""
        ours, theirs = self.network[place], self.file[other]
        classes = [(ours.makes, theirs.makes)]
        if len(ours.reads) == len(theirs.reads) == 1:
            classes.append((ours.reads[0], theirs.reads[0]))
        for mine, its in classes:
            if self.found.classes.get(mine, its) != its or self.back.get(its, mine) != mine:
                return False
        for mine, its in classes:
            self.found.classes[mine] = its
            self.back[its] = mine
        self.found.pairs[place] = other
        self.taken.add(other)
        return True


def _looks(operation: Operation) -> tuple[object, ...]:
    """What counterparts share. Matrix products may have their sequence in other dimensions."""
    if operation.kernel and len(operation.kernel) == 2:
        return operation.kind, operation.kernel, int(np.prod(operation.shape)), operation.position
    return operation.kind, operation.kernel, operation.shape, operation.position


# The exported view wraps the network; the files' names leave the wrappers out.
_WRAPPERS = re.compile(r"^(body\.)?(network\.)?")


def _plain(label: str) -> str:
    """``/stage1/rebnconvin/conv_s1/Conv`` and ``stage1.rebnconvin.conv_s1`` in one form."""
    path = _WRAPPERS.sub("", label.strip("/").replace("/", "."))
    return f"{path}." if path else ""
