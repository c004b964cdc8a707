"""``maskport gate``."""

from __future__ import annotations

from pathlib import Path

import click

from .network_options import PATH
from .run_options import Judging, judging_options

__all__ = ["command"]


@click.command(name="gate")
@click.argument("results_file", metavar="RESULTS", type=PATH)
@judging_options
def command(results_file: Path, judging: Judging) -> int:
    """Gate saved RESULTS (of `maskport validate --json`) again, without running anything.

    \b
    maskport gate results.json --gate 'tflite-int8: iou >= 0.99, worst_iou >= 0.95'
    maskport gate results.json --gates gates.toml --baseline last-release.json
    """
    gates = judging.gates()
    from ..validation.gates import decide, exit_code
    from ..validation.results import read_results
    from .results_view import print_verdict

    results = decide(read_results(results_file), gates, judging.older())
    print_verdict(results)
    judging.write(results)
    return exit_code(results)
