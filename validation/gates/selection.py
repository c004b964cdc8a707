"""Which gates an artifact has to pass: the latest layer, and in it the most specific one, wins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from ...artifacts.manifest import Artifact
from ...errors import InputError, UsageError, did_you_mean
from ...formats import TARGETS
from ..results import ArtifactResult
from .baseline import Tolerance
from .gate import Gate

__all__ = ["TARGET_NAMES", "Gates", "Selectable"]

# Of every target there is, with its format and its precision: what a file of gates for several
# bundles may name.
TARGET_NAMES = frozenset(name for row in TARGETS for name in (row.name, row.format, row.precision))

_NAME, _PATTERN, _GROUP, _ALL = 3, 2, 1, 0


# What selectors look at.
Selectable = Artifact | ArtifactResult


@dataclass(frozen=True, slots=True)
class Gates:
    """All gates of a run.

    Attributes:
        layers: Defaults, a file, the command line: a later layer's gate replaces the earlier
            ones' of the same metric on the same artifact. In one layer a target's name wins over
            a pattern, that over a format or a precision, and that over ``*``; of equals, the
            stricter holds.
        tolerances: How much worse than a baseline results may be, by metric.
        known: Names of targets, formats and precisions that files may name though a bundle has
            none of them.
    """

    layers: tuple[tuple[Gate, ...], ...] = ()
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)
    known: frozenset[str] = frozenset()

    def on_top(self, gates: Iterable[Gate]) -> Gates:
        """These gates with another layer."""
        return replace(self, layers=(*self.layers, tuple(gates)))

    def of(self, artifact: Selectable, *, beside_gpu: bool) -> list[Gate]:
        """The gates that an artifact has to pass, one a metric, in the order of their writing.

        Args:
            artifact: To select for.
            beside_gpu: The reference ran on a GPU.
        """
        chosen: dict[str, tuple[tuple[int, int, int], Gate]] = {}
        for depth, layer in enumerate(self.layers):
            for gate in layer:
                fit = max(_fit(selector, artifact) for selector in gate.selectors)
                if fit < 0 or (gate.beside_gpu and not beside_gpu):
                    continue
                rank = (depth, fit, int(gate.beside_gpu))
                name = gate.quantity.name
                before, other = chosen.get(name, ((-1, 0, 0), gate))
                if rank > before or (rank == before and _is_stricter(gate, other)):
                    chosen[name] = rank, gate
        return [gate for _, gate in chosen.values() if gate.bound is not None]

    def check(self, artifacts: Iterable[Selectable], labels: Iterable[str]) -> None:
        """Refuse gates that look at nothing, which would seem to pass. `decide` does; before a
        run, the manifest's artifacts tell it early.

        Args:
            artifacts: All that will be judged.
            labels: Of the network's classes.

        Raises:
            UsageError: A selector of ``--gate`` matches no artifact, or a label is unknown.
            InputError: The same of a file; there a target that this bundle lacks is fine.
        """
        here = list(artifacts)
        names = {name for artifact in here for name in _names(artifact)}
        targets = ", ".join(artifact.target for artifact in here)
        for gate in (gate for layer in self.layers for gate in layer):
            for selector in gate.selectors:
                if any(_fit(selector, artifact) >= 0 for artifact in here):
                    continue
                if gate.place:
                    if not any(fnmatchcase(name, selector) for name in self.known | names):
                        raise InputError(
                            f"{gate.place}: there is no target, format or precision {selector!r}.",
                            did_you_mean(selector, self.known | names),
                        )
                elif gate.source == "--gate":
                    raise UsageError(
                        f"The gate {str(gate)!r} is for {selector}, and the bundle has none.",
                        did_you_mean(selector, names) + f"It has {targets}.",
                    )
            if gate.quantity.family == "class" and gate.quantity.key not in labels:
                what = f"{gate.quantity.name}: the network has no class {gate.quantity.key!r}."
                remedy = f"Its classes: {', '.join(labels)}."
                if gate.place:
                    raise InputError(f"{gate.place}: {what}", remedy)
                raise UsageError(f"The gate {str(gate)!r}: {what}", remedy)


def _names(artifact: Selectable) -> tuple[str, str, str]:
    return artifact.target, artifact.format, artifact.precision


def _fit(selector: str, artifact: Selectable) -> int:
    """How specifically a selector means an artifact; -1 where it doesn't."""
    if selector in {"*", "all"}:
        return _ALL
    if selector == artifact.target:
        return _NAME
    if selector in _names(artifact):
        return _GROUP
    if re.search(r"[*?\[]", selector) and fnmatchcase(artifact.target, selector):
        return _PATTERN
    return -1


def _is_stricter(gate: Gate, other: Gate) -> bool:
    if gate.bound is None or other.bound is None:
        return other.bound is None
    if gate.bound.limit == other.bound.limit:
        return gate.where is None
    return (gate.bound.limit > other.bound.limit) == (gate.quantity.better == "higher")
