"""Damaged files of every format, in the process that each has of its own: drawn, or refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache

import pytest

from maskport.formats import FORMATS
from maskport.sdks.needs import not_installed

from .run import COUNT, Tally, run
from .subjects import LANES

pytestmark = [
    pytest.mark.sdk,
    pytest.mark.skipif(sys.platform != "linux", reason="forks processes that have SDKs in them"),
]


@pytest.fixture(scope="module")
def tally() -> Callable[[str], Tally]:
    """Of a format; those of a lane are read by one process."""

    @cache
    def lane(number: int) -> dict[str, Tally]:
        return run(list(LANES[number]), 0, COUNT)

    def of(name: str) -> Tally:
        number = next(number for number, formats in enumerate(LANES) if name in formats)
        modules = {need.module for kind in LANES[number] for need in FORMATS[kind].needs}
        if lacking := not_installed(modules):
            pytest.skip(f"needs {', '.join(lacking)}")
        return lane(number)[name]

    return of


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_drawn_or_refused(tally: Callable[[str], Tally], name: str) -> None:
    tally(name).check(COUNT)


def test_processes_that_are_not_forked_do_the_same() -> None:
    """Of those that start in a second."""
    names = ("onnx", "tflite")
    modules = [need.module for kind in LANES[0] for need in FORMATS[kind].needs]
    if lacking := not_installed(modules):
        pytest.skip(f"needs {', '.join(lacking)}")
    found = run([*names, *(f"{name}-unforked" for name in names)], 0, 3)
    for name in names:
        found[f"{name}-unforked"].check(3)
        assert found[name].outcomes == found[f"{name}-unforked"].outcomes
