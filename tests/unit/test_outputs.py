"""Files that a user named: whole, in the place that was meant, and nothing else beside them."""

from __future__ import annotations

import errno
import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from maskport import cli
from maskport.errors import InputError, MaskportError, ToolError
from maskport.outputs import held, no_room, room_in, write_whole, written_whole

linux = pytest.mark.skipif(sys.platform != "linux", reason="has Linux's devices and links")


def test_a_file_is_replaced_as_a_whole_and_folders_are_made(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "er" / "report.json"
    write_whole(file, "old")
    with pytest.raises(KeyboardInterrupt), written_whole(file) as partial:
        partial.write_text("half of the ne")
        raise KeyboardInterrupt
    assert file.read_text() == "old"
    write_whole(file, "new")
    assert file.read_text() == "new"
    assert os.listdir(file.parent) == ["report.json"]


@linux
@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed_and_stays(there: bool, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "report.json", tmp_path / "latest.json"
    if there:
        target.write_text("stale")
    link.symlink_to("far/report.json")
    write_whole(link, "fresh")
    assert link.is_symlink()
    assert target.read_text() == "fresh"
    assert not target.is_symlink()


@linux
def test_a_link_that_leads_in_circles_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(InputError, match="can't be written"):
        write_whole(tmp_path / "a", "x")
    assert (tmp_path / "a").is_symlink()


@linux
def test_a_pipe_is_written_through(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_whole(pipe, "for a reader")
    reader.join(10)
    assert heard == [b"for a reader"]
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


@linux
def test_a_device_stays_one(tmp_path: Path) -> None:
    device = tmp_path / "full"  # of our own: the machine's would be lost if this failed
    try:
        os.mknod(device, stat.S_IFCHR | 0o600, os.makedev(1, 7))
        device.open("wb").close()
    except OSError as exc:
        pytest.skip(f"devices can't be made here: {exc}")
    with pytest.raises(InputError, match="No space left"):
        write_whole(device, "x")
    assert stat.S_ISCHR(device.lstat().st_mode)


@linux
def test_a_full_descriptor_is_an_error_that_says_what_to_do() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(InputError, match="No space left") as raised:
            write_whole(Path(f"/dev/fd/{descriptor}"), "x")
    finally:
        os.close(descriptor)
    assert "Make room" in raised.value.remedy


@linux
def test_the_standard_output_is_where_the_shell_has_it(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from maskport.outputs import write_whole\n"
        "print('before'); write_whole(Path('/dev/stdout'), 'report\\n'); print('after')"
    )
    shown = tmp_path / "shown"
    with shown.open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert shown.read_text() == "before\nreport\nafter\n"


@linux
def test_a_file_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text("old")
    file.chmod(0o640)
    write_whole(file, "new")
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


@linux
def test_a_file_in_a_folder_of_others_is_written_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "report.json"
    file.write_text("old")
    before = file.stat().st_ino
    # As for a user who isn't root.
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) == file)
    write_whole(file, "new")
    assert file.read_text() == "new"
    assert file.stat().st_ino == before


def test_commands_write_what_users_name_by_nothing_else() -> None:
    plain = re.compile(r"(?<!partial)\.(write_text|write_bytes)\(|\.open\(\s*[\"'][wax]")
    folder = Path(cli.__file__).parent
    found = [
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*.py")
        if plain.search(file.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be written"):
        write_whole(tmp_path, "x")
    assert tmp_path.is_dir()


def test_two_writers_of_a_file_follow_each_other(tmp_path: Path) -> None:
    file, inside = tmp_path / "report.json", threading.Event()

    def slow() -> None:
        with written_whole(file) as partial:
            inside.set()
            partial.write_text("first")
            threading.Event().wait(0.2)

    first = threading.Thread(target=slow)
    first.start()
    inside.wait(10)
    write_whole(file, "second")
    first.join()
    assert file.read_text() == "second"
    assert os.listdir(tmp_path) == ["report.json"]


def test_a_file_that_stays_locked_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maskport.outputs.PATIENCE", 0.05)
    file = tmp_path / "report.json"
    with held(file), pytest.raises(InputError, match="another process"):
        write_whole(file, "x")


@linux
@pytest.mark.parametrize("folder", ["/proc", "/sys"])
def test_a_folder_in_which_nobody_writes_is_not_busy(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maskport.outputs.PATIENCE", 0.05)
    with pytest.raises(InputError, match="can't be written") as raised:
        write_whole(Path(folder) / "report.json", "x")
    assert "another process" not in raised.value.what


def test_of_two_disks_the_full_one_is_named(tmp_path: Path) -> None:
    """What is kept in one folder, while temporary files are in another."""
    exc = OSError(errno.ENOSPC, "No space left on device", "/elsewhere/tmp/child")
    with pytest.raises(ToolError, match="/elsewhere/tmp/child has no room"), room_in(tmp_path):
        raise exc


@linux
def test_a_limit_on_files_is_an_error_that_names_the_path(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from maskport.errors import InputError; from maskport.outputs import write_whole\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_whole(Path(sys.argv[1]), 'x' * 2000)\n"
        "except InputError as exc: print(exc.what)"
    )
    file = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True
    )
    assert f"{file} can't be written: File too large" in done.stdout
    assert os.listdir(tmp_path) == []


class _Wrapped(Exception):
    """As of libraries that write by themselves."""


@pytest.mark.parametrize(
    "exc",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError("33000 requested and 4096 written"),  # NumPy's tofile
        _Wrapped("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_folder_is_named_with_what_it_needs(exc: Exception, tmp_path: Path) -> None:
    assert no_room(exc)
    said = r"12\.0 MB are needed there; .* free"
    with pytest.raises(ToolError, match=said) as raised, room_in(tmp_path, 12_000_000):
        raise exc
    assert str(tmp_path) in raised.value.what


def test_other_errors_pass_as_they_are(tmp_path: Path) -> None:
    for exc in (ValueError("no"), PermissionError(errno.EACCES, "no"), MaskportError("no")):
        with pytest.raises(type(exc)) as raised, room_in(tmp_path):
            raise exc
        assert raised.value is exc
