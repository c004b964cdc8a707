"""Of what training programs save, the network's weights are taken, and the rest is named."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import pathlib
from collections import OrderedDict, defaultdict, deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from maskport.errors import CheckpointError
from maskport.models.checkpoints import Taken, load_weights


class Net(nn.Module):
    """A convolution, its batch norm, and a head: what has names, buffers and counters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.norm = nn.BatchNorm2d(2)
        self.head = nn.Conv2d(2, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.conv(x)))


def state(seed: int, prefix: str = "") -> dict[str, torch.Tensor]:
    """Weights that no other seed has."""
    torch.manual_seed(seed)
    return {f"{prefix}{name}": tensor for name, tensor in Net().state_dict().items()}


def taken(content: Any, tmp_path: Path, key: str | None = None, seed: int = 1) -> Taken:
    """What of a file is taken; they have to be the weights of ``seed``."""
    torch.save(content, tmp_path / "w.pth")
    torch.manual_seed(99)
    network = Net()
    found = load_weights(network, tmp_path / "w.pth", key)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, state(seed)[name]), name
    return found


def refused(content: Any, tmp_path: Path, key: str | None = None) -> CheckpointError:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(CheckpointError) as caught:
        load_weights(Net(), tmp_path / "w.pth", key)
    return caught.value


# Where weights are, and what stands before their names.


def test_nothing_is_said_of_a_file_that_is_nothing_but_weights(tmp_path: Path) -> None:
    assert taken(state(1), tmp_path) == Taken()
    assert str(Taken()) == ""


@pytest.mark.parametrize("nest", ["state_dict", "model", "model_state_dict", "net", "weights", "g"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "net.", "model.backbone.module."])
def test_any_nest_and_any_prefix_are_undone_and_named(
    tmp_path: Path, nest: str, prefix: str
) -> None:
    content = {"epoch": 3, "optimizer": {"lr": 0.1}, nest: state(1, prefix)}
    assert taken(content, tmp_path) == Taken(nest, prefix, ("epoch", "optimizer"))


def test_the_sentence_has_all_that_was_found() -> None:
    found = Taken("state_dict", "net.", ("epoch", "criterion.pos_weight"))
    assert str(found) == (
        "taken from state_dict; net. taken off the names; ignored: epoch, criterion.pos_weight"
    )


@pytest.mark.parametrize("key", [None, "1"])
def test_a_tuple_of_what_was_saved_is_looked_into(tmp_path: Path, key: str | None) -> None:
    content = (3, state(1), {"lr": 0.1})
    assert taken(content, tmp_path, key) == Taken("1", "", ("0", "2"))


def test_a_network_whose_parts_were_saved_apart_is_put_together(tmp_path: Path) -> None:
    parts: dict[str, Any] = {"epoch": 3}
    for name, tensor in state(1).items():
        module, _, own = name.partition(".")
        parts.setdefault(module, {})[own] = tensor
    assert taken(parts, tmp_path) == Taken("", "", ("epoch",))


