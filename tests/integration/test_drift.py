"""A fault planted in a real file's bytes is found at its module, in each format."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskport import export, load_bundle
from maskport.artifacts.bundle import Bundle
from maskport.cli.main import main
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.specs import ImageSpec, MaskSpec, ModelSpec
from maskport.validation.drift.find import find_drift
from maskport.validation.drift.locate import locate
from maskport.validation.options import NetworkOptions

from ..sdks import needed

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

SPEC = ModelSpec("nano", ImageSpec(64, 64), MaskSpec(), output=0)
TARGETS = ("onnx-fp32", "tflite-fp32", "coreml-fp32")
# The first module with weights, one of the middle at a low resolution, the last before the sides.
FAULTS = ("stage1.rebnconvin", "stage2d.rebnconv2d", "stage1d.rebnconv1d")
# What another process imports: the same network, to be named on the command line.
FACTORY = """
from maskport.models.u2net import Stage, U2Net

def make():
    return U2Net({stages}, 1)
"""


@pytest.fixture(scope="module")
def network(nano: Callable[..., U2Net]) -> U2Net:
    made = nano()
    seeded(made, 0, (64, 64))
    return made


@pytest.fixture(scope="module")
def bundle(network: U2Net, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    for sdk in ("onnxsim", "onnx2tf", "coremltools"):
        needed(sdk, "all")
    out = tmp_path_factory.mktemp("exports") / "nano"
    made = export(network, spec=SPEC, targets=TARGETS, out=out)
    assert made.manifest.failures == []
    return made


@pytest.fixture(scope="module")
def tensors(bundle: Bundle, network: U2Net) -> dict[str, dict[str, str]]:
    """Of each target, the file's tensor of each module; and no sound file drifts."""
    found = {}
    for target in TARGETS:
        found_at = locate(bundle.path, target=target)
        drift = find_drift(found_at, NetworkOptions(network), count=1)
        # Every match is right: a wrong one would show as an error of about 1.
        assert drift.furthest.relative < 1e-5
        assert drift.first is None
        assert [u.name for u in drift.unmatched] == ["outconv"]
        found[target] = {module.name: module.tensor for module in drift.modules}
    return found


def test_all_formats_compare_the_same_modules(tensors: dict[str, dict[str, str]]) -> None:
    names = [list(named) for named in tensors.values()]
    assert names[0] == names[1] == names[2]
    assert {"stage1d.rebnconvin", "stage3", "side3", "mask"} <= set(names[0])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_at_its_module(
    bundle: Bundle,
    network: U2Net,
    tensors: dict[str, dict[str, str]],
    tmp_path: Path,
    target: str,
    fault: str,
) -> None:
    copy = tmp_path / bundle.file(target).name
    plant = {"onnx": plant_onnx, "tflite": plant_tflite, "coreml": plant_coreml}
    plant[bundle.artifact(target).format](bundle.file(target), copy, tensors[target][fault])
    located = locate(copy, bundle.path, target)
    drift = find_drift(located, NetworkOptions(network), count=1, force=True)
    assert located.changed
    assert [module.name for module in drift.past] == [fault]
    assert drift.worst.name == fault


