"""Which of a network's outputs is the mask, however they lie in one another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

from ..errors import NetworkError
from ..specs import ModelSpec

__all__ = ["select_output"]

# So many are named where none was chosen rightly.
NAMED = 12


def select_output(outputs: Any, spec: ModelSpec) -> Tensor:
    """The mask among a network's outputs: a tensor, a sequence, a dict, a dataclass, or these in
    one another.

    Args:
        outputs: What the network gave.
        spec: Which of them: a position, a key, or a path of them with dots between (``"0.0"``,
            ``"aux.0"``). A key that has dots itself is tried as it is first. Where it says
            nothing, the only one.

    Raises:
        NetworkError: ``spec.output`` names none of them.
    """
    chosen: Any = outputs
    if spec.output is None:
        while isinstance(chosen, dict | list | tuple) and len(chosen) == 1:
            chosen = _part(chosen, 0)
    else:
        chosen = _part(outputs, spec.output)
        if chosen is None and isinstance(spec.output, str):
            chosen = outputs
            for step in spec.output.split("."):
                chosen = _part(chosen, step)
    if not isinstance(chosen, Tensor):
        wrong = (
            "and nothing says which of them is the mask"
            if spec.output is None
            else f"and output {spec.output!r} is no tensor among them"
        )
        raise NetworkError(
            f"{spec.name} gives {_described(outputs)}, {wrong}.",
            "Say which output is the mask: --output POSITION or --output KEY, or a path of them "
            "with dots, --output 0.0.",
        )
    return chosen


def _part(outputs: Any, step: int | str) -> Any:
    """One step into outputs; None where there is none."""
    if isinstance(outputs, Tensor):
        return outputs if step == 0 else None
    if isinstance(step, str):
        found = outputs.get(step) if isinstance(outputs, dict) else getattr(outputs, step, None)
        if found is not None or not step.isdecimal():
            return found
        step = int(step)
    parts = list(outputs.values()) if isinstance(outputs, dict) else outputs
    if not isinstance(parts, list | tuple):
        return None
    return parts[step] if -len(parts) <= step < len(parts) else None


def _described(outputs: Any) -> str:
    if isinstance(outputs, Tensor):
        return f"a tensor of shape {tuple(outputs.shape)}"
    found = [f"{path} {tuple(tensor.shape)}" for path, tensor in _tensors(outputs)]
    if not found:
        return f"a {type(outputs).__name__} without tensors"
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"{len(found)} outputs: {', '.join(found[:NAMED])}{more}"


def _tensors(outputs: Any, before: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor, with the path that names it."""
    named: list[tuple[Any, Any]] = []
    if isinstance(outputs, dict):
        named = list(outputs.items())
    elif isinstance(outputs, list | tuple):
        named = list(enumerate(outputs))
    elif is_dataclass(outputs):
        named = [(field.name, getattr(outputs, field.name)) for field in fields(outputs)]
    for name, part in named:
        if isinstance(part, Tensor):
            yield f"{before}{name}", part
        else:
            yield from _tensors(part, f"{before}{name}.")
