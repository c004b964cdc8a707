"""The masks and the time of rembg's pipeline and of `maskport apply mask`, on one ONNX file.

    python -m venv rembgenv && rembgenv/bin/pip install 'rembg[cpu]'
    maskport adopt u2netp.onnx --network u2netp --weights u2netp.pth --out exports/theirs
    python benchmarks/rembg_masks.py exports/theirs photos/ --python rembgenv/bin/python

The bundle holds the file as rembg runs it: its normalisation is outside, and the network's maps are
its outputs. rembg shrinks photos and enlarges masks by Lanczos; maskport by the filter of the
network's specification, so that ``adopt --resize-filter lanczos`` states theirs. Both stretch a
mask by its extremes. Both open the file once; photos are read and masks written within the time,
one after the other.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from maskport import load_bundle, open_segmenter
from maskport.apps import mask
from maskport.imaging.photos import list_photos, read_picture

THEIRS = """
import sys, time
from pathlib import Path
from PIL import Image
from rembg import new_session, remove
model, out, *photos = sys.argv[1:]
session = new_session("u2net_custom", model_path=model)
remove(Image.open(photos[0]).convert("RGB"), session=session, only_mask=True)
began = time.perf_counter()
for photo in photos:
    made = remove(Image.open(photo).convert("RGB"), session=session, only_mask=True)
    made.save(Path(out) / (Path(photo).stem + ".png"), compress_level=3)
print(time.perf_counter() - began)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--python", required=True, help="of the environment with rembg")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    bundle = load_bundle(arguments.bundle)
    model = bundle.path / bundle.manifest.artifacts[0].path
    photos = [str(path.resolve()) for path in list_photos(arguments.photos).paths]
    with tempfile.TemporaryDirectory() as theirs, tempfile.TemporaryDirectory() as ours:
        ratios = []
        for _ in range(arguments.rounds):
            command = [arguments.python, "-c", THEIRS, str(model.resolve()), theirs, *photos]
            # Models of one's own have to lie in the folder of rembg's.
            home = {"U2NET_HOME": str(model.resolve().parent)}
            said = subprocess.run(
                command, check=True, capture_output=True, text=True, env={**os.environ, **home}
            )
            their_seconds = float(said.stdout.split()[-1])
            our_seconds = by_us(arguments.bundle, photos, Path(ours))
            ratios.append(our_seconds / their_seconds)
            print(f"rembg {their_seconds:.2f} s, maskport {our_seconds:.2f} s: {ratios[-1]:.2f}")
        errors = {Path(photo).stem: difference(photo, theirs, ours) for photo in photos}
    worst = max(errors, key=lambda name: errors[name])
    print(
        f"{len(errors)} photos: MAE {np.mean(list(errors.values())):.4f}, at most "
        f"{errors[worst]:.4f} ({worst}); median ratio of times {np.median(ratios):.2f}"
    )


def by_us(bundle: Path, photos: list[str], out: Path) -> float:
    with open_segmenter(bundle) as segmenter:
        mask(read_picture(Path(photos[0])), segmenter)
        began = time.perf_counter()
        for photo in photos:
            made = mask(read_picture(Path(photo)), segmenter)
            made.save(out / f"{Path(photo).stem}.png", compress_level=3)
        return time.perf_counter() - began


def difference(photo: str, theirs: str, ours: str) -> float:
    name = f"{Path(photo).stem}.png"
    pair = (np.asarray(Image.open(Path(side) / name).convert("L")) for side in (theirs, ours))
    first, second = (values.astype(np.float64) / 255 for values in pair)
    return float(np.abs(first - second).mean())


if __name__ == "__main__":
    main()
