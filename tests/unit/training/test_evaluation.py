"""A data set is measured by the same lines, whatever draws the masks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from maskport.cli.main import cli
from maskport.errors import CheckpointError, ImageError, InputError, SpecError, UsageError
from maskport.models.u2net import u2netp
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec, ModelSpec
from maskport.training.datasets import Pair
from maskport.training.evaluation import evaluate, of_pairs, of_scenes, paper_set
from maskport.validation.evaluated import open_evaluated

SPEC = ModelSpec("any", ImageSpec(32, 32), MaskSpec())


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    folder = tmp_path_factory.mktemp("set")
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    found = []
    for seed, (height, width) in enumerate([(40, 60), (64, 64)]):
        made = scene(seed, height, width)
        pair = Pair(folder / "images" / f"{seed}.png", folder / "masks" / f"{seed}.png")
        Image.fromarray(made.photo).save(pair.photo)
        Image.fromarray(((made.mask > 0.5) * 255).astype(np.uint8)).save(pair.mask)
        found.append(pair)
    return found


def test_drawing_the_truth_scores_as_well_as_its_own_resizing_allows(pairs: list[Pair]) -> None:
    seen: list[tuple[int, int]] = []
    truths = iter([np.asarray(Image.open(p.mask).resize((32, 32))) for p in pairs])

    def draw(image: np.ndarray) -> np.ndarray:
        assert image.shape == (1, 3, 32, 32)
        return (next(truths) / np.float32(255)).astype(np.float32)[None, None]

    found = evaluate(draw, of_pairs(pairs), SPEC, lambda done, total: seen.append((done, total)))
    assert found.photos == 2 and seen == [(1, 2), (2, 2)]
    # Half the resolution blurs edges: a few per cent of an object's area.
    assert found.scores["max_f_authors"] > 0.9 and found.scores["mae"] < 0.1
    assert set(found.by_photo) == {"0.png", "1.png"}
    mean = np.mean([one["mae"] for one in found.by_photo.values()])
    assert found.scores["mae"] == pytest.approx(mean)
    assert found.by_photo["0.png"]["mae"] != found.by_photo["1.png"]["mae"]


def test_photos_of_one_name_are_told_apart(pairs: list[Pair]) -> None:
    names = [sample.name for sample in of_pairs([*pairs, pairs[0]])]
    assert names == [str(pairs[0].photo), "1.png", str(pairs[0].photo)]


@pytest.mark.parametrize("gone", ["photo", "mask"])
def test_a_photo_that_goes_away_half_way_is_named(
    pairs: list[Pair], gone: str, tmp_path: Path
) -> None:
    moved = Pair(tmp_path / "photo.png", tmp_path / "mask.png")
    shutil.copy(pairs[1].photo, moved.photo)
    shutil.copy(pairs[1].mask, moved.mask)
    file = getattr(moved, gone)
    with pytest.raises(ImageError, match=rf"There is no photo {file}"):
        evaluate(
            lambda image: image[:, :1],
            of_pairs([pairs[0], moved]),
            SPEC,
            lambda done, total: file.unlink(),
        )


def test_rounding_of_the_last_bit_changes_no_score(pairs: list[Pair]) -> None:
    """1 - 6e-8 and 1 are the same white: masks are measured in grey levels, rounded."""

    def draw(image: np.ndarray) -> np.ndarray:
        # 0.13, because halves of 0 and 1 lie just between two grey levels.
        return np.where(image.mean(1, keepdims=True) > 0.4, 1, 0.13).astype(np.float32)

    exact = evaluate(draw, of_pairs(pairs), SPEC).scores
    nearly = evaluate(
        lambda image: draw(image) * np.float32(1 - 6e-8), of_pairs(pairs), SPEC
    ).scores
    assert nearly == exact


def test_masks_that_are_no_numbers_and_several_classes_are_refused(pairs: list[Pair]) -> None:
    with pytest.raises(InputError, match="not numbers"):
        evaluate(lambda image: np.full((1, 1, 32, 32), np.nan, np.float32), of_pairs(pairs), SPEC)
    classes = ModelSpec("cloth", SPEC.image, MaskSpec(channels=2, labels=("a", "b")))
    with pytest.raises(InputError, match="2 classes"):
        evaluate(lambda image: image, of_pairs(pairs), classes)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/DUTS-TE", "DUTS-TE"),
        ("data/ECSSD/images", "ECSSD"),
        ("DUT_OMRON", "DUT-OMRON"),
        ("/data/holiday", None),
    ],
)
def test_the_papers_data_sets_are_known_by_their_folders(path: str, name: str | None) -> None:
    assert paper_set(path) == name


def test_a_checkpoint_is_measured_and_written_down(pairs: list[Pair], tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(u2netp().state_dict(), tmp_path / "w.pth")
    images, masks = pairs[0].photo.parent, pairs[0].mask.parent
    arguments = ["evaluate", str(tmp_path / "w.pth"), "--images", str(images)]
    arguments += ["--masks", str(masks), "--json", str(tmp_path / "e.json"), "--paper"]
    ended = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert ended.exception is None
    assert "paper, u2netp, ECSSD (1000)" in ended.output and "0.943" in ended.output
    saved = json.loads((tmp_path / "e.json").read_text())
    assert saved["photos"] == 2 and 0 <= saved["scores"]["mae"] <= 1


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match=r"gone\.pth"),
        open_evaluated(str(tmp_path / "gone.pth"), None),
    ):
        pass


def test_scenes_are_measured_that_nothing_was_trained_on(tmp_path: Path) -> None:
    samples = of_scenes(3, ImageSpec(48, 64))
    assert [sample.read()[1].shape for sample in samples] == [(48, 64)] * 3
    arguments = ["evaluate", "demo", "--scenes", "2", "--paper", "--json", str(tmp_path / "e.json")]
    ended = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert ended.exception is None
    assert "paper, u2netp" in ended.output  # the demonstration is a U²-Netp
    names = json.loads((tmp_path / "e.json").read_text())["by_photo"]
    assert list(names) == [sample.name for sample in samples[:2]]


def test_a_checkpoint_is_measured_at_the_size_it_was_trained_for(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(u2netp().state_dict(), tmp_path / "w.pth")
    with open_evaluated(str(tmp_path / "w.pth"), None, size=48) as found:
        assert (found.spec.image.height, found.spec.image.width) == (48, 48)
        assert found.draw(np.zeros((1, 3, 48, 48), np.float32)).shape == (1, 1, 48, 48)


def test_one_of_several_sets_is_measured_and_said(pairs: list[Pair], tmp_path: Path) -> None:
    torch.manual_seed(0)
    both = {"model": u2netp().state_dict(), "ema": u2netp().state_dict()}
    torch.save(both, tmp_path / "w.pth")
    images, masks = pairs[0].photo.parent, pairs[0].mask.parent
    (images / "b.gif").write_bytes(b"")
    arguments = ["evaluate", str(tmp_path / "w.pth"), "--images", str(images), "--size", "32"]
    arguments += ["--masks", str(masks), "--weights-key"]
    ended = CliRunner().invoke(cli, [*arguments, "ema"], standalone_mode=False)
    assert ended.exception is None
    assert "taken from ema; ignored: model" in ended.output
    assert "Photos left out: 1 (b.gif)" in ended.output
    ended = CliRunner().invoke(cli, [*arguments, "none"], standalone_mode=False)
    assert isinstance(ended.exception, CheckpointError)


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["--scenes", "1", "--images", "."],
        ["--scenes", "1", "--masks", "."],
        ["--scenes", "1", "--json", "no/folder/e.json"],
    ],
)
def test_what_can_not_be_measured_is_refused_before_anything_is(given: list[str]) -> None:
    ended = CliRunner().invoke(cli, ["evaluate", "demo", *given], standalone_mode=False)
    assert isinstance(ended.exception, UsageError)


def test_a_network_of_ones_own_is_measured_at_its_size(pairs: list[Pair], tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(u2netp().state_dict(), tmp_path / "w.pth")
    own = "maskport.models.u2net:u2netp"
    with open_evaluated(str(tmp_path / "w.pth"), own, size=32) as found:
        assert found.spec.image.height == 32 and found.family == ""
        assert found.draw(np.zeros((1, 3, 32, 32), np.float32)).shape == (1, 1, 32, 32)
    with (
        pytest.raises(SpecError, match="size is missing"),
        open_evaluated(str(tmp_path / "w.pth"), own),
    ):
        pass
