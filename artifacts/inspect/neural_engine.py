"""Advice: what of a Core ML program is known to leave the Neural Engine.

Apple says of no operation where it runs. What is known was found by others, and holds for the
systems that they looked at:

- float32 runs on CPU and GPU only: coremltools' guide, "Typed execution".
- operations without a way on any Neural Engine, or none before that of the A14: "The Apple Neural
  Engine", chapter 4 and appendix A (ane-guide.readthedocs.io), measured on M1, M2 and M5.
- dilated convolutions on older ones: hollance/neural-engine, "Which Core ML layers are not
  supported by the ANE?".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

__all__ = ["advice", "compute_units"]

_GUIDE, _TYPED, _OLDER = "ane-guide", "coremltools' guide", "hollance/neural-engine"
# By what their names begin with; of the rest nothing is known, or that they run there.
_NO_WAY = {
    "lstm": "has no way there",
    "gru": "has no way there",
    "rnn": "has no way there",
    "scatter": "has no way there",
    "reduce_prod": "has no way there",
    "gather": "has one from the A14 and M2 on",
    "topk": "has one from the A14 and M2 on",
    "crop_resize": "has one from the A14 and M2 on",
    "resample": "has one from the A14 and M2 on",
    "affine": "has one from the A14 and M2 on",
}
# No operations on values: constants, and what turns one type into another at the ends.
_NO_WORK = ("const", "cast")


def advice(operations: list[Any]) -> list[str]:
    """What is known to leave it, a sentence a kind of reason, each with who says so.

    Args:
        operations: Of a program's function, as Core ML's protobuf has them.
    """
    constants = {o.outputs[0].name: o for o in operations if o.type == "const"}
    found = Counter(reason for o in operations for reason in _reasons(o, constants))
    return [f"{count} {reason}" for reason, count in found.most_common()]


def compute_units(operations: list[Any]) -> dict[str, str]:
    """Which compute units an app does best to allow (``take``, in words of ``--compute-units``),
    and why (``because``); advice, too."""
    work = [operation for operation in operations if not operation.type.startswith(_NO_WORK)]
    floats = sum(map(_in_float32, work))
    if 2 * floats > len(work):
        why = f"{floats} of {len(work)} operations are in float32, which no Neural Engine computes"
        return {"take": "CPU_AND_GPU", "because": f"{why} ({_TYPED})"}
    rest = f"; {floats} of {len(work)} operations are in float32" if floats else ""
    because = f"it computes in float16, which the Neural Engine takes{rest}"
    return {"take": "ALL", "because": because}


def _reasons(operation: Any, constants: dict[str, Any]) -> Iterator[str]:
    kind = operation.type
    if kind.startswith(_NO_WORK):
        return
    if _in_float32(operation):
        yield f"in float32, which only CPU and GPU compute ({_TYPED})"
        return
    for name, says in _NO_WAY.items():
        if kind.startswith(name):
            yield f"{kind}, which {says} ({_GUIDE})"
    if kind == "conv" and max(_numbers(operation, "dilations", constants), default=1) > 1:
        yield f"dilated conv, which older ones leave to others ({_OLDER})"


def _in_float32(operation: Any) -> bool:
    from coremltools.proto import MIL_pb2

    return any(out.type.tensorType.dataType == MIL_pb2.FLOAT32 for out in operation.outputs)


def _numbers(operation: Any, name: str, constants: dict[str, Any]) -> list[int]:
    """An argument's integers, which stand in it or in a constant."""
    found: list[int] = []
    if name not in operation.inputs:
        return found
    for argument in operation.inputs[name].arguments:
        value = argument.value
        if argument.name in constants:
            value = constants[argument.name].attributes["val"]
        found += map(int, value.immediateValue.tensor.ints.values)
    return found
