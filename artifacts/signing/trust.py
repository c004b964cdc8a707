"""Who signs a bundle, and whose signature is asked for: keys, certificates, identities."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from ...errors import InputError, SignatureError, UsageError
from ...outside.files import Kind, read_bytes
from ...texts import first_line
from .envelope import Envelope

__all__ = [
    "CertificateSigner",
    "Identity",
    "KeySigner",
    "KeylessSigner",
    "PublicKey",
    "Root",
    "Signer",
    "Trust",
    "trust_in",
]

_PEM = Kind("a key or a certificate", 1 << 20)
# Those that sigstore's format has a name for.
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


@dataclass(frozen=True, slots=True)
class KeySigner:
    """Who has a key of an elliptic curve.

    Attributes:
        key: The private key's file, PEM.
        password: Of the key, where it has one.
    """

    key: Path
    password: str = field(default="", repr=False)

    def configure(self, config: Any) -> None:
        """Tell `model_signing.signing.Config`."""
        _private_key(self.key, self.password)
        password = self.password.encode() or None
        config.use_elliptic_key_signer(private_key=self.key, password=password)

    def __str__(self) -> str:
        return f"the key {self.key}"


@dataclass(frozen=True, slots=True)
class CertificateSigner:
    """Who has a certificate for a key.

    Attributes:
        key: The private key's file, PEM, without a password.
        certificate: That for this key, PEM.
        chain: Those between it and the root, which may be left out; PEM.
    """

    key: Path
    certificate: Path
    chain: tuple[Path, ...] = ()

    def configure(self, config: Any) -> None:
        """Tell `model_signing.signing.Config`."""
        from cryptography.hazmat.primitives.serialization import Encoding

        key = _private_key(self.key, "")
        own, *_ = _certificates(self.certificate)
        if own.public_key() != key.public_key():
            raise UsageError(
                f"{self.certificate} is not the certificate of {self.key}.",
                "Give the key that it was made for.",
            )
        chain = [one for file in self.chain for one in _certificates(file)]
        if outdated := _outdated([one.public_bytes(Encoding.DER) for one in (own, *chain)]):
            raise UsageError(f"{self.certificate} can't sign: {outdated}.", "Renew it.")
        config.use_certificate_signer(
            private_key=self.key,
            signing_certificate=self.certificate,
            # It reads no empty chain; that of one that stands right below its root has itself.
            certificate_chain=list(self.chain) or [self.certificate],
        )

    def __str__(self) -> str:
        return f"the certificate {self.certificate}"


@dataclass(frozen=True, slots=True)
class KeylessSigner:
    """Who has an account: sigstore gives a certificate for minutes, and logs that it did.

    A machine's own identity (of GitHub, GitLab, Google Cloud, …) is taken where it has one; else a
    browser is opened.
    """

    def configure(self, config: Any) -> None:
        """Tell `model_signing.signing.Config`; the network is asked."""
        config.use_sigstore_signer(use_ambient_credentials=True)

    def __str__(self) -> str:
        return "an identity, through sigstore"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A signature has to be that key's.

    Attributes:
        file: PEM.
    """

    kind: ClassVar[Literal["key"]] = "key"
    file: Path

    def configure(self, config: Any) -> None:
        """Tell `model_signing.verifying.Config`."""
        _public_key(self.file)
        config.use_elliptic_key_verifier(public_key=self.file)

    def check(self, envelope: Envelope, name: str) -> None:
        """What the signature says of itself, before it is believed.

        Raises:
            SignatureError: It says that it is another key's.
        """
        from hashlib import sha256

        own = sha256(_public_key(self.file)).hexdigest()
        if envelope.hint != own:
            raise SignatureError(
                f"{name} is signed by another key ({envelope.hint[:12]}…) than {self.file} "
                f"({own[:12]}…).",
                "Give the signer's public key, or don't use it.",
            )

    def __str__(self) -> str:
        return f"the key {self.file}"


