"""ExecuTorch programs, with whatever delegates the installed runtime holds."""

from __future__ import annotations

from typing import Any

import torch

from .base import Array, Runner
from .quiet import quiet

__all__ = ["ExecuTorchRunner"]


class ExecuTorchRunner(Runner):
    """ExecuTorch's own runtime, method ``forward``.

    Its thread pool is one for the process; ``threads`` sets it and it stays so.
    """

    name = "executorch"

    def _load(self) -> None:
        with quiet():
            from executorch.extension.pybindings import portable_lib
            from executorch.runtime import Runtime, Verification

        if self.threads is not None:
            portable_lib._unsafe_reset_threadpool(self.threads)
        runtime = Runtime.get()
        self._program: Any = runtime.load_program(
            self.path, verification=Verification.InternalConsistency
        )
        self._method: Any = self._program.load_method("forward")

    def _infer(self, image: Array) -> Array:
        mask: Array = self._method.execute([torch.from_numpy(image)])[0].numpy().copy()
        return mask

    def _close(self) -> None:
        del self._method, self._program
