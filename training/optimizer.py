"""The optimizer, and the learning rate of a step: a function of its number, so that resuming needs
no state of it.
"""

from __future__ import annotations

import math
from typing import Any

from torch import nn
from torch.optim import Adam, AdamW, Optimizer

from .config import TrainingConfig

__all__ = ["learning_rate", "optimizer_of"]

# The authors' (U²-Net, section 4.2), for AdamW too.
BETAS, EPSILON = (0.9, 0.999), 1e-8


def optimizer_of(network: nn.Module, config: TrainingConfig) -> Optimizer:
    """The run's optimizer of all of a network's parameters."""
    settings: dict[str, Any] = {"lr": config.learning_rate, "betas": BETAS, "eps": EPSILON}
    if config.optimizer == "adamw":
        return AdamW(network.parameters(), weight_decay=config.weight_decay, **settings)
    return Adam(network.parameters(), **settings)


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
