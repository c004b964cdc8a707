"""The cost of files that PyTorch's exporters make of one network, whose products are known."""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from maskport.artifacts.manifest import Artifact
from maskport.errors import RunnerError
from maskport.runtimes.costs.counting import cost_of
from maskport.runtimes.mil.package import coremltools
from maskport.sdks.quiet import quiet

from ...sdks import needed

Build = Callable[..., Artifact]

pytestmark = pytest.mark.sdk


class Known(nn.Module):
    """(1, 3, 16, 16) to (1, 2, 3), through one of each operation that multiplies."""

    def __init__(self) -> None:
        super().__init__()
        self.strided = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.dilated = nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4)
        self.up = nn.ConvTranspose2d(4, 2, 2, stride=2)
        self.head = nn.Linear(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        planes = self.up(self.dilated(torch.relu(self.strided(x)))).reshape(1, 2, 256)
        return self.head(torch.bmm(planes, planes.transpose(1, 2)))


MACS = (
    4 * 3 * 9 * 64  # strided: 8 x 8 positions
    + 4 * 9 * 64  # dilated depthwise
    + 4 * 2 * 4 * 64  # transposed: the positions of its input
    + 2 * 2 * 256  # (2, 256) times (256, 2)
    + 2 * 3 * 2  # two rows through the head
)
WEIGHTS = (4 * 3 * 9 + 4) + (4 * 9 + 4) + (4 * 2 * 4 + 2) + (2 * 3 + 3)


@pytest.fixture(scope="module")
def known() -> Known:
    torch.manual_seed(0)
    return Known().eval()


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    return torch.zeros(1, 3, 16, 16)


@pytest.fixture(scope="module")
def trace(known: Known, image: torch.Tensor) -> Any:
    with warnings.catch_warnings(action="ignore"):  # torch calls TorchScript deprecated
        return torch.jit.freeze(torch.jit.trace(known, image))


def test_onnx(known: Known, image: torch.Tensor, artifact: Build, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs maskport[onnx]")
    path = tmp_path / "known.onnx"
    torch.onnx.export(known, (image,), str(path), dynamo=False)
    cost = cost_of(artifact("onnx"), path)
    assert (cost.macs, cost.weight_bytes) == (MACS, 4 * WEIGHTS)
    kinds = ("Conv", "ConvTranspose", "MatMul", "Relu")
    assert [cost.operations[kind] for kind in kinds] == [2, 1, 2, 1]


def test_torchscript_lite(trace: Any, artifact: Build, tmp_path: Path) -> None:
    path = tmp_path / "known.ptl"
    with warnings.catch_warnings(action="ignore"):
        trace._save_for_lite_interpreter(str(path))
    cost = cost_of(artifact("torchscript-lite", height=16, width=16), path)
    assert (cost.macs, cost.weight_bytes) == (MACS, 4 * WEIGHTS)
    kinds = ("aten::_convolution", "aten::bmm", "aten::linear", "aten::relu")
    assert [cost.operations[kind] for kind in kinds] == [3, 1, 1, 1]


class Padded(nn.Module):
    """A trace has the sizes that a network computes as tensors, which must have values."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        small = nn.functional.max_pool2d(self.first(x), 2)
        missing = x.size(3) - small.size(3)
        return self.last(nn.functional.pad(small, [missing // 2, missing - missing // 2]))


def test_torchscript_lite_that_computes_with_sizes(
    artifact: Build, image: torch.Tensor, tmp_path: Path
) -> None:
    path = tmp_path / "padded.ptl"
    with warnings.catch_warnings(action="ignore"):
        traced = torch.jit.freeze(torch.jit.trace(Padded().eval(), image))
        traced._save_for_lite_interpreter(str(path))
    cost = cost_of(artifact("torchscript-lite", height=16, width=16), path)
    # Each once: at 16 x 16 positions, and at half as many rows.
    assert cost.macs == 4 * 3 * 9 * 16 * 16 + 4 * 8 * 16


def test_the_bytecode_of_a_file_is_read_and_not_executed(
    trace: Any, artifact: Build, tmp_path: Path
) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(tmp_path / "sprung"),))

    whole, path = tmp_path / "whole.ptl", tmp_path / "trap.ptl"
    with warnings.catch_warnings(action="ignore"):
        trace._save_for_lite_interpreter(str(whole))
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            trap = name.endswith("bytecode.pkl")
            target.writestr(name, pickle.dumps((8, Trap())) if trap else source.read(name))
    with pytest.raises(RunnerError, match="no function forward"):
        cost_of(artifact("torchscript-lite"), path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("delegated", [True, False])
def test_executorch(
    delegated: bool, known: Known, image: torch.Tensor, artifact: Build, tmp_path: Path
) -> None:
    pytest.importorskip("executorch", reason="needs maskport[executorch]")
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    program = torch.export.export(known, (image,))
    parts = [XnnpackPartitioner()] if delegated else []
    path = tmp_path / "known.pte"
    lowered = to_edge_transform_and_lower(program, partitioner=parts)
    path.write_bytes(lowered.to_executorch().buffer)
    cost = cost_of(artifact("executorch"), path)
    assert (cost.macs, cost.weight_bytes) == (MACS, 4 * WEIGHTS)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(RunnerError, match=r"known\.pte .*segments end behind its end"):
        cost_of(artifact("executorch"), path)
    if delegated:
        kinds = ("XNNConv2d", "XNNDepthwiseConv2d", "XNNConvTranspose2d", "XNNFullyConnected")
        assert [cost.operations[kind] for kind in kinds] == [1, 1, 1, 1]
    else:
        kinds = ("aten::convolution.out", "aten::addmm.out", "aten::bmm.out")
        assert [cost.operations[kind] for kind in kinds] == [3, 1, 1]


def test_an_executorch_program_for_any_size_is_an_error(artifact: Build, tmp_path: Path) -> None:
    pytest.importorskip("executorch", reason="needs maskport[executorch]")
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    height = torch.export.Dim("height", min=8, max=32)
    program = torch.export.export(
        nn.Conv2d(3, 4, 3, padding=1).eval(),
        (torch.zeros(1, 3, 16, 16),),
        dynamic_shapes=({2: height},),
    )
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    path = tmp_path / "any.pte"
    path.write_bytes(lowered.to_executorch().buffer)
    with pytest.raises(RunnerError, match="known only when it runs"):
        cost_of(artifact("executorch"), path)


@pytest.fixture(scope="module")
def ct() -> Any:
    needed("coremltools", "coreml")
    with quiet():
        return coremltools()


def converted(ct: Any, trace: Any, shape: tuple[int, ...], **options: Any) -> Any:
    with warnings.catch_warnings(action="ignore"), quiet():
        return ct.convert(
            trace,
            inputs=[ct.TensorType(name="image", shape=shape)],
            convert_to="mlprogram",
            skip_model_load=True,
            **options,
        )


@pytest.mark.parametrize(("precision", "item"), [("FLOAT32", 4), ("FLOAT16", 2)])
def test_coreml(
    precision: str, item: int, ct: Any, trace: Any, artifact: Build, tmp_path: Path
) -> None:
    path = tmp_path / "known.mlpackage"
    options = {"compute_precision": ct.precision[precision]}
    converted(ct, trace, (1, 3, 16, 16), **options).save(str(path))
    cost = cost_of(artifact("coreml"), path)
    assert (cost.macs, cost.weight_bytes) == (MACS, item * WEIGHTS)
    kinds = ("conv", "conv_transpose", "linear", "matmul")
    assert [cost.operations[kind] for kind in kinds] == [2, 1, 1, 1]
    assert "const" not in cost.operations


# 16 x 8 x 3 x 3 weights, and 16 biases of two bytes
QUANTIZED, BIASES = 1152, 32


@pytest.mark.parametrize(
    ("target", "bits", "stored"),
    [
        ("iOS16", 6, 1152 * 6 // 8 + 64 * 2),
        ("iOS16", 4, 1152 * 4 // 8 + 16 * 2),
        # another operation, with indices of four bits instead of packed bytes
        ("iOS18", 4, 1152 * 4 // 8 + 16 * 2),
        # a scale of two bytes for each of 16 channels; zero points of one byte only before iOS 18
        ("iOS16", 8, 1152 + 16 * 2 + 16),
        ("iOS18", 8, 1152 + 16 * 2),
    ],
)
def test_compressed_weights_count_as_they_are_stored(
    target: str, bits: int, stored: int, ct: Any, artifact: Build, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    traced = torch.jit.freeze(torch.jit.trace(nn.Conv2d(8, 16, 3).eval(), torch.zeros(1, 8, 6, 6)))
    import coremltools.optimize.coreml as cto

    if bits == 8:
        operation: Any = cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0)
        compress: Any = cto.linear_quantize_weights
    else:
        pytest.importorskip("sklearn", reason="palettising needs maskport[coreml]")
        operation = cto.OpPalettizerConfig(mode="kmeans", nbits=bits, weight_threshold=0)
        compress = cto.palettize_weights
    path = tmp_path / "small.mlpackage"
    with quiet(), warnings.catch_warnings(action="ignore"):
        model = converted(ct, traced, (1, 8, 6, 6), minimum_deployment_target=ct.target[target])
        compress(model, cto.OptimizationConfig(global_config=operation)).save(str(path))
    cost = cost_of(artifact("coreml"), path)
    assert cost.weight_bytes == stored + BIASES
    assert cost.macs == QUANTIZED * 4 * 4  # decompressing multiplies nothing here


@pytest.mark.parametrize("format", ["onnx", "torchscript-lite", "executorch", "coreml"])
def test_random_bytes_are_no_file_of_any_format(
    format: str, artifact: Build, tmp_path: Path
) -> None:
    needed = {"onnx": "onnx", "executorch": "executorch", "coreml": "coremltools"}
    if format in needed:
        pytest.importorskip(needed[format], reason=f"needs maskport[{format}]")
    path = tmp_path / "noise.bin"
    path.write_bytes(np.random.default_rng(0).bytes(999))
    with pytest.raises(RunnerError, match=r"noise\.bin"):
        cost_of(artifact(format), path)


def test_a_damaged_executorch_program_is_an_error(artifact: Build, tmp_path: Path) -> None:
    pytest.importorskip("executorch", reason="needs maskport[executorch]")
    path = tmp_path / "noise.pte"
    path.write_bytes(b"\x10\0\0\0ET12" + np.random.default_rng(0).bytes(999))
    with pytest.raises(RunnerError, match=r"noise\.pte .*program\.fbs"):
        cost_of(artifact("executorch"), path)
