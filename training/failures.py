"""What can end a run without being a bug: errors, named, with what to do about them; and Ctrl-C and
being told to end, noted, so that the step is finished and its state is kept.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Self

import torch
from torch.utils.data import DataLoader

from ..errors import ImageError, ToolError, UsageError
from ..outputs import Busy, held
from ..signals import SIGNALS, heard
from ..texts import first_line

__all__ = ["Interruption", "alone", "ignore_in_worker", "loading", "named_failures", "writing"]

# Processes that load samples end some seconds after a run that was killed, and only then its lock.
PATIENCE = 15.0

# PyTorch's words for a process that is gone; "DataLoader worker process 0" are those for an
# error inside one.
GONE = re.compile(r"DataLoader worker \(pid")


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Raise ToolError where ``file`` can't be written: a full disk, a folder of somebody else."""
    try:
        yield
    except OSError as exc:
        raise _unwritten(file, exc) from exc


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """A run's folder for this process alone.

    Raises:
        UsageError: Another run writes there.
        ToolError: It can't be written.
    """
    place = Path(os.path.realpath(out))
    with ExitStack() as stack:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(held(place, PATIENCE))
        except Busy as exc:
            raise UsageError(
                f"Another run is writing to {out}.",
                "Wait until it has ended, or give another --out.",
            ) from exc
        except OSError as exc:
            raise _unwritten(out, exc) from exc
        yield


def _unwritten(file: Path, exc: OSError) -> ToolError:
    return ToolError(
        f"{file} can't be written: {exc.strerror or exc}.",
        "Make room or mend the folder. A run that saved its state before goes on from there "
        "with --resume.",
    )


@contextmanager
def named_failures(batch: int, crop: int, state: Path) -> Iterator[None]:
    """Raise errors of ours for what PyTorch raises while a run is under way.

    Args:
        batch: Samples of a step.
        crop: Their sides.
        state: The file to go on from, if it is there.
    """
    try:
        yield
    except KeyboardInterrupt as exc:
        if exc.args or not state.exists():
            raise
        raise KeyboardInterrupt(
            "the state that was saved last is kept: "
            f"maskport train --resume --out {state.parent} goes on from there."
        ) from exc
    except ImageError as exc:
        if not exc.what.startswith("Caught "):
            raise
        raise _out_of_its_process(exc) from exc
    except ValueError as exc:
        if "more than 1 value per channel" not in str(exc):
            raise
        raise UsageError(
            f"A batch of {batch} at {crop}x{crop} leaves a batch norm a single value, which has no "
            "variance.",
            "Give a larger --batch or --crop.",
        ) from exc
    except (RuntimeError, ConnectionError, EOFError) as exc:
        # PyTorch notices wherever the run is; or reading from the process fails first.
        if isinstance(exc, RuntimeError) and not GONE.search(str(exc)):
            if not _out_of_memory(exc):
                raise
            raise ToolError(
                f"The memory is too small for a batch of {batch} at {crop}x{crop} "
                f"({first_line(exc)}).",
                "Give a smaller --batch or --crop, or --precision bf16.",
            ) from exc
        raise ToolError(
            f"A process that loads samples was ended from outside ({exc}).",
            "Often the memory was full: go on with --resume and fewer --workers.",
        ) from exc


def _out_of_its_process(error: ImageError) -> ImageError:
    """What it was before PyTorch made a traceback of it, to bring it from another process."""
    said = error.what.rpartition(f"{ImageError.__name__}: ")[2]
    what, _, remedy = said.strip().rpartition("\n")
    return ImageError(what, remedy)


def _out_of_memory(error: RuntimeError) -> bool:
    kind = getattr(torch, "OutOfMemoryError", None)
    # The CPU's allocator has no error of its own.
    return (kind is not None and isinstance(error, kind)) or "can't allocate memory" in str(error)


class Interruption:
    """A context manager that turns the first signal into `asked`; the second interrupts.

    Only a process's main thread can take signals; in others this does nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in heard()}
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


def ignore_in_worker(_worker: int) -> None:
    """Signals often go to all processes of a group; those that load samples leave them to us.

    They end by themselves when the run is done with them (`loading`), or gone.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def loading(loader: DataLoader[Any]) -> Iterator[Iterator[Any]]:
    """A loader's batches; its processes are told to end when the block does.

    PyTorch tells them when the iterator is deleted, which an exception with its traceback can
    put off until the program's end; there Python sends the signal that they ignore, and waits.
    """
    batches = iter(loader)
    try:
        yield batches
    finally:
        # There is no public way; without processes there is nothing to end.
        end: Any = getattr(batches, "_shutdown_workers", None)
        if end is not None:
            end()
