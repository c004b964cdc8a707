"""What each kind of place promises by itself, and what no place ever says."""

from __future__ import annotations

import errno
import importlib
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest

from maskport.artifacts.store import Place, open_place, publish, pull
from maskport.artifacts.store import folder as folders
from maskport.artifacts.store.remote import CLAIM_HOLDS
from maskport.errors import InputError, MaskportError, MissingToolError, ToolError, UsageError
from maskport.outside.files import MANIFEST_FILE
from maskport.outside.secrets import Secrets

from ... import tiny_bundle
from ...store_cases import Cases, contents

fsspec = pytest.importorskip("fsspec")

KEY = "bundles/demo/versions/1/manifest.json"


class Shelf(fsspec.get_filesystem_class("file")):  # type: ignore[misc]
    """A file system as most drivers are: its `create` looks first and writes then."""

    protocol = "shelf"
    fault: Exception | None = None

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(str(path).removeprefix("shelf://").split("@")[-1]))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        if Shelf.fault:
            raise Shelf.fault
        super().pipe_file(path, value, mode, **options)


fsspec.register_implementation("shelf", Shelf, clobber=True)


class TestShelf(Cases):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"shelf://{tmp_path / 'store'}"


def at_once(tasks: list[Callable[[], Any]]) -> list[Any]:
    """Results, or exceptions, of tasks that begin together."""
    results: list[Any] = [None] * len(tasks)
    start = threading.Barrier(len(tasks))

    def run(i: int) -> None:
        start.wait()
        try:
            results[i] = tasks[i]()
        except MaskportError as exc:
            results[i] = exc

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("links", [True, False])
def test_of_many_at_once_a_folder_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:  # as on FAT

        def refused(*_: object) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(folders.os, "link", refused)
    bundles = [tiny_bundle.make(tmp_path / str(i) / "demo", b"%d" % i) for i in range(6)]
    store = str(tmp_path / "store")
    tasks = [lambda b=b: publish(b, open_place(store), version="1") for b in bundles]
    results = at_once(tasks)
    won = [i for i, result in enumerate(results) if not isinstance(result, Exception)]
    assert len(won) == 1
    lost = [result for i, result in enumerate(results) if i not in won]
    assert all(isinstance(error, UsageError) and error.exit_code == 2 for error in lost)
    out = pull(open_place(store), tmp_path / "out", cache=tmp_path / "cache").path
    assert contents(out) == contents(bundles[won[0]])


def test_of_many_at_once_a_file_system_without_exclusive_writes_has_one_at_most(
    tmp_path: Path,
) -> None:
    place = open_place(f"shelf://{tmp_path / 'store'}")
    results = at_once([lambda i=i: place.create(KEY, b"%d" % i) for i in range(6)])
    won = [i for i, result in enumerate(results) if result is True]
    assert len(won) <= 1
    if won:
        assert place.read(KEY, MANIFEST_FILE) == b"%d" % won[0]
    else:
        assert place.create(KEY, b"later") is True
    assert place.create(KEY, b"too late") is False
    assert place.listed(f"{KEY}.claims") == {}


def test_a_claim_that_was_left_behind_holds_for_an_hour(tmp_path: Path) -> None:
    place = open_place(f"shelf://{tmp_path / 'store'}")
    place.replace(f"{KEY}.claims/other", b"")
    with pytest.raises(UsageError, match="being written by another process"):
        place.create(KEY, b"mine")
    old = (datetime.now(UTC) - CLAIM_HOLDS - timedelta(minutes=1)).timestamp()
    os.utime(tmp_path / "store" / f"{KEY}.claims" / "other", (old, old))
    assert place.create(KEY, b"mine") is True