def test_the_command_line_names_the_fault(
    bundle: Bundle,
    network: U2Net,
    tensors: dict[str, dict[str, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "nano_factory.py").write_text(FACTORY.format(stages=_as_code(network)))
    monkeypatch.syspath_prepend(tmp_path)
    copy = tmp_path / "copy.onnx"
    plant_onnx(bundle.file("onnx-fp32"), copy, tensors["onnx-fp32"]["stage2.rebnconvin"])
    result, plot = tmp_path / "drift.json", tmp_path / "drift.svg"
    options = ["--network", "nano_factory:make", "--count", "1", "--threads", "1"]
    copied = [str(copy), "--bundle", str(bundle.path), "--target", "onnx-fp32"]
    written = ["--json", str(result), "--plot", str(plot)]
    assert run("drift", *copied, *options, *written) == 2
    assert "its checksum is" in capsys.readouterr().err and not result.exists()
    assert run("drift", *copied, *options, *written, "--force") == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[0].startswith("module\tadds\tadded_up\t")
    assert "its checksum differs" in said.err
    assert "First past the tolerance of 0.0001: stage2.rebnconvin adds" in said.err
    content = json.loads(result.read_text())
    assert content["first_past_tolerance"] == content["worst"] == "stage2.rebnconvin"
    assert "stage2.rebnconvin" in plot.read_text()

    assert run("drift", str(bundle.file("onnx-fp32")), *options) == 0
    assert "No drift: no module adds more than 0.0001" in capsys.readouterr().err
    # every sound module's own error is above 0, so that one of them passes 1e-12
    assert run("drift", str(bundle.file("onnx-fp32")), *options, "--tolerance", "1e-12") == 1


def test_a_damaged_file_is_an_error_with_its_cause(
    bundle: Bundle, tmp_path: Path, network: U2Net
) -> None:
    copy = tmp_path / "broken.onnx"
    copy.write_bytes(bundle.file("onnx-fp32").read_bytes()[:1000])
    found = load_bundle(bundle.path)
    assert found.manifest == bundle.manifest
    from maskport.errors import RunnerError

    located = locate(copy, bundle.path, "onnx-fp32")
    with pytest.raises(RunnerError, match=r"broken\.onnx"):
        find_drift(located, NetworkOptions(network), count=1, force=True)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(str(ended.value.code))


def _as_code(network: U2Net) -> str:
    return f"[{', '.join(f'Stage{tuple(stage)!r}' for stage in network.stages)}]"


def noisy(raw: bytes) -> bytes:
    """Float32 weights with noise of a third of their own deviation."""
    values = np.frombuffer(raw, np.float32)
    noise = np.random.default_rng(0).normal(0, values.std() / 3, values.shape)
    return (values + noise).astype(np.float32).tobytes()


def plant_onnx(source: Path, copy: Path, tensor: str) -> None:
    import onnx

    model = onnx.load(str(source))
    makers = {name: node for node in model.graph.node for name in node.output}
    node = makers[tensor]
    while node.op_type != "Conv":
        node = makers[node.input[0]]
    weights = next(t for t in model.graph.initializer if t.name == node.input[1])
    copy.write_bytes(swapped(source.read_bytes(), weights.raw_data))


def plant_tflite(source: Path, copy: Path, tensor: str) -> None:
    from ai_edge_litert import schema_py_generated as schema

    data = source.read_bytes()
    model = schema.Model.GetRootAsModel(data, 0)
    graph = model.Subgraphs(0)
    operators = [graph.Operators(i) for i in range(graph.OperatorsLength())]
    makers: dict[int, Any] = {op.Outputs(0): op for op in operators}
    weights = graph.Tensors(makers[int(tensor.rpartition("#")[2])].Inputs(1))
    copy.write_bytes(swapped(data, model.Buffers(weights.Buffer()).DataAsNumpy().tobytes()))


def plant_coreml(source: Path, copy: Path, tensor: str) -> None:
    from maskport.sdks.slim import coremltools

    coremltools()
    from coremltools.proto import Model_pb2

    shutil.copytree(source, copy)
    spec = Model_pb2.Model()
    spec.ParseFromString(next(copy.rglob("*.mlmodel")).read_bytes())
    function = spec.mlProgram.functions["main"]
    operations = function.block_specializations[function.opset].operations
    makers = {output.name: op for op in operations for output in op.outputs}
    operation = makers[tensor]
    while operation.type != "conv":
        operation = makers[operation.inputs["x"].arguments[0].name]
    constant = makers[operation.inputs["weight"].arguments[0].name]
    offset = constant.attributes["val"].blobFileValue.offset
    blob = next(copy.rglob("weight.bin"))
    data = blob.read_bytes()
    # Core ML's blob format: a sentinel, the type (2 is float32), the size and the place.
    sentinel, kind, size, place = struct.unpack_from("<IIQQ", data, offset)
    assert (sentinel, kind) == (0xDEADBEEF, 2)
    blob.write_bytes(data[:place] + noisy(data[place : place + size]) + data[place + size :])


def swapped(data: bytes, weights: bytes) -> bytes:
    assert data.count(weights) == 1
    return data.replace(weights, noisy(weights))
