"""The cost of TorchScript Lite files: kinds from their bytecode, products from a shapeless run."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ...artifacts.inspect.torchscript_lite import Bytecode, shapeless_run
from ...artifacts.manifest import Artifact
from ...sdks.quiet import quiet
from .counting import Work

__all__ = ["work"]

# Where the archive keeps tensors: constants, attributes, and those of old bytecode.
_TENSOR_FOLDERS = ("constants/", "data/", "bytecode/")
# Operators of other libraries may be whole layers; PyTorch has no count for them.
_NAMESPACES = ("aten::", "prim::", "profiler::")


def work(artifact: Artifact, path: Path) -> Work:
    """For an image of the size that the manifest gives: the file itself has no shapes.

    Without one nothing of it is run, and its products are not known.
    """
    from torch.utils.flop_counter import FlopCounterMode

    bytecode = Bytecode(path)
    with zipfile.ZipFile(path) as archive:
        sizes = {e.filename.partition("/")[2]: e.file_size for e in archive.infolist()}
    weights = sum(
        size
        for name, size in sizes.items()
        if name.startswith(_TENSOR_FOLDERS) and not name.endswith(".debug_pkl")
    )
    if unknown := _unknown(artifact, bytecode):
        return Work(bytecode.operators, 0, weights, unknown=unknown)
    counter = FlopCounterMode(display=False)
    with quiet():
        shapeless_run(path, artifact.inputs[0].shape, counter)
    # It counts an addition and a multiplication.
    return Work(bytecode.operators, int(counter.get_total_flops()) // 2, weights)


def _unknown(artifact: Artifact, bytecode: Bytecode) -> str:
    """Why a run's products can't be counted; empty where they can."""
    if not artifact.inputs:
        return "the file has no shapes, and nothing of a file that no manifest names is run"
    if bytecode.calls:
        return "its forward calls other functions"
    strange = sorted(name for name in bytecode.operators if not name.startswith(_NAMESPACES))
    return f"what {strange[0]} multiplies is not known" if strange else ""
