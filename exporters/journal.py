"""What has become of each target of an export, told as it happens and written up at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..artifacts.bundle import write_manifest
from ..artifacts.manifest import Artifact, Calibration, Failure, HalfPrecision
from ..formats import TARGETS
from ..quantization.recipe import Recipe
from .manifests import NetworkFacts, keep_recipes, manifest_of, with_documents
from .messages import Failed, Finished, News, Note, Started, Step

__all__ = ["ExportEvent", "ExportJournal", "Watcher"]


@dataclass(frozen=True, slots=True)
class ExportEvent:
    """Something that happened to a target.

    Attributes:
        kind: ``started``; ``step`` (with a text and, where known, how far); ``finished`` (with
            the artifact and the seconds it took); ``cached`` (with the artifact, which was taken
            from the cache); ``failed`` (with the reason); ``note`` (with a text that is worth a
            line: what of a file was taken, which photos were left out, what was made again).
        target: The target's name; empty for steps that serve all targets, and for notes.
    """

    kind: Literal["started", "step", "finished", "cached", "failed", "note"]
    target: str = ""
    text: str = ""
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    artifact: Artifact | None = None


Watcher = Callable[[ExportEvent], None]


class ExportJournal:
    """What has been made, and what is to be said of it.

    Args:
        watch: Told of everything at once.
    """

    def __init__(self, watch: Watcher) -> None:
        self.watch = watch
        self.artifacts: list[Artifact] = []
        self.failures: list[Failure] = []
        self.tools: dict[str, str] = {}
        self.recipes: dict[str, Recipe] = {}
        self.half_precision: HalfPrecision | None = None
        self.calibration: Calibration | None = None

    def note(self, text: str) -> None:
        """A line for people that stays."""
        self.watch(ExportEvent("note", text=text))

    def enter(self, news: News) -> None:
        """Something that a lane or the export itself says."""
        match news:
            case Started(target):
                self.watch(ExportEvent("started", target))
            case Step(text, target, done, total):
                self.watch(ExportEvent("step", target, text, done, total))
            case Note(text):
                self.note(text)
            case Finished(target, artifact, seconds, tools):
                self._add(artifact, tools)
                self.watch(ExportEvent("finished", target, seconds=seconds, artifact=artifact))
            case Failed(target, reason, missed):
                self.failures.append(Failure(target=target, reason=reason, missed=missed))
                self.watch(ExportEvent("failed", target, reason))

    def take(self, artifact: Artifact, tools: dict[str, str], recipe: Recipe | None) -> None:
        """A target that was in the cache."""
        self._add(artifact, tools)
        if recipe is not None:
            self.recipes[artifact.target] = recipe
        self.watch(ExportEvent("cached", artifact.target, artifact=artifact))

    def write(self, drawn: NetworkFacts, folder: Path) -> None:
        """Make a bundle of a folder that holds the files."""
        position = {row.name: i for i, row in enumerate(TARGETS)}
        used = [self.recipes[row.name] for row in TARGETS if row.name in self.recipes]
        manifest = manifest_of(
            drawn,
            sorted(self.artifacts, key=lambda a: position[a.target]),
            self.tools,
            recipes=keep_recipes(used, folder),
            failures=sorted(self.failures, key=lambda f: position[f.target]),
            calibration=self.calibration,
            half_precision=self.half_precision,
        )
        write_manifest(folder, with_documents(manifest, folder))

    def _add(self, artifact: Artifact, tools: dict[str, str]) -> None:
        self.artifacts.append(artifact)
        self.tools.update(tools)
