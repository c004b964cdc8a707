"""One export run: every shared intermediate made once, every file made in a lane and judged."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..artifacts.bundle import LOG, REFERENCE, Bundle, load_bundle, writing
from ..artifacts.manifest import Calibration
from ..errors import BudgetError, ExportError, MaskportError
from ..formats import Intermediate, Target
from ..models.devices import best_device
from ..models.prepared import PreparedMask, Reference, prepare
from ..quantization.calibration import CalibrationSet
from ..quantization.recipe import Recipe, read_recipe
from ..quantization.suitability import evenly_spaced, objections
from .failures import SECOND_CHOICE, reason_of
from .half_precision import tried_in_halves
from .intermediates import make
from .journal import ExportEvent, ExportJournal, Watcher
from .keeper import Keeper
from .lane import CHECK, CHECK_AT, KEPT, PLAN
from .lanes import Lanes
from .manifests import NetworkFacts
from .messages import Failed, Finished, News, Step
from .probes import draw_references
from .quantized import quantized
from .recipes import RecipeSearch
from .run import Card, Options, Run, Size
from .subject import Subject, drawn_by, keep_weights
from .warm import CALIBRATION, HALVES, NETWORK, Known, facts_of, lacking, take_target

__all__ = ["ExportEvent", "ExportRequest", "Watcher", "run_export"]


# Calibration photos whose masks are looked at; each costs an inference.
LOOKED_AT = 6


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
        known: What is taken from the cache and kept there; None without.
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
    known: Known | None = None


def run_export(request: ExportRequest, out: Path, watch: Watcher) -> Bundle:
    """Make the targets, judge them, and write the bundle of those that hold.

    Raises:
        ExportError: Not one target could be made; ``out`` is as it was.
        BudgetError: The same, and it was nothing but budgets that were missed.
        MaskportError: What is given can't be exported at all.
    """
    prepared = prepare(request.subject.reference.network, request.subject.spec)
    journal = ExportJournal(watch)
    keeper = request.known.keeper(request.targets, journal.note) if request.known else None
    if keeper is not None and not keeper.check():
        keeper = None  # weights or photos may be others than those that the cache is asked for
    if keeper is not None:
        keeper.prune()  # runs that failed, or were killed, put things there, too
    with writing(out) as folder, _alone(request, keeper, journal):
        log_path = folder / LOG
        scratch = folder / "scratch"
        scratch.mkdir()
        run = Run(scratch, request.subject.spec, request.card, request.options, keeper=keeper)
        run.save(scratch / PLAN)
        if keeper is not None:
            parts = {row.name: dict(keeper.parts[row.name]) for row in request.targets}
            plan = {"cache": str(keeper.cache.folder), "parts": parts}
            (scratch / KEPT).write_text(json.dumps(plan), encoding="utf-8")
        if request.calibration is not None:
            np.save(scratch / "calibration.npy", request.calibration.pixels)
        reference = keep_weights(request.subject, folder)
        rows = {row.name: row for row in request.targets}
        with (
            log_path.open("ab") as log,
            Lanes([_LANE, str(scratch)], log, request.jobs) as lanes,
        ):
            for news in _make_all(request, prepared, run, lanes, log_path, journal):
                journal.enter(news)
                if isinstance(news, Finished):
                    _keep(news, rows[news.target], run, journal)
        shutil.rmtree(scratch)
        if not journal.artifacts:
            reasons = "; ".join(f"{f.target}: {f.reason}" for f in journal.failures)
            if all(failure.missed for failure in journal.failures):
                raise BudgetError(reasons)
            raise ExportError(f"No target could be made. {reasons}", _keep_log(log_path))
        drawn = drawn_by(request.subject, reference)
        journal.write(drawn, folder)
        if keeper is not None:
            _keep_facts(request, drawn, journal, keeper, folder)
    return load_bundle(out)


@contextlib.contextmanager
def _alone(request: ExportRequest, keeper: Keeper | None, journal: ExportJournal) -> Iterator[None]:
    """While another process makes the same for the cache, wait for what it makes."""
    rows = request.targets if keeper else ()
    absent = [row.name for row in rows if keeper and not keeper.has(row.name)]
    if keeper is None or not absent:
        yield
        return
    keys = [(name, keeper.parts[name]) for name in absent]
    with contextlib.ExitStack() as stack:
        # A cache that can't be written is said when something is put there.
        with contextlib.suppress(OSError):
            wait = "Another export makes the same: waiting for what it makes."
            stack.enter_context(keeper.cache.alone(keys, lambda: journal.note(wait)))
        yield


def _keep(news: Finished, row: Target, run: Run, journal: ExportJournal) -> None:
    """Note what a target's file was quantised by, and put it into the cache."""
    recipe = None
    if row.recipe:
        recipe = journal.recipes[row.name] = read_recipe(run.of_recipe(row.recipe).recipe)
    # A second choice isn't kept: what the first failed of may not be there the next time.
    second = news.artifact.format == "tflite" and (run.scratch / SECOND_CHOICE).exists()
    if run.keeper is not None and not second:
        bundle = run.scratch.parent
        facts = facts_of(news.artifact, news.tools, recipe)
        made = bundle / news.artifact.path
        run.keeper.put(row.name, [made], bundle, facts, news.artifact.files)


