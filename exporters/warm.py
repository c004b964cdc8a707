"""An export whose files are all in the cache: made without PyTorch, in the time of a copy.

Beside targets' files the cache has what else a manifest says: of the network with its weights, of
half precision, and of the calibration photos. All of it is looked up by `Ingredients`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ..artifacts.bundle import LOG, Bundle, load_bundle, writing
from ..artifacts.cache import Cache, Parts, changed
from ..artifacts.manifest import (
    Artifact,
    Calibration,
    Checkpoint,
    FileEntry,
    HalfPrecision,
    Network,
)
from ..errors import MaskportError, MissingToolError
from ..formats import Target
from ..quantization.recipe import Recipe
from ..sdks.needs import not_installed
from ..texts import first_few, shown
from .ingredients import Asked, Ingredients
from .journal import ExportJournal, Watcher
from .keeper import Keeper
from .manifests import NetworkFacts
from .messages import Failed

__all__ = [
    "CALIBRATION",
    "HALVES",
    "NETWORK",
    "Known",
    "facts_of",
    "from_cache",
    "lacking",
    "take_target",
]

NETWORK: Final = "network"
HALVES: Final = "half-precision"
CALIBRATION: Final = "calibration"
# Of what has changed, so much is named.
_NAMED = 6


@dataclass(frozen=True, slots=True)
class Known:
    """An export whose ingredients are known.

    Attributes:
        cache: Where files are taken from and kept.
        asked: What is asked for.
        ingredients: Of it, as they were when the export began.
    """

    cache: Cache
    asked: Asked
    ingredients: Ingredients

    def parts(self, rows: Iterable[Target]) -> dict[str, Parts]:
        """What each thing of an export depends on, by its name in the cache."""
        found, rows = self.ingredients, list(rows)
        recipes = {row.recipe for row in rows if row.recipe}
        return {
            NETWORK: found.of_network(),
            HALVES: found.of_halves(),
            CALIBRATION: found.of_calibration(),
            **{f"step-{name}": found.of_intermediate() for name in ("onnx", "program", "trace")},
            **{f"step-recipe-{name}": found.of_quantized(name) for name in recipes},
            **{row.name: found.of_target(row) for row in rows},
        }

    def keeper(self, rows: Iterable[Target], tell: Callable[[str], None]) -> Keeper:
        """For the process that runs the export."""
        return Keeper(self.cache, self.parts(rows), tell, self._unchanged)

    def drawn(self, facts: dict[str, Any], weights: FileEntry) -> NetworkFacts:
        """The network for a manifest: what the cache knows, under today's names."""
        asked = self.asked
        checkpoint = Checkpoint.model_validate(facts["checkpoint"])
        said = {
            "file": shown(asked.origin.file),
            "source": asked.source,
            "license": asked.license,
        }
        return NetworkFacts(
            Network.model_validate(facts["network"]),
            checkpoint.model_copy(update=said),
            asked.spec,
            weights,
            facts["device"],
            facts["torch"],
        )

    def _unchanged(self) -> bool:
        try:
            return self.ingredients.still(self.asked)
        except (OSError, MaskportError):
            return False


class _Missing(Exception):
    """Something isn't in the cache after all."""


def from_cache(known: Known, rows: Sequence[Target], out: Path, watch: Watcher) -> Bundle | None:
    """The bundle, where all of it is in the cache; else what has changed is said, and nothing else
    happens.

    Args:
        known: The export.
        rows: Its targets.
        out: The bundle's folder.
        watch: Told what happens.

    Raises:
        UsageError, ToolError: As `writing`.
    """
    journal = ExportJournal(watch)
    keeper = known.keeper(rows, journal.note)
    failed = lacking(rows)
    made = [row for row in rows if row.name not in failed]
    others = [NETWORK]
    others += [HALVES] if any(row.in_halves for row in made) else []
    others += [CALIBRATION] if known.asked.calibration else []
    absent = [row for row in made if not keeper.has(row.name)]
    if absent or not made or not all(map(keeper.has, others)):
        _say_changes(known, keeper, made, absent, journal.note)
        return None
    try:
        with writing(out) as folder:
            _fill(known, keeper, made, others, journal, folder)
            for failure in failed.values():
                journal.enter(failure)
    except _Missing:
        return None
    return load_bundle(out)


def _fill(
    known: Known,
    keeper: Keeper,
    rows: Sequence[Target],
    others: Sequence[str],
    journal: ExportJournal,
    folder: Path,
) -> None:
    said = {}
    for name in others:
        entry = keeper.take(name, folder)
        if entry is None:
            raise _Missing
        said[name] = entry.facts
        if name == NETWORK:
            (weights,) = entry.files
    for row in rows:
        if not take_target(keeper, row, folder, journal):
            raise _Missing
    if HALVES in said:
        journal.half_precision = HalfPrecision.model_validate(said[HALVES])
    if CALIBRATION in said:
        journal.calibration = Calibration.model_validate(said[CALIBRATION])
    lines = (f"{row.name}: from the cache ({keeper.key(row.name)})\n" for row in rows)
    (folder / LOG).write_text("".join(lines), encoding="utf-8")
    if said[NETWORK]["said"]:
        journal.note(f"Weights of {known.asked.origin.file}: {said[NETWORK]['said']}")
    journal.write(known.drawn(said[NETWORK], weights), folder)


def take_target(keeper: Keeper, row: Target, folder: Path, journal: ExportJournal) -> bool:
    """Have a target's file, and what is said of it, from the cache if it is there."""
    entry = keeper.take(row.name, folder)
    if entry is None:
        return False
    artifact = Artifact.model_validate(entry.facts["artifact"])
    recipe = entry.facts["recipe"]
    journal.take(artifact, entry.facts["tools"], Recipe.from_dict(recipe) if recipe else None)
    return True


def facts_of(artifact: Artifact, tools: dict[str, str], recipe: Recipe | None) -> dict[str, Any]:
    """What `take_target` reads."""
    said = asdict(recipe) | {"float_modules": list(recipe.float_modules)} if recipe else None
    return {
        "artifact": artifact.model_dump(mode="json", exclude_none=True),
        "tools": tools,
        "recipe": said,
    }


def lacking(rows: Iterable[Target]) -> dict[str, Failed]:
    """Targets that can't be made here, because their tools aren't installed."""
    found = {}
    for row in rows:
        if absent := not_installed(row.needs):
            reason = MissingToolError(", ".join(absent), row.shared.extra, row.name)
            found[row.name] = Failed(row.name, str(reason))
    return found


def _say_changes(
    known: Known,
    keeper: Keeper,
    rows: Sequence[Target],
    absent: Sequence[Target],
    note: Callable[[str], None],
) -> None:
    """Which targets of a network that was exported before are made again, and why."""
    reasons: dict[str, list[str]] = {}
    for row in absent:
        parts = keeper.parts[row.name]
        before = known.cache.alike(row.name, parts, ("network",))
        if before is not None and row.name not in keeper.damaged:
            reasons.setdefault(first_few(changed(before.parts, parts), _NAMED), []).append(row.name)
    for reason, names in reasons.items():
        note(f"Made again: {', '.join(names)}. Changed: {reason}.")
    if reasons and len(absent) < len(rows):
        note(f"Unchanged, and taken from the cache: {len(rows) - len(absent)} of {len(rows)}.")
