"""What a TorchScript Lite file declares and holds. Its shapes and types only a run tells.

Its pickles are read by a reader of our own: nothing that they name is imported or called.
"""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Self

from ...errors import RunnerError
from ..manifest import Artifact
from .contents import Contents, Stored, stored
from .declared import Declared, Port
from .torch_mobile_releases import oldest

__all__ = ["Bytecode", "contents", "declared", "shapeless_run"]


def declared(artifact: Artifact, path: Path) -> Declared:
    """Of the bytecode, and of a run on tensors that have the manifest's shapes and no values.

    Where no manifest gives shapes, nothing is run. Apps call ``forward`` by position; the names are
    those of its arguments, and of what the TorchScript beside the bytecode returns.
    """
    bytecode = Bytecode(path)
    inputs = tuple(Port(name) for name in bytecode.inputs)
    outputs = tuple(Port(name) for name in bytecode.outputs)
    if artifact.inputs:
        image, given = artifact.inputs[0], shapeless_run(path, artifact.inputs[0].shape)
        tensors = given if isinstance(given, list | tuple) else [given]
        # One that gives several may give them as one list.
        names = [*bytecode.outputs, *[None] * len(tensors)]
        inputs = tuple(Port(name, tuple(image.shape), image.dtype) for name in bytecode.inputs[:1])
        outputs = tuple(
            Port(name, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
            for name, tensor in zip(names, tensors, strict=False)
        )
    return Declared(
        inputs=inputs,
        outputs=outputs,
        operators=tuple(sorted(bytecode.operators)),
        properties={"bytecode_version": bytecode.version},
        oldest_runtimes=oldest(bytecode.version, bytecode.arguments),
    )


def contents(path: Path) -> Contents:
    """The tensors among the bytecode's constants and the module's attributes.

    The file doesn't tell of the values between operations.
    """
    weights: dict[str, Stored] = {}
    with zipfile.ZipFile(path) as archive:
        folder = _folder(archive)
        for part in ("constants.pkl", "data.pkl"):
            if f"{folder}/{part}" not in archive.namelist():
                continue
            found = _Tables(io.BytesIO(archive.read(f"{folder}/{part}"))).load()
            for name, tensor in _tensors("", found, set()):
                if tensor.dtype not in _SETTINGS:
                    key = f"{part} {tensor.storage}"
                    weights.setdefault(key, stored(name, tensor.dtype, tensor.shape))
    return Contents(tuple(weights.values()), (), {})


# Shapes and axes.
_SETTINGS = frozenset(("bool", "int64"))


def shapeless_run(
    path: Path, shape: list[int], mode: AbstractContextManager[Any] | None = None
) -> Any:
    """What the lite interpreter gives for an image, shapes and types without values.

    A network that computes with sizes (``x.size(2) // 2``) has them as tensors in its trace, whose
    values decide shapes; it is run on a black photo.

    Args:
        path: The file.
        shape: Of the image.
        mode: Entered around the run, inside of what makes it shapeless.
    """
    import torch
    from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
    from torch.jit.mobile import _load_for_lite_interpreter

    module = _load_for_lite_interpreter(str(path))
    mode = mode or nullcontext()
    try:
        with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True), mode:
            return module(torch.zeros(shape))
    except DataDependentOutputException:
        with torch.no_grad(), mode:
            return module(torch.zeros(shape))


