"""What outlives a process that is killed: it ends its children, and removes their files.

Run by its path (``python -I -S keeper.py FOLDER``), so that nothing of ours or of others is
imported. The standard input names process groups, a line each: ``12`` is one, ``-12`` is none any
more. Its end is the end of the process that we are to outlive.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time

__all__ = ["main"]

# What is being killed may still be writing: it is looked for so often, so many seconds apart.
_TIMES, _SECONDS = 20, 0.05


def main(folder: str) -> None:
    """Wait for the end, and clear up."""
    for name in ("SIGHUP", "SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin.buffer:
        number = int(line)
        (groups.add if number > 0 else groups.discard)(abs(number))
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    for _ in range(_TIMES):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return
        time.sleep(_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1])
