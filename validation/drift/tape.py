"""What a network computes, call by call, so that any piece of it can be computed again.

Recording needs nothing of the network but that it runs: no tracing of its source, no symbolic
shapes. A value is numbered when an operation makes it; parameters, and what is made of them
alone, are constants. Writing into a tensor in place makes a new value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_flatten_with_path, tree_unflatten
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ["IMAGE", "Call", "Mark", "Tape", "Value", "record"]

# The number of the value that the network is given.
IMAGE = 0


@dataclass(frozen=True, slots=True)
class Value:
    """Stands in a call's arguments for the value of that number."""

    number: int


@dataclass(frozen=True, slots=True)
class Call:
    """One operation.

    Attributes:
        name: Of PyTorch's core library, without its overload: ``convolution``, ``relu_``.
        module: Dotted path of the innermost module that was running.
        arguments: Flat; a `Value` where it depends on the image, else the constant itself.
        results: Numbers of the values it makes, by position among its results.
    """

    name: str
    module: str
    function: Any
    arguments: tuple[Any, ...]
    form: Any
    results: dict[int, int]

    @property
    def reads(self) -> tuple[int, ...]:
        """Numbers of the values it reads, in order."""
        return tuple(a.number for a in self.arguments if isinstance(a, Value))

    def run(self, values: Mapping[int, Tensor]) -> Iterator[tuple[int, Tensor]]:
        """Compute its results from ``values``, which stay as they are."""
        given = [values[a.number] if isinstance(a, Value) else a for a in self.arguments]
        if self.function._schema.is_mutable:
            given = [
                v.clone() if isinstance(a, Value) else v
                for a, v in zip(self.arguments, given, strict=True)
            ]
        args, kwargs = tree_unflatten(given, self.form)
        results, _ = tree_flatten(self.function(*args, **kwargs))
        for position, number in self.results.items():
            yield number, results[position]


@dataclass(frozen=True, slots=True)
class Mark:
    """A value that left a module: its dotted path, which of its calls, which of its outputs."""

    module: str
    call: int
    part: str
    number: int

    @property
    def name(self) -> str:
        """``stage1.rebnconvin``, ``neck#2`` for its second call, ``encoder[0]`` for a tuple."""
        again = f"#{self.call + 1}" if self.call else ""
        return f"{self.module}{again}{self.part}"


@dataclass(frozen=True)
class Tape:
    """A network's calls in the order in which they ran, on one image.

    Attributes:
        calls: The operations that depend on the image.
        marks: What left each module, in order.
        shapes: Of each value.
        result: The number of the network's own output.
    """

    calls: list[Call]
    marks: list[Mark]
    shapes: dict[int, tuple[int, ...]]
    result: int

    def compute(
        self, given: Mapping[int, Tensor], wanted: Iterable[int]
    ) -> Iterator[tuple[int, Tensor]]:
        """Compute values from others; what nobody reads any more is dropped on the way.

        Args:
            given: Values to start from, by number; anything else is computed from them.
            wanted: Numbers of the values to hand out.

        Yields:
            Each wanted value, in the order of the calls.

        Raises:
            KeyError: A value is needed that does not follow from those given.
        """
        wished = set(wanted)
        needed, calls = set(wished) - given.keys(), []
        for call in reversed(self.calls):
            if needed.intersection(call.results.values()):
                calls.append(call)
                needed.update(n for n in call.reads if n not in given)
        last: dict[int, int] = {}
        for position, call in enumerate(reversed(calls)):
            last.update(dict.fromkeys(call.reads, position))
        values = dict(given)
        yield from ((n, values[n]) for n in wished & given.keys())
        for position, call in enumerate(reversed(calls)):
            for number, value in call.run(values):
                if number not in given:
                    values[number] = value
                    if number in wished:
                        yield number, value
            for number in call.reads:
                if last[number] == position:
                    values.pop(number, None)


def record(network: nn.Module, image: Tensor) -> Tape:
    """Run ``network`` once on ``image`` and write down what it does; its first output counts."""
    recorder = _Recorder(network)
    fast = torch.backends.mha.get_fastpath_enabled()
    # Attention call by call, as it is exported.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), recorder:
            image = image.clone()
            recorder.number(image)
            output = network(image)
        result = recorder.known(tensors_of(output)[0][1])
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        recorder.remove()
    return Tape(
        recorder.calls, recorder.marks, recorder.shapes, IMAGE if result is None else result
    )


class _Recorder(TorchDispatchMode):
    """Sees every operation below autograd, and through hooks which module it belongs to."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Call] = []
        self.marks: list[Mark] = []
        self.shapes: dict[int, tuple[int, ...]] = {}
        self._numbers: Any = WeakTensorKeyDictionary()
        self._running: list[str] = [""]
        self._times: Counter[str] = Counter()
        self._handles: list[Any] = []
        for name, module in network.named_modules():
            if name:
                self._handles += self._hook(name, module)

    def number(self, tensor: Tensor) -> int:
        """A new number for what ``tensor`` now holds."""
        number = len(self.shapes)
        self._numbers[tensor] = number
        self.shapes[number] = tuple(tensor.shape)
        return number

    def known(self, tensor: Any) -> int | None:
        """The number of what ``tensor`` holds; None for constants."""
        return self._numbers.get(tensor) if isinstance(tensor, Tensor) else None

    def remove(self) -> None:
        """Take the hooks off the network."""
        for handle in self._handles:
            handle.remove()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        flat, form = tree_flatten((args, kwargs or {}))
        known = [self.known(a) for a in flat]
        output = func(*args, **(kwargs or {}))
        if all(number is None for number in known):
            return output
        arguments = tuple(a if n is None else Value(n) for a, n in zip(flat, known, strict=True))
        results = {
            position: self.number(result)
            for position, result in enumerate(tree_flatten(output)[0])
            if isinstance(result, Tensor)
        }
        name = func._schema.name.partition("::")[2]
        self.calls.append(Call(name, self._running[-1], func, arguments, form, results))
        return output

    def _hook(self, name: str, module: nn.Module) -> list[Any]:
        def enter(_module: nn.Module, _args: Any) -> None:
            self._running.append(name)

        def leave(_module: nn.Module, _args: Any, output: Any) -> None:
            self._running.pop()
            call = self._times[name]
            self._times[name] += 1
            for part, tensor in tensors_of(output):
                number = self.known(tensor)
                if number is not None:
                    self.marks.append(Mark(name, call, part, number))

        return [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]


def tensors_of(output: Any) -> list[tuple[str, Tensor]]:
    """The tensors in what a module returned, with their place: "" for a tensor alone."""
    if isinstance(output, Tensor):
        return [("", output)]
    leaves, _ = tree_flatten_with_path(output)
    return [("".join(map(str, path)), leaf) for path, leaf in leaves if isinstance(leaf, Tensor)]
