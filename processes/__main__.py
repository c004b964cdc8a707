"""What a child runs: ``python -m maskport.processes MODULE:FUNCTION ARGUMENTS``.

The function is called with the `Parent` and the arguments; the process ends with it.
"""

from __future__ import annotations

import sys

from ..loading import load
from .inside import Parent


def main(function: str, *arguments: str) -> None:
    """Take over the streams first: what SDKs print while they are imported is no message."""
    parent = Parent()
    load(function)(parent, *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
