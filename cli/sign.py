"""``maskport sign``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .network_options import PATH

if TYPE_CHECKING:
    from ..artifacts.signing import Signer

__all__ = ["command"]


@click.command(name="sign")
@click.argument("bundle", type=PATH)
@click.option(
    "--key", metavar="FILE", type=PATH,
    help="The private key, PEM, of P-256, P-384 or P-521; its password is MASKPORT_KEY_PASSWORD.",
)  # fmt: skip
@click.option(
    "--certificate", metavar="FILE", type=PATH, help="The key's certificate, PEM: signs by it."
)
@click.option(
    "--chain", metavar="FILE", type=PATH, multiple=True,
    help="Certificates between it and the root, PEM; may be given again.",
)  # fmt: skip
@click.option(
    "--keyless", is_flag=True,
    help="Sign by an account, through sigstore: the machine's, or one that a browser asks for.",
)  # fmt: skip
def command(
    bundle: Path,
    key: Path | None,
    certificate: Path | None,
    chain: tuple[Path, ...],
    keyless: bool,
) -> None:
    """Write BUNDLE's provenance, its bill of materials, and a signature of all of it.

    \b
    maskport sign exports/demo --key key.pem
    maskport sign exports/demo --certificate me.pem --chain between.pem --key key.pem
    maskport sign exports/demo --keyless
    """
    from ..artifacts.bundle import SIGNATURE
    from ..artifacts.signing import sign

    by = _signer(key, certificate, chain, keyless)
    count = sign(bundle, by)
    click.echo(f"{bundle}: {count} files are signed by {by}: {bundle / SIGNATURE}.")


def _signer(
    key: Path | None, certificate: Path | None, chain: tuple[Path, ...], keyless: bool
) -> Signer:
    from ..artifacts.signing import CertificateSigner, KeylessSigner, KeySigner

    if keyless:
        if key or certificate or chain:
            raise click.UsageError("--keyless needs neither --key nor --certificate.")
        return KeylessSigner()
    if key is None:
        raise click.UsageError("Give --key, --certificate with --key, or --keyless.")
    if certificate is not None:
        return CertificateSigner(key, certificate, chain)
    if chain:
        raise click.UsageError("--chain is of a --certificate.")
    return KeySigner(key, os.environ.get("MASKPORT_KEY_PASSWORD", ""))
