"""What training wraps a network in is taken off, and what can't be is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from maskport.errors import NetworkError
from maskport.models.wrappers import unwrapped


class Net(nn.Module):
    """A network."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


@pytest.mark.parametrize(
    "wrap",
    [
        nn.DataParallel,
        AveragedModel,
        torch.compile,
        lambda net: torch.compile(nn.DataParallel(net)),
    ],
    ids=["DataParallel", "AveragedModel", "compiled", "both"],
)
def test_wrappers_of_torch_are_taken_off(wrap: Callable[[nn.Module], nn.Module]) -> None:
    assert type(unwrapped(wrap(Net()), "net")) is Net


def test_a_distributed_network_is_taken_out(tmp_path) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1
    )
    try:
        net = Net()
        assert unwrapped(DistributedDataParallel(net), "net") is net
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("net", [Net(), nn.Sequential(Net()), nn.Conv2d(3, 1, 1)])
def test_what_is_no_wrapper_stays(net: nn.Module) -> None:
    assert unwrapped(net, "net") is net


class LightningModule(nn.Module):
    """What Lightning's own is to PyTorch: a module whose forward asks its base for one."""

    _jit_is_scripting = False

    @property
    def trainer(self) -> object:
        """Its trainer, which is looked at by whatever goes through its attributes."""
        if not self._jit_is_scripting:
            raise RuntimeError("not attached to a `Trainer`.")
        return None

    def forward(self, *args: object) -> object:
        return super().forward(*args)


class Training(LightningModule):
    """A module that trains a network, and has no forward."""

    def __init__(self, **others: nn.Module) -> None:
        super().__init__()
        self.net = Net()
        self.criterion = nn.BCEWithLogitsLoss(pos_weight=torch.ones(1))
        for name, module in others.items():
            setattr(self, name, module)


class Drawing(Training):
    """One that has."""

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x).sigmoid()


def test_a_module_that_only_trains_gives_the_network_in_it() -> None:
    module = Training()
    assert unwrapped(module, "net") is module.net


def test_a_module_with_a_forward_of_its_own_stays() -> None:
    module = Drawing()
    assert unwrapped(module, "net") is module


def test_a_module_of_lightning_can_be_traced() -> None:
    photo = torch.ones(1, 3, 4, 4)
    with pytest.raises(RuntimeError, match="Trainer"):
        torch.jit.trace(nn.Sequential(Drawing()), photo)
    module = unwrapped(nn.Sequential(Drawing()), "net")
    assert torch.equal(torch.jit.trace(module, photo)(photo), module(photo))


def test_several_networks_in_one_module_are_named() -> None:
    with pytest.raises(NetworkError, match=r"nets:make\(\) is a Training .* net, ema") as caught:
        unwrapped(Training(ema=Net()), "nets:make()")
    assert "module.net" in caught.value.remedy


def test_a_module_with_nothing_to_run_is_refused() -> None:
    with pytest.raises(NetworkError, match="nothing in it to run"):
        unwrapped(nn.Module(), "net")


@pytest.mark.parametrize(
    "make", [torch.jit.script, lambda n: torch.jit.trace(n, torch.ones(1, 3, 2, 2))]
)
def test_a_torchscript_program_is_refused_with_a_remedy_that_works(make, tmp_path) -> None:
    net = Net()
    program = make(net)
    with pytest.raises(NetworkError, match="TorchScript program") as caught:
        unwrapped(nn.DataParallel(program), "net")
    assert "torch.jit.load(file).state_dict()" in caught.value.remedy
    program.save(str(tmp_path / "p.pt"))
    fresh = Net()
    fresh.load_state_dict(torch.jit.load(tmp_path / "p.pt").state_dict())
    assert torch.equal(fresh.conv.weight, net.conv.weight)
