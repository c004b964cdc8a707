"""What draws masks, opened for the applications: wires `validation` and `apps` together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

from .apps.segmenter import Segmenter
from .validation.evaluated import LIMITS_SECONDS, open_evaluated

__all__ = ["open_segmenter"]


@contextmanager
def open_segmenter(
    what: str | PathLike[str],
    *,
    network: str | None = None,
    target: str | None = None,
    size: int | None = None,
    weights_key: str | None = None,
    threads: int | None = None,
    seconds: float | None = None,
    force: bool = False,
) -> Iterator[Segmenter]:
    """Open what draws masks, for the functions of `maskport.apps`.

    Args:
        what: A bundle, a file of one, a checkpoint, or a name of the catalog.
        network: What a checkpoint is of; u2netp where None.
        target: Which of a bundle's files; its first where None.
        size: Side of a checkpoint's photos; its network's own where None.
        weights_key: Which weights of a checkpoint that holds several sets.
        threads: CPU threads of a file's runtime.
        seconds: What a file may take to be loaded, and again for each mask; ten minutes where None.
        force: Run a file although it isn't the one that its manifest describes.

    Raises:
        InputError: It is none of these.
        ChangedError: It is not the file that its manifest describes.
        ToolError: The file's runtime is missing, or refuses it.
    """
    with open_evaluated(
        str(what),
        network,
        threads,
        size,
        weights_key,
        target,
        seconds or LIMITS_SECONDS,
        force=force,
    ) as found:
        yield Segmenter(found.spec, found.draw, found.name)