class Wrapped(nn.Module):
    """What a factory may return: the trained network behind something that prepares its input."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(Net())


@pytest.mark.parametrize("prefix", ["", "module."])
def test_names_that_the_factorys_own_wrapper_adds_are_no_hindrance(
    tmp_path: Path, prefix: str
) -> None:
    torch.save({"model": state(1, prefix)}, tmp_path / "w.pth")
    network = Wrapped()
    assert load_weights(network, tmp_path / "w.pth") == Taken("model", prefix)
    assert torch.equal(network.inner[0].norm.bias, state(1)["norm.bias"])
    with pytest.raises(CheckpointError, match=r"missing from the file:\n  inner\.0\.conv\.weight"):
        load_weights(network, save_half(tmp_path))


def save_half(folder: Path) -> Path:
    torch.save({n: t for n, t in state(1).items() if "conv" not in n}, folder / "half.pth")
    return folder / "half.pth"


def test_a_prefix_that_only_some_names_have_is_none(tmp_path: Path) -> None:
    half = {(n if n.startswith("conv") else f"module.{n}"): t for n, t in state(1).items()}
    assert "missing from the file" in refused(half, tmp_path).what


# What lies beside them.


def test_counters_of_thop_are_ignored(tmp_path: Path) -> None:
    content = state(1)
    for module in ("", "conv.", "norm.", "head."):
        content |= {f"{module}total_ops": torch.zeros(1), f"{module}total_params": torch.zeros(1)}
    ignored = ("*.total_ops (4 tensors)", "*.total_params (4 tensors)")
    assert taken(content, tmp_path).ignored == ignored


def test_a_lightning_checkpoint_is_read(tmp_path: Path) -> None:
    content = {
        "epoch": 9,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": {
            **state(1, "net."),
            "criterion.pos_weight": torch.ones(1),
            "train_metrics.iou.confmat": torch.zeros(2, 2),
            "loss_fn.kernel": torch.zeros(1),
            "loss_fn.window": torch.zeros(1),
        },
        "callbacks": {"ModelCheckpoint{'monitor': 'loss'}": {"best": torch.tensor(0.1)}},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2, 3, 1, 1)}}}],
        "lr_schedulers": [],
        "hyper_parameters": {"lr": 1e-3},
    }
    found = taken(content, tmp_path)
    assert (found.key, found.prefix) == ("state_dict", "net.")
    assert found.ignored == (
        *("epoch", "pytorch-lightning_version", "callbacks (1 tensor)"),
        *("optimizer_states", "lr_schedulers", "hyper_parameters"),
        *("criterion.pos_weight", "train_metrics.iou.confmat", "loss_fn.* (2 tensors)"),
    )


def test_a_lightning_module_of_a_model_alone_is_read(tmp_path: Path) -> None:
    assert taken({"state_dict": state(1, "model.")}, tmp_path) == Taken("state_dict", "model.")


def test_an_averaged_model_is_read(tmp_path: Path) -> None:
    torch.manual_seed(1)
    content = AveragedModel(Net()).state_dict()
    assert taken(content, tmp_path) == Taken("", "module.", ("n_averaged",))


def test_an_optimizer_whose_moments_have_the_weights_names_is_none(tmp_path: Path) -> None:
    content = {"model": state(1), "optimizer": {"momentum": state(2)}, "scaler": state(3)}
    assert taken(content, tmp_path).key == "model"


def test_weights_of_another_network_are_ignored_and_said(tmp_path: Path) -> None:
    content = {"generator": state(1), "discriminator": nn.Conv2d(1, 1, 1).state_dict()}
    assert taken(content, tmp_path) == Taken("generator", "", ("discriminator (2 tensors)",))


def test_many_things_beside_are_counted(tmp_path: Path) -> None:
    content = {"model": state(1), **{f"fact {index:02}": index for index in range(45)}}
    ignored = taken(content, tmp_path).ignored
    # Thirty, and how many more.
    assert ignored[-2:] == ("fact 29", "and 15 more")


def test_a_stranger_among_the_weights_is_refused_and_how_to_leave_it_out(tmp_path: Path) -> None:
    content = {"state_dict": {**state(1, "net."), "mean": torch.zeros(3)}}
    error = refused(content, tmp_path)
    assert "1 unexpected in the file:\n  state_dict.mean" in error.what
    assert "(taken from state_dict; net. taken off the names)" in error.what
    key = error.remedy.rpartition(" ")[2]
    assert key == "state_dict.net"
    assert taken(content, tmp_path, key).ignored == ("state_dict.mean (1 tensor)",)


# Several sets.


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("model", "ema"),
        ("model", "model_ema"),
        ("state_dict", "state_dict_ema"),
        ("params", "params_ema"),
        ("student", "teacher"),
        ("net.a", "net.b"),
        ("current_model_state", "state_dict"),
    ],
)
def test_two_sets_are_listed_and_either_can_be_taken(
    tmp_path: Path, first: str, second: str
) -> None:
    content = {first: state(1, "module."), second: state(2, "module."), "epoch": 3}
    error = refused(content, tmp_path)
    # Three modules with weight and bias, and a batch norm's three buffers.
    lines = [line.split() for line in error.what.splitlines()[1:]]
    assert lines == [[f"{name}.module", "9", "tensors"] for name in (first, second)]
    assert "--weights-key" in error.remedy
    for seed, name in ((1, first), (2, second)):
        found = taken(content, tmp_path, name, seed)
        assert (found.key, found.prefix) == (name, "module.")
        assert len(found.ignored) == 2


@pytest.mark.parametrize(
    ("ema", "said"),
    [
        ({"decay": 0.999, "shadow_params": [*state(2).values()]}, "ema 9 tensors without names"),
        ({n: t for n, t in state(2).items() if "running" not in n}, "ema 7 tensors"),
        ({n.replace(".", ""): t for n, t in state(2).items()}, "ema 9 tensors"),
        (Net(), "ema a whole Net, which is not read"),
    ],
    ids=["without names", "parameters alone", "names without dots", "a whole network"],
)
def test_an_average_that_does_not_fit_is_not_passed_over(
    tmp_path: Path, ema: Any, said: str
) -> None:
    """It is the set that was meant to be used, and the other one draws nearly the same mask."""
    content = {"model": state(1), "ema": ema}
    assert said in " ".join(refused(content, tmp_path).what.split())
    assert taken(content, tmp_path, "model").ignored[0].startswith("ema")


@pytest.mark.parametrize(
    "beside",
    [
        {"ema_decay": 0.999},
        {"ema_step": torch.tensor(3)},
        {"ema_decay": np.float64(0.999)},
        {"use_ema": True, "ema": None},
        {"avg_loss": 0.1, "average": {"loss": 0.3}},
        {"cinema": state(2, "x.")["x.conv.bias"]},
    ],
)
def test_what_only_sounds_like_an_average_is_ignored(
    tmp_path: Path, beside: dict[str, Any]
) -> None:
    assert taken({"model": state(1), **beside}, tmp_path).key == "model"


def test_an_average_that_is_all_there_is_is_taken(tmp_path: Path) -> None:
    assert taken({"model_ema": state(1), "epoch": 3}, tmp_path).key == "model_ema"


def test_an_average_of_parameters_alone_says_what_it_lacks(tmp_path: Path) -> None:
    ema = {n: t for n, t in state(1).items() if "running" not in n}
    error = refused({"model": state(2), "ema": ema}, tmp_path, "ema")
    assert "2 missing from the file:\n  norm.running_mean\n  norm.running_var" in error.what
    assert "{**network.state_dict(), **averages}" in error.remedy
    # What the remedy says.
    assert taken({**state(1), **ema}, tmp_path) == Taken()


@pytest.mark.parametrize("nest", ["", "state_dict"])
def test_two_sets_within_one_dict_are_told_apart_by_their_prefix(tmp_path: Path, nest: str) -> None:
    both = {**state(1, "net."), **state(2, "net_ema.module.")}
    content = {nest: both} if nest else both
    path = f"{nest}." if nest else ""
    assert f"{path}net_ema.module  9 tensors" in refused(content, tmp_path).what
    assert taken(content, tmp_path, f"{path}net").prefix == "net."
    assert taken(content, tmp_path, f"{path}net_ema", 2).prefix == "net_ema.module."


@pytest.mark.parametrize(("nest", "outer"), [("", "."), ("model", "model.")])
def test_names_as_they_stand_are_meant_by_a_dot_at_the_end(
    tmp_path: Path, nest: str, outer: str
) -> None:
    both = {**state(1), **state(2, "ema.")}
    content = {nest: both} if nest else both
    path = f"{nest}." if nest else ""
    error = refused(content, tmp_path)
    assert f"--weights-key {outer} " in error.remedy
    assert taken(content, tmp_path, outer) == Taken(nest, "", (f"{path}ema (9 tensors)",))
    assert taken(content, tmp_path, f"{path}ema", 2).prefix == "ema."


def test_one_set_under_two_names_is_one(tmp_path: Path) -> None:
    weights = state(1)
    assert taken({"model": weights, "best": weights}, tmp_path).key == "model"


@pytest.mark.parametrize("key", ["teacher", "model.net", "conv.weight.x", "mod"])
def test_a_key_that_is_not_there_says_what_is(tmp_path: Path, key: str) -> None:
    error = refused({"model": state(1), "epoch": 3}, tmp_path, key)
    assert f"nothing of the key '{key}'" in error.what
    assert error.remedy == "It holds model (9 tensors), epoch."


def test_a_key_of_something_else_is_described(tmp_path: Path) -> None:
    content = {"model": state(1), "ema": {"shadow_params": [*state(2).values()]}}
    assert "holds as ema 9 tensors without names" in refused(content, tmp_path, "ema").what


def test_a_set_that_covers_a_part_of_the_network_is_refused(tmp_path: Path) -> None:
    half = {n: t for n, t in state(1).items() if not n.startswith("head")}
    error = refused({"state_dict": half}, tmp_path)
    assert "2 missing from the file:\n  head.weight\n  head.bias" in error.what


# Classes of training programs beside the weights.


@dataclasses.dataclass
class Config:
    """A training program's own options."""

    lr: float = 0.1
    out: Path = Path("runs")