def _keep_facts(
    request: ExportRequest,
    drawn: NetworkFacts,
    journal: ExportJournal,
    keeper: Keeper,
    folder: Path,
) -> None:
    """Put what else the manifest says into the cache, and let that stay within its limits."""
    facts = {
        "network": drawn.network.model_dump(mode="json"),
        "checkpoint": drawn.checkpoint.model_dump(mode="json"),
        "device": drawn.device,
        "torch": drawn.torch,
        "said": request.subject.said,
    }
    keeper.put(NETWORK, [folder / REFERENCE], folder, facts)
    if journal.half_precision is not None:
        keeper.put(HALVES, [], folder, journal.half_precision.model_dump(mode="json"))
    if journal.calibration is not None:
        keeper.put(CALIBRATION, [], folder, journal.calibration.model_dump(mode="json"))
    keeper.prune()


def _make_all(
    request: ExportRequest,
    prepared: PreparedMask,
    run: Run,
    lanes: Lanes,
    log: Path,
    journal: ExportJournal,
) -> Iterator[News]:
    """Take every target that the cache has, and order the others as soon as what they start from
    exists; pass on what is heard."""
    failed = lacking(request.targets)
    yield from failed.values()
    available = [row for row in request.targets if row.name not in failed]
    absent = [
        row
        for row in available
        if run.keeper is None or not take_target(run.keeper, row, run.scratch.parent, journal)
    ]
    lanes.warm_up(absent)
    yield Step("drawing the reference's masks")
    references = draw_references(request.subject.reference, prepared, request.check, run)
    check = {"images": request.check, "references": references}
    for size, images in request.check_at.items():
        yield Step(f"drawing the reference's masks at {size[0]}x{size[1]}")
        masks = _resized(request.subject, size).draw(images, best_device())
        np.savez(run.scratch / CHECK_AT.format(*size), images=images, references=masks)
    if any(row.in_halves for row in available):
        yield Step("drawing masks in half precision")
        drawn, journal.half_precision = tried_in_halves(prepared, request.check)
        check |= drawn
        if not drawn and run.keeper is not None:  # they are not judged by it
            run.keeper.leave([HALVES, *(row.name for row in available if row.in_halves)])
    np.savez(run.scratch / CHECK, **check)  # type: ignore[arg-type]  # names, no options
    if request.calibration is not None:
        yield Step("looking at the calibration photos")
        journal.calibration = _described(request, request.calibration)
        failed_on_one = any(text.startswith(_FAILS) for text in journal.calibration.warnings)
        if failed_on_one and run.keeper is not None:
            run.keeper.leave([CALIBRATION])
    yield from _make_float(absent, prepared, run, lanes, log)
    for name in dict.fromkeys(row.recipe for row in absent if row.recipe):
        rows = [row for row in absent if row.recipe == name]
        own = run.of_recipe(name)
        try:
            own.scratch.mkdir()
            yield from _quantized(prepared, own, name, request)
        except Exception as exc:  # of any network that nobody has tried
            yield from _all_failed(rows, exc, f"quantising by the recipe {name}", log)
            continue
        lanes.order(rows)
        yield from lanes.so_far()
    yield Step("")
    yield from lanes.finish()


def _quantized(
    prepared: PreparedMask, own: Run, name: str, request: ExportRequest
) -> Iterator[Step]:
    """What the cache has of a recipe's program, or a new one."""
    step, keeper = f"step-recipe-{name}", own.keeper
    yield Step(f"quantising by the recipe {name}")
    if keeper is not None and keeper.take(step, own.scratch):
        return
    yield from quantized(prepared, own, request.calibration, request.recipes[name])
    if keeper is not None:
        keeper.put(step, [own.program, own.recipe], own.scratch)


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
    order: tuple[Intermediate, ...] = ("onnx", "program", "trace")
    wanted = [s for s in order if any(s in row.sources for row in waiting)]
    for source in wanted:
        yield Step(_DOING[source])
        try:
            _make_or_take(source, prepared, run, log)
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


def _make_or_take(source: Intermediate, prepared: PreparedMask, run: Run, log: Path) -> None:
    """One intermediate: what the cache has, or a new one."""
    step = f"step-{source}"
    if run.keeper is not None and run.keeper.take(step, run.scratch):
        return
    with _into(log):
        make(source, prepared, run)
    if run.keeper is not None:
        made: Path = getattr(run, source)
        run.keeper.put(step, [made], run.scratch)


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
_FAILS = "the network fails on a calibration photo"


def _described(request: ExportRequest, calibration: CalibrationSet) -> Calibration:
    """For the manifest."""
    return Calibration(
        images=len(calibration.names),
        left_out=calibration.left_out,
        unread=list(calibration.unread),
        sha256=calibration.sha256,
        warnings=list(_doubts(request, calibration)),
    )


def _doubts(request: ExportRequest, calibration: CalibrationSet) -> tuple[str, ...]:
    """What speaks against the calibration set, by a few of its masks."""
    pixels = calibration.pixels
    some = pixels[evenly_spaced(len(pixels), LOOKED_AT)].astype(np.float32) / np.float32(255)
    try:
        masks = request.subject.reference.draw(some, best_device())
        return objections(pixels, masks, request.subject.spec.mask.threshold)
    except Exception as exc:  # the user's own code may raise anything
        return (f"{_FAILS}: {reason_of(exc)}",)


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
