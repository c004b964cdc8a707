"""What ONNX Runtime's execution providers on phones take, by its own usability checker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...artifacts.inspect.onnx_mobile import mobile_providers
from ...sdks.quiet import quiet_native
from ...texts import first_few
from .findings import Acceptance

__all__ = ["onnx_runtime"]

_NAMES = {
    "NNAPI": "NNAPI provider",
    "CoreML MLProgram": "Core ML provider, ML program",
    "CoreML NeuralNetwork": "Core ML provider, neural network",
}


def onnx_runtime(path: Path) -> list[Acceptance]:
    """For NNAPI and both kinds of Core ML; see `mobile_providers`."""
    with quiet_native():
        found = mobile_providers(path)
    if not found:
        reason = "can't be told: ONNX Runtime's checker is not here, or doesn't know the file"
        return [Acceptance("ONNX Runtime's providers", None, reason)]
    return [_acceptance(_NAMES.get(name, name), told) for name, told in found.items()]


def _acceptance(name: str, told: dict[str, Any]) -> Acceptance:
    parts = f"{told['partitions']} part{'' if told['partitions'] == 1 else 's'}"
    says = [f"{told['verdict']}: {told['taken']} of {told['nodes']} operations, in {parts}"]
    if told["left"]:
        says.append(f"lacks {first_few(told['left'])}")
    elif told["taken"] < told["nodes"]:
        says.append("the others have sizes that are open, inputs left out or too many axes")
    if told["conditional"]:
        says.append(f"on conditions: {first_few(told['conditional'])}")
    return Acceptance(name, told["whole"], "; ".join(says))
