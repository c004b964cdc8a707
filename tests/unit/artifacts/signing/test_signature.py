"""Signatures by OpenSSF's model-signing: what they cover, and what each damage comes to."""

from __future__ import annotations

import base64
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maskport.artifacts.bundle import BOM, MANIFEST, PROVENANCE, SIGNATURE, verify
from maskport.artifacts.signing import (
    KeySigner,
    PublicKey,
    sign,
    signed_bundle,
)
from maskport.errors import (
    BundleError,
    SignatureError,
    UsageError,
)

from .... import tiny_bundle
from ....sdks import needed
from .authority import Pair, pair

needed("model_signing", "sign")


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
