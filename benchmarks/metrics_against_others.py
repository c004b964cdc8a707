"""maskport's metrics against other implementations, on seeded cases.

    python -m venv /tmp/other && /tmp/other/bin/pip install pysodmetrics scikit-image
    python benchmarks/metrics_against_others.py --python /tmp/other/bin/python

pysodmetrics pins an older numpy than maskport's, so it runs in an environment of its own; this
file runs in both. Prints the largest difference of each metric and exits with 1 where one is
above 1e-9; 1e-6 where masks are bytes, or the authors' own tool is meant. What is left out of a
comparison is said under the table; docs/metrics.md has the reasons.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

LIMIT = 1e-9
# U²-Net's authors add 1e-8 to denominators.
LIMIT_OF_AUTHORS = 1e-6
# v / 255 in float32 is 3e-8 off what pysodmetrics makes of a byte in float64.
LIMIT_OF_BYTES = 1e-6
LEVELS = np.arange(1, 256) / 255

Case = tuple[str, np.ndarray, np.ndarray, np.ndarray]


def cases(seed: int) -> Iterator[Case]:
    """Name, mask, soft reference and truth, each (H, W) in float32.

    Values are multiples of 1/4096: with so few bits, sums and products by 255 are exact in
    float32 and float64, so a difference is one of definition and never one of rounding. Only
    the cases called bytes are as a grey image of 8 bits is read.
    """
    random = np.random.default_rng(seed)

    def soft(height: int, width: int, grain: float = 6.0) -> np.ndarray:
        """Smooth blobs: low frequencies through a sigmoid."""
        rows, columns = np.mgrid[0:height, 0:width] / grain
        waves = sum(
            random.normal() * np.cos(a * rows + b * columns + c)
            for a, b, c in random.normal(0, 1, (8, 3)) * (1, 1, 6)
        )
        return grid(1 / (1 + np.exp(-3 * waves)))

    def grid(values: np.ndarray) -> np.ndarray:
        return (np.round(np.clip(values, 0, 1) * 4096) / 4096).astype(np.float32)

    def near(values: np.ndarray, spread: float) -> np.ndarray:
        return grid(values + random.normal(0, spread, values.shape))

    def hard(values: np.ndarray) -> np.ndarray:
        return (values > 0.5).astype(np.float32)

    for number, (height, width) in enumerate([(64, 64), (97, 61), (33, 120), (160, 128), (7, 9)]):
        for spread in (0.02, 0.3):
            mask = soft(height, width)
            yield f"blobs-{number}-{spread}", near(mask, spread), mask, hard(near(mask, 0.05))
        yield (
            f"unrelated-{number}",
            soft(height, width),
            soft(height, width),
            hard(soft(height, width)),
        )
    mask = soft(64, 48)
    yield "binary", hard(near(mask, 0.2)), hard(mask), hard(mask)
    yield "inverted", 1 - mask, mask, hard(mask)
    yield (
        "noise",
        grid(random.random((50, 40))),
        grid(random.random((50, 40))),
        hard(mask[:50, :40]),
    )
    yield "faint", grid(mask * 0.01), mask, hard(mask)

    for number in range(3):
        stored = np.round(near(mask, 0.2) * 255).astype(np.float32)
        stored[0, :2] = 0, 255  # pysodmetrics stretches bytes to their range
        yield f"bytes-{number}", stored / np.float32(255), mask, hard(mask)

    empty, full = np.zeros((40, 40), np.float32), np.ones((40, 40), np.float32)
    mask = soft(40, 40)
    yield "empty-truth", mask, empty, empty
    yield "empty-mask", empty, mask, hard(mask)
    yield "empty-both", empty, empty, empty
    yield "full-truth", mask, full, full
    yield "full-mask", full, mask, hard(mask)
    yield "full-both", full, full, full
    yield "full-and-empty", full, empty, empty
    yield "grey", full / 2, mask, hard(mask)

    def drawn(*areas: tuple[Any, Any]) -> np.ndarray:
        picture = np.zeros((40, 40), np.float32)
        for area in areas:
            picture[area] = 1
        return picture

    every = slice(None)
    lines = {
        "row": drawn((20, every)),
        "column": drawn((every, 11)),
        "grid": drawn((slice(None, None, 8), every), (every, slice(None, None, 8))),
        "pixel": drawn((17, 23)),
        "first-pixel": drawn((0, 0)),
        "last-pixel": drawn((39, 39)),
        "last-column": drawn((every, 39)),
        "last-row": drawn((39, every)),
        "cut-by-the-frame": drawn((slice(25, None), slice(30, None))),
        "two-far-apart": drawn((slice(0, 4), slice(0, 4)), (slice(34, 39), slice(30, 36))),
        "all-but-a-pixel": 1 - drawn((12, 30)),
    }
    for name, truth in lines.items():
        yield f"line-{name}", near(truth * 0.8 + 0.1, 0.1), near(truth, 0.1), truth
        yield f"line-{name}-moved", np.roll(truth, 2, 0), truth, truth
    for shift in range(4):
        truth = drawn((slice(10, 20 + shift), slice(5, 16 + shift)))
        yield f"square-{shift}", near(truth, 0.2), truth, truth

    far = np.zeros((24, 900), np.float32)
    far[5:12, 20:40] = 1
    yield "far-from-the-object", near(far, 0.1), far, far
    yield (
        "one-row",
        grid(random.random((1, 40))),
        grid(random.random((1, 40))),
        drawn((0, slice(9, 22)))[:1],
    )


def theirs(mask: np.ndarray, reference: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """What pysodmetrics, scikit-image and scikit-learn say; runs in their environment."""
    import py_sod_metrics as sod
    from skimage.metrics import mean_squared_error, peak_signal_noise_ratio
    from sklearn.metrics import jaccard_score

    exact, expected = mask.astype(np.float64), reference.astype(np.float64)
    wanted = truth > 0.5
    overlap = sod.IOUHandler(with_dynamic=True, with_adaptive=False)
    measures = {
        "mae": sod.MAE(),
        "f": sod.Fmeasure(),
        "e": sod.Emeasure(),
        "s": sod.Smeasure(),
        "weighted_f": sod.WeightedFmeasure(),
        "overlap": sod.FmeasureV2({"iou": overlap}),
    }
    stored = np.rint(exact * 255).astype(np.uint8)
    for measure in measures.values():
        if np.array_equal((stored / np.float32(255)).astype(np.float32), mask):
            measure.step(stored, (wanted * 255).astype(np.uint8))
        else:
            measure.step(exact, wanted, normalize=False)
    found = {name: measure.get_results() for name, measure in measures.items()}
    ascending = slice(None, None, -1)
    f_curve = found["f"]["fm"]["curve"][ascending]
    e_curve = found["e"]["em"]["curve"][ascending]
    error = mean_squared_error(expected, exact)
    labels = [0, 1, 2]
    classes = np.stack([exact, expected, 1 - exact]).argmax(0)
    expected_classes = np.stack([expected, exact, 1 - expected]).argmax(0)
    return {
        "mae": found["mae"]["mae"],
        "precision": found["f"]["pr"]["p"][ascending],
        "recall": found["f"]["pr"]["r"][ascending],
        "f_curve": f_curve,
        "max_f_per_photo": f_curve.max(),
        "mean_f": f_curve.mean(),
        "adaptive_f": found["f"]["fm"]["adp"],
        "weighted_f": found["weighted_f"]["wfm"],
        "s_measure": found["s"]["sm"],
        "e_curve": e_curve,
        "max_e_per_photo": e_curve.max(),
        "mean_e": e_curve.mean(),
        "adaptive_e": found["e"]["em"]["adp"],
        "iou_sweep": found["overlap"]["iou"]["dynamic"][ascending][1:],
        "rmse": np.sqrt(error),
        "psnr": peak_signal_noise_ratio(expected, exact, data_range=1.0) if error else np.inf,
        "iou": jaccard_score((expected >= 0.5).ravel(), (exact >= 0.5).ravel(), zero_division=1.0),
        # Absent classes get scikit-learn's 0 / 0.
        "iou_by_class": np.where(
            np.isin(labels, [classes, expected_classes]),
            jaccard_score(
                expected_classes.ravel(),
                classes.ravel(),
                labels=labels,
                average=None,
                zero_division=0,
            ),
            np.nan,
        ),
        "boundary_f": their_boundary_f(exact >= 0.5, expected >= 0.5, 1.0),
        "relaxed_boundary_f": their_boundary_f(exact >= 0.5, wanted, 0.3),
    }


def their_boundary_f(drawn: np.ndarray, expected: np.ndarray, beta_squared: float) -> float:
    """scikit-image's inner boundaries, within a disc of 3 pixels of each other."""
    from skimage.morphology import dilation, disk
    from skimage.segmentation import find_boundaries

    edges = [
        find_boundaries(part.astype(int), connectivity=1, mode="inner")
        for part in (drawn, expected)
    ]
    if not edges[0].any() or not edges[1].any():
        return float("nan")
    # A frame of background: what dilation takes from beyond the picture must not matter.
    wide = [dilation(np.pad(edge, 3), disk(3))[3:-3, 3:-3] for edge in edges]
    precision = (edges[0] & wide[1]).sum() / edges[0].sum()
    recall = (edges[1] & wide[0]).sum() / edges[1].sum()
    below = beta_squared * precision + recall
    return float((1 + beta_squared) * precision * recall / below) if below else 0.0


