"""Core ML packages: images in and out, what Xcode shows, weights that are really compressed."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from maskport.artifacts.inspect.coreml import neural_engine
from maskport.artifacts.metadata.contract import contract
from maskport.exporters import coreml
from maskport.exporters.intermediates import make
from maskport.exporters.run import Card, CoreMLOutput, Exported, Options, Run, Size
from maskport.models.prepared import PreparedMask, prepare
from maskport.models.seeding import seeded
from maskport.models.u2net import FLAT, Stage, U2Net
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
Export = Callable[[Run, Path], Exported]


@pytest.fixture(scope="module", autouse=True)
def coremltools() -> Any:
    pytest.importorskip("sklearn", reason="needs maskport[coreml]")
    return needed("coremltools", "coreml")


# Like the nano network, but with convolutions beyond the 512 weights from which compressing
# them pays: 16 x 16 x 3 x 3 are 2304.
WIDER = (
    Stage("stage1", 2, 3, 16, 16),
    Stage("stage2", FLAT, 16, 16, 16),
    Stage("stage1d", 2, 32, 16, 16),
)


def view_of(channels: int = 1, size: Size = (HEIGHT, WIDTH)) -> tuple[PreparedMask, ModelSpec]:
    network = U2Net(WIDER, channels).eval()
    seeded(network, 0, size)
    labels = ("mask",) if channels == 1 else tuple(f"class {i}" for i in range(channels))
    mask = MaskSpec(channels=channels, labels=labels)
    spec = ModelSpec("nano", ImageSpec(*size), mask, output=0)
    return prepare(network, spec), spec


def run_of(
    folder: Path,
    channels: int = 1,
    output: CoreMLOutput = "image",
    size: Size = (HEIGHT, WIDTH),
    others: tuple[Size, ...] = (),
) -> Run:
    view, spec = view_of(channels, size)
    run = Run(folder, spec, CARD, Options(coreml_output=output, coreml_sizes=others))
    make("trace", view, run)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Its conversions are kept in its folder, so that every test here shares them."""
    return run_of(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def package(run: Run) -> tuple[Path, Exported]:
    path = run.scratch / "nano.mlpackage"
    return path, coreml.export_fp16(run, path)


def spec_of(package: Path) -> Any:
    from coremltools.proto import Model_pb2

    (file,) = package.rglob("*.mlmodel")
    spec = Model_pb2.Model()
    spec.ParseFromString(file.read_bytes())
    return spec


def features(package: Path) -> tuple[Any, Any]:
    description = spec_of(package).description
    (image,), (mask,) = description.input, description.output
    return image, mask


def operations(package: Path) -> list[str]:
    """Kinds of the program's operations, in order."""
    (function,) = spec_of(package).mlProgram.functions.values()
    (block,) = function.block_specializations.values()
    return [operation.type for operation in block.operations]


def test_a_photo_goes_in_and_a_grayscale_image_comes_out(package: tuple[Path, Exported]) -> None:
    from coremltools.proto import FeatureTypes_pb2

    image, mask = features(package[0])
    spaces = FeatureTypes_pb2.ImageFeatureType.ColorSpace
    for feature, name, space in ((image, "image", "RGB"), (mask, "mask", "GRAYSCALE")):
        assert feature.name == name
        assert feature.type.WhichOneof("Type") == "imageType"
        assert feature.type.imageType.colorSpace == spaces.Value(space)
        assert (feature.type.imageType.height, feature.type.imageType.width) == (HEIGHT, WIDTH)


def test_the_manifest_says_that_both_are_images_of_bytes(package: tuple[Path, Exported]) -> None:
    exported = package[1]
    for tensor, planes in ((exported.inputs[0], 3), (exported.outputs[0], 1)):
        assert (tensor.layout, tensor.dtype) == ("image", "uint8")
        assert tensor.shape == [1, planes, HEIGHT, WIDTH]
        assert tensor.quantization is not None
        assert (tensor.quantization.scale, tensor.quantization.zero_point) == (1 / 255, 0)
    assert exported.quantization is None  # nothing was rounded to less than float16


def test_xcode_is_told_author_license_version_and_what_goes_in_and_out(
    package: tuple[Path, Exported], run: Run
) -> None:
    metadata = spec_of(package[0]).description.metadata
    assert metadata.author == "the author"
    assert metadata.license == "the licence"
    assert metadata.versionString == "0123456789ab"
    assert metadata.shortDescription == "Draws a mask"
    own = {key: text for key, text in metadata.userDefined.items() if key.startswith("maskport.")}
    assert own == contract(run.spec, CARD, "image")
    image, mask = features(package[0])
    assert f"{WIDTH} x {HEIGHT}" in image.shortDescription
    assert "255 is the object" in mask.shortDescription


def test_there_is_no_date_and_no_path_in_it(package: tuple[Path, Exported], run: Run) -> None:
    year = str(datetime.datetime.now(datetime.UTC).date())
    keys = spec_of(package[0]).description.metadata.userDefined
    assert not [key for key in keys if "date" in key]
    for file in (p for p in package[0].rglob("*") if p.is_file()):
        data = file.read_bytes()
        assert year.encode() not in data
        assert str(run.scratch).encode() not in data


def test_what_is_saved_twice_is_the_same_to_the_byte(
    package: tuple[Path, Exported], run: Run, tmp_path: Path
) -> None:
    """coremltools draws ids and writes the date on each save. That a new conversion gives the
    same bytes too is held by tests/conformance, where each has a process of its own."""
    from coremltools.converters.mil.mil import Builder

    Builder.name_count.update(conv=24, const=7, palettize=3)
    again = tmp_path / "again.mlpackage"
    coreml.export_fp16(run, again)
    assert differences(package[0], again) == []


def test_ids_are_made_from_what_they_name(
    package: tuple[Path, Exported], run: Run, tmp_path: Path
) -> None:
    other = tmp_path / "other.mlpackage"
    coreml.export_w8(run, other)
    manifests = [json.loads((p / "Manifest.json").read_text()) for p in (package[0], other)]
    for manifest in manifests:
        assert manifest["rootModelIdentifier"] in manifest["itemInfoEntries"]
    ids = [set(manifest["itemInfoEntries"]) for manifest in manifests]
    assert not ids[0] & ids[1]


def test_the_package_can_be_loaded_again(package: tuple[Path, Exported], coremltools: Any) -> None:
    loaded = coremltools.models.MLModel(str(package[0]), skip_model_load=True)
    assert loaded.author == "the author"


def test_it_runs_from_ios_16(package: tuple[Path, Exported]) -> None:
    # Specification 7 is iOS 16 and macOS 13, the first with compressed weights in programs.
    assert spec_of(package[0]).specificationVersion == 7
    assert package[1].properties == {"minimum_deployment_target": "iOS16"}


@pytest.mark.parametrize(
    ("channels", "output"),
    [(1, "multiarray"), (3, "image"), (3, "half")],
    ids=["on request", "for several channels", "for several halves"],
)
def test_a_multi_array_comes_out(
    channels: int, output: CoreMLOutput, coremltools: Any, tmp_path: Path
) -> None:
    from coremltools.proto import FeatureTypes_pb2

    path = tmp_path / "nano.mlpackage"
    exported = coreml.export_fp32(run_of(tmp_path, channels, output), path)
    image, mask = features(path)
    assert image.type.WhichOneof("Type") == "imageType"
    assert mask.type.WhichOneof("Type") == "multiArrayType"
    kinds = FeatureTypes_pb2.ArrayFeatureType.ArrayDataType
    assert mask.type.multiArrayType.dataType == kinds.Value("FLOAT32")
    (tensor,) = exported.outputs
    assert (tensor.layout, tensor.dtype, tensor.quantization) == ("NCHW", "float32", None)
    assert tensor.shape == [1, channels, HEIGHT, WIDTH]
    assert "from 0 to 1" in mask.shortDescription
    # A mask in [0, 1] is not multiplied by the 255 of an image.
    assert operations(path)[-1] != "mul"


def drawn(package: Path, photo: np.ndarray) -> np.ndarray:
    """What the program gives for the bytes of a photo (1, 3, H, W)."""
    program = Program(read_package(package).function)
    return program.run({"image": torch.from_numpy(photo).float()})["mask"].numpy()


def photo_of(height: int, width: int) -> np.ndarray:
    return scene(0, height, width).photo.transpose(2, 0, 1)[None]


def expected_of(photo: np.ndarray, size: Size = (HEIGHT, WIDTH)) -> np.ndarray:
    with torch.no_grad():
        return view_of(size=size)[0](torch.from_numpy(photo).float() / 255).numpy()


def test_the_mask_of_bytes_is_the_networks_of_values(run: Run, tmp_path: Path) -> None:
    """The 1/255 is in the normalisation's weights."""
    coreml.export_fp32(run, tmp_path / "nano.mlpackage")
    photo = photo_of(HEIGHT, WIDTH)
    given = drawn(tmp_path / "nano.mlpackage", photo) / 255
    np.testing.assert_allclose(given, expected_of(photo), atol=1e-5)


def test_a_float16_package_computes_nothing_in_float32(package: tuple[Path, Exported]) -> None:
    assert not [line for line in neural_engine(package[0]) or [] if "float32" in line]
    assert [kind for kind in operations(package[0]) if kind == "cast"] == ["cast", "cast"]


def test_a_float16_image_comes_out(tmp_path: Path) -> None:
    from coremltools.proto import FeatureTypes_pb2

    path = tmp_path / "nano.mlpackage"
    exported = coreml.export_fp16(run_of(tmp_path, output="half"), path)
    _, mask = features(path)
    spaces = FeatureTypes_pb2.ImageFeatureType.ColorSpace
    assert mask.type.imageType.colorSpace == spaces.Value("GRAYSCALE_FLOAT16")
    (tensor,) = exported.outputs
    assert (tensor.layout, tensor.dtype, tensor.quantization) == ("image", "float16", None)
    assert "1 is the object" in mask.shortDescription
    # Nothing is left to do after the network: no 255, no float32.
    assert operations(path)[-1] == "sigmoid"
    photo = photo_of(HEIGHT, WIDTH)
    np.testing.assert_allclose(drawn(path, photo), expected_of(photo), atol=5e-3)


def test_a_package_of_several_sizes_draws_the_networks_mask_at_each(tmp_path: Path) -> None:
    own, others = (64, 48), ((32, 64), (96, 96))
    path = tmp_path / "nano.mlpackage"
    exported = coreml.export_fp32(run_of(tmp_path, size=own, others=others), path)
    assert exported.sizes == others
    image, _ = features(path)
    kind = image.type.imageType
    assert (kind.height, kind.width) == own
    assert {(s.height, s.width) for s in kind.enumeratedSizes.sizes} == {own, *others}
    assert "48 x 64 or 64 x 32 or 96 x 96 pixels" in image.shortDescription
    said = spec_of(path).description.metadata.userDefined
    assert said["maskport.sizes"] == "64x48,32x64,96x96"
    # Nothing computes a size: such operations are not for the Neural Engine.
    assert not {"shape", "gather", "resize"} & set(operations(path))
    assert spec_of(path).specificationVersion == 7
    for size in (own, *others):
        photo = photo_of(*size)
        np.testing.assert_allclose(drawn(path, photo) / 255, expected_of(photo, own), atol=1e-5)


def test_classes_are_previewed_by_xcode_and_a_single_mask_is_not(
    package: tuple[Path, Exported], tmp_path: Path
) -> None:
    """It draws the largest of several planes, so one has nothing to show."""
    key = "com.apple.coreml.model.preview"
    assert not [k for k in spec_of(package[0]).description.metadata.userDefined if key in k]
    run = run_of(tmp_path, channels=3)
    coreml.export_fp16(run, tmp_path / "nano.mlpackage")
    said = spec_of(tmp_path / "nano.mlpackage").description.metadata.userDefined
    assert said[f"{key}.type"] == "imageSegmenter"
    parameters = json.loads(said[f"{key}.parameters"])
    assert parameters["labels"] == ["class 0", "class 1", "class 2"]
    assert len(set(parameters["colors"])) == 3


def weight_kinds(package: Path) -> list[str]:
    return [kind for kind in operations(package) if kind.startswith("constexpr_")]


COMPRESSED: dict[str, tuple[Export, str]] = {
    "w8": (coreml.export_w8, "constexpr_affine_dequantize"),
    "palette6": (coreml.export_palette6, "constexpr_lut_to_dense"),
    "palette4": (coreml.export_palette4, "constexpr_lut_to_dense"),
}


@pytest.mark.parametrize("precision", COMPRESSED)
def test_compressed_weights_are_stored_compressed(
    precision: str, package: tuple[Path, Exported], run: Run, tmp_path: Path
) -> None:
    export, operation = COMPRESSED[precision]
    path = tmp_path / "nano.mlpackage"
    exported = export(run, path)
    kinds = weight_kinds(path)
    assert set(kinds) == {operation}
    # Normalisation, the first convolution and the two sides have fewer weights than pay.
    assert len(kinds) == operations(path).count("conv") - 4
    assert exported.quantization is not None
    assert precision.removeprefix("palette").removeprefix("w") in exported.quantization.weights
    assert exported.quantization.activations == "float16"
    weights = [sum(f.stat().st_size for f in p.rglob("weight.bin")) for p in (package[0], path)]
    assert weights[1] < weights[0]


def test_plain_packages_hold_plain_weights(package: tuple[Path, Exported]) -> None:
    assert weight_kinds(package[0]) == []


def test_float32_and_float16_differ_in_their_weights_size(
    package: tuple[Path, Exported], run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "nano.mlpackage"
    coreml.export_fp32(run, path)
    single, half = (next(p.rglob("weight.bin")).stat().st_size for p in (path, package[0]))
    assert 1.8 < single / half < 2.1  # twice the bytes a weight, headers of the same size


def test_a_network_is_converted_once_for_each_float_precision(
    package: tuple[Path, Exported], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import coremltools

    monkeypatch.setattr(coremltools, "convert", None)
    coreml.export_palette6(run, tmp_path / "nano.mlpackage")
