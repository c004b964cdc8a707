"""What every store has to do, whatever it is in; a class of tests names its stores by `url`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from maskport.artifacts.bundle import load_bundle, verify
from maskport.artifacts.store import Place, Published, listed, open_place, publish, pull
from maskport.artifacts.store.keys import BUNDLES, PARTIAL, object_key, tag_key
from maskport.errors import DownloadError, MaskportError, ToolError, UsageError

from . import tiny_bundle


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def weights_of(bundle: Path) -> str:
    """Where the bundle's `weight.bin` is in a store."""
    entries = load_bundle(bundle).manifest.entries
    return object_key(next(e.sha256 for e in entries if e.path.endswith("weight.bin")))


class Cases:
    """Those that are worth their time where a store is slow."""

    @pytest.fixture
    def place(self, url: str) -> Place:
        return open_place(url)

    @pytest.fixture
    def bundle(self, tmp_path: Path) -> Path:
        return tiny_bundle.make(tmp_path / "bundles" / "demo")

    @pytest.fixture
    def other(self, tmp_path: Path) -> Path:
        """Another bundle by the same name; some of its files are the same."""
        return tiny_bundle.make(tmp_path / "others" / "demo", b"differs")

    @pytest.fixture
    def pulled(self, place: Place, tmp_path: Path) -> Callable[..., Path]:
        def run(**options: Any) -> Path:
            return pull(place, tmp_path / "out", cache=tmp_path / "cache", **options).path

        return run

    def test_what_is_pulled_is_what_was_published(
        self, place: Place, bundle: Path, pulled: Callable[..., Path], tmp_path: Path
    ) -> None:
        done = publish(bundle, place)
        assert (done.already, done.files, done.sent) == (False, 5, 5)
        assert contents(pulled()) == contents(bundle)
        assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []
        (version,) = listed(place)
        assert (version.name, version.version, version.tags) == ("demo", done.version, ("latest",))
        assert version.targets == ("tflite-fp16", "coreml-fp16")
        assert version.bytes == sum(e.bytes for e in load_bundle(bundle).manifest.entries)
        assert version.published is not None
        assert done.version in place.read("index.html", _ANY).decode()
        assert place.listed(PARTIAL) == {}

    def test_a_truncated_upload_leaves_nothing_that_can_be_seen(
        self,
        place: Place,
        bundle: Path,
        pulled: Callable[..., Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        upload = place.upload

        def cut(file: Path, key: str) -> None:
            short = tmp_path / "short"
            short.write_bytes(file.read_bytes()[:-1])
            upload(short if file.name == "weight.bin" else file, key)

        monkeypatch.setattr(place, "upload", cut)
        with pytest.raises(ToolError, match=r"is not b\.mlpackage/Data/weight\.bin"):
            publish(bundle, place)
        assert listed(place) == [] and place.listed(BUNDLES) == {}
        assert place.size(weights_of(bundle)) is None and place.listed(PARTIAL) == {}
        monkeypatch.undo()
        assert publish(bundle, place).sent == 4  # one had arrived whole
        assert contents(pulled()) == contents(bundle)

    @pytest.mark.parametrize(
        ("damage", "said", "seen"),
        [
            (lambda content: content[:-1], "cut off: 13 bytes of 14", True),
            (lambda content: content + b"!", "longer than its 14 bytes", True),
            (lambda content: content.swapcase(), "its content differs", False),
        ],
    )
    def test_damage_in_the_store_is_refused_and_mended(
        self,
        place: Place,
        bundle: Path,
        pulled: Callable[..., Path],
        tmp_path: Path,
        damage: Callable[[bytes], bytes],
        said: str,
        seen: bool,
    ) -> None:
        publish(bundle, place)
        key = weights_of(bundle)
        place.replace(key, damage(place.read(key, _ANY)))
        with pytest.raises(DownloadError) as raised:
            pulled()
        assert f"b.mlpackage/Data/weight.bin: {said}" in raised.value.what
        assert not (tmp_path / "out").exists()
        assert publish(bundle, place).sent == int(seen)  # a size tells without reading
        assert publish(bundle, place, reread=True).sent == int(not seen)
        assert contents(pulled()) == contents(bundle)

    def test_of_two_at_once_one_has_the_version(
        self,
        url: str,
        place: Place,
        bundle: Path,
        other: Path,
        pulled: Callable[..., Path],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        meanwhile = self.publishing_before_it_creates(
            place, lambda: publish(other, open_place(url), version="1"), monkeypatch
        )
        with pytest.raises(UsageError, match="another bundle as demo 1"):
            publish(bundle, place, version="1", tags=["mine"])
        assert not meanwhile[0].already
        assert contents(pulled(version="1")) == contents(other)
        (version,) = listed(place)
        assert version.tags == ("latest",)
        publish(bundle, place, version="2")
        assert contents(pulled(version="2")) == contents(bundle)

    def publishing_before_it_creates(
        self, place: Place, other: Callable[[], Published], monkeypatch: pytest.MonkeyPatch
    ) -> list[Published]:
        """Another publication runs from its start to its end between this one's last look and its
        manifest; both have uploaded everything."""
        create = place.create
        done: list[Published] = []

        def after_another(key: str, content: bytes) -> bool:
            done.append(other())
            return create(key, content)

        monkeypatch.setattr(place, "create", after_another)
        return done

    def test_an_interrupted_pull_goes_on_where_it_ended(
        self,
        place: Place,
        bundle: Path,
        pulled: Callable[..., Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        publish(bundle, place)
        asked = self.counting(place, monkeypatch, end=3)
        with pytest.raises(KeyboardInterrupt):
            pulled()
        assert len(asked) == 3 and not (tmp_path / "out").exists()
        monkeypatch.undo()
        asked = self.counting(place, monkeypatch)
        assert contents(pulled()) == contents(bundle)
        assert len(asked) == 3
        assert not [p for p in tmp_path.iterdir() if p.name.startswith(".out")]

    def counting(self, place: Place, monkeypatch: pytest.MonkeyPatch, end: int = 0) -> list[str]:
        """The objects that are asked for; interrupted in the middle of the so-manieth."""
        blocks, asked = place.blocks, []

        def counted(key: str) -> Iterator[bytes]:
            for block in blocks(key):
                yield block[:2]
                if key.startswith("objects/"):
                    asked.append(key)
                    if len(asked) == end:
                        raise KeyboardInterrupt
                yield block[2:]

        monkeypatch.setattr(place, "blocks", counted)
        return asked


class AllCases(Cases):
    def test_nothing_is_uploaded_twice(self, place: Place, bundle: Path, other: Path) -> None:
        publish(bundle, place)
        again = publish(bundle, place, tags=["v1.2"])
        assert (again.already, again.sent) == (True, 0)
        assert publish(other, place).sent == 3  # the README and a file of the package are the same
        assert {one.tags for one in listed(place)} == {("latest",), ("v1.2",)}

    def test_a_tag_is_moved_and_a_version_never_changes(
        self, place: Place, bundle: Path, other: Path, pulled: Callable[..., Path]
    ) -> None:
        publish(bundle, place, version="1", tags=["latest", "stable"])
        publish(other, place, version="2")
        assert contents(pulled()) == contents(other)
        assert contents(pulled(version="stable")) == contents(bundle)
        with pytest.raises(UsageError, match="another bundle as demo 1"):
            publish(other, place, version="1")
        assert contents(pulled(version="1")) == contents(bundle)
        for version, tag in (("3", "1"), ("stable", "x"), ("y", "y")):
            with pytest.raises(UsageError, match="both a version and a tag"):
                publish(other, place, version=version, tags=[tag])
        with pytest.raises(UsageError, match="no version or tag '4'"):
            pulled(version="4")

    def test_what_is_missing_is_named_and_mended(
        self, place: Place, bundle: Path, pulled: Callable[..., Path]
    ) -> None:
        publish(bundle, place)
        place.remove(weights_of(bundle))
        with pytest.raises(DownloadError, match=r"weight\.bin: missing"):
            pulled()
        publish(bundle, place)
        assert verify(pulled()) == []

    def test_two_at_once_with_the_same_have_both_published_it(
        self, url: str, place: Place, bundle: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        meanwhile = self.publishing_before_it_creates(
            place, lambda: publish(bundle, open_place(url)), monkeypatch
        )
        done = publish(bundle, place)
        assert (done.version, done.already) == (meanwhile[0].version, True)

    def test_an_interrupted_publication_goes_on_where_it_ended(
        self, place: Place, bundle: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upload, sent = place.upload, []

        def third(file: Path, key: str) -> None:
            upload(file, key)
            sent.append(key)
            if len(sent) == 3:
                raise KeyboardInterrupt

        monkeypatch.setattr(place, "upload", third)
        with pytest.raises(KeyboardInterrupt):
            publish(bundle, place)
        assert listed(place) == [] and place.listed(PARTIAL) == {}
        monkeypatch.undo()
        assert publish(bundle, place).sent == 3

    def test_a_platforms_part_is_a_bundle(
        self, place: Place, bundle: Path, pulled: Callable[..., Path]
    ) -> None:
        publish(bundle, place)
        out = pulled(platform="ios")
        assert verify(out) == []
        names = contents(out).keys()
        assert {"b.mlpackage/Data/weight.bin", "LICENSE.txt"} < names
        assert not {"a.tflite", "reference.safetensors"} & names

    def test_names_are_asked_for_where_there_are_several(
        self, place: Place, bundle: Path, pulled: Callable[..., Path]
    ) -> None:
        with pytest.raises(MaskportError, match="holds no bundles"):
            pulled()
        publish(bundle, place)
        publish(bundle, place, name="demo2")
        with pytest.raises(UsageError, match=r"--name: demo, demo2"):
            pulled()
        with pytest.raises(UsageError, match=r"Did you mean demo\?"):
            pulled(name="dem")
        assert contents(pulled(name="demo2")) == contents(bundle)

    def test_a_tag_that_is_none_means_nothing(
        self, place: Place, bundle: Path, pulled: Callable[..., Path]
    ) -> None:
        publish(bundle, place, version="1")
        for content in (b"", b"1", b"../../demo/versions/1\n", b"x" * 5000):
            place.replace(tag_key("demo", "latest"), content)
            with pytest.raises(UsageError, match="no version or tag 'latest'"):
                pulled()
            assert [one.tags for one in listed(place)] == [()]


class _Any:
    name, most = "anything", 1 << 30


_ANY: Any = _Any()
