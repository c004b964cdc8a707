"""Text for people, cut to what they read."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["first_few", "first_line", "first_ten", "megabytes", "short", "shown"]


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


def short(value: object, most: int = 60) -> str:
    """A value as Python writes it, cut after so many characters."""
    try:
        text = repr(value)
    except ValueError:  # Python's limit on the digits of a number
        text = "a number of thousands of digits"
    return text if len(text) <= most else f"{text[:most]}…"


def megabytes(count: int) -> str:
    """Bytes for people: ``4.6 MB``."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
