"""Operations that no converter writes from torch, against coremltools' own definitions.

coremltools computes an operation whose operands are constants with NumPy, in the very class
that defines the operation; resizes, pools and convolutions have no such definition, and are
held against their documented formulas and examples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from maskport.errors import RunnerError
from maskport.runtimes.mil.program import Program

pytestmark = pytest.mark.sdk

X = np.random.default_rng(0).normal(size=(1, 4, 6, 8)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(1, 4, 6, 8)).astype(np.float32)
Build = Callable[..., Tensor]


@pytest.fixture(scope="module")
def execute(ct: Any) -> Build:
    """`execute("op", x, ...)`: the executor's result for one operation on a float32 input."""
    from coremltools.converters.mil import Builder as mb

    def run(op: str, x: np.ndarray, **options: Any) -> Tensor:
        @mb.program(input_specs=[mb.TensorSpec(shape=x.shape)], opset_version=ct.target.iOS17)
        def program(x: Any) -> Any:
            operands = {"values": [x, Y]} if op in {"concat", "stack"} else {"x": x}
            return getattr(mb, op)(**operands, **options)

        function = program.functions["main"]
        return next(iter(Program(function).run({"x": torch.from_numpy(x)}).values()))

    return run


@pytest.fixture(scope="module")
def define(ct: Any) -> Callable[..., np.ndarray]:
    """The same, as coremltools itself computes it."""
    from coremltools.converters.mil import Builder as mb

    def run(op: str, x: np.ndarray, **options: Any) -> np.ndarray:
        values = []

        @mb.program(input_specs=[mb.TensorSpec(shape=(1,))], opset_version=ct.target.iOS17)
        def program(unused: Any) -> Any:
            operands = {"values": [x, Y]} if op in {"concat", "stack"} else {"x": x.copy()}
            values.append(getattr(mb, op)(**operands, **options).val)
            return mb.identity(x=unused)

        assert values[0] is not None, f"coremltools does not compute {op}"
        return np.asarray(values[0])

    return run


