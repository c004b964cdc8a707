"""A found mix holds its budget by the numbers that files are made of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from maskport.cli.main import cli
from maskport.errors import UsageError
from maskport.models.prepared import PreparedMask
from maskport.quantization.budget import Budget, read_budget
from maskport.quantization.drawing import draw
from maskport.quantization.graph import capture
from maskport.quantization.mix import Mixed, check_apart, find_mix, held_out
from maskport.quantization.quantize import quantize, simulated
from maskport.quantization.recipe import BEST, PLAIN, read_recipe
from maskport.quantization.sensitivity import Fidelity, fidelity

HARD = "mae<=1e-4"


@pytest.fixture(scope="module")
def mixed(view: PreparedMask, photos: np.ndarray) -> Mixed:
    return find_mix(view, *held_out(photos), 0.5, BEST, read_budget([HARD]))


def test_photos_to_verify_on_are_not_calibrated_on(photos: np.ndarray) -> None:
    shown, others = held_out(photos)
    assert (len(shown), len(others)) == (4, 2)
    assert not any((other == one).all() for other in others for one in shown)


def test_too_few_photos_to_divide_are_refused(photos: np.ndarray) -> None:
    with pytest.raises(UsageError, match="can't be divided"):
        held_out(photos[:2])


def test_what_was_verified_is_what_the_recipe_gives(
    mixed: Mixed, view: PreparedMask, photos: np.ndarray
) -> None:
    """The search puts float weights beside rounded ones; quantising by the recipe does the same."""
    shown, others = held_out(photos)
    network, rewritten = quantize(view, shown, mixed.recipe)
    shape = (1, *photos.shape[1:])
    plain = capture(view, shape)
    truths = draw(lambda photo: plain.run(photo, None, None), others)
    again = fidelity(draw(simulated(network, rewritten, shape), others), truths, 0.5)
    (verified,) = [
        tried.fidelity
        for tried in mixed.found.tries
        if tried.photos == "held-out" and tried.float_parts == mixed.recipe.float_modules
    ]
    assert again.mae == pytest.approx(verified.mae, abs=1e-7)
    assert again.iou == pytest.approx(verified.iou, abs=1e-7)


def test_parts_that_must_stay_in_float_do_and_win_fidelity(mixed: Mixed) -> None:
    first, last = mixed.found.tries[0], mixed.found.tries[-1]
    assert first.float_parts == () and not first.holds
    assert last.fidelity.mae < first.fidelity.mae and last.slower > 0
    assert mixed.recipe.float_modules == mixed.found.best.float_parts != ()


def test_no_part_that_holds_others_is_chosen(mixed: Mixed) -> None:
    modules = [cost.module for cost in mixed.costs]
    assert not any(a != b and a.startswith(f"{b}.") for a in modules for b in modules)


def test_photos_that_are_calibrated_on_verify_nothing(photos: np.ndarray) -> None:
    check_apart(photos[:4], photos[4:])
    with pytest.raises(UsageError, match="1 of 2 photos to verify on"):
        check_apart(photos[:5], photos[4:])


def test_a_module_that_is_not_there_is_refused_with_those_that_are_meant(
    view: PreparedMask, photos: np.ndarray
) -> None:
    recipe = replace(BEST, float_modules=("stage2d",))
    with pytest.raises(UsageError) as raised:
        quantize(view, photos, recipe)
    assert "Did you mean body.network.stage2d?" in str(raised.value)


def test_a_sum_between_parts_in_float_is_not_rounded(
    view: PreparedMask, photos: np.ndarray
) -> None:
    parts = ("body.network.side1", "body.network.stage1d.rebnconv1d")
    network, _ = quantize(view, photos[:2], replace(BEST, float_modules=parts))
    sums = [t for t in network.tensors.values() if t.kind == "sum" and t.in_float]
    assert [t.module for t in sums] == ["body.network.stage1d"]
    assert sums[0].encoding is None


def test_what_the_base_recipe_leaves_in_float_stays_there(
    view: PreparedMask, photos: np.ndarray, mixed: Mixed
) -> None:
    part = mixed.costs[0].module
    base = replace(BEST, float_modules=(part,))
    found = find_mix(view, *held_out(photos), 0.5, base, read_budget(["iou>=0"]))
    assert found.recipe.float_modules == (part,)
    assert part not in [cost.module for cost in found.costs]


def test_the_command_writes_a_recipe_that_can_be_read_again(
    small_network: list[str], tmp_path: Path
) -> None:
    out, table = tmp_path / "r.toml", tmp_path / "t.json"
    arguments = ["quantize", *small_network, "--calibration", "scenes:3"]
    arguments += ["--photos", "scenes:2", "--budget", "iou>=0.1", "--out", str(out)]
    ended = CliRunner().invoke(cli, [*arguments, "--json", str(table)], standalone_mode=False)
    assert ended.exception is None and ended.return_value == 0
    assert "holds with nothing in float" in ended.output
    recipe = read_recipe(out)
    assert recipe.ranges in {"min-max", "percentile"}  # whichever loses less
    assert replace(recipe, ranges="auto", relit=True) == replace(BEST, name="mixed")
    assert json.loads(table.read_text())["holds"] is True


def test_a_budget_that_nothing_holds_fails_and_writes_nothing(
    small_network: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "r.toml"
    arguments = ["quantize", *small_network, "--calibration", "scenes:3"]
    arguments += ["--photos", "scenes:1", "--budget", "mae<=0", "--out", str(out)]
    ended = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert ended.return_value == 1
    assert "None was found that holds mae<=0. The nearest, with" in ended.output
    assert not out.exists()


def test_the_last_resort_is_fine_tuning_what_came_nearest(
    mixed: Mixed,
    view: PreparedMask,
    photos: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A budget that is between what the best mix and what the fine-tuned one has."""
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path))
    # Other photos that are much like those that are learned from.
    shown, others = photos, np.ascontiguousarray(photos[:, :, :, ::-1])
    base = replace(PLAIN, wide_tail=True, finetune=24)
    told: list[str] = []

    def find(budget: str) -> Mixed:
        text = f"{budget},time<=1"
        return find_mix(
            view,
            shown,
            others,
            0.5,
            base,
            read_budget([text]),
            tell=lambda tried: told.append(tried.why),
        )

    failed = find("mae<=0")
    assert not failed.found.holds and told[-2:] == ["24 steps fine-tuned"] * 2
    tuned = [t.fidelity.mae for t in failed.found.tries[-2:]]
    before = [t.fidelity.mae for t in failed.found.tries[:-2] if t.float_parts == ()]
    assert max(tuned) < max(before)
    found = find(f"mae<={(max(tuned) + max(before)) / 2}")
    assert found.found.holds and found.recipe.finetune == 24
    assert found.tuned is not None
    again = draw(simulated(*found.tuned, (1, *photos.shape[1:])), others)
    truths = draw(capture(view, (1, *photos.shape[1:])).run, others)
    assert fidelity(again, truths, 0.5) == found.found.tries[-1].fidelity
    easy = find("mae<=1")
    assert easy.found.holds and easy.recipe.finetune == 0 and easy.tuned is None


