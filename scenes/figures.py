"""Which figures there are, and how often each is drawn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from . import creatures, growths, things
from .sketch import Dice, Sketch

__all__ = ["FIGURES", "Figure", "any_figure", "drawn"]

Figure = Callable[[Sketch, Dice], None]

# People and animals are what most photos are taken of; made-up assemblies keep a network from
# learning the others by heart.
FIGURES: tuple[tuple[Figure, float], ...] = (
    (creatures.person, 3.0),
    (creatures.bust, 2.0),
    (creatures.quadruped, 3.0),
    (creatures.sitting_animal, 1.5),
    (creatures.bird, 2.0),
    (creatures.fish, 0.8),
    (creatures.insect, 0.8),
    (creatures.butterfly, 0.8),
    (creatures.snail, 0.4),
    (growths.assembly, 4.0),
    (growths.flower, 1.2),
    (growths.foliage, 0.8),
    (growths.mushroom, 0.6),
    (growths.fruit, 1.2),
    (growths.tree, 0.8),
    (growths.cactus, 0.4),
    (growths.potted, 0.8),
    (growths.polygon, 0.8),
    (growths.lump, 1.5),
    (growths.ring, 0.6),
    (growths.lettering, 0.8),
    (growths.cluster, 1.0),
    (things.vessel, 1.5),
    (things.mug, 1.0),
    (things.lamp, 0.7),
    (things.chair, 1.2),
    (things.table, 0.5),
    (things.car, 1.5),
    (things.wheel, 0.8),
    (things.bicycle, 0.8),
    (things.boat, 0.8),
    (things.plane, 0.6),
    (things.tool, 1.0),
    (things.umbrella, 0.5),
    (things.crate, 1.2),
    (things.bag, 0.7),
    (things.ball, 0.8),
    (things.balloon, 0.5),
    (things.sign, 0.8),
    (things.building, 1.0),
    (things.glasses, 0.4),
    (things.stringed, 0.4),
)
_CHANCES = np.array([weight for _, weight in FIGURES]) / sum(weight for _, weight in FIGURES)


def any_figure(rng: Generator) -> Figure:
    """One of the figures, by its weight."""
    return FIGURES[int(rng.choice(len(FIGURES), p=_CHANCES))][0]


def drawn(figure: Figure, rng: Generator) -> Sketch:
    """A figure on a sketch of its own; each call draws another of its kind."""
    sketch = Sketch()
    figure(sketch, Dice(rng))
    return sketch
