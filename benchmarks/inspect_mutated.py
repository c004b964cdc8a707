"""`maskport inspect` on every artifact of a bundle and on damaged ones: an answer or an error each.

    python benchmarks/inspect_mutated.py exports/demo [--count 200] [--seed 0] [--time-limit 60]

Bytes are flipped, files cut off, filled with zeros or noise, or given another format's name; of
folders one file is. Each must be read or refused as a damaged file (exit code 2), within its
limits. Files of one format follow one another in one process, so that its SDK is imported once; a
file that ends the process costs another start. Ends with code 1 where anything else came.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from maskport.artifacts.bundle import load_bundle
from maskport.errors import ArtifactError
from maskport.formats import FORMATS
from maskport.runtimes.inspect.isolated import Inspector

Random = np.random.Generator
Mutation = Callable[[bytes, Random], bytes]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--time-limit", type=float, default=60)
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    artifacts = sorted(bundle.manifest.artifacts, key=lambda artifact: artifact.format)
    random = np.random.default_rng(options.seed)
    outcomes: Counter[tuple[str, str]] = Counter()
    surprises: list[str] = []
    started = time.perf_counter()
    with Inspector(options.time_limit) as inspector, tempfile.TemporaryDirectory() as folder:
        for number, artifact in enumerate(artifacts):
            original = bundle.path / artifact.path
            outcome = _outcome(inspector, original)
            outcomes["whole", outcome] += 1
            if outcome != "read":
                surprises.append(f"{original.name}: {outcome}")
            for copy in range(number, options.count, len(artifacts)):
                name = sorted(MUTATIONS)[copy % len(MUTATIONS)]
                path = _mutated(original, Path(folder), name, random)
                outcome = _outcome(inspector, path)
                outcomes[name, outcome] += 1
                if outcome not in {"read", "refused", "refused, process lost"}:
                    surprises.append(f"{artifact.target}, {name}: {outcome}")
                _remove(path)
    print(f"{outcomes.total()} files in {time.perf_counter() - started:.0f} s")
    for (name, outcome), count in sorted(outcomes.items()):
        print(f"{name:20} {outcome:24} {count:4}")
    print(*surprises, sep="\n")
    return 1 if surprises else 0


def _outcome(inspector: Inspector, path: Path) -> str:
    began = time.perf_counter()
    try:
        inspector.inspect(path)
    except ArtifactError as exc:
        slow = time.perf_counter() - began > 3 * inspector.time_limit
        if slow or not exc.what or "Traceback" in exc.what:
            return f"{exc.what!r} after {time.perf_counter() - began:.0f} s"
        return "refused, process lost" if exc.what.startswith("The process") else "refused"
    except Exception as exc:  # whatever it is, it is a fault
        return f"{type(exc).__name__}: {exc}"
    return "read"


def _mutated(original: Path, folder: Path, name: str, random: Random) -> Path:
    """A damaged copy of a file, or of a folder with one damaged file."""
    suffixes = [suffix for row in FORMATS.values() for suffix in row.suffixes]
    suffix = str(random.choice(suffixes)) if name == "other name" else original.suffix
    path = folder / f"mutated{suffix}"
    if original.is_dir():
        shutil.copytree(original, path)
        files = sorted(file for file in path.rglob("*") if file.is_file())
        file = files[int(random.integers(len(files)))]
    else:
        shutil.copyfile(original, path)
        file = path
    file.write_bytes(MUTATIONS[name](file.read_bytes(), random))
    return path


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _flipped(count: int) -> Mutation:
    def flip(data: bytes, random: Random) -> bytes:
        values = np.frombuffer(data, np.uint8).copy()
        if values.size:
            places = random.integers(values.size, size=count)
            values[places] ^= random.integers(1, 256, count, np.uint8)
        return values.tobytes()

    return flip


def _at_the_head(data: bytes, random: Random) -> bytes:
    """Where headers and tables lie."""
    return _flipped(4)(data[:256], random) + data[256:]


def _cut(data: bytes, random: Random) -> bytes:
    return data[: int(random.integers(len(data) + 1))]


def _hole(data: bytes, random: Random) -> bytes:
    start, length = int(random.integers(len(data) + 1)), int(random.integers(1, 4096))
    return data[:start] + bytes(len(data[start : start + length])) + data[start + length :]


def _doubled(data: bytes, random: Random) -> bytes:
    start = int(random.integers(len(data) + 1))
    return data[:start] + data[start : start + 1000] + data[start:]


MUTATIONS: dict[str, Mutation] = {
    "1 byte": _flipped(1),
    "20 bytes": _flipped(20),
    "at the head": _at_the_head,
    "cut off": _cut,
    "a hole of zeros": _hole,
    "a part twice": _doubled,
    "zeros": lambda data, random: bytes(len(data)),
    "noise": lambda data, random: random.bytes(len(data)),
    "nothing": lambda data, random: b"",
    "other name": lambda data, random: data,
}


if __name__ == "__main__":
    sys.exit(main())
