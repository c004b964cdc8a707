"""Validate a bundle, or only time it: the rooms' parts put together."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path

from torch import nn

from ..artifacts.bundle import Bundle, load_bundle, spec_of
from ..artifacts.manifest import Artifact
from ..errors import BundleError, InputError, UsageError, did_you_mean
from ..models.download import cache_folder
from ..runtimes.runners import runtimes_of
from ..specs import ModelSpec
from .assemble import results_of
from .gates import Gates, decide, default_gates
from .gates.baseline import check_network
from .options import LatencyMode, NetworkOptions, RunOptions
from .photoset import FoundPhotos, find_photos
from .reference import VIEWS, bundle_at, load_reference, origin_of
from .request import ValidationEvent, ValidationRequest, Watcher
from .results import Results
from .run import validation_run

__all__ = [
    "ValidationEvent",
    "bench",
    "bench_with",
    "check_measurable",
    "request_for",
    "selected_targets",
    "validate",
    "validate_with",
]

Path_ = str | PathLike[str]
Report = Callable[[Results], object]


def validate(
    bundle: Path_,
    *,
    images: Path_ | None = None,
    masks: Path_ | None = None,
    targets: str | Iterable[str] = ("all",),
    size: int | str | tuple[int, int] | None = None,
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
    runtime: str = "",
    resume: bool = False,
    force: bool = False,
    require_signature: Path_ | None = None,
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
        size: Another of the sizes that some of its files take: a side, or (height, width).
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
        runtime: Another of a format's runtimes than the one that is taken by itself
            (`formats.FORMATS`): ``mediapipe`` for TFLite. All targets must have it.
        resume: Go on where an interrupted run of the same bundle, photos and options ended.
        force: Run files that aren't those that the manifest describes; they fail all the same.
        require_signature: A public key, or certificates of authorities, PEM: nothing of a bundle
            is loaded that is not signed by it.
        html: Write the report there: a page, or a folder for one.
        report: Called with the results before what the run kept is removed, so that a report
            that can't be written costs no second run: ``resume`` goes on from there.
        watch: Called with each `ValidationEvent`, in this thread.

    Returns:
        The results, judged. What an artifact did wrong is in them, never raised.

    Raises:
        InputError: The bundle, the photos, the masks, the network or an option can't be used.
        SignatureError: The bundle lacks the signature that is required.
    """
    options = RunOptions(
        images=_path(images),
        masks=_path(masks),
        targets=(targets,) if isinstance(targets, str) else tuple(targets),
        size=size,
        network=NetworkOptions(network, _path(weights), weights_key),
        latency=latency,
        threads=threads,
        time_limit=time_limit,
        memory_limit=memory_limit,
        compute_units=compute_units,
        runtime=runtime,
        resume=resume,
        force=force,
        require_signature=_path(require_signature),
    )
    watch = watch or _unwatched
    return validate_with(
        Path(bundle), options, gates or default_gates(), baseline, _path(html), report, watch
    )


def bench(
    bundle: Path_,
    *,
    images: Path_ | None = None,
    targets: str | Iterable[str] = ("all",),
    size: int | str | tuple[int, int] | None = None,
    network: str | None = None,
    weights: Path_ | None = None,
    weights_key: str | None = None,
    latency: LatencyMode = "standard",
    threads: int | None = None,
    time_limit: float | None = None,
    memory_limit: int | None = None,
    compute_units: str = "",
    resume: bool = False,
    force: bool = False,
    require_signature: Path_ | None = None,
    report: Report | None = None,
    watch: Watcher | None = None,
) -> Results:
    """Time every artifact of a bundle on its first photo; masks are not compared.

    Arguments, results and errors are those of `validate`. A network that can't be built is not
    timed beside its files, and that is no error.
    """
    options = RunOptions(
        images=_path(images),
        targets=(targets,) if isinstance(targets, str) else tuple(targets),
        size=size,
        network=NetworkOptions(network, _path(weights), weights_key),
        latency=latency,
        threads=threads,
        time_limit=time_limit,
        memory_limit=memory_limit,
        compute_units=compute_units,
        resume=resume,
        force=force,
        require_signature=_path(require_signature),
    )
    return bench_with(Path(bundle), options, report, watch or _unwatched)


def validate_with(
    bundle: Path,
    options: RunOptions,
    gates: Gates,
    baseline: Results | None,
    html: Path | None,
    report: Report | None,
    watch: Watcher,
) -> Results:
    """`validate`, with the options of the run as one value."""
    whole = _opened(bundle, options)
    photos = _photos(options, watch)
    request = request_for(whole, options, photos, watch, compare=True, keep_maps=html is not None)
    spec = request.spec
    if options.masks is not None:
        check_measurable(spec, "Leave --masks out.")
    # What could not be judged in the end is refused before anything is run.
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
    return _run(request, watch, lambda made: decide(made, gates, baseline), html, report)


def bench_with(bundle: Path, options: RunOptions, report: Report | None, watch: Watcher) -> Results:
    """`bench`, with the options of the run as one value."""
    if options.latency == "none":
        raise UsageError("There is nothing to do without latency.", "Use standard or release.")
    whole = _opened(bundle, options)
    photos = _photos(options, watch)
    request = request_for(whole, options, photos, watch, compare=False, keep_maps=False)
    return _run(request, watch, lambda made: made, None, report)


