"""A quantised network: numbers on their grids, the same every time, kept in one file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from maskport.errors import ExportError, UsageError
from maskport.models.prepared import PreparedMask, prepare
from maskport.quantization.encodings import Encoding, QuantizedNetwork
from maskport.quantization.measure import measure
from maskport.quantization.quantize import quantize, simulated
from maskport.quantization.recipe import BEST, PLAIN, Recipe, named, read_recipe, write_recipe
from maskport.specs import ImageSpec, MaskSpec, ModelSpec


@pytest.fixture(scope="module")
def best(view: PreparedMask, photos: np.ndarray) -> tuple[QuantizedNetwork, PreparedMask]:
    return quantize(view, photos[:4], BEST)


def error(
    result: tuple[QuantizedNetwork, PreparedMask], view: PreparedMask, images: Tensor
) -> float:
    network, rewritten = result
    simulation = simulated(network, rewritten, (1, *images.shape[1:]))
    with torch.no_grad():
        off = [(simulation(image[None]) - view(image[None])).abs().mean() for image in images]
    return float(torch.stack(off).mean())


def test_weights_and_biases_lie_on_their_grids(
    best: tuple[QuantizedNetwork, PreparedMask],
) -> None:
    network, _ = best
    for path, scale in network.weight_scales.items():
        steps = network.weights[path] / scale.reshape(-1, 1, 1, 1)
        assert torch.allclose(steps, steps.round(), atol=1e-3)
        assert steps.abs().max() <= 127.01


def test_shared_scales_are_shared(best: tuple[QuantizedNetwork, PreparedMask]) -> None:
    network, _ = best
    for tensor in network.tensors.values():
        if tensor.operation in {"cat", "max_pool2d", "upsample_bilinear2d"} and tensor.encoding:
            for source in tensor.sources:
                assert network.tensors[source].encoding == tensor.encoding


def test_the_best_recipe_is_nearer_to_float_than_the_plain_one(
    best: tuple[QuantizedNetwork, PreparedMask],
    view: PreparedMask,
    photos: np.ndarray,
    images: Tensor,
) -> None:
    plain = quantize(view, photos[:4], PLAIN)
    unseen = images[4:]
    assert error(best, view, unseen) < error(plain, view, unseen)


def test_the_same_photos_give_the_same_numbers(
    best: tuple[QuantizedNetwork, PreparedMask], view: PreparedMask, photos: np.ndarray
) -> None:
    again, _ = quantize(view, photos[:4], BEST)
    assert dict(again.tensors) == dict(best[0].tensors)
    assert all(torch.equal(again.weights[k], v) for k, v in best[0].weights.items())


def test_no_photos_is_an_error_that_says_what_to_give(
    view: PreparedMask, photos: np.ndarray
) -> None:
    with pytest.raises(ExportError, match="no calibration photos") as caught:
        quantize(view, photos[:0], BEST)
    assert "--calibration" in caught.value.remedy


def test_zero_is_exact_in_every_encoding() -> None:
    for low, high in ((-1.0, 3.0), (0.5, 2.0), (-4.0, -1.0), (0.0, 0.0)):
        encoding = Encoding.of_range(low, high)
        assert encoding.lowest <= encoding.zero_point <= encoding.highest
        assert encoding.low <= 0.0 <= encoding.high


def test_a_recipe_survives_its_file(tmp_path: Path) -> None:
    recipe = replace(BEST, name="mine", float_modules=("body.side1",), percentile=99.5)
    write_recipe(recipe, tmp_path / "mine.toml")
    assert read_recipe(tmp_path / "mine.toml") == recipe


def test_a_recipes_digest_is_of_what_it_does_not_of_its_name() -> None:
    assert replace(BEST, name="other").digest == BEST.digest
    assert BEST.digest != PLAIN.digest


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rangs": "mse"}, "no 'rangs'"),
        ({"ranges": "guess"}, "'guess'"),
        ({"equalize": 2.0}, "equalize"),
        ({"seed": "one"}, "seed"),
        ({"activation_bits": 4}, "4 bits"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Recipe.from_dict(values)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="There are best, plain"):
        named("bset")


class Flare(nn.Module):
    """Draws what is bright; one value in ten thousand of its map is a thousand times the others."""

    def __init__(self) -> None:
        super().__init__()
        self.bright = nn.Conv2d(3, 2, 1)
        self.mask = nn.Conv2d(2, 1, 1)
        with torch.no_grad():
            self.bright.weight.copy_(torch.tensor([[1.0], [4000.0]]).expand(2, 3)[:, :, None, None])
            self.bright.bias.copy_(torch.tensor([0.0, -4000.0 * 2.9]))
            self.mask.weight.copy_(torch.tensor([4.0, 0.0]).reshape(1, 2, 1, 1))
            self.mask.bias.fill_(-6.0)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.mask(torch.relu(self.bright(x))))


def test_auto_ranges_clip_where_extremes_lose_the_mask(
    view: PreparedMask, photos: np.ndarray
) -> None:
    image = ImageSpec(256, 256, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    flare = prepare(Flare().eval(), ModelSpec("flare", image, MaskSpec(), output=0))
    lit = np.random.default_rng(0).integers(0, 200, (2, 3, 256, 256)).astype(np.uint8)
    lit[:, :, 128, 128] = 255
    plain = replace(BEST, equalize=0)

    chosen = measure(flare, lit, plain).recipe
    assert (chosen.ranges, chosen.relit) == ("percentile", False)
    seen = torch.from_numpy(lit).float() / 255
    extremes = quantize(flare, lit, replace(plain, ranges="min-max", relit=False))
    fitting = quantize(flare, lit, plain)
    assert fitting[0].recipe.ranges == "percentile"
    assert error(fitting, flare, seen) < 0.1 * error(extremes, flare, seen)

    assert measure(view, photos[:4], BEST).recipe.ranges == "min-max"


def test_ranges_in_other_light_hold_those_of_the_photos(
    view: PreparedMask, photos: np.ndarray
) -> None:
    plain = measure(view, photos[:3], replace(BEST, relit=False, equalize=0))
    relit = measure(view, photos[:3], replace(BEST, equalize=0))
    step = 1.001  # a zero point is a whole number
    wider = 0
    for group, narrow in plain.encodings.items():
        wide = relit.encodings[group]
        assert wide.low <= narrow.low + step * wide.scale
        assert wide.high >= narrow.high - step * wide.scale
        wider += wide.scale > 1.05 * narrow.scale
    assert wider > 5
    assert plain.patches is not None and relit.patches is not None
    for path, seen in plain.patches.found.items():  # photos that nobody gave round no weights
        assert torch.equal(seen.total, relit.patches.found[path].total)


def test_many_photos_are_not_varied(view: PreparedMask, photos: np.ndarray) -> None:
    texts: list[str] = []
    extremes = replace(BEST, ranges="min-max")
    for copies in (23, 24):
        many = np.repeat(photos[:1], copies, axis=0)
        measure(view, many, extremes, lambda text, done, total: texts.append(f"{text} {total}"))
    assert texts.count("measuring in other light 46") == 46
    assert texts.count("measuring 24") == 24
    assert not any(text.startswith("measuring in") and text.endswith(" 48") for text in texts)


def test_everything_comes_to_where_the_photo_is(view: PreparedMask, images: Tensor) -> None:
    """As on a GPU: weights, constants and what the rewrites left stay on the CPU until drawn."""
    photos = (images[:2] * 255).to(torch.uint8).numpy()
    measured = measure(view, photos, BEST)
    drawn = measured.graph.run(images[:1].to("meta"), None, measured.weights)
    assert drawn.device.type == "meta"
