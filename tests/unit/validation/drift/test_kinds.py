"""Operations go by one word."""

from __future__ import annotations

import pytest

from maskport.validation.drift.kinds import SAME, WEIGHTED, kind_of


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("convolution", "Conv", "CONV_2D", "DEPTHWISE_CONV_2D", "conv", "addmm"), WEIGHTED),
        (("relu", "relu_", "Relu", "RELU"), "relu"),
        (("upsample_bilinear2d", "Resize", "RESIZE_BILINEAR", "upsample_bilinear"), "resize"),
        (("cat", "Concat", "CONCATENATION", "concat"), "concat"),
        (("view", "Cast", "QUANTIZE", "cast"), SAME),
    ],
)
def test_what_is_the_same_has_one_kind_in_every_format(names: tuple[str, ...], kind: str) -> None:
    assert {kind_of(name) for name in names} == {kind}


def test_an_operation_that_nobody_listed_keeps_its_name() -> None:
    assert kind_of("CumSum") == "cumsum"
