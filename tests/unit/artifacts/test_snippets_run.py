"""Snippets do to photos and masks what `imaging` does, where a compiler or an interpreter is here.

SDKs that are not here are stood in for by `stubs/`, which has as much of each as snippets use. What
runs a real file is in tests/conformance.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from maskport.artifacts.bundle import spec_of
from maskport.artifacts.manifest import Artifact
from maskport.artifacts.snippets import Snippet, snippets
from maskport.imaging.convert import mask_for_photo, photo_to_input
from maskport.runtimes.base import real, stored
from maskport.scenes import scene
from maskport.specs import ModelSpec

from ...compilers import (
    compile_kotlin,
    compile_swift,
    kotlin_libraries,
    run,
    stubs_in,
    tool,
    without_submodules,
)
from .test_snippets import HEIGHT, KINDS, WIDTH, entry

STUBS = Path(__file__).with_name("stubs")
# Each takes seconds to compile; between them they have all that differs.
COMPILED = ["tflite", "tflite, signed bytes", "tflite, bytes, as U²-Net"]
WEB = [kind for kind in KINDS if not kind.startswith("coreml")]


def stubs(name: str, folder: Path) -> list[Path]:
    return stubs_in(STUBS / f"{name}.txt", folder)


def made(kind: str, variant: str, language: str) -> tuple[Snippet, Artifact, ModelSpec]:
    manifest, artifact = entry(*KINDS[kind])
    every = snippets(manifest, artifact)
    [snippet] = [s for s in every if (s.variant, s.language.name) == (variant, language)]
    return snippet, artifact, spec_of(manifest)


@pytest.fixture
def photo() -> NDArray[np.uint8]:
    """Larger than the network's size, and with a maximum below 255."""
    return (scene(3, 120, 90).photo * 0.8).astype(np.uint8)


def assert_fed(
    content: bytes, photo: NDArray[np.uint8], artifact: Artifact, spec: ModelSpec
) -> None:
    """What was fed is what maskport feeds, but for bytes that lie in the middle of two: Pillow has
    its shares in 22 bits."""
    wanted = stored(photo_to_input(photo, spec.image), artifact.inputs[0])
    fed = np.frombuffer(content, wanted.dtype).reshape(wanted.shape)
    difference = np.abs(fed.astype(float) - wanted.astype(float))
    byte = 1 if wanted.dtype.kind in "iu" else 1 / 255
    # Dividing by the maximum stretches the byte, and rounds it again.
    assert difference.max() <= 2 * byte + 1e-6
    assert (difference > 1e-6).mean() < 0.02


JAVA = """
public final class Main {
  public static void main(String[] sizes) throws Exception {
    int width = Integer.parseInt(sizes[0]);
    int height = Integer.parseInt(sizes[1]);
    byte[] rgba = java.nio.file.Files.readAllBytes(java.nio.file.Paths.get("pixels"));
    int[] colors = new int[width * height];
    for (int i = 0; i < colors.length; i++) {
      colors[i] = 255 << 24 | (rgba[4 * i] & 255) << 16 | (rgba[4 * i + 1] & 255) << 8
          | (rgba[4 * i + 2] & 255);
    }
    try (%s segmenter = new %s(new android.content.Context())) {
      segmenter.masks(new android.graphics.Bitmap(colors, width, height));
    }
  }
}
"""


