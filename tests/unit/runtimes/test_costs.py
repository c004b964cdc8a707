"""Counting the cost of a file: the table, the errors, and the arithmetic all formats share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from maskport.artifacts.manifest import Artifact
from maskport.errors import MissingToolError, RunnerError, UsageError
from maskport.formats import FORMATS, Need
from maskport.loading import load
from maskport.runtimes.costs import counting
from maskport.runtimes.costs.counting import Cost, Layer, Uncountable, Work, cost_of
from maskport.runtimes.costs.operation import (
    Operation,
    convolution,
    count,
    einsum,
    product,
    transposed,
)

Build = Callable[..., Artifact]


@pytest.mark.parametrize("name", [name for name, row in FORMATS.items() if row.counter])
def test_a_counter_is_imported_without_its_sdk(name: str) -> None:
    # tests/architecture/test_imports.py holds that no SDK is imported with it
    assert callable(load(FORMATS[name].counter))


def test_another_format_is_a_usage_error_that_names_the_known_ones(
    tmp_path: Path, artifact: Build
) -> None:
    with pytest.raises(UsageError, match="tflight") as caught:
        cost_of(artifact("tflight"), tmp_path)
    assert "tflite" in caught.value.remedy


@pytest.mark.parametrize("name", [name for name, row in FORMATS.items() if row.counter])
def test_a_file_that_is_not_there_is_named(name: str, tmp_path: Path, artifact: Build) -> None:
    with pytest.raises(RunnerError, match=r"There is no .*gone"):
        cost_of(artifact(name), tmp_path / "gone")


def counted_by(monkeypatch: pytest.MonkeyPatch, error: Exception, *needs: Need) -> None:
    def failing(*_: object) -> Cost:
        raise error

    row = replace(FORMATS["onnx"], needs=needs)
    monkeypatch.setattr(counting, "FORMATS", {"fails": row})
    monkeypatch.setattr(counting, "load", lambda dotted: failing)


def test_a_missing_sdk_names_the_extra(
    tmp_path: Path, artifact: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    need = Need("surely_not_installed", "surely", "onnx")
    counted_by(monkeypatch, ModuleNotFoundError("No module named 'surely_not_installed'"), need)
    with pytest.raises(MissingToolError, match=r"needs surely") as caught:
        cost_of(artifact("fails"), tmp_path)
    assert caught.value.extra == "onnx"


@pytest.mark.parametrize("needs", [(), (Need("json", "json", "onnx"),)])
def test_an_sdk_that_is_there_but_broken_is_not_called_missing(
    needs: tuple[Need, ...], tmp_path: Path, artifact: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted_by(monkeypatch, ImportError("libsomething.so: cannot open shared object"), *needs)
    with pytest.raises(RunnerError, match=r"libsomething\.so"):
        cost_of(artifact("fails"), tmp_path)


def test_what_cannot_be_counted_is_an_error_that_says_why(
    tmp_path: Path, artifact: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted_by(monkeypatch, Uncountable("Conv (stem) has sizes that are known only when it runs"))
    with pytest.raises(RunnerError, match=r"can't be counted: Conv \(stem\) has sizes"):
        cost_of(artifact("fails"), tmp_path)


def test_operations_are_sorted_by_count_and_then_by_name() -> None:
    cost = Cost.of(1, 2, {"Relu": 2, "Add": 1, "Conv": 3, "MaxPool": 2})
    assert list(cost.operations.items()) == [("Conv", 3), ("MaxPool", 2), ("Relu", 2), ("Add", 1)]


RELU = Operation("Relu", "a", [None], [None])


def one(
    inputs: list[tuple[int | None, ...] | None], output: tuple[int | None, ...], **settings: object
) -> Operation:
    return Operation("kind", "name", inputs, [output], settings)


@pytest.mark.parametrize(
    ("kernel", "output", "macs"),
    [
        ((8, 3, 3, 3), (1, 8, 10, 20), 8 * 3 * 9 * 200),
        ((8, 1, 3, 3), (1, 8, 10, 20), 8 * 9 * 200),  # depthwise: one plane a channel
        ((8, 2, 5), (2, 8, 7), 8 * 2 * 5 * 14),  # one dimension, groups, a batch of two
        ((8, 3, 3, 3), (1, 8, 0, 20), 0),
    ],
)
def test_a_kernel_is_multiplied_once_at_each_position(
    kernel: tuple[int, ...], output: tuple[int, ...], macs: int
) -> None:
    assert convolution(kernel=1, channels=1)(one([(1, 3, 9, 9), kernel], output)) == macs


def test_a_transposed_convolution_is_placed_at_the_positions_of_its_input() -> None:
    formula = transposed(kernel=1, source=0, channels=1)
    # (in, out, 4, 4) at 5 x 5 positions, whatever the stride makes of the output
    assert formula(one([(1, 8, 5, 5), (8, 2, 4, 4)], (1, 2, 10, 10))) == 8 * 2 * 16 * 25


@pytest.mark.parametrize(
    ("left", "output", "settings", "macs"),
    [
        ((4, 5), (4, 6), {}, 4 * 5 * 6),
        ((5, 4), (4, 6), {"left_transposed": True}, 4 * 5 * 6),
        ((2, 1, 4, 5), (2, 3, 4, 6), {}, 2 * 3 * 4 * 5 * 6),  # broadcast over the second axis
        ((5,), (6,), {"left_transposed": True}, 5 * 6),  # a vector has nothing to transpose
    ],
)
def test_a_product_costs_its_result_times_the_inner_size(
    left: tuple[int, ...], output: tuple[int, ...], settings: dict[str, bool], macs: int
) -> None:
    assert product(one([left, None], output, **settings)) == macs


@pytest.mark.parametrize(
    ("equation", "left", "right", "macs"),
    [
        ("ij,jk->ik", (4, 5), (5, 6), 120),
        ("nchw, nwhu -> nchu", (1, 2, 3, 4), (1, 4, 3, 5), 2 * 3 * 4 * 5),
        ("...ij,jk", (2, 3, 4, 5), (5, 6), 2 * 3 * 120),
        ("...ij,...jk->...ik", (2, 1, 4, 5), (3, 5, 6), 2 * 3 * 120),
    ],
)
def test_an_einsum_costs_every_combination_of_its_indices(
    equation: str, left: tuple[int, ...], right: tuple[int, ...], macs: int
) -> None:
    assert einsum(one([left, right], (), equation=equation)) == macs


def test_an_einsum_of_three_tensors_depends_on_the_order_and_is_refused() -> None:
    with pytest.raises(Uncountable, match="number of tensors"):
        einsum(one([(2, 2), (2, 2), (2, 2)], (2, 2), equation="ij,jk,kl->il"))


@pytest.mark.parametrize("unknown", [None, (1, 8, None, 20), (1, 8, -1, 20)])
def test_a_shape_that_is_not_fixed_is_named_with_its_operation(
    unknown: tuple[int | None, ...] | None,
) -> None:
    operation = Operation("Conv", "stem", [(1, 3, 9, 9), (8, 3, 3, 3)], [unknown])
    counted = count([operation, RELU], {"Conv": convolution(kernel=1, channels=1)}, ())
    with pytest.raises(Uncountable, match=r"Conv \(stem\) has sizes that are known only when"):
        counted.work(0).cost()
    assert counted.kinds == {"Conv": 1, "Relu": 1}  # the rest is known all the same


def test_an_unknown_shape_of_what_multiplies_nothing_is_no_matter() -> None:
    assert count([RELU] * 2, {}, ()).work(5).cost() == Cost(0, 5, {"Relu": 2})


def test_an_operation_that_hides_products_is_refused_by_name() -> None:
    counted = count([Operation("LSTM", "memory", [], [])], {}, {"LSTM"})
    with pytest.raises(Uncountable, match=r"LSTM \(memory\)"):
        counted.work(0).cost()


def test_what_multiplies_is_a_layer_with_its_name_and_shape() -> None:
    stem = Operation("Conv", "stem", [(1, 3, 9, 9), (8, 3, 3, 3)], [(1, 8, 7, 7)])
    counted = count([stem, RELU, stem], {"Conv": convolution(kernel=1, channels=1)}, ())
    layer = Layer("Conv", "stem", (1, 8, 7, 7), 8 * 3 * 9 * 49)
    assert counted.layers == (layer, layer)
    assert counted.macs == 2 * layer.macs


def test_parts_of_a_file_are_added_up() -> None:
    hidden = count([Operation("LSTM", "memory", [], [])], {}, {"LSTM"})
    both = count([RELU], {}, ()) + hidden
    assert both.kinds == {"Relu": 1, "LSTM": 1}
    assert both.unknown == hidden.unknown != ""


@pytest.mark.parametrize(("macs", "weight_bytes"), [(1, 1 << 63), (1 << 90, 1), (-1, 1)])
def test_sizes_that_cant_be_are_no_cost(macs: int, weight_bytes: int) -> None:
    """Of a damaged file; what is said to the parent has bounds."""
    with pytest.raises(Uncountable, match="more than there can be"):
        Work({}, macs, weight_bytes).cost()
