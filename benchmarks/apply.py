"""How much of `maskport apply cutout`'s time is reading, drawing and writing.

    python benchmarks/apply.py exports/sky --target tflite-int8 --count 1000 --workers 2

Generated scenes are written as JPEG files and cut out by the command. Then the same photos are
read, drawn and written by as many threads, and nothing else: what the command can't be faster than.
Its share of that is printed; with ``--kill`` it is killed half-way and resumed, and one file is
broken.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from PIL import Image

from maskport import open_segmenter
from maskport.apps.batch import save
from maskport.imaging.convert import photo_to_input
from maskport.imaging.photos import read_picture
from maskport.scenes import scene

SIZE = (640, 480)
SCENES = 40  # of which all photos are copies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what")
    parser.add_argument("--target")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kill", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        photos = write_photos(folder / "photos", arguments.count)
        command = [sys.executable, "-m", "maskport", "apply", "cutout", str(folder / "photos")]
        command += ["--with", arguments.what, "--out", str(folder / "cut")]
        command += ["--workers", str(arguments.workers), "--threads", "1"]
        if arguments.target:
            command += ["--target", arguments.target]
        if arguments.kill:
            killed(command, folder)
        began = time.perf_counter()
        subprocess.run([*command, "--overwrite"], check=True, stderr=subprocess.DEVNULL)
        ours = time.perf_counter() - began
        plain = by_itself(photos, folder / "cut", arguments)
        print(
            f"{len(photos)} photos: the command {len(photos) / ours:.2f} a second with its start; "
            f"reading, drawing and writing alone {len(photos) / plain:.2f}; "
            f"{plain / ours:.2f} of it"
        )


def write_photos(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    made = [
        Image.fromarray(scene(seed, SIZE[1], SIZE[0]).photo) for seed in range(min(count, SCENES))
    ]
    paths = [folder / f"{number:05}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        made[number % len(made)].save(path, quality=90)
    return paths


def by_itself(photos: list[Path], cut: Path, arguments: argparse.Namespace) -> float:
    """Seconds of the same work without colors, cleaning, names and progress; all is open, and the
    command's own results are written."""
    results = [Image.open(cut / f"{path.stem}.png") for path in photos[:SCENES]]
    for result in results:
        result.load()
    with ExitStack() as stack, tempfile.TemporaryDirectory() as out:
        idle = SimpleQueue()
        for _ in range(arguments.workers):
            way = open_segmenter(arguments.what, target=arguments.target, threads=1)
            idle.put(stack.enter_context(way))
        pool = stack.enter_context(ThreadPoolExecutor(arguments.workers))

        def one(number: int) -> None:
            pixels = np.asarray(read_picture(photos[number]))
            segmenter = idle.get()
            segmenter.draw(photo_to_input(pixels, segmenter.spec.image))
            idle.put(segmenter)
            save(results[number % SCENES], Path(out) / f"{number}.png")

        began = time.perf_counter()
        list(pool.map(one, range(len(photos))))
        return time.perf_counter() - began


def killed(command: list[str], folder: Path) -> None:
    """Kill it when a third is made, break a file, and resume."""
    photos = sorted((folder / "photos").iterdir())
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while len(list((folder / "cut").glob("[!.]*.png"))) < len(photos) // 3:
        assert running.poll() is None, "it ended before it was killed"
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    time.sleep(1)
    there = {path: path.stat().st_mtime_ns for path in (folder / "cut").glob("[!.]*.png")}
    last = photos[-1]
    whole = last.read_bytes()
    last.write_bytes(b"broken")
    ended = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=False)
    print(f"killed at {len(there)}; resumed, exit code {ended.returncode}: {ended.stdout.strip()}")
    print(ended.stderr.strip().splitlines()[-1])
    made = sorted((folder / "cut").glob("[!.]*.png"))
    assert [path.stem for path in made] == [path.stem for path in photos[:-1]]
    assert all(path.stat().st_mtime_ns == changed for path, changed in there.items())
    last.write_bytes(whole)
    shutil.rmtree(folder / "cut")


if __name__ == "__main__":
    main()
