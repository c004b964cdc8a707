"""From findings to results: means, worst photos, ratios. Gates are judged afterwards."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version

import numpy as np

from ..artifacts.bundle import read_manifest
from ..artifacts.manifest import Artifact
from ..metrics import (
    AGREEMENT,
    SALIENCY,
    SWEEP,
    Better,
    SaliencyScores,
    counts,
    mean_by_class,
    summarize,
)
from ..texts import shown
from .journal import Facts
from .latency import ratios, summarize_times
from .pool import Job
from .reference import VIEWS
from .request import Findings, ValidationRequest
from .results import (
    ArtifactResult,
    Photo,
    PhotoResult,
    Reference,
    Results,
    Run,
    Timing,
    counted,
)

__all__ = ["FIDELITY", "results_of"]

FIDELITY: Mapping[str, Better] = {
    **AGREEMENT,
    **{f"photo_{name}": AGREEMENT[name] for name in ("mae", "iou", "boundary_f")},
}
"""Each metric of a photo, and which way it is good."""

EMULATED = "emulated here, so its time says nothing of the system's own runtime"


def results_of(
    request: ValidationRequest, findings: Findings, started: str, began: float
) -> Results:
    """Everything found, as plain values; ``passed`` says that every artifact ran.

    Args:
        request: What was asked for.
        findings: What came of it.
        started: When, in UTC.
        began: Likewise, of `time.monotonic`.
    """
    manifest, options, photos = request.bundle.manifest, request.options, request.photos
    scores = SaliencyScores()
    for row in findings.reference_rows:
        scores.take(row)
    found = {job.target: _artifact_result(job, request, findings, scores) for job in findings.jobs}
    views = {job.target: found.pop(job.target) for job in findings.jobs if job.build}
    return Results(
        maskport=version("maskport"),
        bundle=shown(str(request.bundle.path)),
        manifest_sha256=hashlib.sha256(read_manifest(request.bundle.path)).hexdigest(),
        network=manifest.network.name,
        input_height=request.spec.image.height,
        input_width=request.spec.image.width,
        threshold=request.spec.mask.threshold,
        labels=list(request.spec.mask.labels),
        started=started,
        machine=findings.machine,
        run=Run(
            photos_from=photos.photos_from,
            truth_from=photos.truth_from,
            photos_left_out=list(photos.left_out),
            truth_left_out=findings.truth_left_out,
            left_out=[a.target for a in manifest.artifacts if a not in request.targets],
            threads=request.threads,
            compute_units=options.compute_units,
            latency=options.latency,
            total_s=time.monotonic() - began,
            inference_s=findings.inference_s,
            load_s=findings.load_s,
            resumed=findings.journal.resumed,
        ),
        photos=findings.photos,
        reference=Reference(
            device=findings.device,
            device_name=findings.device_name,
            weights=shown(str(request.origin.weights)) if request.origin else "(in memory)",
            truth=_known(scores.result()) if scores else None,
            photos=findings.reference_truth,
        ),
        pytorch=views,
        artifacts=found,
        passed=all(entry.status == "passed" for entry in found.values()),
    )


def _artifact_result(
    job: Job, request: ValidationRequest, findings: Findings, reference_scores: SaliencyScores
) -> ArtifactResult:
    facts, artifact = findings.journal.of(job.target), job.artifact
    is_file = job.build is None
    status, reason = facts.lost or ("passed", "")
    latency, timing = None, None
    if facts.rounds and facts.first_ms is not None:
        latency, timing = summarize_times(
            facts.rounds, load=facts.load_ms, first=facts.first_ms, threads=findings.threads
        )
        timing = _compared(timing, facts, artifact, findings)
    photos = [facts.photos[position] for position in sorted(facts.photos)]
    shown = findings.photos
    # Means over some of the photos would pass for means over all of them.
    whole = bool(photos) and len(photos) == len(findings.photos)
    own = facts.scores
    complete = whole and own and reference_scores and len(own) == len(reference_scores)
    truth, drop = None, None
    if complete and own and reference_scores:
        truth = _known(own.result())
        drop = _drop(truth, _known(reference_scores.result())) if truth else None
    return ArtifactResult(
        target=job.target,
        path=artifact.path if is_file else "",
        format=artifact.format,
        precision=artifact.precision,
        bytes=artifact.bytes,
        status=status,  # type: ignore[arg-type]  # of `Status`, from the journal
        reason=reason,
        runtime=facts.runtime,
        emulated=facts.emulated,
        checksum_holds=findings.intact[job.target] if is_file else None,
        fidelity=_fidelity(photos, shown) if whole else None,
        iou_sweep=_sweep(facts, shown) if whole else None,
        class_iou=_class_iou(photos, shown, request.spec.mask.labels) if whole else None,
        truth=truth,
        truth_drop=drop,
        latency_ms=latency,
        timing=timing,
        no_latency="" if latency else _why_no_latency(facts, request),
        peak_memory_mb=facts.peak_memory_mb,
        cost=facts.cost,
        no_cost=facts.no_cost,
        saturating=facts.saturating or [],
        photos=photos,
    )


def _compared(timing: Timing, facts: Facts, artifact: Artifact, findings: Findings) -> Timing:
    def rounds(target: str) -> list[list[float]]:
        return findings.journal.of(target).rounds

    targets = {
        (job.artifact.format, job.artifact.precision): job.target for job in reversed(findings.jobs)
    }
    full = targets.get((artifact.format, "fp32"))
    found = {"ratio_to_pytorch": ratios(facts.rounds, rounds(VIEWS[0]))}
    if full is not None:
        found["ratio_to_fp32"] = ratios(facts.rounds, rounds(full))
    return timing.model_copy(update=found)


def _why_no_latency(facts: Facts, request: ValidationRequest) -> str:
    if facts.lost:
        return "it did not run to the end"
    if facts.emulated:
        return EMULATED
    return "not asked for" if request.schedule is None else "it was not timed"


def _fidelity(photos: Sequence[PhotoResult], shown: Sequence[Photo]) -> dict[str, float]:
    """Means, worst photos and tails over the photos that count; a metric that one of them lacks,
    or that none counts in, has none."""
    found: dict[str, float] = {}
    for name, better in FIDELITY.items():
        among = set(counted(shown, name))
        values = [p.metrics.get(name, np.nan) for p in photos if p.photo in among]
        if not values:
            continue
        summary = summarize(np.array(values), better)
        parts = {name: summary.mean, f"worst_{name}": summary.worst, f"p5_{name}": summary.tail}
        found |= _known(parts)
    return found


def _sweep(facts: Facts, shown: Sequence[Photo]) -> dict[str, float] | None:
    having = counts([photo.object for photo in shown], "sweep_iou")
    rows = [facts.sweeps[position] for position, counting in enumerate(having) if counting]
    if not rows:
        return None
    values = np.array(rows).mean(0)
    return {
        f"{threshold:.2f}": float(value)
        for threshold, value in zip(SWEEP, values, strict=True)
        if np.isfinite(value)
    }


def _class_iou(
    photos: Sequence[PhotoResult], shown: Sequence[Photo], labels: Sequence[str]
) -> dict[str, float] | None:
    among = set(counted(shown, "iou"))
    rows = [p.class_iou for p in photos if p.class_iou is not None and p.photo in among]
    if not rows:
        return None
    means = mean_by_class(np.array(rows, dtype=np.float64))  # None becomes NaN
    return _known(dict(zip(labels, means, strict=True)))


def _drop(own: Mapping[str, float], reference: Mapping[str, float]) -> dict[str, float]:
    """How much worse ``own`` is; positive is worse, whichever way a metric is good."""
    return {
        name: (reference[name] - own[name]) * (1 if SALIENCY[name] == "higher" else -1)
        for name in own
        if name in reference
    }


def _known(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}
