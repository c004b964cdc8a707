"""What runs on a sweep's nodes: an export, a comparison, a timing, and what they amount to.

Each task looks whether it is done already, and keeps what it made before it ends: so a task that is
started twice, because its node was lost or the driver was killed, is done once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .. import api
from ..artifacts.bundle import MANIFEST, load_bundle
from ..artifacts.manifest import Failure
from ..artifacts.store import open_place, publish
from ..artifacts.store.keys import manifest_key
from ..artifacts.store.place import Absent
from ..errors import MaskportError, UsageError
from ..outputs import full, no_room
from ..outside.files import MANIFEST_FILE
from ..processes.scratch import Scratch
from ..validation.gates import Gates
from ..validation.latency import summarize_times
from ..validation.options import LatencyMode, NetworkOptions, RunOptions
from ..validation.parts import Part, merged, run_part
from ..validation.photoset import FoundPhotos, PhotoSource
from ..validation.reports import write_html
from ..validation.reports.files import json_of
from ..validation.reports.page import anchors_of
from ..validation.results import ArtifactResult, Results
from .here import bundle_here, making, store_of, version_of
from .memory import Work
from .outcomes import Outcomes
from .plan import Cell
from .remote import local_copy

__all__ = ["Outcome", "Task", "done", "not_made"]


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do.

    Attributes:
        work: What.
        key: Of what it keeps; changes with whatever it depends on.
        cell: Of which bundle.
        label: For people.
        threads: CPU threads of every runtime.
        sources: The photos, of a comparison; the first photo, of a timing.
        latency: How a timing, or the sweep, times.
        kind: Of processor, of a timing.
        parts: Keys of the comparisons, in the photos' order, of what is judged.
        timings: Keys of the timings, likewise.
        photos: Where all of them are from, likewise.
        gates: Likewise.
    """

    work: Work
    key: str
    cell: Cell
    label: str
    threads: int
    sources: tuple[PhotoSource, ...] = ()
    latency: LatencyMode = "none"
    kind: str = ""
    parts: tuple[str, ...] = ()
    timings: tuple[str, ...] = ()
    photos: FoundPhotos | None = None
    gates: Gates | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended.

    Attributes:
        key: The task's.
        seconds: That it took here.
        again: It was done before.
        notes: What is worth a line.
        error: What went wrong, what to do, and the exit code; None where nothing did.
    """

    key: str
    seconds: float
    again: bool = False
    notes: tuple[str, ...] = ()
    error: tuple[str, str, int] | None = None


def done(out: str, task: Task) -> Outcome:
    """Do a task here. What goes wrong with it is its outcome.

    Args:
        out: The sweep's place.
        task: What is to be done.
    """
    began = time.monotonic()
    works: dict[str, Callable[[str, Task], tuple[str, ...] | None]] = {
        "export": _export,
        "compare": _measure,
        "time": _measure,
        "judge": _judge,
    }
    try:
        notes = works[task.work](out, task)
    except MaskportError as exc:
        error = (exc.what, exc.remedy, exc.exit_code)
    except Absent as exc:
        error = (f"{exc} is not there any more.", "Run the sweep again: it is made anew.", 3)
    except OSError as exc:
        lack = full() if no_room(exc) else None
        what = lack.what if lack else f"{exc.filename or 'A file'}: {exc.strerror or exc}."
        remedy = lack.remedy if lack else "See to that node's disk, or its MASKPORT_CACHE."
        error = (what, remedy, 3)
    else:
        return Outcome(task.key, time.monotonic() - began, notes is None, notes or ())
    return Outcome(task.key, time.monotonic() - began, error=error)


def _export(out: str, task: Task) -> tuple[str, ...] | None:
    cell = task.cell
    place, key = open_place(store_of(out)), manifest_key(cell.name, version_of(cell))
    if place.size(key) is not None:
        return None
    with making(out, cell) as folder, closing(Scratch()) as scratch:
        bundle = api.export(
            cell.network,
            weights=_local(cell.weights, scratch.path),
            weights_key=cell.weights_key,
            spec=cell.spec,
            targets=cell.targets,
            calibration=_local(cell.calibration, scratch.path),
            recipe=cell.recipe,
            out=folder,
            author=cell.author,
            license=cell.license,
            source=cell.source,
            jobs=task.threads,
        )
        try:
            publish(bundle.path, place, name=cell.name, version=version_of(cell), page=False)
        except UsageError:
            if place.size(key) is None:
                raise
            return None  # another node has made it meanwhile
    failures = bundle.manifest.failures
    return tuple(not_made(cell, failure) for failure in failures)


def not_made(cell: Cell, failure: Failure) -> str:
    """A line of a target that couldn't be exported."""
    return f"{cell.name}: {failure.target}: {failure.reason}"


