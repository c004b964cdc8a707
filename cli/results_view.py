"""What a run found, for a terminal: where the reference ran, latencies, ground truth, verdict."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from .tables import print_table, printable

if TYPE_CHECKING:
    from ..validation.results import ArtifactResult, Results

__all__ = ["print_latency", "print_reference", "print_resumed", "print_truth", "print_verdict"]

# What a table in a paper has; all of them are in the JSON file.
_SHOWN = {
    "mae": "MAE",
    "max_f_authors": "max-F",
    "weighted_f": "weighted F",
    "s_measure": "S",
    "max_e_mean_curve": "max-E",
    "relaxed_boundary_f": "boundary F",
}
_COLUMNS = ("", "target", "IoU", "worst IoU", "MAE", "median ms", "to fp32", "")
_MARKS = {"passed": "✓", "unavailable": "–"}
_STYLES = {"passed": "green", "unavailable": "yellow"}


def print_resumed(results: Results, *, resume: bool) -> None:
    """Say it where there was nothing to go on from, though that was asked for."""
    if resume and not results.run.resumed:
        click.echo(
            "There was nothing to resume for these files, photos and options: it began anew.",
            err=True,
        )


def print_reference(results: Results, *, resume: bool) -> None:
    """Where the reference ran, on which photos, and which of them have no ground truth."""
    from ..validation.reports.wording import counting, processor

    print_resumed(results, resume=resume)
    reference, run = results.reference, results.run
    if reference.device == "cpu":
        where = "on the CPU (there is no CUDA or Metal device here)"
    else:
        where = f"on {reference.device} ({reference.device_name})"
    click.echo(
        f"Reference: PyTorch {where}. {len(results.photos)} photos from "
        f"{printable(run.photos_from)}; {run.threads} threads of "
        f"{printable(processor(results.machine))}."
    )
    if told := counting(results):
        click.echo(printable(told))
    click.echo(
        f"{run.total_s:.0f} s: {run.inference_s:.0f} running, {run.load_s:.0f} waiting for "
        "runtimes and files."
    )
    for reason in run.photos_left_out:
        click.echo(f"Photos left out: {printable(reason)}", err=True)
    for reason in run.truth_left_out:
        click.echo(f"No ground truth for {printable(reason)}", err=True)


def print_truth(results: Results) -> None:
    """The measures of salient objects, of the reference and of every artifact, side by side."""
    reference = results.reference.truth
    if not reference:
        return
    names = [name for name in _SHOWN if name in reference]
    rows = [["reference", *(f"{reference[name]:.4f}" for name in names)]]
    for artifact in results.artifacts.values():
        truth, drops = artifact.truth or {}, artifact.truth_drop or {}
        cells = (_with_drop(truth.get(name), drops.get(name, 0.0)) for name in names)
        rows.append([artifact.target, *cells])
    measured = sum(photo.truth is not None for photo in results.reference.photos)
    click.echo(
        f"Against the ground truth of {measured} photos, at their own size; behind each, where it "
        "shows, how much worse than the reference (negative: better):"
    )
    print_table(["", *(_SHOWN[name] for name in names)], rows)


def print_latency(results: Results) -> None:
    """Milliseconds of each artifact and of PyTorch, what they are beside each other, memory."""
    from ..validation.reports.wording import processor

    found = [*results.pytorch.values(), *results.artifacts.values()]
    columns = ("", "load", "first", "min", "p50", "p90", "p99", "/fp32", "/torch", "MB", "")
    print_table(columns, [_latency_row(one) for one in found])
    for one in found:
        if one.latency_ms is None:
            click.echo(printable(f"{one.target}: {one.reason or one.no_latency}"))
    if any(one.timing and one.timing.noisy for one in found):
        click.echo("noisy: the middle half of the runs differs by more than a tenth.")
    click.echo(
        f"Milliseconds for one photo; {results.run.threads} threads, "
        f"{printable(processor(results.machine))}."
    )


def print_verdict(results: Results) -> None:
    """Print every artifact's numbers, the sentence of each gate that doesn't hold, and the run in
    a line; coloured in a terminal, and where the output is piped tab-separated and
    ``FAILED target: sentence``. What differs from the baseline's run, and may explain a
    difference, is said on stderr.

    Args:
        results: As `decide` returns them.
    """
    from ..validation.reports.wording import verdict

    print_table(_COLUMNS, [_verdict_row(artifact) for artifact in results.artifacts.values()])
    for artifact in results.artifacts.values():
        for sentence in _sentences(artifact):
            _say(artifact, sentence)
    if results.baseline:
        print(printable(f"Compared with the baseline {results.baseline}."))
    print(printable(verdict(results)))
    for note in results.notes:
        click.echo(f"Note: {printable(note)}", err=True)


def _latency_row(found: ArtifactResult) -> list[str]:
    from ..validation.reports.wording import milliseconds

    memory = "" if found.peak_memory_mb is None else f"{found.peak_memory_mb:.0f}"
    if found.latency_ms is None or found.timing is None:
        return [found.target, *[""] * 8, memory, "emulated" if found.emulated else found.status]
    latency, timing = found.latency_ms, found.timing
    times = (latency.load, latency.first, latency.min, latency.p50, latency.p90, latency.p99)
    ratios = (timing.ratio_to_fp32, timing.ratio_to_pytorch)
    return [
        found.target,
        *(milliseconds(value) for value in times),
        *("" if value is None else f"{value:.2f}" for value in ratios),
        memory,
        "noisy" if timing.noisy else "",
    ]


def _with_drop(value: float | None, drop: float) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if abs(drop) < 5e-5 else f"{value:.4f} {drop:+.4f}"


def _verdict_row(artifact: ArtifactResult) -> tuple[str, ...]:
    from ..validation.reports.wording import STATUSES, figures

    remarks = [] if artifact.status == "passed" else [STATUSES[artifact.status].label]
    remarks += ["emulated"] if artifact.emulated else []
    remarks += ["noisy timing"] if artifact.timing and artifact.timing.noisy else []
    return (
        _MARKS.get(artifact.status, "✗"),
        printable(artifact.target),
        *figures(artifact),
        ", ".join(remarks),
    )


def _sentences(artifact: ArtifactResult) -> list[str]:
    """What is wrong, with who asks for it: a default reads otherwise than one's own gate."""
    failed = [gate for gate in artifact.gates if not gate.passed]
    told = [f"{gate.text}  [{gate.source}]" for gate in failed]
    if artifact.status == "unavailable":
        return [*told, artifact.reason]
    return told


def _say(artifact: ArtifactResult, sentence: str) -> None:
    target, text = printable(artifact.target), printable(sentence)
    if not sys.stdout.isatty():
        word = "unavailable" if artifact.status == "unavailable" else "FAILED"
        print(f"{word} {target}: {text}")
        return
    from rich.console import Console
    from rich.text import Text

    style = f"bold {_STYLES.get(artifact.status, 'red')}"
    Console(highlight=False).print(Text.assemble((target, style), f": {text}"))
