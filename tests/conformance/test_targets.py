"""What every target promises, checked on each row of the registry."""

from __future__ import annotations

import contextlib
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maskport.artifacts.bundle import verify
from maskport.artifacts.inspect.declared import differences
from maskport.artifacts.inspect.read import declared_by
from maskport.artifacts.snippets import snippets
from maskport.artifacts.snippets.render import spec_of
from maskport.errors import ArtifactError
from maskport.formats import TARGETS, Target
from maskport.imaging.convert import mask_for_photo, photo_to_input
from maskport.precisions import PRECISIONS
from maskport.quantization.recipe import read_recipe
from maskport.runtimes.costs.counting import cost_of
from maskport.runtimes.inspect.isolated import Inspector
from maskport.runtimes.runners import runner_for
from maskport.scenes import scene
from maskport.sdks.needs import not_installed

pytestmark = [pytest.mark.sdk, pytest.mark.slow]


@pytest.fixture(params=TARGETS, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Target:
    target: Target = request.param
    lacking = not_installed(target.needs)
    if lacking:
        pytest.skip(f"{', '.join(lacking)} not installed")
    return target


@pytest.fixture(scope="module")
def inspector() -> Iterator[Inspector]:
    """One process for all files, so that each SDK is imported once."""
    with Inspector() as found:
        yield found


def test_its_file_draws_the_references_mask(exported: Any, row: Target) -> None:
    artifact = exported.bundle.artifact(row.name)
    with runner_for(artifact, exported.bundle.file(row.name)) as runner:
        drawn = np.concatenate([runner.run(image[None]) for image in exported.images])
    assert drawn.shape == exported.references.shape
    assert np.abs(drawn - exported.references).mean() <= PRECISIONS[row.precision].conformance


def test_it_was_inspected_before_it_was_bundled(exported: Any, row: Target) -> None:
    seen = exported.bundle.artifact(row.name).inspection
    assert seen is not None
    assert seen.photos == 4
    assert seen.iou >= 0.9
    # Core ML's own runtime exists on macOS only.
    assert seen.emulated == (row.format == "coreml" and sys.platform != "darwin")
    assert (seen.runtime_version is None) == seen.emulated


def test_its_entry_says_what_goes_in_and_out(exported: Any, row: Target) -> None:
    artifact = exported.bundle.artifact(row.name)
    (image,), (mask,) = artifact.inputs, artifact.outputs
    assert (image.name, mask.name) == ("image", "mask")
    channels_first = {"NCHW": True, "image": True, "NHWC": False}
    assert image.shape == ([1, 3, 50, 38] if channels_first[image.layout] else [1, 50, 38, 3])
    assert mask.shape == ([1, 1, 50, 38] if channels_first[mask.layout] else [1, 50, 38, 1])
    if image.dtype == "uint8":
        assert image.quantization is not None
        assert (image.quantization.scale, image.quantization.zero_point) == (1 / 255, 0)
    else:
        assert image.quantization is None
    assert artifact.bytes == sum(entry.bytes for entry in artifact.files)


def test_its_file_says_what_its_entry_says(exported: Any, row: Target) -> None:
    artifact = exported.bundle.artifact(row.name)
    declared = declared_by(artifact, exported.bundle.file(row.name))
    assert differences(artifact.inputs, artifact.outputs, declared) == []
    assert artifact.properties["operators"] == list(declared.operators) != []
    assert artifact.oldest_runtimes == list(declared.oldest_runtimes)
    # What TensorFlow and Keras write is promised to newer releases only.
    promised = row.format in {"savedmodel", "keras"}
    assert (declared.oldest_runtimes == ()) == promised
    # This network has nothing that the last packages lack.
    assert all(oldest.version for oldest in declared.oldest_runtimes)
    failing = artifact.properties.get("failing_readers", [])
    assert [reader["name"] for reader in failing] == [r.name for r in row.shared.failing_readers]


def test_its_file_itself_calls_what_goes_in_image_and_what_comes_out_mask(
    exported: Any, row: Target
) -> None:
    declared = declared_by(exported.bundle.artifact(row.name), exported.bundle.file(row.name))
    names = [port.name for port in (*declared.inputs, *declared.outputs)]
    assert names == ["image", "mask"]


@pytest.mark.parametrize("change", [{"dtype": "int8"}, {"shape": [1, 2, 50, 38]}], ids=str)
def test_an_entry_that_says_something_else_is_contradicted_by_the_file(
    exported: Any, row: Target, change: dict[str, Any]
) -> None:
    artifact = exported.bundle.artifact(row.name)
    declared = declared_by(artifact, exported.bundle.file(row.name))
    said = [artifact.outputs[0].model_copy(update=change)]
    assert len(differences(artifact.inputs, said, declared)) == 1


def test_its_cost_is_counted_in_its_own_graph(exported: Any, row: Target) -> None:
    if not row.shared.counter:
        pytest.skip(f"what {row.format} costs is not counted")
    cost = cost_of(exported.bundle.artifact(row.name), exported.bundle.file(row.name))
    # Folding takes a hundredth away; TensorFlow pads what dilated convolutions see to whole
    # tiles, which on maps of a few pixels may more than double them.
    macs = exported.bundle.manifest.network.macs
    assert 0.9 * macs <= cost.macs <= (3 if row.format in {"savedmodel", "keras"} else 1.05) * macs
    assert sum(cost.operations.values()) > 10
    assert 0 < cost.weight_bytes <= exported.bundle.artifact(row.name).bytes


def test_its_python_snippet_draws_what_its_runner_draws(exported: Any, row: Target) -> None:
    manifest, artifact = exported.bundle.manifest, exported.bundle.artifact(row.name)
    code = [s for s in snippets(manifest, artifact) if s.language.name == "python"]
    if not code:
        pytest.skip(f"there is no snippet for {row.format} in Python")
    names: dict[str, Any] = {}
    exec(code[0].text, names)
    (segmenter,) = (names[name] for name in names if name.endswith("Segmenter"))
    photo = scene(12, 70, 90).photo
    drawn = segmenter(str(exported.bundle.file(row.name))).masks(Image.fromarray(photo))
    spec = spec_of(manifest)
    with runner_for(artifact, exported.bundle.file(row.name)) as runner:
        mask = runner.run(photo_to_input(photo, spec.image))[0]
    final = mask_for_photo(mask, spec.mask, *photo.shape[:2])
    np.testing.assert_allclose(drawn, final, atol=1e-6)


def test_inspecting_its_file_finds_what_its_entry_says(
    exported: Any, row: Target, inspector: Inspector
) -> None:
    artifact, path = exported.bundle.artifact(row.name), exported.bundle.file(row.name)
    found = inspector.inspect(path)
    assert (found.format, found.bytes, found.sha256) == (
        row.format,
        artifact.bytes,
        artifact.sha256,
    )
    assert found.oldest_runtimes == artifact.oldest_runtimes
    assert set(artifact.properties["operators"]) <= found.operations.keys()
    cost = cost_of(artifact, path)
    assert sum(share.bytes or 0 for share in found.weights) == cost.weight_bytes
    if row.format == "torchscript-lite":  # its file has no shapes, and is not run
        assert found.macs is None and "no shapes" in found.uncounted
        return
    assert found.macs == cost.macs >= sum(layer.macs for layer in found.heaviest_layers) > 0
    for ends, said in ((found.inputs, artifact.inputs), (found.outputs, artifact.outputs)):
        assert [end.shape for end in ends] == [tensor.shape for tensor in said]
        assert [end.layout for end in ends] == [tensor.layout for tensor in said]
    assert found.activations and all(share.bytes for share in found.activations)


@pytest.mark.parametrize("damage", ["cut off", "zeros", "flipped"])
def test_inspecting_a_damaged_file_reads_or_refuses_it(
    exported: Any, row: Target, inspector: Inspector, damage: str, tmp_path: Path
) -> None:
    whole = exported.bundle.file(row.name)
    path = tmp_path / f"damaged{whole.suffix}"
    (shutil.copytree if whole.is_dir() else shutil.copyfile)(whole, path)
    file = max((p for p in (path, *path.rglob("*")) if p.is_file()), key=lambda p: p.stat().st_size)
    data = bytearray(file.read_bytes())
    if damage == "cut off":
        del data[len(data) // 2 :]
    elif damage == "zeros":
        data = bytearray(len(data))
    else:
        for place in np.random.default_rng(0).integers(len(data), size=20):
            data[place] ^= 0xFF
    file.write_bytes(data)
    with contextlib.suppress(ArtifactError):
        assert inspector.inspect(path).format == row.format


def test_the_bundle_holds_and_nothing_failed(exported: Any) -> None:
    assert verify(exported.bundle.path) == []
    assert exported.bundle.manifest.failures == []


def test_every_recipe_is_in_the_bundle(exported: Any) -> None:
    kept = exported.bundle.manifest.recipes
    digests = {read_recipe(exported.bundle.path / entry.path).digest for entry in kept}
    stored = [artifact.quantization for artifact in exported.bundle.manifest.artifacts]
    assert digests == {found.recipe_sha256 for found in stored if found and found.recipe}
    assert len(kept) == len(digests) > 0


def whole_content(path: Path) -> bytes:
    """A file's bytes; for a zip also those of its members, which may be compressed."""
    data = path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as members:
            data += b"".join(members.read(name) for name in members.namelist())
    return data


def test_no_file_holds_a_path_or_a_date(exported: Any) -> None:
    import datetime

    here = str(Path.home()).encode(), str(exported.bundle.path.parent).encode(), b"/site-packages/"
    year = str(datetime.datetime.now(datetime.UTC).date()).encode()
    for artifact in exported.bundle.manifest.artifacts:
        for entry in artifact.files:
            data = whole_content(exported.bundle.path / entry.path)
            found = [text for text in (*here, year) if text in data]
            assert not found, (entry.path, found)


def test_the_same_inputs_give_the_same_bytes(exported: Any) -> None:
    first, second = exported.bundle, exported.again
    differing = [
        artifact.target
        for artifact in first.manifest.artifacts
        if second.artifact(artifact.target).sha256 != artifact.sha256
    ]
    assert differing == []


@pytest.mark.parametrize("name", ["tflite-int8", "tflite-int8-full"])
def test_a_photo_in_bytes_goes_into_the_integer_file_as_it_is(name: str, exported: Any) -> None:
    """What an Android app does, without any of our code."""
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(str(exported.bundle.file(name)))
    run = interpreter.get_signature_runner("serving_default")
    photo = scene(10, 50, 38).photo
    mask = run(image=photo[None])["mask"]
    assert mask.dtype == np.uint8
    assert mask.shape == (1, 50, 38, 1)
    kinds = {np.dtype(detail["dtype"]).kind for detail in interpreter.get_tensor_details()}
    # The sums of logits and the sigmoid are float in one; integers throughout in the other.
    assert ("f" in kinds) == (name == "tflite-int8")
    artifact = exported.bundle.artifact(name)
    with runner_for(artifact, exported.bundle.file(name)) as runner:
        ours = runner.run((photo.transpose(2, 0, 1)[None] / 255).astype(np.float32))
    np.testing.assert_allclose(ours[0, 0], mask[0, ..., 0] / 255, atol=1e-6)


def test_a_small_calibration_set_is_named_in_the_manifest(exported: Any) -> None:
    calibration = exported.bundle.manifest.calibration
    assert calibration is not None and calibration.images == 6
    assert any(text.startswith("6 calibration photos") for text in calibration.warnings)
