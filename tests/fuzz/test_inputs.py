"""Damaged checkpoints, manifests, bundles, results, TOML, lists and photos: read, or refused."""

from __future__ import annotations

import sys

import pytest

from .run import COUNT, Tally, run
from .subjects import SUBJECTS, Artifacts

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux does")

INPUTS = [name for name, subject in SUBJECTS.items() if not isinstance(subject, Artifacts)]


@pytest.fixture(scope="module")
def tallies() -> dict[str, Tally]:
    """Of all classes, read by one process."""
    return run(INPUTS, 0, COUNT)


@pytest.mark.parametrize("name", INPUTS)
def test_damaged_files_are_read_or_refused(tallies: dict[str, Tally], name: str) -> None:
    tallies[name].check(COUNT)
