"""``maskport provenance``."""

from __future__ import annotations

from pathlib import Path

import click

from .network_options import PATH

__all__ = ["command"]


@click.command(name="provenance")
@click.argument("bundle", type=PATH)
@click.option("--bom", is_flag=True, help="Its bill of materials instead: CycloneDX 1.6.")
def command(bundle: Path, bom: bool) -> None:
    """Print where BUNDLE came from: an in-toto statement with SLSA's provenance.

    It says what the bundle's manifest says; no other file is read.

    \b
    maskport provenance exports/demo > provenance.json
    maskport provenance exports/demo --bom > bom.json
    """
    from ..artifacts.bundle import load_bundle, parsed_manifest, read_manifest
    from ..artifacts.signing import bom_text, provenance_text

    content = read_manifest(load_bundle(bundle).path)
    text = (bom_text if bom else provenance_text)(parsed_manifest(content, str(bundle)), content)
    click.echo(text, nl=False)
