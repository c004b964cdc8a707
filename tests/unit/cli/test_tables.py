"""Cells come from files: they are shown as they are, and can't steer the terminal."""

from __future__ import annotations

import io
import sys

import pytest

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
