"""``maskport sweep``."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .network_options import PATH
from .run_options import resumable
from .tables import print_table

if TYPE_CHECKING:
    from ..sweeps.swept import Swept

__all__ = ["command"]

# Of the front, as many lines as are read.
MOST = 20


@click.command(name="sweep")
@click.argument("plan", type=PATH)
@click.option(
    "--out",
    metavar="URL",
    help="Folder or address (s3://, gs://, …) where everything finished is kept.  "
    "[default: sweeps/PLAN]",
)
@click.option(
    "--address",
    metavar="ADDRESS",
    help="Of a Ray cluster: HOST:PORT, ray://HOST:PORT, or auto.  [default: one of this machine's]",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Tasks at once on this machine's own cluster.  [default: one a CPU]",
)
def command(plan: Path, out: str | None, address: str | None, workers: int | None) -> int:
    """Export, validate and time everything that PLAN asks for, on Ray: networks x weights x sizes x
    recipes x targets.

    What is finished is kept as it is finished. The same command goes on where it ended, and does
    only what is new after a change of PLAN.

    \b
    maskport sweep plan.toml
    maskport sweep plan.toml --out s3://models/sweep --address auto
    """
    if address is not None and workers is not None:
        raise click.UsageError("--workers is for a cluster of this machine's own.")
    from .sweep_view import SweepView

    kept = "what has finished is kept: the same command goes on from there."
    with resumable(kept), SweepView() as view:
        view.say("loading PyTorch")
        from ..sweeps.cluster import connected
        from ..sweeps.plan import read_plan
        from ..sweeps.run import sweep

        where, asked = out or f"sweeps/{plan.stem}", read_plan(plan)
        view.say("starting Ray" if address is None else "connecting to Ray")
        # Ray prints each task that it starts again, at length; its dashboard has these, too.
        ray = connected(address, workers, asked.threads)
        with redirect_stdout(_Nowhere()), ray as cluster:
            if cluster.dashboard:
                view.note(f"Ray's dashboard: {cluster.dashboard} (`ray get-auth-token`)")
            swept = sweep(asked, where, cluster, view.watch)
    _print(swept)
    return _exit_code(swept)


class _Nowhere(io.TextIOBase):
    """Takes what is printed."""

    def write(self, text: str) -> int:
        return len(text)


def _print(swept: Swept) -> None:
    from ..sweeps.page import front
    from ..validation.reports.wording import megabytes, metric_value, milliseconds

    passed = [file for file in swept.files if file["status"] == "passed"]
    best = front(swept.files)
    if best:
        click.echo("\nOn the front of worst IoU, latency and size:")
        rows = [
            [
                file["target"],
                file["bundle"],
                metric_value("worst_iou", file["worst_iou"]),
                milliseconds(file["p50_ms"]),
                megabytes(file["bytes"]),
            ]
            for file in sorted(best, key=lambda file: float(file["p50_ms"]))[:MOST]
        ]
        print_table(["target", "bundle", "worst IoU", "p50 ms", "MB"], rows)
        if len(best) > MOST:
            click.echo(f"… and {len(best) - MOST} more.")
    click.echo(
        f"\n{len(passed)} of {len(swept.files)} files hold every gate. "
        f"{swept.did} tasks done now, {swept.had} before."
    )
    for failure in swept.failed:
        click.echo(f"✗ {failure.label}: {failure.reason}", err=True)
    click.echo(f"Report: {swept.place.rstrip('/')}/index.html")


def _exit_code(swept: Swept) -> int:
    """2 where something given can't be used, 3 where a tool failed, 1 where a gate did."""
    if swept.failed:
        return max(failure.exit_code for failure in swept.failed)
    if any(file["status"] not in {"passed", "unavailable"} for file in swept.files):
        return 1
    unavailable = any(file["status"] == "unavailable" for file in swept.files)
    return 3 if unavailable or swept.not_made else 0
