"""A tiny network, its artifacts' manifest entries, and files of it made by each SDK itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from maskport.artifacts.manifest import Artifact, FileEntry, Tensor

SIZE = 32


class Tiny(nn.Module):
    """(1, 3, 32, 32) in [0, 1] to (1, 1, 32, 32) in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.last(torch.relu(self.first(x))))


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    torch.manual_seed(0)
    return Tiny().eval()


@pytest.fixture(scope="session")
def image() -> NDArray[np.float32]:
    """(1, 3, 32, 32), every value a byte / 255, so that integer files can hold it exactly."""
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, SIZE, SIZE))
    return (pixels / 255).astype(np.float32)


@pytest.fixture(scope="session")
def expected(tiny: Tiny, image: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.no_grad():
        return tiny(torch.from_numpy(image)).numpy()


@pytest.fixture(scope="session")
def artifact() -> Callable[..., Artifact]:
    """Builds a manifest entry: `artifact(format, layout="NCHW", channels=1, ...)`."""

    def build(
        format: str,
        layout: str = "NCHW",
        *,
        channels: int = 1,
        height: int = SIZE,
        width: int = SIZE,
        names: tuple[str, str] = ("image", "mask"),
        output_layout: str | None = None,
        **details: object,
    ) -> Artifact:
        def tensor(name: str, planes: int, kind: str) -> Tensor:
            shape = [1, height, width, planes] if kind == "NHWC" else [1, planes, height, width]
            values = {"dtype": "float32", **details}
            return Tensor.model_validate({"name": name, "shape": shape, "layout": kind, **values})

        return Artifact(
            target=format,
            path=f"tiny.{format}",
            format=format,
            precision="fp32",
            bytes=1,
            sha256="0" * 64,
            files=[FileEntry(path=f"tiny.{format}", bytes=1, sha256="0" * 64)],
            inputs=[tensor(names[0], 3, layout)],
            outputs=[tensor(names[1], channels, output_layout or layout)],
        )

    return build


@pytest.fixture(scope="session")
def onnx_file(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx", reason="writing ONNX needs maskport[onnx]")
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    torch.onnx.export(
        tiny,
        (torch.rand(1, 3, SIZE, SIZE),),
        str(path),
        input_names=["image"],
        output_names=["mask"],
        dynamo=False,
    )
    return path
