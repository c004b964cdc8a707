"""The release workflow publishes what was checked, and no job may more than it needs."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    assert found["permissions"] == {}
    jobs: dict[str, Any] = found["jobs"]
    return jobs


def test_only_the_job_that_publishes_can_show_who_it_is(jobs: dict[str, Any]) -> None:
    assert [name for name, job in jobs.items() if "id-token" in job["permissions"]] == ["publish"]
    assert [n for n, job in jobs.items() if job["permissions"].get("contents") == "write"] == [
        "docs"
    ]


def test_the_job_that_publishes_runs_no_code_of_the_repository(jobs: dict[str, Any]) -> None:
    assert all("run" not in step for step in jobs["publish"]["steps"])
    assert all("checkout" not in step["uses"] for step in jobs["publish"]["steps"])


def test_what_is_published_was_built_checked_and_attested(jobs: dict[str, Any]) -> None:
    runs = "\n".join(step.get("run", "") for step in jobs["build"]["steps"])
    wanted = ["python -m build", "twine check --strict", "pytest tests/architecture"]
    places = [runs.index(command) for command in wanted]
    assert places == sorted(places)
    assert jobs["publish"]["needs"] == "build"
    uses = [step["uses"].partition("@")[0] for step in jobs["publish"]["steps"]]
    assert uses[-2:] == ["actions/attest-build-provenance", "pypa/gh-action-pypi-publish"]


def test_the_groups_that_it_installs_are_declared(jobs: dict[str, Any]) -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for job in jobs.values():
        for step in job["steps"]:
            _, found, rest = step.get("run", "").partition("--group ")
            assert not found or rest.split()[0] in groups["dependency-groups"]
