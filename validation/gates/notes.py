"""What differs between two runs beside the files, and may explain why their numbers do."""

from __future__ import annotations

from ..results import ArtifactResult, Machine, Results

__all__ = ["notes", "of_another_kind"]

_RUNTIME = {True: "emulated", False: "run by its own runtime"}


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
        elif target in baseline.artifacts:
            new, old = results.artifacts[target].emulated, baseline.artifacts[target].emulated
            if new != old:
                found.append(f"{target}: {_RUNTIME[old]} in the baseline, {_RUNTIME[new]} now")
    if of_another_kind(results.machine, baseline.machine):
        found.append(
            f"another kind of processor: {_kind(baseline.machine)} in the baseline, "
            f"{_kind(results.machine)} now; sums are added up by other kernels there"
        )
    if results.run.latency == "none" or baseline.run.latency == "none":
        found.append("latency is not compared: one of the runs was without")
    elif of_another_kind(results.machine, baseline.machine):
        found.append(
            "latency is not compared: integers are several times as fast, beside float, on one "
            "kind of processor as on another"
        )
    else:
        found += [
            f"{target}: latency is not compared: {new.no_latency}"
            for target, new in results.artifacts.items()
            if new.ran and new.no_latency and _had_latency(baseline.artifacts.get(target))
        ]
    return found


def of_another_kind(one: Machine, other: Machine) -> bool:
    """Two processors that differ in what they offer to kernels; False where one of the results
    is older than this was recorded, or its system didn't tell."""
    if one.features is None or other.features is None:
        return False
    return (one.architecture, set(one.features)) != (other.architecture, set(other.features))


def _kind(machine: Machine) -> str:
    features = ", ".join(machine.features or ()) or "none of the features that are looked for"
    return f"{machine.architecture} with {features}"


def _had_latency(before: ArtifactResult | None) -> bool:
    return before is not None and before.latency_ms is not None
