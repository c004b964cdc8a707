"""Measures of salient object detection: pinned to pysodmetrics, and where a truth is degenerate."""

from __future__ import annotations

import numpy as np
import pytest

from maskport import metrics
from maskport.metrics import SALIENCY, SaliencyScores

SIZES = [(24, 20), (15, 33), (40, 28)]

# pysodmetrics 1.6.2 with NumPy 2.3.4 on the three pairs below, `step(mask.astype(float64), truth,
# normalize=False)`; the fourth column is its result after all three. max_f_authors is the maximum
# of 1.3 P R / (0.3 P + R) of its mean precision and recall. twelve digits.
PYSODMETRICS = {
    "mae": (0.139155069987, 0.156526199495, 0.073970467704, 0.123217245729),
    "max_f_authors": (0.859154929577, 0.877179681577, 0.749279538905, 0.813816152255),
    "max_f_mean_curve": (0.859154929577, 0.877179681577, 0.749279538905, 0.813650985024),
    "mean_f": (0.673397128880, 0.694855980568, 0.390612002788, 0.586288370745),
    "adaptive_f": (0.747252747253, 0.846470185058, 0.198734844491, 0.597485925601),
    "weighted_f": (0.623590435939, 0.676131927886, 0.222656764446, 0.507459709424),
    "s_measure": (0.808695222650, 0.829096889635, 0.629603606065, 0.755798572783),
    "max_e_mean_curve": (0.949576614090, 0.939403962403, 0.989903719107, 0.958199182798),
    "mean_e": (0.745428093551, 0.736899348242, 0.622238861487, 0.701522101093),
    "adaptive_e": (0.918998737252, 0.934870166701, 0.416870217480, 0.756913040478),
}


def pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A noisy disc with a soft edge, and a disc a pixel beside it."""
    random = np.random.default_rng(seed)
    height, width = SIZES[seed]
    rows, columns = np.mgrid[0:height, 0:width]
    top, left, radius = random.integers((4, 4, 3), (height - 4, width - 4, 7))
    distance = np.hypot(rows - top, columns - left)
    noise = random.integers(-800, 801, (height, width))
    mask = np.round(4096 * np.clip(0.5 + (radius - distance) / 6, 0, 1)) + noise
    truth = np.hypot(rows - top - 1, columns - left + 1) <= radius
    mask = (np.clip(mask, 0, 4096) / 4096).astype(np.float32)
    return mask[None, None], truth[None, None].astype(np.float32)


def scores(*pairs: tuple[np.ndarray, np.ndarray]) -> dict[str, float | None]:
    collected = SaliencyScores()
    for mask, truth in pairs:
        collected.add(mask, truth)
    return collected.result()


def constant(value: float, size: int = 10) -> np.ndarray:
    return np.full((1, 1, size, size), value, np.float32)


def square(size: int = 10) -> np.ndarray:
    truth = constant(0, size)
    truth[..., 3:6, 2:7] = 1
    return truth


@pytest.mark.parametrize("name", PYSODMETRICS)
def test_each_photo_has_the_value_of_pysodmetrics(name: str) -> None:
    for seed in range(3):
        assert scores(pair(seed))[name] == pytest.approx(PYSODMETRICS[name][seed], abs=1e-11)


@pytest.mark.parametrize("name", PYSODMETRICS)
def test_photos_of_several_sizes_have_the_value_of_pysodmetrics(name: str) -> None:
    found = scores(*map(pair, range(3)))
    assert found[name] == pytest.approx(PYSODMETRICS[name][3], abs=1e-11)


def test_the_three_maxima_of_f_average_at_different_times() -> None:
    found = scores(*map(pair, range(3)))
    curves = np.concatenate([metrics.f_measure_curves(*pair(seed)) for seed in range(3)])
    assert found["max_f_per_photo"] == pytest.approx(curves.max(1).mean())
    assert found["max_f_mean_curve"] == pytest.approx(curves.mean(0).max())
    # No threshold for all can beat the best one for each
    assert found["max_f_per_photo"] > found["max_f_mean_curve"]
    assert found["max_f_authors"] not in {found["max_f_per_photo"], found["max_f_mean_curve"]}


def test_one_photo_has_one_maximum() -> None:
    found = scores(pair(1))
    assert found["max_f_authors"] == pytest.approx(found["max_f_per_photo"])
    assert found["max_f_mean_curve"] == found["max_f_per_photo"]
    assert found["max_e_mean_curve"] == found["max_e_per_photo"]


def test_the_functions_give_each_photo_what_the_collection_gives_it() -> None:
    mask, truth = pair(0)
    masks = np.concatenate([mask, mask[..., ::-1], 1 - mask])
    truths = np.concatenate([truth] * 3)
    collected = SaliencyScores()
    collected.add(masks, truths)
    alone = {
        "mae": metrics.mean_absolute_error(masks, truths),
        "max_f_per_photo": metrics.f_measure_curves(masks, truths).max(1),
        "mean_f": metrics.f_measure_curves(masks, truths).mean(1),
        "adaptive_f": metrics.adaptive_f_measure(masks, truths),
        "weighted_f": metrics.weighted_f_measure(masks, truths),
        "s_measure": metrics.s_measure(masks, truths),
        "max_e_per_photo": metrics.e_measure_curves(masks, truths).max(1),
        "mean_e": metrics.e_measure_curves(masks, truths).mean(1),
        "adaptive_e": metrics.adaptive_e_measure(masks, truths),
        "relaxed_boundary_f": metrics.relaxed_boundary_f_measure(masks, truths),
    }
    assert collected.photos.keys() == alone.keys()
    for name, values in alone.items():
        np.testing.assert_allclose(collected.photos[name], values, rtol=1e-14, err_msg=name)
        assert collected.result()[name] == pytest.approx(values.mean())


@pytest.mark.parametrize("seed", range(3))
def test_precision_and_recall_are_those_of_a_loop_over_thresholds(seed: int) -> None:
    mask, truth = pair(seed)
    precision, recall = metrics.precision_recall_curves(mask, truth)
    for level in range(256):
        claimed = mask * np.float32(255) >= level
        hits = (claimed & (truth > 0)).sum()
        assert precision[0, level] == hits / max(claimed.sum(), 1)
        assert recall[0, level] == hits / truth.sum()


@pytest.mark.parametrize("seed", range(3))
def test_e_is_the_mean_alignment_of_all_pixels(seed: int) -> None:
    mask, truth = pair(seed)
    curve = metrics.e_measure_curves(mask, truth)[0]
    wanted = truth[0, 0] - truth[0, 0].mean(dtype=float)
    for level in (0, 1, 77, 128, 255):
        claimed = (mask[0, 0] * np.float32(255) >= level).astype(float)
        drawn = claimed - claimed.mean()
        aligned = 2 * drawn * wanted / (drawn**2 + wanted**2 + np.spacing(1))
        by_hand = ((aligned + 1) ** 2 / 4).sum() / (claimed.size - 1)
        assert curve[level] == pytest.approx(by_hand, rel=1e-12)


def test_every_byte_of_a_stored_mask_keeps_its_level() -> None:
    levels = np.arange(256, dtype=np.float32).reshape(1, 1, 16, 16) / np.float32(255)
    _, recall = metrics.precision_recall_curves(levels, np.ones_like(levels))
    np.testing.assert_array_equal(recall[0], (256 - np.arange(256)) / 256)


def test_a_truth_is_the_bytes_above_128() -> None:
    truth = np.array([127, 128, 129, 255], np.float32).reshape(1, 1, 2, 2) / np.float32(255)
    mask = np.array([0, 0, 1, 1], np.float32).reshape(1, 1, 2, 2)
    # Four pixels: the authors' division by P - 1 makes 4/3 of an E of 1
    assert scores((mask, truth))["mae"] == 0
    assert scores((mask, truth))["adaptive_e"] == pytest.approx(4 / 3)


def test_a_perfect_mask_is_perfect_in_all() -> None:
    found = scores((square(), square()))
    assert found["mae"] == 0
    # Of 256 thresholds, 0 takes the whole frame: P = 15/100, R = 1
    assert found["mean_f"] == pytest.approx((255 + 1.3 * 0.15 / (0.3 * 0.15 + 1)) / 256)
    # 100 pixels, divided by 99; at threshold 0 nothing aligns, which counts a quarter
    assert found["mean_e"] == pytest.approx((255 + 0.25) / 256 * 100 / 99)
    for name in SALIENCY.keys() - {"mae", "mean_f", "mean_e"}:
        expected = 100 / 99 if "_e" in name else 1
        assert found[name] == pytest.approx(expected), name


def test_an_empty_truth_asks_for_an_empty_mask() -> None:
    found = scores((constant(0.25), constant(0)))
    assert found["s_measure"] == 0.75
    assert found["max_e_per_photo"] == pytest.approx(100 / 99)
    assert found["adaptive_e"] == pytest.approx(100 / 99)  # twice 0.25 is above all
    assert found["relaxed_boundary_f"] == 1  # neither has an object at 0.5
    names = [name for name in SALIENCY if name.endswith("_f") or name.startswith("max_f")]
    names.remove("relaxed_boundary_f")
    assert {name: found[name] for name in names} == dict.fromkeys(names, 0)


def test_nothing_drawn_where_nothing_is_has_no_f_but_an_outline_in_common() -> None:
    found = scores((constant(0), constant(0)))
    assert (found["mae"], found["s_measure"], found["relaxed_boundary_f"]) == (0, 1, 1)
    assert found["adaptive_e"] == 0  # twice the mean is 0, and all is at least that
    assert found["weighted_f"] == found["max_f_authors"] == 0


def test_a_full_truth_asks_for_a_full_mask() -> None:
    found = scores((constant(0.75), constant(1)))
    assert found["s_measure"] == 0.75
    # Each error of 1/4 is lowered to its neighbourhood's mean, and beyond the frame is 0.
    kernel = np.exp(-(np.arange(-3, 4) ** 2) / 50)
    inside = np.convolve(np.ones(10), kernel / kernel.sum(), "same")
    recall = 1 - 0.25 * np.outer(inside, inside).mean()
    assert found["weighted_f"] == pytest.approx(2 * recall / (1 + recall))
    assert found["adaptive_e"] == 0  # the threshold stops at 1
    full = scores((constant(1), constant(1)))
    assert full["s_measure"] == full["max_f_authors"] == full["relaxed_boundary_f"] == 1


def test_an_empty_mask_finds_nothing() -> None:
    truth = constant(0, 20)
    truth[..., 8:12, 8:13] = 1  # more than 3 from the frame, beyond which weighted F sees no error
    found = scores((constant(0, 20), truth))
    assert found["weighted_f"] == pytest.approx(0, abs=1e-12)
    assert found["relaxed_boundary_f"] == 0
    # At threshold 0 the whole frame is claimed, as pysodmetrics has it: P = 20/400, R = 1
    assert found["max_f_authors"] == pytest.approx(1.3 * 0.05 / (0.3 * 0.05 + 1))


@pytest.mark.parametrize("corner", [(0, 0), (0, 9), (9, 0), (9, 9)])
def test_an_object_in_a_corner_has_an_s_measure(corner: tuple[int, int]) -> None:
    """The centroid's quarters are empty there; pysodmetrics gives NaN."""
    truth = constant(0)
    truth[(0, 0, *corner)] = 1
    assert metrics.s_measure(truth, truth)[0] == pytest.approx(1, abs=1e-9)
    assert 0 < metrics.s_measure(truth * np.float32(0.5), truth)[0] < 1


