"""Since when PyTorch Mobile's packages load a file of the lite interpreter.

A release takes bytecode up to some version, and has an operator with some number of arguments;
what is called with more of them, it can't call. `torch_mobile_releases.json` lists the operators
that 1.12.0 or 2.1.0 lack, or have with fewer arguments than today's torch, read from these
releases' own registers on a desktop (`benchmarks/torch_mobile_releases.py`): the packages for
phones are built of the same sources, and were not tried. A file was seen to draw its mask in 1.12.0
and 2.1.0 there, and to be refused by 1.11.0, also when its bytecode was put back to version 7, 5
or 4 (`benchmarks/runtimes.md`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from ..manifest import OldestRuntime

__all__ = ["oldest"]

# The packages and their releases of PyTorch, the last of which is 2.1.0: Maven Central's list of
# org.pytorch:pytorch_android_lite (2.1.0 of October 2023; its 1.12 is older than PyTorch's, so
# 1.12.1), and CocoaPods' of LibTorch-Lite (pytorch/pytorch#121597, where it is said that no more
# are to be expected).
_PACKAGES = {
    "org.pytorch:pytorch_android_lite": {"1.12.0": "1.12.1", "2.1.0": "2.1.0"},
    "LibTorch-Lite": {"1.12.0": "1.12.0", "2.1.0": "2.1.0"},
}

# PyTorch's own reasons for its bytecode versions: caffe2/serialize/versions.h. Version 8 was
# merged in February 2022 (pytorch/pytorch#71662), and 1.12 is the first release after it; older
# ones say that they take versions up to 7 (pytorch/android-demo-app#263).
_BYTECODE = 8
_SPACES = ("aten::", "prim::", "quantized::")


def oldest(version: int, operators: Mapping[str, int]) -> tuple[OldestRuntime, ...]:
    """The oldest release of each package; none where that isn't known.

    Args:
        version: Of the bytecode.
        operators: How many arguments each is called with at most, by name and overload; the
            operators of `_SPACES` alone are known.
    """
    # Older bytecode calls operators in other ways, and its releases were not read.
    if version != _BYTECODE or not all(name.startswith(_SPACES) for name in operators):
        return ()
    releases: list[str] = _known()["releases"]
    release, because = releases[0], f"bytecode version {version}"
    for name in sorted(operators):
        taken: list[int | None] = _known()["operators"].get(name, [operators[name]] * 2)
        has = [count is not None and count >= operators[name] for count in taken]
        if not any(has):
            lacking = f"the last release, {releases[-1]}, has no {name} as the file calls it"
            return tuple(
                OldestRuntime(runtime=package, version=None, because=lacking)
                for package in _PACKAGES
            )
        if not has[0] and release == releases[0]:
            release, because = releases[1], f"{name} as the file calls it"
    because = f"{because}; {releases[-1]} is the last release"
    return tuple(
        OldestRuntime(runtime=package, version=named[release], because=because)
        for package, named in _PACKAGES.items()
    )


@cache
def _known() -> dict[str, Any]:
    data = files(__package__).joinpath("torch_mobile_releases.json").read_text(encoding="utf-8")
    read: dict[str, Any] = json.loads(data)
    return read
