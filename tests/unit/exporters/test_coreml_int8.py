"""Core ML in int8: our integers, our ranges, where Core ML computes in integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from maskport.artifacts.inspect.coreml import neural_engine
from maskport.exporters.coreml_int8 import export_w8a8
from maskport.exporters.intermediates import keep_program
from maskport.exporters.run import Card, Exported, Options, Run
from maskport.models.prepared import prepare
from maskport.models.seeding import seeded
from maskport.models.u2net import FLAT, Stage, U2Net
from maskport.quantization.encodings import Encoding, QuantizedNetwork
from maskport.quantization.graph import capture
from maskport.quantization.program import quantized_program
from maskport.quantization.quantize import quantize
from maskport.quantization.recipe import Recipe, write_recipe
from maskport.quantization.simulation import rounded
from maskport.runtimes.mil.package import read_package
from maskport.runtimes.mil.program import Program
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

from ...packages import differences
from ...sdks import needed

pytestmark = pytest.mark.sdk

# Neither square nor even: swapped sides show.
HEIGHT, WIDTH = 50, 37
CARD = Card("nano", "the author", "the licence", "0123456789ab", "Draws a mask")
NANO = (
    Stage("stage1", 2, 3, 8, 8),
    Stage("stage2", FLAT, 8, 8, 8),
    Stage("stage1d", 2, 16, 8, 8),
)


@pytest.fixture(scope="module", autouse=True)
def coremltools() -> Any:
    pytest.importorskip("sklearn", reason="needs maskport[coreml]")
    return needed("coremltools", "coreml")


@dataclass(frozen=True)
class Sample:
    """A recipe's own run, and the numbers that its program was made of."""

    run: Run
    network: QuantizedNetwork
    view: nn.Module
    photo: np.ndarray


def sample_of(
    folder: Path,
    network: nn.Module,
    output: str = "image",
    number: int | None = 0,
    change: Callable[[QuantizedNetwork], QuantizedNetwork] = lambda numbers: numbers,
) -> Sample:
    spec = ModelSpec("nano", ImageSpec(HEIGHT, WIDTH), MaskSpec(), output=number)
    run = Run(folder, spec, CARD, Options(coreml_output=output))  # type: ignore[arg-type]
    photo = scene(0, HEIGHT, WIDTH).photo.transpose(2, 0, 1)
    recipe = Recipe("own", pass_bytes=True, wide_tail=True)
    quantized, view = quantize(prepare(network, spec), photo[None], recipe)
    quantized = change(quantized)
    keep_program(quantized_program(view, quantized, photo), run)
    write_recipe(recipe, run.recipe)
    return Sample(run, quantized, view, photo)


def nano() -> U2Net:
    network = U2Net(NANO, 1).eval()
    seeded(network, 0, (HEIGHT, WIDTH))
    return network


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return sample_of(tmp_path_factory.mktemp("run"), nano())


@pytest.fixture(scope="module")
def package(sample: Sample) -> tuple[Path, Exported]:
    path = sample.run.scratch / "nano.mlpackage"
    return path, export_w8a8(sample.run, path)


def operations(package: Path, kind: str) -> list[Any]:
    return [op for op in read_package(package).function.operations if op.op_type == kind]


def drawn(package: Path, photo: np.ndarray) -> Tensor:
    program = Program(read_package(package).function)
    return program.run({"image": torch.from_numpy(photo)[None].float()})["mask"]


def simulated(sample: Sample) -> Tensor:
    """What the quantised network draws for its photo, rounded where its encodings say."""
    network = sample.network

    def stored(name: str, value: Tensor) -> Tensor:
        encoding = network.tensors[name].encoding
        is_mask = name == list(network.tensors)[-1]
        return value if encoding is None or is_mask else rounded(value, encoding)

    with torch.no_grad():
        photo = torch.from_numpy(sample.photo)[None].float() / 255
        return capture(sample.view, sample.run.image_shape).run(photo, stored)


def test_it_draws_what_the_quantized_network_draws(
    package: tuple[Path, Exported], sample: Sample
) -> None:
    given, expected = drawn(package[0], sample.photo) / 255, simulated(sample)
    # 0.001 is what float16 does to scales and to values next to the middle of a step; tensors
    # that were matched wrongly give another mask.
    assert float((given - expected).abs().mean()) < 4e-3
    assert float(expected.std()) > 0.02


def test_nothing_is_computed_in_float32(package: tuple[Path, Exported]) -> None:
    """Bytes go into the first quantisation, whose step is one of them."""
    assert not [line for line in neural_engine(package[0]) or [] if "float32" in line]
    (first,) = [op for op in operations(package[0], "quantize") if op.input.op.op_type == "cast"]
    assert float(first.scale.val) == 1.0


def test_every_convolution_reads_integers_in_the_encoding_of_what_it_reads(
    package: tuple[Path, Exported], sample: Sample
) -> None:
    encodings = {t.encoding for t in sample.network.tensors.values() if t.encoding}
    known = {(np.float16(e.scale), e.zero_point) for e in encodings}
    convolutions = operations(package[0], "conv")
    assert len(convolutions) == sum(bool(t.weight) for t in sample.network.tensors.values())
    for convolution in convolutions:
        dequantize = convolution.x.op
        assert dequantize.op_type == "dequantize"
        assert dequantize.input.op.op_type == "quantize"
        zero_point = dequantize.zero_point.val if dequantize.zero_point else -128
        assert (dequantize.scale.val, zero_point) in known


