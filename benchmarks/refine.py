"""What `--refine` gains: a small mask at the photo's size, bilinearly and by the guided filter.

    python benchmarks/refine.py photos/ --weights isnet.onnx [--side 320] [--drawn] [--try]
    python benchmarks/refine.py --scenes 6

IS-Net's mask at 1024x1024 is the reference. It is scaled down to what a network of ``--side`` would
give at best, or drawn by IS-Net itself at that size (``--drawn``), and brought back either way;
both are held against the reference at the photo's size. ``--scenes`` takes generated scenes of 12
megapixels in place of photos, and their exact masks for the reference. ``--try`` does that for
other radii and epsilons of the filter.
"""

from __future__ import annotations

import argparse
import itertools
import time
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from maskport import open_segmenter
from maskport.apps import Segmenter
from maskport.apps.refine import EPSILON, RADIUS, refined
from maskport.imaging.convert import photo_to_input, stretched
from maskport.imaging.photos import list_photos, read_photo
from maskport.metrics.boundary import boundary_f_measure
from maskport.metrics.overlap import intersection_over_union
from maskport.scenes import scene


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="?")
    parser.add_argument("--weights", help="of IS-Net")
    parser.add_argument("--scenes", type=int, default=0)
    parser.add_argument("--side", type=int, default=320)
    parser.add_argument("--drawn", action="store_true", help="by the network at --side")
    parser.add_argument("--try", dest="tries", action="store_true")
    arguments = parser.parse_args()
    side = arguments.side
    if arguments.scenes:
        scenes = [scene(seed, 3000, 4000) for seed in range(arguments.scenes)]
        photos, masks = [one.photo for one in scenes], [one.mask for one in scenes]
    else:
        photos = [read_photo(path) for path in list_photos(arguments.photos).paths]
        with open_segmenter(arguments.weights, network="isnet") as segmenter:
            masks = [segmenter.masks(photo)[0] for photo in photos]
    smalls = [
        np.asarray(Image.fromarray(mask).resize((side, side), Image.Resampling.BOX))
        for mask in masks
    ]
    if arguments.drawn:
        with open_segmenter(arguments.weights, network="isnet", size=side) as segmenter:
            smalls = [at_its_size(segmenter, photo) for photo in photos]
    pairs = list(zip(photos, masks, smalls, strict=True))

    def told(name: str, draw: object) -> None:
        began = time.perf_counter()
        drawn = [draw(small, photo) for photo, _, small in pairs]
        seconds = time.perf_counter() - began
        print(f"{name:28} {scores(drawn, [mask for _, mask, _ in pairs])}  {seconds:.1f} s")

    told("bilinear", bilinear)
    ways = [(RADIUS, EPSILON)]
    if arguments.tries:
        ways = list(itertools.product((1, 2, 3, 4, 6), (1e-5, 1e-4, 1e-3)))
    for radius, epsilon in ways:
        told(f"guided, {radius}, {epsilon:g}", partial(guided, radius=radius, epsilon=epsilon))


def at_its_size(segmenter: Segmenter, photo: np.ndarray) -> np.ndarray:
    drawn = segmenter.draw(photo_to_input(photo, segmenter.spec.image))[0]
    return stretched(drawn, segmenter.spec.mask)[0]


def bilinear(small: np.ndarray, photo: np.ndarray) -> np.ndarray:
    size = (photo.shape[1], photo.shape[0])
    return np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BILINEAR))


def guided(small: np.ndarray, photo: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    return refined(small[None], photo, radius, epsilon)[0]


def scores(drawn: list[np.ndarray], masks: list[np.ndarray]) -> str:
    errors = [np.abs(a - b).mean() for a, b in zip(drawn, masks, strict=True)]
    overlaps = [
        float(intersection_over_union(a[None, None], b[None, None], 0.5)[0])
        for a, b in zip(drawn, masks, strict=True)
    ]
    edges = [boundary(a, b) for a, b in zip(drawn, masks, strict=True)]
    return (
        f"MAE {np.mean(errors):.5f}  IoU {np.mean(overlaps):.4f}  boundary F {np.mean(edges):.4f}"
    )


def boundary(a: np.ndarray, b: np.ndarray) -> float:
    return float(boundary_f_measure(a[None, None], b[None, None], tolerance=1.5)[0])


if __name__ == "__main__":
    main()
