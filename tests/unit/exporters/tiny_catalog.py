"""A tiny network of the catalog: the only ones that the cache takes. No import of PyTorch."""

from __future__ import annotations

from maskport.models.catalog import Entry
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

__all__ = ["CODE", "enter"]

CODE = """
from maskport.models.u2net import FLAT, Stage, U2Net

def tiny():
    return U2Net((
        Stage("stage1", 4, 3, 2, 4),
        Stage("stage2", 4, 4, 2, 4),
        Stage("stage3", FLAT, 4, 2, 4),
        Stage("stage2d", 4, 8, 2, 4),
        Stage("stage1d", 4, 8, 2, 4),
    ))
"""


def enter() -> Entry:
    """Its network is in a module of the code above, ``tiny_network``."""
    spec = ModelSpec("tiny", ImageSpec(32, 48), MaskSpec(), output=0)
    return Entry("tiny", "tiny_network:tiny", spec, (), "MIT", "A tiny network")
