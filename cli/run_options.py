"""The options of the commands that run a bundle's artifacts, or judge what a run has found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..validation.options import NetworkOptions, RunOptions
from .network_options import (
    PATH,
    force_option,
    gathered,
    gigabytes,
    listed,
    memory_limit_option,
    require_signature_option,
    time_limit_option,
    weights_key_option,
)

if TYPE_CHECKING:
    from ..validation.gates import Gates
    from ..validation.results import Results

__all__ = ["Judging", "judging_options", "reference_options", "resumable", "run_options"]

_REFERENCE = (
    click.option(
        "--network",
        metavar="NAME",
        help="package.module:factory of a network that is not of the catalog.",
    ),
    click.option(
        "--weights",
        metavar="FILE",
        type=PATH,
        help="The checkpoint, instead of the weights that the bundle holds.",
    ),
    weights_key_option,
)


def _run(
    targets: str,
    release: bool,
    memory_limit: float | None,
    network: str | None,
    weights: Path | None,
    weights_key: str | None,
    **as_given: Any,
) -> RunOptions:
    return RunOptions(
        targets=tuple(listed(targets)),
        network=NetworkOptions(network, weights, weights_key),
        latency="release" if release else "standard",
        memory_limit=gigabytes(memory_limit),
        **as_given,
    )


# Which network files are compared with.
reference_options = gathered("network", NetworkOptions, *_REFERENCE)
# Which artifacts are run, and with how much of the machine.
run_options = gathered(
    "options",
    _run,
    click.option(
        "--targets",
        default="all",
        show_default=True,
        metavar="NAMES",
        help="Targets or formats of the bundle, separated by commas.",
    ),
    click.option(
        "--size",
        metavar="SIDE",
        help="At another of the sizes that files take: 512, or 512x320 for height x width.",
    ),
    *_REFERENCE,
    click.option(
        "--release", is_flag=True, help="Time 1,024 runs and 60 seconds of each artifact."
    ),
    click.option(
        "--threads", type=click.IntRange(1), help="CPU threads of every runtime.  [default: all]"
    ),
    click.option(
        "--compute-units",
        type=click.Choice(["ALL", "CPU_ONLY", "CPU_AND_GPU", "CPU_AND_NE"]),
        default="ALL",
        show_default=True,
        help="Where Core ML runs on macOS.",
    ),
    time_limit_option(
        "For one photo through one artifact.  [default: 60 times PyTorch's, at least 60]"
    ),
    memory_limit_option,
    click.option(
        "--resume", is_flag=True, help="Go on where an interrupted run of this one ended."
    ),
    force_option,
    require_signature_option,
)


@contextmanager
def resumable(
    kept: str = "what was measured is kept: --resume goes on from there.",
) -> Iterator[None]:
    """Tell who interrupts a run what isn't lost."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(kept) from None


@dataclass(frozen=True, slots=True)
class Judging:
    """What results have to reach, and which reports are written of it."""

    gates_file: Path | None
    gate_texts: tuple[str, ...]
    baseline: Path | None
    json_out: Path | None
    junit_out: Path | None
    markdown_out: Path | None

    def gates(self) -> Gates:
        """The gates that are asked for, above the defaults.

        Raises:
            InputError: The file can't be read, or holds what is no gate.
            UsageError: A ``--gate`` is none.
        """
        from ..validation.gates import TARGET_NAMES, assemble

        return assemble(self.gates_file, self.gate_texts, TARGET_NAMES)

    def older(self) -> Results | None:
        """The baseline.

        Raises:
            InputError: It can't be read.
        """
        from ..validation.results import read_results

        return None if self.baseline is None else read_results(self.baseline)

    def write(self, results: Results) -> None:
        """Write the reports that were asked for.

        Raises:
            InputError: A path can't be written.
        """
        from ..validation.reports import write_json, write_junit, write_markdown

        for write, path in (
            (write_json, self.json_out),
            (write_junit, self.junit_out),
            (write_markdown, self.markdown_out),
        ):
            if path is not None:
                write(results, path)


def _report_option(name: str, what: str) -> Any:
    return click.option(f"--{name}", f"{name}_out", metavar="FILE", type=PATH, help=what)


judging_options = gathered(
    "judging",
    Judging,
    click.option(
        "--gates",
        "gates_file",
        metavar="FILE",
        type=PATH,
        help="TOML file of gates, on top of the defaults; see docs/gates.md.",
    ),
    click.option(
        "--gate",
        "gate_texts",
        metavar="GATE",
        multiple=True,
        help="One more, such as 'tflite-int8: iou >= 0.99' or 'mae <= 0.01'. Repeatable.",
    ),
    click.option(
        "--baseline",
        metavar="FILE",
        type=PATH,
        help="Older results (--json) that nothing may be worse than.",
    ),
    _report_option("json", "Write everything found."),
    _report_option("junit", "Write JUnit XML, one test case a gate."),
    _report_option("markdown", "Write a summary for a pull request."),
)
