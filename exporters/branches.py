"""Where a network's Python code reads what the photo shows, which a trace can't follow.

torch's tracer keeps a value that Python reads (`if x.max() > 1`, `float(x.mean())`) as a constant,
and warns of it as it warns of every size that a network computes. With a fixed photo size those
sizes are constants, and so is what comes from weights. Only a value that depends on the photo makes
the trace another network, so the values of a photo are followed through one plain run: through
operations by the storage that they write, and into Python by the methods that give numbers.
"""

from __future__ import annotations

import ast
import linecache
import sys
import warnings
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..errors import ExportError

__all__ = ["REMEDY", "Read", "check_trace", "reads"]

REMEDY = "Compute it with tensors: torch.where instead of if, no .item(), float() or int()."


@dataclass(frozen=True, slots=True)
class Read:
    """A line of Python that reads a tensor's value.

    Attributes:
        file: Where Python stood, which may be torch's own file.
        line: Likewise.
        said: The line of the user's code that led there, for messages.
        of_photo: The value depends on the photo.
        only_stops: It is an assertion's, or the condition of a block that does nothing but raise.
            Where the network runs through, a trace without it is the same.
    """

    file: str
    line: int
    said: str
    of_photo: bool
    only_stops: bool


def check_trace(
    warned: Iterable[warnings.WarningMessage], view: nn.Module, image: Tensor, name: str
) -> None:
    """Judge what torch's tracer warned of.

    Args:
        warned: What it said while it traced ``view``.
        view: A network of one input.
        image: (1, 3, H, W), what it was traced with.
        name: Of the network.

    Raises:
        ExportError: It took a value of the photo for a constant; the lines are named.
    """
    places = {(w.filename, w.lineno) for w in warned if issubclass(w.category, TracerWarning)}
    if places:
        found = [
            read
            for read in reads(view, image)
            if read.of_photo and not read.only_stops and (read.file, read.line) in places
        ]
        if found:
            more = f" (and {len(found) - 1} more)" * (len(found) > 1)
            raise ExportError(
                f"{name} reads a value of the photo in Python, which a file would keep as a "
                f"constant whatever other photos show: {found[0].said}{more}",
                REMEDY,
            )


def reads(view: nn.Module, image: Tensor) -> list[Read]:
    """Every line that reads a tensor's value while ``view`` draws ``image``, in order."""
    with torch.no_grad(), ExitStack() as stack:
        values = stack.enter_context(_PhotoValues())
        values.add(image)
        python = stack.enter_context(_PythonReads(values))
        view(image)
    return list(dict.fromkeys(python.found))


class _PhotoValues(TorchDispatchMode):
    """Knows which storages depend on a photo."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # Weak references keep an address from being given to another storage.
        self._known: dict[int, StorageWeakRef] = {}

    def add(self, tensor: Tensor) -> None:
        reference = StorageWeakRef(tensor.untyped_storage())
        self._known[reference.cdata] = reference

    def include(self, tensor: Tensor) -> bool:
        return StorageWeakRef(tensor.untyped_storage()).cdata in self._known

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = [*args, *(kwargs or {}).values()]
        depends = any(map(self.include, _tensors(given)))
        result = func(*args, **(kwargs or {}))
        if depends:
            written = [
                value
                for argument, value in zip(func._schema.arguments, args, strict=False)
                if argument.alias_info is not None and argument.alias_info.is_write
            ]
            for tensor in _tensors([result, written]):
                self.add(tensor)
        return result


# What gives Python's code a number, or a decision, of a tensor's values.
_READS = frozenset(
    {
        *(Tensor.__bool__, Tensor.__int__, Tensor.__float__, Tensor.__index__),
        *(Tensor.__complex__, Tensor.__contains__, Tensor.__array__),
        *(Tensor.item, Tensor.tolist, Tensor.numpy, Tensor.is_nonzero, torch.is_nonzero),
    }
)


class _PythonReads(TorchFunctionMode):
    """Notes where Python's code reads a value."""

    def __init__(self, values: _PhotoValues) -> None:
        super().__init__()
        self._values = values
        self.found: list[Read] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in _READS:
            frame = sys._getframe(1)
            own = _own_frame(frame)
            file, line = own.f_code.co_filename, own.f_lineno
            self.found.append(
                Read(
                    frame.f_code.co_filename,
                    frame.f_lineno,
                    f"{file}:{line}: {linecache.getline(file, line).strip()}",
                    any(map(self._values.include, _tensors(args))),
                    _only_stops(frame) or _only_stops(own),
                )
            )
        return func(*args, **(kwargs or {}))


def _tensors(values: Any) -> list[Tensor]:
    found = [value for value in tree_leaves(values) if isinstance(value, Tensor)]
    return [tensor for tensor in found if tensor.layout is torch.strided]


def _own_frame(frame: FrameType) -> FrameType:
    """The innermost frame that is not torch's own."""
    torch_folder = str(Path(torch.__file__).parent)
    found: FrameType | None = frame
    while found is not None and found.f_code.co_filename.startswith(torch_folder):
        found = found.f_back
    return found or frame


def _only_stops(frame: FrameType) -> bool:
    """It stands in an assertion, or in the condition of a block that does nothing but raise."""
    try:
        tree = ast.parse("".join(linecache.getlines(frame.f_code.co_filename)))
    except SyntaxError:
        return False
    where: ast.stmt | ast.expr
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            where = node
        elif isinstance(node, ast.If) and not node.orelse and _all_raise(node.body):
            where = node.test
        else:
            continue
        if where.lineno <= frame.f_lineno <= (where.end_lineno or where.lineno):
            return True
    return False


def _all_raise(body: list[ast.stmt]) -> bool:
    return all(isinstance(statement, ast.Raise) for statement in body)
