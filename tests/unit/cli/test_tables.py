"""Cells come from files: they are shown as they are, and can't steer the terminal."""

from __future__ import annotations

import io
import sys

import pytest

from maskport.cli import live_view
from maskport.cli.live_view import ProgressBar
from maskport.cli.run_view import RunView
from maskport.cli.tables import print_table
from maskport.validation.request import ValidationEvent


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_escapes_and_markup_are_text(
    stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = stream()
    monkeypatch.setattr(sys, "stdout", out)
    print_table(("name",), [("no file [/tmp/x]",), ("[red]boat[/red]\x1b]0;owned\x07",)])
    text = out.getvalue()
    assert "no file [/tmp/x]" in text and "[red]boat[/red]" in text
    assert "\x1b]0" not in text and "\x07" not in text


def test_a_hostile_processs_last_words_are_printed_plainly(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with RunView() as view:
        view.watch(ValidationEvent("lost", "t\x1b[31m", "it said \x1b]0;owned\x07\x1b[2J"))
    error = capsys.readouterr().err
    assert "it said" in error and "\x1b" not in error and "\x07" not in error


def test_progress_is_told_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once when something begins; then not for every photo, but seldom."""
    monkeypatch.setattr(live_view, "SELDOM", 1000.0)
    with RunView() as view:
        view.say("loading PyTorch")
        for photo in range(1, 400):
            view.watch(ValidationEvent("stage", text=f"reading the photos {photo}/399"))
        for photo in range(1, 400):
            view.watch(ValidationEvent("photo", "onnx-fp32", done=photo, total=399))
        monkeypatch.setattr(live_view, "SELDOM", 0.0)
        view.watch(ValidationEvent("photo", "onnx-fp32", done=399, total=399))
    lines = [line.partition(" s ")[2].split() for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        ["loading", "PyTorch"],
        ["reading", "the", "photos", "1/399"],
        ["onnx-fp32", "comparing", "1/399"],
        ["onnx-fp32", "comparing", "399/399"],
    ]


def test_a_bar_is_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar() as bar:
        bar.say("loading PyTorch")
        for photo in range(1, 400):
            bar.watch(f"{photo / 7:.1f} photos a second", photo, 399)
    assert capsys.readouterr().err.splitlines() == [
        "loading PyTorch",
        "0.1 photos a second: 1 of 399",
        "57.0 photos a second: 399 of 399",
    ]
