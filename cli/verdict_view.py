"""A verdict in a terminal: a line an artifact, then what failed and by how much."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .tables import print_table, printable

if TYPE_CHECKING:
    from ..validation.results import ArtifactResult, Results

__all__ = ["print_verdict"]

_COLUMNS = ("", "target", "IoU", "worst IoU", "MAE", "median ms", "to fp32", "")
_MARKS = {"passed": "✓", "unavailable": "–"}
_STYLES = {"passed": "green", "unavailable": "yellow"}


def print_verdict(results: Results) -> None:
    """Print every artifact's numbers, the sentence of each gate that doesn't hold, and the run in
    a line; coloured in a terminal, and where the output is piped tab-separated and
    ``FAILED target: sentence``.

    Args:
        results: As `decide` returns them.
    """
    from ..validation.reports.wording import STATUSES, verdict

    print_table(_COLUMNS, [_row(artifact) for artifact in results.artifacts.values()])
    for artifact in results.artifacts.values():
        sentences = _sentences(artifact)
        if not sentences:
            continue
        label = STATUSES[artifact.status].label
        for sentence in sentences:
            _say(artifact, label, sentence)
    if results.baseline:
        print(printable(f"Compared with the baseline {results.baseline}."))
    print(printable(verdict(results)))


def _row(artifact: ArtifactResult) -> tuple[str, ...]:
    from ..validation.reports.wording import STATUSES, metric_value, milliseconds, ratio

    fidelity = artifact.fidelity or {}
    remarks = [] if artifact.status == "passed" else [STATUSES[artifact.status].label]
    remarks += ["emulated"] if artifact.emulated else []
    remarks += ["noisy timing"] if artifact.timing and artifact.timing.noisy else []
    return (
        _MARKS.get(artifact.status, "✗"),
        printable(artifact.target),
        *(metric_value(name, fidelity.get(name)) for name in ("iou", "worst_iou", "mae")),
        milliseconds(artifact.latency_ms.p50 if artifact.latency_ms else None),
        ratio(artifact.timing.ratio_to_fp32 if artifact.timing else None),
        ", ".join(remarks),
    )


def _sentences(artifact: ArtifactResult) -> list[str]:
    """What is wrong, with who asks for it: a default reads otherwise than one's own gate."""
    failed = [gate for gate in artifact.gates if not gate.passed]
    told = [f"{gate.text}  [{gate.source}]" for gate in failed]
    if artifact.status == "unavailable":
        return [*told, artifact.reason]
    return told


def _say(artifact: ArtifactResult, label: str, sentence: str) -> None:
    target, text = printable(artifact.target), printable(sentence)
    if not sys.stdout.isatty():
        word = "unavailable" if label == "unavailable" else "FAILED"
        print(f"{word} {target}: {text}")
        return
    from rich.console import Console
    from rich.text import Text

    style = f"bold {_STYLES.get(artifact.status, 'red')}"
    Console(highlight=False).print(Text.assemble((target, style), f": {text}"))
