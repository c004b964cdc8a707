"""How reports name things and write numbers: the same words in each of them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

from ..results import ArtifactResult, Machine, PhotoResult, Results, Status, counted

__all__ = [
    "EMULATED",
    "FLAGS",
    "METRICS",
    "OBJECTS",
    "STATUSES",
    "StatusWords",
    "amount",
    "counting",
    "figures",
    "megabytes",
    "metric_label",
    "metric_value",
    "milliseconds",
    "photos_worst_first",
    "problems",
    "processor",
    "rank",
    "ratio",
    "verdict",
]


@dataclass(frozen=True, slots=True)
class StatusWords:
    """A status in words, and how it is coloured."""

    label: str
    tone: Literal["good", "bad", "unknown"]
    meaning: str


STATUSES: Final[dict[Status, StatusWords]] = {
    "passed": StatusWords("passed", "good", "ran, and every gate holds"),
    "failed": StatusWords("failed", "bad", "ran, and a gate doesn't hold"),
    "broken": StatusWords("broken", "bad", "the runtime refuses the file, or fails to run it"),
    "crashed": StatusWords("crashed", "bad", "its process died"),
    "timed-out": StatusWords("timed out", "bad", "loading or a run passed the time limit"),
    "out-of-memory": StatusWords("out of memory", "bad", "its process passed the memory limit"),
    "missing": StatusWords("missing", "bad", "the manifest names it, and it isn't there"),
    "changed": StatusWords("changed", "bad", "not the file of the manifest, so it wasn't run"),
    "unavailable": StatusWords("unavailable", "unknown", "nothing here runs it"),
}

EMULATED: Final = (
    "Emulated: the runtime that apps use exists on Apple's systems only. maskport ran the "
    "saved program's operations itself, so this shows what the file computes, not what the "
    "Neural Engine makes of it, and has no latency."
)

FLAGS: Final = {
    "flat": "flat where the reference draws something",
    "another-mask": "another mask than the reference's",
    "lost": "half or more of an object is missing",
    "invented": "an object that the reference draws half of or less",
    "not-finite": "holds values that are not numbers",
    "reference-not-finite": "the reference holds values that are not numbers",
    "out-of-range": "leaves [0, 1]",
    "empty-both": "both masks are empty",
}

OBJECTS: Final = {
    "unsure": "not judged: the network is unsure of it",
    "small": "not in the IoU: next to no object",
    "none": "not in the IoU: no object",
}

# Label, and how its values are written: shares with a fixed number of digits, so that columns
# line up, errors with two that count, because they span decades.
METRICS: Final[dict[str, tuple[str, Literal["share", "error", "decibels"]]]] = {
    "iou": ("IoU", "share"),
    "sweep_iou": ("IoU over thresholds", "share"),
    "soft_iou": ("soft IoU", "share"),
    "boundary_f": ("boundary F", "share"),
    "mae": ("MAE", "error"),
    "rmse": ("RMSE", "error"),
    "max_error": ("max error", "error"),
    "p999_error": ("99.9 % error", "error"),
    "psnr": ("PSNR, dB", "decibels"),
    "max_f_authors": ("max F (authors)", "share"),
    "max_f_mean_curve": ("max F (mean curve)", "share"),
    "max_f_per_photo": ("max F (per photo)", "share"),
    "mean_f": ("mean F", "share"),
    "adaptive_f": ("adaptive F", "share"),
    "weighted_f": ("weighted F", "share"),
    "s_measure": ("S-measure", "share"),
    "max_e_mean_curve": ("max E (mean curve)", "share"),
    "max_e_per_photo": ("max E (per photo)", "share"),
    "mean_e": ("mean E", "share"),
    "adaptive_e": ("adaptive E", "share"),
    "relaxed_boundary_f": ("relaxed boundary F", "share"),
}

_AFFIXES = {"worst_": "worst {}", "p5_": "{}, 5th percentile", "photo_": "{} at photo size"}


def metric_label(name: str) -> str:
    """A metric's name for people; one that this version doesn't know keeps its own."""
    for affix, form in _AFFIXES.items():
        if name.startswith(affix):
            return form.format(metric_label(name.removeprefix(affix)))
    return METRICS[name][0] if name in METRICS else name.replace("_", " ")


def metric_value(name: str, value: float | None) -> str:
    """A metric's value; a dash where there is none.

    Shares are cut, not rounded, to four digits: 0.99996 must not read as perfect.
    """
    if value is None:
        return "–"
    for affix in _AFFIXES:
        if name.startswith(affix):
            return metric_value(name.removeprefix(affix), value)
    kind = METRICS[name][1] if name in METRICS else "error"
    if kind == "share":
        return f"{math.floor(value * 1e4 + 1e-6) / 1e4:.4f}"
    if kind == "decibels":
        return f"{value:.1f}"
    if value == 0:
        return "0"
    return f"{value:.4f}" if abs(value) >= 0.001 else f"{value:.1e}".replace("e-0", "e-")


def milliseconds(value: float | None) -> str:
    """Three digits that count: 0.123, 1.23, 12.3, 123."""
    if value is None:
        return "–"
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f}"


def ratio(value: float | None) -> str:
    """How many times as long."""
    return "–" if value is None else f"{value:.2f}×"


def megabytes(size: float | None) -> str:
    """Of 10⁶ bytes, as file managers of phones count."""
    if not size:
        return "–"
    return f"{size / 1e6:.2f}" if size < 1e7 else f"{size / 1e6:.1f}"


def figures(artifact: ArtifactResult) -> list[str]:
    """IoU, worst IoU, MAE, median milliseconds and how many times fp32's: what each table has."""
    fidelity, latency, timing = artifact.fidelity or {}, artifact.latency_ms, artifact.timing
    return [
        *(metric_value(name, fidelity.get(name)) for name in ("iou", "worst_iou", "mae")),
        milliseconds(latency.p50 if latency else None),
        ratio(timing.ratio_to_fp32 if timing else None),
    ]


