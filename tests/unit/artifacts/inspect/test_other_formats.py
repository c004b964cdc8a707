"""What Keras and TorchScript Lite files say of themselves; the rest is in tests/conformance."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from maskport.artifacts.inspect.declared import Declared, Port

Read = Callable[..., Declared]


def layer(kind: str, name: str, source: str, shape: list[int], dtype: Any) -> dict[str, Any]:
    given = {"shape": shape, "dtype": "bool", "keras_history": [source, 0, 0]}
    call = {"args": [{"class_name": "__keras_tensor__", "config": given}], "kwargs": {}}
    return {
        "class_name": kind,
        "config": {"name": name, "dtype": dtype},
        "inbound_nodes": [call],
    }


def test_a_keras_file_is_read_without_keras(read: Read, tmp_path: Path) -> None:
    image = {"name": "image", "batch_shape": [1, 4, 5, 3], "dtype": "float32"}
    policy = {"class_name": "DTypePolicy", "config": {"name": "float32"}}
    inner = {"class_name": "Functional", "config": {"name": "net", "layers": []}}
    inner["config"]["layers"] = [layer("Conv2D", "c", "x", [1, 4, 5, 3], policy)]
    config = {
        "layers": [
            {"class_name": "InputLayer", "config": image, "inbound_nodes": []},
            inner,
            layer("Identity", "mask", "net", [1, 4, 5, 1], policy),
        ],
        "input_layers": ["image", 0, 0],
        "output_layers": [["mask", 0, 0]],
    }
    path = tmp_path / "file.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"config": config}))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
    found = read("keras", path)
    assert found.inputs == (Port("image", (1, 4, 5, 3), "float32"),)
    assert found.outputs == (Port("mask", (1, 4, 5, 1), "bool"),)
    assert found.operators == ("Conv2D", "Identity")
    assert found.properties == {"keras_version": "3.15.1"}


class Threshold(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) > 0


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_type_that_bytecode_gives_is_found_without_values(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "file.ptl"
    traced = torch.jit.trace(Threshold().eval(), torch.zeros(1, 3, 4, 5))
    torch.jit.freeze(traced)._save_for_lite_interpreter(str(path))
    found = read("torchscript-lite", path)
    # What the mask is called, a trace that was not named leaves open.
    assert found.inputs == (Port("x", (1, 3, 4, 5), "float32"),)
    assert found.outputs == (Port(shape=(1, 1, 4, 5), dtype="bool"),)
    assert {"aten::_convolution", "aten::gt.Scalar"} <= set(found.operators)
    # The version that this torch writes; 1.12 is the first release that reads it, and Maven's 1.12
    # is older than that.
    assert found.properties == {"bytecode_version": 8}
    assert [(oldest.runtime, oldest.version) for oldest in found.oldest_runtimes] == [
        ("org.pytorch:pytorch_android_lite", "1.12.1"),
        ("LibTorch-Lite", "1.12.0"),
    ]


class Padded(Threshold):
    """A trace has the sizes that a network computes as tensors, which must have values."""

    def forward(self, x: Tensor) -> Tensor:
        small = nn.functional.max_pool2d(self.conv(x), 2)
        missing = x.size(3) - small.size(3)
        return nn.functional.pad(small, [missing // 2, missing - missing // 2])


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::torch.jit.TracerWarning")
def test_the_shape_that_computed_sizes_give_is_found(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "file.ptl"
    traced = torch.jit.trace(Padded().eval(), torch.zeros(1, 3, 4, 5))
    torch.jit.freeze(traced)._save_for_lite_interpreter(str(path))
    (port,) = read("torchscript-lite", path).outputs
    assert port == Port(shape=(1, 1, 2, 5), dtype="float32")