def check_measurable(spec: ModelSpec, remedy: str) -> None:
    """
    Raises:
        UsageError: Its masks can't be held against ground truth.
    """
    if spec.mask.channels > 1:
        raise UsageError(
            f"The masks of {spec.name} have {spec.mask.channels} classes; the "
            "measures of salient objects are for one.",
            remedy,
        )


def request_for(
    whole: Bundle,
    options: RunOptions,
    photos: FoundPhotos,
    watch: Watcher,
    *,
    compare: bool,
    keep_maps: bool,
) -> ValidationRequest:
    """What a run of a bundle on some photos is asked for, as far as it can be checked before.

    Raises:
        InputError: As `validate`.
    """
    bundle = bundle_at(whole, options.size)
    threads, seconds, given = options.threads, options.time_limit, options.network
    if threads is not None and threads < 1:
        raise UsageError(f"{threads} threads run nothing.", "Give 1 or more, or leave it out.")
    if seconds is not None and seconds <= 0:
        raise UsageError(f"Nothing runs within {seconds} s.", "Give a longer --time-limit.")
    targets, spec = (
        _at_size(selected_targets(whole, options.targets), bundle),
        spec_of(bundle.manifest),
    )
    if options.runtime:
        _check_runtime(options.runtime, targets)
    reference, origin = None, None
    if compare:
        reference = load_reference(
            bundle, given, lambda text: watch(ValidationEvent("note", text=text))
        )
    else:
        photos = replace(photos, sources=photos.sources[:1])
    if not isinstance(given.network, nn.Module):
        try:
            origin = origin_of(bundle, given)
        except InputError:
            if compare or given.network is not None or given.weights is not None:
                raise
    work = _work_folder(bundle)
    return ValidationRequest(
        bundle, targets, spec, reference, origin, photos, options, keep_maps, work
    )


def _opened(folder: Path, options: RunOptions) -> Bundle:
    if options.require_signature is None:
        return load_bundle(folder)
    if options.force:
        raise UsageError(
            "What is forced to run is not what was signed.",
            "Leave --force or --require-signature out.",
        )
    from ..artifacts.signing import signed_bundle, trust_in

    return signed_bundle(folder, trust_in(options.require_signature))


def _photos(options: RunOptions, watch: Watcher) -> FoundPhotos:
    return find_photos(
        options.images, options.masks, lambda text: watch(ValidationEvent("stage", text=text))
    )


def _run(
    request: ValidationRequest,
    watch: Watcher,
    judged: Callable[[Results], Results],
    html: Path | None,
    report: Report | None,
) -> Results:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    began = time.monotonic()
    with validation_run(request, watch) as findings:
        results = judged(results_of(request, findings, started, began))
        if html is not None:
            from .reports import write_html

            write_html(results, findings.maps, html)
        if report is not None:
            report(results)
    return results


def selected_targets(bundle: Bundle, names: Sequence[str]) -> tuple[Artifact, ...]:
    """What is to be run; see `Bundle.selected`."""
    chosen = bundle.selected(names)
    if taken := sorted({a.target for a in chosen} & set(VIEWS)):
        raise BundleError(
            f"{bundle.path} calls a file {taken[0]!r}, which is what results call the network.",
            "Export the bundle again.",
        )
    if not chosen:
        raise UsageError("No target was asked for.", "Give --targets, or leave it out for all.")
    return chosen


def _at_size(chosen: tuple[Artifact, ...], bundle: Bundle) -> tuple[Artifact, ...]:
    """Those of some artifacts that a bundle has at a size, as they are used at it."""
    names = {artifact.target for artifact in chosen}
    taken = tuple(artifact for artifact in bundle.manifest.artifacts if artifact.target in names)
    if not taken:
        raise UsageError(
            f"{', '.join(sorted(names))} can't be used at another size than the bundle's own.",
            f"At this one there is {', '.join(a.target for a in bundle.manifest.artifacts)}.",
        )
    return taken


def _check_runtime(name: str, targets: tuple[Artifact, ...]) -> None:
    """
    Raises:
        UsageError: It doesn't run the format of one of the targets.
    """
    by_format = {kind: runtimes_of(kind) for kind in dict.fromkeys(a.format for a in targets)}
    others = [kind for kind, names in by_format.items() if name not in names]
    if not others:
        return
    fitting = ",".join(kind for kind in by_format if kind not in others)
    known = {runtime for names in by_format.values() for runtime in names}
    possible = "; ".join(f"{kind} by {' or '.join(by_format[kind])}" for kind in others)
    hint = "" if name in known else did_you_mean(name, known)
    raise UsageError(
        f"{name} doesn't run {', '.join(others)}.",
        f"{hint}Here are run {possible}. "
        + (f"Give --targets {fitting}, or one of these." if fitting else "Give one of these."),
    )


def _work_folder(bundle: Bundle) -> Path:
    """Where runs of this bundle keep what they found until they end."""
    place = hashlib.sha256(os.path.abspath(bundle.path).encode()).hexdigest()[:8]
    return cache_folder() / "runs" / f"{bundle.path.resolve().name}-{place}"


def _unwatched(_event: ValidationEvent) -> None:
    """Nobody wants to know."""


def _path(path: Path_ | None) -> Path | None:
    return None if path is None else Path(path)
