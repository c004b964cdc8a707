"""Results as a run of two photos would leave them, with what a test wants otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from maskport.metrics import AGREEMENT, Object, counts, summarize
from maskport.validation.results import ArtifactResult, Results

PHOTOS = ("boat.jpg", "hill.jpg")
LATENCY = {
    "load": 30.0, "first": 12.0, "min": 9.0, "p50": 10.0, "p90": 12.0, "p99": 15.0,
    "mean": 10.4, "iqr": 0.6,
}  # fmt: skip


def make_artifact(
    target: str = "tflite-int8",
    mae: tuple[float, ...] = (0.001, 0.0012),
    iou: tuple[float, ...] = (0.997, 0.998),
    photos: tuple[str, ...] = PHOTOS,
    **changes: Any,
) -> ArtifactResult:
    """One that passes the defaults; ``mae`` and ``iou`` are by photo."""
    metrics = [
        {"mae": m, "iou": i, "boundary_f": i, "photo_iou": i} for m, i in zip(mae, iou, strict=True)
    ]
    kind, _, precision = target.partition("-")
    values: dict[str, Any] = {
        "target": target,
        "path": f"net-{target}",
        "format": kind,
        "precision": precision or "fp32",
        "bytes": 1_300_000,
        "status": "passed",
        "checksum_holds": True,
        "fidelity": fidelity(dict(zip(photos, metrics, strict=True)), None),
        "latency_ms": LATENCY,
        "timing": {
            "runs": 50, "rounds": 5, "threads": 2, "noisy": False,
            "ratio_to_fp32": 0.8, "ratio_to_pytorch": 0.5,
        },
        "peak_memory_mb": 120.0,
        "cost": {"macs": 10**9, "weight_bytes": 1_100_000, "operations": {"CONV_2D": 112}},
        "photos": [
            {"photo": name, "metrics": values}
            for name, values in zip(photos, metrics, strict=True)
        ],
    }  # fmt: skip
    return ArtifactResult.model_validate(values | changes)


def fidelity(
    metrics: dict[str, dict[str, float]], objects: dict[str, Object] | None
) -> dict[str, float | None]:
    """Means and worst photos, of the photos that count where it is said what they show."""
    found: dict[str, float | None] = {}
    for name in ("mae", "iou", "boundary_f", "photo_iou"):
        kinds = [objects[photo] if objects else None for photo in metrics]
        having = counts(kinds, name)
        values = [
            of[name] for of, counting in zip(metrics.values(), having, strict=True) if counting
        ]
        if values:
            summary = summarize(np.array(values), AGREEMENT[name.removeprefix("photo_")])
            found |= {name: summary.mean, f"worst_{name}": summary.worst}
            found |= {f"p5_{name}": summary.tail}
    return found


def make_results(
    *artifacts: ArtifactResult, objects: tuple[Object, ...] = (), **changes: Any
) -> Results:
    """A run of these artifacts, or of one that passes; `objects` is what photos show."""
    chosen = artifacts or (make_artifact(),)
    names = [photo.photo for photo in chosen[0].photos] or list(PHOTOS)
    shown = dict(zip(names, objects, strict=True)) if objects else None
    if shown:
        chosen = tuple(
            a.model_copy(
                update={"fidelity": fidelity({p.photo: p.metrics for p in a.photos}, shown)}
            )
            for a in chosen
        )
    values: dict[str, Any] = {
        "maskport": "0.1.0",
        "bundle": "exports/sky",
        "manifest_sha256": "0" * 64,
        "network": "u2netp",
        "input_height": 320,
        "input_width": 320,
        "threshold": 0.5,
        "labels": ["mask"],
        "started": "2026-11-02T10:00:00Z",
        "machine": {
            "system": "Linux", "processor": "x86", "cores": 2, "memory_mb": 24000,
            "python": "3.11", "versions": {},
        },
        "run": {
            "photos_from": "photos", "threads": 2, "latency": "standard",
            "total_s": 60.0, "inference_s": 40.0, "load_s": 10.0,
        },
        "photos": [
            {"name": name, "width": 640, "height": 480, "object": shown and shown[name]}
            for name in names
        ],
        "reference": {"device": "cpu", "device_name": "x86", "weights": "sky.pth"},
        "artifacts": {a.target: a.model_dump() for a in chosen},
        "passed": True,
    }  # fmt: skip
    return Results.model_validate(values | changes)


@pytest.fixture
def artifact() -> Callable[..., ArtifactResult]:
    """Makes one artifact's results."""
    return make_artifact


@pytest.fixture
def results() -> Callable[..., Results]:
    """Makes the results of a run."""
    return make_results
