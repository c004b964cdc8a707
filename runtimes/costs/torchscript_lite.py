"""The cost of TorchScript Lite files: kinds from their bytecode, products from a shapeless run."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from ...artifacts.manifest import Artifact
from ..quiet import quiet
from .cost import Cost, Uncountable

__all__ = ["cost"]

# Where the archive keeps tensors: constants, attributes, and those of old bytecode.
_TENSOR_FOLDERS = ("constants/", "data/", "bytecode/")
# Operators of other libraries may be whole layers; PyTorch has no count for them.
_NAMESPACES = ("aten::", "prim::", "profiler::")


def cost(artifact: Artifact, path: Path) -> Cost:
    """For an image of the size that the manifest gives: the file itself has no shapes."""
    with zipfile.ZipFile(path) as archive:
        # All lies in one folder, whose name the file's maker chose.
        sizes = {e.filename.partition("/")[2]: e.file_size for e in archive.infolist()}
        folder = archive.namelist()[0].partition("/")[0]
        bytecode = archive.read(f"{folder}/bytecode.pkl")
    operators = _operators(bytecode)
    strange = sorted(name for name in operators if not name.startswith(_NAMESPACES))
    if strange:
        raise Uncountable(f"what {strange[0]} multiplies is not known")
    weights = sum(
        size
        for name, size in sizes.items()
        if name.startswith(_TENSOR_FOLDERS) and not name.endswith(".debug_pkl")
    )
    return Cost.of(_macs(path, artifact.inputs[0].shape), weights, operators)


def _macs(path: Path, shape: list[int]) -> int:
    """The lite interpreter, run on tensors that have a shape and no values."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.jit.mobile import _load_for_lite_interpreter
    from torch.utils.flop_counter import FlopCounterMode

    with quiet(), torch.no_grad():
        module = _load_for_lite_interpreter(str(path))
        counter = FlopCounterMode(display=False)
        with FakeTensorMode(allow_non_fake_inputs=True), counter:
            module(torch.zeros(shape))
    return int(counter.get_total_flops()) // 2  # it counts an addition and a multiplication


def _operators(bytecode: bytes) -> Counter[str]:
    """How often the instructions of ``forward`` call each operator, by name and overload."""
    functions = {
        entry[0]: dict(entry[1])
        for entry in _Tables(io.BytesIO(bytecode)).load()
        if isinstance(entry, tuple)  # the first is the format's version
    }
    name = next((name for name in functions if name.endswith(".forward")), None)
    if name is None:
        raise ValueError("its bytecode has no function forward")
    code = functions[name]
    operators = [f"{row[0]}.{row[1]}" if row[1] else row[0] for row in code["operators"]]
    instructions = [(row[0], row[1]) for row in code["instructions"]]
    if any(kind in {"CALL", "INTERFACE_CALL"} for kind, _ in instructions):
        raise Uncountable("its forward calls other functions")
    return Counter(operators[index] for kind, index in instructions if kind in {"OP", "OPN"})


class _Tables(pickle.Unpickler):
    """Reads the bytecode's tables. Nothing that a file names is imported or called."""

    def find_class(self, module: str, name: str) -> type[_Object]:
        return _Object

    def persistent_load(self, key: Any) -> None:
        return None


class _Object:
    """Stands for every tensor and object among the constants."""

    def __new__(cls, *arguments: Any) -> _Object:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        return
