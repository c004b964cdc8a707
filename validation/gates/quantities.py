"""Every metric that a gate can look at: a table, and where its value stands in the results."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from ...errors import UsageError, did_you_mean
from ...metrics import AGREEMENT, PSNR_CEILING, SALIENCY, Better
from ..results import ArtifactResult, Latency, PhotoResult, Results, counted

__all__ = ["Quantity", "known_names", "photo_values", "quantity", "value_of", "why_no_value"]

Family = Literal["fidelity", "class", "truth", "drop", "latency", "timing", "cost", "process"]
Over = Literal["mean", "worst", "p5"]

# Of the final mask, at the photo's own size, only these are measured.
_PHOTO_SIZE = ("mae", "iou", "boundary_f")
_PREFIXES: dict[str, Over] = {"": "mean", "worst_": "worst", "p5_": "p5"}
# What is no share; all other metrics of masks lie in [0, 1].
_HIGHEST = {"psnr": PSNR_CEILING}
_TIMING = {"latency_to_fp32": "ratio_to_fp32", "latency_to_pytorch": "ratio_to_pytorch"}
_CLASS = re.compile(r"(worst_)?iou\[(.+)\]")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of an artifact that a gate can limit.

    Attributes:
        name: What users write, for example ``worst_iou``.
        better: Which way it is good.
        family: The part of the results that holds it.
        key: Its name there; of ``fidelity``, the metric that each photo has.
        over: How the photos' values become one.
        lowest: No value is below.
        highest: No value is above.
    """

    name: str
    better: Better
    family: Family
    key: str
    over: Over = "mean"
    lowest: float = 0.0
    highest: float = math.inf

    @property
    def has_photos(self) -> bool:
        """Each photo has a value of it."""
        return self.family in {"fidelity", "class", "truth", "drop"}


def _table() -> dict[str, Quantity]:
    rows = []
    for key in (*AGREEMENT, *(f"photo_{name}" for name in _PHOTO_SIZE)):
        base = key.removeprefix("photo_")
        better, highest = AGREEMENT[base], _HIGHEST.get(base, 1.0)
        for prefix, over in _PREFIXES.items():
            rows.append(Quantity(prefix + key, better, "fidelity", key, over, 0.0, highest))
    for key, better in SALIENCY.items():
        rows.append(Quantity(f"truth.{key}", better, "truth", key, highest=1.0))
        rows.append(Quantity(f"truth_drop.{key}", "lower", "drop", key, "mean", -1.0, 1.0))
    rows += [Quantity(f"latency_ms.{key}", "lower", "latency", key) for key in Latency.model_fields]
    rows += [Quantity(name, "lower", "timing", key) for name, key in _TIMING.items()]
    rows += [Quantity(key, "lower", "cost", key) for key in ("macs", "weight_bytes")]
    rows += [Quantity(key, "lower", "process", key) for key in ("bytes", "peak_memory_mb")]
    return {row.name: row for row in rows}


_TABLE = _table()


def known_names() -> tuple[str, ...]:
    """Every name, but for those of classes: ``iou[LABEL]`` and ``worst_iou[LABEL]``."""
    return tuple(_TABLE)


def quantity(name: str) -> Quantity:
    """The quantity of that name.

    Raises:
        UsageError: There is none; names the nearest.
    """
    if name in _TABLE:
        return _TABLE[name]
    if found := _CLASS.fullmatch(name):
        over: Over = "worst" if found[1] else "mean"
        return Quantity(name, "higher", "class", found[2], over, 0.0, 1.0)
    raise UsageError(
        f"There is no metric {name!r}.",
        f"{did_you_mean(name, _TABLE)}Metrics are {', '.join(AGREEMENT)}, each also with worst_ or "
        "p5_ before it, iou[LABEL], latency_ms.p50, latency_to_fp32, bytes and others: see "
        "docs/gates.md.",
    )


def value_of(results: Results, artifact: ArtifactResult, wanted: Quantity) -> float | None:
    """An artifact's value; None where nothing was measured."""
    if wanted.family == "class" and wanted.over == "worst":
        present = [v for v in photo_values(results, artifact, wanted).values() if v is not None]
        return min(present, default=None)
    holder = {
        "fidelity": artifact.fidelity,
        "class": artifact.class_iou,
        "truth": artifact.truth,
        "drop": artifact.truth_drop,
        "latency": artifact.latency_ms,
        "timing": artifact.timing,
        "cost": artifact.cost,
        "process": artifact,
    }[wanted.family]
    if isinstance(holder, dict):
        return holder.get(wanted.name if wanted.family == "fidelity" else wanted.key)
    value: float | None = getattr(holder, wanted.key, None)
    return value


def photo_values(
    results: Results, artifact: ArtifactResult, wanted: Quantity
) -> dict[str, float | None]:
    """The value of each photo that counts by the photo's name, None where one has none; empty for a
    quantity that photos don't have."""
    if not wanted.has_photos:
        return {}
    among = {photo.name for photo in results.photos}
    if wanted.family in {"fidelity", "class"}:
        among = set(counted(results.photos, wanted.key if wanted.family == "fidelity" else "iou"))
    whole = {photo.photo: photo.truth or {} for photo in results.reference.photos}
    return {
        photo.photo: _of_photo(photo, wanted, results.labels, whole.get(photo.photo, {}))
        for photo in artifact.photos
        if photo.photo in among
    }


def _of_photo(
    photo: PhotoResult, wanted: Quantity, labels: list[str], reference: dict[str, float]
) -> float | None:
    if wanted.family == "fidelity":
        return photo.metrics.get(wanted.key)
    if wanted.family == "class":
        classes = dict(zip(labels, photo.class_iou or [], strict=False))
        return classes.get(wanted.key)
    truth = (photo.truth or {}).get(wanted.key)
    if wanted.family == "truth" or truth is None:
        return truth
    before = reference.get(wanted.key)
    if before is None:
        return None
    return before - truth if SALIENCY[wanted.key] == "higher" else truth - before


def why_no_value(results: Results, artifact: ArtifactResult, wanted: Quantity) -> str:
    """Why `value_of` gives None, as the end of a sentence."""
    if wanted.family in {"latency", "timing"}:
        if results.run.latency == "none":
            return "the run was without latency"
        if artifact.latency_ms is None:
            return artifact.no_latency or "no latency was measured"
        beside = "fp32 file of its format" if wanted.key == "ratio_to_fp32" else "timed PyTorch"
        return f"the run has no {beside} to compare with"
    if wanted.family == "cost":
        return artifact.no_cost or "its operations were not counted"
    if wanted.family in {"truth", "drop"} and not results.run.truth_from:
        return "the run was without ground truth (--masks)"
    if wanted.family == "class":
        return "no photo has that class"
    if any("not-finite" in flag for photo in artifact.photos for flag in photo.flags):
        return "a mask has values that are not numbers"
    return "it was not measured"
