"""A store's page: derived from what is there, and written whole."""

from __future__ import annotations

from datetime import datetime

from ...texts import megabytes
from .listing import listed
from .place import Place

__all__ = ["page_of", "size_text", "time_text"]

# Newer ones push older ones out: each is a manifest that is read.
_MOST = 500


def page_of(place: Place) -> str:
    """The page as HTML. It names no address: a store may have several, some with a login."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("page.html.j2")
    return template.render(
        versions=listed(place, _MOST), most=_MOST, size=size_text, time=time_text
    )


def size_text(count: int) -> str:
    """Bytes as people read them."""
    return f"{count} bytes" if count < 1000 else megabytes(count)


def time_text(time: datetime | None) -> str:
    """A moment to the minute, in UTC; nothing where it isn't known."""
    return f"{time:%Y-%m-%d %H:%M} UTC" if time else ""
