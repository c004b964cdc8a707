"""Damaged files by hand: a table of what became of them, and each fault.

    python -m tests.fuzz [CLASS…] [--first 0] [--count 10000] [--processes 2]

All classes where none is named, but for those of formats that end in ``-unforked``: each of their
files has a process that is started, which takes seconds.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from .run import Tally, run
from .subjects import SUBJECTS

COLUMNS = ("accepted", "unexpected", "crash", "hang")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="CLASS", help=", ".join(SUBJECTS))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    names = options.names or [name for name in SUBJECTS if not name.endswith("-unforked")]
    faults = 0
    print(
        "| class | tries | refused | accepted | unexpected | crashes | hangs | of the refused, "
        "the file's process died | slowest | memory |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|---|--:|--:|")
    with ThreadPoolExecutor(options.processes) as pool:
        jobs = [pool.submit(run, [name], options.first, options.count) for name in names]
        for job in jobs:
            for tally in job.result().values():
                print(row(tally), flush=True)
                print(*tally.faults, sep="\n", file=sys.stderr)
                faults += len(tally.faults)
    return 1 if faults else 0


def row(tally: Tally) -> str:
    counts = tally.outcomes
    died = {kind: n for kind, n in sorted(counts.items()) if kind.startswith("refused")}
    refused = sum(died.values())
    died.pop("refused", None)
    ends = ", ".join(f"{n:,} {kind.partition(', ')[2]}" for kind, n in died.items()) or "–"
    numbers = (counts.total(), refused, *(counts[column] for column in COLUMNS))
    cells = [f"{number:,}" for number in numbers]
    seconds, memory = f"{tally.slowest:.2f} s", f"{tally.memory / 1e6:.0f} MB"
    return f"| {' | '.join((tally.name, *cells, ends, seconds, memory))} |"


if __name__ == "__main__":
    sys.exit(main())
