"""The cost of TorchScript Lite files: kinds from their bytecode, products from a shapeless run."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ...artifacts.inspect.torchscript_lite import Bytecode, shapeless_run
from ...artifacts.manifest import Artifact
from ...sdks.quiet import quiet
from .counting import Cost, Uncountable

__all__ = ["cost"]

# Where the archive keeps tensors: constants, attributes, and those of old bytecode.
_TENSOR_FOLDERS = ("constants/", "data/", "bytecode/")
# Operators of other libraries may be whole layers; PyTorch has no count for them.
_NAMESPACES = ("aten::", "prim::", "profiler::")


def cost(artifact: Artifact, path: Path) -> Cost:
    """For an image of the size that the manifest gives: the file itself has no shapes."""
    from torch.utils.flop_counter import FlopCounterMode

    bytecode = Bytecode(path)
    if bytecode.calls:
        raise Uncountable("its forward calls other functions")
    strange = sorted(name for name in bytecode.operators if not name.startswith(_NAMESPACES))
    if strange:
        raise Uncountable(f"what {strange[0]} multiplies is not known")
    with zipfile.ZipFile(path) as archive:
        sizes = {e.filename.partition("/")[2]: e.file_size for e in archive.infolist()}
    weights = sum(
        size
        for name, size in sizes.items()
        if name.startswith(_TENSOR_FOLDERS) and not name.endswith(".debug_pkl")
    )
    counter = FlopCounterMode(display=False)
    with quiet():
        shapeless_run(path, artifact.inputs[0].shape, counter)
    # It counts an addition and a multiplication.
    return Cost.of(int(counter.get_total_flops()) // 2, weights, bytecode.operators)
