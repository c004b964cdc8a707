"""Keeps what SDKs say about themselves away from users, for as long as a `with` block."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet", "quiet_native"]

_STDERR = 2


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Python's warnings, and log records up to WARNING.

    coremltools warns of every torch it was not tested with and logs one "Failed to load" per
    macOS library on Linux; torch calls its lite interpreter deprecated at every use. None of
    that is a user's concern. Errors pass, and everything is as before afterwards.
    """
    disabled = logging.root.manager.disable
    logging.disable(max(disabled, logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


@contextmanager
def quiet_native() -> Iterator[None]:
    """The same, and discard what native code writes to the standard error stream.

    TensorFlow, LiteRT and ExecuTorch report the CPU they found, past any log level. Python's
    exceptions pass; what other threads write meanwhile is lost, so keep the block short.
    """
    try:
        kept = os.dup(_STDERR)
    except OSError:  # a process without that stream has nothing to silence
        with quiet():
            yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    try:
        with quiet():
            yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
