"""coremltools' conversion of a network, as all Core ML packages of a run go through it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import ExportError
from ..sdks.slim import coremltools
from .coreml_package import features
from .run import Run

__all__ = ["convert"]


def convert(source: Any, run: Run, precision: str, target: str, remedy: str) -> Any:
    """An ML program of a trace or an exported program.

    Args:
        source: What coremltools converts.
        run: Says what goes in and out.
        precision: coremltools' name: ``FLOAT16`` or ``FLOAT32``.
        target: coremltools' name of the oldest system that runs it, for example ``iOS16``.
        remedy: What to do where it fails.

    Raises:
        ExportError: coremltools can't convert it.
    """
    ct = coremltools()
    try:
        with _one_element_casts():
            return ct.convert(
                source,
                convert_to="mlprogram",
                **features(run),
                compute_precision=getattr(ct.precision, precision),
                minimum_deployment_target=getattr(ct.target, target),
                skip_model_load=True,
            )
    except Exception as exc:  # coremltools raises everything from KeyError to RuntimeError
        raise ExportError(f"coremltools can't convert {run.spec.name}: {exc}", remedy) from exc


@contextmanager
def _one_element_casts() -> Iterator[None]:
    """Casts of constant arrays of one element, which coremltools 9 leaves to Python's `int`.

    NumPy 2.4 refuses those, and every size that a network computes (``x.size(2) // 2``, padding by
    differences, reshaping by sizes) is such an array in a trace.
    """
    operations: Any = importlib.import_module("coremltools.converters.mil.frontend.torch.ops")
    cast = operations._cast

    def cast_one(context: Any, node: Any, kind: type, name: str) -> None:
        def new(_: type, value: Any) -> Any:
            return kind(np.asarray(value).item())

        # It asks isinstance, so it wants a type.
        cast(context, node, type(kind.__name__, (), {"__new__": new}), name)

    operations._cast = cast_one
    try:
        yield
    finally:
        operations._cast = cast
