"""Bundles are whole or absent, and verification names every difference."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maskport.artifacts.bundle import (
    MANIFEST,
    Bundle,
    describe_files,
    load_bundle,
    spec_of,
    verify,
    writing,
)
from maskport.errors import ArtifactError, BundleError, ToolError, UsageError
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

from ...tiny_bundle import write


def fill(folder: Path, content: bytes = b"weights") -> None:
    """A bundle with a file and a folder, as exporters leave it."""
    (folder / "a.onnx").write_bytes(content)
    package = folder / "b.mlpackage"
    (package / "Data").mkdir(parents=True)
    (package / "Manifest.json").write_text("{}")
    (package / "Data" / "weight.bin").write_bytes(content)
    write(folder, {"a.onnx": "onnx", "b.mlpackage": "coreml"}, "fp32")


linux = pytest.mark.skipif(sys.platform != "linux", reason="ends processes; written for Linux")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    out = tmp_path / "bundle"
    with writing(out) as folder:
        fill(folder)
    return out


def test_a_fresh_bundle_holds(bundle: Path) -> None:
    assert verify(bundle) == []
    assert load_bundle(bundle).file("onnx-fp32").read_bytes() == b"weights"


def test_a_folders_checksum_is_what_sha256sum_reproduces(bundle: Path) -> None:
    package = load_bundle(bundle).artifact("coreml-fp32")
    lines = "".join(
        f"{hashlib.sha256((bundle / package.path / name).read_bytes()).hexdigest()}  {name}\n"
        for name in ("Data/weight.bin", "Manifest.json")
    )
    assert package.sha256 == hashlib.sha256(lines.encode()).hexdigest()


def change(path: Path) -> None:
    path.write_bytes(b"WEIGHTS")


def link(path: Path) -> None:
    target = Path(tempfile.mkdtemp()) / "elsewhere"
    path.rename(target)
    path.symlink_to(target)


@pytest.mark.parametrize(
    ("damage", "file", "said"),
    [
        (change, "a.onnx", "a.onnx: its content changed"),
        (lambda p: p.write_bytes(b"more weights"), "a.onnx", "a.onnx: 12 bytes instead of 7"),
        (Path.unlink, "b.mlpackage/Data/weight.bin", "b.mlpackage/Data/weight.bin: missing"),
        (change, "b.mlpackage/Data/extra", "b.mlpackage/Data/extra: not in the manifest"),
        (link, "a.onnx", "a.onnx: a link"),
        (link, "b.mlpackage", "b.mlpackage: a link"),
        (link, "b.mlpackage/Manifest.json", "b.mlpackage/Manifest.json: not a regular file"),
        (change, "stray.tflite", "stray.tflite: not in the manifest"),
    ],
)
def test_every_kind_of_difference_is_named(
    bundle: Path, damage: Callable[[Path], None], file: str, said: str
) -> None:
    damage(bundle / file)
    differences = verify(bundle)
    assert len(differences) == 1
    assert differences[0].startswith(said)


def moved_away(folder: Path) -> None:
    """A link to the same elsewhere."""
    target = Path(tempfile.mkdtemp()) / "elsewhere"
    folder.rename(target)
    folder.symlink_to(target)


def test_a_folder_that_lies_elsewhere_is_named(bundle: Path) -> None:
    moved_away(bundle / "b.mlpackage" / "Data")
    assert verify(bundle) == [
        f"b.mlpackage/Data/weight.bin: a link that leads out of {bundle}",
        "b.mlpackage/Data: not in the manifest",
    ]


def test_what_lies_in_a_folder_of_documents_is_looked_at(bundle: Path) -> None:
    (bundle / "code").mkdir()
    (bundle / "code" / "a.kt").write_text("code")
    write(
        bundle,
        {"a.onnx": "onnx", "b.mlpackage": "coreml"},
        "fp32",
        documents=describe_files(bundle / "code", bundle)[0],
    )
    assert verify(bundle) == []
    (bundle / "code" / "b.kt").write_text("more")
    (bundle / "export.log").mkdir()  # only a file may be called so
    assert verify(bundle) == [
        "code/b.kt: not in the manifest",
        "export.log: not in the manifest",
    ]


@pytest.mark.parametrize("file", ["b.mlpackage/Data/extra", "b.mlpackage/pipe"])
def test_a_pipe_is_no_file_of_a_bundle(bundle: Path, file: str) -> None:
    os.mkfifo(bundle / file)
    assert verify(bundle) == [f"{file}: not in the manifest"]
    with pytest.raises(ArtifactError, match=f"{file} is a named pipe, and not a file of a bundle"):
        describe_files(bundle / "b.mlpackage", bundle)


@pytest.mark.parametrize("to", ["/dev/null", "/etc/passwd", "../a.onnx", "/"])
def test_what_leads_out_of_a_folder_is_not_described(bundle: Path, to: str) -> None:
    (bundle / "b.mlpackage" / "link").symlink_to(to)
    with pytest.raises(ArtifactError, match=r"b\.mlpackage/link is a link that leads out"):
        describe_files(bundle / "b.mlpackage", bundle)


def test_a_file_that_is_a_link_out_of_its_bundle_is_not_described(bundle: Path) -> None:
    (bundle / "a.onnx").unlink()
    (bundle / "a.onnx").symlink_to("/dev/null")
    with pytest.raises(ArtifactError, match=r"a\.onnx is a link that leads out"):
        describe_files(bundle / "a.onnx", bundle, inside=bundle)
    with pytest.raises(ArtifactError, match=r"a\.onnx is a device"):
        describe_files(bundle / "a.onnx", bundle)


def test_a_folder_of_too_many_files_is_not_described(bundle: Path, monkeypatch) -> None:
    monkeypatch.setattr("maskport.artifacts.entries.MOST_FILES", 1)
    with pytest.raises(ArtifactError, match="more than 1 files"):
        describe_files(bundle / "b.mlpackage", bundle)


def test_a_file_of_another_size_is_not_read(bundle: Path) -> None:
    with (bundle / "a.onnx").open("wb") as file:
        file.truncate(1 << 42)  # takes no space
    assert verify(bundle) == [f"a.onnx: {1 << 42} bytes instead of 7"]


# Reading such a device to its end takes all memory, so what does it is ended soon.
COMMAND = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
from maskport.cli.main import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("command", "name", "code", "said"),
    [
        ("verify", "manifest.json", 2, "a link that leads out of"),
        ("validate", "manifest.json", 2, "a link that leads out of"),
        ("snippet", "manifest.json", 2, "a link that leads out of"),
        ("verify", "b.mlpackage/zero", 1, "not in the manifest"),
    ],
)
def test_a_link_to_a_device_without_an_end_ends_a_command_at_once(
    bundle: Path, command: str, name: str, code: int, said: str
) -> None:
    (bundle / name).unlink(missing_ok=True)
    (bundle / name).symlink_to("/dev/zero")
    more = {"validate": ["--images", str(bundle)], "snippet": ["onnx-fp32"]}.get(command, [])
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, command, str(bundle), *more],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == code
    assert f"{name} is {said}" in done.stderr or f"{name}: {said}" in done.stdout


def test_a_manifest_that_leads_out_of_the_bundle_is_refused(bundle: Path) -> None:
    text = (bundle / MANIFEST).read_text()
    for path in ("../a.onnx", "/etc/passwd", "x/../../a.onnx", "", "a\\b"):
        (bundle / MANIFEST).write_text(text.replace('"a.onnx"', json.dumps(path)))
        with pytest.raises(BundleError, match="path"):
            verify(bundle)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"schema_version": 1,', "", "schema_version"),
        ('"bytes": 7,\n      "sha256"', '"bytes": 8,\n      "sha256"', "bytes"),
        ('"target": "coreml-fp32"', '"target": "onnx-fp32"', "twice"),
        ('"path": "b.mlpackage/Manifest.json"', '"path": "a.onnx"', "elsewhere"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    bundle: Path, before: str, after: str, said: str
) -> None:
    text = (bundle / MANIFEST).read_text()
    assert before in text
    (bundle / MANIFEST).write_text(text.replace(before, after))
    with pytest.raises(BundleError, match=said):
        verify(bundle)


def test_a_manifest_without_artifacts_or_files_is_refused(bundle: Path) -> None:
    values = json.loads((bundle / MANIFEST).read_text())
    for artifacts in ([], [{**values["artifacts"][0], "files": [], "bytes": 0}]):
        (bundle / MANIFEST).write_text(json.dumps({**values, "artifacts": artifacts}))
        with pytest.raises(BundleError, match="at least 1 item"):
            verify(bundle)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 2}', "\x00"])
def test_a_manifest_that_is_none_is_an_error(bundle: Path, text: str) -> None:
    (bundle / MANIFEST).write_text(text)
    with pytest.raises(BundleError, match="not a manifest"):
        load_bundle(bundle)


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a bundle"):
        load_bundle(tmp_path)


def test_a_target_that_the_bundle_lacks_is_named_with_what_it_has(bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"no keras; it has onnx-fp32, coreml-fp32"):
        load_bundle(bundle).file("keras")


def test_a_name_that_is_a_targets_does_not_mean_its_format(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    first = loaded.manifest.artifacts[0]
    names = {"executorch": "executorch", "executorch-int8": "executorch", "onnx-fp32": "onnx"}
    artifacts = [
        first.model_copy(update={"target": target, "format": kind})
        for target, kind in names.items()
    ]
    several = Bundle(bundle, loaded.manifest.model_copy(update={"artifacts": artifacts}))

    def selected(*asked: str) -> list[str]:
        return [artifact.target for artifact in several.selected(asked)]

    assert selected("executorch") == ["executorch"]
    assert selected("onnx", "executorch-int8") == ["executorch-int8", "onnx-fp32"]
    assert selected("all") == list(names)
    with pytest.raises(UsageError, match="no target or format 'onx'") as raised:
        selected("onx")
    assert "Did you mean onnx?" in raised.value.remedy


def test_an_interrupted_write_leaves_the_old_bundle(bundle: Path) -> None:
    with pytest.raises(KeyboardInterrupt), writing(bundle) as folder:
        fill(folder, b"new")
        raise KeyboardInterrupt
    assert verify(bundle) == []
    assert (bundle / "a.onnx").read_bytes() == b"weights"
    assert os.listdir(bundle.parent) == ["bundle"]


def test_a_finished_write_replaces_the_old_bundle_and_leaves_nothing_else(bundle: Path) -> None:
    with writing(bundle) as folder:
        fill(folder, b"new")
    assert (bundle / "a.onnx").read_bytes() == b"new"
    assert os.listdir(bundle.parent) == ["bundle"]


def test_a_folder_that_is_no_bundle_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="not a bundle"), writing(tmp_path):
        pass
    assert (tmp_path / "thesis.tex").exists()


def killed_while_it_writes(out: Path) -> None:
    """As in a container, where each run has the same process id."""
    code = (
        "import os, signal, sys; real = os.getpid(); os.getpid = lambda: 1\n"
        "from pathlib import Path; from maskport.artifacts.bundle import writing\n"
        "with writing(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').write_text('x'); os.kill(real, signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(out)], check=False)


@linux
def test_a_killed_run_does_not_stand_in_the_way_of_one_with_its_process_id(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_while_it_writes(bundle)
    assert len(os.listdir(bundle.parent)) > 1  # it could clear up nothing
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with writing(bundle) as folder:
        fill(folder, b"new")
    assert (bundle / "a.onnx").read_bytes() == b"new"
    assert os.listdir(bundle.parent) == ["bundle"]


def test_a_bundle_that_a_killed_process_had_moved_away_comes_back(bundle: Path) -> None:
    bundle.rename(bundle.with_name(".bundle.old"))  # killed between two renames
    bundle.with_name(".bundle.partial").mkdir()
    with pytest.raises(KeyboardInterrupt), writing(bundle):
        raise KeyboardInterrupt
    assert verify(bundle) == []
    assert os.listdir(bundle.parent) == ["bundle"]


@linux
def test_what_another_process_is_writing_is_left_alone_whatever_its_process_id(
    bundle: Path,
) -> None:
    code = (
        "import sys; from pathlib import Path; from maskport.artifacts.bundle import writing\n"
        "with writing(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').write_text('x'); print(flush=True); sys.stdin.read()\n"
        "    raise SystemExit\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(bundle)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    other.stdout.readline()
    with pytest.raises(UsageError, match="written by another process"), writing(bundle):
        pass
    assert (bundle.with_name(".bundle.partial") / "half").exists()
    other.communicate()
    with writing(bundle) as folder:
        fill(folder, b"new")
    assert os.listdir(bundle.parent) == ["bundle"]


def test_a_link_to_a_bundle_stays_one(bundle: Path) -> None:
    named = bundle.with_name("latest")
    named.symlink_to("bundle")
    with writing(named) as folder:
        fill(folder, b"new")
    assert named.is_symlink()
    assert (bundle / "a.onnx").read_bytes() == b"new"
    assert sorted(os.listdir(bundle.parent)) == ["bundle", "latest"]


@linux
@pytest.mark.parametrize("out", ["/proc/bundle", "/sys/bundle", "/dev/null/bundle"])
def test_where_nobody_writes_the_reason_is_said(out: str) -> None:
    with pytest.raises(UsageError, match="can't be written") as raised, writing(Path(out)):
        pass
    assert raised.value.remedy == "Choose another --out."


@linux
def test_a_name_that_converters_can_not_take_is_refused_first(tmp_path: Path) -> None:
    out = tmp_path / os.fsdecode(b"caf\xe9")
    with pytest.raises(UsageError, match="not UTF-8"), writing(out):
        pass
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_named_with_what_is_free(bundle: Path) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ToolError, match=r"has no room: .* MB are free"), writing(bundle):
        full()
    assert verify(bundle) == []
    assert os.listdir(bundle.parent) == ["bundle"]


LONG = 10**400


def at(manifest: Any, path: str) -> tuple[Any, Any]:
    """What holds a value of a manifest, and its key there."""
    *steps, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
    for step in steps:
        manifest = manifest[step]
    return manifest, last


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.image.color_order", "XXX"),
        ("spec.image.height", 20_000),
        ("spec.image.height", 1e30),
        ("spec.image.width", 32.5),
        ("spec.image.width", math.nan),
        ("spec.image.mean", [0]),
        ("spec.image.colour", "RGB"),
        ("spec.mask.activation", "zzz"),
        ("spec.mask.normalization", 7),
        ("spec.mask.labels", 7),
        ("spec.mask", None),
        ("spec", {}),
        ("network.macs", LONG),
        ("network.parameters", -1),
        ("artifacts.0.bytes", LONG),
        ("artifacts.0.inputs.0.shape", [1, 3, 1 << 20, 1 << 20]),
        ("artifacts.0.inputs.0.shape", [1, 3, -4, 6]),
        ("artifacts.0.inputs.0.shape", [1] * 4_000),
        ("artifacts.0.inputs.0.shape", []),
        ("artifacts.0.inputs.0.quantization", {"scale": math.inf, "zero_point": 0}),
        ("artifacts.0.inputs.0.quantization", {"scale": 1, "zero_point": LONG}),
        ("artifacts.0.inputs.0.normalization", {"mean": [math.nan, 0, 0]}),
        ("artifacts.0.inputs.0.normalization", {"std": [1, 1, 1e-300]}),
        ("artifacts.0.inputs.0.reading", {"channel": LONG}),
        ("artifacts.0.other_sizes", [{"height": 20_000, "width": 20_000}]),
        ("artifacts.0.other_sizes", [{"height": 8_000, "width": 8_000}]),
        ("artifacts.0.properties.signature", ["serving_default"]),
        ("artifacts.0.properties.opset", LONG),
        ("artifacts.0.properties.version", {"of": [math.inf]}),
    ],
)
def test_a_manifest_is_believed_only_within_bounds(bundle: Path, path: str, value: object) -> None:
    """None of these reaches code that would make room for it."""
    file = bundle / MANIFEST
    manifest = json.loads(file.read_text())
    tensor = {"name": "image", "shape": [1, 3, 4, 6], "dtype": "float32", "layout": "NCHW"}
    manifest["artifacts"][0] |= {"inputs": [tensor], "outputs": [tensor]}
    file.write_text(json.dumps(manifest))
    assert load_bundle(bundle).artifact("onnx-fp32").inputs[0].shape == [1, 3, 4, 6]
    holder, key = at(manifest, path)
    holder[key] = value
    file.write_text(json.dumps(manifest))
    with pytest.raises(BundleError) as refused:
        load_bundle(bundle)
    named = [step for step in path.split(".") if not step.isdecimal()]
    assert any(name in refused.value.what for name in named[1:] or named)
    assert len(refused.value.what) < 1_000


def test_a_specification_is_read_as_it_was_written(bundle: Path) -> None:
    assert spec_of(load_bundle(bundle).manifest) == ModelSpec("n", ImageSpec(4, 6), MaskSpec())


def test_a_bundle_at_another_size_has_its_specification_there(bundle: Path) -> None:
    file = bundle / MANIFEST
    manifest = json.loads(file.read_text())
    manifest["artifacts"][0]["other_sizes"] = [{"height": 8, "width": 12}]
    file.write_text(json.dumps(manifest))
    image = spec_of(load_bundle(bundle).at_size(8, 12).manifest).image
    assert (image.height, image.width) == (8, 12)
