"""ONNX files in ONNX Runtime, on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .base import Array, Runner

__all__ = ["OnnxRunner", "OrtRunner", "PreciseOnnxRunner"]


class OnnxRunner(Runner):
    """ONNX Runtime's CPU execution provider; NCHW, float32 or float16 at the borders."""

    name = "onnxruntime"
    settings: ClassVar[Mapping[str, str]] = {}
    # Of the file, where the artifact is a folder.
    file: ClassVar[str] = ""

    def _import(self) -> None:
        import onnxruntime  # noqa: F401

    def _load(self) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 3  # errors; they also come as exceptions
        if self.threads is not None:
            options.intra_op_num_threads = self.threads
            options.inter_op_num_threads = 1
        for key, value in self.settings.items():
            options.add_session_config_entry(key, value)
        self._session: Any = ort.InferenceSession(
            str(self.path / self.file), options, providers=["CPUExecutionProvider"]
        )

    def _infer(self, image: Array) -> Array:
        mask: Array = self._session.run([self.output.name], {self.input.name: image})[0]
        return mask

    def _close(self) -> None:
        del self._session


class PreciseOnnxRunner(OnnxRunner):
    """The same with every sum of integers exact, whatever the processor.

    By default x86 without VNNI multiplies uint8 by int8 with an instruction that adds two products
    in 16 bits and cuts off what is beyond; this makes the weights uint8, which is slower there
    (ONNX Runtime, "Quantize ONNX models", section on the representation of data types). With VNNI,
    and on ARM, both draw the same mask.
    """

    settings: ClassVar[Mapping[str, str]] = {"session.x64quantprecision": "1"}


class OrtRunner(OnnxRunner):
    """The same for its own format, ``model.ort`` in a folder."""

    file: ClassVar[str] = "model.ort"
