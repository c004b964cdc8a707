"""A signature's file, as far as it can be read without believing it.

It is what OpenSSF's model-signing writes: a sigstore bundle, whose DSSE envelope holds an in-toto
statement of each file's SHA-256.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ...errors import SignatureError
from ...outside.files import Kind

__all__ = ["SIGNATURE_FILE", "Envelope", "differences", "read_envelope"]

SIGNATURE_FILE = Kind("a signature", 16 << 20)
_KINDS: dict[str, Literal["key", "certificate", "identity"]] = {
    "publicKey": "key",
    "x509CertificateChain": "certificate",
    "certificate": "identity",
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a signature says; anyone may have written it.

    Attributes:
        kind: What it was signed by.
        hint: The SHA-256 of the public key, as it is written in PEM; of keys only.
        certificates: That of the signer and those above it, DER; of certificates only.
        files: The SHA-256 of each file that it covers.
    """

    kind: Literal["key", "certificate", "identity"]
    hint: str
    certificates: tuple[bytes, ...]
    files: dict[str, str]


def read_envelope(content: bytes, name: str) -> Envelope:
    """Read a signature.

    Args:
        content: Of its file.
        name: Of the bundle, for errors.

    Raises:
        SignatureError: It is none.
    """
    try:
        return _read(json.loads(content))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as exc:
        said = f"{type(exc).__name__}: {exc}"
        raise SignatureError(
            f"The signature of {name} is damaged, or none of model-signing's ({said[:200]}).",
            "Have the bundle again, or have it signed again.",
        ) from exc


def differences(signed: Mapping[str, str], actual: Mapping[str, str]) -> list[str]:
    """Where a bundle and what was signed part, a sentence each."""
    return [
        f"{path}: "
        + ("missing" if path not in actual else "not signed" if path not in signed else "changed")
        for path in sorted({*signed, *actual})
        if signed.get(path) != actual.get(path)
    ]


def _read(said: Any) -> Envelope:
    material = said["verificationMaterial"]
    (kind,) = _KINDS.keys() & material.keys()
    hint, certificates = "", list[bytes]()
    if kind == "publicKey":
        hint = material[kind]["hint"]
    elif kind == "x509CertificateChain":
        certificates = [_decoded(one["rawBytes"]) for one in material[kind]["certificates"]]
        if not certificates:
            raise ValueError("it has no certificate")
    statement = json.loads(_decoded(said["dsseEnvelope"]["payload"]))
    resources = statement["predicate"]["resources"]
    files = {one["name"]: one["digest"] for one in resources}
    if len(files) != len(resources) or {one["algorithm"] for one in resources} != {"sha256"}:
        raise ValueError("it names a file twice, or has other checksums than SHA-256")
    if not all(isinstance(text, str) for text in (hint, *files, *files.values())):
        raise TypeError("a name or a checksum is no text")
    return Envelope(_KINDS[kind], hint, tuple(certificates), files)


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
