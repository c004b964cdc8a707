"""What a child does to itself before it runs what may be anything."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

__all__ = ["confine", "forbid_writing", "landlock_version", "peak_memory"]

# Linux's own numbers: `man 7 landlock`, include/uapi/linux/landlock.h; the same on all processors.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_EXECUTE, _WRITE_FILE = 1 << 0, 1 << 1
# Removing and making files, folders, links, pipes, sockets and devices.
_CHANGE = sum(1 << bit for bit in range(4, 13))
_REFER, _TRUNCATE = 1 << 13, 1 << 14  # of the versions 2 and 3
_TCP = 0b11  # binding and connecting; of version 4
_OUTSIDE = 0b11  # abstract sockets and signals; of version 6
_NO_NEW_PRIVILEGES = 38


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


def landlock_version() -> int:
    """Which version of Landlock the kernel has; 0 where it has none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_system().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)))


def forbid_writing(folder: Path) -> bool:
    """Take from this process, for good, what reading a file and computing don't need.

    That is: changing files outside of a folder, starting programs, TCP connections and signals to
    others. By Landlock, and as far as its version goes (`landlock_version`). It holds for this
    thread and for those that it starts from here on, and what is open stays so. Devices can be
    written to, as far as the user can.

    Args:
        folder: Where it may write.

    Returns:
        Whether the kernel does it.
    """
    version = landlock_version()
    if not version:
        return False
    system = _system()
    writing = _WRITE_FILE | (_TRUNCATE if version >= 3 else 0)
    changing = writing | _CHANGE | (_REFER if version >= 2 else 0)
    handled = (ctypes.c_uint64 * 3)(changing | _EXECUTE, _TCP, _OUTSIDE)
    known = 8 * (1 + (version >= 4) + (version >= 6))
    rules = system.syscall(_CREATE_RULESET, ctypes.byref(handled), ctypes.c_size_t(known), 0)
    if rules < 0:
        return False
    try:
        for place, rights in ((folder, changing), (Path("/dev"), writing)):
            opened = os.open(place, os.O_PATH | os.O_CLOEXEC)
            try:
                rule = _Beneath(rights, opened)
                if system.syscall(_ADD_RULE, rules, 1, ctypes.byref(rule), 0):
                    return False
            finally:
                os.close(opened)
        if system.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            return False
        return not system.syscall(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


class _Beneath(ctypes.Structure):
    """``struct landlock_path_beneath_attr``."""

    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def _system() -> ctypes.CDLL:
    system = ctypes.CDLL(None, use_errno=True)
    system.syscall.restype = ctypes.c_long
    return system


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
