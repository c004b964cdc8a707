"""What a child does to itself before it runs what may be anything."""

from __future__ import annotations

import ctypes
import signal
import sys
from pathlib import Path

__all__ = ["confine", "peak_memory"]


def confine(memory: int) -> None:
    """Let huge allocations fail here and now; the parent watches what is really used.

    And let the system end this process with its parent: native code that hangs may keep Python's
    threads from running, and so the one that would see it.

    Args:
        memory: Bytes that the process may have resident.
    """
    if sys.platform == "linux":
        import resource

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        # Runtimes map more than they touch (stacks, arenas), so this is far above the limit.
        most = 2 * memory + (2 << 30)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def peak_memory() -> int:
    """The most memory that this process has had resident, in bytes."""
    try:
        # Not ru_maxrss: Linux lets a process inherit its parent's.
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
