"""A file that draws PyTorch's mask passes a user's test, and one that doesn't fails it in words."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from maskport import ImageSpec, MaskSpec, ModelSpec, export
from maskport.errors import UsageError
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.scenes import scene
from maskport.testing import assert_same_mask

SIZE = (48, 40)
FILE = "nano-torchscript-lite.ptl"

USERS_TEST = """
import beside

def test_the_mask(assert_same_mask):
    results = assert_same_mask({file!r}, beside.make(), {photos!r}, iou=0.99)
    assert list(results.artifacts) == ["torchscript-lite"]
"""


@pytest.fixture(scope="module")
def network(nano: Callable[..., U2Net]) -> U2Net:
    made = nano()
    seeded(made, 0, SIZE)
    return made


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(2):
        Image.fromarray(scene(seed, *SIZE).photo).save(folder / f"{seed}.png")
    return folder


@pytest.fixture(scope="module")
def bundle(network: U2Net, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exports") / "nano"
    spec = ModelSpec("nano", ImageSpec(*SIZE), MaskSpec(), output=0)
    return export(network, spec=spec, targets="torchscript-lite", out=out).path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path / "cache"))


def test_a_sound_file_passes_and_its_numbers_come_back(
    bundle: Path, network: U2Net, photos: Path
) -> None:
    results = assert_same_mask(bundle / FILE, network, photos, iou=0.999, mae=1e-5)
    found = results.artifacts["torchscript-lite"]
    assert found.status == "passed" and found.latency_ms is None
    assert [photo.photo for photo in found.photos] == ["0.png", "1.png"]


def test_one_that_draws_another_mask_fails_with_what_it_reached(
    bundle: Path, nano: Callable[..., U2Net], photos: Path, tmp_path: Path
) -> None:
    other = nano()
    seeded(other, 1, SIZE)
    page = tmp_path / "masks.html"
    with pytest.raises(AssertionError) as raised:
        assert_same_mask(bundle, other, photos, iou=0.9, html=page)
    told = str(raised.value)
    assert told.startswith("not the mask that PyTorch draws\ntorchscript-lite: ")
    assert "iou" in told and "0.9" in told and str(page) in told
    assert page.is_file()


def test_a_file_without_a_bundle_is_no_failure_of_the_file(bundle: Path, tmp_path: Path) -> None:
    shutil.copy(bundle / FILE, tmp_path)
    with pytest.raises(UsageError, match="no file of a bundle") as raised:
        assert_same_mask(tmp_path / FILE)
    assert "maskport adopt" in raised.value.remedy
    with pytest.raises(UsageError, match="no file of a bundle"):
        assert_same_mask(bundle / "manifest.json")


BESIDE = """
from maskport.models.seeding import seeded
from maskport.models.u2net import Stage, U2Net

def make():
    made = U2Net([Stage(*row) for row in {rows!r}], 1).eval()
    seeded(made, {seed}, {size})
    return made
"""


@pytest.mark.parametrize(("seed", "code"), [(0, 0), (1, 1)])
def test_pytest_has_the_fixture(
    bundle: Path, network: U2Net, photos: Path, tmp_path: Path, seed: int, code: int
) -> None:
    (tmp_path / "test_users.py").write_text(
        USERS_TEST.format(file=str(bundle / FILE), photos=str(photos))
    )
    rows = [tuple(row) for row in network.stages]
    (tmp_path / "beside.py").write_text(BESIDE.format(rows=rows, seed=seed, size=SIZE))
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "maskport.testing.plugin", "."]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert ("not the mask that PyTorch draws" in ended.stdout) == bool(code)
