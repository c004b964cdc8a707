"""A package has what one platform's apps need, and is a bundle itself."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from maskport.artifacts.bundle import Bundle, describe_files, load_bundle, verify, write_manifest
from maskport.artifacts.documents import CARD, README, Fidelity, Judged, documents
from maskport.artifacts.manifest import Artifact, Failure, Manifest
from maskport.artifacts.package import write_package
from maskport.cli.main import cli, main
from maskport.errors import InputError, UsageError
from maskport.validation.results import Results

from .test_snippets import KINDS, entry


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """Files of three platforms, with documents as an export writes them."""
    folder = tmp_path / "demo"
    folder.mkdir()
    manifest, _ = entry(*KINDS["onnx"])
    artifacts = []
    for kind in ("onnx", "tflite", "tflite, bytes", "coreml"):
        _, artifact = entry(*KINDS[kind])
        target = f"{artifact.format}-{'int8' if 'bytes' in kind else 'fp32'}"
        path = artifact.path.replace(artifact.format, target, 1)
        artifacts.append(written(folder, artifact.model_copy(update={"target": target}), path))
    failure = Failure(target="keras", reason="It | failed.\nA traceback.")
    manifest = manifest.model_copy(update={"artifacts": artifacts, "failures": [failure]})
    entries = []
    for name, text in documents(manifest).items():
        (folder / name).write_text(text, encoding="utf-8")
        entries += describe_files(folder / name, folder)[0]
    write_manifest(folder, manifest.model_copy(update={"documents": entries}))
    return load_bundle(folder)


def written(folder: Path, artifact: Artifact, path: str) -> Artifact:
    """The artifact with a file, or a folder of one."""
    file = folder / path
    if path.endswith(".mlpackage"):
        file.mkdir()
        (file / "Manifest.json").write_text(path)
    else:
        file.write_text(path)
    files, size, digest = describe_files(file, folder)
    update = {"path": path, "files": files, "bytes": size, "sha256": digest}
    return artifact.model_copy(update=update)


def names(package: Path) -> list[str]:
    with zipfile.ZipFile(package) as archive:
        return archive.namelist()


@pytest.mark.parametrize(
    ("platform", "files", "code"),
    [
        ("ios", {"demo-coreml-fp32.mlpackage/Manifest.json"}, {"swift"}),
        ("android", {"demo-tflite-fp32.tflite", "demo-tflite-int8.tflite"}, {"kt", "java", "cc"}),
        (
            "web",
            {"demo-onnx-fp32.onnx", "demo-tflite-fp32.tflite", "demo-tflite-int8.tflite"},
            {"js"},
        ),
    ],
)
def test_a_platform_gets_its_files_its_code_and_the_card(
    bundle: Bundle, platform: str, files: set[str], code: set[str]
) -> None:
    package = write_package(bundle, platform)
    assert package == bundle.path.with_name(f"demo-{platform}.zip")
    found = [name.removeprefix(f"demo-{platform}/") for name in names(package)]
    assert found == sorted(found)
    snippets = {name for name in found if name.startswith("snippets/")}
    assert set(found) - snippets == files | {README, CARD, "LICENSE.txt", "manifest.json"}
    assert {name.rpartition(".")[2] for name in snippets} == code


def test_unpacked_it_is_a_bundle_that_holds(bundle: Bundle, tmp_path: Path) -> None:
    with zipfile.ZipFile(write_package(bundle, "android")) as archive:
        archive.extractall(tmp_path / "out")
    out = tmp_path / "out" / "demo-android"
    assert verify(out) == []
    assert "snippets/" in (out / README).read_text(encoding="utf-8")
    (out / "snippets" / "tflite-fp32" / "demo_litert.cc").write_text("changed")
    assert len(verify(out)) == 1


def test_the_same_bundle_gives_the_same_bytes(bundle: Bundle, tmp_path: Path) -> None:
    first = write_package(bundle, "web", tmp_path / "a" / "first.zip").read_bytes()
    for file in bundle.path.rglob("*"):
        file.touch()
    assert write_package(bundle, "web", tmp_path / "second.zip").read_bytes() == first
    with zipfile.ZipFile(tmp_path / "second.zip") as archive:
        assert {info.date_time[:3] for info in archive.infolist()} == {(1980, 1, 1)}


def test_targets_can_be_chosen(bundle: Bundle) -> None:
    package = write_package(bundle, "android", targets=["tflite-int8"])
    assert not any("fp32" in name for name in names(package))
    with pytest.raises(UsageError, match="Did you mean tflite-int8"):
        write_package(bundle, "android", targets=["tflite-int9"])
    with pytest.raises(UsageError, match=r"Nothing of onnx-fp32 is for android"):
        write_package(bundle, "android", targets=["onnx"])


def test_a_package_that_can_not_be_written_leaves_nothing(bundle: Bundle, tmp_path: Path) -> None:
    (bundle.path / "demo-onnx-fp32.onnx").unlink()
    with pytest.raises(InputError, match="can't be written"):
        write_package(bundle, "web", tmp_path / "out.zip")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["demo"]


def test_a_bundle_that_was_changed_is_not_packed(bundle: Bundle) -> None:
    (bundle.path / "demo-onnx-fp32.onnx").write_text("changed")
    with pytest.raises(SystemExit) as end:
        main(["package", str(bundle.path), "--for", "ios"])
    assert end.value.code == 1
    assert not bundle.path.with_name("demo-ios.zip").exists()


def test_a_readme_names_every_file_and_what_it_needs(bundle: Bundle) -> None:
    text = (bundle.path / README).read_text(encoding="utf-8")
    for artifact in bundle.manifest.artifacts:
        assert f"| `{artifact.path}` |" in text
    assert "| Runtime 2.7.0 |" in text
    assert "- keras: It \\| failed.\n" in text
    assert "float32, NHWC, 1 x 48 x 40 x 3" in text
    assert "maskport snippet . tflite-fp32 --language kotlin\n" in text


@pytest.mark.parametrize(
    ("license", "lines"),
    [
        ("Apache-2.0", ["license: apache-2.0"]),
        ("not stated: ask\n---", ["license: other", 'license_name: "not stated: ask ---"']),
    ],
)
def test_a_card_begins_with_what_a_hub_reads(
    bundle: Bundle, license: str, lines: list[str]
) -> None:
    checkpoint = bundle.manifest.checkpoint.model_copy(update={"license": license})
    manifest = bundle.manifest.model_copy(update={"checkpoint": checkpoint})
    card = documents(manifest)[CARD]
    _, front, rest = card.split("---\n", 2)
    tags = [f"- {tag}" for tag in ("image-segmentation", "onnx", "tflite", "coreml")]
    assert front.splitlines() == [
        *lines,
        "pipeline_tag: image-segmentation",
        "library_name: maskport",
        "tags:",
        *tags,
    ]
    assert rest.startswith("\n# demo\n")


def test_a_card_has_what_a_validation_found(bundle: Bundle) -> None:
    judged = Judged("tflite-fp32", "passed", "0.9999", "0.9998", "1.0e-6")
    other = Judged("keras", "failed", "0.5", "0.5", "0.1")
    card = documents(bundle.manifest, Fidelity(12, "PyTorch on a | b", [judged, other]))[CARD]
    assert "against PyTorch on a \\| b, on 12 photos" in card
    assert "| tflite-fp32 | passed | 0.9999 | 0.9998 | 1.0e-6 |\n" in card
    assert "0.5 |" not in card


def test_results_of_another_bundle_are_refused(
    bundle: Bundle, sample_run: tuple[Results, object], tmp_path: Path
) -> None:
    results = tmp_path / "results.json"
    results.write_text(sample_run[0].model_dump_json())
    with pytest.raises(SystemExit) as end:
        main(["package", str(bundle.path), "--for", "ios", "--results", str(results)])
    assert end.value.code == 2
    assert not bundle.path.with_name("demo-ios.zip").exists()


def test_results_of_the_bundle_come_into_the_card(
    bundle: Bundle, sample_run: tuple[Results, object], tmp_path: Path
) -> None:
    digest = hashlib.sha256((bundle.path / "manifest.json").read_bytes()).hexdigest()
    image = bundle.manifest.spec["image"]
    size = {"input_height": image["height"], "input_width": image["width"]}
    values = json.loads(sample_run[0].model_dump_json()) | {"manifest_sha256": digest, **size}
    (tmp_path / "results.json").write_text(json.dumps(values))
    options = ["--for", "web", "--results", str(tmp_path / "results.json")]
    done = CliRunner().invoke(cli, ["package", str(bundle.path), *options])
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(bundle.path.with_name("demo-web.zip")) as archive:
        card = archive.read(f"demo-web/{CARD}").decode()
    found = Results.model_validate(values).artifacts["onnx-fp32"].fidelity
    assert found is not None
    assert f"| onnx-fp32 | passed | {found['iou']:.4f} |" in card
    # Of another size's masks a card would say what these files don't draw.
    (tmp_path / "results.json").write_text(json.dumps(values | {"input_height": 7}))
    other = CliRunner().invoke(cli, ["package", str(bundle.path), *options], standalone_mode=False)
    assert isinstance(other.exception, InputError) and "without --size" in other.exception.remedy


def test_snippets_are_listed_printed_and_written(bundle: Bundle, tmp_path: Path) -> None:
    def ran(*options: str) -> str:
        done = CliRunner().invoke(cli, ["snippet", str(bundle.path), *options])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert "kotlin\tmediapipe\tDemoMediapipeSegmenter.kt\n" in ran("tflite-fp32")
    printed = ran("tflite-fp32", "--language", "kotlin")
    assert printed.startswith("// DemoCompiledModelSegmenter.kt: demo by demo-tflite-fp32.tflite\n")
    assert "MediaPipe" in ran("tflite-fp32", "--language", "kotlin", "--by", "mediapipe")
    written = ran("coreml-fp32", "--out", str(tmp_path / "app")).splitlines()
    assert [Path(line).name for line in written] == [
        "DemoVisionSegmenter.swift",
        "DemoVision18Segmenter.swift",
    ]
    assert all(Path(line).is_file() for line in written)


@pytest.mark.parametrize(
    "options",
    [["keras"], ["onnx-fp32", "--language", "cobol"], ["onnx-fp32", "--by", "mediapipe"]],
)
def test_code_that_there_is_not_is_an_error(
    bundle: Bundle, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["snippet", str(bundle.path), *options])
    assert end.value.code == 2
    assert "Error:" in capsys.readouterr().err


def test_a_manifest_without_documents_is_still_read(bundle: Bundle) -> None:
    file = bundle.path / "manifest.json"
    values = json.loads(file.read_text())
    del values["documents"]
    assert Manifest.model_validate(values).documents == []
