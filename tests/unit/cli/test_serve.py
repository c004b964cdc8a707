"""What `maskport serve` offers of what it is given, and what it says where it can't."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from maskport.cli.serve import _named, command
from maskport.errors import MissingToolError, UsageError

has_fastapi = importlib.util.find_spec("fastapi") is not None
needs_fastapi = pytest.mark.skipif(not has_fastapi, reason="needs maskport[serve]")


def run(*arguments: str) -> Any:
    return CliRunner().invoke(command, list(arguments))


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskport.sdks.needs.not_installed", lambda names: ["python_multipart"])
    error = run("demo").exception
    assert isinstance(error, MissingToolError)
    assert error.package == "python-multipart"
    assert "maskport[serve]" in error.remedy


@needs_fastapi
def test_what_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    error = run(str(tmp_path / "nothing.pth")).exception
    assert isinstance(error, UsageError)
    assert "There is no" in error.what


@needs_fastapi
def test_two_of_one_name_are_refused() -> None:
    error = run("demo", "demo").exception
    assert isinstance(error, UsageError)
    assert "NAME=WHAT" in error.remedy


@needs_fastapi
def test_a_port_that_is_taken_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        error = run("demo", "--port", str(taken.getsockname()[1])).exception
    assert isinstance(error, UsageError)
    assert "--port" in error.remedy


def test_names_can_be_given(tmp_path: Path) -> None:
    assert _named("u2net=exports/demo") == ("u2net", "exports/demo")
    assert _named("exports/demo") == ("", "exports/demo")
    (tmp_path / "a=b").mkdir()
    assert _named(str(tmp_path / "a=b")) == ("", str(tmp_path / "a=b"))
    with pytest.raises(UsageError, match="is no name"):
        _named("a/b=c")
