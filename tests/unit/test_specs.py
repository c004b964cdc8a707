"""A specification is what its annotations say, whoever made it: Python, a manifest, an option."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from maskport.errors import SpecError
from maskport.models.factory import spec_from_options
from maskport.specs import (
    LARGEST_AREA,
    LARGEST_MASK,
    LARGEST_SIDE,
    ImageSpec,
    MaskSpec,
    ModelSpec,
)

SPEC = ModelSpec("sky", ImageSpec(4, 6), MaskSpec(), output="aux.0")
# Of JSON, which Python reads as numbers of any length.
HUGE = 10**400


def saying(where: str, name: str, value: Any) -> dict[str, Any]:
    """The values of a specification, one of them another."""
    values: dict[str, Any] = json.loads(json.dumps(SPEC.to_dict()))
    (values[where] if where else values)[name] = value
    return values


def test_what_was_written_is_read_again() -> None:
    assert ModelSpec.from_dict(json.loads(json.dumps(SPEC.to_dict()))) == SPEC


WRONG = [
    ("image", "color_order", "XXX"),
    ("image", "color_order", ["RGB"]),
    ("image", "divide_by", 255),
    ("image", "resize_filter", "area"),
    ("image", "height", 0),
    ("image", "height", -4),
    ("image", "height", 20_000),
    ("image", "height", 1e6),
    ("image", "height", 1e30),
    ("image", "width", 32.5),
    ("image", "width", math.nan),
    ("image", "width", True),
    ("image", "width", "320"),
    ("image", "width", None),
    ("image", "width", HUGE),
    ("image", "mean", "abc"),
    ("image", "mean", [0, 0]),
    ("image", "mean", [0, 0, math.inf]),
    ("image", "mean", [0, 0, HUGE]),
    ("image", "mean", [0, 0, [0]]),
    ("image", "mean", {"r": 0}),
    ("image", "mean", 1e300),
    ("image", "std", [1, 1, 1e-300]),
    ("image", "std", [1, 1, 1, 1]),
    ("image", "value_range", [0]),
    ("image", "value_range", 255),
    ("image", "value_range", [0, math.nan]),
    ("mask", "activation", "zzz"),
    ("mask", "activation", None),
    ("mask", "normalization", 7),
    ("mask", "upsample", True),
    ("mask", "inverted", "yes"),
    ("mask", "inverted", 1),
    ("mask", "channels", 0),
    ("mask", "channels", 1 << 40),
    ("mask", "channel", -1),
    ("mask", "channel", 0.0),
    ("mask", "threshold", math.nan),
    ("mask", "threshold", HUGE),
    ("mask", "threshold", "0.5"),
    ("mask", "labels", "mask"),
    ("mask", "labels", [7]),
    ("mask", "labels", ["\ud800"]),
    ("mask", "labels", ["m" * 10_000]),
    ("", "name", 7),
    ("", "name", "../sky"),
    ("", "output", -70_000),
    ("", "output", 1.5),
    ("", "output", ""),
    ("", "output", ["aux"]),
]


@pytest.mark.parametrize(("where", "name", "value"), WRONG)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(
    where: str, name: str, value: Any
) -> None:
    with pytest.raises(SpecError) as refused:
        ModelSpec.from_dict(saying(where, name, value))
    assert name in refused.value.what.lower()
    assert len(refused.value.what) < 300


@pytest.mark.parametrize("where", ["image", "mask", ""])
def test_an_unknown_key_is_refused_by_name(where: str) -> None:
    with pytest.raises(SpecError, match="'colour' is no key"):
        ModelSpec.from_dict(saying(where, "colour", "RGB"))


@pytest.mark.parametrize(("where", "name"), [("image", "width"), ("", "mask"), ("", "name")])
def test_a_missing_key_is_refused_by_name(where: str, name: str) -> None:
    values = saying("", "output", None)
    del (values[where] if where else values)[name]
    with pytest.raises(SpecError, match=f"'{name}' is missing"):
        ModelSpec.from_dict(values)


@pytest.mark.parametrize("values", [None, [], 7, {"name": "sky", "image": [], "mask": {}}])
def test_what_is_no_table_is_refused(values: Any) -> None:
    with pytest.raises(SpecError, match="It has keys"):
        ModelSpec.from_dict(values)


def test_python_is_told_the_same() -> None:
    with pytest.raises(SpecError, match="activation is 'zzz'"):
        MaskSpec(activation="zzz")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"height is 32\.5"):
        ImageSpec(32.5, 32)  # type: ignore[arg-type]


def test_a_command_line_has_the_same_limits() -> None:
    side = LARGEST_SIDE
    assert spec_from_options("sky", {"size": f"{side}x8"}).image == ImageSpec(side, 8)
    with pytest.raises(SpecError, match=f"at most {side}"):
        spec_from_options("sky", {"size": f"{side + 1}x8"})
    for make in (
        lambda: ImageSpec(side, side),
        lambda: spec_from_options("sky", {"size": side}),
    ):
        assert side * side > LARGEST_AREA
        with pytest.raises(SpecError, match="more than"):
            make()
    channels = 1024
    assert channels * 1024 * 1024 > LARGEST_MASK
    with pytest.raises(SpecError, match="--channel"):
        spec_from_options("sky", {"size": 1024, "channels": channels})


def test_lists_are_tuples() -> None:
    spec = MaskSpec(channels=2, labels=["sky", "sea"])  # type: ignore[arg-type]
    assert spec.labels == ("sky", "sea")
    assert ImageSpec(4, 6, value_range=[0, 255]).value_range == (0.0, 255.0)  # type: ignore[arg-type]
