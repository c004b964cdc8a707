"""``maskport targets``."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command(name="targets")
def command() -> None:
    """List every target, whether it can be made here, and what to install if not."""
    from ..exporters.targets import needs_photos
    from ..formats import TARGETS
    from ..processes.sandbox import landlock_version
    from ..sdks.needs import not_installed
    from .tables import print_table

    extras = []
    rows = []
    for target in TARGETS:
        missing = not_installed(target.needs)
        if missing and target.shared.extra not in extras:
            extras.append(target.shared.extra)
        state = f"needs maskport[{target.shared.extra}]" if missing else "ready"
        needs = "calibration photos" if needs_photos(target) else ""
        if target.opt_in:
            needs += "; to be named: all leaves it out"
        rows.append((target.name, target.format, target.precision, state, needs, target.summary))
    print_table(("target", "format", "precision", "here", "also needs", "for"), rows)
    if extras:
        click.echo(f"\nTo make them all: pip install 'maskport[{','.join(extras)}]'")
    click.echo(
        f"\nFiles are run without write access (Landlock, version {version})."
        if (version := landlock_version())
        else "\nFiles are run with your own rights: this system has no Landlock (docs/security.md)."
    )
