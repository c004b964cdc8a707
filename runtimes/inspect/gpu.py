"""Whether LiteRT's GPU accelerator takes a TFLite file whole, where there is a GPU for it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ...sdks.quiet import quiet
from ...texts import first_line
from .findings import Acceptance

__all__ = ["litert"]

_NAME = "GPU (LiteRT)"
_STDERR = 2


def litert(path: Path) -> list[Acceptance]:
    """By compiling the file for the GPU that is here; it is not run."""
    with tempfile.TemporaryFile() as log:
        whole, refused = False, ""
        with _written_to(log), quiet():
            from ai_edge_litert.compiled_model import CompiledModel
            from ai_edge_litert.hardware_accelerator import HardwareAccelerator

            try:
                compiled = CompiledModel.from_file(str(path), HardwareAccelerator.GPU)
                whole = bool(compiled.is_fully_accelerated())
            except (RuntimeError, ValueError) as exc:
                refused = first_line(exc)
        log.seek(0)
        said = log.read().decode("utf-8", "replace")
    # It says so in its log alone; the error is the same as for a file that it can't take.
    if refused and ("WebGPU environment" in said or "GPU accelerator registered" not in said):
        return [Acceptance(_NAME, None, "can't be told: there is no GPU here that LiteRT knows of")]
    if refused:
        return [Acceptance(_NAME, False, f"refused: {_why(said) or refused}")]
    says = "all of it" if whole else "a part of it; the CPU runs the rest"
    return [Acceptance(_NAME, whole, says)]


@contextmanager
def _written_to(log: IO[bytes]) -> Iterator[None]:
    """Keep what native code writes to the standard error stream."""
    kept = os.dup(_STDERR)
    os.dup2(log.fileno(), _STDERR)
    try:
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)


def _why(said: str) -> str:
    """The first error in LiteRT's log."""
    lines = (line.strip() for line in said.splitlines())
    return next((line.partition("] ")[2] for line in lines if line.startswith("ERROR")), "")
