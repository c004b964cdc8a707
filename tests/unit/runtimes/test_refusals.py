"""A file that a runtime refuses is called damaged only where its checksum says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from maskport.artifacts.bundle import describe_files
from maskport.artifacts.manifest import Artifact, OldestRuntime
from maskport.errors import RunnerError
from maskport.runtimes.refusals import remedy, unsupported
from maskport.runtimes.runners import runner_for
from maskport.sdks.needs import installed

Build = Callable[..., Artifact]


def exported(artifact: Artifact, path: Path) -> Artifact:
    """The entry of the file as it is now."""
    return artifact.model_copy(update={"sha256": describe_files(path, path.parent)[2]})


def test_a_file_with_another_checksum_is_to_be_exported_again(
    artifact: Build, tmp_path: Path
) -> None:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(b"some bytes")
    entry = exported(artifact("onnx"), path)
    assert remedy(entry, path, "Do this.") == "The file is as it was exported. Do this."
    path.write_bytes(b"some byte")
    assert "export it again" in remedy(entry, path, "Do this.")
    path.unlink()
    assert "export it again" in remedy(entry, path, "Do this.")


def test_a_folder_that_lost_a_file_is_damaged(artifact: Build, tmp_path: Path) -> None:
    folder = tmp_path / "tiny.mlpackage"
    (folder / "Data").mkdir(parents=True)
    for name in ("Manifest.json", "Data/weight.bin"):
        (folder / name).write_bytes(name.encode())
    entry = exported(artifact("coreml"), folder)
    assert "as it was exported" in remedy(entry, folder, "")
    (folder / "Data/weight.bin").unlink()
    assert "damaged" in remedy(entry, folder, "")


def test_what_the_file_needs_is_named_where_it_is_known(artifact: Build) -> None:
    oldest = OldestRuntime(runtime="LiteRT", version="2.1.3", because="QUANTIZE")
    entry = artifact("tflite").model_copy(update={"oldest_runtimes": [oldest]})
    text = unsupported(entry, "ai-edge-litert 2.1.0")
    assert text.startswith("ai-edge-litert 2.1.0 doesn't take it. It needs LiteRT 2.1.3 or newer.")


@pytest.mark.sdk
def test_an_operator_that_the_runtime_lacks_is_no_damage(artifact: Build, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs maskport[onnx]")
    pytest.importorskip("onnxruntime", reason="needs maskport[onnx]")
    value = onnx.helper.make_tensor_value_info("image", 1, [1, 3, 32, 32])
    mask = onnx.helper.make_tensor_value_info("mask", 1, [1, 3, 32, 32])
    node = onnx.helper.make_node("Magic", ["image"], ["mask"], domain="theirs")
    domains = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("theirs", 1)]
    graph = onnx.helper.make_graph([node], "graph", [value], [mask])
    path = tmp_path / "tiny.onnx"
    path.write_bytes(
        onnx.helper.make_model(graph, opset_imports=domains, ir_version=8).SerializeToString()
    )
    with (
        pytest.raises(RunnerError, match="Magic") as caught,
        runner_for(exported(artifact("onnx"), path), path),
    ):
        pass
    package, version = installed("onnxruntime")
    assert f"as it was exported. {package} {version} doesn't take it" in caught.value.remedy
    with (
        pytest.raises(RunnerError, match="Magic") as caught,
        runner_for(artifact("onnx"), path),  # of another checksum
    ):
        pass
    assert "damaged" in caught.value.remedy


def test_the_release_of_a_runtime_is_that_of_what_is_installed() -> None:
    assert installed("torchscript-lite")[0] == "torch"
