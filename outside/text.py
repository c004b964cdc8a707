"""Text from people, whatever their editor saved it as; and TOML, bounded before it is parsed.

The time that `tomllib` takes grows with the square of a dotted key's parts, and it calls itself for
each bracket. Both are counted here first, by the tokens of the language: strings and comments may
hold what they like.
"""

from __future__ import annotations

import codecs
import os
import re
import tomllib
from pathlib import Path
from typing import Any

from ..errors import InputError
from .files import TOML, Kind, read_bytes

__all__ = ["TomlError", "parse_toml", "read_text", "read_toml"]

# The longer marks first: UTF-32's little-endian one begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# What our files have at most is 3, 3, and 20.
MOST_PARTS = 16
MOST_DEPTH = 16
LONGEST_WORD = 1000

# Comments, strings of three quotes and of one, words (keys, numbers, dates), and single signs.
# A string of three quotes may end with five: two are its own.
_TOKENS = re.compile(
    r"""
      (?P<comment> \#[^\n]*+ )
    | (?P<string> \"{3} (?: [^"\\]++ | \\[\s\S] | "{1,2}(?!") )*+ "{3,5}
                | '{3} (?: [^']++ | '{1,2}(?!') )*+ '{3,5}
                | "(?!"") (?: [^"\\\n]++ | \\[^\n] )*+ "
                | '(?!'') [^'\n]*+ ' )
    | (?P<quote> ["'] )
    | (?P<word> [A-Za-z0-9_+-]++ )
    | (?P<space> [ \t\r]++ )
    | (?P<line> \n )
    | (?P<sign> [\s\S] )
    """,
    re.VERBOSE,
)


class TomlError(ValueError):
    """A text is no TOML, or of more depth than is read; says the line where it is known."""


def read_text(path: Path, kind: Kind, *, error: type[InputError] = InputError) -> str:
    """A text file of a user's: UTF-8, or what its byte order mark says.

    Editors on Windows begin UTF-8 with a mark, and PowerShell's ``>`` writes UTF-16.

    Args:
        path: Specifications, recipes, gates, lists of photos.
        kind: Which of them.
        error: Which error is raised for what is no such file.

    Returns:
        The text without its mark, and with ``\\n`` between its lines.

    Raises:
        InputError: It is no regular file, or too large; an ``error``.
        OSError: It can't be read.
        UnicodeDecodeError: It is no text, or one of another encoding.
    """
    content = read_bytes(path, kind, error=error)
    text = content.decode(_encoding(content))
    if "\0" in text:
        raise UnicodeDecodeError("utf-8", content, 0, 1, "it holds zero bytes, so it is no text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_toml(
    path: str | os.PathLike[str],
    error: type[InputError] = InputError,
    remedy: str = "Check the path.",
) -> tuple[str, dict[str, Any]]:
    """A TOML file of a user's.

    Args:
        path: Specifications, recipes, gates; at most `TOML` bytes.
        error: Which error is raised.
        remedy: What to do where it can't be opened.

    Returns:
        Its text, and what it says.

    Raises:
        InputError: It can't be read, or is no TOML; an ``error``.
    """
    try:
        text = read_text(Path(path), TOML, error=error)
        return text, parse_toml(text)
    except OSError as exc:
        raise error(f"{path} can't be read: {exc.strerror or exc}.", remedy) from exc
    except (TomlError, UnicodeDecodeError) as exc:
        raise error(
            f"{path} is no TOML file: {exc}.", "Correct that line, or save the file as UTF-8."
        ) from exc


def parse_toml(text: str) -> dict[str, Any]:
    """What a TOML text says.

    Raises:
        TomlError: It is no TOML, or of more depth than is read.
    """
    _check(text)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise TomlError("it is nested too deeply") from None
    except ValueError as exc:  # TOML's own error, and Python's limit on digits
        raise TomlError(str(exc)) from exc


def _check(text: str) -> None:
    line, depth, parts, dotted = 1, 0, 1, False
    for token in _TOKENS.finditer(text):
        kind, found = token.lastgroup, token[0]
        if kind in {"space", "comment"}:
            continue
        if kind == "quote":
            return  # a string without an end, which is as far as the parser comes
        if kind in {"word", "string"}:
            parts = parts + 1 if dotted else 1
            if kind == "word" and len(found) > LONGEST_WORD:
                raise TomlError(f"a key or number of {len(found)} characters (at line {line})")
            if parts > MOST_PARTS:
                raise TomlError(f"a key of more than {MOST_PARTS} parts (at line {line})")
        elif found in {"[", "{"}:
            depth += 1
            if depth > MOST_DEPTH:
                raise TomlError(f"brackets in more than {MOST_DEPTH} others (at line {line})")
        elif found in {"]", "}"}:
            depth -= 1
        dotted = found == "."
        line += found.count("\n")


def _encoding(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding
    # UTF-16 without a mark: the first letter is Latin, so its other byte is 0.
    if content[1:2] == b"\0":
        return "utf-16-le"
    return "utf-16-be" if content[:1] == b"\0" else "utf-8"
