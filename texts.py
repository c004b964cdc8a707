"""Text from people, whatever their editor saved it as, and for people, cut to what they read."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from pathlib import Path

__all__ = ["first_few", "first_line", "first_ten", "read_text", "shown"]

# The longer marks first: UTF-32's little-endian one begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path) -> str:
    """A text file of a user's: UTF-8, or what its byte order mark says.

    Editors on Windows begin UTF-8 with a mark, and PowerShell's ``>`` writes UTF-16.

    Args:
        path: Specifications, recipes, gates, lists of photos.

    Returns:
        The text without its mark, and with ``\\n`` between its lines.

    Raises:
        OSError: It can't be read.
        UnicodeDecodeError: It is no text, or one of another encoding.
    """
    content = path.read_bytes()
    text = content.decode(_encoding(content))
    if "\0" in text:
        raise UnicodeDecodeError("utf-8", content, 0, 1, "it holds zero bytes, so it is no text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def shown(name: str) -> str:
    """A name as text that every encoding of Unicode takes: what isn't UTF-8 in it is escaped.

    Args:
        name: Of a file or folder, as Python gives it. Bytes that are none of a letter are single
            surrogates in it, which neither JSON, HTML nor a terminal takes.

    Returns:
        ``caf\\xe9.jpg`` for the bytes of Latin-1; any other name as it is.
    """
    if name.isascii():
        return name
    try:
        data = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # other surrogates: of Windows' names, or of texts from elsewhere
        data = name.encode("utf-8", "backslashreplace")
    return data.decode("utf-8", "backslashreplace")


def first_line(exc: BaseException) -> str:
    """The first line of what an exception says; its kind where it says nothing."""
    lines = str(exc).strip().splitlines()
    return lines[0] if lines else type(exc).__name__


def first_few(names: Sequence[str], most: int = 10) -> str:
    """Names with commas between them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def first_ten(lines: Sequence[str]) -> str:
    """An indented list, cut after ten."""
    shown = [f"  {line}" for line in lines[:10]]
    if len(lines) > 10:
        shown.append(f"  and {len(lines) - 10} more")
    return "\n".join(shown)


def _encoding(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding
    # UTF-16 without a mark: the first letter is Latin, so its other byte is 0.
    if content[1:2] == b"\0":
        return "utf-16-le"
    return "utf-16-be" if content[:1] == b"\0" else "utf-8"
