"""The photos of a run that count in a number over photos."""

from __future__ import annotations

from collections.abc import Sequence

from ..metrics import counts
from .results import Photo

__all__ = ["counted"]


def counted(photos: Sequence[Photo], metric: str) -> list[str]:
    """The names of a run's photos that count in a metric, in their order."""
    having = counts([photo.object for photo in photos], metric)
    return [photo.name for photo, counting in zip(photos, having, strict=True) if counting]
