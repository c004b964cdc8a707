"""Snippets are whole files of their language, whatever a file takes and gives."""

from __future__ import annotations

from typing import Any

import pytest

from maskport.artifacts.manifest import (
    Artifact,
    Checkpoint,
    FileEntry,
    Manifest,
    Network,
    OldestRuntime,
    Tensor,
    TensorQuantization,
)
from maskport.artifacts.snippets import LANGUAGES, Snippet, snippets
from maskport.errors import BundleError
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

HEIGHT, WIDTH = 48, 40
PLAIN = MaskSpec()
CLASSES = MaskSpec(channels=3, labels=("sky", 'a "b" \\(c) $d', "näher"))
# How the tensors of each kind of file are, and what its network wants of apps.
KINDS = {
    "onnx": ("onnx", "NCHW", "float32", PLAIN, "255"),
    "onnx, three classes": ("onnx", "NCHW", "float32", CLASSES, "255"),
    "onnx, as U²-Net": (
        "onnx",
        "NCHW",
        "float32",
        MaskSpec(normalization="min-max"),
        "image-maximum",
    ),
    "tflite": ("tflite", "NHWC", "float32", PLAIN, "255"),
    "tflite of planes": ("tflite", "NCHW", "float32", PLAIN, "255"),
    "tflite, three classes": ("tflite", "NHWC", "float32", CLASSES, "255"),
    "tflite, bytes": ("tflite", "NHWC", "uint8", PLAIN, "255"),
    "tflite, signed bytes": ("tflite", "NHWC", "int8", CLASSES, "image-maximum"),
    "tflite, bytes, as U²-Net": (
        *("tflite", "NHWC", "uint8", MaskSpec(normalization="min-max"), "image-maximum"),
    ),
    "coreml": ("coreml", "image", "uint8", PLAIN, "255"),
    "coreml, halves": ("coreml", "image", "float16", PLAIN, "255"),
    "coreml, three classes": ("coreml", "image", "uint8", CLASSES, "255"),
    "coreml, as U²-Net": (
        *("coreml", "image", "uint8", MaskSpec(normalization="min-max"), "image-maximum"),
    ),
}
SUFFIXES = {"onnx": ".onnx", "tflite": ".tflite", "coreml": ".mlpackage"}


def entry(
    format: str, layout: Any, dtype: Any, mask: MaskSpec, divide_by: Any, name: str = "demo"
) -> tuple[Manifest, Artifact]:
    """A manifest with one artifact of a format."""
    scales = {
        "float32": None,
        "float16": None,
        "uint8": TensorQuantization(scale=1 / 255, zero_point=0),
        "int8": TensorQuantization(scale=1 / 255, zero_point=-128),
    }

    def tensor(name: str, channels: int) -> Tensor:
        shape = [1, HEIGHT, WIDTH, channels] if layout == "NHWC" else [1, channels, HEIGHT, WIDTH]
        # Core ML gives several classes as an array.
        array = layout == "image" and channels > 1 and name == "mask"
        kind = "float32" if array else dtype
        if kind == "float16" and name == "image":
            kind = "uint8"  # photos are bytes
        return Tensor(
            name=name,
            shape=shape,
            dtype=kind,
            layout="NCHW" if array else layout,
            quantization=None if array else scales[kind],
        )

    path = f"{name}-{format}{SUFFIXES[format]}"
    artifact = Artifact(
        target=format,
        path=path,
        format=format,
        precision="fp32",
        bytes=1,
        sha256="0" * 64,
        files=[FileEntry(path=path, bytes=1, sha256="0" * 64)],
        inputs=[tensor("image", 3)],
        outputs=[tensor("mask", mask.channels)],
        oldest_runtimes=[OldestRuntime(runtime="Runtime", version="2.7.0", because="\n*/ all")],
    )
    spec = ModelSpec("demo", ImageSpec(HEIGHT, WIDTH, divide_by=divide_by), mask)
    manifest = Manifest(
        schema_version=1,
        network=Network(name=name, factory="f", parameters=1, macs=1),
        checkpoint=Checkpoint(file="w", sha256="0" * 64, source="s", license="MIT"),
        spec=spec.to_dict(),
        reference_device="cpu",
        artifacts=[artifact],
        tools={},
    )
    return manifest, artifact


