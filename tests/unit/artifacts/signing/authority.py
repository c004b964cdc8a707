"""Keys and certificates of an authority that lasts a test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Pair:
    """A private key's file and the public one's."""

    key: Path
    public: Path
    private: Any


def pair(folder: Path, name: str, private: Any = None, password: str = "") -> Pair:
    """One of P-256, or the files of a key that is given."""
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric import ec

    private = private or ec.generate_private_key(ec.SECP256R1())
    how = pem.BestAvailableEncryption(password.encode()) if password else pem.NoEncryption()
    key, public = folder / f"{name}.key", folder / f"{name}.pub"
    key.write_bytes(private.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, how))
    public.write_bytes(
        private.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    )
    return Pair(key, public, private)


def certificate(
    folder: Path,
    name: str,
    own: Pair,
    issuer: tuple[str, Pair],
    *,
    days: tuple[float, float] = (-1, 1),
    authority: bool = False,
    signs: bool = True,
) -> Path:
    """One that is valid for days from now, and says whose key it is."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

    def called(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.now(UTC)
    usage = dict.fromkeys(
        (
            *("content_commitment", "data_encipherment", "key_agreement"),
            *("crl_sign", "encipher_only", "decipher_only"),
        ),
        False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(called(name))
        .issuer_name(called(issuer[0]))
        .public_key(own.private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(authority, None), True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=signs,
                key_encipherment=not signs,
                key_cert_sign=authority,
                **usage,
            ),
            True,
        )
        .sign(issuer[1].private, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return file
