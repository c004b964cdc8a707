"""One export run: every shared intermediate made once, every file made in a lane and judged."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..artifacts.bundle import (
    LOG,
    Bundle,
    describe_files,
    load_bundle,
    write_manifest,
    writing,
)
from ..artifacts.manifest import (
    Artifact,
    Calibration,
    Failure,
    FileEntry,
    HalfPrecision,
    Manifest,
)
from ..errors import BudgetError, ExportError, MaskportError, MissingToolError
from ..formats import TARGETS, Target
from ..models.devices import best_device
from ..models.prepared import PreparedMask, Reference, prepare
from ..quantization.calibration import CalibrationSet
from ..quantization.recipe import Recipe, read_recipe, write_recipe
from ..quantization.suitability import evenly_spaced, objections
from ..sdks.needs import not_installed
from .failures import reason_of
from .half_precision import tried_in_halves
from .intermediates import make
from .lane import CHECK, CHECK_AT, PLAN
from .lanes import Lanes
from .messages import Failed, Finished, News, Started, Step
from .probes import draw_references
from .quantized import quantized
from .recipes import RecipeSearch
from .run import Card, Options, Run, Size
from .subject import Subject, keep_weights, manifest_of, with_documents

__all__ = ["ExportEvent", "ExportRequest", "Watcher", "run_export"]


@dataclass(frozen=True, slots=True)
class ExportEvent:
    """Something that happened to a target.

    Attributes:
        kind: ``started``; ``step`` (with a text and, where known, how far); ``finished`` (with
            the artifact and the seconds it took); ``failed`` (with the reason); ``note`` (with a
            text that is worth a line: what of a file was taken, which photos were left out).
        target: The target's name; empty for steps that serve all targets, and for notes.
    """

    kind: Literal["started", "step", "finished", "failed", "note"]
    target: str = ""
    text: str = ""
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    artifact: Artifact | None = None


# Calibration photos whose masks are looked at; each costs an inference.
LOOKED_AT = 6

Watcher = Callable[[ExportEvent], None]


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is to be exported, and everything that the manifest says of it.

    Attributes:
        subject: The network.
        targets: What to make.
        card: Texts to embed in the files.
        options: Choices that change what is inside the files.
        calibration: Photos for INT8 targets.
        recipes: By the name that targets have for them, what they are quantised by.
        check: (N, 3, H, W) float32, RGB in [0, 1]: photos that every file must draw rightly.
        check_at: By each of the options' other sizes, likewise.
        jobs: Lanes at once.
    """

    subject: Subject
    targets: tuple[Target, ...]
    card: Card
    options: Options
    calibration: CalibrationSet | None
    recipes: Mapping[str, Recipe | RecipeSearch]
    check: NDArray[np.float32]
    jobs: int
    check_at: Mapping[Size, NDArray[np.float32]] = field(default_factory=dict)


def run_export(request: ExportRequest, out: Path, watch: Watcher) -> Bundle:
    """Make the targets, judge them, and write the bundle of those that hold.

    Raises:
        ExportError: Not one target could be made; ``out`` is as it was.
        BudgetError: The same, and it was nothing but budgets that were missed.
        MaskportError: What is given can't be exported at all.
    """
    prepared = prepare(request.subject.reference.network, request.subject.spec)
    with writing(out) as folder:
        log_path = folder / LOG
        scratch = folder / "scratch"
        scratch.mkdir()
        run = Run(scratch, request.subject.spec, request.card, request.options)
        run.save(scratch / PLAN)
        if request.calibration is not None:
            np.save(scratch / "calibration.npy", request.calibration.pixels)
        reference = keep_weights(request.subject, folder)
        journal = _Journal(watch)
        with (
            log_path.open("ab") as log,
            Lanes([_LANE, str(scratch)], log, request.jobs) as lanes,
        ):
            for news in _make_all(request, prepared, run, lanes, log_path):
                journal.enter(news)
        recipes = _keep_recipes(run, journal.artifacts, folder)
        shutil.rmtree(scratch)
        if not journal.artifacts:
            reasons = "; ".join(f"{f.target}: {f.reason}" for f in journal.failures)
            if all(failure.missed for failure in journal.failures):
                raise BudgetError(reasons)
            raise ExportError(f"No target could be made. {reasons}", _keep_log(log_path))
        manifest = _manifest(request, journal, reference, recipes)
        write_manifest(folder, with_documents(manifest, folder))
    return load_bundle(out)