def f(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


DEFINED: list[tuple[str, np.ndarray, dict[str, Any]]] = [
    ("clamped_relu", X, {"alpha": 0.2, "beta": 0.9}),
    ("elu", X, {"alpha": 0.7}),
    ("gelu", X, {"mode": "EXACT"}),
    ("gelu", X, {"mode": "TANH_APPROXIMATION"}),
    ("gelu", X, {"mode": "SIGMOID_APPROXIMATION"}),
    ("linear_activation", X, {"alpha": 0.3, "beta": -0.1}),
    ("prelu", X, {"alpha": f(0.1, 0.2, 0.3, 0.4)}),
    ("scaled_tanh", X, {"alpha": 1.2, "beta": 0.4}),
    ("sigmoid_hard", X, {"alpha": 0.3, "beta": 0.4}),
    ("softplus", 20 * X, {}),
    ("softplus_parametric", X, {"alpha": f(1, 2, 3, 4), "beta": f(0.5, 1, 1.5, 2)}),
    ("softsign", X, {}),
    ("thresholded_relu", X, {"alpha": 0.3}),
    ("threshold", X, {"alpha": 0.3}),
    ("inverse", X, {"epsilon": 1e-2}),
    ("log", np.abs(X), {"epsilon": 1e-2}),
    ("rsqrt", np.abs(X), {"epsilon": 1e-2}),
    ("floor_div", X, {"y": 0.3}),
    ("mod", X, {"y": 0.7}),
    ("real_div", X, {"y": 0.3}),
    ("round", 10 * X, {}),
    ("sign", X, {}),
    ("erf", X, {}),
    ("layer_norm", X, {"axes": [1, 2], "gamma": X[0, :, :, 0], "beta": X[0, :, :, 1]}),
    ("l2_norm", X, {"epsilon": 1e-3}),
    ("reduce_l1_norm", X, {"axes": [1], "keep_dims": True}),
    ("reduce_l2_norm", X, {"axes": [-1]}),
    ("reduce_log_sum_exp", X, {"axes": [2, 3]}),
    ("reduce_prod", X, {"axes": [0, 1]}),
    ("reduce_sum_square", X, {}),
    ("reduce_argmin", X, {"axis": 1, "keep_dims": True}),
    ("reduce_argmax", X, {"axis": -1}),
    ("reduce_max", X, {"axes": [-1, -2]}),
    ("stack", X, {"axis": -1}),
    ("slice_by_size", X, {"begin": [0, 1, -3, 2], "size": [1, 2, 2, -1]}),
    (
        "slice_by_index",
        X,
        {"begin": [0, 1, 5, 7], "end": [1, 3, 1, 0], "stride": [1, 1, -2, -1],
         "end_mask": [False, False, False, True]},
    ),
    (
        "slice_by_index",
        X,
        {"begin": [0, -2, 1, 0], "end": [1, 0, 5, -1],
         "squeeze_mask": [False, True, False, False]},
    ),
    ("pad", X, {"pad": [0, 1, 2, 3], "mode": "constant", "constant_val": 0.5}),
    ("pad", X, {"pad": [1, 2, 3, 0, 2, 5], "mode": "reflect"}),
    ("pad", X, {"pad": [1, 0, 2, 4], "mode": "replicate"}),
    ("expand_dims", X, {"axes": [1, -1]}),
    ("squeeze", X, {"axes": [0]}),
    ("reverse", X, {"axes": [1, 3]}),
    ("tile", X, {"reps": [1, 2, 1, 3]}),
    ("flatten2d", X, {"axis": 2}),
    ("reshape", X, {"shape": [2, -1, 8]}),
    ("transpose", X, {"perm": [0, 3, 1, 2]}),
    ("gather", X, {"indices": np.array([[0, -1], [2, 1]], np.int32), "axis": 1}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("op", "x", "options"), DEFINED, ids=lambda v: v if isinstance(v, str) else ""
)
def test_an_operation_does_what_coremltools_defines(
    op: str, x: np.ndarray, options: dict[str, Any], execute: Build, define: Callable[..., Any]
) -> None:
    expected = define(op, x, **options)
    given = execute(op, x, **options)
    assert tuple(given.shape) == expected.shape
    np.testing.assert_allclose(given.numpy(), expected, atol=2e-6, rtol=2e-5)


# coremltools' documentation of resize_bilinear: an axis of two elements, 0 and 1.
EXAMPLES = {
    (5, "UNALIGN_CORNERS"): [0.0, 0.1, 0.5, 0.9, 1.0],
    (5, "STRICT_ALIGN_CORNERS"): [0.0, 0.25, 0.5, 0.75, 1.0],
    (5, "ALIGN_CORNERS"): [0.0, 0.25, 0.5, 0.75, 1.0],
    (5, "DEFAULT"): [0.0, 0.4, 0.8, 1.0, 1.0],
    (5, "OFFSET_CORNERS"): [0.1, 0.3, 0.5, 0.7, 0.9],
    (6, "UNALIGN_CORNERS"): [0.0, 0.0, 0.33, 0.67, 1.0, 1.0],
    (6, "STRICT_ALIGN_CORNERS"): [0.0, 0.2, 0.4, 0.6, 0.8, 1.0],
    (6, "DEFAULT"): [0.0, 0.33, 0.67, 1.0, 1.0, 1.0],
    (6, "OFFSET_CORNERS"): [0.08, 0.25, 0.42, 0.58, 0.75, 0.92],
    (1, "STRICT_ALIGN_CORNERS"): [0.0],
    (1, "ALIGN_CORNERS"): [0.5],
}


@pytest.mark.parametrize(("size", "mode"), EXAMPLES)
@pytest.mark.parametrize("axis", [2, 3])
def test_bilinear_resizing_samples_where_the_documentation_says(
    size: int, mode: str, axis: int, execute: Build
) -> None:
    ramp = f(0, 1).reshape((1, 1, 2, 1) if axis == 2 else (1, 1, 1, 2))
    height, width = (size, 1) if axis == 2 else (1, size)
    by_op = execute(
        "resize_bilinear",
        ramp,
        target_size_height=height,
        target_size_width=width,
        sampling_mode=mode,
    )
    newer = execute(
        "resize",
        ramp,
        shape=np.array([height, width], np.int32),
        resized_dims=np.uint32(2),
        sampling_mode=mode,
    )
    # the documentation gives two digits
    np.testing.assert_allclose(by_op.flatten(), EXAMPLES[size, mode], atol=0.005)
    np.testing.assert_array_equal(newer, by_op)


@pytest.mark.parametrize("align", [True, False])
def test_fractional_factors_step_by_the_quotient_of_sizes(align: bool, execute: Build) -> None:
    given = execute(
        "upsample_bilinear",
        X,
        scale_factor_height=1.7,
        scale_factor_width=2.3,
        align_corners=align,
    )
    x = torch.from_numpy(X)
    expected = F.interpolate(x, size=(10, 18), mode="bilinear", align_corners=align)
    torch.testing.assert_close(given, expected)


@pytest.mark.parametrize("target", range(1, 24))
def test_a_factor_that_is_a_quotient_of_sizes_gives_that_size(target: int, execute: Build) -> None:
    given = execute(
        "upsample_nearest_neighbor",
        X,
        scale_factor_height=np.float32(target / 6),
        scale_factor_width=1.0,
    )
    # what coremltools' own shape inference says; it may lose one to rounding, and so do we
    height = int(np.floor(np.float32(target / 6) * 6))
    assert tuple(given.shape) == (1, 4, height, 8)


def test_nearest_takes_the_element_before_and_half_pixel_centers_the_closest(
    execute: Build,
) -> None:
    x = torch.from_numpy(X)
    size = {"shape": np.array([4, 13], np.int32), "resized_dims": np.uint32(2)}
    given = execute("resize", X, **size, interpolation_mode="NEAREST_NEIGHBOR")
    torch.testing.assert_close(given, F.interpolate(x, size=(4, 13), mode="nearest"))
    given = execute(
        "resize",
        X,
        **size,
        interpolation_mode="NEAREST_NEIGHBOR",
        sampling_mode="UNALIGN_CORNERS",
    )
    torch.testing.assert_close(given, F.interpolate(x, size=(4, 13), mode="nearest-exact"))


def test_a_crop_takes_rows_and_columns_off(execute: Build) -> None:
    given = execute("crop", X, crop_height=[1, 2], crop_width=[0, 3])
    np.testing.assert_array_equal(given, X[..., 1:4, :5])


def test_interleaving_takes_one_of_each_in_turn(execute: Build) -> None:
    given = execute("concat", X, axis=1, interleave=True)
    np.testing.assert_array_equal(given[:, 0::2], X)
    np.testing.assert_array_equal(given[:, 1::2], Y)


@pytest.mark.parametrize(("pad_type", "before", "after"), [("same", 1, 2), ("same_lower", 2, 1)])
def test_same_padding_puts_the_odd_element_after_or_before(
    pad_type: str, before: int, after: int, execute: Build
) -> None:
    weight = np.random.default_rng(2).normal(size=(3, 4, 4, 4)).astype(np.float32)
    padded = F.pad(torch.from_numpy(X), (before, after, before, after))
    given = execute("conv", X, weight=weight, pad_type=pad_type)
    torch.testing.assert_close(given, F.conv2d(padded, torch.from_numpy(weight)))
    pool = {"kernel_sizes": [4, 4], "strides": [1, 1], "pad_type": pad_type}
    lowest = F.pad(torch.from_numpy(X), (before, after, before, after), value=-torch.inf)
    torch.testing.assert_close(execute("max_pool", X, **pool), F.max_pool2d(lowest, 4, 1))
    ones = F.pad(torch.ones_like(padded[..., :6, :8]), (before, after, before, after))
    mean = F.avg_pool2d(padded, 4, 1)
    torch.testing.assert_close(execute("avg_pool", X, **pool), mean)
    given = execute("avg_pool", X, **pool, exclude_padding_from_average=True)
    torch.testing.assert_close(given, mean / F.avg_pool2d(ones, 4, 1))


def test_a_transposed_convolution_of_same_padding_multiplies_the_size(execute: Build) -> None:
    weight = np.random.default_rng(2).normal(size=(4, 3, 3, 3)).astype(np.float32)
    given = execute("conv_transpose", X, weight=weight, pad_type="same", strides=[2, 2])
    full = F.conv_transpose2d(torch.from_numpy(X), torch.from_numpy(weight), stride=2)
    # 13 x 17 has one row and one column too many; the odd one goes after
    torch.testing.assert_close(given, full[..., :12, :16])


def test_an_instance_norm_uses_each_planes_own_statistics(execute: Build) -> None:
    gamma, beta = f(1, 2, 3, 4), f(0, 1, 0, 1)
    given = execute("instance_norm", X, gamma=gamma, beta=beta, epsilon=1e-3)
    expected = F.instance_norm(
        torch.from_numpy(X), weight=torch.from_numpy(gamma), bias=torch.from_numpy(beta), eps=1e-3
    )
    torch.testing.assert_close(given, expected)


def test_an_operation_that_is_not_covered_is_named(execute: Build) -> None:
    with pytest.raises(RunnerError, match="cumsum") as caught:
        execute("cumsum", X, axis=1)
    assert caught.value.remedy


def test_a_variant_that_is_not_covered_is_named_with_the_operation(execute: Build) -> None:
    with pytest.raises(RunnerError, match=r"upsample_bilinear .*half_pixel_centers"):
        execute("upsample_bilinear", X, align_corners=True, half_pixel_centers=True)
