"""The learning rate of a step: a function of its number, so that resuming needs no state."""

from __future__ import annotations

import math

from .config import TrainingConfig

__all__ = ["learning_rate"]


def learning_rate(config: TrainingConfig, step: int, steps: int) -> float:
    """The learning rate of a step.

    Args:
        config: Of the run: rate, schedule, warm-up.
        step: Steps done before it, from 0.
        steps: Of the whole run.

    Returns:
        Rising in a line over the warm-up, so that its last step has the whole rate; then
        constant, or (1 + cos(π t)) / 2 of it, t from 0 to 1 over what is left of the run
        (Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5, without restarts).
    """
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    if config.schedule == "constant":
        return config.learning_rate
    passed = (step - config.warmup) / max(1, steps - config.warmup)
    return config.learning_rate * (1 + math.cos(math.pi * passed)) / 2
