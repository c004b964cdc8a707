"""A validation in parts: some of the photos on this machine, others on that one.

A part has every fact of its photos, and nothing that was summed up. Merging enters the facts in
the photos' order and makes results of them by the same code as a run of all photos does, so means,
worst photos and percentiles are those of one run, to the bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ..artifacts.bundle import Bundle, load_bundle, spec_of
from ..errors import BundleError
from .assemble import results_of
from .gates import Gates, decide
from .journal import Journal, packed, unpacked
from .maps import MapStore
from .options import RunOptions
from .photoset import NO_MASK, FoundPhotos, PhotoSource
from .reference import Origin
from .reports.pictures import MOST_PHOTOS
from .reports.wording import rank
from .request import Findings, ValidationRequest, Watcher
from .results import Machine, Photo, PhotoResult, Results
from .run import jobs_of, validation_run
from .validate import request_for, selected_targets

__all__ = ["Part", "enter", "merged", "run_part"]

# Facts that hold for a file and not for photos: the first part's will do.
_ONCE = {"loaded", "first", "cost", "saturating", "lost"}


class Part(BaseModel):
    """What was found of some photos.

    Attributes:
        photos: Those that masks were compared on, in the run's order; none where only latency was
            wanted.
        truth_left_out: Photos without usable ground truth, where some have one: why.
        reference_truth: The reference's own masks against the ground truth, by photo.
        reference_rows: Their rows of `metrics.saliency_rows`, packed.
        device: Where the reference ran.
        device_name: Likewise, for people.
        intact: Of each file: it is still the one that the manifest describes.
        machine: Where it was measured.
        threads: CPU threads of every runtime.
        views: The network itself was run, too.
        facts: The journal's, in its order; positions are those of the part.
        started: When, in UTC.
        total_s: Seconds from its start to its end.
        inference_s: Of these in runs.
        load_s: Of these waiting for processes and files.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    photos: list[Photo]
    truth_left_out: list[str]
    reference_truth: list[PhotoResult]
    reference_rows: list[str]
    device: str
    device_name: str
    intact: dict[str, bool]
    machine: Machine
    threads: int
    views: bool
    facts: list[dict[str, Any]]
    started: str
    total_s: float
    inference_s: float
    load_s: float


def run_part(
    bundle: Path,
    options: RunOptions,
    sources: Sequence[PhotoSource],
    watch: Watcher = lambda event: None,
    *,
    compare: bool = True,
    keep_maps: Callable[[bytes], object] | None = None,
) -> Part:
    """Run every artifact of a bundle on some of the photos, here.

    Args:
        bundle: Its folder.
        options: How; ``images`` and ``masks`` are not looked at.
        sources: The photos.
        watch: Told how far it is.
        compare: Compare masks; else only time the files, on the first photo.
        keep_maps: Called with the masks of the photos that each file draws worst, for a report.

    Raises:
        InputError: As `validate`. What an artifact does is never raised.
    """
    started, began = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    request = request_for(
        load_bundle(bundle),
        options,
        FoundPhotos(tuple(sources)),
        watch,
        compare=compare,
        keep_maps=keep_maps is not None,
    )
    with validation_run(request, watch) as found:
        if keep_maps is not None:
            keep_maps(found.maps.packed(_worst(found)))
        return Part(
            photos=found.photos,
            truth_left_out=found.truth_left_out,
            reference_truth=found.reference_truth,
            reference_rows=[packed(row) for row in found.reference_rows],
            device=found.device,
            device_name=found.device_name,
            intact=dict(found.intact),
            machine=found.machine,
            threads=request.threads,
            views=request.origin is not None,
            facts=found.journal.facts(),
            started=started,
            total_s=time.monotonic() - began,
            inference_s=found.inference_s,
            load_s=found.load_s,
        )


def _worst(found: Findings) -> set[int]:
    """Positions of the photos that a report shows of a file, should it be of these photos alone."""
    chosen: set[int] = set()
    for job in found.jobs:
        results = found.journal.of(job.target).photos
        chosen.update(sorted(results, key=lambda at: rank(results[at]))[:MOST_PHOTOS])
    return chosen


