"""What is exported must be the network, to what rounding makes of it, in other light too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from maskport.errors import ExportError, NetworkError
from maskport.exporters.intermediates import make
from maskport.exporters.probes import Probes, draw_references
from maskport.exporters.run import Card, Run
from maskport.imaging.convert import photo_to_input
from maskport.models.prepared import PreparedMask, Reference, prepare
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

SPEC = ModelSpec("small", ImageSpec(32, 48), MaskSpec(activation="sigmoid"), output=0)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path, SPEC, Card("small", "", "", "", ""))


@pytest.fixture
def photos() -> np.ndarray:
    return np.concatenate([photo_to_input(scene(n).photo, SPEC.image) for n in range(2)])


class Amplifying(nn.Module):
    """Subtracts what it has just added, which leaves of each value what rounding left of it."""

    def __init__(self, amount: float, change: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = nn.Conv2d(3, 1, 3, padding=1), nn.BatchNorm2d(1)
        self.amount, self.change = amount, change
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        mask: Tensor = (self.norm(self.conv(x)) + self.amount) - self.amount + self.change
        return mask


# float32 has steps of 2^-10 at 10,000: 1e-3 of what lies between -2 and 2.
COARSE = 10_000.0


def test_a_network_that_amplifies_rounding_is_given_that_much(run: Run, photos: np.ndarray) -> None:
    network = Amplifying(COARSE)
    view, reference = prepare(network, SPEC), Reference(network, SPEC)
    with torch.no_grad():
        image = torch.from_numpy(photos[:1])
        difference = float((view(image) - reference(image)).abs().max())
    assert difference > 1e-4  # what was refused before
    draw_references(reference, view, photos, run)


@pytest.mark.parametrize(("amount", "change"), [(0.0, 1e-3), (COARSE, 0.1)])
def test_a_view_that_is_another_network_is_refused_however_coarse_it_is(
    amount: float, change: float, run: Run, photos: np.ndarray
) -> None:
    wrong = prepare(Amplifying(amount, change), SPEC)
    with pytest.raises(NetworkError, match="differs from the network") as caught:
        draw_references(Reference(Amplifying(amount), SPEC), wrong, photos, run)
    assert "dropout" not in str(caught.value)


def test_normalization_that_was_folded_past_a_border_is_refused(
    nano: Callable[..., U2Net], run: Run, photos: np.ndarray
) -> None:
    """Wrong in the outermost pixels only."""
    network = nano(sigmoid=False)
    seeded(network, 0, (32, 48))
    view = prepare(network, SPEC)

    class Padded(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            normalized: Tensor = view.normalize(x)
            normalized[..., 0, :] = 0
            return normalized

    with pytest.raises(NetworkError, match="differs from the network"):
        wrong = PreparedMask(Padded(), view.body)
        draw_references(Reference(network, SPEC), wrong, photos, run)


def test_dropout_is_suspected_where_two_masks_of_one_photo_differ(
    run: Run, photos: np.ndarray
) -> None:
    class Random(Amplifying):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + 0.01 * torch.randn(())

    network = Random(0.0)
    with pytest.raises(NetworkError, match="two masks of one photo") as caught:
        draw_references(Reference(network, SPEC), prepare(network, SPEC), photos, run)
    assert "dropout" in caught.value.remedy


@pytest.mark.parametrize("count", [1, 2])
def test_there_are_two_photos_and_two_lights_whatever_was_given(
    count: int, run: Run, photos: np.ndarray
) -> None:
    network = Amplifying(0.0)
    draw_references(Reference(network, SPEC), prepare(network, SPEC), photos[:count], run)
    dark, bright, other = Probes.load(run.probes).images
    assert dark.mean() < 0.7 * photos[0].mean() < photos[0].mean() < bright.mean()
    assert np.abs(other - photos[0]).mean() > 0.1
    assert min(dark.min(), bright.min(), other.min()) >= 0
    assert max(dark.max(), bright.max(), other.max()) <= 1


class ByLight(Amplifying):
    """Brightens dark photos, where torch's tracer says nothing of it."""

    def forward(self, x: Tensor) -> Tensor:
        bright = torch.equal(x.mean() > 0, torch.tensor(True))
        return super().forward(x if bright else x + 1)


def test_a_trace_that_is_right_in_one_light_only_is_refused(run: Run) -> None:
    network = ByLight(0.0)
    view = prepare(network, SPEC)
    gray = np.full((1, 3, 32, 48), 0.6, np.float32)  # darker than the mean when it is relit
    draw_references(Reference(network, SPEC), view, gray, run)
    with pytest.raises(ExportError, match=r"The trace of small.*for a photo in less light"):
        make("trace", view, run)
    assert not run.trace.exists()


@pytest.mark.sdk
def test_so_is_an_onnx_graph_and_all_that_starts_from_it(run: Run) -> None:
    pytest.importorskip("onnxsim", reason="needs maskport[onnx]")
    from maskport.exporters.onnx import simplified

    network = ByLight(0.0)
    view = prepare(network, SPEC)
    gray = np.full((1, 3, 32, 48), 0.6, np.float32)
    draw_references(Reference(network, SPEC), view, gray, run)
    make("onnx", view, run)
    for _ in range(2):  # by each target that wants it
        with pytest.raises(ExportError, match=r"The ONNX graph of small.*in less light"):
            simplified(run)


def test_photos_that_the_network_fails_on_are_its_own_fault(run: Run, photos: np.ndarray) -> None:
    class Picky(Amplifying):
        def forward(self, x: Tensor) -> Tensor:
            if x.std() > 0.1:
                raise IndexError("list index out of range")
            return super().forward(x)

    reference, view = Reference(Picky(0.0), SPEC), prepare(Amplifying(0.0), SPEC)
    with pytest.raises(NetworkError, match=r"fails on a photo.*IndexError: list index"):
        draw_references(reference, view, photos, run)
