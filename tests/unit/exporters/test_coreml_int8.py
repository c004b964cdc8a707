"""Core ML in int8: our integers, our ranges, where Core ML computes in integers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import load

from maskport.errors import ExportError
from maskport.exporters.coreml_int8 import export_w8a8
from maskport.exporters.coreml_integers import ProgramTensors, in_integers
from maskport.exporters.intermediates import make
from maskport.exporters.run import Card, Exported, Options, Run
from maskport.imaging.scenes import scene
from maskport.models.prepared import prepare
from maskport.models.seeding import seeded
from maskport.models.u2net import FLAT, Stage, U2Net
from maskport.quantization.encodings import Encoding, QuantizedNetwork
from maskport.quantization.graph import capture
from maskport.quantization.quantise import quantise
from maskport.quantization.recipe import Recipe
from maskport.quantization.simulation import rounded
from maskport.quantization.weight_grids import ANY_PAIR
from maskport.runtimes.mil.package import read_package
from maskport.runtimes.mil.program import Program
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

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
    return pytest.importorskip("coremltools", reason="needs maskport[coreml]")


def run_of(folder: Path, network: nn.Module, output: str = "image", number: int | None = 0) -> Run:
    spec = ModelSpec("nano", ImageSpec(HEIGHT, WIDTH), MaskSpec(), output=number)
    run = Run(folder, spec, CARD, Options(coreml_output=output))  # type: ignore[arg-type]
    photo = scene(0, HEIGHT, WIDTH).photo.transpose(2, 0, 1)
    # Any pair: with weights of up to 127 steps, those beyond 100 are worth cutting off below.
    recipe = Recipe("own", pass_bytes=True, wide_tail=True, largest_pair=ANY_PAIR)
    quantised, view = quantise(prepare(network, spec), photo[None], "", recipe)
    _without_the_largest(quantised).save(run.numbers)
    make("program", view, run)
    return run


def _without_the_largest(network: QuantizedNetwork) -> QuantizedNetwork:
    """Weights of at most 100 steps: coremltools' own rounding takes the largest for 127."""
    weights = dict(network.weights)
    for path, scale in network.weight_scales.items():
        most = 100 * scale.reshape(-1, 1, 1, 1)
        weights[path] = weights[path].clamp(-most, most)
    return replace(network, weights=weights)


def nano() -> U2Net:
    network = U2Net(NANO, 1).eval()
    seeded(network, 0, (HEIGHT, WIDTH))
    return network


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_of(tmp_path_factory.mktemp("run"), nano())


@pytest.fixture(scope="module")
def package(run: Run) -> tuple[Path, Exported]:
    path = run.scratch / "nano.mlpackage"
    return path, export_w8a8(run, path)


def operations(package: Path, kind: str) -> list[Any]:
    return [op for op in read_package(package).function.operations if op.op_type == kind]


def drawn(package: Path, photo: np.ndarray) -> Tensor:
    program = Program(read_package(package).function)
    return program.run({"image": torch.from_numpy(photo)[None].float()})["mask"]


def simulated(run: Run) -> Tensor:
    """What the quantised network draws for its probe, rounded where its encodings say."""
    network = run.quantized
    view = network.apply_to(load(str(run.program)).module(check_guards=False))

    def stored(name: str, value: Tensor) -> Tensor:
        encoding = network.tensors[name].encoding
        is_mask = name == list(network.tensors)[-1]
        return value if encoding is None or is_mask else rounded(value, encoding)

    with torch.no_grad():
        photo = torch.from_numpy(network.probe)[None].float() / 255
        return capture(view, run.image_shape).run(photo, stored)


def test_it_draws_what_the_quantised_network_draws(
    package: tuple[Path, Exported], run: Run
) -> None:
    photo = run.quantized.probe
    given, expected = drawn(package[0], photo) / 255, simulated(run)
    # 0.001 is what float16 does to scales and to values next to the middle of a step; tensors
    # that were matched wrongly give another mask.
    assert float((given - expected).abs().mean()) < 4e-3
    assert float(expected.std()) > 0.02


def test_every_convolution_reads_integers_in_the_encoding_of_what_it_reads(
    package: tuple[Path, Exported], run: Run
) -> None:
    tensors = run.quantized.tensors
    for convolution in operations(package[0], "conv"):
        dequantize = convolution.x.op
        assert dequantize.op_type == "dequantize"
        value = dequantize.input.op.input.name.removesuffix("_cast_fp16")
        encoding = tensors.get(value, tensors["x"]).encoding
        assert encoding is not None
        assert dequantize.scale.val == np.float16(encoding.scale)
        zero_point = dequantize.zero_point.val if dequantize.zero_point else -128
        assert zero_point == encoding.zero_point
        # Without negative values: uint8 from 0.
        assert dequantize.input.op.output_dtype.val == (
            "int8" if dequantize.zero_point else "uint8"
        )


