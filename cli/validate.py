"""``maskport validate``."""

from __future__ import annotations

from pathlib import Path

import click

from .gate_options import chosen_gates, gate_options, print_notes
from .report_options import report_options, write_reports
from .run_options import chosen_targets, memory_bytes, resumable, run_options

__all__ = ["command"]

_PATH = click.Path(path_type=Path)


@click.command(name="validate")
@click.argument("bundle", type=_PATH)
@click.option(
    "--images",
    metavar="PHOTOS",
    type=_PATH,
    help="Folder or list file of photos; built-in scenes where left out.",
)
@click.option(
    "--masks",
    metavar="DIR",
    type=_PATH,
    help="Ground-truth masks, named as the photos: adds the measures of salient objects.",
)
@gate_options
@report_options
@click.option(
    "--html",
    metavar="DIR",
    type=_PATH,
    help="Write a page with every mask, to look at: DIR/index.html, or a name ending in .html.",
)
@run_options
@click.option("--no-latency", is_flag=True, help="Compare masks only.")
def command(
    bundle: Path,
    images: Path | None,
    masks: Path | None,
    gates_file: Path | None,
    gate_texts: tuple[str, ...],
    baseline: Path | None,
    json_out: Path | None,
    junit_out: Path | None,
    markdown_out: Path | None,
    html: Path | None,
    targets: str,
    network: str | None,
    weights: Path | None,
    weights_key: str | None,
    release: bool,
    no_latency: bool,
    threads: int | None,
    compute_units: str,
    time_limit: float | None,
    memory_limit: float | None,
    resume: bool,
) -> int:
    """Compare every artifact of BUNDLE with PyTorch on the same photos, time it, and gate it.

    \b
    maskport validate exports/sky --images photos/ --html report
    maskport validate exports/sky --images photos/ --gate 'iou >= 0.99' --json results.json
    maskport validate exports/sky --baseline last-release.json --no-latency
    """
    if release and no_latency:
        raise click.UsageError("--release and --no-latency exclude each other.")
    gates = chosen_gates(gates_file, gate_texts)
    from .run_view import RunView

    with resumable(), RunView() as view:
        view.say("loading PyTorch")
        from ..validation.gates import exit_code
        from ..validation.results import read_results
        from ..validation.validate import validate

        old = None if baseline is None else read_results(baseline)
        results = validate(
            bundle,
            images=images,
            masks=masks,
            targets=chosen_targets(targets),
            network=network,
            weights=weights,
            weights_key=weights_key,
            gates=gates,
            baseline=old,
            latency="release" if release else "none" if no_latency else "standard",
            threads=threads,
            time_limit=time_limit,
            memory_limit=memory_bytes(memory_limit),
            compute_units=compute_units,
            resume=resume,
            html=html,
            report=lambda results: write_reports(results, json_out, junit_out, markdown_out),
            watch=view.watch,
        )
    from .results_view import print_reference, print_truth
    from .verdict_view import print_verdict

    print_reference(results, resume=resume)
    print_truth(results)
    print_verdict(results)
    print_notes(results)
    return exit_code(results)
