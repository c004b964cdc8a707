"""How many scenes a second one process draws, photo and mask, at three sizes.

    python benchmarks/scenes.py

Each size is timed in rounds; the fastest and the median round are printed, and how many scenes a
second of processor time draws: on a machine that does other things, that says more.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time

from maskport.scenes import scene

# Height, width, scenes a round.
SIZES = ((160, 160, 40), (320, 320, 40), (960, 1280, 4))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    scene(0)  # imports, fonts
    for height, width, count in SIZES:
        seeds = itertools.count()
        rates = []
        busy = time.process_time()
        for _ in range(arguments.rounds):
            started = time.perf_counter()
            for seed in itertools.islice(seeds, count):
                scene(seed, height, width)
            rates.append(count / (time.perf_counter() - started))
        busy = time.process_time() - busy
        print(
            f"{width:5}x{height:<5}{max(rates):8.1f} scenes/s at best, median "
            f"{statistics.median(rates):.1f}; {arguments.rounds * count / busy:.1f} a second of "
            "processor time"
        )


if __name__ == "__main__":
    main()
