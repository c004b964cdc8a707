"""A fresh file is run as apps run it, and in each way that its runtime has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from maskport.artifacts.manifest import Artifact, FileEntry, Quantization, Tensor
from maskport.exporters.inspection import inspect_artifact
from maskport.runtimes import runners
from maskport.runtimes.onnx import OnnxRunner
from maskport.specs import MaskSpec

pytestmark = pytest.mark.sdk

SIDE = 40
# 255 × 128 fits in int16, 255 × 129 doesn't.
FITS, SATURATES = (64, 64, -128), (64, 65, -128)


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., tuple[Path, Artifact]]:
    """A file of one convolution of bytes, with these weights, and its entry in a manifest."""
    onnx = pytest.importorskip("onnx", reason="needs maskport[onnx]")
    pytest.importorskip("onnxruntime", reason="needs maskport[onnx]")
    from onnx import helper, numpy_helper

    def make(weights: tuple[int, ...]) -> tuple[Path, Artifact]:
        constants = {
            "w": np.array(weights, np.int8).reshape(1, 3, 1, 1), "ws": np.float32(0.2),
            "wz": np.int8(0), "s": np.float32(1 / 255), "z": np.uint8(0),
        }  # fmt: skip
        shape = (1, 3, SIDE, SIDE)
        nodes = [
            helper.make_node("QuantizeLinear", ["image", "s", "z"], ["bytes"]),
            helper.make_node("DequantizeLinear", ["bytes", "s", "z"], ["rounded"]),
            helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["weight"]),
            helper.make_node("Conv", ["rounded", "weight"], ["logits"], "stem"),
            helper.make_node("Sigmoid", ["logits"], ["mask"]),
        ]
        graph = helper.make_graph(
            nodes,
            "one",
            [helper.make_tensor_value_info("image", 1, shape)],
            [helper.make_tensor_value_info("mask", 1, (1, 1, SIDE, SIDE))],
            [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
        )
        path = tmp_path / "one.onnx"
        opsets = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
        return path, _artifact(path)

    return make


def _artifact(path: Path) -> Artifact:
    size = path.stat().st_size
    sides = [SIDE, SIDE]
    return Artifact(
        target="onnx-int8",
        path=path.name,
        format="onnx",
        precision="int8",
        bytes=size,
        sha256="0" * 64,
        files=[FileEntry(path=path.name, bytes=size, sha256="0" * 64)],
        inputs=[Tensor(name="image", shape=[1, 3, *sides], dtype="float32", layout="NCHW")],
        outputs=[Tensor(name="mask", shape=[1, 1, *sides], dtype="float32", layout="NCHW")],
        quantization=Quantization(weights="int8", activations="uint8"),
    )


def photos(count: int = 4) -> NDArray[np.float32]:
    """A bright square in red, the rest blue: the convolution is sure of both."""
    images = np.zeros((count, 3, SIDE, SIDE), np.float32)
    images[:, 2] = 1.0
    images[:, :, 5:30, 5:30] = np.array([1.0, 1.0, 0.0])[:, None, None]
    return images


def inspected(path: Path, artifact: Artifact) -> tuple[int | None, str]:
    """How many photos have an object, and the objection; the file's own masks are right."""
    with OnnxRunner(path, artifact) as runner:
        references = np.concatenate([runner.run(image[None]) for image in photos()])
    inspection, objection = inspect_artifact(path, artifact, photos(), references, MaskSpec())
    assert (inspection.iou, inspection.mae) == (1.0, 0.0)
    return inspection.objects, objection


def test_a_file_that_can_not_saturate_is_fine(file) -> None:
    assert inspected(*file(FITS)) == (4, "")


def test_a_file_that_can_saturate_is_refused_though_it_draws_rightly_here(file) -> None:
    """With VNNI its sums are right, and on most laptops they aren't."""
    _, objection = inspected(*file(SATURATES))
    assert objection.startswith("its mask depends on the processor: two neighbouring products of")
    assert "stem" in objection


def test_a_mask_that_differs_with_exact_sums_is_refused(file, monkeypatch) -> None:
    """As it is on a processor without VNNI: a stand-in that draws what a saturated sum does."""

    class Exact(OnnxRunner):
        def _infer(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
            mask = super()._infer(image)
            mask[..., 5:30, 5:8] = 0.4  # 12 % of the square
            return mask

    monkeypatch.setattr(
        runners, "load", lambda dotted: Exact if "Precise" in dotted else OnnxRunner
    )
    _, objection = inspected(*file(FITS))
    assert objection.startswith(
        "its mask depends on the processor: it draws another mask than onnxruntime with exact sums"
    )


def test_a_file_without_integers_is_run_once(file) -> None:
    path, artifact = file(SATURATES)
    floats = artifact.model_copy(update={"quantization": None, "precision": "fp32"})
    assert inspected(path, floats) == (4, "")


def test_the_numbers_are_of_the_photos_that_count(file) -> None:
    path, artifact = file(FITS)
    images = photos(3)
    images[1] = 0.0  # a mask of 0.5 everywhere
    images[2, :] = np.array([0.0, 0.0, 1.0])[:, None, None]  # nothing
    with OnnxRunner(path, artifact) as runner:
        references = np.concatenate([runner.run(image[None]) for image in images])
    references[1] = 0.55
    references[0, 0, 5:30, 5] = 0.0  # 25 of 625 pixels
    found, _ = inspect_artifact(path, artifact, images, references, MaskSpec())
    assert (found.photos, found.objects) == (3, 1)
    assert found.iou == found.worst_iou == pytest.approx(600 / 625)
    assert found.mae == pytest.approx(25 / SIDE**2 / 2, rel=1e-3)  # of the first and the third
