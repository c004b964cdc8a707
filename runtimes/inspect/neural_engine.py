"""Whether the Neural Engine takes a Core ML file whole: Core ML's own plan on macOS, and elsewhere
advice, which only a device can confirm."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...artifacts.inspect.coreml import neural_engine
from ...sdks.quiet import quiet
from ...sdks.slim import coremltools
from ...texts import first_few
from .findings import Acceptance

__all__ = ["core_ml"]

_NAME = "Neural Engine"


def core_ml(path: Path) -> list[Acceptance]:
    """By the plan of this Mac, and by what is known of its operations everywhere (see
    `artifacts.inspect.neural_engine`)."""
    found = neural_engine(path)
    if found is None:
        return [Acceptance(_NAME, None, "can't be told: this is a neural network's file")]
    says = f"advice: {first_few(found, 5) if found else 'nothing in it is known to leave it'}"
    advised = Acceptance(_NAME, None, says)
    return [planned(path), advised] if sys.platform == "darwin" else [advised]


def planned(path: Path) -> Acceptance:
    """Where Core ML would run each operation on this Mac, by its `MLComputePlan` (macOS 14.4)."""
    name = f"{_NAME} of this Mac"
    try:
        with quiet():
            ct = coremltools()
            from coremltools.models.compute_device import MLNeuralEngineComputeDevice
            from coremltools.models.compute_plan import MLComputePlan

            model = ct.models.MLModel(str(path))
            plan = MLComputePlan.load_from_path(model.get_compiled_model_path())
        # Of a Mac without one, and of constants, there is nothing to tell.
        usages = [
            (operation.operator_name, usage.preferred_compute_device)
            for operation in _operations(plan)
            if (usage := plan.get_compute_device_usage_for_mlprogram_operation(operation))
        ]
    except Exception as exc:  # older systems refuse in several ways
        return Acceptance(name, None, f"Core ML gives no plan here: {exc}")
    elsewhere = Counter(
        f"{kind} on the {_device(device)}"
        for kind, device in usages
        if not isinstance(device, MLNeuralEngineComputeDevice)
    )
    taken = len(usages) - elsewhere.total()
    says = f"Core ML's plan: {taken} of {len(usages)} operations"
    if elsewhere:
        rest = [f"{count} {where}" for where, count in elsewhere.most_common()]
        says = f"{says}; {first_few(rest, 5)}"
    return Acceptance(name, bool(usages) and not elsewhere, says)


def _operations(plan: Any) -> Iterator[Any]:
    """Of all functions of a program; none where it is none."""
    program = plan.model_structure.program
    for function in program.functions.values() if program is not None else ():
        yield from function.block.operations


def _device(device: Any) -> str:
    """``MLGPUComputeDevice`` as ``GPU``."""
    return type(device).__name__.removeprefix("ML").removesuffix("ComputeDevice")
