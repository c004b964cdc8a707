"""Files in releases of their runtimes that apps still have: loaded exactly where the manifest says.

Each release is installed into an environment of its own, from the package index.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskport.artifacts.inspect.tflite_releases import releases
from maskport.formats import TARGETS, Target
from maskport.precisions import PRECISIONS

pytestmark = [pytest.mark.runtimes, pytest.mark.slow, pytest.mark.sdk]


@dataclass(frozen=True)
class Release:
    """A release of a runtime, and what installs it."""

    format: str
    runtime: str
    version: str
    packages: tuple[str, ...]
    # The newest Python that its wheels are for.
    python: tuple[int, int]

    @property
    def name(self) -> str:
        return f"{self.runtime} {self.version}"


RELEASES = (
    Release("tflite", "TensorFlow Lite", "2.14.0", ("tflite-runtime==2.14.0", "numpy<2"), (3, 11)),
    Release("tflite", "LiteRT", "1.4.0", ("ai-edge-litert==1.4.0",), (3, 12)),
    Release("onnx", "ONNX Runtime", "1.17.3", ("onnxruntime==1.17.3", "numpy<2"), (3, 12)),
    Release("onnx-ort", "ONNX Runtime", "1.17.3", ("onnxruntime==1.17.3", "numpy<2"), (3, 12)),
    Release("onnx-ort", "ONNX Runtime", "1.15.1", ("onnxruntime==1.15.1", "numpy<2"), (3, 11)),
)
EACH = [
    pytest.param(release, row, id=f"{row.name} in {release.name}")
    for release in RELEASES
    for row in TARGETS
    if row.format == release.format
]


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Interpreters by release, made as they are asked for by `python_of`."""
    return {"": tmp_path_factory.mktemp("releases")}


def python_of(release: Release, environments: dict[str, Path]) -> Path:
    if sys.version_info[:2] > release.python:
        pytest.skip(f"{release.name} has no wheel for Python {sys.version_info.minor}")
    if release.name not in environments:
        folder = environments[""] / release.name.replace(" ", "-")
        python = folder / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [python, "-m", "pip", "install", "-q", *release.packages]
        done = subprocess.run(install, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        environments[release.name] = python
    return environments[release.name]


def is_said_to_load(oldest: Any, release: Release) -> bool:
    """What the manifest's oldest release says of another one."""
    if release.format == "tflite":
        order = releases()
        return order.index(f"{oldest.runtime} {oldest.version}") <= order.index(release.name)
    return parts(oldest.version) <= parts(release.version)


def parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


@pytest.mark.parametrize(("release", "row"), EACH)
def test_it_loads_where_the_manifest_says_and_nowhere_else(
    portable: Any, release: Release, row: Target, environments: dict[str, Path], tmp_path: Path
) -> None:
    python = python_of(release, environments)
    np.save(tmp_path / "images.npy", portable.images)
    script = Path(__file__).with_name("in_release.py")
    file, masks = portable.bundle.file(row.name), tmp_path / "masks.npy"
    command = [python, "-I", script, file, tmp_path / "images.npy", masks]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (oldest,) = portable.bundle.artifact(row.name).oldest_runtimes
    loaded = done.stdout.strip() == "loaded"
    assert loaded == is_said_to_load(oldest, release), done.stdout
    if loaded:
        error = np.abs(np.load(masks) - portable.references).mean()
        assert error <= PRECISIONS[row.precision].conformance
