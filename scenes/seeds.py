"""Which scenes are for what, by the first of their seeds, so that none serves two purposes."""

from __future__ import annotations

__all__ = ["CALIBRATION", "EVALUATION", "SCORING", "TRAINING"]

SCORING = 0
"""Held out while training runs: the best weights are chosen by them."""

EVALUATION = 1_000_000
"""For ``maskport evaluate --scenes``: nothing was trained on them or chosen by them."""

CALIBRATION = 2_000_000
"""For the ranges of quantised activations."""

TRAINING = 1_000_000_000
"""From here on: trained on."""
