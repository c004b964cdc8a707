"""Whether LiteRT's GPU accelerator takes a TFLite file whole, where there is a GPU for it."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ...sdks.quiet import quiet
from ...texts import first_few, first_line
from .findings import Acceptance

__all__ = ["litert"]

_NAME = "GPU (LiteRT)"
_STDERR = 2
# What LiteRT's log says of its accelerator for GPUs.
_LOADED = "loaded GPU accelerator"
_NO_GPU = "Failed to initialize WebGPU environment"


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
    if refused and (_NO_GPU in said or _LOADED not in said):
        return [Acceptance(_NAME, None, "can't be told: there is no GPU here that LiteRT knows of")]
    if refused:
        return [Acceptance(_NAME, False, _why(said) or f"refused: {refused}")]
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
    """What LiteRT's log says of operations that the GPU doesn't take; empty where it doesn't."""
    shares = _SHARES.search(said)
    reasons = dict.fromkeys(found[0] for found in _REASON.finditer(said))
    told = [shares[0]] if shares else []
    return "; ".join([*told, first_few(list(reasons), 5)] if reasons else told)


_SHARES = re.compile(r"\d+ operations will run on the GPU")
# With a tensor's name behind it.
_REASON = re.compile(r"^(?!INFO|WARNING|ERROR|VERBOSE)[A-Z][A-Z_0-9]+: [^.\n]+", re.MULTILINE)
