"""A file's format is found by its content where that has a mark, else by its name."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from maskport.artifacts.inspect.recognize import recognize
from maskport.errors import ArtifactError

TFLITE = b"\x1c\0\0\0TFL3"


def archive(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as written:
        for name in names:
            written.writestr(name, "")
    return path


def folder(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()
    return path


@pytest.mark.parametrize("name", ["net.tflite", "net.onnx", "net", "net.bin"])
def test_a_mark_in_the_content_decides_whatever_the_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(TFLITE)
    assert recognize(tmp_path / name) == "tflite"


def test_the_name_decides_where_there_is_no_mark(tmp_path: Path) -> None:
    (tmp_path / "net.ONNX").write_bytes(b"anything")
    assert recognize(tmp_path / "net.ONNX") == "onnx"


def test_an_archive_is_known_by_what_lies_in_it(tmp_path: Path) -> None:
    keras = archive(tmp_path / "a.zip", "config.json", "metadata.json", "model.weights.h5")
    assert recognize(keras) == "keras"
    assert recognize(archive(tmp_path / "b", "net/data.pkl", "net/bytecode.pkl")) == (
        "torchscript-lite"
    )


def test_a_folder_is_known_by_what_lies_in_it(tmp_path: Path) -> None:
    assert recognize(folder(tmp_path / "a", "saved_model.pb", "variables/x")) == "savedmodel"
    package = folder(tmp_path / "b", "Manifest.json", "Data/com.apple.CoreML/model.mlmodel")
    assert recognize(package) == "coreml"
    assert recognize(folder(tmp_path / "c", "model.xml", "model.bin")) == "openvino"


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"P", bytes(99), TFLITE[4:]])
def test_what_is_of_no_format_is_refused_with_those_that_are(
    content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "net.bin").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"net\.bin is a file of no format") as caught:
        recognize(tmp_path / "net.bin")
    assert ".tflite" in caught.value.remedy


def test_a_bundle_is_not_taken_for_one_file(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").touch()
    with pytest.raises(ArtifactError, match="is a bundle") as caught:
        recognize(tmp_path)
    assert "one of the files" in caught.value.remedy