def _make_all(
    request: ExportRequest, prepared: PreparedMask, run: Run, lanes: Lanes, log: Path
) -> Iterator[News | HalfPrecision | _Doubts]:
    """Order every target as soon as what it starts from exists; pass on what is heard."""
    available = []
    for row in request.targets:
        lacking = not_installed(row.needs)
        if lacking:
            lack = MissingToolError(", ".join(lacking), row.shared.extra, row.name)
            yield Failed(row.name, str(lack))
        else:
            available.append(row)
    lanes.warm_up(available)
    yield Step("drawing the reference's masks")
    references = draw_references(request.subject.reference, prepared, request.check, run)
    check = {"images": request.check, "references": references}
    for size, images in request.check_at.items():
        yield Step(f"drawing the reference's masks at {size[0]}x{size[1]}")
        masks = _resized(request.subject, size).draw(images, best_device())
        np.savez(run.scratch / CHECK_AT.format(*size), images=images, references=masks)
    if any(row.in_halves for row in available):
        yield Step("drawing masks in half precision")
        drawn, found = tried_in_halves(prepared, request.check)
        check |= drawn
        yield found
    np.savez(run.scratch / CHECK, **check)  # type: ignore[arg-type]  # names, no options
    if request.calibration is not None:
        yield Step("looking at the calibration photos")
        yield _Doubts(_doubts(request, request.calibration))
    yield from _make_float(available, prepared, run, lanes, log)
    for name in dict.fromkeys(row.recipe for row in available if row.recipe):
        rows = [row for row in available if row.recipe == name]
        own = run.of_recipe(name)
        try:
            own.scratch.mkdir()
            yield Step(f"quantising by the recipe {name}")
            yield from quantized(prepared, own, request.calibration, request.recipes[name])
        except Exception as exc:  # of any network that nobody has tried
            yield from _all_failed(rows, exc, f"quantising by the recipe {name}", log)
            continue
        lanes.order(rows)
        yield from lanes.so_far()
    yield Step("")
    yield from lanes.finish()


def _resized(subject: Subject, size: Size) -> Reference:
    return Reference(subject.reference.network, subject.spec.resized(*size))


def _make_float(
    available: list[Target], prepared: PreparedMask, run: Run, lanes: Lanes, log: Path
) -> Iterator[News]:
    """Every intermediate of the float network, and the targets that start from it.

    A target is ordered when the last of those that it may start from was tried, and fails where
    none of them could be made.
    """
    waiting = [row for row in available if not row.recipe]
    failed: dict[str, Exception] = {}
    # The longest way first: litert-torch's and ExecuTorch's start from the program.
    wanted = [s for s in ("onnx", "program", "trace") if any(s in row.sources for row in waiting)]
    for source in wanted:
        yield Step(_DOING[source])
        try:
            with _into(log):
                make(source, prepared, run)
        except Exception as exc:  # torch's and the user's
            failed[source] = exc
        tried = wanted[: wanted.index(source) + 1]
        ready = [row for row in waiting if set(row.sources) <= set(tried)]
        waiting = [row for row in waiting if row not in ready]
        for row in [row for row in ready if set(row.sources) <= failed.keys()]:
            ready.remove(row)
            first = row.sources[0]
            yield from _all_failed([row], failed[first], _DOING[first], log)
        lanes.order(ready)
        yield from lanes.so_far()


def _all_failed(rows: list[Target], exc: Exception, what: str, log: Path) -> Iterator[Failed]:
    """The same failure for all that need it; its traceback goes into the log."""
    with _into(log):
        traceback.print_exception(exc)
    reason = reason_of(exc)
    if not isinstance(exc, MaskportError):
        reason = f"Failed while {what}: {reason}\nThe log has the traceback; it is for a report."
    missed = isinstance(exc, BudgetError)
    for row in rows:
        yield Failed(row.name, reason, missed)


_DOING = {
    "onnx": "making the ONNX graph",
    "program": "making the exported program",
    "trace": "tracing the network",
}


_LANE = f"{__package__}.lane:main"


