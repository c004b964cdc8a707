"""Which packages of PyTorch Mobile and ExecuTorch have what a file uses."""

from __future__ import annotations

from typing import Any

import pytest

from maskport.artifacts.inspect import executorch_releases, torch_mobile_releases
from maskport.artifacts.manifest import OldestRuntime

CONVOLUTION = {"aten::_convolution": 13}


def versions(found: tuple[OldestRuntime, ...]) -> list[str | None]:
    return [oldest.version for oldest in found]


@pytest.mark.parametrize(
    ("operators", "release", "because"),
    [
        (CONVOLUTION, ["1.12.1", "1.12.0"], "bytecode version 8"),
        # PyTorch 2.0 brought it, which no package is of.
        (
            CONVOLUTION | {"aten::scaled_dot_product_attention": 6},
            ["2.1.0", "2.1.0"],
            "aten::scaled_dot_product_attention",
        ),
        # Since then it has one argument more: enable_gqa.
        ({"aten::scaled_dot_product_attention": 8}, [None, None], "2.1.0, has no aten::scaled"),
        # From 2025.
        ({"aten::_grouped_mm": 3}, [None, None], "2.1.0, has no aten::_grouped_mm"),
    ],
)
def test_a_file_of_the_lite_interpreter_needs_the_release_that_has_its_operators(
    operators: dict[str, int], release: list[str | None], because: str
) -> None:
    found = torch_mobile_releases.oldest(8, operators)
    assert versions(found) == release
    assert all(because in oldest.because for oldest in found)


@pytest.mark.parametrize(
    ("version", "operators"), [(7, CONVOLUTION), (9, CONVOLUTION), (8, {"torchvision::nms": 3})]
)
def test_nothing_is_said_of_other_bytecode_and_of_others_operators(
    version: int, operators: dict[str, int]
) -> None:
    assert torch_mobile_releases.oldest(version, operators) == ()


def test_a_package_without_a_release_that_would_do_is_said_to_have_none() -> None:
    (android, _) = torch_mobile_releases.oldest(8, {"aten::_grouped_mm": 3})
    assert str(android) == "no release of org.pytorch:pytorch_android_lite"


XNNPACK = ["XnnpackBackend"]


def graph(*nodes: str, scales: int = 0) -> dict[str, Any]:
    """A graph of XNNPACK's, with weights whose scales lie in a buffer, or with them (0)."""
    weights = {
        "tensor_value": {"datatype": "xnn_datatype_qcint8"},
        "quant_params_type": "PerChannelQuant",
        "quant_params": {"scale": [] if scales else [0.5], "scale_buffer_idx": scales},
    }
    values = [{"datatype": "xnn_datatype_fp32"}, weights]
    return {
        "xnodes": [{"xnode_union_type": node} for node in nodes],
        "xvalues": [{"xvalue_union": value} for value in values],
    }


def test_a_program_needs_the_release_that_has_all_that_it_uses() -> None:
    def needs(found: dict[str, Any], *operators: str) -> set[tuple[str | None, str]]:
        oldest = executorch_releases.oldest(XNNPACK, [graph("XNNAdd"), found], operators)
        assert len(oldest) == 2
        return {(one.version, one.because) for one in oldest}

    floor = "all that it uses; no older release was read"
    assert needs(graph("XNNConv2d")) == {("0.6.0", floor)}
    assert needs(graph("XNNConv2d", "XNNGelu")) == {("0.7.0", "XNNGelu")}
    # 0.6.0 was seen to refuse such a file.
    scales = "PerChannelQuant.scale_buffer_idx"
    assert needs(graph("XNNConv2d", scales=2)) == {("0.7.0", scales)}
    operator = "aten::grid_sampler_2d.out"
    assert needs(graph("XNNConv2d", "XNNGelu"), operator) == {("1.1.0", operator)}


def test_what_is_linked_is_what_a_program_calls() -> None:
    def linked(*operators: str) -> list[list[str]]:
        found = executorch_releases.oldest(XNNPACK, [graph("XNNConv2d")], operators)
        return [oldest.links for oldest in found]

    # Android's package has everything in it.
    assert linked() == [[], ["backend_xnnpack"]]
    assert linked("aten::mm.out") == [[], ["backend_xnnpack", "kernels_optimized"]]
    assert linked("aten::mm.out", "quantized_decomposed::add.out") == [
        [],
        ["backend_xnnpack", "kernels_optimized", "kernels_quantized"],
    ]
    (_, swift) = executorch_releases.oldest(XNNPACK, [], [])
    assert str(swift) == "ExecuTorch's Swift package 0.6.0 or newer with backend_xnnpack"


def test_nothing_is_said_of_other_back_ends_and_of_what_no_release_has() -> None:
    oldest = executorch_releases.oldest
    assert oldest(["QnnBackend"], [], []) == ()
    assert oldest(XNNPACK, [graph("XNNTomorrow")], []) == ()
    assert oldest(XNNPACK, [], ["mine::op.out"]) == ()