@dataclass(frozen=True, slots=True)
class Root:
    """A signature's certificate has to be issued below one of these, and be valid now.

    Attributes:
        file: One or more certificates of authorities, PEM.
    """

    kind: ClassVar[Literal["certificate"]] = "certificate"
    file: Path

    def configure(self, config: Any) -> None:
        """Tell `model_signing.verifying.Config`."""
        _certificates(self.file)
        config.use_certificate_verifier(certificate_chain=[self.file])

    def check(self, envelope: Envelope, name: str) -> None:
        """model-signing takes the time at which a certificate begins for the time of signing, so
        none is ever too old for it.

        Raises:
            SignatureError: A certificate is not valid now.
        """
        if outdated := _outdated(envelope.certificates):
            raise SignatureError(
                f"The signature of {name} doesn't hold: {outdated}.",
                "Have it signed again with a certificate that is valid.",
            )

    def __str__(self) -> str:
        return f"a certificate below {self.file}"


@dataclass(frozen=True, slots=True)
class Identity:
    """A signature has to be of that account's, by sigstore's log.

    Attributes:
        identity: A mail address, or a workflow's address.
        issuer: Who says so: the address of the OpenID Connect provider.
    """

    kind: ClassVar[Literal["identity"]] = "identity"
    identity: str
    issuer: str

    def configure(self, config: Any) -> None:
        """Tell `model_signing.verifying.Config`; sigstore's roots are fetched."""
        config.use_sigstore_verifier(identity=self.identity, oidc_issuer=self.issuer)

    def check(self, envelope: Envelope, name: str) -> None:
        """Nothing: sigstore looks at all of it."""

    def __str__(self) -> str:
        return f"{self.identity}, as {self.issuer} says"


Signer = KeySigner | CertificateSigner | KeylessSigner
Trust = PublicKey | Root | Identity


def trust_in(file: Path) -> PublicKey | Root:
    """A public key's file, or one of certificates, told by what is in it.

    Raises:
        InputError: It is neither, or can't be read.
    """
    return Root(file) if b"-----BEGIN CERTIFICATE-----" in _read(file) else PublicKey(file)


def _read(file: Path) -> bytes:
    try:
        return read_bytes(file, _PEM)
    except OSError as exc:
        raise InputError(
            f"{file} can't be read: {exc.strerror or exc}.", "Give a PEM file."
        ) from exc


def _private_key(file: Path, password: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = _read(file)
    try:
        key = load_pem_private_key(content, password.encode() or None)
    except TypeError as exc:
        has = "has a password" if b"ENCRYPTED" in content else "has no password"
        raise InputError(
            f"{file} {has}.",
            "Give a key's password as MASKPORT_KEY_PASSWORD; a certificate's key must have none: "
            "openssl pkey -in KEY.pem -out PLAIN.pem",
        ) from exc
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise InputError(
            f"{file} is no private key that can be read, or its password is another one.",
            "Make one: openssl ecparam -name prime256v1 -genkey -noout -out KEY.pem",
        ) from exc
    _check_curve(key, file)
    return key


def _public_key(file: Path) -> bytes:
    """As model-signing hashes it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_public_key,
    )

    try:
        key = load_pem_public_key(_read(file))
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise InputError(
            f"{file} is no public key.",
            "Give the public one, PEM: openssl pkey -in KEY.pem -pubout -out PUB.pem",
        ) from exc
    _check_curve(key, file)
    content: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return content


def _check_curve(key: Any, file: Path) -> None:
    name = getattr(getattr(key, "curve", None), "name", "")
    if name not in _CURVES:
        raise InputError(
            f"{file} is a key of {name or 'no elliptic curve'}, which model-signing doesn't take.",
            f"Give one of {', '.join(_CURVES.values())}.",
        )


def _certificates(file: Path) -> list[Any]:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return list(load_pem_x509_certificates(_read(file)))
    except ValueError as exc:
        raise InputError(
            f"{file} holds no certificate that can be read: {first_line(exc)}", "Give a PEM file."
        ) from exc


def _outdated(certificates: list[bytes] | tuple[bytes, ...]) -> str:
    """Which of some certificates, DER, is not valid now; nothing where all are."""
    from cryptography.x509 import load_der_x509_certificate

    now = datetime.now(UTC)
    for content in certificates:
        certificate = load_der_x509_certificate(content)
        name = certificate.subject.rfc4514_string() or "without a name"
        if now > certificate.not_valid_after_utc:
            return f"the certificate {name} expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
        if now < certificate.not_valid_before_utc:
            begins = certificate.not_valid_before_utc
            return f"the certificate {name} is not valid before {begins:%Y-%m-%d %H:%M} UTC"
    return ""
