"""TorchScript files in the lite interpreter, the one of PyTorch Mobile."""

from __future__ import annotations

import zipfile
from typing import Any

import torch

from ..errors import RunnerError
from ..outside.archives import wrong_member
from ..sdks.quiet import quiet
from .base import Array, Runner
from .pytorch import torch_threads

__all__ = ["TorchScriptLiteRunner"]


class TorchScriptLiteRunner(Runner):
    """`torch.jit.mobile`: the bytecode in the file, not the TorchScript beside it."""

    name = "torchscript-lite"

    def _import(self) -> None:
        import torch.jit.mobile  # noqa: F401

    def _load(self) -> None:
        from torch.jit.mobile import _load_for_lite_interpreter

        with zipfile.ZipFile(self.path) as archive:
            if (wrong := wrong_member(archive)) is not None:
                raise RunnerError(
                    f"{self.path.name} is damaged: {wrong}.", "Copy or export it again."
                )
        with quiet():  # torch calls its lite interpreter deprecated at every use
            self._module: Any = _load_for_lite_interpreter(str(self.path))

    def _infer(self, image: Array) -> Array:
        with torch.inference_mode(), torch_threads(self.threads):
            mask = self._module(torch.from_numpy(image))
        given: Array = (mask[0] if isinstance(mask, list | tuple) else mask).numpy()
        return given

    def _close(self) -> None:
        del self._module
