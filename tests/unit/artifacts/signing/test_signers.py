"""Who signs: keys, certificates, and accounts by a stand-in for sigstore."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maskport.artifacts.bundle import SIGNATURE
from maskport.artifacts.signing import (
    CertificateSigner,
    Identity,
    KeylessSigner,
    KeySigner,
    PublicKey,
    Root,
    sign,
    signed_bundle,
    trust_in,
)
from maskport.errors import (
    InputError,
    SignatureError,
    ToolError,
    UsageError,
)

from ....sdks import needed
from .authority import Pair, certificate, pair

needed("model_signing", "sign")


@pytest.fixture
def root(tmp_path: Path) -> tuple[Path, Pair]:
    own = pair(tmp_path, "root")
    return certificate(tmp_path, "root", own, ("root", own), authority=True), own


def certified(tmp_path: Path, root: tuple[Path, Pair], mine: Pair, **how: Any) -> CertificateSigner:
    between = pair(tmp_path, "between")
    chain = certificate(tmp_path, "between", between, ("root", root[1]), authority=True)
    own = certificate(tmp_path, "leaf", mine, ("between", between), **how)
    return CertificateSigner(mine.key, own, (chain,))


def test_a_certificate_below_a_root_holds(
    bundle: Path, mine: Pair, root: tuple[Path, Pair], tmp_path: Path
) -> None:
    from model_signing.verifying import Config

    sign(bundle, certified(tmp_path, root, mine))
    assert trust_in(root[0]) == Root(root[0])
    signed_bundle(bundle, Root(root[0]))
    Config().use_certificate_verifier(certificate_chain=[root[0]]).verify(
        bundle, bundle / SIGNATURE
    )
    foreign = pair(tmp_path, "foreign")
    other = certificate(tmp_path, "foreign", foreign, ("foreign", foreign), authority=True)
    with pytest.raises(SignatureError, match=r"not that of a certificate below .*foreign\.pem"):
        signed_bundle(bundle, Root(other))
    with pytest.raises(SignatureError, match="signed by a certificate, and not by the key"):
        signed_bundle(bundle, PublicKey(mine.public))
    (bundle / "a.tflite").write_bytes(b"weightS")
    with pytest.raises(SignatureError, match=r"a\.tflite: its content changed"):
        signed_bundle(bundle, Root(root[0]))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"days": (-3, -1)}, r"the certificate CN=leaf expired on \d{4}-\d\d-\d\d"),
        ({"days": (1, 3)}, "the certificate CN=leaf is not valid before"),
        ({"signs": False}, "cannot be used for signing"),
    ],
)
def test_a_certificate_that_cant_sign_is_refused(
    bundle: Path,
    mine: Pair,
    root: tuple[Path, Pair],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: dict[str, Any],
    said: str,
) -> None:
    signer = certified(tmp_path, root, mine, **how)
    if "days" in how:
        with pytest.raises(UsageError, match=said):
            sign(bundle, signer)
        assert not (bundle / SIGNATURE).exists()
    # Whoever signs may have another clock, or another program.
    with monkeypatch.context() as patched:
        patched.setattr("maskport.artifacts.signing.trust._outdated", lambda _: "")
        sign(bundle, signer)
    with pytest.raises(SignatureError, match=said):
        signed_bundle(bundle, Root(root[0]))


def test_keys_that_cant_sign_are_told(
    bundle: Path, mine: Pair, root: tuple[Path, Pair], tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    others = {
        "rsa": rsa.generate_private_key(65537, 2048),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "k1": ec.generate_private_key(ec.SECP256K1()),
    }
    for name, private in others.items():
        other = pair(tmp_path, name, private)
        for run in (
            lambda other=other: sign(bundle, KeySigner(other.key)),
            lambda other=other: signed_bundle(bundle, PublicKey(other.public)),
        ):
            with pytest.raises(InputError, match=f"{name}.* which model-signing doesn't take"):
                run()
    for signer in (
        KeySigner(tmp_path / "none"),
        KeySigner(tmp_path),
        KeySigner(mine.public),
        KeySigner(mine.key, "secret"),
        CertificateSigner(mine.key, mine.key),
        CertificateSigner(mine.key, root[0]),
    ):
        with pytest.raises(InputError) as raised:
            sign(bundle, signer)
        assert raised.value.remedy
    sign(bundle, KeySigner(mine.key))
    for trust in (PublicKey(mine.key), PublicKey(tmp_path / "none"), Root(mine.public)):
        with pytest.raises(InputError):
            signed_bundle(bundle, trust)


def test_a_keys_password_is_asked_for(bundle: Path, mine: Pair, tmp_path: Path) -> None:
    locked = pair(tmp_path, "locked", mine.private, password="secret")
    signer = KeySigner(locked.key, "secret")
    assert "secret" not in f"{signer} {signer!r}"
    sign(bundle, signer)
    signed_bundle(bundle, PublicKey(mine.public))
    with pytest.raises(InputError, match="has a password") as raised:
        sign(bundle, KeySigner(locked.key))
    assert "MASKPORT_KEY_PASSWORD" in raised.value.remedy
    with pytest.raises(InputError, match="its password is another one"):
        sign(bundle, KeySigner(locked.key, "other"))


class Account:
    """What stands for sigstore: nothing here asks a network."""

    def __init__(self, **asked: Any) -> None:
        self.asked = asked

    def verify(self, signature: Any) -> Any:
        from model_signing._signing.signing import dsse_payload_to_manifest

        if self.asked != {"identity": "me@example.com", "oidc_issuer": "https://issuer"}:
            raise ValueError("Certificate's SANs do not match")
        return dsse_payload_to_manifest(json.loads(signature.bundle.dsse_envelope.payload))


def test_keyless_goes_through_sigstore(
    bundle: Path, mine: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    from model_signing import signing, verifying

    asked: list[dict[str, Any]] = []

    def use_sigstore_signer(self: Any, **how: Any) -> Any:
        asked.append(how)
        return self.use_elliptic_key_signer(private_key=mine.key)

    def use_sigstore_verifier(self: Any, **how: Any) -> Any:
        self._verifier = Account(**how)

    monkeypatch.setattr(signing.Config, "use_sigstore_signer", use_sigstore_signer)
    monkeypatch.setattr(verifying.Config, "use_sigstore_verifier", use_sigstore_verifier)
    sign(bundle, KeylessSigner())
    assert asked == [{"use_ambient_credentials": True}]
    said = json.loads((bundle / SIGNATURE).read_text())
    said["verificationMaterial"]["certificate"] = {"rawBytes": ""}
    del said["verificationMaterial"]["publicKey"]
    (bundle / SIGNATURE).write_text(json.dumps(said))
    signed_bundle(bundle, Identity("me@example.com", "https://issuer"))
    with pytest.raises(SignatureError, match=r"not that of you@example\.com.*SANs do not match"):
        signed_bundle(bundle, Identity("you@example.com", "https://issuer"))
    (bundle / "README.md").write_text("Another.\n")
    with pytest.raises(SignatureError, match=r"README\.md"):
        signed_bundle(bundle, Identity("me@example.com", "https://issuer"))


def test_without_a_network_keyless_says_so(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from model_signing import signing, verifying

    def unreachable(self: Any, **how: Any) -> Any:
        raise OSError("Name or service not known")

    monkeypatch.setattr(signing.Config, "use_sigstore_signer", unreachable)
    monkeypatch.setattr(verifying.Config, "use_sigstore_verifier", unreachable)
    runs: list[Callable[[], object]] = [
        lambda: sign(bundle, KeylessSigner()),
        lambda: signed_bundle(bundle, Identity("me", "https://issuer")),
    ]
    (bundle / SIGNATURE).write_text("{}")
    for run in runs:
        with pytest.raises(ToolError, match="sigstore can't be used: OSError: Name or service"):
            run()