def test_weights_are_the_quantized_networks_integers(
    package: tuple[Path, Exported], sample: Sample
) -> None:
    network = sample.network
    expected = {network.integers(path).tobytes() for path in network.weight_scales}
    stored = operations(package[0], "constexpr_affine_dequantize")
    assert len(stored) == len(network.weight_scales)
    for weight in stored:
        assert weight.quantized_data.val.tobytes() in expected


def test_what_stays_in_float_has_no_pair(package: tuple[Path, Exported], sample: Sample) -> None:
    *_, mask = sample.network.tensors
    # The mask's bytes would be the loss of a whole network.
    tensors = sample.network.tensors.values()
    stored = [t for t in tensors if t.encoding is not None and t.name != mask]
    assert len(stored) < len(tensors) - 1
    assert len(operations(package[0], "quantize")) == len(stored)


def test_it_runs_from_ios_17_and_the_manifest_says_so(package: tuple[Path, Exported]) -> None:
    # Specification 8 is iOS 17 and macOS 14, the first with these operations.
    assert package[1].properties == {"minimum_deployment_target": "iOS17"}
    stored = package[1].quantization
    assert stored is not None
    assert stored.weights.startswith("int8")
    assert stored.activations.startswith("int8")


def test_the_manifest_names_the_recipe(package: tuple[Path, Exported], sample: Sample) -> None:
    stored = package[1].quantization
    assert stored is not None
    assert stored.recipe == "own"
    assert stored.recipe_sha256 == sample.network.recipe.digest


def test_another_export_in_the_same_process_gives_the_same_bytes(
    package: tuple[Path, Exported], sample: Sample, tmp_path: Path
) -> None:
    """Whatever coremltools has counted meanwhile, such as the operations of what failed."""
    from coremltools.converters.mil.mil import Builder

    Builder.name_count.update(quantize=24, dequantize=24, conv2d=7)
    again = tmp_path / "again.mlpackage"
    export_w8a8(sample.run, again)
    assert differences(package[0], again) == []


class InPlace(nn.Module):
    """torch renames operations that work in place when it makes a program functional."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 1, 3, padding=1)
        self.rectify = self.rectifier()

    def rectifier(self) -> nn.Module:
        return nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.rectify(self.first(x))
        x = self.rectify(self.second(x)) + x
        mask: Tensor = torch.sigmoid(self.last(x))
        return mask


class InPlaceThenSliced(InPlace):
    """Views of what was changed in place have no names of the network's at all."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.rectify(self.first(x))
        x = torch.cat([torch.max_pool2d(x[:, :, :20], 1), torch.max_pool2d(x[:, :, 20:], 1)], 2)
        mask: Tensor = torch.sigmoid(self.last(self.rectify(self.second(x))))
        return mask


class RectifiedTo6(InPlace):
    """coremltools has a convolution and its ReLU6 as two operations."""

    def rectifier(self) -> nn.Module:
        return nn.ReLU6(inplace=True)


@pytest.mark.parametrize("kind", [InPlace, InPlaceThenSliced, RectifiedTo6])
def test_operations_that_work_in_place_are_matched_and_an_array_can_come_out(
    kind: type[InPlace], tmp_path: Path
) -> None:
    sample = sample_of(tmp_path, kind(), "multiarray", None)
    assert {"relu_", "hardtanh_"} & sample.network.tensors.keys()
    path = tmp_path / "in-place.mlpackage"
    export_w8a8(sample.run, path)
    # Input, normalised, two rectified, the sum; the last convolution's result is stored as well.
    assert len(operations(path, "quantize")) >= 5
    with torch.no_grad():
        photo = torch.from_numpy(sample.photo)[None].float() / 255
        expected = prepare(kind(), sample.run.spec)(photo)
    # A mask in [0, 1], eight bits a tensor.
    torch.testing.assert_close(drawn(path, sample.photo), expected, atol=0.03, rtol=0)


def test_a_scale_that_float16_can_not_hold_is_raised_to_one_that_it_can(tmp_path: Path) -> None:
    """A tensor that was zero on all calibration photos has next to no range."""

    def quiet(network: QuantizedNetwork) -> QuantizedNetwork:
        names = [t.name for t in network.tensors.values() if t.weight]
        name = next(name for name in names if name.startswith("relu"))
        dead = replace(network.tensors[name], encoding=Encoding(1e-12, -128))
        return replace(network, tensors={**network.tensors, name: dead})

    sample = sample_of(tmp_path, nano(), change=quiet)
    path = tmp_path / "quiet.mlpackage"
    export_w8a8(sample.run, path)
    scales = [float(op.scale.val) for op in operations(path, "quantize")]
    assert min(scales) == np.finfo(np.float16).smallest_normal
    assert torch.isfinite(drawn(path, sample.photo)).all()