def of_kind(kind: str) -> list[Snippet]:
    return snippets(*entry(*KINDS[kind]))


def errors_in(snippet: Snippet) -> list[str]:
    """What tree-sitter's grammar of the language can't read."""
    tree_sitter = pytest.importorskip("tree_sitter")
    grammar = pytest.importorskip(f"tree_sitter_{snippet.language.name}")
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    found: list[str] = []
    waiting = [parser.parse(snippet.text.encode()).root_node]
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            found.append(f"{snippet.file}:{node.start_point[0] + 1}: {node.text.decode()[:60]}")
        waiting += node.children if node.has_error else []
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_snippet_can_be_parsed(kind: str) -> None:
    made = of_kind(kind)
    assert made
    assert [error for snippet in made for error in errors_in(snippet)] == []


def test_a_syntax_error_would_be_seen() -> None:
    for whole in (*of_kind("tflite"), *of_kind("coreml")):
        text = whole.text.rpartition("(")[0]
        assert errors_in(Snippet(whole.language, whole.variant, whole.file, text)) != []


def test_each_format_has_its_languages() -> None:
    def languages(kind: str) -> list[str]:
        return [f"{s.language.name} {s.variant}" for s in of_kind(kind)]

    assert languages("coreml") == ["swift vision", "swift vision_18"]
    # The newer interface gives pictures of 8 bits.
    assert languages("coreml, halves") == ["swift vision"]
    assert languages("onnx") == ["javascript ort_web", "python onnxruntime"]
    assert languages("tflite") == [
        "kotlin compiled_model",
        "kotlin mediapipe",
        "java interpreter",
        "cpp litert",
        "javascript litertjs",
        "javascript mediapipe",
        "python litert",
    ]
    assert {s.language.name for kind in KINDS for s in of_kind(kind)} == {
        language.name for language in LANGUAGES.values()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_lines_fit_an_editor(kind: str) -> None:
    for snippet in of_kind(kind):
        long = [line for line in snippet.text.splitlines() if len(line) > 120]
        assert long == []
        assert snippet.text.endswith("\n")
        assert not snippet.text.endswith("\n\n")
        assert "\n\n\n\n" not in snippet.text


def test_a_java_file_is_named_as_its_class() -> None:
    [java] = [s for s in of_kind("tflite") if s.language.name == "java"]
    assert f"public final class {java.file.removesuffix('.java')} " in java.text


@pytest.mark.parametrize("name", ["u2net_cloth.v2", "2nd-try", "_", "x"])
def test_types_are_named_after_the_network(name: str) -> None:
    for kind in ("tflite", "coreml", "onnx"):
        made = snippets(*entry(*KINDS[kind], name=name))
        assert [error for snippet in made for error in errors_in(snippet)] == []


def test_names_of_a_manifest_begin_no_code() -> None:
    """A manifest is a file from anywhere."""
    bad = 'x";\nsystem("rm -rf /"); //\u2028"'
    manifest, artifact = entry(*KINDS["tflite"])
    mask = artifact.outputs[0].model_copy(update={"name": bad})
    artifact = artifact.model_copy(
        update={"outputs": [mask], "path": 'a"; b();\n$c'.replace("/", ""), "target": bad}
    )
    manifest = manifest.model_copy(
        update={"network": manifest.network.model_copy(update={"name": bad})}
    )
    for snippet in snippets(manifest, artifact):
        assert errors_in(snippet) == []
        assert not any(line.strip().startswith("system") for line in snippet.text.splitlines())


def test_a_file_of_other_tensors_has_none() -> None:
    manifest, artifact = entry(*KINDS["onnx"])
    two = artifact.model_copy(update={"inputs": artifact.inputs * 2})
    gray = artifact.inputs[0].model_copy(update={"shape": [1, 1, HEIGHT, WIDTH]})
    assert snippets(manifest, two) == []
    assert snippets(manifest, artifact.model_copy(update={"inputs": [gray]})) == []
    assert snippets(manifest, artifact.model_copy(update={"format": "keras"})) == []


def test_a_specification_of_another_version_is_an_error() -> None:
    manifest, artifact = entry(*KINDS["onnx"])
    with pytest.raises(BundleError, match="specification"):
        snippets(manifest.model_copy(update={"spec": {"name": "demo"}}), artifact)
