"""Keeps what SDKs say about themselves away from users, for as long as a `with` block."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]

# Read when TensorFlow's shared library is loaded; 3 leaves fatal errors only.
_NATIVE_LOGS = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}


@contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings, log records up to WARNING and TensorFlow's native log.

    coremltools warns of every torch it was not tested with and logs one "Failed to load" per
    macOS library on Linux; TensorFlow, which it imports, reports its CPU. None of that is a
    user's concern. Errors pass. Log levels, filters and environment are as before afterwards.
    """
    disabled = logging.root.manager.disable
    absent = {name: value for name, value in _NATIVE_LOGS.items() if name not in os.environ}
    logging.disable(max(disabled, logging.WARNING))
    os.environ.update(absent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        for name in absent:
            os.environ.pop(name, None)
