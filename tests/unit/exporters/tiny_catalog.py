"""A tiny network of the catalog: only its networks are cached. No import of PyTorch."""

from __future__ import annotations

from typing import Any

from maskport.models.catalog import Entry
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

__all__ = ["enter"]


def enter(**arguments: Any) -> Entry:
    """It is built with ``stages``; taken from the cache, it isn't built."""
    spec = ModelSpec("tiny", ImageSpec(32, 48), MaskSpec(), output=0)
    return Entry("tiny", ".u2net:U2Net", spec, (), "MIT", "A tiny network", arguments=arguments)
