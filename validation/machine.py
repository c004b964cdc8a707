"""Where a run measures, as results say it."""

from __future__ import annotations

import contextlib
import platform
from importlib.metadata import PackageNotFoundError, version

import psutil

from ..artifacts.processor import this_processor
from .results import Machine

__all__ = ["this_machine"]

# What a run depends on, where it is installed.
_RUNTIMES = (
    *("torch", "onnxruntime", "ai-edge-litert", "tensorflow", "keras", "coremltools"),
    "executorch",
    "mediapipe",
)


def this_machine() -> Machine:
    """This one."""
    processor = this_processor()
    versions = {}
    for name in _RUNTIMES:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        processor=processor.name,
        architecture=processor.architecture,
        features=processor.features,
        cores=psutil.cpu_count() or 1,
        memory_mb=psutil.virtual_memory().total // 1_000_000,
        python=platform.python_version(),
        versions=versions,
    )
