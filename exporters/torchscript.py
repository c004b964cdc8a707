"""TorchScript for the lite interpreter of PyTorch Mobile."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .run import Exported, Run

__all__ = ["export"]


def export(run: Run, path: Path) -> Exported:
    """Write the ``.ptl`` file.

    The trace is frozen, not put through ``optimize_for_mobile``: TorchScript's XNNPACK is gone
    from torch 2.13 and that call asserts.
    """
    import torch

    run.step("freezing")
    frozen = torch.jit.freeze(torch.jit.load(str(run.trace)).eval())
    _name_values(frozen.graph)
    run.step("saving")
    whole = run.scratch / "whole.ptl"
    frozen._save_for_lite_interpreter(str(whole))
    _rewrite(whole, path, _source_of(frozen))
    return Exported(*run.float_tensors("NCHW"))


def _name_values(graph: Any) -> None:
    """Name what operations give after their module and themselves: ``stage1_conv_convolution``.

    The bytecode has no names but its argument's, which is that of the view's ``forward``. They
    stand in the TorchScript beside it, which Netron shows.
    """
    seen: Counter[str] = Counter()
    for node in _nodes(graph):
        place = re.sub(r"\([^()]*\)", "", node.getModuleHierarchy())  # classes
        place = re.sub(r"^body(\.network)?(\.|$)", "", place)
        kind = node.kind().rpartition("::")[2].strip("_")
        name = re.sub(r"\W+", "_", f"{place}.{kind}").strip("_")
        for value in node.outputs():
            if value.type().kind() == "TensorType":
                seen[name] += 1
                value.setDebugName(name if seen[name] == 1 else f"{name}_{seen[name]}")
    for value in graph.outputs():
        value.setDebugName("mask")


def _nodes(block: Any) -> Iterator[Any]:
    """Those of the branches too."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def _source_of(module: Any) -> str:
    """The record that holds the class's TorchScript."""
    names = module._c._type().qualified_name().split(".")[:-1]
    return f"code/{'/'.join(names)}.py"


# What the writer makes itself.
_VERSIONS = (".data/version", "version")
_OWN_RECORDS = {".data/serialization_id", "byteorder", *_VERSIONS}

# The last line of the only method, where torch has no name for what it returns.
_RETURN = re.compile(rb"\n    return (?!mask\n?\Z)(.+)\n?\Z")


# What torch puts into a class's name so that no other of the process has it, and such names as
# pickles have them, behind their lengths.
_NUMBER = re.compile(rb"___torch_mangle_\d+")
_PICKLED = re.compile(rb"X(.{4})(__torch__\.[\w.]+)|" + _NUMBER.pattern, re.DOTALL)


class _Numbers:
    """Names of classes, numbered from 0: torch counts all that a process has ever traced."""

    def __init__(self) -> None:
        self._found: dict[bytes, bytes] = {}

    def renamed(self, text: bytes) -> bytes:
        """Text, or a name."""
        return _NUMBER.sub(self._own, text)

    def repickled(self, data: bytes) -> bytes:
        """A pickle."""

        def rename(match: re.Match[bytes]) -> bytes:
            if match[2] is None:
                return self._own(match)
            name = self.renamed(match[2])
            length = int.from_bytes(match[1], "little") + len(name) - len(match[2])
            return b"X" + length.to_bytes(4, "little") + name

        return _PICKLED.sub(rename, data)

    def _own(self, match: re.Match[bytes]) -> bytes:
        return self._found.setdefault(match[0], b"___torch_mangle_%d" % len(self._found))


def _rewrite(whole: Path, path: Path, source: str) -> None:
    """Copy a TorchScript archive without the tables that lead back to source files, with a name for
    the mask, and with names of classes that don't depend on what else the process has made.

    The tables hold this machine's paths, and nothing on a phone reads them.
    """
    import torch

    reader = torch._C.PyTorchFileReader(str(whole))
    writer = torch._C.PyTorchFileWriter(str(path))
    names = reader.get_all_records()
    version = next(name for name in _VERSIONS if name in names)
    writer.set_min_version(int(reader.get_record(version)))
    numbers = _Numbers()
    for name in names:
        if name not in _OWN_RECORDS and not name.endswith(".debug_pkl"):
            data = reader.get_record(name)
            if name == source:
                data = _RETURN.sub(rb"\n    mask = \1\n    return mask\n", data)
            pickled = name.endswith(".pkl")
            if pickled or name.startswith("code/"):
                data = numbers.repickled(data) if pickled else numbers.renamed(data)
            writer.write_record(numbers.renamed(name.encode()).decode(), data, len(data))
    writer.write_end_of_file()
