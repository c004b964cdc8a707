"""Signatures by OpenSSF's model-signing: what they cover, and what each damage comes to."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maskport.artifacts.bundle import BOM, MANIFEST, PROVENANCE, SIGNATURE, verify
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
    BundleError,
    InputError,
    SignatureError,
    ToolError,
    UsageError,
)

from .... import tiny_bundle
from ....sdks import needed
from .authority import Pair, certificate, pair

needed("model_signing", "sign")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """With a file in a folder of its own, and a log."""
    folder = tmp_path / "demo"
    tiny_bundle.make(folder)
    (folder / "snippets").mkdir()
    (folder / "snippets" / "a.kt").write_text("code")
    manifest = json.loads((folder / MANIFEST).read_text())
    digest = hashlib.sha256(b"code").hexdigest()
    manifest["documents"].append({"path": "snippets/a.kt", "bytes": 4, "sha256": digest})
    (folder / MANIFEST).write_text(json.dumps(manifest))
    (folder / "export.log").write_text("said\n")
    assert verify(folder) == []
    return folder


@pytest.fixture
def mine(tmp_path: Path) -> Pair:
    return pair(tmp_path, "mine")


@pytest.fixture
def signed(bundle: Path, mine: Pair) -> Path:
    assert sign(bundle, KeySigner(mine.key)) == 9
    return bundle


def test_a_signature_holds_for_us_and_for_model_signing(signed: Path, mine: Pair) -> None:
    from model_signing.verifying import Config

    (signed / "export.log").write_text("another run\n")  # isn't covered
    assert signed_bundle(signed, PublicKey(mine.public)).manifest.network.name == "n"
    assert verify(signed) == []
    theirs = Config().use_elliptic_key_verifier(public_key=mine.public)
    theirs.verify(signed, signed / SIGNATURE)
    (signed / "README.md").write_text("Another.\n")
    with pytest.raises(ValueError, match=r"README\.md"):
        Config().use_elliptic_key_verifier(public_key=mine.public).verify(
            signed, signed / SIGNATURE
        )


def edited(text: str, by: str) -> Callable[[Path], object]:
    """A manifest that is another one, and holds all the same."""

    def change(bundle: Path) -> None:
        file = bundle / MANIFEST
        assert text in file.read_text()
        file.write_text(file.read_text().replace(text, by))

    return change


DAMAGES: dict[str, Callable[[Path], object]] = {
    r"a\.tflite: its content changed": lambda b: (b / "a.tflite").write_bytes(b"weightS"),
    r"a\.tflite: missing": lambda b: (b / "a.tflite").unlink(),
    r"weight\.bin: 1 bytes instead of 14": lambda b: (b / "b.mlpackage/Data/weight.bin").write_text(
        "1"
    ),
    r"extra\.bin: not in the manifest": lambda b: (b / "extra.bin").write_text(""),
    r"b\.mlpackage/Data/x: not in": lambda b: (b / "b.mlpackage/Data/x").write_text(""),
    r"snippets/b\.kt: not in the manifest": lambda b: (b / "snippets" / "b.kt").write_text(""),
    r"model\.safetensors: not in": lambda b: (b / "model.safetensors").symlink_to("/dev/zero"),
    r"manifest\.json: changed": edited('"MIT"', '"GPL"'),
    r"provenance\.intoto\.json: changed": lambda b: (b / PROVENANCE).write_text("{}"),
    r"bom\.cdx\.json: missing": lambda b: (b / BOM).unlink(),
    r"demo is not signed": lambda b: (b / SIGNATURE).unlink(),
}


@pytest.mark.parametrize("said", DAMAGES)
def test_each_damage_is_refused_and_named(signed: Path, mine: Pair, said: str) -> None:
    DAMAGES[said](signed)
    with pytest.raises(SignatureError, match=said) as raised:
        signed_bundle(signed, PublicKey(mine.public))
    assert raised.value.exit_code == 1 and raised.value.remedy


def test_a_bundle_that_was_made_consistent_again_is_refused(signed: Path, mine: Pair) -> None:
    """Whoever changes a file changes its checksum in the manifest, too."""
    old = (signed / SIGNATURE).read_bytes()
    shutil.rmtree(signed)
    tiny_bundle.make(signed, b"another")
    (signed / SIGNATURE).write_bytes(old)
    with pytest.raises(SignatureError, match=r"is not what was signed:\n +a\.tflite: changed"):
        signed_bundle(signed, PublicKey(mine.public))


def test_another_key_is_refused(signed: Path, tmp_path: Path) -> None:
    other = pair(tmp_path, "other")
    with pytest.raises(SignatureError, match=r"demo is signed by another key .* than .*other\.pub"):
        signed_bundle(signed, PublicKey(other.public))
    # One that says that it is the other's doesn't become so.
    said = json.loads((signed / SIGNATURE).read_text())
    sign(signed, KeySigner(other.key))
    theirs = json.loads((signed / SIGNATURE).read_text())
    said["verificationMaterial"] = theirs["verificationMaterial"]
    (signed / SIGNATURE).write_text(json.dumps(said))
    with pytest.raises(SignatureError, match="made for other content, or by another key"):
        signed_bundle(signed, PublicKey(other.public))


def test_a_signature_of_other_content_is_refused(signed: Path, mine: Pair) -> None:
    """The checksums in it are those of the bundle, and it wasn't made for them."""
    said = json.loads((signed / SIGNATURE).read_text())
    payload = base64.b64decode(said["dsseEnvelope"]["payload"]).replace(b'"files"', b'"filez"')
    said["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    (signed / SIGNATURE).write_text(json.dumps(said))
    with pytest.raises(SignatureError, match="made for other content, or by another key"):
        signed_bundle(signed, PublicKey(mine.public))


HOSTILE = {
    "nothing": b"",
    "no object": b"[]",
    "empty": b"{}",
    "deep": b"[" * 200_000,
    "no text": b"\xff\xfe",
    "large": b" " * (17 << 20),
    "of nothing": b'{"verificationMaterial": {"publicKey": {"hint": ""}}, "dsseEnvelope": {}}',
    "no hint": b'{"verificationMaterial": {"publicKey": {}}, "dsseEnvelope": {"payload": "e30="}}',
    "no certificate": b'{"verificationMaterial": {"x509CertificateChain": {"certificates": []}}}',
    "two kinds": b'{"verificationMaterial": {"publicKey": {}, "certificate": {}}}',
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_signature_is_told(signed: Path, mine: Pair, content: bytes) -> None:
    (signed / SIGNATURE).write_bytes(content)
    with pytest.raises((SignatureError, BundleError)):
        signed_bundle(signed, PublicKey(mine.public))


def test_damaged_signatures_are_refused_or_hold(
    signed: Path, mine: Pair, capfd: pytest.CaptureFixture[str]
) -> None:
    """No damage breaks the reader, says something of its own or makes another one hold."""
    whole = (signed / SIGNATURE).read_bytes()
    chance = random.Random(0)
    refused = 0
    for _ in range(200):
        damaged = bytearray(whole)
        at = chance.randrange(len(damaged))
        damaged[at : at + chance.choice((0, 1, 40))] = chance.randbytes(chance.choice((1, 3)))
        (signed / SIGNATURE).write_bytes(damaged)
        try:
            signed_bundle(signed, PublicKey(mine.public))
        except (SignatureError, BundleError):
            refused += 1
    assert refused > 190  # spaces and unknown keys may be what they like
    assert capfd.readouterr().out == ""


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


def test_nothing_is_signed_that_differs_from_its_manifest(bundle: Path, mine: Pair) -> None:
    (bundle / "a.tflite").write_bytes(b"weightS")
    with pytest.raises(SignatureError, match=r"a\.tflite: its content changed"):
        sign(bundle, KeySigner(mine.key))
    assert not (bundle / SIGNATURE).exists()


def test_a_link_in_a_signatures_place_is_not_followed(
    bundle: Path, mine: Pair, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for name in (SIGNATURE, PROVENANCE, BOM):
        (bundle / name).symlink_to(precious)
    sign(bundle, KeySigner(mine.key))
    assert precious.read_text() == "mine"
    signed_bundle(bundle, PublicKey(mine.public))
    (bundle / BOM).rename(tmp_path / BOM)
    (bundle / BOM).symlink_to(tmp_path / BOM)
    with pytest.raises(BundleError, match="a link that leads out"):
        signed_bundle(bundle, PublicKey(mine.public))
    (bundle / BOM).unlink()
    (bundle / BOM).mkdir()
    with pytest.raises(SignatureError, match=rf"{BOM}: not in the manifest"):
        sign(bundle, KeySigner(mine.key))


def test_no_file_may_be_called_as_a_signature(bundle: Path, mine: Pair) -> None:
    for name in (SIGNATURE, BOM, "export.log"):
        edited('"README.md"', f'"{name}"')(bundle)
        (bundle / "README.md").rename(bundle / name)
        with pytest.raises(BundleError, match=f"names {name}"):
            sign(bundle, KeySigner(mine.key))
        (bundle / name).rename(bundle / "README.md")
        edited(f'"{name}"', '"README.md"')(bundle)


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


def test_validation_loads_nothing_before_the_signature_holds(
    signed: Path, mine: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maskport.validation.validate import validate

    def reached(*_: object) -> Any:
        raise KeyError("what comes next")

    monkeypatch.setattr("maskport.validation.validate.find_photos", reached)
    with pytest.raises(KeyError):
        validate(signed, require_signature=mine.public)
    with pytest.raises(UsageError, match="forced"):
        validate(signed, require_signature=mine.public, force=True)
    (signed / "b.mlpackage" / "Manifest.json").write_text("[]")
    with pytest.raises(SignatureError, match=r"Manifest\.json: its content changed"):
        validate(signed, require_signature=mine.public)
