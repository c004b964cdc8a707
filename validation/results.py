"""What a validation run found, as plain values: what ``--json`` holds and every report draws.

The JSON Schema of `Results` is published as ``docs/results.schema.json``; a test holds the two
together. Numbers are plain and finite: what could not be measured is null or absent, never NaN.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..artifacts.processor import Feature
from ..errors import InputError
from ..metrics import Object, counts
from ..outside.files import RESULTS
from ..outside.text import read_text
from ..specs import Amount, Count, Side

__all__ = [
    "SCHEMA_VERSION",
    "ArtifactResult",
    "Cost",
    "GateResult",
    "Latency",
    "Machine",
    "Photo",
    "PhotoResult",
    "Reference",
    "Results",
    "Run",
    "Status",
    "Timing",
    "counted",
    "read_results",
]

SCHEMA_VERSION: Final = 1

# passed        it ran, and every gate holds
# failed        it ran, and a gate doesn't hold
# broken        the runtime refuses the file, or fails to run it
# crashed       its process died (the reason names the signal)
# timed-out     loading or a run passed the time limit
# out-of-memory its process passed the memory limit
# missing       the manifest names it, and it isn't there
# changed       it isn't the file that the manifest describes, so it wasn't run
# unavailable   nothing here runs it: a missing SDK, or an operation our emulation lacks
Status = Literal[
    "passed",
    "failed",
    "broken",
    "crashed",
    "timed-out",
    "out-of-memory",
    "missing",
    "changed",
    "unavailable",
]

# Differences and ratios of such are finite, too.
Number = Annotated[float, Field(ge=-1e100, le=1e100, allow_inf_nan=False)]
Positive = Annotated[Count, Field(ge=1)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Photo(_Record):
    """A photo that masks were compared on; its name is unique in a run.

    ``object`` says what the reference draws of it (docs/metrics.md): an object that it is ``sure``
    or ``unsure`` of, a ``small`` one, ``none``; null where nothing was compared, and in older
    results.
    """

    name: str
    width: Positive
    height: Positive
    object: Object | None = None


class PhotoResult(_Record):
    """One artifact on one photo.

    Attributes:
        photo: The photo's name.
        metrics: By name, see docs/metrics.md: of the network's map at its own size (``mae``,
            ``iou``, …) and, with the prefix ``photo_``, of the final mask at the photo's size.
        class_iou: IoU of each class where there are several; null where neither mask has it.
        truth: Against the ground truth, where it was given.
        flags: What averages would hide, such as ``flat``, ``not-finite``, ``empty-both``.
    """

    photo: str
    metrics: dict[str, Number]
    class_iou: list[Number | None] | None = None
    truth: dict[str, Number] | None = None
    flags: list[str] = Field(default_factory=list)


class Latency(_Record):
    """Milliseconds of one photo through one file.

    ``load`` is the time to load the file in a process that has imported its runtime, ``first``
    the first run, the others are over the timed runs.
    """

    load: Amount
    first: Amount
    min: Amount
    p50: Amount
    p90: Amount
    p99: Amount
    mean: Amount
    iqr: Amount


class Timing(_Record):
    """How a latency was measured, and what it compares with.

    Attributes:
        runs: Timed runs behind the percentiles.
        rounds: Slices that they were spread over, between those of the other artifacts.
        threads: CPU threads.
        noisy: The interquartile range is wide: compare with care.
        ratio_to_fp32: Median over that of the fp32 file of the same format; 1 for that itself.
        ratio_to_pytorch: Median over that of the reference in eager PyTorch on the CPU.
    """

    runs: Count
    rounds: Count
    threads: Count
    noisy: bool
    ratio_to_fp32: Amount | None = None
    ratio_to_pytorch: Amount | None = None


class Cost(_Record):
    """What a file costs before it runs: counted in its own graph.

    Attributes:
        macs: Multiply-accumulates of convolutions and matrix products for one photo.
        weight_bytes: Of its constants, as stored.
        operations: How many of each kind, as the format calls them.
    """

    macs: Count
    weight_bytes: Count
    operations: dict[str, Count]


class GateResult(_Record):
    """One condition on one artifact.

    Attributes:
        gate: As written, for example ``iou >= 0.99``.
        metric: What it looks at.
        value: What was found; null where the artifact gave nothing.
        limit: What was asked for.
        passed: Whether it holds.
        photo: The photo that decides it, for metrics that have a worst one; else empty.
        source: Where the gate comes from: ``default (fp16)``, a file's name, ``--gate``,
            ``baseline``, or ``built-in`` for those that can't be switched off.
        text: A sentence for people: which photo, which metric, how far.
    """

    gate: str
    metric: str
    value: Number | None
    limit: Number | None
    passed: bool
    photo: str = ""
    source: str
    text: str


class ArtifactResult(_Record):
    """Everything found about one artifact, or about one PyTorch view of the network.

    Attributes:
        target: Its target; ``pytorch`` or ``pytorch-prepared`` for the network itself.
        status: See `Status`.
        reason: Why it is not ``passed``; empty where it is.
        runtime: What ran it.
        emulated: By our reading of the format, not by the runtime that apps use.
        fidelity: Plain numbers against the reference, over the photos that count (those that the
            network is not unsure of, and for overlaps those with an object). ``mae``, ``iou``, …:
            means; ``worst_…``: of the worst photo; ``p5_…``: the 5th percentile towards the
            worse side. ``photo_…`` of the final mask at the photo's size.
        iou_sweep: Mean IoU by threshold.
        class_iou: Mean IoU by class, where there are several.
        truth: Against the ground truth, where it was given.
        truth_drop: How much worse than the reference, by metric; positive is worse.
        latency_ms: None where there is none; ``no_latency`` says why.
        peak_memory_mb: Of the process that ran it, its runtime included.
        checksum_holds: Its bytes are those of the manifest.
        saturating: Operations whose sums of products can leave 16 bits on some processors, so that
            the mask depends on them; in older results none were looked for.
    """

    target: str
    path: str = ""
    format: str
    precision: str
    bytes: Count = 0
    status: Status
    reason: str = ""
    runtime: str = ""
    emulated: bool = False
    checksum_holds: bool | None = None
    fidelity: dict[str, Number] | None = None
    iou_sweep: dict[str, Number] | None = None
    class_iou: dict[str, Number] | None = None
    truth: dict[str, Number] | None = None
    truth_drop: dict[str, Number] | None = None
    latency_ms: Latency | None = None
    timing: Timing | None = None
    no_latency: str = ""
    peak_memory_mb: Amount | None = None
    cost: Cost | None = None
    no_cost: str = ""
    saturating: list[str] = Field(default_factory=list)
    gates: list[GateResult] = Field(default_factory=list)
    photos: list[PhotoResult] = Field(default_factory=list)

    @property
    def ran(self) -> bool:
        """It gave results, good or bad."""
        return self.status in {"passed", "failed"}


class Reference(_Record):
    """The untouched network: what every artifact is compared with.

    Attributes:
        device: ``cuda``, ``mps`` or ``cpu``.
        device_name: As the driver calls it.
        weights: The file that they were read from.
        truth: Of its own masks against the ground truth, where it was given.
        photos: Likewise, by photo.
    """

    device: str
    device_name: str
    weights: str
    truth: dict[str, Number] | None = None
    photos: list[PhotoResult] = Field(default_factory=list)


class Machine(_Record):
    """Where it was measured.

    ``architecture`` and ``features`` say what kind of processor it is, see `Processor`; older
    results have neither.
    """

    system: str
    processor: str
    architecture: str = ""
    features: list[Feature] | None = None
    cores: Count
    memory_mb: Count
    python: str
    versions: dict[str, str]


class Run(_Record):
    """How it was run, and where the seconds went.

    ``inference_s`` and ``load_s`` are sums over all artifacts and the reference; loading
    includes the start of each runtime's process, as far as it was waited for.
    ``photos_left_out`` says which images of the folder are not read and why;
    ``truth_left_out`` says of which photos the ground truth is missing or unusable, and why;
    ``left_out`` names the bundle's targets that were not asked for. ``compute_units`` is where Core
    ML ran, on macOS.
    """

    photos_from: str
    truth_from: str = ""
    photos_left_out: list[str] = Field(default_factory=list)
    truth_left_out: list[str] = Field(default_factory=list)
    left_out: list[str] = Field(default_factory=list)
    threads: Count
    compute_units: str = ""
    latency: Literal["none", "standard", "release"]
    total_s: Amount
    inference_s: Amount
    load_s: Amount
    resumed: bool = False


class Results(_Record):
    """One validation run of one bundle.

    ``baseline`` names the older results that it was compared with, ``notes`` say what differs
    between the two runs and may explain a difference.
    """

    model_config = ConfigDict(
        json_schema_extra={"$schema": "https://json-schema.org/draft/2020-12/schema"}
    )

    schema_version: Literal[1] = SCHEMA_VERSION
    maskport: str
    bundle: str
    manifest_sha256: str
    network: str
    input_height: Side
    input_width: Side
    threshold: Number
    labels: list[str]
    started: str
    machine: Machine
    run: Run
    photos: list[Photo]
    reference: Reference
    pytorch: dict[str, ArtifactResult] = Field(default_factory=dict)
    artifacts: dict[str, ArtifactResult]
    baseline: str = ""
    notes: list[str] = Field(default_factory=list)
    passed: bool

    def failures(self) -> list[ArtifactResult]:
        """The artifacts that did not pass, in the bundle's order."""
        return [a for a in self.artifacts.values() if a.status != "passed"]


def counted(photos: Sequence[Photo], metric: str) -> list[str]:
    """The names of a run's photos that count in a metric, in their order."""
    having = counts([photo.object for photo in photos], metric)
    return [photo.name for photo, counting in zip(photos, having, strict=True) if counting]


def read_results(path: Path) -> Results:
    """Read saved results.

    Raises:
        InputError: There is no such file, or it doesn't hold results of this version.
    """
    try:
        return Results.model_validate_json(read_text(path, RESULTS))
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise InputError(
            f"{path} can't be read: {reason}.", "Give a file of `maskport validate --json`."
        ) from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(
            f"{path} holds no results of version {SCHEMA_VERSION}: {where}: {first['msg']}.",
            "Give a file of `maskport validate --json`, of this version of maskport.",
        ) from exc


def main() -> None:
    """Print the JSON Schema, as ``docs/results.schema.json`` holds it."""
    print(json.dumps(Results.model_json_schema(), indent=2))


if __name__ == "__main__":
    main()