def test_one_pixel_is_a_photo() -> None:
    pixel = np.ones((1, 1, 1, 1), np.float32)
    assert all(np.isfinite(value) for value in scores((pixel, pixel)).values())


def test_errors_far_from_the_object_count_twice() -> None:
    truth = np.zeros((1, 1, 8, 700), np.float32)
    truth[..., :4] = 1
    mask = truth.copy()
    mask[..., 3, 699] = 1
    # 32 found; one wrong pixel, 696 away, weighs 2: P = 32/34, R = 1
    assert metrics.weighted_f_measure(mask, truth) == pytest.approx([2 * 32 / (32 + 34)])


def test_weighted_f_is_the_papers_formula_without_a_crop() -> None:
    """Margolin's steps, on all pixels and by loops."""
    mask, truth = pair(1)
    soft, wanted = mask[0, 0].astype(float), truth[0, 0] > 0
    pixels = np.argwhere(wanted)
    offsets = np.arange(-3, 4)
    kernel = np.exp(-(offsets[:, None] ** 2 + offsets**2) / 50)
    kernel /= kernel.sum()
    error = np.abs(soft - wanted)
    squared = {tuple(p): ((pixels - p) ** 2).sum(1) for p in np.argwhere(~wanted)}
    # Where several pixels of the object are nearest, the paper does not say which counts: give
    # all of the object one error, so that they agree.
    error[wanted] = soft[wanted] = 0.3
    soft = np.where(wanted, 0.7, soft)
    stand_in = np.pad(np.where(wanted, error, 0.3), 3)
    weights = np.ones_like(error)
    for (y, x), distances in squared.items():
        weights[y, x] = 2 - 0.5 ** (np.sqrt(distances.min()) / 5)
    for y, x in pixels:
        mean = (stand_in[y : y + 7, x : x + 7] * kernel).sum()
        weights[y, x] = min(error[y, x], mean) / error[y, x]
    weighed = error * weights
    found = wanted.sum() - weighed[wanted].sum()
    precision = found / (found + weighed[~wanted].sum())
    recall = 1 - weighed[wanted].mean()
    by_hand = 2 * precision * recall / (precision + recall)
    calculated = metrics.weighted_f_measure(soft[None, None], truth)
    assert calculated == pytest.approx([by_hand], rel=1e-9)


