"""``maskport inspect``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from ..errors import UsageError
from ..outputs import write_whole
from .network_options import PATH, gigabytes, json_option, memory_limit_option, time_limit_option

__all__ = ["command"]

_STDOUT = Path("-")


@click.command(name="inspect")
@click.argument("file", type=PATH)
@json_option("Write everything found; - writes it to the output, instead of tables.")
@time_limit_option("For reading the file, and again for finding what takes it.  [default: 120]")
@memory_limit_option
def command(
    file: Path, json_out: Path | None, time_limit: float | None, memory_limit: float | None
) -> None:
    """Say what is in FILE, whoever made it: inputs and outputs, precision, operations, cost,
    metadata, and what takes it.

    FILE is an ONNX, ORT, TFLite, Core ML, TorchScript Lite, ExecuTorch or Keras file, a SavedModel
    folder, or OpenVINO's XML. It is read in a process of its own, and nothing of it is run.

    \b
    maskport inspect exports/sky/u2netp-tflite-int8.tflite
    maskport inspect theirs.onnx --json - | jq .oldest_runtimes
    """
    if json_out is not None and json_out != _STDOUT:
        _check(json_out)
    from ..runtimes.inspect.isolated import TIME_LIMIT, inspect
    from .inspect_view import print_inspected

    found = inspect(
        file,
        time_limit=time_limit or TIME_LIMIT,
        memory_limit=gigabytes(memory_limit),
    )
    if json_out != _STDOUT:
        print_inspected(found)
    if json_out is None:
        return
    content = {
        "schema_version": 1,
        **asdict(found),
        "oldest_runtimes": [oldest.model_dump() for oldest in found.oldest_runtimes],
    }
    text = json.dumps(content, indent=2, allow_nan=False)
    if json_out == _STDOUT:
        click.echo(text)
    else:
        write_whole(json_out, text + "\n")


def _check(path: Path) -> None:
    """Refuse a file that could not be written, before the work."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"{path} can't be written.", "Name a file in a folder that exists.")
