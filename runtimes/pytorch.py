"""The network itself in eager PyTorch, on the CPU, beside the files made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from ..artifacts.manifest import Artifact
from .base import Array, Runner

__all__ = ["PyTorchRunner", "torch_threads"]


class PyTorchRunner(Runner):
    """A module that maps (1, 3, H, W) to its mask.

    Args:
        path: The weights; `build` reads them.
        artifact: Shapes of its input and output.
        threads: CPU threads; torch's own choice where not given.
        build: Gives the module. It runs a user's own code where the network is theirs, so it
            never comes from a manifest.
    """

    name = "pytorch"

    def __init__(
        self,
        path: Path,
        artifact: Artifact,
        *,
        threads: int | None = None,
        build: Callable[[], nn.Module],
    ) -> None:
        super().__init__(path, artifact, threads=threads)
        self._build = build

    def _load(self) -> None:
        self._module = self._build()

    def _infer(self, image: Array) -> Array:
        with torch.inference_mode(), torch_threads(self.threads):
            mask: Array = self._module(torch.from_numpy(image)).numpy()
        return mask

    def _close(self) -> None:
        del self._module


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Let torch use ``count`` CPU threads inside the block; None changes nothing.

    The count is one for the whole process.
    """
    before = torch.get_num_threads()
    if count is None or count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
