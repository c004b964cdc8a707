"""TFLite files in LiteRT, on the CPU with XNNPACK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..artifacts.manifest import Tensor, TensorQuantization
from ..errors import RunnerError
from ..sdks.quiet import quiet_native
from .base import Array, Runner

__all__ = ["LiteRTRunner"]


class LiteRTRunner(Runner):
    """LiteRT's interpreter, through the file's signature where it has one.

    Types and quantisation are the file's own, not the manifest's: a file whose manifest is
    wrong must show it in its mask.
    """

    name = "litert"

    def _import(self) -> None:
        import ai_edge_litert.interpreter  # noqa: F401

    def _load(self) -> None:
        from ai_edge_litert.interpreter import Interpreter

        with quiet_native():  # it reports its delegate when tensors are allocated
            interpreter = Interpreter(model_path=str(self.path), num_threads=self.threads)
            interpreter.allocate_tensors()
        signatures = interpreter.get_signature_list()
        if signatures:
            wanted = self.artifact.properties.get("signature", "serving_default")
            key = wanted if wanted in signatures else next(iter(signatures))
            self._through_signature(interpreter.get_signature_runner(key))
        else:
            self._through_tensors(interpreter)

    def _through_signature(self, runner: Any) -> None:
        takes, gives = runner.get_input_details(), runner.get_output_details()
        source = _chosen(self.input.name, takes, self)
        target = _chosen(self.output.name, gives, self)
        self.input = _described(self.input, takes[source])
        self.output = _described(self.output, gives[target])

        def call(image: Array) -> Array:
            mask: Array = runner(**{source: image})[target]
            return mask

        self._call: Callable[[Array], Array] = call

    def _through_tensors(self, interpreter: Any) -> None:
        takes = {detail["name"]: detail for detail in interpreter.get_input_details()}
        gives = {detail["name"]: detail for detail in interpreter.get_output_details()}
        source = takes[_chosen(self.input.name, takes, self)]
        target = gives[_chosen(self.output.name, gives, self)]
        self.input = _described(self.input, source)
        self.output = _described(self.output, target)

        def call(image: Array) -> Array:
            interpreter.set_tensor(source["index"], image)
            interpreter.invoke()
            mask: Array = interpreter.get_tensor(target["index"])
            return mask

        self._call = call

    def _infer(self, image: Array) -> Array:
        return self._call(image)

    def _close(self) -> None:
        del self._call


def _chosen(name: str, details: dict[str, Any], runner: LiteRTRunner) -> str:
    """The tensor called ``name``, or the only one there is."""
    if name in details:
        return name
    if len(details) == 1:
        return next(iter(details))
    raise RunnerError(
        f"{runner.path} has no tensor {name!r}; it has {', '.join(details)}.",
        "The file and its manifest don't belong together; export the bundle again.",
    )


def _described(tensor: Tensor, detail: dict[str, Any]) -> Tensor:
    """``tensor`` with the type and quantisation that the file itself gives."""
    scales, zero_points = (
        detail["quantization_parameters"]["scales"],
        detail["quantization_parameters"]["zero_points"],
    )
    quantization = (
        TensorQuantization(scale=float(scales[0]), zero_point=int(zero_points[0]))
        if len(scales)
        else None
    )
    dtype = np.dtype(detail["dtype"]).name
    return Tensor.model_validate({**dict(tensor), "dtype": dtype, "quantization": quantization})
