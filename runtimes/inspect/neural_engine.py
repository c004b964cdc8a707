"""Whether the Neural Engine takes a Core ML file whole: advice, which only a device can confirm."""

from __future__ import annotations

from pathlib import Path

from ...artifacts.inspect.coreml import neural_engine
from ...texts import first_few
from .findings import Acceptance

__all__ = ["core_ml"]

_NAME = "Neural Engine"


def core_ml(path: Path) -> list[Acceptance]:
    """By what is known of its operations; see `artifacts.inspect.neural_engine`."""
    found = neural_engine(path)
    if found is None:
        return [Acceptance(_NAME, None, "can't be told: this is a neural network's file")]
    if not found:
        return [Acceptance(_NAME, None, "advice: nothing in it is known to leave it")]
    return [Acceptance(_NAME, None, f"advice: {first_few(found, 5)}")]