def ours(mask: np.ndarray, reference: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """The same names from maskport."""
    from maskport import metrics

    pair = mask[None, None], truth[None, None]
    soft = mask[None, None], reference[None, None]
    scores = metrics.SaliencyScores()
    scores.add(*pair)
    agreement = metrics.compare(*soft, 0.5)
    planes = np.stack([mask, reference, 1 - mask]), np.stack([reference, mask, 1 - reference])
    precision, recall = metrics.precision_recall_curves(*pair)
    return {
        **{name: values[0] for name, values in scores.photos.items()},
        "precision": precision[0],
        "recall": recall[0],
        "f_curve": metrics.f_measure_curves(*pair)[0],
        "e_curve": metrics.e_measure_curves(*pair)[0],
        "iou_sweep": metrics.intersection_over_union_sweep(*pair, tuple(LEVELS))[0],
        **{name: agreement.metrics[name][0] for name in ("rmse", "psnr", "iou", "boundary_f")},
        "iou_by_class": metrics.intersection_over_union_by_class(planes[0][None], planes[1][None])[
            0
        ],
    }


def known_difference(name: str, case: Case, value: Any) -> str:
    """Why a comparison is left out; empty where there is no reason. docs/metrics.md lists them."""
    truth = case[3]
    if name == "s_measure" and np.isnan(value):
        return "pysodmetrics gives NaN where the object's centroid is in the last row or column"
    if name == "psnr" and value > 150:
        return "equal masks: infinite in scikit-image, 150 dB here"
    if name == "iou_sweep" and not truth.any():
        return "pysodmetrics gives 0 where both are empty, 1 here"
    if name in {"boundary_f", "relaxed_boundary_f"} and np.isnan(value):
        return "one has no boundary: a definition, no measurement"
    return ""


def data_set(values: list[dict[str, Any]]) -> dict[str, float]:
    """What their numbers by photo make of the data set: the three protocols of the maximum F."""
    mean = {
        name: np.mean([photo[name] for photo in values], axis=0)
        for name in ("precision", "recall", "f_curve", "e_curve")
    }
    below = 0.3 * mean["precision"] + mean["recall"]
    product = mean["precision"] * mean["recall"]
    return {
        "max_f_authors": float((1.3 * product / np.where(below > 0, below, 1)).max()),
        "max_f_mean_curve": float(mean["f_curve"].max()),
        "max_e_mean_curve": float(mean["e_curve"].max()),
    }


def authors_max_f(chosen: list[Case]) -> float:
    """The evaluation tool of U²-Net's authors, written anew from its description.

    Masks are divided by their maximum and brought to 0 … 255; 255 bins, the last one closed;
    1e-8 in every denominator.
    """
    precisions, recalls = [], []
    for _, mask, _, truth in chosen:
        values = mask.astype(np.float64) / (mask.max() + 1e-8) * 255
        inside, outside = (
            np.histogram(values[side], bins=np.arange(256))[0][::-1].cumsum()
            for side in (truth > 0.5, truth <= 0.5)
        )
        precisions.append(inside / (inside + outside + 1e-8))
        recalls.append(inside / (np.count_nonzero(truth > 0.5) + 1e-8))
    precision, recall = np.mean(precisions, axis=0), np.mean(recalls, axis=0)
    return float((1.3 * precision * recall / (0.3 * precision + recall + 1e-8)).max())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--python", help="of an environment with pysodmetrics and scikit-image")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the differences there as well")
    parser.add_argument("--theirs", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.theirs:
        evaluate_theirs(*arguments.theirs)
        return 0
    if not arguments.python:
        parser.error("--python is needed")
    chosen = list(cases(arguments.seed))
    other = asked_of(arguments.python, chosen)
    rows, left_out = compared(chosen, other)
    print(f"{len(chosen)} cases, seed {arguments.seed}")
    print(f"{'metric':26} {'cases':>6} {'difference':>11}  worst case")
    for name, row in rows.items():
        print(f"{name:26} {row['cases']:6} {row['difference']:11.1e}  {row['worst']}")
    for reason, names in left_out.items():
        print(f"left out, {reason}: {', '.join(names)}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"rows": rows, "left_out": left_out}, indent=1))
    bad = [name for name, row in rows.items() if not row["difference"] <= row["limit"]]
    if bad:
        print(f"above the limit: {', '.join(bad)}")
    return 1 if bad else 0


def evaluate_theirs(source: Path, target: Path) -> None:
    # pysodmetrics warns that a class will go, and of its own 0 / 0.
    warnings.simplefilter("ignore")
    with np.load(source) as arrays:
        count = len(arrays.files) // 3
        results = [
            theirs(*(arrays[f"{number}-{part}"] for part in range(3))) for number in range(count)
        ]
    np.savez(
        target,
        **{
            f"{number}-{name}": np.asarray(value)
            for number, values in enumerate(results)
            for name, value in values.items()
        },
    )


def asked_of(python: str, chosen: list[Case]) -> list[dict[str, np.ndarray]]:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "cases.npz", Path(folder) / "theirs.npz"
        np.savez(
            source,
            **{
                f"{number}-{part}": array
                for number, (_, *arrays) in enumerate(chosen)
                for part, array in enumerate(arrays)
            },
        )
        command = [python, __file__, "--theirs", str(source), str(target)]
        subprocess.run(command, check=True)
        results: list[dict[str, np.ndarray]] = [{} for _ in chosen]
        with np.load(target) as arrays:
            for key in arrays.files:
                number, _, name = key.partition("-")
                results[int(number)][name] = arrays[key]
    return results


def compared(
    chosen: list[Case], other: list[dict[str, np.ndarray]]
) -> tuple[dict[str, dict[str, Any]], dict[str, list[str]]]:
    rows = {name: empty_row(LIMIT) for name in other[0]}
    left_out: dict[str, list[str]] = {}
    for case, expected in zip(chosen, other, strict=True):
        mine = ours(*case[1:])
        for name, value in expected.items():
            reason = known_difference(name, case, value)
            if reason:
                names = left_out.setdefault(reason, [])
                if case[0] not in names:
                    names.append(case[0])
                continue
            difference = np.where(np.isnan(mine[name]) & np.isnan(value), 0, mine[name] - value)
            row = rows[name]
            if case[0].startswith("bytes"):
                row = rows.setdefault(f"{name}, bytes", empty_row(LIMIT_OF_BYTES))
            note(row, case[0], float(np.abs(difference).max()))
    from maskport.metrics import SaliencyScores

    whole, stretched = SaliencyScores(), SaliencyScores()
    # The authors divide by the maximum; there the masks must reach 1 for a comparison.
    reaching = [case for case in chosen if case[1].max() == 1]
    for _, mask, _, truth in chosen:
        whole.add(mask[None, None], truth[None, None])
    for _, mask, _, truth in reaching:
        stretched.add(mask[None, None], truth[None, None])
    result = whole.result()
    for name, value in data_set(other).items():
        rows[name] = empty_row(LIMIT_OF_BYTES)
        note(rows[name], "the whole set", abs(float(result[name] or np.nan) - value))
    name = "authors' own tool"
    rows[name] = empty_row(LIMIT_OF_AUTHORS)
    authors = float(stretched.result()["max_f_authors"] or np.nan)
    note(rows[name], f"{len(reaching)} masks", abs(authors - authors_max_f(reaching)))
    return rows, left_out


def empty_row(limit: float) -> dict[str, Any]:
    return {"cases": 0, "difference": 0.0, "worst": "", "limit": limit}


def note(row: dict[str, Any], case: str, difference: float) -> None:
    row["cases"] += 1
    if not difference <= row["difference"]:
        row["difference"], row["worst"] = difference, case


if __name__ == "__main__":
    sys.exit(main())
