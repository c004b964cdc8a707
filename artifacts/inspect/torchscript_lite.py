"""What a TorchScript Lite file declares: its bytecode. Its shapes and types only a run tells."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from ...errors import RunnerError
from ..manifest import Artifact, OldestRuntime
from .declared import Declared, Port

__all__ = ["Bytecode", "declared", "shapeless_run"]

# PyTorch's own reasons for its bytecode versions: caffe2/serialize/versions.h. Version 8 was
# merged in February 2022 (pytorch/pytorch#71662), and 1.12 is the first release after it.
_RELEASES = {8: "1.12"}


def declared(artifact: Artifact, path: Path) -> Declared:
    """Of the bytecode, and of a run on tensors that have the manifest's shapes and no values.

    Arguments have a position and no name that an app uses.
    """
    from torch.jit import mobile

    given = shapeless_run(path, artifact.inputs[0].shape)
    version = int(mobile._get_model_bytecode_version(str(path)))
    oldest = None
    if version in _RELEASES:
        because = f"bytecode version {version}"
        oldest = OldestRuntime(
            runtime="PyTorch Mobile", version=_RELEASES[version], because=because
        )
    return Declared(
        inputs=tuple(Port(shape=tuple(t.shape), dtype=t.dtype) for t in artifact.inputs[:1]),
        outputs=tuple(
            Port(shape=tuple(tensor.shape), dtype=str(tensor.dtype).removeprefix("torch."))
            for tensor in (given if isinstance(given, list | tuple) else [given])
        ),
        operators=tuple(sorted(Bytecode(path).operators)),
        properties={"bytecode_version": version},
        oldest_runtime=oldest,
    )


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
        operators: How often each operator is called, by name and overload.
        calls: It calls other functions, whose operators are not counted.
    """

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            # All lies in one folder, whose name the file's maker chose.
            folder = archive.namelist()[0].partition("/")[0]
            tables = _Tables(io.BytesIO(archive.read(f"{folder}/bytecode.pkl"))).load()
        functions = {
            entry[0]: dict(entry[1])
            for entry in tables
            if isinstance(entry, tuple)  # the first is the format's version
        }
        name = next((name for name in functions if name.endswith(".forward")), None)
        if name is None:
            raise RunnerError(
                f"{path} has no function forward.", "Export the network with its own forward."
            )
        code = functions[name]
        names = [f"{row[0]}.{row[1]}" if row[1] else row[0] for row in code["operators"]]
        instructions = [(row[0], row[1]) for row in code["instructions"]]
        self.operators = Counter(names[i] for kind, i in instructions if kind in {"OP", "OPN"})
        self.calls = any(kind in {"CALL", "INTERFACE_CALL"} for kind, _ in instructions)


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
