"""Reads flatbuffers by their schema, with the compiler that ExecuTorch's wheel carries.

ExecuTorch's own readers import all of its export side, which takes seconds.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

__all__ = ["read_flatbuffer"]

_SECONDS = 60.0


def read_flatbuffer(data: bytes, schema: str) -> dict[str, Any]:
    """A flatbuffer as JSON has it, defaults filled in.

    Args:
        data: The flatbuffer; it must be of the schema's root type.
        schema: The schema's file, relative to the package executorch.

    Raises:
        ImportError: ExecuTorch is not installed.
        ValueError: The data isn't of this schema.
    """
    package = files("executorch")
    with (
        tempfile.TemporaryDirectory() as folder,
        as_file(package.joinpath("data/bin/flatc")) as flatc,
        as_file(package.joinpath(schema)) as schema_file,
    ):
        binary = Path(folder, "data.bin")
        binary.write_bytes(data)
        command = [str(flatc), "--json", "--strict-json", "--raw-binary", "--defaults-json"]
        done = subprocess.run(
            [*command, "-o", folder, str(schema_file), "--", str(binary)],
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )
        if done.returncode:
            raise ValueError(f"a part of it doesn't follow {Path(schema).name}")
        text = binary.with_suffix(".json").read_bytes()
    read: dict[str, Any] = json.loads(_NOT_FINITE.sub(b"null", text))
    return read


# flatc writes bounds that a clamp lacks as ``inf``, which is no JSON.
_NOT_FINITE = re.compile(rb"(?<=[\s\[,:])[-+]?(inf|nan)(?=[\s\],}])")