@pytest.mark.parametrize("kind", COMPILED)
def test_java_feeds_what_imaging_feeds(kind: str, tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    compiler, java = tool("javac"), tool("java")
    snippet, artifact, spec = made(kind, "interpreter", "java")
    (tmp_path / snippet.file).write_text(snippet.text, encoding="utf-8")
    name = snippet.file.removesuffix(".java")
    (tmp_path / "Main.java").write_text(JAVA.replace("%s", name))
    (tmp_path / "pixels").write_bytes(rgba(photo))
    files = stubs("java", tmp_path)
    options = ("-encoding", "UTF-8", "-Xlint:all", "-d", ".")
    run(compiler, *options, "Main.java", snippet.file, *files, cwd=tmp_path)
    run(java, "-cp", ".", "Main", str(photo.shape[1]), str(photo.shape[0]), cwd=tmp_path)
    assert_fed((tmp_path / "fed").read_bytes(), photo, artifact, spec)


def rgba(photo: NDArray[np.uint8]) -> bytes:
    opaque = np.full(photo.shape[:2], 255, np.uint8)
    return np.dstack([photo, opaque]).tobytes()


KOTLIN = """
import android.content.Context
import android.graphics.Bitmap
import com.google.ai.edge.litert.Accelerator
import java.io.DataOutputStream
import java.io.File

fun written(kind: String, planes: List<FloatArray>) {
    File("fed").renameTo(File("fed-$kind"))
    DataOutputStream(File("planes-$kind").outputStream().buffered()).use { out ->
        planes.forEach { plane -> plane.forEach { out.writeFloat(it) } }
    }
}

fun main(sizes: Array<String>) {
    val bytes = File("pixels").readBytes()
    fun byte(at: Int) = bytes[at].toInt() and 255
    val colors = IntArray(bytes.size / 4) {
        (255 shl 24) or (byte(4 * it) shl 16) or (byte(4 * it + 1) shl 8) or byte(4 * it + 2)
    }
    val photo = Bitmap(colors, sizes[0].toInt(), sizes[1].toInt())
%s
}
"""
# For each kind; the stub has no GPU.
KOTLIN_RUN = """
    File("given-%(name)s").copyTo(File("given"), overwrite = true)
    %(type)s(Context()).use { segmenter ->
        check(segmenter.accelerator == Accelerator.CPU)
        written("%(name)s", segmenter.masks(photo).planes)
    }
"""


@pytest.mark.slow
def test_kotlin_feeds_and_reads_as_imaging_does(tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    """All kinds in one run of the compiler, and MediaPipe's code compiled along."""
    kotlin = kotlin_libraries()
    kinds = {f"net{i}": kind for i, kind in enumerate(k for k in KINDS if k.startswith("tflite"))}
    files, runs, wanted = [], [], {}
    for name, kind in kinds.items():
        manifest, artifact = entry(*KINDS[kind], name=name)
        spec, tensor = spec_of(manifest), artifact.outputs[0]
        for snippet in snippets(manifest, artifact):
            if snippet.language.name != "kotlin":
                continue
            files.append(tmp_path / snippet.file)
            files[-1].write_text(snippet.text, encoding="utf-8")
            if snippet.variant == "compiled_model":
                runs.append(KOTLIN_RUN % {"name": name, "type": snippet.file.removesuffix(".kt")})
        masks = np.random.default_rng(0).uniform(0.1, 0.8, (1, spec.mask.channels, HEIGHT, WIDTH))
        given = stored(masks.astype(np.float32), tensor)
        (tmp_path / f"given-{name}").write_bytes(given.tobytes())
        final = mask_for_photo(real(given, tensor)[0], spec.mask, HEIGHT, WIDTH)
        wanted[name] = (artifact, spec, final)
    (tmp_path / "Main.kt").write_text(KOTLIN % "".join(runs))
    (tmp_path / "pixels").write_bytes(rgba(photo))
    files += [tmp_path / "Main.kt", *stubs("java", tmp_path), *stubs("kotlin", tmp_path)]
    compile_kotlin(kotlin, files, tmp_path)
    height, width = photo.shape[:2]
    libraries = f".:{kotlin / 'kotlin-stdlib.jar'}"
    run(tool("java"), "-cp", libraries, "MainKt", str(width), str(height), cwd=tmp_path)
    for name, (artifact, spec, final) in wanted.items():
        assert_fed((tmp_path / f"fed-{name}").read_bytes(), photo, artifact, spec)
        planes = np.frombuffer((tmp_path / f"planes-{name}").read_bytes(), ">f4")
        np.testing.assert_allclose(planes.reshape(final.shape), final, atol=1e-6)


SWIFT = """
import CoreImage

func given(_ name: String) throws -> [Float] {
    try Data(contentsOf: URL(fileURLWithPath: "given-" + name)).withUnsafeBytes {
        Array($0.bindMemory(to: Float.self))
    }
}

func write<T>(_ values: [T], _ name: String) throws {
    try values.withUnsafeBytes { Data($0) }.write(to: URL(fileURLWithPath: name))
}
"""
# For each kind.
SWIFT_RUN = """
do {
    let masks = try %(type)sMasks(values: given("%(name)s"))
    try write(masks.planes.flatMap { $0 }, "planes-%(name)s")
    let extent = CGRect(x: 0, y: 0, width: 3 * %(type)sMasks.width, height: %(type)sMasks.height)
    let gray = masks.image(extent: extent)
    precondition(gray.extent == extent)
    try gray.bytes.write(to: URL(fileURLWithPath: "gray-%(name)s"))
    try write(%(classes)s, "classes-%(name)s")
}
"""


@pytest.mark.slow
def test_swift_reads_as_imaging_does(tmp_path: Path) -> None:
    """All kinds in one run of the compiler: Apple's frameworks only check types."""
    tool("swiftc")
    kinds = {f"net{i}": kind for i, kind in enumerate(k for k in KINDS if k.startswith("coreml"))}
    files, runs, wanted = [], [], {}
    for name, kind in kinds.items():
        manifest, artifact = entry(*KINDS[kind], name=name)
        spec = spec_of(manifest)
        for snippet in snippets(manifest, artifact):
            files.append(tmp_path / snippet.file)
            files[-1].write_text(without_submodules(snippet.text), encoding="utf-8")
        several = spec.mask.channels > 1
        facts = {"name": name, "type": f"{name.capitalize()}VisionSegmenter"}
        runs.append(SWIFT_RUN % (facts | {"classes": "masks.classes()" if several else "[Int]()"}))
        masks = np.random.default_rng(0).uniform(0.1, 0.8, (spec.mask.channels, HEIGHT, WIDTH))
        masks.astype(np.float32).tofile(tmp_path / f"given-{name}")
        wanted[name] = mask_for_photo(masks.astype(np.float32), spec.mask, HEIGHT, WIDTH)
    (tmp_path / "main.swift").write_text(SWIFT + "".join(runs))
    files.append(tmp_path / "main.swift")
    program = compile_swift(stubs("swift", tmp_path), files, tmp_path, mode="6")
    run(program, cwd=tmp_path)
    for name, final in wanted.items():
        planes = np.fromfile(tmp_path / f"planes-{name}", np.float32).reshape(final.shape)
        np.testing.assert_allclose(planes, final, atol=1e-6)
        gray = np.fromfile(tmp_path / f"gray-{name}", np.uint8)
        np.testing.assert_allclose(gray, np.rint(planes[0].ravel() * 255), atol=1)
        classes = np.fromfile(tmp_path / f"classes-{name}", np.int64)
        if len(final) > 1:
            assert np.array_equal(classes.reshape(HEIGHT, WIDTH), final.argmax(0))


MAIN = """
#include <cstdio>
int main(int, char** sizes) {
  const int width = std::stoi(sizes[1]), height = std::stoi(sizes[2]);
  std::vector<uint8_t> rgb(3 * width * height);
  if (std::fread(rgb.data(), 1, rgb.size(), stdin) != rgb.size()) return 1;
  const auto fed = %s::Fed(rgb, width, height);
  std::fwrite(fed.data(), sizeof(fed[0]), fed.size(), stdout);
  %s segmenter("file");
  const auto masks = segmenter.Masks(rgb, width, height);
  return %s::Cutout(rgb, masks[0]).size() == 4 * rgb.size() / 3 ? 0 : 2;
}
"""


@pytest.mark.parametrize("kind", COMPILED)
def test_cpp_feeds_what_imaging_feeds(kind: str, tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    compiler = tool("g++")
    snippet, artifact, spec = made(kind, "litert", "cpp")
    name = re.search(r"^class (\w+) \{", snippet.text, re.MULTILINE)
    assert name is not None
    stubs("cpp", tmp_path)
    (tmp_path / "main.cc").write_text(snippet.text + MAIN.replace("%s", name[1]), encoding="utf-8")
    flags = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-O1", "-I.")
    run(compiler, *flags, "main.cc", "-o", "main", cwd=tmp_path)
    height, width = photo.shape[:2]
    done = subprocess.run(
        [tmp_path / "main", str(width), str(height)],
        input=photo.tobytes(),
        capture_output=True,
        check=True,
    )
    assert_fed(done.stdout, photo, artifact, spec)


SCRIPT = """
import fs from "node:fs";
import * as code from "./%s";
const [pixels, maximum, given] = [fs.readFileSync("pixels"), %d, fs.readFileSync("given")];
const values = code.fed(code.resized(pixels, %d, %d), maximum);
fs.writeFileSync("fed", Buffer.from(values.buffer));
const bytes = given.buffer.slice(given.byteOffset, given.byteOffset + given.length);
const planes = code.planesOf(new values.constructor(bytes));
fs.writeFileSync("planes", Buffer.concat(planes.map((plane) => Buffer.from(plane.buffer))));
"""


@pytest.mark.parametrize("kind", WEB)
def test_javascript_converts_as_imaging_does(
    kind: str, tmp_path: Path, photo: NDArray[np.uint8]
) -> None:
    node = tool("node")
    snippet, artifact, spec = made(
        kind, "ort_web" if kind.startswith("onnx") else "litertjs", "javascript"
    )
    stubs("javascript", tmp_path)
    file = snippet.file.replace(".js", ".mjs")
    (tmp_path / file).write_text(snippet.text, encoding="utf-8")
    height, width = photo.shape[:2]
    (tmp_path / "pixels").write_bytes(rgba(photo))
    tensor = artifact.outputs[0]
    masks = np.random.default_rng(0).uniform(0.1, 0.8, (1, spec.mask.channels, HEIGHT, WIDTH))
    given = stored(masks.astype(np.float32), tensor)
    (tmp_path / "given").write_bytes(given.tobytes())
    (tmp_path / "script.mjs").write_text(SCRIPT % (file, photo.max(), width, height))
    run(node, "script.mjs", cwd=tmp_path)
    assert_fed((tmp_path / "fed").read_bytes(), photo, artifact, spec)
    planes = np.frombuffer((tmp_path / "planes").read_bytes(), np.float32)
    final = mask_for_photo(real(given, tensor)[0], spec.mask, HEIGHT, WIDTH)
    np.testing.assert_allclose(planes.reshape(final.shape), final, atol=1e-6)
