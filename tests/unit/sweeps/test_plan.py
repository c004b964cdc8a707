"""A plan's file: what it asks for, and what is wrong with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from maskport.errors import CheckpointError, InputError, UsageError
from maskport.models import catalog
from maskport.quantization.recipe import named, write_recipe
from maskport.sweeps.plan import Plan, read_plan

NETWORK = '[[networks]]\nnetwork = "demo"\n'


def read(folder: Path, text: str) -> Plan:
    file = folder / "plan.toml"
    file.write_text(text)
    return read_plan(file)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    for number in (0, 1):
        torch.save({"number": torch.tensor(number)}, tmp_path / f"w{number}.pth")
    return tmp_path


def test_every_combination_is_a_bundle(weights: Path) -> None:
    plan = read(
        weights,
        'targets = ["onnx-fp32", "onnx-int8"]\nsizes = [64, "96x128"]\ncalibration = "scenes:4"\n'
        '[[networks]]\nnetwork = "demo"\nweights = ["w0.pth", "w1.pth"]\n'
        '[[networks]]\nnetwork = "u2netp"\nweights = "random:7"\nsizes = [32]\n',
    )
    assert [cell.name for cell in plan.cells] == [
        *("demo-w0-64x64", "demo-w0-96x128", "demo-w1-64x64", "demo-w1-96x128"),
        "u2netp-random-7-32x32",
    ]
    first, last = plan.cells[0], plan.cells[-1]
    assert first.weights == str(weights / "w0.pth") and last.weights == "random:7"
    assert first.targets == last.targets == ("onnx-fp32", "onnx-int8")
    assert len({cell.key for cell in plan.cells}) == 5
    assert last.weight_bytes == 4 * sum(
        parameter.numel() for parameter in catalog.entry("u2netp").build().parameters()
    )
    assert (plan.latency, plan.shard, plan.threads, plan.photos) == ("standard", 128, 1, None)


def test_a_second_recipe_makes_what_is_quantised_by_one_only(tmp_path: Path) -> None:
    write_recipe(named("plain"), tmp_path / "mine.toml")
    plan = read(
        tmp_path,
        'targets = ["onnx-fp32", "onnx-int8"]\ncalibration = "scenes:4"\nsizes = [32]\n'
        f'recipes = ["best", "mine.toml"]\n{NETWORK}',
    )
    assert [cell.targets for cell in plan.cells] == [("onnx-fp32", "onnx-int8"), ("onnx-int8",)]
    assert [cell.name for cell in plan.cells] == ["demo-32x32-best", "demo-32x32-mine"]


def test_a_key_changes_with_whatever_makes_another_bundle(weights: Path) -> None:
    text = 'targets = ["onnx-fp32"]\nsizes = [32]\n[[networks]]\nnetwork = "demo"\n'

    def key(more: str = "", plan: str = text) -> str:
        return read(weights, plan + more).cells[0].key

    keys = [
        key(),
        key(plan=text.replace("fp32", "fp16")),
        key(plan=text.replace("[32]", "[64]")),
        key('license = "MIT"\n'),
        key('weights = "w0.pth"\n'),
        key("spec = { threshold = 0.4 }\n"),
    ]
    assert len(set(keys)) == len(keys)
    shutil.copy(weights / "w1.pth", weights / "w0.pth")
    assert key('weights = "w0.pth"\n') not in keys
    assert key() == keys[0]


def test_bundles_of_one_name_are_told_apart_and_the_same_one_is_made_once(weights: Path) -> None:
    (weights / "a").mkdir()
    shutil.copy(weights / "w1.pth", weights / "a" / "w0.pth")
    plan = read(
        weights,
        'targets = ["onnx-fp32"]\nsizes = [32, 32]\n'
        '[[networks]]\nnetwork = "demo"\nweights = ["w0.pth", "a/w0.pth"]\n',
    )
    assert [cell.name for cell in plan.cells] == [
        f"demo-w0-32x32-{cell.key[:8]}" for cell in plan.cells
    ]
    assert len(plan.cells) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "networks: Field required"),
        ("networks = []\n", "networks"),
        (f'target = ["onnx"]\n{NETWORK}', "target: Extra inputs"),
        (f"shard = 0\n{NETWORK}", "shard: Input should be greater than or equal to 1 (0)"),
        (f'latency = "fast"\n{NETWORK}', "latency"),
        (f'targets = ["onx"]\n{NETWORK}', "onx"),
        ('[[networks]]\nnetwork = "dmo"\n', "no network 'dmo'"),
        (f'{NETWORK}weights = "gone.pth"\n', "gone.pth"),
        (f"{NETWORK}spec = {{ tresh = 1 }}\n", "tresh"),
        (f'gates = "gone.toml"\n{NETWORK}', "gone.toml"),
        (f'recipes = ["bets"]\n{NETWORK}', "bets"),
        (f'calibration = "gone"\ntargets = ["onnx-int8"]\n{NETWORK}', "gone"),
        ('targets = ["onnx-int8"]\n[[networks]]\nnetwork = "u2netp"\n', "needs photos"),
        ("networks = 1\n[", "plan.toml"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises((UsageError, InputError, CheckpointError)) as raised:
        read(tmp_path, text)
    assert says in str(raised.value)


def test_a_networks_own_choice_goes_before_the_plans(tmp_path: Path) -> None:
    plan = read(
        tmp_path,
        f'targets = ["onnx-fp32"]\nsizes = [32]\n{NETWORK}targets = ["torchscript-lite"]\n'
        "sizes = [64]\n",
    )
    (cell,) = plan.cells
    assert (cell.targets, cell.spec.image.height) == (("torchscript-lite",), 64)
