"""Older results as a gate: nothing may get worse by more than a tolerance."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ...errors import InputError, UsageError
from ..results import ArtifactResult, GateResult, Machine, Photo, Results
from .gate import Bound, check_where, parse_where
from .measure import chosen_photos, measure
from .quantities import Quantity, quantity
from .sentences import described, distance, fact, number

__all__ = [
    "LATENCY",
    "Tolerance",
    "check_network",
    "check_photos",
    "is_vanished",
    "notes",
    "parse_tolerance",
    "regressions",
    "vanished",
]

# Not a quantity of its own: each file's time as a ratio, to what was measured in the same run.
LATENCY = "latency"
_RATIO, _RATIO_OF_FP32 = quantity("latency_to_fp32"), quantity("latency_to_pytorch")

# A wide interquartile range leaves the median itself uncertain, in either of the two runs.
NOISE_FACTOR = 2.0

_SOURCE, _PRESENT = "baseline", "present"
_RUNTIME = {True: "emulated", False: "run by its own runtime"}
_GONE = "the baseline has it, and the bundle no longer does"
_AMOUNT = re.compile(r"\s*((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(%?)\s*(?:where\s+(.+))?")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much worse than in the baseline a metric may be.

    Attributes:
        metric: A quantity's name, or `LATENCY`.
        amount: In the metric's own unit, or a share of the baseline's value.
        relative: It is such a share.
        where: Only photos for which this holds now are compared.
    """

    metric: str
    amount: float
    relative: bool
    where: Bound | None = None


def parse_tolerance(metric: str, value: object) -> Tolerance | None:
    """Read ``0.002``, ``"15%"``, ``"0.01 where mae > 0.001"``, or False for None: any value is
    fine.

    Raises:
        UsageError: The metric is unknown, or the value is none of these.
    """
    wanted = None if metric == LATENCY else quantity(metric)
    if value is False:
        return None
    text = str(value)
    found = _AMOUNT.fullmatch(text)
    if found is None or not math.isfinite(amount := float(found[1])):
        raise UsageError(
            f"{text!r} doesn't say how much worse {metric} may be.",
            'Write a number, a share of the old value such as "15%", or false for any.',
        )
    where = parse_where(found[3]) if found[3] else None
    if where and wanted is None:
        raise UsageError(f"{metric} can't have a where: it is not taken over photos.", "Drop it.")
    if where and wanted:
        check_where(wanted)
    relative = bool(found[2])
    return Tolerance(metric, amount / 100 if relative else amount, relative, where)


def check_network(
    baseline: Results,
    network: str,
    *,
    height: int,
    width: int,
    threshold: float,
    labels: Iterable[str],
) -> None:
    """Refuse a baseline of something else: its numbers would say nothing about this network.

    Raises:
        InputError: Network, input size, threshold or classes differ.
    """
    old_size = f"{baseline.input_width}x{baseline.input_height}"
    for what, new, old in (
        ("the network", network, baseline.network),
        ("the input's size", f"{width}x{height}", old_size),
        ("the threshold", threshold, baseline.threshold),
        ("the list of classes", ", ".join(labels), ", ".join(baseline.labels)),
    ):
        if new != old:
            raise InputError(
                f"The baseline is of something else: {what} was {old} and is {new} now.",
                "Give older results of the same network, or leave out --baseline.",
            )


def check_photos(baseline: Results, photos: Iterable[Photo]) -> None:
    """Refuse a baseline that was measured on other photos.

    Raises:
        InputError: Names or sizes differ; names some.
    """
    new, old = (
        {(photo.name, photo.width, photo.height) for photo in side}
        for side in (photos, baseline.photos)
    )
    if differing := sorted({name for name, *_ in new ^ old}):
        some = ", ".join(differing[:3]) + (", …" if len(differing) > 3 else "")
        raise InputError(
            f"The baseline was measured on other photos: {len(differing)} are not in both, or "
            f"not of one size: {some}.",
            "Validate both bundles with the same --images, or leave out --baseline.",
        )


def regressions(
    results: Results,
    artifact: ArtifactResult,
    baseline: Results,
    tolerances: Mapping[str, Tolerance],
) -> Iterator[GateResult]:
    """A result for each metric that the baseline has a value of, for the same target.

    A metric that only the baseline has fails, unless the results say why there can't be one.
    """
    before = baseline.artifacts.get(artifact.target)
    if before is None or not before.ran:
        return
    untimed = results.run.latency == "none" or _of_another_kind(results.machine, baseline.machine)
    for tolerance in tolerances.values():
        if tolerance.metric != LATENCY:
            wanted = quantity(tolerance.metric)
        elif untimed or artifact.no_latency:
            continue
        else:
            wanted = _ratio(artifact, before)
        result = _regression(results, artifact, baseline, before, wanted, tolerance)
        if result is not None:
            yield result


def vanished(results: Results, baseline: Results) -> dict[str, ArtifactResult]:
    """A result for each artifact that the baseline has and the bundle lacks; those that were not
    asked for are not vanished."""
    return {
        target: before.model_copy(
            update={
                **dict.fromkeys(_MEASURED),
                "path": "",
                "bytes": 0,
                "status": "missing",
                "reason": _GONE,
                "photos": [],
                "gates": [fact("still in the bundle", _PRESENT, False, _GONE, source=_SOURCE)],
            }
        )
        for target, before in baseline.artifacts.items()
        if target not in {*results.artifacts, *results.run.left_out} and before.status != "missing"
    }


