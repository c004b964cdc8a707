"""Quantising inside an export: it can be given up, and says why no recipe was found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskport.errors import BudgetError
from maskport.exporters.quantized import quantized
from maskport.exporters.recipes import RecipeSearch
from maskport.exporters.run import Card, Run
from maskport.models.prepared import PreparedMask, prepare
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.quantization.budget import read_budget
from maskport.quantization.calibration import CalibrationSet
from maskport.quantization.recipe import BEST
from maskport.quantization.simulation import Simulation
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

HEIGHT, WIDTH = 50, 38
SPEC = ModelSpec("nano", ImageSpec(HEIGHT, WIDTH), MaskSpec(), output=0)
IMPOSSIBLE = RecipeSearch(read_budget(["mae<=0"]), "latency", BEST)


@pytest.fixture(scope="module")
def view(nano: Callable[..., U2Net]) -> PreparedMask:
    network = nano()
    seeded(network, 0, (HEIGHT, WIDTH))
    return prepare(network, SPEC)


@pytest.fixture(scope="module")
def photos() -> CalibrationSet:
    pixels = np.stack([scene(seed, HEIGHT, WIDTH).photo.transpose(2, 0, 1) for seed in range(6)])
    return CalibrationSet(tuple("abcdef"), pixels, "0" * 64, 0)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path, SPEC, Card("nano", "", "", "", ""))


def test_a_search_that_nobody_waits_for_ends_at_its_next_mask(
    view: PreparedMask, photos: CalibrationSet, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = 0
    forward = Simulation.forward

    def counting(self: Simulation, *args: Any) -> Any:
        nonlocal drawn
        drawn += 1
        return forward(self, *args)

    monkeypatch.setattr(Simulation, "forward", counting)
    steps = quantized(view, run, photos, IMPOSSIBLE)
    while not next(steps).text.startswith("trying"):
        pass
    before = drawn
    steps.close()  # as Ctrl-C does
    assert drawn - before <= 12  # a whole search draws hundreds
    assert not run.program.exists()


def test_where_no_recipe_is_found_it_says_what_the_nearest_reaches(
    view: PreparedMask, photos: CalibrationSet, run: Run
) -> None:
    with pytest.raises(BudgetError) as raised:
        list(quantized(view, run, photos, IMPOSSIBLE))
    assert "holds mae<=0: on the photos it was searched on" in raised.value.what
    assert "times the integer network's time" in raised.value.what
    assert not run.program.exists()