def test_what_a_killed_process_left_is_removed_in_a_week(tmp_path: Path) -> None:
    store, bundle = tmp_path / "store", tiny_bundle.make(tmp_path / "demo")
    (store / "partial").mkdir(parents=True)
    for name, days in (("old", 8), ("new", 6)):
        (store / "partial" / name).write_bytes(b"half")
        when = (datetime.now(UTC) - timedelta(days=days)).timestamp()
        os.utime(store / "partial" / name, (when, when))
    publish(bundle, open_place(str(store)))
    assert [p.name for p in (store / "partial").iterdir()] == ["new"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes")
def test_pipes_and_devices_in_a_folder_are_not_waited_for(tmp_path: Path) -> None:
    place = open_place(str(tmp_path))
    (tmp_path / "bundles" / "demo" / "tags").mkdir(parents=True)
    os.mkfifo(tmp_path / "bundles" / "demo" / "tags" / "latest")
    (tmp_path / "endless").symlink_to("/dev/zero")
    for key in ("bundles/demo/tags/latest", "endless"):
        with pytest.raises(InputError):
            place.read(key, MANIFEST_FILE)
    assert place.listed("bundles") == {}


def test_a_folder_that_cant_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file can't be written"):
        open_place(str(tmp_path / "file")).replace(KEY, b"")


# Of the Hub there is only what its library says, as nobody can be asked here.


class FakeHub:
    """Commits of a repository; another commit comes before those that are named."""

    def __init__(self, **_: Any) -> None:
        self.files: dict[str, bytes] = {}
        self.head, self.before = 0, [lambda: None]

    def repo_info(self, repo: str, *, revision: str, repo_type: str) -> Any:
        return SimpleNamespace(sha=str(self.head))

    def file_exists(self, repo: str, file: str, *, revision: str, repo_type: str) -> bool:
        assert revision == str(self.head)
        return file in self.files

    def create_commit(self, repo: str, operations: Any, *, parent_commit: str, **_: Any) -> None:
        from huggingface_hub.errors import HfHubHTTPError

        self.before.pop()() if self.before else None
        if parent_commit != str(self.head):
            response = SimpleNamespace(status_code=412, headers={}, request=None)
            raise HfHubHTTPError("A commit has happened since", response=response)
        for operation in operations:
            self.files[operation.path_in_repo] = operation.path_or_fileobj
        self.head += 1


@pytest.mark.parametrize("other", ["README.md", f"store/{KEY}"])
def test_on_the_hub_a_version_is_a_commit_on_what_was_looked_at(
    monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    hub_library = pytest.importorskip("huggingface_hub")
    from maskport.artifacts.store.hub import Hub

    api = FakeHub()

    def another() -> None:
        api.files[other] = b"theirs"
        api.head += 1

    api.before = [another]
    monkeypatch.setattr(hub_library, "HfApi", lambda **_: api)
    resolved = SimpleNamespace(
        repo_id="user/models", repo_type="model", revision="main", path_in_repo=f"store/{KEY}"
    )
    fs = SimpleNamespace(endpoint="", token=None, resolve_path=lambda path: resolved)
    hub = Hub(fs, "user/models/store", "hf", "hf://user/models/store", Secrets(""))
    assert hub.create(KEY, b"mine") is (other == "README.md")
    assert api.files[f"store/{KEY}"] == (b"mine" if other == "README.md" else b"theirs")


# Secrets.

SECRET = "hunter%402-secret"
LOGINS = [
    f"shelf://someone:{SECRET}@/tmp/nothing",
    f"shelf://{SECRET}@/tmp/nothing",
    f"shelf://someone:a/{SECRET}@/tmp/nothing",
    f"nothing://someone:{SECRET}@host/x",
    f"shelf:///tmp/nothing?token={SECRET}",
    f"simplecache::shelf://someone:{SECRET}@/tmp/nothing",
    f"s3://someone:{SECRET}@nobodys-bucket/x",
]


@pytest.mark.parametrize("url", LOGINS)
def test_no_error_holds_a_password_or_a_token(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    text = f"no route to {url}, {unquote(url)}, Signature=AAAA hf_abcdefgh"
    fault = ConnectionError(text)
    monkeypatch.setattr(Shelf, "fault", fault)
    try:
        open_place(url).replace(KEY, b"")
    except MaskportError as exc:
        said = "".join(traceback.format_exception(exc))
    else:
        pytest.fail("nothing was refused")
    for secret in (SECRET, "hunter", "AAAA", "hf_abcdefgh"):
        assert secret not in said


def test_a_stores_page_and_index_hold_no_address(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = open_place(f"shelf://someone:{SECRET}@{tmp_path / 'store'}")
    publish(tiny_bundle.make(tmp_path / "demo"), place)
    held = b"".join(contents(tmp_path / "store").values())
    assert SECRET.encode() not in held and str(tmp_path).encode() not in held
    assert place.shown == f"shelf://***@{tmp_path / 'store'}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h/x?X-Amz-Signature=abc&y=1", "https://h/x?X-Amz-Signature=***&y=1"),
        ("{'access_key': 'AKIA'}", "{'access_key': '***'}"),
        ("Authorization: Bearer abcdef.ghi", "Authorization: Bearer ***"),
        ("ftp://u:p@h and ftp://t@h", "ftp://***@h and ftp://***@h"),
        ("s3://bucket/keys/signature", "s3://bucket/keys/signature"),
    ],
)
def test_what_looks_like_a_secret_is_one(text: str, shown: str) -> None:
    assert Secrets("").without(text) == shown


# Addresses.


@pytest.mark.parametrize(
    "url", ["", "s3://", "s3://b/../c", "s3://b/*", "s3://b/[x]", "s3://b/x y"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        open_place(url)


def test_a_scheme_that_nobody_knows_is_named() -> None:
    with pytest.raises(UsageError, match="fsspec knows no s33://") as raised:
        open_place("s33://x")
    assert "Did you mean s3?" in raised.value.remedy


def hide(monkeypatch: pytest.MonkeyPatch, scheme: str, driver: str) -> None:
    known = importlib.import_module("fsspec.registry")
    monkeypatch.setitem(sys.modules, driver, None)
    for name in [n for n in sys.modules if n.startswith(f"fsspec.implementations.{scheme}")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(known, "_registry", {})
    monkeypatch.setattr(known, "registry", {})


@pytest.mark.parametrize(
    ("url", "driver", "extra"),
    [("s3://b/x", "s3fs", "store"), ("gs://b/x", "gcsfs", "gs"),
     ("hf://u/r", "huggingface_hub", "store")],
)  # fmt: skip
def test_a_missing_driver_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, url: str, driver: str, extra: str
) -> None:
    hide(monkeypatch, url.partition(":")[0], driver)
    with pytest.raises(MissingToolError) as raised:
        open_place(url)
    assert raised.value.package == driver
    assert f"maskport[{extra}]" in raised.value.remedy


def test_a_driver_that_no_extra_has_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "smb", "smbclient")
    with pytest.raises(ToolError, match="file system that is not installed") as raised:
        open_place("smb://host/share")
    assert "smb" in raised.value.remedy.lower()


def test_folders_need_no_fsspec(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['fsspec'] = None\n"
        "from maskport.artifacts.store import listed, open_place\n"
        f"assert listed(open_place({str(tmp_path)!r})) == []\n"
        f"assert listed(open_place('file://' + {str(tmp_path)!r})) == []\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_places_are_told_apart(tmp_path: Path) -> None:
    place: Place = open_place(f"file://{tmp_path}")
    assert place.shown == str(tmp_path)
