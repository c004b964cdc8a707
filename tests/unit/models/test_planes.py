"""Thresholds, class numbers and masks without channels become planes of floats, or an error."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from maskport.errors import NetworkError
from maskport.models.prepared import PreparedMask, Reference, check_output, check_range, prepare
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

End = Callable[[Tensor], Tensor]

# What networks end in, and how many channels their specification has.
ENDS: dict[str, tuple[End, int]] = {
    "a threshold": (lambda x: x > 0, 1),
    "a threshold without channel": (lambda x: x[:, 0] > 0, 1),
    "thresholds of several planes": (lambda x: x[:, :3] > 0, 3),
    "0 and 1 in whole numbers": (lambda x: (x > 0).long(), 1),
    "0 and 1 in bytes, without channel": (lambda x: (x[:, 0] > 0).byte(), 1),
    "a mask without channel": (lambda x: x[:, 0].sigmoid(), 1),
    "a mask in half precision": (lambda x: x.sigmoid().half(), 1),
    "a mask in double precision": (lambda x: x.sigmoid().double(), 1),
    "class numbers": (lambda x: x.argmax(1), 4),
    "class numbers with a channel": (lambda x: x.argmax(1, keepdim=True).int(), 4),
    "more channels than classes": (lambda x: x.argmax(1), 6),
    "planes of whole numbers": (
        lambda x: nn.functional.one_hot(x.argmax(1), 4).permute(0, 3, 1, 2),
        4,
    ),
}


class Ended(nn.Module):
    """A convolution, and what is made of its planes."""

    def __init__(self, end: End, planes: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, planes, 3, padding=1)
        self.end = end

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.conv(x))


def network(end: End, channels: int) -> Ended:
    return Ended(end, 4 if channels > 1 else 1).eval()


def spec_of(channels: int = 1, activation: str = "none") -> ModelSpec:
    labels = tuple(map(str, range(channels)))
    mask = MaskSpec(channels, activation, labels=labels)  # type: ignore[arg-type]
    return ModelSpec("ended", ImageSpec(12, 10), mask)


def photos() -> np.ndarray:
    return np.random.default_rng(0).random((3, 3, 12, 10), dtype=np.float32)


@pytest.mark.parametrize("name", ENDS)
def test_the_view_and_the_reference_give_floats_in_planes(name: str) -> None:
    end, channels = ENDS[name]
    spec = spec_of(channels)
    drawn = Reference(network(end, channels), spec).draw(photos(), "cpu")
    check_range(drawn, spec)
    assert drawn.shape == (3, channels, 12, 10)
    with torch.no_grad():
        mask = prepare(network(end, channels), spec)(torch.from_numpy(photos()))
    assert mask.dtype == torch.float32
    # Half precision's steps are 2^-11 below 1; the normalised photo is rounded in another place.
    np.testing.assert_allclose(mask.numpy(), drawn, atol=1e-3)


def test_each_class_has_the_plane_of_its_number() -> None:
    module = network(lambda x: x.argmax(1), 4)
    spec = spec_of(4)
    drawn = Reference(module, spec).draw(photos(), "cpu")
    with torch.no_grad():
        numbers = module(Reference(module, spec).normalize(torch.from_numpy(photos()))).numpy()
    np.testing.assert_array_equal(drawn.argmax(1), numbers)
    np.testing.assert_array_equal(drawn.sum(1), np.ones_like(numbers))
    assert len(np.unique(numbers)) > 1  # else every order of planes would do


def test_a_traced_view_doesnt_keep_the_class_numbers_of_its_photo() -> None:
    spec = spec_of(4)
    view: PreparedMask = prepare(network(lambda x: x.argmax(1), 4), spec)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error", torch.jit.TracerWarning)
        traced = torch.jit.trace(view, torch.full((1, 3, 12, 10), 0.5))
        for photo in torch.from_numpy(photos())[:, None]:
            torch.testing.assert_close(traced(photo), view(photo))


def test_a_mask_that_is_float_already_gets_no_cast() -> None:
    view = prepare(network(lambda x: x.sigmoid(), 1), spec_of())
    program = torch.export.export(view, (torch.full((1, 3, 12, 10), 0.5),), strict=False)
    kinds = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert not [kind for kind in kinds if "to" in kind.split(".")]


def test_an_inverted_threshold_is_the_other_side() -> None:
    module = network(lambda x: x > 0, 1)
    spec = ModelSpec("ended", ImageSpec(12, 10), MaskSpec(inverted=True))
    plain = Reference(module, spec_of()).draw(photos(), "cpu")
    np.testing.assert_array_equal(Reference(module, spec).draw(photos(), "cpu"), 1 - plain)


def refusal(end: End, channels: int = 1, activation: str = "none", planes: int = 4) -> NetworkError:
    spec = spec_of(channels, activation)
    reference = Reference(Ended(end, planes).eval(), spec)
    with pytest.raises(NetworkError) as caught:
        check_output(reference, spec)
        check_range(reference.draw(photos(), "cpu"), spec)
    return caught.value


def all_of_class(number: int) -> End:
    return lambda x: torch.full_like(x[:, 0], number).long()


def test_classes_without_channels_are_refused_with_their_number() -> None:
    error = refusal(all_of_class(3))
    assert "whole numbers (int64)" in error.what
    assert "--channels 4 or more" in error.remedy


def test_a_class_beyond_the_channels_is_refused_and_not_left_out() -> None:
    error = refusal(all_of_class(4), channels=3)
    assert "3 channels are classes 0 to 2" in error.what
    assert "--channels 5 or more" in error.remedy


def test_negative_classes_are_refused() -> None:
    assert "from -1" in refusal(lambda x: x.argmax(1) - 1, channels=4).what


def test_bytes_up_to_255_are_refused() -> None:
    error = refusal(lambda x: (x.sigmoid() * 255).byte(), planes=1)
    assert "whole numbers (uint8)" in error.what
    assert "floats from 0 to 1" in error.remedy


def test_class_numbers_as_floats_are_recognized() -> None:
    error = refusal(lambda x: x.argmax(1, keepdim=True).float())
    assert "values from 0 to 3" in error.what
    assert "without .float()" in error.remedy and "--channels 4" in error.remedy


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_nothing_is_applied_to_what_is_decided(activation: str) -> None:
    error = refusal(lambda x: x > 0, 4, activation)
    assert f"{activation} is to be applied" in error.what
    assert "Leave --activation out" in error.remedy


def test_a_squeezed_mask_is_told_to_keep_its_dimensions() -> None:
    assert "no squeeze" in refusal(lambda x: x.sigmoid().squeeze(), planes=1).remedy


def mask_spec(**mask: Any) -> ModelSpec:
    return ModelSpec("ended", ImageSpec(12, 10), MaskSpec(**mask))


def both(end: End, spec: ModelSpec, planes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """What the network gives by itself, and the mask that reference and view agree on."""
    module = Ended(end, planes).eval()
    reference = Reference(module, spec)
    check_output(reference, spec)
    drawn = reference.draw(photos(), "cpu")
    with torch.no_grad():
        given = module(reference.normalize(torch.from_numpy(photos()))).numpy()
        view = prepare(module, spec)(torch.from_numpy(photos()))
    np.testing.assert_allclose(view.numpy(), drawn, atol=1e-5)
    assert drawn.shape == (3, 1, 12, 10)
    return given, drawn


def test_one_plane_is_chosen_after_the_softmax_over_all() -> None:
    spec = mask_spec(channel=1, activation="softmax")
    given, drawn = both(lambda x: x, spec, planes=2)
    wanted = np.exp(given) / np.exp(given).sum(1, keepdims=True)
    np.testing.assert_allclose(drawn, wanted[:, 1:2], atol=1e-6)


def test_one_plane_is_chosen_of_sigmoids_and_turned() -> None:
    given, drawn = both(lambda x: x, mask_spec(channel=3, activation="sigmoid", inverted=True))
    np.testing.assert_allclose(drawn, 1 - 1 / (1 + np.exp(-given[:, 3:])), atol=1e-6)


@pytest.mark.parametrize("keep", [False, True])
def test_one_class_of_class_numbers_is_the_mask(keep: bool) -> None:
    given, drawn = both(lambda x: x.argmax(1, keepdim=keep), mask_spec(channel=2))
    np.testing.assert_array_equal(drawn, (given == 2).reshape(3, 1, 12, 10))
    assert 0 < drawn.mean() < 1


def test_one_of_several_decided_planes_is_the_mask() -> None:
    given, drawn = both(lambda x: x > 0, mask_spec(channel=2))
    np.testing.assert_array_equal(drawn, given[:, 2:3])


def chosen_refusal(end: End, planes: int, **mask: Any) -> NetworkError:
    spec = mask_spec(**mask)
    with pytest.raises(NetworkError) as caught:
        check_output(Reference(Ended(end, planes).eval(), spec), spec)
    return caught.value


def test_a_plane_that_is_not_there_is_refused_with_those_that_are() -> None:
    error = chosen_refusal(lambda x: x.sigmoid(), 2, channel=2)
    assert "gives 2 planes, and channel 2" in error.what
    assert "--channel 0 to 1" in error.remedy
    error = chosen_refusal(lambda x: x[:, 0].sigmoid(), 2, channel=1)
    assert "gives 1 plane," in error.what and "Leave --channel out" in error.remedy


def test_a_softmax_over_one_plane_is_refused() -> None:
    error = chosen_refusal(lambda x: x, 1, channel=0, activation="softmax")
    assert "1 everywhere" in error.what


def test_several_planes_without_a_choice_are_told_of_it() -> None:
    assert "--channel" in chosen_refusal(lambda x: x.softmax(1), 2).remedy


def quarter(x: Tensor) -> Tensor:
    return nn.functional.avg_pool2d(x, 2)


def test_a_smaller_mask_is_refused_with_the_option_that_brings_it_to_size() -> None:
    error = chosen_refusal(quarter, 1, activation="sigmoid")
    assert "(1, 1, 6, 5)" in error.what
    assert "--upsample bilinear" in error.remedy


@pytest.mark.parametrize("without_channel", [False, True])
def test_a_smaller_mask_is_resized_before_its_activation(without_channel: bool) -> None:
    def end(x: Tensor) -> Tensor:
        return quarter(x)[:, 0] if without_channel else quarter(x)

    given, drawn = both(end, mask_spec(activation="sigmoid", upsample="bilinear"), planes=1)
    small = torch.from_numpy(given).reshape(3, 1, 6, 5)
    large = nn.functional.interpolate(small, (12, 10), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(drawn, large.sigmoid().numpy(), atol=1e-6)


def test_a_larger_mask_is_not_told_to_be_upsampled() -> None:
    error = chosen_refusal(lambda x: nn.functional.interpolate(x, scale_factor=2).sigmoid(), 1)
    assert "--upsample" not in error.remedy
