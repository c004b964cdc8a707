"""Fine-tuning: nearer to the float network on photos it doesn't learn from, and resumable."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from maskport.models.prepared import PreparedMask, prepare
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.quantization import finetuning
from maskport.quantization.drawing import Watch, draw
from maskport.quantization.encodings import Encoding, QuantizedNetwork
from maskport.quantization.graph import capture
from maskport.quantization.quantize import quantize, simulated
from maskport.quantization.recipe import BEST, PLAIN, Recipe
from maskport.quantization.simulation import rounded
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

STEPS = 24
TUNED = replace(PLAIN, wide_tail=True, finetune=STEPS)
Quantize = Callable[..., QuantizedNetwork]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def quantized(view: PreparedMask, photos: np.ndarray) -> Quantize:
    def run(recipe: Recipe = TUNED, watch: Watch = lambda *_: None) -> QuantizedNetwork:
        return quantize(view, photos, recipe, watch)[0]

    return run


def _error(view: PreparedMask, photos: np.ndarray, recipe: Recipe) -> float:
    """Mean squared, on the photos that are not learned from."""
    apart = photos[2::3]
    shape = (1, *photos.shape[1:])
    rounded = simulated(*quantize(view, photos, recipe), shape)
    truths = draw(capture(view, shape).run, apart)
    return float((draw(rounded, apart) - truths).square().mean())


def test_photos_are_relit_where_ranges_are(
    quantized: Quantize, photos: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    varied = finetuning._varied

    def watched(shown: np.ndarray, step: int, seed: int, relit: bool) -> torch.Tensor:
        seen.append(relit)
        return varied(shown, step, seed, relit)

    monkeypatch.setattr(finetuning, "_varied", watched)
    quantized(replace(TUNED, relit=True, finetune=1))
    monkeypatch.setattr("maskport.quantization.measure.VARIED", len(photos))
    quantized(replace(TUNED, relit=True, finetune=2))
    assert seen == [True, False, False]


def test_masks_come_nearer_to_the_float_networks(view: PreparedMask, photos: np.ndarray) -> None:
    before = _error(view, photos, replace(TUNED, finetune=0))
    assert _error(view, photos, TUNED) < 0.9 * before


def test_masks_that_only_get_worse_are_not_kept(
    view: PreparedMask, photos: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetuning, "RATE", 50.0)
    before = _error(view, photos, replace(TUNED, finetune=0))
    assert _error(view, photos, TUNED) <= before * (1 + 1e-6)


def let_it_wander(monkeypatch: pytest.MonkeyPatch) -> None:
    """Far, in few steps, all of which seem to be for the better: the last weights are kept."""
    errors = iter([0.0, *(1 / n for n in range(1, 99))])
    monkeypatch.setattr(finetuning, "RATE", 0.5)
    monkeypatch.setattr(finetuning, "draw", lambda *_: torch.tensor(next(errors)))


@pytest.mark.parametrize("base", [PLAIN, BEST], ids=lambda recipe: recipe.name)
def test_weights_stay_on_their_grids(
    quantized: Quantize, base: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = quantized(base)
    let_it_wander(monkeypatch)
    after = quantized(replace(base, finetune=6))
    moved = 0
    for path, scale in after.weight_scales.items():
        assert torch.equal(scale, before.weight_scales[path])
        steps = after.weights[path] / scale.reshape(-1, *[1] * (after.weights[path].ndim - 1))
        assert (steps - steps.round()).abs().max() < 1e-3
        assert steps.abs().max() < 127.5
        moved += int((after.integers(path) != before.integers(path)).sum())
    assert {n: t.encoding for n, t in after.tensors.items()} == {
        n: t.encoding for n, t in before.tensors.items()
    }
    assert moved > 0


def test_parts_in_float_keep_their_weights(quantized: Quantize, view: PreparedMask) -> None:
    part = "body.network.side1"
    after = quantized(replace(TUNED, float_modules=(part,)))
    weight = next(path for path in after.weights if path.startswith(part))
    assert torch.equal(after.weights[weight], view.state_dict()[weight])


class Ended(Exception):
    """As Ctrl-C would be."""


def _ending_at(last: int) -> Callable[[str, int, int], None]:
    def watch(text: str, done: int, total: int) -> None:
        if (text, done) == ("fine-tuning", last):
            raise Ended

    return watch


def test_an_ended_run_goes_on_to_the_same_weights(
    quantized: Quantize, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Ended):
        quantized(watch=_ending_at(17))
    seen: list[int] = []

    def noting(text: str, done: int, total: int) -> None:
        if text == "fine-tuning":
            seen.append(done)

    resumed = quantized(watch=noting)
    assert seen[0] == 10 and seen[-1] == STEPS
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path / "another"))
    uninterrupted = quantized()
    for path, value in uninterrupted.weights.items():
        assert torch.equal(value, resumed.weights[path]), path
    # A finished run is read, and nothing is left beside it.
    monkeypatch.setenv("MASKPORT_CACHE", str(cache))
    again = quantized(watch=_ending_at(0))
    assert all(torch.equal(value, again.weights[path]) for path, value in resumed.weights.items())
    assert len(list(cache.rglob("*.*"))) == 1


def test_whatever_decides_makes_it_another_run(
    view: PreparedMask, photos: np.ndarray, cache: Path, nano: Callable[..., U2Net]
) -> None:
    recipe = replace(TUNED, finetune=1)

    def files(recipe: Recipe, view: PreparedMask, photos: np.ndarray) -> int:
        quantize(view, photos, recipe)
        return len(list(cache.rglob("*.pt")))

    network = nano()
    seeded(network, 0, photos.shape[2:])
    image = ImageSpec(*photos.shape[2:])
    side = prepare(network, ModelSpec("nano", image, MaskSpec(), output=1))
    with torch.no_grad():
        next(network.parameters()).mul_(1.1)
    other = prepare(network, ModelSpec("nano", image, MaskSpec(), output=0))
    assert files(recipe, view, photos) == files(recipe, view, photos) == 1
    assert files(replace(recipe, seed=1), view, photos) == 2
    assert files(recipe, view, photos[::-1]) == 3
    assert files(recipe, other, photos) == 4
    assert files(recipe, side, photos) == 5


def test_old_files_are_forgotten(quantized: Quantize, cache: Path) -> None:
    old, new = cache / "finetuning" / "old.pt", cache / "finetuning" / "new.pt"
    old.parent.mkdir(parents=True)
    for file, days in ((old, 15), (new, 13)):
        file.write_bytes(b"")
        os.utime(file, (time.time() - days * 24 * 3600,) * 2)
    quantized(replace(TUNED, finetune=1))
    assert not old.exists() and new.exists()


def test_where_everything_is_in_float_nothing_is_learned(quantized: Quantize) -> None:
    recipe = replace(TUNED, float_modules=("normalize", "body"))
    assert not quantized(recipe, _ending_at(0)).weight_scales


def test_the_photos_bytes_still_pass_unrounded(
    quantized: Quantize, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = quantized(BEST)
    let_it_wander(monkeypatch)
    after = quantized(replace(BEST, finetune=4))
    same = {
        path for path, value in before.weights.items() if torch.equal(value, after.weights[path])
    }
    assert {"normalize.weight", "normalize.bias"} <= same < before.weights.keys()


def test_two_photos_will_do(view: PreparedMask, photos: np.ndarray) -> None:
    assert quantize(view, photos[:2], replace(TUNED, finetune=2))[0].weights


@pytest.mark.parametrize("spoil", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"x" * 99])
def test_a_broken_file_is_begun_again(
    quantized: Quantize, cache: Path, spoil: Callable[[bytes], bytes]
) -> None:
    recipe = replace(TUNED, finetune=3)
    first = quantized(recipe)
    (file,) = cache.rglob("*.pt")
    file.write_bytes(spoil(file.read_bytes()))
    again = quantized(recipe)
    assert all(torch.equal(value, again.weights[path]) for path, value in first.weights.items())


@pytest.mark.parametrize("bits", [8, 16])
def test_the_gradient_passes_a_rounding_within_its_range(bits: int) -> None:
    encoding = Encoding.of_range(-1.0, 1.0, bits)
    values = torch.tensor([-3.0, -0.9, 0.123, 0.9, 3.0], requires_grad=True)
    stored = rounded(values, encoding)
    assert torch.allclose(stored[1:4], values[1:4], atol=encoding.scale / 2 + 1e-6)
    assert stored[0].item() == pytest.approx(encoding.low)
    assert stored[4].item() == pytest.approx(encoding.high)
    stored.sum().backward()
    assert values.grad is not None and values.grad.tolist() == [0, 1, 1, 1, 0]


def test_a_full_disk_costs_nothing_but_the_resumption(
    quantized: Quantize, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, content: bytes) -> int:
        self.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert quantized(replace(TUNED, finetune=2)).weights
    assert not [file for file in cache.rglob("*") if file.is_file()]


def test_a_cache_that_cannot_be_written_costs_nothing_but_the_resumption(
    quantized: Quantize, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path / "file"))
    assert quantized(replace(TUNED, finetune=2)).weights
