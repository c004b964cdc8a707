"""OpenVINO's files, on the CPU."""

from __future__ import annotations

from typing import Any

from .base import Array, Runner

__all__ = ["OpenVINORunner"]


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
