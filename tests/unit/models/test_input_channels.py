"""A network that takes no photo says so, and what it says to do works."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from maskport.errors import NetworkError
from maskport.models.checkpoints import load_weights
from maskport.models.input_channels import GREY, ZEROS
from maskport.models.prepared import Reference, check_output
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

SPEC = ModelSpec("net", ImageSpec(16, 16), MaskSpec())


class Net(nn.Module):
    """A network of so many channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 4, 3, padding=1)
        self.head = nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stem(x).relu()).sigmoid()


@pytest.mark.parametrize(
    ("channels", "remedy"), [(1, GREY), (4, ZEROS), (2, "makes of them 2 channels")]
)
def test_another_number_of_channels_is_named_with_the_convolution(
    channels: int, remedy: str
) -> None:
    with pytest.raises(NetworkError, match=rf"net takes {channels} channels?, and") as caught:
        check_output(Reference(Net(channels), SPEC), SPEC)
    assert f"convolution, stem, has in_channels={channels}" in caught.value.what
    assert remedy in caught.value.remedy
    assert "--size" not in str(caught.value)


@pytest.mark.parametrize(("channels", "remedy"), [(1, GREY), (4, ZEROS)])
def test_what_the_error_says_to_do_works(tmp_path: Path, channels: int, remedy: str) -> None:
    class Adapted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net(channels)

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = eval(remedy, {"self": self, "x": x, "torch": torch})
            return made

    trained = Net(channels)
    torch.save(trained.state_dict(), tmp_path / "w.pth")
    adapted = Adapted()
    load_weights(adapted, tmp_path / "w.pth")
    check_output(Reference(adapted, SPEC), SPEC)
    assert torch.equal(adapted.net.stem.weight, trained.stem.weight)


def test_other_failures_still_point_to_the_size() -> None:
    class Picky(Net):
        def forward(self, x: Tensor) -> Tensor:
            if x.shape[-1] % 32:
                raise ValueError("multiples of 32 only")
            return super().forward(x)

    with pytest.raises(NetworkError, match="multiples of 32") as caught:
        check_output(Reference(Picky(3), SPEC), SPEC)
    assert "--size" in caught.value.remedy
