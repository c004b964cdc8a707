"""Random weights: the same everywhere, and with contrast."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from maskport.errors import NetworkError
from maskport.models.prepared import Normalize
from maskport.models.seeding import draw, picture, seeded, spread
from maskport.models.u2net import u2netp
from maskport.specs import ImageSpec


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(nano) -> None:
    first, second, other = nano(), nano(), nano()
    seeded(first, 7, (48, 48))
    seeded(second, 7, (48, 48))
    seeded(other, 8, (48, 48))
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name])
    assert not torch.equal(first.side1.weight, other.side1.weight)


def test_weights_follow_the_recipe() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    draw(network, 5)
    stream = np.random.RandomState(5)
    bias = stream.standard_normal((4,)).astype(np.float32)  # 0.bias sorts before 0.weight
    weight = stream.standard_normal((4, 3, 3, 3)).astype(np.float32)
    np.testing.assert_array_equal(network[0].bias.detach(), np.float32(0.1) * bias)
    # He: the variance is 2 / fan-in, here 27.
    np.testing.assert_allclose(network[0].weight.detach(), weight * np.sqrt(2 / 27), rtol=1e-6)
    assert (network[1].running_var >= 1).all()


def test_a_network_of_another_family_is_drawn_and_not_spread() -> None:
    first, second = torch.nn.Conv2d(3, 1, 1), torch.nn.Conv2d(3, 1, 1)
    seeded(first, 1)
    draw(second, 1)
    assert torch.equal(first.weight, second.weight)


@pytest.mark.parametrize("outputs", [1, 4])
def test_spread_logits_have_median_0_and_deviation_4(nano, outputs: int) -> None:
    network = nano(outputs, sigmoid=False)
    draw(network, 3)
    spread(network, (64, 80), 3)
    photo = Normalize(ImageSpec(64, 80))(torch.from_numpy(picture(3, (64, 80)))[None])
    with torch.no_grad():
        planes = network(photo)[0][0].flatten(1)
    np.testing.assert_allclose(planes.median(1).values, 0, atol=1e-3)
    np.testing.assert_allclose(planes.std(1, correction=0), 4, rtol=1e-3)


def test_a_seeded_u2netp_draws_light_and_dark() -> None:
    network = u2netp().eval()
    seeded(network, 0, (96, 96))
    photo = Normalize(ImageSpec(96, 96))(torch.from_numpy(picture(1, (96, 96)))[None])
    with torch.no_grad():
        mask = network(photo)[0]
    # Another picture than the one it was spread on; both classes cover a tenth or more.
    assert 0.1 < (mask > 0.5).float().mean() < 0.9


def test_the_mode_of_the_network_is_left_as_it_was(nano) -> None:
    network = nano().train()
    before = network.stage1.rebnconvin.bn_s1.running_mean.clone()
    spread(network, (32, 32))
    assert network.training
    assert torch.equal(before, network.stage1.rebnconvin.bn_s1.running_mean)


def test_pictures_are_smooth_colorful_and_in_range() -> None:
    image = picture(0, (40, 60))
    assert image.shape == (3, 40, 60) and image.dtype == np.float32
    assert image.min() >= 0 and image.max() <= 1 and image.std() > 0.1
    assert np.abs(np.diff(image)).max() < 0.2  # no edge between neighbours


def test_a_picture_too_small_to_vary_is_refused(nano) -> None:
    with pytest.raises(NetworkError, match="does not vary over a picture of 1x1"):
        spread(nano(), (1, 1))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(nano, seed: int) -> None:
    with pytest.raises(NetworkError, match="out of range"):
        draw(nano(), seed)
