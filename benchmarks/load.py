"""Many photos: is progress seen from the first second, does the main process stay as small, and is
it as fast with two thousand as with two hundred?

    python benchmarks/load.py [--photos 200 2000] [--pairs 500 5000] [--masks]

A tiny network, so that what maskport itself takes for each photo shows. ``validate`` and
``evaluate`` run as commands, in processes of their own, and are looked at from here: lines on
stderr with their times, resident memory every 50 ms, and the photos that went by meanwhile.
"""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from maskport import export
from maskport.models.seeding import seeded
from maskport.models.u2net import FLAT, Stage, U2Net
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

SIDE = 64
# As progress is told where there is no terminal: of the first photo, and of the last.
COUNTED = r"(?:comparing 1/|: 1 of )(\d+)"
ENDED = r"onnx-fp32 +compared|: (\d+) of \1"
STAGES = (
    Stage("stage1", 4, 3, 2, 4),
    Stage("stage2", FLAT, 4, 2, 4),
    Stage("stage1d", 4, 8, 2, 4),
)


def network() -> U2Net:
    """What both commands run; ``--network load:network``."""
    made = U2Net(STAGES, 1).eval()
    seeded(made, 0, (SIDE, SIDE))
    return made


def photos(folder: Path, count: int) -> Path:
    """Small ones with masks beside them, in ``images`` and ``masks``."""
    numbers = np.random.default_rng(count)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    rows, columns = np.mgrid[:96, :128]
    for position in range(count):
        y, x, radius = numbers.uniform((20, 20, 8), (76, 108, 30))
        inside = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
        colors = numbers.integers(0, 256, (2, 3))
        noise = numbers.integers(-12, 13, (96, 128, 3))
        pixels = np.clip(np.where(inside[..., None], *colors) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{position:05d}.jpg", quality=90)
        mask = Image.fromarray(np.uint8(inside) * 255)
        mask.save(folder / "masks" / f"{position:05d}.png")
    return folder


@dataclass
class Seen:
    """What was seen of a command."""

    began: float = field(default_factory=time.monotonic)
    lines: list[tuple[float, str]] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    ended: float = 0.0

    def first(self) -> float:
        return self.lines[0][0]

    def silence(self) -> float:
        """The longest time without a line."""
        times = [0.0, *(at for at, _ in self.lines), self.ended]
        return max(b - a for a, b in itertools.pairwise(times))

    def rate(self) -> float:
        """Photos a second between the line of the first one and that of the end."""
        found = [(at, re.search(COUNTED, line)) for at, line in self.lines]
        began, first = next((at, match) for at, match in found if match)
        count = int(first[1])
        ended = next(at for at, line in self.lines if at > began and re.search(ENDED, line))
        return (count - 1) / (ended - began)


def run(*arguments: str) -> Seen:
    """Run a command of maskport to its end."""
    seen = Seen()
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "maskport", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )

    def watch() -> None:
        own = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                resident = own.memory_info().rss / 1e6
            except psutil.NoSuchProcess:
                break
            seen.memory.append((time.monotonic() - seen.began, resident))
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert process.stderr is not None
    for line in process.stderr:
        seen.lines.append((time.monotonic() - seen.began, line.rstrip()))
    code = process.wait()
    watcher.join()
    seen.ended = time.monotonic() - seen.began
    if code not in {0, 1}:
        sys.exit("\n".join(line for _, line in seen.lines))
    return seen


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", nargs="*", type=int, default=[200, 2000])
    parser.add_argument("--pairs", nargs="*", type=int, default=[500, 5000])
    parser.add_argument("--masks", action="store_true", help="Validate with ground truth.")
    given = parser.parse_args()
    columns = ("command", "photos", "photos/s", "MB, most", "first line", "silence", "seconds")
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    with tempfile.TemporaryDirectory() as scratch:
        spec = ModelSpec("tiny", ImageSpec(SIDE, SIDE), MaskSpec(), output=0)
        out = Path(scratch) / "tiny"
        bundle = export("load:network", spec=spec, targets="onnx-fp32", out=out)
        for command, counts in (("validate", given.photos), ("evaluate", given.pairs)):
            for count in counts:
                folder = photos(Path(scratch) / f"{command}-{count}", count)
                images = ["--images", str(folder / "images")]
                if command == "validate":
                    options = [str(out), *images, "--network", "load:network", "--no-latency"]
                else:
                    options = [str(bundle.file("onnx-fp32")), *images]
                if command == "evaluate" or given.masks:
                    options += ["--masks", str(folder / "masks")]
                seen = run(command, *options)
                most = max(resident for _, resident in seen.memory)
                numbers = (
                    f"{seen.rate():.0f}",
                    f"{most:.0f}",
                    f"{seen.first():.1f} s",
                    f"{seen.silence():.1f} s",
                    f"{seen.ended:.1f}",
                )
                print(f"| {command} | {count} | {' | '.join(numbers)} |", flush=True)


if __name__ == "__main__":
    main()
