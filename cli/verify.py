"""``maskport verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .network_options import PATH

if TYPE_CHECKING:
    from ..artifacts.signing import Trust

__all__ = ["command", "is_whole"]


@click.command(name="verify")
@click.argument("bundle", type=PATH)
@click.option(
    "--key", metavar="FILE", type=PATH, help="It has to be signed by this public key's, PEM."
)
@click.option(
    "--certificate", metavar="FILE", type=PATH,
    help="It has to be signed by a certificate that was issued below this root, PEM.",
)  # fmt: skip
@click.option("--identity", default="", metavar="NAME", help="Signed by this account (sigstore).")
@click.option("--issuer", default="", metavar="URL", help="Who says that it is the account.")
def command(
    bundle: Path, key: Path | None, certificate: Path | None, identity: str, issuer: str
) -> int:
    """Recompute the checksums of BUNDLE's files and name what differs from its manifest; with an
    option, hold it against its signature, too.

    \b
    maskport verify exports/demo
    maskport verify exports/demo --key pub.pem
    maskport verify exports/demo --identity me@example.com --issuer https://accounts.google.com
    """
    from ..artifacts.bundle import load_bundle, verify

    trust = _trust(key, certificate, identity, issuer)
    differences = verify(bundle)
    for difference in differences:
        click.echo(difference)
    count = len(load_bundle(bundle).manifest.artifacts)
    if differences:
        places = "1 place" if len(differences) == 1 else f"{len(differences)} places"
        click.echo(f"{bundle} differs from its manifest in {places}.", err=True)
        return 1
    click.echo(f"{bundle}: {count} artifacts, all as the manifest says.")
    if trust is not None:
        from ..artifacts.signing import signed_bundle

        signed_bundle(bundle, trust)
        click.echo(f"All of it is signed by {trust}.")
    return 0


def _trust(key: Path | None, certificate: Path | None, identity: str, issuer: str) -> Trust | None:
    from ..artifacts.signing import Identity, PublicKey, Root

    if sum(map(bool, (key, certificate, identity or issuer))) > 1:
        raise click.UsageError("--key, --certificate and --identity exclude one another.")
    if bool(identity) != bool(issuer):
        raise click.UsageError("--identity and --issuer go together.")
    if key is not None:
        return PublicKey(key)
    if certificate is not None:
        return Root(certificate)
    return Identity(identity, issuer) if identity else None


def is_whole(bundle: Path, otherwise: str) -> bool:
    """Whether a bundle's files hold what its manifest says; else each difference is printed, and
    what isn't done then."""
    from ..artifacts.bundle import verify

    differences = verify(bundle)
    for difference in differences:
        click.echo(difference)
    if differences:
        click.echo(f"{bundle} differs from its manifest, so it is not {otherwise}.", err=True)
    return not differences