def is_vanished(artifact: ArtifactResult) -> bool:
    """It stands in the results only because a baseline had it: `vanished` made it."""
    return any(g.source == _SOURCE and g.metric == _PRESENT for g in artifact.gates)


_MEASURED = (
    *("checksum_holds", "fidelity", "iou_sweep", "class_iou", "truth", "truth_drop"),
    *("latency_ms", "timing", "peak_memory_mb", "cost"),
)


def _regression(
    results: Results,
    artifact: ArtifactResult,
    baseline: Results,
    before: ArtifactResult,
    wanted: Quantity,
    tolerance: Tolerance,
) -> GateResult | None:
    photos: list[str] | None = None
    if wanted.family == "fidelity":
        # Of the same photos on both sides: older results counted all of them.
        then = set(chosen_photos(baseline, before, wanted))
        now = chosen_photos(results, artifact, wanted, tolerance.where)
        photos = [photo for photo in now if photo in then] or None
        if photos is None and artifact.photos:
            return None
    old = measure(baseline, before, wanted, photos).value
    if old is None:
        return None
    new = measure(results, artifact, wanted, photos)
    noisy = wanted.family in {"timing", "latency"} and any(
        side.timing is not None and side.timing.noisy for side in (artifact, before)
    )
    share = tolerance.amount * (NOISE_FACTOR if noisy else 1.0)
    room = abs(old) * share if tolerance.relative else share
    higher = wanted.better == "higher"
    least = old - room if higher else old + room
    bound = Bound(wanted.name, ">=" if higher else "<=", least, wanted)
    passed = new.value is not None and bound.holds(new.value)
    limit = f"{'at least' if higher else 'at most'} {number(bound.limit)} is allowed"
    if noisy:
        limit += ", twice the tolerance because the timing is noisy"
    if new.value is None:
        text = f"{wanted.name} has no value ({new.why}), {number(old)} in the baseline"
    else:
        text = f"{described(wanted, new, old)}, {number(old, new.value)} in the baseline: {limit}"
        text += "" if passed else f" ({distance(new.value, bound)})"
    return GateResult(
        gate=f"{wanted.name} {bound.operator} {number(bound.limit)}",
        metric=wanted.name,
        value=new.value,
        limit=bound.limit,
        passed=passed,
        photo=new.photo,
        source=_SOURCE,
        text=text,
    )


def _ratio(artifact: ArtifactResult, before: ArtifactResult) -> Quantity:
    """An fp32 file's ratio to itself says nothing, and some formats have no other file."""
    both = (artifact.timing, before.timing)
    if artifact.precision == "fp32" or any(t is None or t.ratio_to_fp32 is None for t in both):
        return _RATIO_OF_FP32
    return _RATIO


def notes(results: Results, baseline: Results) -> list[str]:
    """What differs between two runs that can be compared, and may explain a difference."""
    found = []
    for what, new, old in (
        ("weights", results.reference.weights, baseline.reference.weights),
        ("the reference's device", results.reference.device, baseline.reference.device),
        ("processor", results.machine.processor, baseline.machine.processor),
        ("threads", results.run.threads, baseline.run.threads),
        ("compute units", results.run.compute_units, baseline.run.compute_units),
        ("maskport", results.maskport, baseline.maskport),
    ):
        if new != old:
            found.append(f"{what}: {old} in the baseline, {new} now")
    for target in results.artifacts:
        if target not in baseline.artifacts:
            found.append(f"{target} is new: the baseline doesn't have it")
            continue
        new, old = results.artifacts[target].emulated, baseline.artifacts[target].emulated
        if new != old:
            found.append(f"{target}: {_RUNTIME[old]} in the baseline, {_RUNTIME[new]} now")
    elsewhere = _of_another_kind(results.machine, baseline.machine)
    if elsewhere:
        found.append(
            f"another kind of processor: {_kind(baseline.machine)} in the baseline, "
            f"{_kind(results.machine)} now; sums are added up by other kernels there"
        )
    if results.run.latency == "none" or baseline.run.latency == "none":
        found.append("latency is not compared: one of the runs was without")
    elif elsewhere:
        found.append(
            "latency is not compared: integers are several times as fast, beside float, on one "
            "kind of processor as on another"
        )
    else:
        found += [
            f"{target}: latency is not compared: {new.no_latency}"
            for target, new in results.artifacts.items()
            if new.ran
            and new.no_latency
            and (before := baseline.artifacts.get(target))
            and before.latency_ms
        ]
    return found


def _of_another_kind(one: Machine, other: Machine) -> bool:
    """Two processors that differ in what they offer to kernels; False where one of the results
    is older than this was recorded, or its system didn't tell."""
    if one.features is None or other.features is None:
        return False
    return (one.architecture, set(one.features)) != (other.architecture, set(other.features))


def _kind(machine: Machine) -> str:
    features = ", ".join(machine.features or ()) or "none of the features that are looked for"
    return f"{machine.architecture} with {features}"