def merged(
    bundle: Bundle,
    options: RunOptions,
    photos: FoundPhotos,
    parts: Sequence[Part],
    gates: Gates,
    folder: Path,
    timed: Part | None = None,
    maps: Sequence[bytes] = (),
) -> tuple[Results, MapStore]:
    """One run's results of its parts, judged; and the masks that they kept.

    Args:
        bundle: Whose manifest is read; files are not.
        options: As the parts were run.
        photos: All of them.
        parts: In the photos' order; every photo is in one of them.
        gates: What artifacts have to reach.
        folder: For files that are needed as long as the masks are.
        timed: A part that timed the files.
        maps: What each part kept, in their order.

    Raises:
        InputError, UsageError: The gates don't fit the bundle.
    """
    spec = spec_of(bundle.manifest)
    targets = selected_targets(bundle, options.targets)
    every = [*parts, *([timed] if timed is not None else [])]
    origin = None
    if any(part.views for part in every):
        reference = bundle.manifest.reference
        weights = bundle.path / (reference.path if reference else "")
        origin = Origin(bundle.manifest.network.factory, weights)
    request = ValidationRequest(bundle, targets, spec, None, origin, photos, options, False, folder)
    journal = Journal(folder / "journal.jsonl", "", resume=False)
    enter(journal, parts, timed)
    journal.close()
    wants_truth = any(part.reference_truth for part in parts)
    store = MapStore(folder / "maps")
    findings = Findings(
        journal=journal,
        jobs=jobs_of(request),
        photos=[photo for part in parts for photo in part.photos],
        truth_left_out=[line for part in parts for line in _left_out(part, wants_truth)],
        maps=store,
        device=parts[0].device,
        device_name=parts[0].device_name,
        reference_truth=[photo for part in parts for photo in _truths(part) if wants_truth],
        reference_rows=[unpacked(row) for part in parts for row in part.reference_rows],
        intact={a.target: all(part.intact[a.target] for part in every) for a in targets},
        machine=parts[0].machine,
        threads=every[-1].threads,
        inference_s=sum(part.inference_s for part in every),
        load_s=sum(part.load_s for part in every),
    )
    began = time.monotonic() - sum(part.total_s for part in every)
    results = decide(
        results_of(request, findings, min(part.started for part in every), began), gates
    )
    start = 0
    for part, kept in zip(parts, maps, strict=False):
        try:
            store.unpack(kept, start)
        except ValueError as exc:
            raise BundleError(
                f"Masks that a part of {bundle.path.name} kept can't be read: {exc}.",
                "Remove that part, and run the sweep again.",
            ) from exc
        start += len(part.photos)
    return results.model_copy(update={"notes": [*results.notes, *_notes(parts, timed)]}), store


def enter(journal: Journal, parts: Sequence[Part], timed: Part | None) -> None:
    """Enter what the parts found as one run would have."""
    entered: set[tuple[str, str]] = set()
    peaks: dict[str, float] = {}
    # How long loading and the first run took belongs to the times, where there are some.
    ahead = [] if timed is None else [fact for fact in timed.facts if fact["fact"] != "lost"]
    start = 0
    for facts, count in [
        (ahead, 0),
        *((part.facts, len(part.photos)) for part in parts),
        *([] if timed is None else [(timed.facts, 0)]),
    ]:
        for fact in facts:
            values = dict(fact)
            kind, target = values.pop("fact"), values.pop("target")
            if kind in _ONCE:
                if (kind, target) in entered:
                    continue
                entered.add((kind, target))
            elif kind == "photo":
                values["position"] += start
            elif kind == "memory":
                peaks[target] = max(peaks.get(target, 0.0), values["mb"])
                continue
            elif kind == "drawn" or (kind == "round" and facts is not ahead):
                continue
            journal.enter(kind, target, **values)
        start += count
    for target, megabytes in peaks.items():
        journal.enter("memory", target, mb=megabytes)


def _left_out(part: Part, wants_truth: bool) -> list[str]:
    """As the part says it; where none of its photos has a mask, it says nothing."""
    if wants_truth and not part.reference_truth:
        return [f"{photo.name}: {NO_MASK}" for photo in part.photos]
    return part.truth_left_out


def _truths(part: Part) -> list[PhotoResult]:
    return part.reference_truth or [PhotoResult(photo=p.name, metrics={}) for p in part.photos]


def _notes(parts: Sequence[Part], timed: Part | None) -> list[str]:
    """What a reader of one machine's name would not expect."""
    notes = []
    if len(kinds := _kinds(parts)) > 1:
        notes.append(f"Masks were compared on several processors: {'; '.join(kinds)}.")
    if timed is not None and (times := _kinds([timed])) != kinds[:1]:
        notes.append(f"Latency was measured on another processor: {times[0]}.")
    return notes


def _kinds(parts: Sequence[Part]) -> list[str]:
    return list(dict.fromkeys(part.machine.processor for part in parts))
