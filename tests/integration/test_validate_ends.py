"""Validations beside others, over photos that go away, and of files whose processes lie."""

from __future__ import annotations

import json
import os
import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from torch import nn

from maskport.api import export
from maskport.errors import ImageError, UsageError
from maskport.processes.scratch import Scratch
from maskport.runtimes import isolated
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec, ModelSpec
from maskport.validation.request import ValidationEvent
from maskport.validation.results import Results
from maskport.validation.validate import validate

from ..sdks import needed

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

for sdk in ("onnx", "onnxruntime"):
    needed(sdk)

TARGETS = ["onnx-fp32", "onnx-fp16", "torchscript-lite"]
Validate = Callable[..., Results]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 1, 3, padding=1), nn.Sigmoid()).eval()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    (folder / "masks").mkdir()
    for seed in range(2):
        made = scene(seed, 60, 80)
        Image.fromarray(made.photo).save(folder / f"{seed}.png")
        mask = (np.asarray(made.mask) * 255).astype(np.uint8)
        Image.fromarray(mask).save(folder / "masks" / f"{seed}.png")
    return folder


@pytest.fixture(scope="module")
def bundle(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exports") / "tiny"
    spec = ModelSpec("tiny", ImageSpec(32, 32), MaskSpec())
    made = export(network, spec=spec, targets=TARGETS, out=out)
    assert [f.reason for f in made.manifest.failures] == []
    return out


@pytest.fixture
def validated(
    bundle: Path, network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Validate:
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path / "cache"))

    def run(images: Path, **options: Any) -> Results:
        settings = {"targets": "torchscript-lite", "latency": "none", **options}
        return validate(bundle, images=images, network=network, **settings)

    return run


def test_the_same_run_twice_at_once_is_once_too_often_and_another_beside_it_is_none(
    validated: Validate, photos: Path, tmp_path: Path
) -> None:
    beside: list[Results] = []

    def watch(event: ValidationEvent) -> None:
        if event.kind == "photo" and event.done == 1:
            with pytest.raises(UsageError, match="going on in another process"):
                validated(photos)
            beside.append(validated(photos, targets="onnx-fp32"))

    results = validated(photos, watch=watch)
    for one in (results, *beside):
        assert one.passed and {len(a.photos) for a in one.artifacts.values()} == {2}
    assert len(beside) == 1
    assert list((tmp_path / "cache" / "runs").rglob("*")) == []


@pytest.mark.skipif(os.name != "posix", reason="kills")
def test_a_file_whose_process_is_killed_is_lost_and_the_others_are_judged(
    validated: Validate, photos: Path
) -> None:
    Scratch().close()  # its keeper runs already
    before = set(psutil.Process().children())

    def watch(event: ValidationEvent) -> None:
        if (event.kind, event.target, event.done) == ("photo", "onnx-fp32", 1):
            children = set(psutil.Process().children()) - before
            min(children, key=lambda child: child.create_time()).kill()  # the next one has its own

    results = validated(photos, targets=["onnx-fp32", "onnx-fp16"], watch=watch)
    assert results.artifacts["onnx-fp32"].status == "crashed"
    assert "SIGKILL" in results.artifacts["onnx-fp32"].reason
    assert results.artifacts["onnx-fp16"].status == "passed"


@pytest.mark.parametrize("which", ["1.png", "masks/1.png"])
@pytest.mark.parametrize("when", ["found", "drawn"])
def test_a_photo_that_goes_away_is_named(
    validated: Validate,
    photos: Path,
    tmp_path: Path,
    which: str,
    when: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A photo is read once, at the beginning; its mask again where a mask is compared with it."""
    folder = shutil.copytree(photos, tmp_path / "photos")
    gone = folder / which

    def watch(event: ValidationEvent) -> None:
        if event.text == "reading the photos" and when == "found":
            gone.unlink()
        if event.kind == "started" and when == "drawn":
            gone.unlink()

    if (which, when) == ("1.png", "drawn"):
        assert validated(folder, masks=folder / "masks", watch=watch).passed
        return
    with pytest.raises(ImageError, match="There is no photo") as raised:
        validated(folder, masks=folder / "masks", watch=watch)
    assert str(gone) in raised.value.what


def test_a_photo_that_goes_away_before_it_is_looked_at_is_named(
    validated: Validate, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maskport.validation import photoset

    folder, listed = shutil.copytree(photos, tmp_path / "photos"), photoset.list_photos

    def and_delete(source: Path) -> Any:
        found = listed(source)
        (folder / "1.png").unlink()
        return found

    monkeypatch.setattr(photoset, "list_photos", and_delete)
    with pytest.raises(ImageError, match=r"There is no photo .*1\.png"):
        validated(folder)


HUGE = b"1" + b"0" * 400
MASK = np.zeros(32 * 32, np.float32).tobytes()
# What is said instead of an answer, by the name that a file has in the bundle.
LIES = {
    "endless": ("Loaded", b'Loaded\n{"runtime":"x","emulated":false,"load_ms":%b}' % HUGE, b""),
    "early": ("Ran", b'Ran 1 1 32 32\n{"milliseconds":[-1],"warm_up":0}', MASK),
    "late": ("Ran", b'Ran 1 1 32 32\n{"milliseconds":[%b],"warm_up":0}' % HUGE, MASK),
    "shapeless": ("Ran", b'Ran nan 1 32 32\n{"milliseconds":[1],"warm_up":0}', MASK),
    "flat": ("Ran", b'Ran 1024\n{"milliseconds":[1],"warm_up":0}', MASK),
    "lone": ("Saturating", b'Saturating\n{"names":["\\ud800"]}', b""),
    "mute": ("Peak", b"", b""),
    "costly": ("Cost", b'Cost\n{"macs":%b,"weight_bytes":1,"operations":{}}' % HUGE, b""),
}
LIAR = f"""
    from maskport.runtimes import isolated_child, isolated_messages as messages

    LIES = {LIES!r}

    def main(parent):
        told, asked, target = parent.send, parent.requests, ""

        def requests(vocabulary):
            nonlocal target
            for request, array in asked(vocabulary):
                target = getattr(getattr(request, "artifact", None), "target", target)
                yield request, array

        def send(message, array=None):
            name, content, values = LIES.get(target, ("", b"", b""))
            if type(message).__name__ == name:
                parent._replies.write(len(content).to_bytes(4, "big") + content + values)
            else:
                told(message, array)

        parent.requests, parent.send = requests, send
        isolated_child.main(parent)
"""


def test_files_whose_processes_lie_are_broken_and_the_others_are_judged(
    bundle: Path,
    network: nn.Module,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "liar.py").write_text(textwrap.dedent(LIAR))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(isolated, "_CHILD", "liar:main")
    folder = shutil.copytree(bundle, tmp_path / "bundle")
    manifest = json.loads((folder / "manifest.json").read_text())
    honest = next(a for a in manifest["artifacts"] if a["target"] == "onnx-fp32")
    manifest["artifacts"] += [honest | {"target": name} for name in LIES]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    results = validate(folder, images=photos, network=network, latency="none")
    found = results.artifacts
    lost = {name for name, artifact in found.items() if artifact.status == "broken"}
    assert lost == LIES.keys() - {"costly"}
    assert all("sent nonsense" in found[name].reason for name in lost)
    for name in (*TARGETS, "costly"):
        assert found[name].status == "passed", found[name].reason
    assert found["costly"].cost is None and "nonsense" in found["costly"].no_cost
    # And all that was found can be written and read again.
    assert Results.model_validate_json(results.model_dump_json()) == results
