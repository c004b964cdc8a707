"""A MIL function, compiled to a list of torch calls.

Numbers follow the program's own types: what it declares float16 is rounded to float16 after
the operation that makes it. Inside an operation the arithmetic is float32, as Core ML's own
accumulation is wider than its float16 results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...errors import NotCoveredError, RunnerError
from .arguments import Uncovered, round_to_half, to_torch
from .operations import EXACT, OPERATIONS

__all__ = ["Program"]


@dataclass(slots=True)
class _Step:
    """One call: registers in, registers out, and the registers that nobody reads after it."""

    kind: str
    name: str
    function: Callable[..., Any]
    arguments: dict[str, int | list[int]]
    results: list[int]
    rounded: list[bool]
    dead: list[int]


class Program:
    """One function of a program, ready to run any number of times.

    Constants are converted, and compressed weights decompressed, once, here. Registers hold
    constants and values alike; each run starts from a copy of the list.

    Args:
        function: A function as coremltools' `milproto` reader gives it.

    Raises:
        RunnerError: It has an operation that isn't covered here.
    """

    def __init__(self, function: Any) -> None:
        self._registers: list[Any] = []
        self._places: dict[int, int] = {}  # id of coremltools' variable → register
        # A variable that was collected would give its id to another one.
        self._variables: list[Any] = []
        self._steps: list[_Step] = []
        self._inputs = {
            name: (self._place(variable), _is_half(variable))
            for name, variable in function.inputs.items()
        }
        for operation in function.operations:
            self._compile(operation)
        self._outputs = {variable.name: self._place(variable) for variable in function.outputs}
        self._mark_dead()
        del self._variables, self._places

    def run(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run once.

        Args:
            values: A tensor for each input, by name.

        Returns:
            A tensor for each output, by name; float32, also where the program says float16.

        Raises:
            RunnerError: An operation failed, or was asked for something uncovered.
        """
        with torch.inference_mode():
            registers = self._fed(values)
            for step in self._steps:
                self._run_step(step, registers)
        return {name: registers[place] for name, place in self._outputs.items()}

    def walk(self, values: Mapping[str, Tensor]) -> Iterator[tuple[str, list[Tensor]]]:
        """Run once, operation by operation.

        Args:
            values: As for `run`.

        Yields:
            Each operation's name and what it gave.

        Raises:
            RunnerError: As for `run`.
        """
        registers = self._fed(values)
        for step in self._steps:
            with torch.inference_mode():
                results = self._run_step(step, registers)
            yield step.name, results

    def _fed(self, values: Mapping[str, Tensor]) -> list[Any]:
        registers = self._registers.copy()
        for name, (place, half) in self._inputs.items():
            registers[place] = round_to_half(values[name]) if half else values[name]
        return registers

    @staticmethod
    def _run_step(step: _Step, registers: list[Any]) -> list[Any]:
        arguments = {
            name: [registers[p] for p in place] if isinstance(place, list) else registers[place]
            for name, place in step.arguments.items()
        }
        try:
            made = step.function(**arguments)
        except Uncovered as exc:
            raise _uncovered(f"{step.kind} ({step.name}) with {exc}") from exc
        except Exception as exc:
            raise RunnerError(
                f"The Core ML operation {step.kind} ({step.name}) failed: {exc}",
                "Report it with the file; on macOS, Core ML itself runs it.",
            ) from exc
        results = made if isinstance(made, tuple) else (made,)
        for place, result, rounded in zip(step.results, results, step.rounded, strict=True):
            registers[place] = round_to_half(result) if rounded else result
        given = [registers[place] for place in step.results]
        for place in step.dead:
            registers[place] = None
        return given

    def _compile(self, operation: Any) -> None:
        kind = operation.op_type
        if kind == "const" or all(variable.val is not None for variable in operation.outputs):
            return  # read where it is used
        if kind.startswith("constexpr_"):
            self._decompress(operation)
            return
        if kind not in OPERATIONS or operation.blocks:
            raise _uncovered(f"{kind} ({operation.name})")
        arguments = {
            name: [self._place(v) for v in variable]
            if isinstance(variable, list | tuple)
            else self._place(variable)
            for name, variable in operation.inputs.items()
            if variable is not None
        }
        self._steps.append(
            _Step(
                kind,
                operation.name,
                OPERATIONS[kind],
                arguments,
                [self._place(variable) for variable in operation.outputs],
                [kind not in EXACT and _is_half(variable) for variable in operation.outputs],
                [],
            )
        )

    def _decompress(self, operation: Any) -> None:
        """Weights as coremltools itself decompresses them, which defines the format."""
        values = operation.materialized_val_inference()
        values = values if isinstance(values, tuple) else (values,)
        for variable, value in zip(operation.outputs, values, strict=True):
            self._registers[self._place(variable)] = to_torch(value)

    def _place(self, variable: Any) -> int:
        """The register of a variable; made, and filled where the value is known, on first use."""
        place = self._places.get(id(variable))
        if place is None:
            place = self._places[id(variable)] = len(self._registers)
            self._variables.append(variable)
            self._registers.append(None if variable.val is None else to_torch(variable.val))
        return place

    def _mark_dead(self) -> None:
        """Let each value go after its last reader; constants and outputs stay."""
        kept = set(self._outputs.values())
        for step in reversed(self._steps):
            used = list(step.results)
            for place in step.arguments.values():
                used += place if isinstance(place, list) else [place]
            step.dead = [
                p for p in dict.fromkeys(used) if p not in kept and self._registers[p] is None
            ]
            kept.update(used)


def _is_half(variable: Any) -> bool:
    from coremltools.converters.mil.mil import types

    return bool(variable.dtype == types.fp16)


def _uncovered(operation: str) -> NotCoveredError:
    return NotCoveredError(
        f"Core ML's operation {operation} is not covered by the executor.",
        "Run the file on macOS, where Core ML itself does, or report the operation.",
    )
