"""Downloads against a local server that behaves, breaks off, lies, or is not there."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from maskport.errors import DownloadError, UsageError
from maskport.models import download
from maskport.models.catalog import Entry, WeightsSource, entry
from maskport.models.download import cache_folder, fetch, is_cached

from ...sdks import needed

needed("gdown")

CONTENT = bytes(range(256)) * 8192  # 2 MiB: several of gdown's pieces of 512 KiB
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """What a path answers, and what was asked."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    break_after: list[int] = field(default_factory=list)  # bytes, one per answer
    ranges: bool = True
    pause: float = 0.0  # between two pieces
    asked: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "RETRIES", 0)  # retries wait; one test sets them back
    state = Server("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, state)

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    state.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield state
    http.shutdown()
    http.server_close()


def answer(request: BaseHTTPRequestHandler, state: Server) -> None:
    asked = request.headers.get("Range", "")
    state.asked.append((request.path, asked))
    content = state.files.get(request.path)
    if content is None:
        request.send_error(404)
        return
    start = int(re.findall(r"\d+", asked)[0]) if asked and state.ranges else 0
    request.send_response(206 if start else 200)
    request.send_header("Content-Length", str(len(content) - start))
    if start:
        request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    if content.startswith(b"<"):
        request.send_header("Content-Type", "text/html; charset=utf-8")
    else:
        request.send_header("Content-Type", "application/octet-stream")
        request.send_header("Content-Disposition", 'attachment; filename="w.pth"')
    request.end_headers()
    stop = state.break_after.pop(0) if state.break_after else len(content)
    try:
        for position in range(start, min(len(content), start + stop), 65536):
            request.wfile.write(content[position : min(position + 65536, start + stop)])
            time.sleep(state.pause)
    except OSError:
        pass  # the client went away, as some tests want
    request.close_connection = True


def make(*sources: WeightsSource) -> Entry:
    known = entry("u2netp")
    return Entry("net", known.network, known.spec, sources, "MIT", "a test's own")


def source(server: Server, path: str = "/w.pth", **more: Any) -> WeightsSource:
    return WeightsSource("w.pth", "pth", url=server.url + path, **{"md5": MD5, **more})


def leftovers(cache: Path) -> list[Path]:
    return [path for path in (cache / "partial").iterdir() if path.suffix != ".lock"]


@pytest.mark.parametrize("checksum", [{"md5": MD5}, {"md5": None, "sha256": SHA256}])
def test_a_file_is_fetched_checked_and_then_taken_from_the_cache(
    server: Server, tmp_path: Path, checksum: dict[str, str]
) -> None:
    server.files["/w.pth"] = CONTENT
    known = make(source(server, **checksum))
    assert is_cached(known, cache=tmp_path) is None
    path = fetch(known, cache=tmp_path, progress=False)
    assert path == tmp_path / "w.pth" == is_cached(known, cache=tmp_path)
    assert path.read_bytes() == CONTENT
    assert leftovers(tmp_path) == []
    asked = len(server.asked)
    assert fetch(known, cache=tmp_path, progress=False) == path
    assert len(server.asked) == asked


def test_a_broken_transfer_is_an_error_that_the_next_call_resumes(
    server: Server, tmp_path: Path
) -> None:
    server.files["/w.pth"] = CONTENT
    server.break_after = [1_000_000]
    known = make(source(server))
    with pytest.raises(DownloadError, match="incomplete") as caught:
        fetch(known, cache=tmp_path, progress=False)
    assert server.url in caught.value.what and "--weights" in caught.value.remedy
    assert not (tmp_path / "w.pth").exists()
    kept = leftovers(tmp_path)[0].stat().st_size
    assert 0 < kept <= 1_000_000
    assert fetch(known, cache=tmp_path, progress=False).read_bytes() == CONTENT
    assert server.asked[-1] == ("/w.pth", f"bytes={kept}-")
    assert leftovers(tmp_path) == []


def test_a_broken_transfer_is_retried_within_one_call(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "RETRIES", 2)
    server.files["/w.pth"] = CONTENT
    server.break_after = [1_000_000]
    assert fetch(make(source(server)), cache=tmp_path, progress=False).read_bytes() == CONTENT
    assert [bool(asked) for _, asked in server.asked] == [False, True]


def test_a_server_that_cannot_resume_sends_the_whole_file_again(
    server: Server, tmp_path: Path
) -> None:
    server.files["/w.pth"] = CONTENT
    server.break_after = [1_000_000]
    server.ranges = False
    known = make(source(server))
    with pytest.raises(DownloadError):
        fetch(known, cache=tmp_path, progress=False)
    assert fetch(known, cache=tmp_path, progress=False).read_bytes() == CONTENT


def test_a_partial_file_of_another_version_is_dropped(server: Server, tmp_path: Path) -> None:
    server.files["/w.pth"] = b"x" * len(CONTENT)
    server.break_after = [1_000_000]
    known = make(source(server))
    with pytest.raises(DownloadError):
        fetch(known, cache=tmp_path, progress=False)
    server.files["/w.pth"] = CONTENT
    assert fetch(known, cache=tmp_path, progress=False).read_bytes() == CONTENT


def test_a_wrong_checksum_says_expected_and_got_and_leaves_nothing(
    server: Server, tmp_path: Path
) -> None:
    server.files["/w.pth"] = b"other"
    with pytest.raises(DownloadError) as caught:
        fetch(make(source(server)), cache=tmp_path, progress=False)
    assert MD5 in caught.value.what
    assert hashlib.md5(b"other").hexdigest() in caught.value.what
    assert leftovers(tmp_path) == [] and not (tmp_path / "w.pth").exists()


def test_a_changed_file_in_the_cache_is_fetched_again(server: Server, tmp_path: Path) -> None:
    server.files["/w.pth"] = CONTENT
    (tmp_path / "w.pth").write_bytes(CONTENT[:-1])
    path = fetch(make(source(server)), cache=tmp_path, progress=False)
    assert path.read_bytes() == CONTENT


def test_a_missing_file_is_named_with_the_servers_answer(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="the server answers 404 Not Found") as caught:
        fetch(make(source(server)), cache=tmp_path, progress=False)
    assert f"by hand from {server.url}/w.pth and give --weights" in caught.value.remedy


@pytest.mark.parametrize("md5", [MD5, None])
def test_a_web_page_instead_of_the_file_is_refused(
    server: Server, tmp_path: Path, md5: str | None
) -> None:
    server.files["/w.pth"] = b"<!DOCTYPE html><title>Sign in to this network</title>"
    with pytest.raises(DownloadError, match="a web page came instead"):
        fetch(make(source(server, md5=md5)), cache=tmp_path, progress=False)
    assert leftovers(tmp_path) == []


def test_an_empty_file_is_refused(server: Server, tmp_path: Path) -> None:
    server.files["/w.pth"] = b""
    with pytest.raises(DownloadError, match="an empty file came"):
        fetch(make(source(server, md5=None)), cache=tmp_path, progress=False)


def test_a_refused_connection_is_named(server: Server, tmp_path: Path) -> None:
    closed = WeightsSource("w.pth", "pth", url="http://127.0.0.1:9/w.pth", md5=MD5)
    with pytest.raises(DownloadError, match="the connection was refused"):
        fetch(make(closed), cache=tmp_path, progress=False)


def test_a_server_that_stops_answering_is_given_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TIMEOUT", (1.0, 0.2))
    server.files["/w.pth"] = CONTENT
    server.pause = 1.0
    with pytest.raises(DownloadError, match=r"no answer within 0\.2 seconds"):
        fetch(make(source(server)), cache=tmp_path, progress=False)


def test_mirrors_are_tried_in_order_and_all_reasons_told(server: Server, tmp_path: Path) -> None:
    server.files["/page.pth"] = b"<html>"
    known = make(source(server, "/gone.pth"), source(server, "/page.pth"), source(server))
    with pytest.raises(DownloadError) as caught:
        fetch(known, cache=tmp_path, progress=False)
    reasons = caught.value.what.splitlines()[1:]
    assert [re.findall(r"/(\w+)\.pth", line) for line in reasons] == [["gone"], ["page"], ["w"]]
    server.files["/w.pth"] = CONTENT
    assert fetch(known, cache=tmp_path, progress=False).read_bytes() == CONTENT


def test_without_a_published_checksum_the_first_one_is_kept(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.files["/w.pth"] = CONTENT
    known = make(source(server, md5=None))
    path = fetch(known, cache=tmp_path, progress=True)
    assert SHA256 in capsys.readouterr().err
    assert (tmp_path / "w.pth.sha256").read_text().startswith(SHA256)
    assert fetch(known, cache=tmp_path, progress=False) == path
    path.write_bytes(b"changed")
    with pytest.raises(DownloadError, match="has changed since it was downloaded") as caught:
        fetch(known, cache=tmp_path, progress=False)
    assert SHA256 in caught.value.what


def test_a_file_put_into_the_cache_by_hand_is_taken(server: Server, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(CONTENT)
    known = make(source(server, md5=None))
    assert fetch(known, cache=tmp_path, progress=False) == tmp_path / "w.pth"
    assert server.asked == []


def test_several_at_once_end_with_one_sound_file(server: Server, tmp_path: Path) -> None:
    server.files["/w.pth"] = CONTENT
    server.pause = 0.005
    known, paths = make(source(server)), []
    threads = [
        threading.Thread(target=lambda: paths.append(fetch(known, cache=tmp_path, progress=False)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [tmp_path / "w.pth"] * 3
    assert paths[0].read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_interrupting_leaves_only_what_the_next_call_resumes(
    server: Server, tmp_path: Path
) -> None:
    server.files["/w.pth"] = CONTENT
    server.pause = 0.05  # 32 pieces: 1.6 seconds
    code = (
        "import sys; from pathlib import Path; from maskport.models import catalog, download\n"
        "from dataclasses import replace\n"
        "known = replace(catalog.entry('u2netp'), sources=(catalog.WeightsSource(\n"
        "    'w.pth', 'pth', url=sys.argv[1], md5=sys.argv[2]),))\n"
        "download.fetch(known, cache=Path(sys.argv[3]), progress=False)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, f"{server.url}/w.pth", MD5, str(tmp_path)],
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(path.stat().st_size for path in tmp_path.glob("partial/*.part")):
            break  # the first of gdown's pieces has come
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in errors
    assert not (tmp_path / "w.pth").exists()
    assert [path.suffix for path in leftovers(tmp_path)] == [".part"]
    server.pause = 0
    path = fetch(make(source(server)), cache=tmp_path, progress=False)
    assert path.read_bytes() == CONTENT
    assert server.asked[-1][1].startswith("bytes=")


# Google Drive: gdown's own code against a server that answers as Drive does.

CONFIRM = (
    '<!DOCTYPE html><html><body><form id="download-form" method="get" '
    'action="https://drive.usercontent.google.com/download">'
    '<input type="hidden" name="id" value="ID"><input type="hidden" name="confirm" value="t">'
    "</form></body></html>"
)
QUOTA = (
    '<!DOCTYPE html><html><body><p class="uc-error-caption">Sorry</p>'
    '<p class="uc-error-subcaption">Too many users have viewed or downloaded this file '
    "recently.</p></body></html>"
)


@pytest.fixture
def drive(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    import requests

    real = requests.Session.get

    def redirected(self: requests.Session, url: str, **more: Any) -> requests.Response:
        return real(self, re.sub(r"https://[\w.]*google\.com", server.url, url), **more)

    monkeypatch.setattr(requests.Session, "get", redirected)
    return server


def test_google_drives_confirmation_page_is_passed(drive: Server, tmp_path: Path) -> None:
    drive.files["/uc?id=ID"] = CONFIRM.encode()
    drive.files["/download?id=ID&confirm=t"] = CONTENT
    known = make(WeightsSource("w.pth", "pth", drive_id="ID", md5=MD5))
    assert fetch(known, cache=tmp_path, progress=False).read_bytes() == CONTENT


def test_google_drives_small_files_come_at_once(drive: Server, tmp_path: Path) -> None:
    drive.files["/uc?id=ID"] = CONTENT
    known = make(WeightsSource("w.pth", "pth", drive_id="ID"))
    assert fetch(known, cache=tmp_path, progress=False).read_bytes() == CONTENT


def test_google_drives_quota_page_is_an_error_with_a_way_out(drive: Server, tmp_path: Path) -> None:
    drive.files["/uc?id=ID"] = QUOTA.encode()
    known = make(WeightsSource("w.pth", "pth", drive_id="ID", md5=MD5))
    with pytest.raises(DownloadError, match="Google Drive gave a web page") as caught:
        fetch(known, cache=tmp_path, progress=False)
    assert "https://drive.google.com/file/d/ID/view" in caught.value.remedy
    assert leftovers(tmp_path) == []


# The cache's place.


def test_the_cache_folder_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("MASKPORT_CACHE")
    assert cache_folder().name == "maskport"


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="can't be used") as caught:
        fetch(entry("u2netp"), cache=tmp_path / "file" / "cache", progress=False)
    assert "MASKPORT_CACHE" in caught.value.remedy


def test_a_user_without_a_home_is_told_to_name_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "MASKPORT_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA", "USERPROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as where the system has none
    with pytest.raises(UsageError, match="no home folder") as raised:
        cache_folder()
    assert "MASKPORT_CACHE" in raised.value.remedy
