"""What all views that redraw themselves share: they are on stderr, and only on a terminal."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress import Progress

__all__ = ["LiveView"]


class LiveView:
    """A context manager around the work; what it draws is drawn while the block lasts.

    A view sets ``_live`` when it is made, drawn on ``_console``.
    """

    _live: Live | Progress

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._animated = self._console.is_terminal

    def __enter__(self) -> Self:
        if self._animated:
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._animated:
            self._live.stop()
