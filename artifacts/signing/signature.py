"""Signing a bundle, and holding it against its signature, by OpenSSF's model-signing.

model-signing would read every file to sign it. A bundle's manifest has their checksums, so these
are given to it, and a signature can be checked where the files aren't: in a store.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import (
    BundleError,
    InputError,
    MaskportError,
    MissingToolError,
    SignatureError,
    ToolError,
)
from ...outputs import replaced, room_in
from ...outside.files import Kind, read_bytes
from ...texts import first_line, first_ten
from ..bundle import (
    BOM,
    LOG,
    MANIFEST,
    NOT_LISTED,
    PROVENANCE,
    SIGNATURE,
    Bundle,
    load_bundle,
    parsed_manifest,
    read_manifest,
    verify,
)
from ..manifest import Manifest
from .bom import bom_text
from .envelope import SIGNATURE_FILE, differences, read_envelope
from .provenance import provenance_text
from .trust import Identity, KeylessSigner, Signer, Trust

__all__ = ["BESIDE", "Signed", "check", "check_covers", "covered", "read_signature", "sign"]

BESIDE = Kind("a statement of provenance or a BOM", 64 << 20)


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature, and what it covers that the manifest doesn't name.

    Attributes:
        content: Of the signature's file.
        beside: The contents of the provenance and the BOM, by their paths.
    """

    content: bytes
    beside: dict[str, bytes]


def sign(bundle: Path, by: Signer) -> int:
    """Write a bundle's provenance, its BOM, and the signature of all of it into the bundle.

    What was there of these is replaced. The signature covers every file but ``export.log``.

    Returns:
        How many files are signed.

    Raises:
        BundleError: It is not a bundle.
        SignatureError: Its files differ from its manifest.
        InputError: A key or a certificate can't be used, or the bundle can't be written.
        MissingToolError: model-signing is not installed.
        ToolError: sigstore can't be reached, or gave no certificate.
    """
    config = _model_signing("signing", "Signing a bundle").Config()
    with _failing(by):
        by.configure(config)
    content = _held(bundle)
    manifest = parsed_manifest(content, str(bundle))
    beside = {
        PROVENANCE: provenance_text(manifest, content).encode(),
        BOM: bom_text(manifest, content).encode(),
    }
    files = covered(manifest, content, beside, str(bundle))
    config.set_hashing_config(_known(files))
    with tempfile.TemporaryDirectory(prefix="maskport-") as folder:
        partial = Path(folder) / SIGNATURE
        with _failing(by):
            config.sign(bundle.resolve(), partial)
        signature = partial.read_bytes()
    _write(bundle, {**beside, SIGNATURE: signature})
    return len(files)


def signed_bundle(path: Path, trust: Trust) -> Bundle:
    """A bundle whose signature holds, and whose files are those that were signed.

    Raises:
        BundleError: It is not a bundle.
        SignatureError: It has no signature, or that doesn't hold.
        InputError: The key or the certificate can't be used.
        MissingToolError, ToolError: As `sign`.
    """
    content = _held(path)
    manifest = parsed_manifest(content, str(path))
    check(read_signature(path), manifest, content, trust, str(path))
    return Bundle(path, manifest)


def read_signature(bundle: Path) -> Signed | None:
    """A bundle's signature, and what is covered by it beside the manifest; none where it has none.

    Raises:
        BundleError: One of the files is none, too large, or a link that leads out.
    """

    def read(name: str, kind: Kind) -> bytes | None:
        try:
            return read_bytes(bundle / name, kind, inside=bundle, error=BundleError)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise BundleError(
                f"{bundle / name} can't be read: {exc.strerror or exc}.", "Have the bundle again."
            ) from exc

    content = read(SIGNATURE, SIGNATURE_FILE)
    beside = {name: read(name, BESIDE) for name in (PROVENANCE, BOM)}
    found = {name: text for name, text in beside.items() if text is not None}
    return None if content is None else Signed(content, found)


def covered(
    manifest: Manifest, content: bytes, beside: Mapping[str, bytes], name: str
) -> dict[str, str]:
    """The SHA-256 of each file that a signature covers.

    Args:
        manifest: Of the bundle.
        content: The same, to the byte.
        beside: The contents of the provenance and the BOM, by their paths.
        name: Of the bundle, for errors.

    Raises:
        BundleError: The manifest calls a file by a name that is another's.
    """
    files = {entry.path: entry.sha256 for entry in manifest.entries}
    if len(files) != len(manifest.entries) or NOT_LISTED & files.keys():
        taken = ", ".join(sorted(NOT_LISTED & files.keys())) or "a file twice"
        raise BundleError(f"The manifest of {name} names {taken}.", "Export the bundle again.")
    own = {MANIFEST: content, **beside}
    return {**files, **{path: hashlib.sha256(text).hexdigest() for path, text in own.items()}}


def check_covers(signed: Signed, manifest: Manifest, content: bytes, name: str) -> None:
    """See that a signature names the files that there are; whose it is, and whether it holds, isn't
    looked at, and needs nothing installed.

    Raises:
        SignatureError: It doesn't.
        BundleError: As `covered`.
    """
    files = covered(manifest, content, signed.beside, name)
    if differing := differences(read_envelope(signed.content, name).files, files):
        raise _not_what_was_signed(name, differing)


