"""Every place that names Python's versions names those that were tried."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CLASSIFIER = "Programming Language :: Python :: 3."
MINORS = sorted(
    int(line.removeprefix(CLASSIFIER))
    for line in PYPROJECT["project"]["classifiers"]
    if line.startswith(CLASSIFIER)
)
VERSIONS = [f"3.{minor}" for minor in MINORS]
PROSE = f"{', '.join(VERSIONS[:-1])} or {VERSIONS[-1]}"


def workflow(name: str) -> dict[str, Any]:
    text = (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
    jobs: dict[str, Any] = yaml.safe_load(text)["jobs"]
    return jobs


def test_the_oldest_is_the_one_that_is_required_linted_and_typed_for() -> None:
    oldest = VERSIONS[0]
    assert PYPROJECT["project"]["requires-python"] == f">={oldest}"
    assert PYPROJECT["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")
    assert PYPROJECT["tool"]["mypy"]["python_version"] == oldest


def test_ci_runs_each_on_every_system() -> None:
    job = workflow("ci.yml")["check"]
    assert job["strategy"]["matrix"]["python"] == VERSIONS
    assert not {"include", "exclude"} & set(job["strategy"]["matrix"])
    asked = [step["with"]["python-version"] for step in job["steps"] if "setup-python" in str(step)]
    assert asked == ["${{ matrix.python }}"]


def test_tox_offers_each() -> None:
    text = (ROOT / "tox.ini").read_text(encoding="utf-8")
    assert re.findall(r"\bpy3(\d\d)\b", text) == [str(minor) for minor in MINORS]


def test_releases_and_the_action_take_one_of_them() -> None:
    taken = [
        step["with"]["python-version"]
        for job in workflow("release.yml").values()
        for step in job["steps"]
        if "setup-python" in step.get("uses", "")
    ]
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    taken.append(action["inputs"]["python-version"]["default"])
    assert set(taken) <= set(VERSIONS)


@pytest.mark.parametrize(
    "path", ["README.md", "CONTRIBUTING.md", "docs/ci.md", "action.yml", "quickstart", ".ci/run"]
)
def test_what_people_read_names_them_all(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert PROSE in text
    assert not re.search(r"3\.\d+ or newer", text)


@pytest.mark.parametrize("path", ["quickstart", ".ci/run"])
def test_scripts_that_install_every_sdk_refuse_others(path: str) -> None:
    bounds = f"(3, {MINORS[0]}) <= sys.version_info[:2] <= (3, {MINORS[-1]})"
    assert bounds in (ROOT / path).read_text(encoding="utf-8")
