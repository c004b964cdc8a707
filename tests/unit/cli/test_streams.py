"""What becomes of the output decides nothing about a run: exit codes stay, nothing breaks."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from maskport.cli import main as command_line
from maskport.cli.main import main
from maskport.errors import MaskportError

linux = pytest.mark.skipif(sys.platform != "linux", reason="has Linux's devices and shells")
OK, WRONG_USE, BROKEN = 0, 2, 3


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of bash in which ``$maskport`` is the command."""
    start = f"{sys.executable} -c 'from maskport.cli.main import main; main()'"
    return subprocess.run(
        ["bash", "-c", f'set -o pipefail; maskport() {{ {start} "$@"; }}; {line}'],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **environment},
        timeout=60,
    )


@linux
@pytest.mark.parametrize("where", [">&-", ">/dev/full", "| head -1", "| true", ">&- 2>&-", "<&-"])
@pytest.mark.parametrize(("command", "code"), [("targets", OK), ("verify /nowhere", WRONG_USE)])
def test_the_exit_code_is_the_commands_wherever_its_output_goes(
    where: str, command: str, code: int
) -> None:
    done = shell(f"maskport {command} {where}")
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "maskport broke" not in done.stderr
    assert "Exception ignored" not in done.stderr


@linux
@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_so_it_is_where_its_complaints_go_nowhere(where: str) -> None:
    assert shell(f"maskport nosuch {where}").returncode == WRONG_USE


@linux
def test_lost_output_is_told(tmp_path: Path) -> None:
    done = shell("maskport targets >/dev/full")
    assert "can't be written (No space left on device)" in done.stderr


@linux
def test_a_file_does_not_get_what_is_printed_because_the_output_is_closed(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; from pathlib import Path; from maskport.cli import main\n"
        "def command(*_, **__):\n"
        "    with Path(sys.argv[1]).open('w') as file:\n"
        "        print('printed'); subprocess.run(['echo', 'by a child']); file.write('kept')\n"
        "main.cli.main = command; main.main([])"
    )
    file = tmp_path / "file"
    arguments = f'{sys.executable} -c "$CODE" {file} >&-'
    done = subprocess.run(
        ["bash", "-c", arguments], env={**os.environ, "CODE": code}, capture_output=True, text=True
    )
    assert done.returncode == OK, done.stderr
    assert file.read_text() == "kept"


@linux
def test_a_terminal_of_ascii_gets_ascii() -> None:
    for command in ("catalog", "export --help"):
        done = shell(f"maskport {command}", PYTHONIOENCODING="ascii", LC_ALL="C")
        assert done.returncode == OK, done.stderr
        assert done.stdout.isascii() and done.stdout


@linux
def test_names_that_are_no_text_are_shown_escaped(tmp_path: Path) -> None:
    for environment in ({}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}):
        done = shell("maskport verify $'/nowhere/caf\\xe9'", **environment)
        assert done.returncode == WRONG_USE
        assert "/nowhere/caf\\xe9 is not a bundle" in done.stderr


@pytest.mark.parametrize(
    ("exc", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/x.npy"), "/data/x.npy"),
        (OSError(errno.ENOSPC, "No space left on device"), "MB are free"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "MB are free"),
    ],
)
def test_a_full_disk_is_no_bug(
    exc: Exception,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def command(*_: object, **__: object) -> None:
        raise exc

    monkeypatch.setattr(command_line.cli, "main", command)
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == BROKEN
    error = capsys.readouterr().err
    assert "has no room" in error and said in error
    assert "maskport broke" not in error


def test_our_own_errors_keep_their_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    def command(*_: object, **__: object) -> None:
        raise MaskportError("No space left on device")

    monkeypatch.setattr(command_line.cli, "main", command)
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == MaskportError.exit_code