def _doubts(request: ExportRequest, calibration: CalibrationSet) -> tuple[str, ...]:
    """What speaks against the calibration set, by a few of its masks."""
    pixels = calibration.pixels
    some = pixels[evenly_spaced(len(pixels), LOOKED_AT)].astype(np.float32) / np.float32(255)
    try:
        masks = request.subject.reference.draw(some, best_device())
        return objections(pixels, masks, request.subject.spec.mask.threshold)
    except Exception as exc:  # the user's own code may raise anything
        return (f"the network fails on a calibration photo: {reason_of(exc)}",)


@dataclass(frozen=True, slots=True)
class _Doubts:
    """What speaks against the calibration set."""

    texts: tuple[str, ...]


class _Journal:
    """What has become of each target, and what is to be said of its calibration."""

    def __init__(self, watch: Watcher) -> None:
        self.watch = watch
        self.artifacts: list[Artifact] = []
        self.failures: list[Failure] = []
        self.tools: dict[str, str] = {}
        self.warnings: list[str] = []
        self.half_precision: HalfPrecision | None = None

    def enter(self, news: News | HalfPrecision | _Doubts) -> None:
        match news:
            case Started(target):
                self.watch(ExportEvent("started", target))
            case Step(text, target, done, total):
                self.watch(ExportEvent("step", target, text, done, total))
            case Finished(target, artifact, seconds, tools):
                self.artifacts.append(artifact)
                self.tools.update(tools)
                self.watch(ExportEvent("finished", target, seconds=seconds, artifact=artifact))
            case Failed(target, reason, missed):
                self.failures.append(Failure(target=target, reason=reason, missed=missed))
                self.watch(ExportEvent("failed", target, reason))
            case HalfPrecision():
                self.half_precision = news
            case _Doubts(texts):
                self.warnings += texts


def _keep_recipes(run: Run, artifacts: list[Artifact], folder: Path) -> list[FileEntry]:
    """What each file was quantised by, as `--recipe` takes it; one file a recipe."""
    made = {artifact.target for artifact in artifacts}
    used = dict.fromkeys(row.recipe for row in TARGETS if row.name in made and row.recipe)
    recipes = {r.digest: r for r in (read_recipe(run.of_recipe(name).recipe) for name in used)}
    kept = []
    for digest, recipe in recipes.items():
        same_name = sum(other.name == recipe.name for other in recipes.values()) > 1
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", recipe.name) + f"-{digest[:8]}" * same_name
        file = folder / f"recipe-{plain}.toml"
        write_recipe(recipe, file)
        kept += describe_files(file, folder)[0]
    return kept


def _manifest(
    request: ExportRequest, journal: _Journal, reference: FileEntry, recipes: list[FileEntry]
) -> Manifest:
    position = {row.name: i for i, row in enumerate(TARGETS)}
    calibration = request.calibration
    return manifest_of(
        request.subject,
        reference,
        sorted(journal.artifacts, key=lambda a: position[a.target]),
        journal.tools,
        recipes=recipes,
        failures=sorted(journal.failures, key=lambda f: position[f.target]),
        calibration=None
        if calibration is None
        else Calibration(
            images=len(calibration.names),
            left_out=calibration.left_out,
            unread=list(calibration.unread),
            sha256=calibration.sha256,
            warnings=journal.warnings,
        ),
        half_precision=journal.half_precision,
    )


def _keep_log(log: Path) -> str:
    """Move the log of a run that gave no bundle to where it survives; a remedy that names it."""
    kept = Path.cwd() / f"maskport-export-{time.strftime('%Y%m%d-%H%M%S')}.log"
    try:
        shutil.copyfile(log, kept)
    except OSError:
        return "Run it again with --debug for more."
    return f"What the SDKs printed is in {kept}."


@contextlib.contextmanager
def _into(log: Path) -> Iterator[None]:
    """Python's own output into the log; torch prints while it exports."""
    with (
        log.open("a", encoding="utf-8") as file,
        contextlib.redirect_stdout(file),
        contextlib.redirect_stderr(file),
    ):
        yield


def default_jobs() -> int:
    """One lane more than cores: a lane spends part of its time loading files."""
    return (os.cpu_count() or 1) + 1