def check(
    signed: Signed | None, manifest: Manifest, content: bytes, trust: Trust, name: str
) -> None:
    """Hold what a manifest says against a signature; files are not looked at.

    Args:
        signed: The signature; none where there is none.
        manifest: Of the bundle.
        content: The same, to the byte.
        trust: Whose signature it has to be.
        name: Of the bundle, for errors.

    Raises:
        SignatureError: There is none, or it doesn't hold.
        BundleError: As `covered`.
        InputError: The key or the certificate can't be used.
        MissingToolError: model-signing is not installed.
        ToolError: sigstore's roots can't be fetched.
    """
    config = _model_signing("verifying", "Checking a signature").Config()
    with _failing(trust):
        trust.configure(config)
    if signed is None:
        raise SignatureError(
            f"{name} is not signed, and was to be by {trust}.",
            "Have it signed: maskport sign; a version in a store may be given a signature later. A "
            "platform's part is never signed: pull it with --require-signature, or pull all.",
        )
    files = covered(manifest, content, signed.beside, name)
    envelope = read_envelope(signed.content, name)
    if envelope.kind != trust.kind:
        by = {"key": "a key", "certificate": "a certificate", "identity": "an account"}
        raise SignatureError(
            f"{name} is signed by {by[envelope.kind]}, and not by {trust}.",
            "Have it signed so, or ask `maskport verify` for what it has: --key, --certificate, or "
            "--identity with --issuer.",
        )
    known = _known(files)
    config.set_hashing_config(known)
    with tempfile.TemporaryDirectory(prefix="maskport-") as folder:
        file = Path(folder) / SIGNATURE
        file.write_bytes(signed.content)
        try:
            trust.check(envelope, name)
            config.verify(Path(folder), file)
        except MaskportError:
            raise
        except Exception as exc:
            # Files are asked for when the signature itself holds.
            if known.asked and (differing := differences(envelope.files, files)):
                raise _not_what_was_signed(name, differing) from exc
            raise SignatureError(
                f"The signature of {name} is not that of {trust}: {_reason(exc)}.",
                "Have the bundle again from who signed it, or don't use it.",
            ) from exc


def _held(bundle: Path) -> bytes:
    """The manifest's content, of a bundle whose files are those of its manifest."""
    content = read_manifest(load_bundle(bundle).path)
    if differing := verify(bundle):
        raise SignatureError(
            f"{bundle} differs from its manifest:\n{first_ten(differing)}",
            "Have the bundle again, or export it again.",
        )
    return content


def _write(bundle: Path, texts: Mapping[str, bytes]) -> None:
    """A link that lies there is replaced, and not followed: a bundle may be from anywhere."""
    try:
        with room_in(bundle):
            for name, text in texts.items():
                with replaced(bundle / name) as partial:
                    partial.write_bytes(text)
    except OSError as exc:
        raise InputError(
            f"{bundle} can't be written: {exc.strerror or exc}.", "Copy it to where it can be."
        ) from exc


def _not_what_was_signed(name: str, differing: list[str]) -> SignatureError:
    return SignatureError(
        f"{name} is not what was signed:\n{first_ten(differing)}",
        "Have the bundle again from who signed it; your own, sign again.",
    )


def _reason(exc: Exception) -> str:
    if type(exc).__name__ == "InvalidSignature":
        return "it was made for other content, or by another key"
    return f"{type(exc).__name__}: {first_line(exc)}"[:300].rstrip(".")


def _model_signing(part: str, purpose: str) -> Any:
    """One of its modules.

    Raises:
        MissingToolError: It, or what it asks for, is not installed.
    """
    # It imports pyOpenSSL, which no version of sigstore brings any more.
    for module, package in (("model_signing", "model-signing"), ("OpenSSL", "pyOpenSSL")):
        if importlib.util.find_spec(module) is None:
            raise MissingToolError(package, "sign", purpose)
    try:
        return importlib.import_module(f"model_signing.{part}")
    except ImportError as exc:
        raise ToolError(
            f"model-signing can't be loaded: {first_line(exc)}",
            "Install it again: pip install 'maskport[sign]' (docs/sign.md says beside what).",
        ) from exc


def _known(files: Mapping[str, str]) -> Any:
    """What model-signing asks for the checksums of a folder, with those that are known."""
    from model_signing import hashing, manifest
    from model_signing._hashing.hashing import Digest

    # What `model_signing verify` leaves out when it reads the folder itself.
    how = {
        **{"method": "files", "hash_type": "sha256", "allow_symlinks": False},
        "ignore_paths": [LOG, SIGNATURE],
    }

    class Known(hashing.Config):  # type: ignore[misc]
        asked = False

        def hash(self, model_path: Path, *, files_to_hash: object = None) -> Any:
            self.asked = True
            kind = manifest.SerializationType.from_args(how)
            items = [
                kind.new_item(path, Digest("sha256", bytes.fromhex(digest)))
                for path, digest in files.items()
            ]
            return manifest.Manifest(model_path.name, items, kind)

    return Known()


@contextmanager
def _failing(who: Signer | Trust) -> Iterator[None]:
    """What model-signing raises, and sigstore's network, told as a tool's."""
    try:
        yield
    except MaskportError:
        raise
    except Exception as exc:
        keyless = isinstance(who, KeylessSigner | Identity)
        raise ToolError(
            f"{'sigstore' if keyless else 'model-signing'} can't be used: "
            f"{type(exc).__name__}: {first_line(exc)[:300].rstrip('.')}.",
            "Check the network and the account, or use a key or a certificate: they need neither."
            if keyless
            else "Run it again with --debug, and report it if the key is right.",
        ) from exc
