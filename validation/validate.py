"""Validate a bundle, or only time it: the rooms' parts put together."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Literal

from torch import nn

from ..artifacts.bundle import Bundle, load_bundle
from ..artifacts.manifest import Artifact
from ..errors import BundleError, InputError, UsageError, did_you_mean
from ..models.download import cache_folder
from ..runtimes.isolated import default_memory_limit
from .assemble import results_of
from .gates import Gates, decide, default_gates
from .gates.baseline import check_network
from .latency import RELEASE, STANDARD, Schedule
from .photoset import BUILT_IN, PhotoSource, find_photos
from .reference import VIEWS, bundle_spec, load_reference, origin_of
from .request import ValidationEvent, ValidationRequest, Watcher
from .results import Results
from .run import validation_run

__all__ = ["LatencyMode", "ValidationEvent", "bench", "validate"]

LatencyMode = Literal["none", "standard", "release"]
Path_ = str | PathLike[str]
Report = Callable[[Results], object]

_SCHEDULES: dict[str, Schedule | None] = {"none": None, "standard": STANDARD, "release": RELEASE}


def validate(
    bundle: Path_,
    *,
    images: Path_ | None = None,
    masks: Path_ | None = None,
    targets: str | Iterable[str] = ("all",),
    network: nn.Module | str | None = None,
    weights: Path_ | None = None,
    weights_key: str | None = None,
    gates: Gates | None = None,
    baseline: Results | None = None,
    latency: LatencyMode = "standard",
    threads: int | None = None,
    time_limit: float | None = None,
    memory_limit: int | None = None,
    compute_units: str = "",
    resume: bool = False,
    html: Path_ | None = None,
    report: Report | None = None,
    watch: Watcher | None = None,
) -> Results:
    """Compare every artifact of a bundle with the reference on the same photos; time and gate it.

    Args:
        bundle: The folder that `export` wrote.
        images: Folder or list file of photos; the built-in scenes where left out.
        masks: Folder of ground-truth masks, named as the photos.
        targets: Names of targets or formats in the bundle, or ``"all"``.
        network: Where the bundle's network is not of the catalog: ``"package.module:factory"``,
            or the network itself (which then can't be timed beside the files).
        weights: A checkpoint, instead of the weights that the bundle holds.
        weights_key: Which weights, where the checkpoint holds several sets.
        gates: What artifacts have to reach; the defaults of each precision where None.
        baseline: Older results that nothing may be worse than.
        latency: ``standard``: at least 50 runs and one second of each artifact; ``release``:
            1,024 runs and 60 seconds; ``none``.
        threads: CPU threads of every runtime; all that this process may use where None.
        time_limit: Seconds that one photo may take in one artifact; 60 times the reference's,
            and at least 60, where None. Loading gets at least two minutes.
        memory_limit: Bytes that one artifact's process may take; half of the memory where None.
        compute_units: For Core ML on macOS: ``ALL``, ``CPU_ONLY``, ``CPU_AND_GPU``, ``CPU_AND_NE``.
        resume: Go on where an interrupted run of the same bundle, photos and options ended.
        html: Write the report there: a page, or a folder for one.
        report: Called with the results before what the run kept is removed, so that a report
            that can't be written costs no second run: ``resume`` goes on from there.
        watch: Called with each `ValidationEvent`, in this thread.

    Returns:
        The results, judged. What an artifact did wrong is in them, never raised.

    Raises:
        InputError: The bundle, the photos, the masks, the network or an option can't be used.
    """
    loaded = load_bundle(bundle)
    left_out: list[str] = []
    sources = find_photos(_path(images), _path(masks), left_out.append)
    chosen = gates or default_gates()
    request = _order(
        loaded,
        targets=targets,
        network=network,
        weights=_path(weights),
        weights_key=weights_key,
        sources=sources,
        photos_left_out=left_out,
        watch=watch,
        compare=True,
        latency=latency,
        threads=threads,
        time_limit=time_limit,
        memory_limit=memory_limit,
        compute_units=compute_units,
        resume=resume,
        keep_maps=html is not None,
    )
    if masks is not None and request.spec.mask.channels > 1:
        raise UsageError(
            f"The masks of {request.spec.name} have {request.spec.mask.channels} classes; the "
            "measures of salient objects are for one.",
            "Leave --masks out.",
        )
    _check_early(request, chosen, baseline)
    return _run(
        request,
        watch,
        photos_from=str(images) if images is not None else BUILT_IN,
        truth_from=str(masks) if masks is not None else "",
        judged=lambda results: decide(results, chosen, baseline),
        html=_path(html),
        report=report,
    )


def bench(
    bundle: Path_,
    *,
    images: Path_ | None = None,
    targets: str | Iterable[str] = ("all",),
    network: str | None = None,
    weights: Path_ | None = None,
    weights_key: str | None = None,
    latency: LatencyMode = "standard",
    threads: int | None = None,
    time_limit: float | None = None,
    memory_limit: int | None = None,
    compute_units: str = "",
    resume: bool = False,
    report: Report | None = None,
    watch: Watcher | None = None,
) -> Results:
    """Time every artifact of a bundle on its first photo; masks are not compared.

    Arguments, results and errors are those of `validate`. A network that can't be built is not
    timed beside its files, and that is no error.
    """
    loaded = load_bundle(bundle)
    left_out: list[str] = []
    sources = find_photos(_path(images), None, left_out.append)[:1]
    if latency == "none":
        raise UsageError("There is nothing to do without latency.", "Use standard or release.")
    request = _order(
        loaded,
        targets=targets,
        network=network,
        weights=_path(weights),
        weights_key=weights_key,
        sources=sources,
        photos_left_out=left_out,
        watch=watch,
        compare=False,
        latency=latency,
        threads=threads,
        time_limit=time_limit,
        memory_limit=memory_limit,
        compute_units=compute_units,
        resume=resume,
        keep_maps=False,
    )
    photos_from = str(images) if images is not None else BUILT_IN
    return _run(
        request,
        watch,
        photos_from=photos_from,
        truth_from="",
        judged=lambda results: results,
        report=report,
    )


def _order(
    bundle: Bundle,
    *,
    targets: str | Iterable[str],
    network: nn.Module | str | None,
    weights: Path | None,
    weights_key: str | None,
    sources: list[PhotoSource],
    photos_left_out: list[str],
    watch: Watcher | None,
    compare: bool,
    latency: LatencyMode,
    threads: int | None,
    time_limit: float | None,
    memory_limit: int | None,
    compute_units: str,
    resume: bool,
    keep_maps: bool,
) -> ValidationRequest:
    if threads is not None and threads < 1:
        raise UsageError(f"{threads} threads run nothing.", "Give 1 or more, or leave it out.")
    if time_limit is not None and time_limit <= 0:
        raise UsageError(f"Nothing runs within {time_limit} s.", "Give a longer --time-limit.")
    request = ValidationRequest(
        bundle=bundle,
        targets=_selected(bundle, [targets] if isinstance(targets, str) else list(targets)),
        spec=bundle_spec(bundle),
        reference=None,
        origin=None,
        sources=tuple(sources),
        photos_left_out=tuple(photos_left_out),
        schedule=_SCHEDULES[latency],
        threads=threads or _all_threads(),
        time_limit=time_limit,
        memory_limit=memory_limit or default_memory_limit(),
        keep_maps=keep_maps,
        work=_work_folder(bundle),
        resume=resume,
        compute_units=compute_units,
    )
    if compare:
        reference = load_reference(
            bundle,
            network=network,
            weights=weights,
            weights_key=weights_key,
            note=lambda text: watch(ValidationEvent("note", text=text)) if watch else None,
        )
        request = replace(request, reference=reference)
    if not isinstance(network, nn.Module):
        try:
            request = replace(request, origin=origin_of(bundle, network, weights, weights_key))
        except InputError:
            if compare or network is not None or weights is not None:
                raise
    return request


def _check_early(request: ValidationRequest, gates: Gates, baseline: Results | None) -> None:
    """Refuse what could not be judged in the end before anything is run."""
    spec = request.spec
    gates.check(request.targets, spec.mask.labels)
    if baseline is not None:
        check_network(
            baseline,
            request.bundle.manifest.network.name,
            height=spec.image.height,
            width=spec.image.width,
            threshold=spec.mask.threshold,
            labels=spec.mask.labels,
        )


def _run(
    request: ValidationRequest,
    watch: Watcher | None,
    *,
    photos_from: str,
    truth_from: str,
    judged: Callable[[Results], Results],
    html: Path | None = None,
    report: Report | None = None,
) -> Results:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    began = time.monotonic()
    with validation_run(request, watch or (lambda event: None)) as findings:
        made = results_of(
            request, findings, started=started, photos_from=photos_from, truth_from=truth_from
        )
        run = made.run.model_copy(update={"total_s": time.monotonic() - began})
        results = judged(made.model_copy(update={"run": run}))
        if html is not None:
            from .reports import write_html

            write_html(results, findings.maps, html)
        if report is not None:
            report(results)
    return results


def _selected(bundle: Bundle, names: list[str]) -> tuple[Artifact, ...]:
    """Artifacts by target, by format, or all; in the manifest's order."""
    artifacts = bundle.manifest.artifacts
    known = sorted({name for a in artifacts for name in (a.target, a.format)})
    for name in names:
        if name != "all" and name not in known:
            raise UsageError(
                f"{bundle.path} has no target or format {name!r}.",
                f"{did_you_mean(name, known)}It has {', '.join(a.target for a in artifacts)}.",
            )
    chosen = tuple(a for a in artifacts if "all" in names or {a.target, a.format} & set(names))
    if taken := sorted({a.target for a in chosen} & set(VIEWS)):
        raise BundleError(
            f"{bundle.path} calls a file {taken[0]!r}, which is what results call the network.",
            "Export the bundle again.",
        )
    if not chosen:
        raise UsageError("No target was asked for.", "Give --targets, or leave it out for all.")
    return chosen


def _work_folder(bundle: Bundle) -> Path:
    """Where runs of this bundle keep what they found until they end."""
    place = hashlib.sha256(os.path.abspath(bundle.path).encode()).hexdigest()[:8]
    return cache_folder() / "runs" / f"{bundle.path.resolve().name}-{place}"


def _all_threads() -> int:
    """The CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _path(path: Path_ | None) -> Path | None:
    return None if path is None else Path(path)