def test_a_mask_that_is_no_number_leaves_no_result() -> None:
    mask, truth = pair(0)
    broken = mask.copy()
    broken[0, 0, 5, 5] = np.nan
    collected = SaliencyScores()
    collected.add(np.concatenate([mask, broken]), np.concatenate([truth, truth]))
    for name, values in collected.photos.items():
        assert np.isnan(values).tolist() == [False, True], name
    assert collected.result() == dict.fromkeys(SALIENCY)


def test_values_beyond_the_range_count_as_its_ends() -> None:
    mask, truth = pair(0)
    assert scores((3 * mask - 1, truth)) == scores(((3 * mask - 1).clip(0, 1), truth))


def test_what_is_kept_does_not_grow_with_the_photos_size() -> None:
    collected = SaliencyScores()
    for _ in range(3):
        collected.add(square(200), square(200))
    kept = sum(array.nbytes for array in collected.photos.values()) + collected._curves.nbytes
    # Ten float64 a photo and four curves of 256; a photo's mask alone is 160,000 bytes
    assert kept == 3 * 10 * 8 + 4 * 256 * 8
    assert len(collected) == 3


def test_no_photo_and_photos_of_several_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="no photo"):
        SaliencyScores().result()
    with pytest.raises(ValueError, match=r"\(N, 1, H, W\)"):
        SaliencyScores().add(np.zeros((1, 2, 4, 4)), np.zeros((1, 2, 4, 4)))
    with pytest.raises(ValueError, match="can't be compared"):
        SaliencyScores().add(constant(0, 4), constant(0, 5))
