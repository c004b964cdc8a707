"""``maskport gate``."""

from __future__ import annotations

from pathlib import Path

import click

from .gate_options import chosen_gates, gate_options, print_notes
from .report_options import report_options, write_reports

__all__ = ["command"]


@click.command(name="gate")
@click.argument("results_file", metavar="RESULTS", type=click.Path(path_type=Path))
@gate_options
@report_options
def command(
    results_file: Path,
    gates_file: Path | None,
    gate_texts: tuple[str, ...],
    baseline: Path | None,
    json_out: Path | None,
    junit_out: Path | None,
    markdown_out: Path | None,
) -> int:
    """Gate saved RESULTS (of `maskport validate --json`) again, without running anything.

    \b
    maskport gate results.json --gate 'tflite-int8: iou >= 0.99, worst_iou >= 0.95'
    maskport gate results.json --gates gates.toml --baseline last-release.json
    """
    gates = chosen_gates(gates_file, gate_texts)
    from ..validation.gates import decide, exit_code
    from ..validation.results import read_results
    from .verdict_view import print_verdict

    results = read_results(results_file)
    old = None if baseline is None else read_results(baseline)
    judged = decide(results, gates, old)
    print_verdict(judged)
    print_notes(judged)
    write_reports(judged, json_out, junit_out, markdown_out)
    return exit_code(judged)
