"""What is installed, whatever was imported before."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from maskport.sdks.versions import Versions


def distribution(folder: Path, name: str, version: str, *requirements: str) -> None:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {text}" for text in requirements]
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("\n".join(lines) + "\n")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages, which the path has last, and a working folder that holds it."""
    packages = tmp_path / "work" / "site-packages"
    distribution(packages, "maskport", "1.0", "drawer>=2", 'cloud-drawer[s3]; extra == "far"')
    distribution(packages, "drawer", "2.1", 'windows-only; sys_platform == "win32"')
    distribution(packages, "cloud-drawer", "3.0", 'reader; extra == "s3"', 'x; extra == "test"')
    distribution(packages, "reader", "4.0")
    distribution(packages, "x", "5.0")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "work"), str(packages)])
    monkeypatch.setattr("site.getsitepackages", lambda: [str(packages)])
    return packages


def test_versions_are_those_of_what_is_required_in_turn(places: Path) -> None:
    assert Versions().of([]) == {"drawer": "2.1"}
    far = {"drawer": "2.1", "cloud-drawer": "3.0", "reader": "4.0"}
    assert Versions().of(["far"]) == far


@pytest.mark.parametrize("put", [list.append, lambda path, place: path.insert(0, place)])
def test_copies_that_a_package_brings_along_are_not_installed(
    places: Path, put: Callable[[list[str], str], None]
) -> None:
    """Ray puts its own before all others when it is imported, setuptools after them."""
    copies = places / "ray" / "thirdparty_files"
    distribution(copies, "drawer", "1.0")
    distribution(copies, "windows-only", "0.4.6")
    put(sys.path, str(copies))
    assert Versions().of([]) == {"drawer": "2.1"}


def test_what_lies_in_another_folder_of_the_path_is_installed(places: Path, tmp_path: Path) -> None:
    distribution(tmp_path / "target", "windows-only", "1.0")  # pip install --target
    sys.path.append(str(tmp_path / "target"))
    assert Versions().of([]) == {"drawer": "2.1", "windows-only": "1.0"}
