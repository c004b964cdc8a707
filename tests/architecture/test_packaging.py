"""pyproject.toml says what the tree is, and the wheel that tox tests holds all of it."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import maskport

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NOT_SHIPPED = {"benchmarks", "docs", "examples", "tests"}

only_in_tox = pytest.mark.skipif(
    "MASKPORT_TEST_WHEEL" not in os.environ, reason="only tox installs the wheel"
)


def package_folders(folder: Path = ROOT) -> Iterator[Path]:
    """The root, and below it every folder that has an `__init__.py`."""
    yield folder
    for child in sorted(folder.iterdir()):
        if child.name not in NOT_SHIPPED and (child / "__init__.py").is_file():
            yield from package_folders(child)


def dotted(folder: Path) -> str:
    return ".".join(("maskport", *folder.relative_to(ROOT).parts))


def shipped_files() -> set[str]:
    """Every file of the package, from the root: all that lie in rooms, and code at the root."""
    files = set(ROOT.glob("*.py")) | {ROOT / "py.typed"}
    for folder in package_folders():
        if folder != ROOT:
            files |= {
                path
                for path in folder.rglob("*")
                if path.is_file() and "__pycache__" not in path.parts
            }
    return {path.relative_to(ROOT).as_posix() for path in files}


def test_the_packages_listed_are_the_packages_of_the_tree() -> None:
    listed = PYPROJECT["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(dotted(folder) for folder in package_folders())


def test_every_folder_with_code_in_a_room_is_a_package() -> None:
    lacking = {
        path.parent.relative_to(ROOT).as_posix()
        for folder in package_folders()
        if folder != ROOT
        for path in folder.rglob("*.py")
        if not (path.parent / "__init__.py").is_file()
    }
    assert not lacking


def test_types_are_published() -> None:
    assert (ROOT / "py.typed").is_file()
    assert "py.typed" in PYPROJECT["tool"]["setuptools"]["package-data"]["maskport"]


def test_the_version_is_said_once() -> None:
    version = PYPROJECT["project"]["version"]
    assert maskport.__version__ == version
    try:
        installed = importlib.metadata.version("maskport")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("maskport is on the path but not installed")
    assert installed == version


@pytest.mark.parametrize(("name", "target"), PYPROJECT["project"]["scripts"].items())
def test_a_console_script_leads_to_a_function(name: str, target: str) -> None:
    module, _, function = target.partition(":")
    assert callable(getattr(importlib.import_module(module), function)), name


@pytest.mark.parametrize("name", ["export", "load_bundle"])
def test_the_public_functions_can_be_imported_from_the_package(name: str) -> None:
    assert callable(getattr(maskport, name))


def test_each_tested_version_lies_in_the_range_that_is_declared() -> None:
    """constraints.txt pins every direct dependency of the project and of its extras, and
    constraints-sign.txt those of the extra that isn't installed beside the others."""
    project = PYPROJECT["project"]
    extras = dict(project["optional-dependencies"])
    signing = pins("constraints-sign.txt")
    for line in extras.pop("sign"):
        assert signing[Requirement(line).name] in Requirement(line).specifier, line
    tested = pins("constraints.txt")
    for line in [*project["dependencies"], *(line for extra in extras.values() for line in extra)]:
        wanted = Requirement(line)
        if wanted.name != "maskport":
            assert tested[wanted.name] in wanted.specifier, line
    both = {name for name in tested.keys() & signing.keys() if tested[name] != signing[name]}
    assert both <= {"pydantic", "pydantic-core", "typing-extensions", "typing-inspection"}


def pins(file: str) -> dict[str, str]:
    found = {}
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            found[pin.name.lower().replace("_", "-")] = str(next(iter(pin.specifier)).version)
    return found


@only_in_tox
def test_the_tests_import_the_wheel_and_not_the_tree() -> None:
    package = Path(maskport.__file__).resolve().parent
    assert package.parent.name == "site-packages"
    assert package != ROOT


@only_in_tox
def test_the_wheel_holds_the_package_and_nothing_else() -> None:
    files = importlib.metadata.files("maskport") or []
    installed = {
        path.relative_to("maskport").as_posix()
        for path in map(Path, files)
        if path.parts[0] == "maskport" and "__pycache__" not in path.parts
    }
    # A file too many comes from an old build/ folder: remove it.
    assert installed == shipped_files()
