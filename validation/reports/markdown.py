"""A summary for a pull request, in the Markdown that GitHub and GitLab share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ...outputs import write_whole
from ..results import ArtifactResult, GateResult, Results, counted
from .wording import (
    EMULATED,
    STATUSES,
    counting,
    figures,
    megabytes,
    metric_label,
    metric_value,
    photos_worst_first,
    problems,
    processor,
    verdict,
)

__all__ = ["write_markdown"]

_BARE_PIPE = re.compile(r"(?<!\\)\|")
_PIPE = r"\\|"
_SIGNS = {"good": "✅", "bad": "❌", "unknown": "➖"}


def write_markdown(results: Results, path: Path) -> None:
    """Write verdict, failures in words, a table of the artifacts, and the rest folded.

    Names and reasons come from files of others: they are shown as text, whatever they hold.

    Raises:
        InputError: The path can't be written.
    """
    write_whole(path, ("\n".join(_lines(results)) + "\n").encode())


def _lines(results: Results) -> Iterator[str]:
    sign, state = (_SIGNS["good"], "passed") if results.passed else (_SIGNS["bad"], "failed")
    yield f"## {sign} maskport: {_text(results.bundle)} {state}"
    yield ""
    yield f"{verdict(results)} {_text(_setting(results))}"
    yield ""
    failed = results.failures()
    if failed:
        for artifact in failed:
            words = STATUSES[artifact.status]
            for sentence in problems(artifact):
                yield f"- {_code(artifact.target)} **{words.label}**: {_text(sentence)}"
        yield ""
    yield from _table(
        ("artifact", "status", "IoU", "worst IoU", "MAE", "p50 ms", "to fp32", "MB"),
        "llrlrrrr",
        (_row(results, a) for a in (*results.pytorch.values(), *results.artifacts.values())),
    )
    if any(a.emulated for a in results.artifacts.values()):
        yield f"¹ {EMULATED}"
        yield ""
    yield from _baseline(results)
    yield from _gates(results)
    yield from _truth(results)
    yield from _machine(results)


def _setting(results: Results) -> str:
    count = len(results.photos)
    return (
        f"{count} photo{'s' * (count != 1)}, {results.network} at "
        f"{results.input_width} × {results.input_height}, compared with PyTorch on "
        f"{results.reference.device_name or results.reference.device}. {counting(results)}".strip()
    )


def _row(results: Results, artifact: ArtifactResult) -> tuple[str, ...]:
    words, (iou, worst, *others) = STATUSES[artifact.status], figures(artifact)
    if artifact.fidelity and "worst_iou" in artifact.fidelity and artifact.photos:
        among = set(counted(results.photos, "iou"))
        first = next(p for p in photos_worst_first(artifact) if p.photo in among)
        worst += f" {_code(first.photo)}"
    return (
        _code(artifact.target) + "¹" * artifact.emulated,
        f"{_SIGNS[words.tone]} {words.label}",
        iou,
        worst,
        *others,
        megabytes(artifact.bytes),
    )


def _baseline(results: Results) -> Iterator[str]:
    compared = [(a, gate) for a, gate in _judged(results) if gate.source == "baseline"]
    if not results.baseline and not compared:
        return
    worse = sum(not gate.passed for _, gate in compared)
    state = f"{worse} worse" if worse else "nothing is worse"
    yield f"**Compared with {_code(results.baseline or 'the baseline')}**: {state}."
    yield ""
    for note in results.notes:
        yield f"- {_text(note)}"
    yield from [""] * bool(results.notes)
    rows = (
        (
            _code(artifact.target),
            _text(metric_label(gate.metric)),
            metric_value(gate.metric, gate.value),
            metric_value(gate.metric, gate.limit),
            _SIGNS["good" if gate.passed else "bad"],
        )
        for artifact, gate in compared
    )
    header = ("artifact", "metric", "now", "limit", "")
    yield from _folded(f"{len(compared)} comparisons", header, "llrrl", rows)


def _gates(results: Results) -> Iterator[str]:
    gates = _judged(results)
    holding = sum(gate.passed for _, gate in gates)
    rows = (
        (
            _code(artifact.target),
            _code(gate.gate),
            metric_value(gate.metric, gate.value),
            _SIGNS["good" if gate.passed else "bad"],
            _text(gate.source),
        )
        for artifact, gate in gates
    )
    header = ("artifact", "gate", "found", "", "from")
    yield from _folded(f"{holding} of {len(gates)} gates hold", header, "llrll", rows)


def _judged(results: Results) -> list[tuple[ArtifactResult, GateResult]]:
    return [(a, gate) for a in results.artifacts.values() for gate in a.gates]


def _truth(results: Results) -> Iterator[str]:
    reference = results.reference.truth
    if not reference:
        return
    rows = [("reference", *(metric_value(name, value) for name, value in reference.items()))]
    for artifact in results.artifacts.values():
        if artifact.truth:
            found = (metric_value(name, artifact.truth.get(name)) for name in reference)
            rows.append((_code(artifact.target), *found))
    header = ("", *(metric_label(name) for name in reference))
    yield from _folded("Against the ground truth", header, "l" + "r" * len(reference), rows)


def _machine(results: Results) -> Iterator[str]:
    machine = results.machine
    facts = {
        "system": machine.system,
        "processor": f"{processor(machine)}, {machine.cores} cores, {machine.memory_mb} MB",
        "reference": f"{results.reference.device}: {results.reference.device_name}",
        "photos from": results.run.photos_from,
        "threads": str(results.run.threads),
        "seconds": f"{results.run.total_s:.0f}",
        "maskport": results.maskport,
        "Python": machine.python,
        **machine.versions,
    }
    rows = ((_text(name), _text(value)) for name, value in facts.items())
    yield from _folded("Machine and versions", ("", ""), "ll", rows)


def _table(header: Iterable[str], alignment: str, rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'|'.join('--:' if side == 'r' else '---' for side in alignment)}|"
    for row in rows:
        # A pipe parts cells even inside code; those in text are escaped already.
        yield f"| {' | '.join(_BARE_PIPE.sub(_PIPE, cell) for cell in row)} |"
    yield ""


def _folded(
    summary: str, header: Iterable[str], alignment: str, rows: Iterable[Iterable[str]]
) -> Iterator[str]:
    yield f"<details><summary>{summary}</summary>"
    yield ""
    yield from _table(header, alignment, rows)
    yield "</details>"
    yield ""


def _text(text: str) -> str:
    """Plain text on one line: no markup, no link, and nobody is notified."""
    line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    line = re.sub(r"([\\`*_\[\]{}()#+!|~>$-])", r"\\\1", line)
    # GitHub looks for these in the rendered text, where escaping no longer shows.
    return re.sub(r"(@|://|www\.)", "\\1\u200b", line)


def _code(text: str) -> str:
    """A name as code, in a fence that is longer than any run of backticks in it."""
    line = " ".join(text.split())
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    padding = " " * line.startswith("`") or " " * line.endswith("`")
    return f"{fence}{padding}{line}{padding}{fence}" if line else ""