def _measure(out: str, task: Task) -> tuple[str, ...] | None:
    """Compare masks, or time files."""
    outcomes = Outcomes(open_place(out))
    if outcomes.has_part(task.key):
        return None
    compare = task.work == "compare"
    part = run_part(
        bundle_here(out, task.cell),
        _options(task.cell, task.latency, task.threads),
        task.sources,
        compare=compare,
        keep_maps=partial(outcomes.keep_maps, task.key) if compare else None,
    )
    outcomes.keep_part(task.key, part, _about(task.cell))
    return ()


def _judge(out: str, task: Task) -> tuple[str, ...] | None:
    place, cell = open_place(out), task.cell
    outcomes = Outcomes(place)
    if outcomes.files(cell.name, task.key) is not None:
        return None
    parts = [outcomes.part(key) for key in task.parts]
    timings = [outcomes.part(key) for key in task.timings]
    if task.photos is None or task.gates is None:
        raise TypeError("A judgement needs photos and gates.")
    with closing(Scratch()) as scratch:
        folder = scratch.path / cell.name
        folder.mkdir()
        key = manifest_key(cell.name, version_of(cell))
        (folder / MANIFEST).write_bytes(open_place(store_of(out)).read(key, MANIFEST_FILE))
        results, maps = merged(
            load_bundle(folder),
            _options(cell, task.latency if timings else "none", task.threads),
            task.photos,
            parts,
            task.gates,
            scratch.path,
            timings[0] if timings else None,
            [outcomes.maps(key) for key in task.parts],
        )
        # It lies in the store, and not where it was judged.
        results = results.model_copy(update={"bundle": cell.name})
        page = write_html(results, maps, scratch.path / "page.html").read_bytes()
    place.replace(f"results/{cell.name}.json", json_of(results))
    place.replace(f"pages/{cell.name}.html", page)
    outcomes.keep_files(cell.name, task.key, _rows(cell, results, timings))
    return ()


def _rows(cell: Cell, results: Results, timings: list[Part]) -> list[dict[str, Any]]:
    """A bundle's rows of the table."""
    anchors = anchors_of(results)
    return [
        {
            **_about(cell),
            "version": version_of(cell),
            "target": artifact.target,
            "format": artifact.format,
            "precision": artifact.precision,
            "bytes": artifact.bytes,
            "anchor": anchors[artifact.target],
            "status": artifact.status,
            "reason": artifact.reason,
            "emulated": artifact.emulated,
            **(artifact.fidelity or {}),
            **{f"truth_{name}": value for name, value in (artifact.truth or {}).items()},
            "macs": artifact.cost.macs if artifact.cost else None,
            "peak_memory_mb": artifact.peak_memory_mb,
            **_latency(artifact, timings),
        }
        for artifact in results.artifacts.values()
    ]


def _latency(artifact: ArtifactResult, timings: list[Part]) -> dict[str, Any]:
    latency = artifact.latency_ms
    if latency is None:
        return {}
    medians: dict[str, float] = {}
    for part in timings:
        rounds = [
            fact["times"]
            for fact in part.facts
            if fact["fact"] == "round" and fact["target"] == artifact.target
        ]
        if rounds:
            found, _ = summarize_times(rounds, load=0, first=0, threads=part.threads)
            medians[f"{part.machine.processor} ({part.threads} CPUs)"] = found.p50
    return {
        "p50_ms": latency.p50,
        "p90_ms": latency.p90,
        "p99_ms": latency.p99,
        "processor": timings[0].machine.processor,
        "processors": list(medians),
        "medians_ms": list(medians.values()),
    }


def _about(cell: Cell) -> dict[str, Any]:
    return {
        "bundle": cell.name,
        "network": cell.network,
        "weights": Path(cell.weights).name if cell.weights else "",
        "height": cell.spec.image.height,
        "width": cell.spec.image.width,
        "recipe": cell.recipe.name if cell.recipe else "",
    }


def _options(cell: Cell, latency: LatencyMode, threads: int) -> RunOptions:
    # What the manifest names is not imported because it says so; the plan does.
    named = cell.network if ":" in cell.network else None
    return RunOptions(network=NetworkOptions(named), latency=latency, threads=threads)


def _local(name: str | None, scratch: Path) -> str | None:
    """What an address names, here; a path as it is."""
    return local_copy(name, scratch) if name and "://" in name else name
