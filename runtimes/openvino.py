"""OpenVINO's files, on the CPU; and what they say of themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..artifacts.inspect.declared import Declared, Port
from ..artifacts.manifest import Artifact, OldestRuntime
from .base import Array, Runner

__all__ = ["OpenVINORunner", "declared"]

# The release that brought a set of operations ("Available Operation Sets", OpenVINO's docs).
_RELEASES = {
    8: "2022.1",
    9: "2022.2",
    10: "2022.3",
    11: "2023.0",
    12: "2023.1",
    13: "2023.2",
    14: "2024.0",
    15: "2024.5",
}
_SET = re.compile(r'type="(\w+)" version="opset(\d+)"')
_NO_WORK = frozenset({"Constant", "Parameter", "Result"})


class OpenVINORunner(Runner):
    """OpenVINO on the CPU in float32; NCHW."""

    name = "openvino"

    def _import(self) -> None:
        import openvino  # noqa: F401

    def _load(self) -> None:
        import openvino

        # By default CPUs with AMX or AVX-512 compute in bfloat16.
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        if self.threads is not None:
            settings["INFERENCE_NUM_THREADS"] = self.threads
        core = openvino.Core()
        self._compiled: Any = core.compile_model(self.path / "model.xml", "CPU", settings)

    def _infer(self, image: Array) -> Array:
        mask: Array = self._compiled({self.input.name: image})[self.output.name]
        return mask

    def _close(self) -> None:
        del self._compiled


def declared(_artifact: Artifact, path: Path) -> Declared:
    """Of the model's ports and operations."""
    import openvino

    model: Any = openvino.Core().read_model(path / "model.xml")
    kinds = {operation.get_type_name() for operation in model.get_ops()}
    return Declared(
        inputs=tuple(map(_port, model.inputs)),
        outputs=tuple(map(_port, model.outputs)),
        operators=tuple(sorted(kinds - _NO_WORK)),
        oldest_runtime=_oldest(path / "model.xml"),
    )


def _oldest(path: Path) -> OldestRuntime | None:
    """By the newest set of operations that the file uses; the file's own form came with 2022.1."""
    uses = ((int(found[2]), found[1]) for found in _SET.finditer(path.read_text(encoding="utf-8")))
    number, operation = max(uses)
    release = _RELEASES.get(max(number, min(_RELEASES)))
    because = f"{operation} of opset{number}" if number > min(_RELEASES) else "the file's own form"
    return OldestRuntime(runtime="OpenVINO", version=release, because=because) if release else None


def _port(port: Any) -> Port:
    sizes = tuple(
        None if size.is_dynamic else size.get_length() for size in port.get_partial_shape()
    )
    return Port(port.get_any_name(), sizes, port.get_element_type().to_dtype().name)