def test_weights_are_the_quantised_networks_integers(
    package: tuple[Path, Exported], run: Run
) -> None:
    network = run.quantized
    expected = {network.integers(path).tobytes() for path in network.weight_scales}
    stored = operations(package[0], "constexpr_affine_dequantize")
    assert len(stored) == len(network.weight_scales)
    for weight in stored:
        assert weight.quantized_data.val.tobytes() in expected


def test_what_stays_in_float_has_no_pair(package: tuple[Path, Exported], run: Run) -> None:
    tensors = list(run.quantized.tensors.values())
    kept = {t.name for t in tensors if t.encoding is None}
    assert kept
    kept.add(tensors[-1].name)  # the mask: bytes would be the loss of a whole network
    for quantize in operations(package[0], "quantize"):
        assert quantize.input.name.removesuffix("_cast_fp16") not in kept


def test_it_runs_from_ios_17_and_the_manifest_says_so(package: tuple[Path, Exported]) -> None:
    # Specification 8 is iOS 17 and macOS 14, the first with these operations.
    assert package[1].properties == {"minimum_deployment_target": "iOS17"}
    stored = package[1].quantization
    assert stored is not None
    assert stored.weights.startswith("int8")
    assert stored.activations.startswith("int8")


def test_the_manifest_names_the_recipe(package: tuple[Path, Exported], run: Run) -> None:
    stored = package[1].quantization
    assert stored is not None
    assert stored.recipe == "own"
    assert stored.recipe_sha256 == run.quantized.recipe.digest


def test_another_export_in_the_same_process_gives_the_same_bytes(
    package: tuple[Path, Exported], run: Run, tmp_path: Path
) -> None:
    again = tmp_path / "again.mlpackage"
    export_w8a8(run, again)

    def contents(folder: Path) -> dict[str, bytes]:
        files = (p for p in folder.rglob("*") if p.is_file())
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}

    assert contents(again) == contents(package[0])


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
    run = run_of(tmp_path, kind(), "multiarray", None)
    network = run.quantized
    assert {"relu_", "hardtanh_"} & network.tensors.keys()
    path = tmp_path / "in-place.mlpackage"
    export_w8a8(run, path)
    # Input, normalised, two rectified, the sum; the last convolution's result is stored as well.
    assert len(operations(path, "quantize")) >= 5
    with torch.no_grad():
        photo = torch.from_numpy(network.probe)[None].float() / 255
        expected = prepare(kind(), run.spec)(photo)
    # A mask in [0, 1], eight bits a tensor.
    torch.testing.assert_close(drawn(path, network.probe), expected, atol=0.03, rtol=0)


def test_a_value_of_unknown_range_is_an_error(run: Run, coremltools: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    @mb.program(
        input_specs=[mb.TensorSpec(shape=(1, 3, 4, 4))], opset_version=coremltools.target.iOS17
    )
    def program(image: Any) -> Any:
        strange = mb.sin(x=image, name="strange")
        return mb.max_pool(x=strange, kernel_sizes=[2, 2], pad_type="valid", name="mask")

    model = coremltools.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=coremltools.target.iOS17,
        skip_model_load=True,
    )
    with pytest.raises(ExportError, match="'strange") as caught:
        in_integers(model, ProgramTensors(run.quantized, {}))
    assert "coreml-w8" in str(caught.value)


def test_a_scale_that_float16_can_not_hold_is_raised_to_one_that_it_can(
    run: Run, tmp_path: Path
) -> None:
    """A tensor that was zero on all calibration photos has next to no range."""
    network = run.quantized
    name = next(t.name for t in network.tensors.values() if t.rectified)
    dead = replace(network.tensors[name], encoding=Encoding(1e-12, -128))
    quiet = replace(network, tensors={**network.tensors, name: dead})
    changed = replace(run, scratch=tmp_path)
    changed.program.symlink_to(run.program)
    quiet.save(changed.numbers)
    path = tmp_path / "quiet.mlpackage"
    export_w8a8(changed, path)
    scales = [float(op.scale.val) for op in operations(path, "quantize")]
    assert min(scales) == np.finfo(np.float16).smallest_normal
    assert torch.isfinite(drawn(path, network.probe)).all()
