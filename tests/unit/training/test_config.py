"""A run's configuration: what is refused, what may change when it goes on."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from maskport.errors import UsageError
from maskport.training.config import TrainingConfig, read_config, resumed
from maskport.training.optimizer import learning_rate

RUN = TrainingConfig("u2netp", images=("photos",), steps=100)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"images": ()}, "nothing to train on"),
        ({"masks": ("m", "n")}, "1 --images and 2 --masks"),
        ({"val_masks": ("m",)}, "0 --val-images and 1 --val-masks"),
        ({"steps": None}, "given nowhere"),
        ({"epochs": 3}, "given twice"),
        ({"crop": 400}, "does not fit"),
        ({"loss": "mse"}, "no loss 'mse'"),
    ],
)
def test_what_makes_no_sense_together_is_refused(values: dict, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        TrainingConfig("u2netp", **{"images": ("photos",), "steps": 100, **values})


def test_a_configuration_survives_its_file(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(RUN.to_json())
    assert read_config(file) == RUN


@pytest.mark.parametrize("content", ["", "[]", '{"network": "u2netp", "color_space": 1}', "{}"])
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(content)
    with pytest.raises(UsageError, match=r"config\.json"):
        read_config(file)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        read_config(tmp_path / "config.json")


def test_a_run_that_goes_on_may_be_longer_and_elsewhere() -> None:
    later = resumed(RUN, {"epochs": 2.0, "device": "cpu", "workers": 3, "batch": 12})
    assert (later.epochs, later.steps, later.device, later.workers) == (2.0, None, "cpu", 3)
    assert resumed(RUN, {"images": ("moved",)}).images == ("moved",)


@pytest.mark.parametrize("change", [{"batch": 6}, {"seed": 1}, {"scenes": 5}])
def test_a_run_that_goes_on_keeps_what_its_losses_depend_on(change: dict) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(change))}: "):
        resumed(RUN, change)


def test_a_run_whose_rate_falls_with_its_length_keeps_its_length() -> None:
    falling = TrainingConfig("u2netp", images=("photos",), steps=100, schedule="cosine")
    with pytest.raises(UsageError, match="cosine"):
        resumed(falling, {"steps": 200})
    assert resumed(falling, {"steps": 100}) == falling


def test_the_learning_rate_rises_and_stays() -> None:
    run = TrainingConfig("u2netp", images=("p",), steps=100, learning_rate=0.4, warmup=4)
    assert [learning_rate(run, s, 100) for s in range(6)] == pytest.approx(
        [0.1, 0.2, 0.3, 0.4, 0.4, 0.4]
    )


def test_the_learning_rate_falls_along_a_cosine() -> None:
    run = TrainingConfig("u2netp", images=("p",), steps=110, schedule="cosine", warmup=10)
    assert learning_rate(run, 10, 110) == pytest.approx(1e-3)
    assert learning_rate(run, 60, 110) == pytest.approx(0.5e-3)
    assert learning_rate(run, 35, 110) == pytest.approx(1e-3 * (1 + math.sqrt(0.5)) / 2)
    assert 0 < learning_rate(run, 109, 110) < 1e-6


def test_a_run_that_goes_on_keeps_what_auto_chose() -> None:
    chosen = replace(RUN, precision="bf16")
    assert resumed(chosen, {"precision": "auto"}) == chosen
    with pytest.raises(UsageError, match="precision: bf16 in the run, fp32 now"):
        resumed(chosen, {"precision": "fp32"})
