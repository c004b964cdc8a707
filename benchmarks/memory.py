"""Peak memory and time of a command with all its processes, sampled ten times a second.

    python benchmarks/memory.py maskport export u2net --weights random:0 --targets …

Counts proportional set size, so memory that processes share is counted once. Linux only.
"""

from __future__ import annotations

import sys
import time

import psutil


def main() -> None:
    started = time.perf_counter()
    process = psutil.Popen(sys.argv[1:])
    peak = 0
    while process.poll() is None:
        peak = max(peak, _memory(process))
        time.sleep(0.1)
    seconds = time.perf_counter() - started
    print(f"exit code {process.returncode}, {seconds:.0f} s, peak {peak / 2**30:.1f} GiB")


def _memory(process: psutil.Process) -> int:
    total = 0
    for member in (process, *process.children(recursive=True)):
        try:
            total += member.memory_full_info().pss
        except psutil.Error:
            continue  # it has just ended
    return total


if __name__ == "__main__":
    main()
