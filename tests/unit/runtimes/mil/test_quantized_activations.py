"""Integers for activations, against coremltools' own definition of both operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from maskport.runtimes.mil.ops_elementwise import dequantize, quantize
from maskport.runtimes.mil.program import Program

pytestmark = pytest.mark.sdk

# Beyond both ends of every type below, and with halves of a step: 0.25 is half of 0.5.
X = np.concatenate(
    [np.random.default_rng(0).normal(0, 60, 61), [0.25, 0.75, -0.25, 200, -200, 0, 1e6, -1e6]]
).astype(np.float32)
X = X[:66].reshape(1, 3, 22)

PARAMETERS: dict[str, dict[str, Any]] = {
    "int8": {"scale": 0.5, "zero_point": np.int8(7), "output_dtype": "int8"},
    "int8 without a zero point": {"scale": 0.5, "output_dtype": "int8"},
    "uint8": {"scale": 0.5, "zero_point": np.uint8(200), "output_dtype": "uint8"},
    "uint8 from zero": {"scale": 0.25, "output_dtype": "uint8"},
    "each channel": {
        "scale": np.array([0.5, 0.25, 3], np.float32),
        "zero_point": np.array([0, -128, 127], np.int8),
        "output_dtype": "int8",
        "axis": 1,
    },
    "each channel, counted from the end": {
        "scale": np.array([0.5, 0.25, 3], np.float32),
        "zero_point": np.array([0, 128, 255], np.uint8),
        "output_dtype": "uint8",
        "axis": -2,
    },
}


def typed(parameters: dict[str, Any], kind: type) -> dict[str, Any]:
    """With scales of the type that Core ML wants: that of the values."""
    scale = np.asarray(parameters["scale"], kind)
    return {**parameters, "scale": scale if scale.ndim else kind(parameters["scale"])}


@pytest.fixture(scope="module")
def define(ct: Any) -> Callable[..., np.ndarray]:
    """What coremltools itself computes."""
    from coremltools.converters.mil import Builder as mb

    def run(op: str, x: np.ndarray, **options: Any) -> np.ndarray:
        values = []

        @mb.program(input_specs=[mb.TensorSpec(shape=(1,))], opset_version=ct.target.iOS17)
        def program(unused: Any) -> Any:
            made = getattr(mb, op)(input=x, **options)
            values.append(made.op.materialized_val_inference() if made.val is None else made.val)
            return mb.identity(x=unused)

        return np.asarray(values[0])

    return run


@pytest.fixture(scope="module")
def both_ways(ct: Any) -> Callable[..., Tensor]:
    """The executor's result for a program that quantises its input and comes back."""
    from coremltools.converters.mil import Builder as mb
    from coremltools.converters.mil.mil import types

    def run(x: np.ndarray, **options: Any) -> Tensor:
        back = {k: v for k, v in options.items() if k != "output_dtype"}
        kind = types.fp16 if x.dtype == np.float16 else types.fp32
        spec = mb.TensorSpec(shape=x.shape, dtype=kind)

        @mb.program(input_specs=[spec], opset_version=ct.target.iOS17)
        def program(x: Any) -> Any:
            return mb.dequantize(input=mb.quantize(input=x, **options), **back)

        executor = Program(program.functions["main"])
        (value,) = executor.run({"x": torch.from_numpy(x.astype(np.float32))}).values()
        return value

    return run


@pytest.mark.parametrize("name", PARAMETERS)
def test_values_come_back_as_coremltools_defines(
    name: str, define: Callable[..., np.ndarray], both_ways: Callable[..., Tensor]
) -> None:
    options = typed(PARAMETERS[name], np.float32)
    back = {k: v for k, v in options.items() if k != "output_dtype"}
    expected = define("dequantize", define("quantize", X, **options), **back)
    np.testing.assert_array_equal(both_ways(X, **options).numpy(), expected)


@pytest.mark.parametrize("name", PARAMETERS)
def test_in_float16_they_are_at_most_a_step_apart(
    name: str, define: Callable[..., np.ndarray], both_ways: Callable[..., Tensor]
) -> None:
    """NumPy divides in float16, so what lies near the middle of a step may go either way; the
    documentation doesn't say in what Core ML divides."""
    options = typed(PARAMETERS[name], np.float16)
    back = {k: v for k, v in options.items() if k != "output_dtype"}
    x = np.clip(X, -60000, 60000).astype(np.float16)
    expected = define("dequantize", define("quantize", x, **options), **back)
    given = both_ways(x, **options).numpy()
    scale = options["scale"].reshape(-1, 1) if options["scale"].ndim else options["scale"]
    assert (np.abs(given - expected.astype(np.float32)) <= scale).all()
    assert (given == expected).mean() > 0.9


def test_halves_go_to_the_even_integer_and_the_rest_to_the_ends() -> None:
    x = torch.tensor([0.5, 1.5, -0.5, -2.5, 1000.0, -1000.0])
    given = quantize(x, torch.tensor(1.0), "int8")
    assert given.dtype == torch.int8
    assert given.tolist() == [0, 2, 0, -2, 127, -128]
    assert quantize(x, torch.tensor(1.0), "uint8", 1).tolist() == [1, 3, 1, 0, 255, 0]


def test_a_difference_of_integers_does_not_wrap_round() -> None:
    given = dequantize(torch.tensor([-128, 127], dtype=torch.int8), torch.tensor(0.5), 127)
    assert given.tolist() == [-127.5, 0.0]
