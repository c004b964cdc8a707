"""Signatures in stores: they come along, and nothing is fetched before a required one holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maskport.artifacts.bundle import BOM, PROVENANCE, SIGNATURE, verify
from maskport.artifacts.signing import KeySigner, PublicKey, Trust, sign, signed_bundle
from maskport.artifacts.store import Place, listed, open_place, publish, pull
from maskport.errors import SignatureError, UsageError

from .... import tiny_bundle
from ....sdks import needed
from ....store_cases import contents
from .authority import Pair, pair

needed("model_signing", "sign")


@pytest.fixture
def mine(tmp_path: Path) -> Pair:
    return pair(tmp_path, "mine")


@pytest.fixture
def trust(mine: Pair) -> Trust:
    return PublicKey(mine.public)


@pytest.fixture
def bundle(tmp_path: Path, mine: Pair) -> Path:
    folder = tiny_bundle.make(tmp_path / "demo")
    sign(folder, KeySigner(mine.key))
    return folder


@pytest.fixture
def place(tmp_path: Path, bundle: Path) -> Place:
    place = open_place(str(tmp_path / "store"))
    publish(bundle, place, version="1")
    return place


@pytest.fixture
def pulled(place: Place, tmp_path: Path) -> Callable[..., Path]:
    def run(**options: Any) -> Path:
        return pull(place, tmp_path / "out", cache=tmp_path / "cache", **options).path

    return run


def signature_in(tmp_path: Path) -> Path:
    (file,) = (tmp_path / "store").rglob("*.sig")
    return file


def test_what_is_pulled_is_signed_as_what_was_published(
    bundle: Path, place: Place, pulled: Callable[..., Path], trust: Trust
) -> None:
    assert contents(pulled(require_signature=trust)) == contents(bundle)
    signed_bundle(pulled(), trust)
    again = publish(bundle, place, version="1")
    assert (again.already, again.signed, again.sent) == (True, True, 0)
    assert len(listed(place)) == 1


def test_a_platforms_part_is_taken_from_what_was_signed(
    pulled: Callable[..., Path], trust: Trust, tmp_path: Path
) -> None:
    part = pulled(platform="ios", require_signature=trust)
    assert verify(part) == [] and not (part / SIGNATURE).exists()
    with pytest.raises(SignatureError, match="is not signed") as raised:
        signed_bundle(part, trust)
    assert "platform's part" in raised.value.remedy
    manifest = tmp_path / "store/bundles/demo/versions/1/manifest.json"
    manifest.write_text(manifest.read_text().replace('"MIT"', '"GPL"'))
    with pytest.raises(SignatureError):
        pulled(platform="ios", require_signature=trust)
    assert verify(pulled(platform="ios")) == []  # nobody asked


def damaged_statement(tmp_path: Path) -> None:
    for file in (tmp_path / "store" / "objects").rglob("*"):
        if file.is_file() and b"in-toto.io" in file.read_bytes():
            file.write_bytes(file.read_bytes() + b" ")


def replaced_manifest(tmp_path: Path) -> None:
    file = tmp_path / "store/bundles/demo/versions/1/manifest.json"
    signature = signature_in(tmp_path)
    file.write_text(file.read_text().replace('"MIT"', '"GPL"'))
    signature.rename(signature.with_name(f"{hashlib.sha256(file.read_bytes()).hexdigest()}.sig"))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: signature_in(folder).unlink(), "demo 1 is not signed, and was to be by"),
        (lambda folder: signature_in(folder).write_text("{}"), "signature of demo 1 is damaged"),
        (lambda folder: signature_in(folder).write_text("[" * 200_000), "is damaged"),
        (damaged_statement, rf"{PROVENANCE}: changed"),
        (replaced_manifest, r"manifest\.json: changed"),
    ],
)
def test_nothing_is_fetched_before_the_signature_holds(
    place: Place,
    pulled: Callable[..., Path],
    trust: Trust,
    tmp_path: Path,
    damage: Callable[[Path], None],
    said: str,
) -> None:
    damage(tmp_path)
    before = contents(tmp_path)
    for platform in (None, "ios"):
        with pytest.raises(SignatureError, match=said):
            pulled(require_signature=trust, platform=platform)
    assert contents(tmp_path) == before


def test_another_signer_is_refused(pulled: Callable[..., Path], tmp_path: Path) -> None:
    other = pair(tmp_path, "other")
    with pytest.raises(SignatureError, match="demo 1 is signed by another key"):
        pulled(require_signature=PublicKey(other.public))
    assert not (tmp_path / "out").exists()


def test_a_version_may_be_given_a_signature_once(
    bundle: Path, pulled: Callable[..., Path], mine: Pair, trust: Trust, tmp_path: Path
) -> None:
    store = open_place(str(tmp_path / "other"))
    plain = tiny_bundle.make(tmp_path / "plain" / "demo")
    assert not publish(plain, store, version="1").signed
    options: Any = {"cache": tmp_path / "cache", "require_signature": trust}
    with pytest.raises(SignatureError, match="is not signed"):
        pull(store, tmp_path / "a", **options)
    assert publish(bundle, store, version="1").already
    signed_bundle(pull(store, tmp_path / "a", **options).path, trust)
    publish(plain, store, version="1", tags=["stable"])  # takes nothing away
    sign(bundle, KeySigner(pair(tmp_path, "other").key))
    with pytest.raises(UsageError, match="has another signature of demo 1"):
        publish(bundle, store, version="1")
    signed_bundle(pull(store, tmp_path / "b", **options).path, trust)


def test_a_signature_of_something_else_is_not_published(
    bundle: Path, place: Place, tmp_path: Path
) -> None:
    (bundle / BOM).write_text("{}")
    before = contents(tmp_path / "store")
    with pytest.raises(SignatureError, match=rf"is not what was signed:\n +{BOM}: changed"):
        publish(bundle, place, version="2")
    assert contents(tmp_path / "store") == before


def test_a_version_that_can_be_seen_has_its_signature(
    bundle: Path, place: Place, trust: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, seen = place.create, []

    def watched(key: str, content: bytes) -> bool:
        seen.append((key.rpartition(".")[2], [one.version for one in listed(place)]))
        return create(key, content)

    monkeypatch.setattr(place, "create", watched)
    publish(bundle, place, version="2")
    assert seen == [("sig", ["1"]), ("json", ["1"])]
    done = pull(place, tmp_path / "o", cache=tmp_path / "c", version="2", require_signature=trust)
    assert json.loads((done.path / PROVENANCE).read_text())["subject"]
