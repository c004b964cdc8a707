"""Graphs in the form that TensorFlow takes compute the same, and run on every processor."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskport.exporters.intermediates import OPSET
from maskport.exporters.tensorflow_form import tensorflow_form

from ...sdks import needed

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def onnx() -> Any:
    pytest.importorskip("onnxruntime", reason="needs maskport[onnx]")
    pytest.importorskip("onnxsim", reason="needs maskport[onnx]")
    return pytest.importorskip("onnx", reason="needs maskport[onnx]")


class Gelu(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x) + x


class FreeNorms(nn.Module):
    """Norms without weights of their own, and one over groups."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.instance, self.group = nn.InstanceNorm2d(4), nn.GroupNorm(2, 4)

    def forward(self, x: Tensor) -> Tensor:
        grouped: Tensor = self.group(self.instance(self.conv(x)))
        return grouped


def depthwise(strides: tuple[int, int], multiplier: int = 1, dilation: int = 1) -> nn.Module:
    return nn.Conv2d(3, 3 * multiplier, 3, strides, padding=1, dilation=dilation, groups=3)


CASES: dict[str, tuple[Callable[[], nn.Module], list[str]]] = {
    "strides 1 and 2": (lambda: depthwise((1, 2)), ["Conv", "MaxPool"]),
    "strides 4 and 2": (lambda: depthwise((4, 2)), ["Conv", "MaxPool"]),
    "strides 2 and 3, two kernels a channel": (
        lambda: depthwise((2, 3), multiplier=2),
        ["Conv", "MaxPool"],
    ),
    "strides 2 and 1, dilated": (lambda: depthwise((2, 1), dilation=2), ["Conv", "MaxPool"]),
    "equal strides": (lambda: depthwise((2, 2)), ["Conv"]),
    "a dense convolution": (lambda: nn.Conv2d(3, 2, 3, (1, 2)), ["Conv"]),
    "GELU": (Gelu, ["Div", "Erf", "Add", "Mul", "Mul", "Add"]),
}


def simplified(module: nn.Module, image: Tensor) -> Any:
    import onnx
    import onnxsim

    file = io.BytesIO()
    torch.onnx.export(
        module.eval(), (image,), file, dynamo=False, opset_version=OPSET, input_names=["image"]
    )
    model, _ = onnxsim.simplify(onnx.load_from_string(file.getvalue()))
    return model


def drawn(model: Any, image: Tensor) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString())
    result: np.ndarray = session.run(None, {"image": image.numpy()})[0]
    return result


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
@pytest.mark.parametrize("case", CASES)
def test_the_graph_computes_the_same(case: str, onnx: Any) -> None:
    torch.manual_seed(0)
    make, operators = CASES[case]
    image = torch.randn(1, 3, 13, 17)
    model = simplified(make(), image)
    before = drawn(model, image)
    adapted = tensorflow_form(model)
    onnx.checker.check_model(adapted, full_check=True)
    assert [node.op_type for node in adapted.graph.node] == operators
    np.testing.assert_allclose(drawn(adapted, image), before, atol=1e-6)  # sums in another order


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:torch.jit.TracerWarning")
def test_constants_are_no_results_of_nodes(onnx: Any) -> None:
    image = torch.randn(1, 3, 8, 6, generator=torch.Generator().manual_seed(0))
    model = simplified(FreeNorms(), image)
    assert "Constant" in {node.op_type for node in model.graph.node}
    before = drawn(model, image)
    adapted = tensorflow_form(model)
    assert "Constant" not in {node.op_type for node in adapted.graph.node}
    assert np.array_equal(drawn(adapted, image), before)


# What onnx2tf and TensorFlow's own kernels have trouble with, as SavedModel, TFLite and Keras
# files, in a process of its own: oneDNN is chosen where TensorFlow is imported.
ON_ITS_OWN_KERNELS = """
import sys
from pathlib import Path
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from maskport.exporters import keras as keras_exporter, savedmodel, tflite
from maskport.exporters.intermediates import make
from maskport.exporters.run import Card, Run
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

class Net(nn.Module):
    def __init__(self, more):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.more = nn.Conv2d(3, 4, 1), more
        self.unequal = nn.Conv2d(4, 8, 3, (1, 2), 1, groups=4)
        self.last = nn.Conv2d(8, 1, 1)
    def forward(self, x):
        y = self.last(self.unequal(self.more(self.first(x))))
        return torch.sigmoid(F.interpolate(y, x.shape[2:], mode="bilinear"))

def made(more, folder):
    folder.mkdir()
    spec = ModelSpec("own", ImageSpec(20, 32), MaskSpec())
    run = Run(folder, spec, Card("own", "", "", "", ""))
    network = Net(more).eval()
    make("onnx", network, run)
    with torch.no_grad():
        return run, network(torch.from_numpy(IMAGE)).numpy().transpose(0, 2, 3, 1)

IMAGE = np.random.default_rng(0).random((1, 3, 20, 32), np.float32)
PHOTO = IMAGE.transpose(0, 2, 3, 1)
folder = Path(sys.argv[1])
folder.mkdir()

run, expected = made(nn.Identity(), folder / "keras")
keras_exporter.export(run, folder / "own.keras")
import keras
drawn = keras.models.load_model(folder / "own.keras", safe_mode=True)(PHOTO)
print("keras", np.abs(np.asarray(drawn) - expected).max())

norms = nn.Sequential(nn.InstanceNorm2d(4), nn.GELU(), nn.GroupNorm(2, 4))
norms.append(nn.Conv2d(4, 4, 3, padding=1, groups=2))
run, expected = made(norms, folder / "tensorflow")
savedmodel.export(run, folder / "saved_model")
import tensorflow as tf
model = tf.saved_model.load(str(folder / "saved_model")).signatures["serving_default"]
drawn = model(image=tf.constant(PHOTO))["mask"].numpy()
print("savedmodel", np.abs(drawn - expected).max())
tflite.export_fp32(run, folder / "own.tflite")
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(str(folder / "own.tflite"))
interpreter.allocate_tensors()
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], PHOTO)
interpreter.invoke()
drawn = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
print("tflite", np.abs(drawn - expected).max())
"""


@pytest.mark.slow
def test_files_run_where_tensorflow_has_its_own_kernels_only(tmp_path: Path) -> None:
    for name in ("tensorflow", "onnx2tf", "keras", "ai_edge_litert"):
        needed(name, "tflite")
    done = subprocess.run(
        [sys.executable, "-c", ON_ITS_OWN_KERNELS, str(tmp_path / "files")],
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    found = {words[0]: float(words[1]) for words in lines if len(words) == 2 and words[0].islower()}
    assert found.keys() >= {"keras", "savedmodel", "tflite"}, done.stderr[-2000:]
    # float32 sums in another order, through norms that divide by what varies little.
    assert all(found[name] < 1e-5 for name in ("keras", "savedmodel", "tflite")), found
