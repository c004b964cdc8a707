"""Whole runs of a tiny network: what they leave behind, and that they go on exactly."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file

from maskport.errors import CheckpointError, NetworkError, ToolError, UsageError
from maskport.imaging.convert import mask_for_photo, photo_to_input
from maskport.metrics import SaliencyScores
from maskport.models.checkpoints import load_weights
from maskport.models.factory import build
from maskport.models.prepared import Reference
from maskport.scenes import scene
from maskport.training.config import TrainingConfig, read_config
from maskport.training.loop import TrainingEvent, train
from maskport.training.start import build_network, data_of

from .conftest import write_pair

Make = Callable[..., TrainingConfig]


class Killed(BaseException):
    """Stands for a process that ends without a word."""


def killed_at(step: int) -> Callable[[TrainingEvent], None]:
    def watch(event: TrainingEvent) -> None:
        if event.kind == "step" and event.step == step:
            raise Killed

    return watch


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def without_times(out: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines(out)]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "adamw", "schedule": "cosine", "warmup": 2, "loss": "bce+iou+ssim"},
        {"precision": "bf16"},
    ],
    ids=["as the authors", "adamw, cosine, all losses", "bfloat16"],
)
def test_a_killed_run_goes_on_as_if_nothing_had_been(
    config: Make, tmp_path: Path, workers: int, changes: dict[str, Any]
) -> None:
    run = config(workers=workers, **changes)
    train(run, tmp_path / "whole")
    with pytest.raises(Killed):
        train(run, tmp_path / "parts", watch=killed_at(5))  # its state is of step 3
    train(run, tmp_path / "parts", resume=True)
    assert without_times(tmp_path / "parts") == without_times(tmp_path / "whole")
    for name in ("best.safetensors", "last.safetensors"):
        whole, parts = (load_file(tmp_path / kind / name) for kind in ("whole", "parts"))
        assert all(torch.equal(whole[key], parts[key]) for key in whole)


@pytest.mark.parametrize("family", ["fine", "refined"])
def test_networks_of_other_families_are_trained_on_all_of_their_maps(
    config: Make, tmp_path: Path, network: str, family: str
) -> None:
    own = network.replace("tiny", family)
    run = config(network=own, steps=16, every=16, learning_rate=1e-2, loss="bce+iou+ssim")
    train(run, tmp_path)
    steps = [line for line in lines(tmp_path) if "rate" in line]
    assert np.mean([s["loss"] for s in steps[-5:]]) < np.mean([s["loss"] for s in steps[:5]])
    assert all(line["fused"] < line["loss"] for line in steps)
    trained = build(own)
    load_weights(trained, tmp_path / "best.safetensors")
    assert trained.sigmoid and not any(n.isnan().any() for n in trained.state_dict().values())


def test_ctrl_c_ends_after_the_step_with_its_state_kept(config: Make, tmp_path: Path) -> None:
    def interrupt(event: TrainingEvent) -> None:
        if event.kind == "step" and event.step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    stopped = train(config(), tmp_path / "parts", watch=interrupt)
    assert signal.getsignal(signal.SIGINT) is before
    assert stopped.step < stopped.steps == 8
    train(config(), tmp_path / "parts", resume=True)
    train(config(), tmp_path / "whole")
    assert without_times(tmp_path / "parts") == without_times(tmp_path / "whole")


def test_ctrl_c_while_scoring_scores_that_step_again(config: Make, tmp_path: Path) -> None:
    def interrupt(event: TrainingEvent) -> None:
        if event.kind == "scoring" and event.step == 3 and event.done == 1:
            os.kill(os.getpid(), signal.SIGINT)

    run = config(batch=1)  # photos are scored one by one
    assert train(run, tmp_path / "parts", watch=interrupt).step == 3
    assert [line for line in lines(tmp_path / "parts") if "max_f" in line] == []
    train(run, tmp_path / "parts", resume=True)
    train(run, tmp_path / "whole")
    assert without_times(tmp_path / "parts") == without_times(tmp_path / "whole")


def test_photos_may_have_moved_but_must_be_the_same(
    config: Make, pairs: Path, tmp_path: Path
) -> None:
    run = config(steps=6, every=3)
    train(run, tmp_path / "out")
    moved = pairs.rename(tmp_path / "elsewhere")
    there = {
        name: tuple(path.replace(str(pairs), str(moved)) for path in getattr(run, name))
        for name in ("images", "masks", "val_images", "val_masks")
    }
    assert train(replace(run, steps=9, **there), tmp_path / "out", resume=True).step == 9
    first = next((moved / "photos").iterdir())
    first.write_bytes(first.read_bytes() + b"more")
    with pytest.raises(UsageError, match="are others than"):
        train(replace(run, steps=12, **there), tmp_path / "out", resume=True)


def test_a_run_can_be_made_longer(config: Make, tmp_path: Path) -> None:
    run = config(steps=6, every=3)
    train(run, tmp_path / "parts")
    train(replace(run, steps=9), tmp_path / "parts", resume=True)
    train(replace(run, steps=9), tmp_path / "whole")
    assert without_times(tmp_path / "parts") == without_times(tmp_path / "whole")


def test_the_best_weights_are_kept_and_score_what_was_logged(
    config: Make, tmp_path: Path, network: str
) -> None:
    """Against `SaliencyScores` and the network as an export would load it."""
    run = config(learning_rate=0.02, steps=12)
    finished = train(run, tmp_path / "out")
    scored = [line for line in lines(tmp_path / "out") if "max_f" in line]
    assert [line["step"] for line in scored] == [3, 6, 9, 12]
    best = max(scored, key=lambda line: (line["max_f"], -line["mae"]))
    assert finished.best["step"] == best["step"]
    fresh = build(network)
    load_weights(fresh, tmp_path / "out/best.safetensors")
    reference = Reference(fresh, build_network(run, print)[1])
    scores = SaliencyScores()
    for seed in range(3):
        drawn = scene(seed, 36, 36)
        values = reference.draw(photo_to_input(drawn.photo, reference.spec.image), "cpu")[0]
        mask = mask_for_photo(values, reference.spec.mask, 36, 36)
        scores.add(mask[None], drawn.mask[None, None])
    result = scores.result()
    assert best["mae"] == pytest.approx(result["mae"], abs=1e-6)
    assert best["max_f"] == pytest.approx(result["max_f_authors"], abs=1e-3)


def test_a_few_photos_are_learnt_by_heart(config: Make, pairs: Path, tmp_path: Path) -> None:
    run = config(
        scenes=0, val_scenes=0, steps=150, every=150, learning_rate=0.01, size=32, batch=7,
        color=0.0, flips="none",
    )  # fmt: skip
    train(run, tmp_path / "out")
    fused = [line["fused"] for line in lines(tmp_path / "out") if "fused" in line]
    # Photos of the data set's mean alone cost about 0.5 (its masks cover about a fifth).
    assert np.mean(fused[-10:]) < 0.35
    assert np.mean(fused[-10:]) < 0.6 * np.mean(fused[:5])


def test_without_photos_to_score_on_the_lowest_loss_is_the_best(
    config: Make, tmp_path: Path
) -> None:
    finished = train(config(val_scenes=0), tmp_path / "out")
    means = {line["step"]: line["loss"] for line in lines(tmp_path / "out") if "fused" not in line}
    assert finished.best["step"] == min(means, key=means.__getitem__)
    steps = {line["step"]: line["loss"] for line in lines(tmp_path / "out") if "fused" in line}
    assert means[6] == pytest.approx(np.mean([steps[4], steps[5], steps[6]]), rel=1e-6)


def test_an_epoch_is_counted_in_samples(config: Make, tmp_path: Path) -> None:
    """Ten samples in batches of four: three steps an epoch, five for one and a half."""
    run = config(epochs=1.5, steps=None, every=None)
    train(run, tmp_path / "out")
    assert [(x["step"], "max_f" in x) for x in lines(tmp_path / "out")] == [
        (1, False), (2, False), (3, False), (3, True), (4, False), (4, True)
    ]  # fmt: skip


def test_a_folder_with_a_run_is_not_overwritten(config: Make, tmp_path: Path) -> None:
    train(config(), tmp_path)
    with pytest.raises(UsageError, match="holds a run already"):
        train(config(), tmp_path)


def test_a_run_does_not_go_on_with_other_photos(config: Make, pairs: Path, tmp_path: Path) -> None:
    train(config(), tmp_path / "out")
    (pairs / "photos/0003.jpg").unlink()
    with pytest.raises(UsageError, match="others than those"):
        train(config(steps=20), tmp_path / "out", resume=True)


@pytest.mark.parametrize("content", [b"", b"\x10\0\0\0\0\0\0\0{}", b"not safetensors at all"])
def test_a_damaged_state_is_named_with_a_way_out(
    config: Make, tmp_path: Path, content: bytes
) -> None:
    train(config(), tmp_path)
    (tmp_path / "resume.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"--init .*last\.safetensors"):
        train(config(steps=20), tmp_path, resume=True)


def test_training_can_begin_from_a_file(config: Make, tmp_path: Path) -> None:
    train(config(), tmp_path / "first")
    weights = tmp_path / "first/last.safetensors"
    network, _ = build_network(config(init=str(weights)), print)
    kept = load_file(weights)
    assert all(torch.equal(kept[name], value) for name, value in network.state_dict().items())


def test_training_can_begin_from_one_of_several_sets(config: Make, tmp_path: Path) -> None:
    network, _ = build_network(config(seed=1), print)
    other, _ = build_network(config(seed=2), print)
    weights = tmp_path / "w.pth"
    torch.save({"model": network.state_dict(), "ema": other.state_dict()}, weights)
    said: list[str] = []
    started = config(init=str(weights), weights_key="ema", steps=2)
    begun, _ = build_network(started, said.append)
    assert torch.equal(begun.side1.weight, other.side1.weight)
    assert "taken from ema" in said[0]
    train(started, tmp_path / "out")
    assert train(replace(started, steps=3), tmp_path / "out", resume=True).complete
    with pytest.raises(UsageError, match="no file of weights"):
        config(weights_key="ema")


def test_a_loss_that_is_not_finite_ends_the_run(config: Make, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="The loss became nan at step"):
        train(config(learning_rate=1e30), tmp_path)


def test_a_worker_that_is_killed_is_named_and_the_run_goes_on(config: Make, tmp_path: Path) -> None:
    others = set(psutil.Process().children())

    def kill_workers(event: TrainingEvent) -> None:
        if event.kind == "step" and event.step == 5:
            for child in set(psutil.Process().children()) - others:
                child.kill()

    run = config(workers=1, steps=60, every=3)
    with pytest.raises(ToolError, match="loads samples was ended"):
        train(run, tmp_path, watch=kill_workers)
    assert train(replace(run, steps=6), tmp_path, resume=True).step == 6


def test_a_network_whose_maps_are_unknown_is_refused(config: Make, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="maps of one mask that training supervises"):
        train(config(network="torch.nn:Identity"), tmp_path)
    with pytest.raises(NetworkError, match="maps of one mask"):
        train(config(network="u2net_cloth_seg"), tmp_path)


def test_an_unknown_device_is_refused(config: Make, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no device 'abacus'"):
        train(config(device="abacus"), tmp_path)


def test_the_configuration_is_kept_with_what_auto_chose(config: Make, tmp_path: Path) -> None:
    train(config(precision="auto", steps=1), tmp_path)
    kept = read_config(tmp_path / "config.json")
    assert kept.precision in {"fp32", "bf16"}
    assert replace(kept, precision="auto") == config(precision="auto", steps=1)


def test_several_folders_are_one_data_set(config: Make, pairs: Path, tmp_path: Path) -> None:
    write_pair(tmp_path / "ECSSD/images", tmp_path / "ECSSD/ground_truth_mask", 50)
    run = config(
        images=(str(pairs / "photos"), str(pairs / "photos")),
        masks=(str(pairs / "masks"), str(pairs / "masks")),
        scenes=0,
    )
    both = data_of(run, build_network(run, print)[1], lambda _text: None)
    assert both.stream.epoch_length == 14
    published = replace(run, images=(str(tmp_path / "ECSSD"),), masks=())
    alone = data_of(published, build_network(run, print)[1], lambda _text: None)
    assert alone.stream.epoch_length == 1