def test_the_command_fine_tunes_and_the_recipe_says_so(
    small_network: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything holds an error of 1, so the first tries are made to fail."""
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path / "cache"))
    holds = Budget.holds
    judged = 0

    def late(self: Budget, found: Fidelity) -> bool:
        nonlocal judged
        judged += 1
        return judged > 1 and holds(self, found)

    monkeypatch.setattr(Budget, "holds", late)
    out = tmp_path / "r.toml"
    arguments = ["quantize", *small_network, "--calibration", "scenes:3", "--finetune", "2"]
    arguments += ["--photos", "scenes:2", "--out", str(out), "--budget"]
    ended = CliRunner().invoke(cli, [*arguments, "mae<=1"], standalone_mode=False)
    assert isinstance(ended.exception, UsageError) and "time<=1.2" in str(ended.exception)
    ended = CliRunner().invoke(cli, [*arguments, "mae<=1,time<=1"], standalone_mode=False)
    assert ended.exception is None and ended.return_value == 0
    assert "holds with nothing in float and 2 steps of fine-tuning" in ended.output
    assert read_recipe(out).finetune == 2


@pytest.mark.parametrize(
    ("targets", "recipe", "budget", "said"),
    [
        ("onnx-int8", "", "iou>=0.9", "for tflite-mixed"),
        ("tflite-fp16", "name = 'a'", "", "by a recipe"),
        ("tflite-mixed", "float_modules = 'body'", "", "list of module paths"),
        ("tflite-int8", "float_modules = ['body.network.stage1']", "", "integers throughout"),
        ("tflite-mixed", "rounding = 'up'", "", "can't round"),
        ("tflite-mixed", "", "iou<=0.9", "asks for bad masks"),
        ("tflite-mixed", "finetune = -1", "", "can't fine-tune"),
        ("tflite-mixed", "seed = -1", "", "seed can't be -1"),
    ],
)
def test_recipes_and_budgets_that_contradict_are_refused_before_any_work(
    targets: str, recipe: str, budget: str, said: str, tmp_path: Path
) -> None:
    arguments = ["export", "demo", "--targets", targets, "--out", str(tmp_path / "out")]
    if recipe:
        (tmp_path / "r.toml").write_text(recipe)
        arguments += ["--recipe", str(tmp_path / "r.toml")]
    if budget:
        arguments += ["--budget", budget]
    ended = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert isinstance(ended.exception, UsageError) and said in str(ended.exception)
    assert not (tmp_path / "out").exists()


def test_a_preference_without_a_search_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("name = 'a'")
    for asked in (["tflite-int8"], ["tflite-mixed", "--recipe", str(tmp_path / "r.toml")]):
        arguments = ["export", "demo", "--prefer", "fidelity", "--targets", *asked]
        ended = CliRunner().invoke(cli, arguments, standalone_mode=False)
        assert isinstance(ended.exception, UsageError)
        assert "Nothing is searched for" in str(ended.exception)
