"""Which execution providers of phones take an ONNX file whole, by ONNX Runtime's own checker."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

__all__ = ["mobile_providers"]


def mobile_providers(path: Path) -> dict[str, dict[str, Any]]:
    """What ONNX Runtime's mobile usability checker says of each provider; empty where it can't.

    It goes by kinds of operations and by sizes being known, as ``python -m
    onnxruntime.tools.check_onnx_model_mobile_usability`` does. ``verdict`` is the checker's:
    ``YES``, ``MAYBE`` or ``NO``. It doesn't look at the conditions that its tables have for some
    kinds: those are told.

    Args:
        path: The ``.onnx`` file. It is optimised as ONNX Runtime does by default, in a temporary
            folder.

    Returns:
        By provider (``NNAPI``, ``CoreML NeuralNetwork``, ``CoreML MLProgram``): ``verdict``,
        ``whole`` (every operation, in one partition), ``partitions``, ``nodes`` and how many of
        them are ``taken``; the kinds that are ``left``, and the ``conditional`` ones of those that
        are taken, both sorted.
    """
    try:
        from onnxruntime.tools.mobile_helpers import usability_checker as checker
        from onnxruntime.tools.onnx_model_utils import ModelProtoWithShapeInfo, optimize_model

        with tempfile.TemporaryDirectory() as folder:
            optimized = Path(folder) / "model.onnx"
            optimize_model(path, optimized, use_external_initializers=True)
            model = ModelProtoWithShapeInfo(optimized).model_with_shape_info
        found = {"NNAPI": checker.check_nnapi_partitions(model, True)}
        for kind in ("NeuralNetwork", "MLProgram"):
            table = f"coreml_supported_{kind.lower()}_ops.md"
            found[f"CoreML {kind}"] = checker.check_coreml_partitions(model, True, table)
    except Exception:  # advice: a release without the checker, or a file that it doesn't know
        return {}
    return {
        name: {
            "verdict": info.suitability().name,
            "whole": info.num_partitions == 1 and info.num_supported_nodes == info.num_nodes,
            "partitions": info.num_partitions,
            "nodes": info.num_nodes,
            "taken": info.num_supported_nodes,
            "left": sorted(map(_kind, info.unsupported_ops)),
            "conditional": sorted(map(_kind, info.supported_ops_checker.get_caveats())),
        }
        for name, info in found.items()
    }


def _kind(told: str) -> str:
    """Of ``ai.onnx:Resize`` or ``ai.onnx:Resize:4D input.``; other domains keep their name."""
    domain, kind, *_ = told.split(":")
    return kind if domain == "ai.onnx" else f"{domain}:{kind}"
