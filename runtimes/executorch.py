"""ExecuTorch programs, with whatever delegates the installed runtime holds."""

from __future__ import annotations

from typing import Any

import torch

from ..errors import RunnerError
from ..sdks.quiet import quiet_native
from .base import Array, Runner

__all__ = ["ExecuTorchRunner"]


class ExecuTorchRunner(Runner):
    """ExecuTorch's own runtime, method ``forward``.

    Its thread pool is one for the process; ``threads`` sets it and it stays so.
    """

    name = "executorch"

    def _import(self) -> None:
        with quiet_native():
            import executorch.extension.pybindings.portable_lib
            import executorch.runtime  # noqa: F401

    def _load(self) -> None:
        with self.path.open("rb") as file:
            identifier = file.read(8)[4:]
        if not identifier.startswith(b"ET"):
            # The runtime would abort the whole process.
            raise RunnerError(
                f"{self.path} is not an ExecuTorch program.",
                "The file is damaged or of another format; export it again.",
            )
        with quiet_native():
            from executorch.extension.pybindings import portable_lib
            from executorch.runtime import Runtime, Verification

            if self.threads is not None:
                portable_lib._unsafe_reset_threadpool(self.threads)
            self._program: Any = Runtime.get().load_program(
                self.path, verification=Verification.InternalConsistency
            )
            self._method: Any = self._program.load_method("forward")

    def _infer(self, image: Array) -> Array:
        mask: Array = self._method.execute([torch.from_numpy(image)])[0].numpy().copy()
        return mask

    def _close(self) -> None:
        del self._method, self._program
