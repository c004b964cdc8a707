"""Results and gates to a verdict: pure, and the same however often it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...artifacts.onnx_saturation import explained
from ...errors import InputError
from ...metrics import Objection
from ..results import ArtifactResult, GateResult, Results
from .baseline import check_network, check_photos, is_vanished, notes, regressions, vanished
from .gate import Gate
from .measure import Measured, chosen_photos, measure
from .selection import Gates
from .sentences import fact, verdict

__all__ = ["decide", "exit_code"]

# The flags of photos that fail an artifact whatever its averages say: a gate and its complaint.
FATAL_FLAGS: Mapping[Objection, tuple[str, str]] = {
    "not-finite": ("finite masks", "its mask has values that are not numbers"),
    "reference-not-finite": (
        "finite reference",
        "the reference's mask has values that are not numbers, so nothing compares with it",
    ),
    "flat": ("no flat masks", "its mask is flat where the reference draws something"),
    "another-mask": ("no other masks", "its mask is another one than the reference's"),
    "lost": ("no lost objects", "half or more of what the reference surely draws is missing"),
    "invented": (
        "no invented objects",
        "the reference draws half or less of what its mask surely draws",
    ),
}


def decide(results: Results, gates: Gates, baseline: Results | None = None) -> Results:
    """Results with ``gates``, ``status``, ``reason``, ``notes`` and ``passed`` set anew.

    Each artifact has to pass the built-in gates (it runs, its bytes are the manifest's, every
    photo was compared, no mask is flat or not finite), the gates that select it, and, with a
    baseline, its own older numbers. One that can't be run here is neither passed nor failed.

    Args:
        results: Judged before or not.
        gates: From `assemble`, `load_gates` or `default_gates`.
        baseline: Older results of the same network on the same photos.

    Raises:
        InputError: There is no artifact, the baseline is of something else, or a gate of a file
            names what doesn't exist.
        UsageError: A gate of the command line selects no artifact.
    """
    artifacts = {t: a for t, a in results.artifacts.items() if not is_vanished(a)}
    if not artifacts:
        raise InputError(
            f"The results of {results.bundle} hold no artifact to judge.",
            "Validate a bundle with artifacts.",
        )
    gates.check(artifacts.values(), results.labels)
    present = results.model_copy(update={"artifacts": artifacts})
    if baseline is not None:
        check_network(
            baseline,
            results.network,
            height=results.input_height,
            width=results.input_width,
            threshold=results.threshold,
            labels=results.labels,
        )
        check_photos(baseline, results.photos)
        artifacts = artifacts | vanished(present, baseline)
    judged = {t: _judged(present, artifact, gates, baseline) for t, artifact in artifacts.items()}
    named = "" if baseline is None else f"{baseline.bundle} of {baseline.started}"
    told = [] if baseline is None else notes(present, baseline)
    verdicts = present.model_copy(update={"artifacts": judged, "baseline": named, "notes": told})
    return verdicts.model_copy(update={"passed": exit_code(verdicts) == 0})


def exit_code(results: Results) -> int:
    """0 where every artifact passed, 1 where one failed, 3 where none did but some couldn't be
    run here."""
    artifacts = results.artifacts.values()
    if any(artifact.status not in {"passed", "unavailable"} for artifact in artifacts):
        return 1
    if any(not gate.passed for artifact in artifacts for gate in artifact.gates):
        return 1
    return 3 if any(artifact.status == "unavailable" for artifact in artifacts) else 0


def _judged(
    results: Results, artifact: ArtifactResult, gates: Gates, baseline: Results | None
) -> ArtifactResult:
    if is_vanished(artifact):
        return artifact
    found = [*_built_in(results, artifact)]
    if not artifact.ran:
        return artifact.model_copy(update={"gates": found})
    asked = gates.of(artifact, beside_gpu=results.reference.device != "cpu")
    found += [_result(results, artifact, gate) for gate in asked]
    if baseline is not None:
        found += regressions(results, artifact, baseline, gates.tolerances)
    failed = [gate.text for gate in found if not gate.passed]
    status = "failed" if failed else "passed"
    return artifact.model_copy(
        update={"gates": found, "status": status, "reason": "; ".join(failed)}
    )


def _built_in(results: Results, artifact: ArtifactResult) -> Iterator[GateResult]:
    """What no file switches off."""
    if artifact.status != "unavailable":
        text = "it runs" if artifact.ran else f"{artifact.status}: {artifact.reason}"
        yield fact("runs", "status", artifact.ran, text)
    if artifact.checksum_holds is not None:
        wrong = "its bytes are not those that the manifest was written for"
        text = "its bytes are the manifest's" if artifact.checksum_holds else wrong
        yield fact("checksum holds", "checksum", artifact.checksum_holds, text)
    if not artifact.ran:
        return
    text = "its integers' sums are the same on every processor"
    if artifact.saturating:
        text = f"its mask depends on the processor: {explained(artifact.saturating)}"
    yield fact("no saturating sums", "saturating", not artifact.saturating, text)
    compared = {photo.photo for photo in artifact.photos}
    lacking = [photo.name for photo in results.photos if photo.name not in compared]
    text = f"compared on {len(compared)} of {len(results.photos)} photos"
    text += f", not on {_some(lacking)}" if lacking else ""
    text = text if results.photos else "no photo was compared"
    whole = bool(results.photos) and not lacking
    yield fact("every photo compared", "photos", whole, text, lacking)
    for flag, (gate, complaint) in FATAL_FLAGS.items():
        photos = [photo.photo for photo in artifact.photos if flag in photo.flags]
        text = f"{complaint}, on {_some(photos)}" if photos else gate
        yield fact(gate, flag, not photos, text, photos)


def _result(results: Results, artifact: ArtifactResult, gate: Gate) -> GateResult:
    bound = gate.bound
    assert bound is not None  # noqa: S101  # `Gates.of` leaves out the gates that are lifted
    wanted = gate.quantity
    photos = chosen_photos(results, artifact, wanted, gate.where)
    if wanted.family in {"fidelity", "class"} and artifact.photos and not photos:
        found, passed = Measured(None), True
    else:
        found = measure(results, artifact, wanted, photos if gate.where else None)
        passed = found.value is not None and bound.holds(found.value)
    return GateResult(
        gate=str(gate),
        metric=gate.quantity.name,
        value=found.value,
        limit=bound.limit,
        passed=passed,
        photo=found.photo,
        source=gate.source,
        text=verdict(bound, found, gate.where),
    )


def _some(photos: list[str]) -> str:
    more = f" and {len(photos) - 1} more" if len(photos) > 1 else ""
    return f"{photos[0]}{more}"
