"""Since when TFLite's runtimes run an operator.

`tflite_releases.json` is what was seen (`benchmarks/tflite_releases.py`): a file with each version
of each operator was offered to every release of tflite-runtime and ai-edge-litert that could be
had, then operators of many types were run in each. A release registers an operator up to some
version, and some refuse types that the version doesn't tell: a QUANTIZE from int8 to int16 has the
version of one to int8, and is refused for years after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ..manifest import OldestRuntime

__all__ = ["Use", "oldest", "releases"]


@dataclass(frozen=True, slots=True)
class Use:
    """How an operator is used in a file.

    Attributes:
        operator: Its name in the schema.
        version: That the file asks for.
        inputs: Types, by the schema's names in lower case; empty where one is left out.
        outputs: Likewise.
    """

    operator: str
    version: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def types(self) -> str:
        """Of the first input and the first output, which kernels differ by."""
        return (
            f"{self.inputs[0] if self.inputs else ''} to {self.outputs[0] if self.outputs else ''}"
        )


def oldest(uses: Iterable[Use]) -> tuple[OldestRuntime, ...]:
    """The oldest release that runs all of them; none where no release that was tried does."""
    needs = [(0, "all of its operators; no older release was tried")]
    for use in dict.fromkeys(uses):
        registered = _since(_seen()["operators"].get(use.operator, {}), use.version)
        if registered is None:
            return ()
        needs.append((registered, f"{use.operator} of version {use.version}"))
        refused_before = _seen()["types"].get(use.operator, {}).get(use.types)
        if refused_before is not None:
            needs.append((refused_before, f"{use.operator} from {use.types}"))
    release, because = max(needs, key=lambda need: need[0])
    runtime, _, version = releases()[release].rpartition(" ")
    return (OldestRuntime(runtime=runtime, version=version, because=because),)


def releases() -> list[str]:
    """Those that were tried, the oldest first: ``TensorFlow Lite 2.7.0``, …, ``LiteRT 2.3.0``."""
    found: list[str] = _seen()["releases"]
    return found


def _since(versions: dict[str, int], version: int) -> int | None:
    """The release that first registered a version, or a higher one."""
    return min((at for known, at in versions.items() if int(known) >= version), default=None)


@cache
def _seen() -> dict[str, Any]:
    data = files(__package__).joinpath("tflite_releases.json").read_text(encoding="utf-8")
    read: dict[str, Any] = json.loads(data)
    return read
