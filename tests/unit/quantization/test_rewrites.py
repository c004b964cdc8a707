"""Rewrites before quantisation leave the float mask as it is."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from maskport.models.prepared import Normalize, PreparedMask
from maskport.quantization.equalization import channel_classes, equalize
from maskport.quantization.graph import NetworkGraph, capture
from maskport.quantization.photo_input import pass_bytes
from maskport.specs import ImageSpec

pytestmark = pytest.mark.kernels

# Of a mask in [0, 1]: what float32 rounds differently in another order.
EXACT = 1e-5


def graph_of(view: nn.Module, images: Tensor) -> NetworkGraph:
    return capture(view, (1, *images.shape[1:]))  # type: ignore[arg-type]


def state(view: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in view.state_dict().items()}


def drawn(view: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([view(image[None]) for image in images])


def test_the_captured_graph_draws_the_views_mask(view: PreparedMask, images: Tensor) -> None:
    graph = graph_of(view, images)
    mask = torch.cat([graph.run(image[None]) for image in images])
    assert torch.equal(mask, drawn(view, images))


def test_bytes_pass_unrounded_and_the_mask_stays(view: PreparedMask, images: Tensor) -> None:
    changed = copy.deepcopy(view)
    encoding = pass_bytes(changed, graph_of(view, images))
    assert encoding is not None
    assert (drawn(changed, images) - drawn(view, images)).abs().max() < EXACT
    normalized = changed.normalize(images)[:, :3]
    steps = normalized / encoding.scale + encoding.zero_point
    # Each value lies on an integer, which is the photo's byte.
    assert torch.allclose(steps, (images * 255).round() - 128, atol=1e-3)


@pytest.mark.parametrize(("mean", "colors"), [((0.5, 0.5, 0.5), "RGB"), ((0.4, 0.5, 0.7), "BGR")])
def test_bytes_pass_for_other_normalizations(
    mean: tuple[float, float, float], colors: str, images: Tensor
) -> None:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 1))
    spec = ImageSpec(50, 38, mean=mean, std=(0.2, 0.25, 0.3), color_order=colors)  # type: ignore[arg-type]
    view = PreparedMask(Normalize(spec), body)
    changed = copy.deepcopy(view)
    assert pass_bytes(changed, graph_of(view, images)) is not None
    assert (drawn(changed, images) - drawn(view, images)).abs().max() < EXACT


def test_a_network_that_begins_otherwise_is_left_alone(images: Tensor) -> None:
    body = nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(3, 1, 1))
    view = PreparedMask(Normalize(ImageSpec(50, 38)), body)
    before = state(view)
    assert pass_bytes(view, graph_of(view, images)) is None
    assert all(torch.equal(value, before[name]) for name, value in state(view).items())


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_equalizing_changes_weights_but_not_the_mask(
    strength: float, view: PreparedMask, images: Tensor
) -> None:
    graph, weights, peaks = graph_of(view, images), state(view), {}

    def keep(name: str, value: Tensor) -> Tensor:
        peaks[name] = value.abs().amax((0, 2, 3))
        return value

    graph.run(images[:1], keep)
    changed, _ = equalize(graph, weights, peaks, strength)
    assert any(not torch.equal(changed[name], weights[name]) for name in weights)
    for image in images:
        assert (graph.run(image[None], None, changed) - graph.run(image[None])).abs().max() < EXACT


def test_channels_that_are_added_share_their_factor(view: PreparedMask, images: Tensor) -> None:
    graph = graph_of(view, images)
    classes = channel_classes(graph, state(view))
    sums = [p for p in graph.points.values() if p.kind == "sum" and not p.tail]
    assert sums
    for point in sums:
        for source in graph.sources(point.name):
            assert torch.equal(classes.of[point.name], classes.of[source])


def test_the_photo_and_the_logits_keep_their_channels(view: PreparedMask, images: Tensor) -> None:
    graph = graph_of(view, images)
    classes = channel_classes(graph, state(view))
    assert not classes.free[classes.of["image"]].any()
    assert not classes.free[classes.of[graph.logits]].any()
