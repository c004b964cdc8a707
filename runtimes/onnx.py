"""ONNX files in ONNX Runtime, on the CPU."""

from __future__ import annotations

from typing import Any

from .base import Array, Runner

__all__ = ["OnnxRunner"]


class OnnxRunner(Runner):
    """ONNX Runtime's CPU execution provider; NCHW, float32 or float16 at the borders."""

    name = "onnxruntime"

    def _import(self) -> None:
        import onnxruntime  # noqa: F401

    def _load(self) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 3  # errors; they also come as exceptions
        if self.threads is not None:
            options.intra_op_num_threads = self.threads
            options.inter_op_num_threads = 1
        self._session: Any = ort.InferenceSession(
            str(self.path), options, providers=["CPUExecutionProvider"]
        )

    def _infer(self, image: Array) -> Array:
        mask: Array = self._session.run([self.output.name], {self.input.name: image})[0]
        return mask

    def _close(self) -> None:
        del self._session