class Options(dict):
    """Options that are a dict, as EasyDict's, yacs' and Lightning's are."""


class History(list):
    """A list of a training program's own."""


class Weights(OrderedDict):
    """Weights in a dict of a training program's own."""


def windows_path() -> Any:
    """As a file from Windows has it: the class can't be made here."""
    path = object.__new__(pathlib.WindowsPath)
    for name, value in (("_drv", "C:"), ("_root", "\\"), ("_parts", ["C:\\", "runs"])):
        setattr(path, name, value)
    return path


@pytest.mark.parametrize(
    "beside",
    [
        argparse.Namespace(lr=0.1, sizes=[1, 2], out=Path("runs")),
        SimpleNamespace(lr=0.1),
        np.float64(0.1),
        np.int32(3),
        np.bool_(True),
        np.dtype("float32"),
        np.float32,
        np.arange(3),
        {"best": np.float64(0.3), "all": [np.float32(1), np.float32(2)]},
        pathlib.PurePosixPath("runs"),
        Path("runs"),
        pathlib.PureWindowsPath("C:/runs"),
        OrderedDict(a=1),
        defaultdict(list, a=[1]),
        defaultdict(dict, a={}),
        deque([1, 2], 5),
        {1, 2},
        frozenset({1}),
        b"bytes",
        complex(1, 2),
        datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        Config(),
        Options(lr=0.1, inner=Options(a=1)),
        History([1, 2]),
        torch.float16,
        torch.__version__,
        torch.device("cpu"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("zipped", [True, False])
def test_harmless_things_beside_the_weights_are_passed_over(
    tmp_path: Path, beside: Any, zipped: bool
) -> None:
    content = {"model": state(1), "beside": beside, "deeper": {"beside": [beside]}}
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    network = Net()
    found = load_weights(network, tmp_path / "w.pth")
    assert torch.equal(network.conv.weight, state(1)["conv.weight"])
    assert found == Taken("model", "", ("beside", "deeper"))


def test_weights_in_a_dict_of_the_programs_own_are_read(tmp_path: Path) -> None:
    assert taken({"model": Weights(state(1))}, tmp_path).key == "model"


def test_options_of_omegaconf_are_passed_over(tmp_path: Path) -> None:
    omegaconf = pytest.importorskip("omegaconf")
    options = omegaconf.OmegaConf.create({"lr": 0.1, "sizes": [1, {"a": None}], "path": "${lr}"})
    assert taken({"state_dict": state(1), "config": options}, tmp_path).ignored == ("config",)


def test_a_container_within_itself_does_not_hang(tmp_path: Path) -> None:
    content: dict[str, Any] = {"model": state(1)}
    content["self"] = content
    assert taken(content, tmp_path).key == "model"