def amount(count: float | None) -> str:
    """A large count with its unit: 5.87 G."""
    if count is None:
        return "–"
    for unit, step in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= step:
            return f"{count / step:.3g} {unit}"
    return str(count)


def processor(machine: Machine) -> str:
    """Its name, and what it offers to kernels, where that is known."""
    if machine.features is None:
        return machine.processor
    return f"{machine.processor} ({', '.join([machine.architecture, *machine.features])})"


def verdict(results: Results) -> str:
    """The run in a sentence."""
    counts = Counter(a.status for a in results.artifacts.values())
    total, passed = len(results.artifacts), counts.pop("passed", 0)
    noun = "artifact" if total == 1 else "artifacts"
    if passed == total:
        return f"All {total} {noun} hold every gate." if total > 1 else "It holds every gate."
    others = ", ".join(f"{counts[s]} {w.label}" for s, w in STATUSES.items() if counts[s])
    return f"{passed} of {total} {noun} passed: {others}."


def counting(results: Results) -> str:
    """Which photos the numbers are of, in a sentence; empty where they are of all."""
    names = {photo.name for photo in results.photos}
    overlaps, errors = (counted(results.photos, metric) for metric in ("iou", "mae"))
    if len(overlaps) == len(names) or not names:
        return ""
    if not overlaps:
        return "The network draws no object in any of them, so there is no IoU."
    unsure = [photo.name for photo in results.photos if photo.object == "unsure"]
    sure = "un" if set(unsure) & set(overlaps) else ""
    text = f"IoU is of the {len(overlaps)} with an object that the network is {sure}sure of"
    if len(errors) == len(names):
        return f"{text}."
    more = f" and {len(unsure) - 3} more" if len(unsure) > 3 else ""
    return f"{text}; MAE leaves out those that it is unsure of: {', '.join(unsure[:3])}{more}."


def problems(artifact: ArtifactResult) -> list[str]:
    """Why an artifact is not passed, in sentences; empty where it is."""
    if artifact.status == "passed":
        return []
    sentences = [gate.text for gate in artifact.gates if not gate.passed]
    if artifact.ran and sentences:
        return sentences
    return [artifact.reason or STATUSES[artifact.status].meaning]


def photos_worst_first(artifact: ArtifactResult) -> list[PhotoResult]:
    """Its photos by `rank`."""
    return sorted(artifact.photos, key=rank)


def rank(photo: PhotoResult) -> tuple[float, float]:
    """Orders by IoU and then MAE; those without a number, which are failures, come first."""
    return (photo.metrics.get("iou", -1.0), -photo.metrics.get("mae", math.inf))
