"""ONNX Runtime's own format: a folder with the optimised model and what a reduced build needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from maskport.artifacts.inspect.declared import Port
from maskport.artifacts.inspect.ort import OrtFile
from maskport.artifacts.inspect.read import declared_by
from maskport.artifacts.manifest import Artifact, FileEntry
from maskport.artifacts.metadata.contract import contract
from maskport.errors import RunnerError
from maskport.exporters import ort
from maskport.exporters.intermediates import make
from maskport.exporters.onnx import export_fp32
from maskport.exporters.ort_flatbuffer import with_kernel_types_in_order
from maskport.exporters.run import Card, Run
from maskport.imaging.convert import photo_to_input
from maskport.models.prepared import Reference, prepare
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.runtimes.costs.counting import cost_of
from maskport.runtimes.runners import runner_for
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

from ...sdks import needed

runtime = needed("onnxruntime", "onnx")
needed("onnxsim", "onnx")

pytestmark = pytest.mark.sdk

SIZE = (50, 38)
CARD = Card("nano", "the author", "the licence", "0123456789ab", "Draws a mask")


@pytest.fixture(scope="module")
def network(nano: Callable[..., U2Net]) -> U2Net:
    made = nano()
    seeded(made, 0, SIZE)
    return made


def exported(network: U2Net, folder: Path) -> tuple[Run, Path]:
    spec = ModelSpec("nano", ImageSpec(*SIZE), MaskSpec(), output=0)
    run = Run(folder, spec, CARD)
    make("onnx", prepare(network, spec), run)
    ort.export(run, folder / "nano-onnx-ort")
    return run, folder / "nano-onnx-ort"


@pytest.fixture(scope="module")
def made(network: U2Net, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    return exported(network, tmp_path_factory.mktemp("run"))


def entry(run: Run, path: Path) -> Artifact:
    inputs, outputs = run.float_tensors("NCHW")
    return Artifact(
        target="onnx-ort",
        path=path.name,
        format="onnx-ort",
        precision="fp32",
        bytes=0,
        sha256="0" * 64,
        files=[FileEntry(path=f"{path.name}/model.ort", bytes=0, sha256="0" * 64)],
        inputs=inputs,
        outputs=outputs,
    )


def test_our_runner_draws_the_networks_mask(made: tuple[Run, Path], network: U2Net) -> None:
    run, path = made
    image = photo_to_input(scene(3, 70, 90).photo, run.spec.image)
    with torch.no_grad():
        expected = Reference(network, run.spec)(torch.from_numpy(image)).numpy()
    with runner_for(entry(run, path), path) as runner:
        mask = runner.run(image)
    assert runner.name == "onnxruntime"
    assert np.abs(mask - expected).mean() <= 1e-5  # float32 sums in another order


def test_it_says_what_it_takes_and_needs(made: tuple[Run, Path]) -> None:
    found = declared_by(entry(*made), made[1])
    assert found.inputs == (Port("image", (1, 3, *SIZE), "float32"),)
    assert found.outputs == (Port("mask", (1, 1, *SIZE), "float32"),)
    # ONNX Runtime has merged convolutions with their ReLUs.
    assert {"MaxPool", "Resize", "com.microsoft:FusedConv"} <= set(found.operators)
    assert found.properties == {"ort_format_version": 6}
    (oldest,) = found.oldest_runtimes
    assert (oldest.version, oldest.because) == ("1.16", "version 6 of the format")


def test_it_holds_the_contract(made: tuple[Run, Path]) -> None:
    session = runtime.InferenceSession(str(made[1] / "model.ort"))
    said: dict[str, Any] = session.get_modelmeta().custom_metadata_map
    assert contract(made[0].spec, CARD, "NCHW").items() <= said.items()


def test_a_reduced_build_is_told_every_operator_of_the_file(made: tuple[Run, Path]) -> None:
    from onnxruntime.tools.reduced_build_config_parser import parse_config

    path = made[1] / "required_operators.config"
    required, _ = parse_config(str(path))
    needed = OrtFile(made[1] / "model.ort").needed
    asked = {(d, v): kinds for d, by in required.items() for v, kinds in by.items()}
    assert asked == dict(needed)
    assert path.read_text(encoding="utf-8").splitlines()[0] == "# nano"  # and no path


def test_kernels_types_are_the_same_in_another_order(made: tuple[Run, Path]) -> None:
    data = (made[1] / "model.ort").read_bytes()
    assert with_kernel_types_in_order(data) == data


def test_the_same_network_gives_the_same_bytes_and_no_path_is_in_them(
    made: tuple[Run, Path], network: U2Net, tmp_path: Path
) -> None:
    _, again = exported(network, tmp_path)
    for name in ("model.ort", "required_operators.config"):
        data = (made[1] / name).read_bytes()
        assert (again / name).read_bytes() == data
        assert str(made[1].parent).encode() not in data
    assert {path.name for path in again.iterdir()} == {"model.ort", "required_operators.config"}


def test_no_layout_of_this_machine_is_in_it(made: tuple[Run, Path]) -> None:
    kinds = OrtFile(made[1] / "model.ort").operators
    assert not [kind for kind in kinds if "nchwc" in kind]


def test_what_is_no_such_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.ort").write_bytes(b"PK" * 40)
    with pytest.raises(RunnerError, match=r"model\.ort"):
        OrtFile(tmp_path / "model.ort")


def test_merging_leaves_what_is_multiplied(made: tuple[Run, Path], tmp_path: Path) -> None:
    run, path = made
    export_fp32(run, tmp_path / "nano.onnx")
    whole = cost_of(entry(run, path).model_copy(update={"format": "onnx"}), tmp_path / "nano.onnx")
    merged = cost_of(entry(run, path), path)
    assert merged.macs == whole.macs > 0
    assert merged.operations["com.microsoft:FusedConv"] > 0
    assert "Relu" not in merged.operations
    assert 0 < merged.weight_bytes <= whole.weight_bytes
