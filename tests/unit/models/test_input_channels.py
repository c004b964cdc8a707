"""Networks of one channel get their grey, others say what they want, and what they say works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from maskport.errors import NetworkError, SpecError
from maskport.imaging.convert import photo_to_input
from maskport.models.checkpoints import load_weights
from maskport.models.factory import spec_from_options
from maskport.models.inputs import ZEROS, Gray
from maskport.models.prepared import Reference, check_output, prepare
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
    ("channels", "remedy"),
    [(1, "--color-order GRAY --mean"), (4, ZEROS), (2, "makes of them 2 channels")],
)
def test_another_number_of_channels_is_named_with_the_convolution(
    channels: int, remedy: str
) -> None:
    with pytest.raises(NetworkError, match=rf"net takes {channels} channels?, and") as caught:
        check_output(Reference(Net(channels), SPEC), SPEC)
    assert f"convolution, stem, has in_channels={channels}" in caught.value.what
    assert remedy in caught.value.remedy
    assert "--size" not in str(caught.value)


def test_what_the_error_says_to_do_works(tmp_path: Path) -> None:
    class Adapted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net(4)

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = eval(ZEROS, {"self": self, "x": x, "torch": torch})
            return made

    trained = Net(4)
    torch.save(trained.state_dict(), tmp_path / "w.pth")
    adapted = Adapted()
    load_weights(adapted, tmp_path / "w.pth")
    check_output(Reference(adapted, SPEC), SPEC)
    assert torch.equal(adapted.net.stem.weight, trained.stem.weight)


def gray(mean: float = 0.4, std: float = 0.2, **image: Any) -> ImageSpec:
    triples = {"mean": (mean,) * 3, "std": (std,) * 3}
    return ImageSpec(16, 16, color_order="GRAY", **triples, **image)


def test_gray_is_pillows_normalized_by_one_mean_and_std() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    wanted = (np.asarray(Image.fromarray(photo).convert("L"), np.float32) / 255 - 0.4) / 0.2
    given = Gray(gray())(torch.from_numpy(photo_to_input(photo, gray())))
    assert given.shape == (1, 1, 16, 16)
    # Pillow rounds to a byte, which is half a step at most.
    np.testing.assert_allclose(given[0, 0], wanted, atol=0.51 / 255 / 0.2)


def test_gray_is_stretched_to_the_range_that_the_network_knows() -> None:
    white = torch.ones(1, 3, 2, 2)
    spec = gray(128, 64, value_range=(0.0, 255.0))
    torch.testing.assert_close(Gray(spec)(white), torch.full((1, 1, 2, 2), (255 - 128) / 64))


def test_a_gray_network_is_exported_as_it_is() -> None:
    network, spec = Net(1).eval(), ModelSpec("net", gray(), MaskSpec())
    photo = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        luma = (photo * torch.tensor([0.299, 0.587, 0.114]).reshape(3, 1, 1)).sum(1, keepdim=True)
        expected = network((luma - 0.4) / 0.2)
        for view in (Reference(network, spec), prepare(network, spec)):
            torch.testing.assert_close(view(photo), expected)


def test_gray_for_a_network_of_color_is_refused() -> None:
    spec = ModelSpec("net", gray(), MaskSpec())
    with pytest.raises(NetworkError, match="net takes 3 channels, and is given one") as caught:
        check_output(Reference(Net(3), spec), spec)
    assert "Leave --color-order GRAY out" in caught.value.remedy


def test_gray_has_one_mean() -> None:
    with pytest.raises(SpecError, match="one mean and one std"):
        ImageSpec(16, 16, color_order="GRAY")
    chosen = {"size": 16, "color_order": "GRAY", "mean": "0.5", "std": "0.25"}
    assert spec_from_options("net", chosen).image.mean == (0.5, 0.5, 0.5)


def test_other_failures_still_point_to_the_size() -> None:
    class Picky(Net):
        def forward(self, x: Tensor) -> Tensor:
            if x.shape[-1] % 32:
                raise ValueError("multiples of 32 only")
            return super().forward(x)

    with pytest.raises(NetworkError, match="multiples of 32") as caught:
        check_output(Reference(Picky(3), SPEC), SPEC)
    assert "--size" in caught.value.remedy
