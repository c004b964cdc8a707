"""The options of the commands that run a bundle's artifacts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from .network_options import weights_key_option

__all__ = ["chosen_targets", "memory_bytes", "resumable", "run_options"]

Command = TypeVar("Command", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path)


def run_options(command: Command) -> Command:
    """Add what says which artifacts are run, and with how much of the machine."""
    for option in reversed(
        (
            click.option(
                "--targets",
                default="all",
                show_default=True,
                metavar="NAMES",
                help="Targets or formats of the bundle, separated by commas.",
            ),
            click.option(
                "--network",
                metavar="NAME",
                help="package.module:factory of a network that is not of the catalog.",
            ),
            click.option(
                "--weights",
                metavar="FILE",
                type=_PATH,
                help="The checkpoint, instead of the weights that the bundle holds.",
            ),
            weights_key_option,
            click.option(
                "--release", is_flag=True, help="Time 1,024 runs and 60 seconds of each artifact."
            ),
            click.option(
                "--threads",
                type=click.IntRange(1),
                help="CPU threads of every runtime.  [default: all]",
            ),
            click.option(
                "--compute-units",
                type=click.Choice(["ALL", "CPU_ONLY", "CPU_AND_GPU", "CPU_AND_NE"]),
                default="ALL",
                show_default=True,
                help="Where Core ML runs on macOS.",
            ),
            click.option(
                "--time-limit",
                type=click.FloatRange(0, min_open=True),
                metavar="SECONDS",
                help="For one photo through one artifact.  [default: 60 times PyTorch's, at "
                "least 60]",
            ),
            click.option(
                "--memory-limit",
                type=click.FloatRange(0, min_open=True),
                metavar="GB",
                help="For the process of one artifact.  [default: half of the memory]",
            ),
            click.option(
                "--resume", is_flag=True, help="Go on where an interrupted run of this one ended."
            ),
        )
    ):
        command = option(command)
    return command


def chosen_targets(names: str) -> list[str]:
    """``--targets`` as a list."""
    return [name.strip() for name in names.split(",") if name.strip()]


def memory_bytes(gigabytes: float | None) -> int | None:
    """``--memory-limit`` in bytes."""
    return None if gigabytes is None else int(gigabytes * 1e9)


@contextmanager
def resumable() -> Iterator[None]:
    """Tell who interrupts a run that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt("what was measured is kept: --resume goes on from there.") from None