class Bytecode:
    """The instructions of a file's ``forward``.

    Attributes:
        version: Of the bytecode's form.
        inputs: Names of its arguments.
        outputs: What its TorchScript calls what it gives; None for what has no name there.
        operators: How often each operator is called, by name and overload.
        arguments: How many arguments each operator is called with, at most.
        calls: It calls other functions, whose operators are not counted.
    """

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            tables = _Tables(io.BytesIO(archive.read(f"{_folder(archive)}/bytecode.pkl"))).load()
        self.version = next((int(entry) for entry in tables if isinstance(entry, int)), 0)
        entries = {entry[0]: entry for entry in tables if isinstance(entry, tuple)}
        functions = {name: dict(entry[1]) for name, entry in entries.items()}
        name = next((name for name in functions if name.endswith(".forward")), None)
        if name is None:
            raise RunnerError(
                f"{path} has no function forward.", "Export the network with its own forward."
            )
        code = functions[name]
        rows = code["operators"]
        names = [f"{row[0]}.{row[1]}" if row[1] else row[0] for row in rows]
        self.arguments: dict[str, int] = {}
        for named, row in zip(names, rows, strict=True):
            # Their number is there since version 6 of the form.
            count = int(row[2]) if len(row) > 2 and row[2] is not None else 0
            self.arguments[named] = max(count, self.arguments.get(named, 0))
        instructions = [(row[0], row[1]) for row in code["instructions"]]
        self.operators = Counter(names[i] for kind, i in instructions if kind in {"OP", "OPN"})
        self.calls = any(kind in {"CALL", "INTERFACE_CALL"} for kind, _ in instructions)
        # The first versions of the form had no schema.
        schema = dict(entries[name][2]) if len(entries[name]) > 2 else {}
        arguments = [dict(argument) for argument in schema.get("arguments", ())]
        names = [str(argument["name"]) for argument in arguments]
        self.inputs = [name for name in names if name != "self"]
        self.outputs: list[str | None] = [None] * len(schema.get("returns", ()))
        if len(self.outputs) == 1:
            self.outputs = [_returned(path, name)]


def _returned(path: Path, method: str) -> str | None:
    """The variable that ends a method's TorchScript, where it is one, and not numbered by torch."""
    place = "/".join(method.split(".")[:-2])  # of the class's module
    with zipfile.ZipFile(path) as archive:
        record = f"{_folder(archive)}/code/{place}.py"
        if record not in archive.namelist():
            return None
        found = re.search(r"\n    return ((?!_\d)\w+)\n?\Z", archive.read(record).decode())
    return found[1] if found else None


def _folder(archive: zipfile.ZipFile) -> str:
    """All lies in one folder, whose name the file's maker chose."""
    return archive.namelist()[0].partition("/")[0]


class _Tables(pickle.Unpickler):
    """Reads pickles. Nothing that a file names is imported or called."""

    def find_class(self, module: str, name: str) -> type[_Object]:
        """A class of that name that does nothing; one for tensors that keeps what it is given."""
        kind = _Tensor if name.startswith("_rebuild_tensor") else _Object
        return type(name[:100], (kind,), {})

    def persistent_load(self, key: Any) -> tuple[str, str]:
        """Of a storage: its type and its key."""
        _, kind, name, *_ = key
        return getattr(kind, "__name__", ""), str(name)


class _Object:
    """Stands for every object that a file makes."""

    state: Any = None

    def __new__(cls, *arguments: Any) -> Self:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        return

    def append(self, value: Any) -> None:
        """Where it stands for a list."""

    def extend(self, values: Any) -> None:
        """Likewise."""


class _Tensor(_Object):
    """Stands for a tensor: what its storage is, and its shape."""

    dtype = storage = ""
    shape: tuple[int, ...] = ()

    def __new__(cls, *arguments: Any) -> Self:
        self = super().__new__(cls)
        # Quantized ones begin alike: storage, offset, sizes, strides.
        if len(arguments) > 2 and isinstance(arguments[0], tuple):
            kind, self.storage = arguments[0]
            self.dtype = _STORAGES.get(kind, kind.removesuffix("Storage").lower())
            self.shape = tuple(int(size) for size in arguments[2])
        return self


_STORAGES = {
    **{"DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16"},
    **{"BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32"},
    **{"ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8"},
    **{"BoolStorage": "bool", "QInt8Storage": "int8", "QUInt8Storage": "uint8"},
    **{"QInt32Storage": "int32"},
}


def _tensors(name: str, found: Any, seen: set[int]) -> Iterator[tuple[str, _Tensor]]:
    """The tensors in what a pickle gave, each with the way to it."""
    waiting = [(name, found)]
    while waiting:
        name, value = waiting.pop()
        if id(value) in seen:
            continue
        if isinstance(value, _Tensor):
            yield name, value
            continue
        inner: Iterator[tuple[Any, Any]]
        if isinstance(value, _Object):
            inner = iter([("", value.state)])
        elif isinstance(value, dict):
            inner = iter(value.items())
        elif isinstance(value, list | tuple):
            inner = iter(enumerate(value))
        else:
            continue
        seen.add(id(value))
        parts = [(".".join(filter(None, (name, str(key)))), part) for key, part in inner]
        waiting.extend(reversed(parts))
