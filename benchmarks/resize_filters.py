"""What another filter than maskport's, by which an app shrinks its photo, does to the mask.

    python benchmarks/resize_filters.py u2netp --weights ../shared/weights/u2netp_sky.pth \\
        --images ../shared/images/sky/images

Each photo is brought to the network's size by each filter; the masks are compared with that of
Pillow's bilinear filter, at the network's size, drawn by PyTorch.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from maskport.imaging.convert import mask_for_photo, photo_to_input
from maskport.imaging.photos import list_photos, read_photo
from maskport.models.prepared import Reference
from maskport.models.resolve import load, resolve

Photo = NDArray[np.uint8]
Filter = Callable[[Photo, int, int], Photo]


def four_pixels(photo: Photo, height: int, width: int) -> Photo:
    """Bilinear between the four nearest, as Android's ``createScaledBitmap`` does it."""
    pixels = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float()
    resized = torch.nn.functional.interpolate(pixels, (height, width), mode="bilinear")
    small: Photo = resized[0].permute(1, 2, 0).round().byte().numpy()
    return small


def halved(photo: Photo, height: int, width: int) -> Photo:
    """The same after halving as often as the size allows."""
    while photo.shape[0] >= 2 * height and photo.shape[1] >= 2 * width:
        photo = four_pixels(photo, photo.shape[0] // 2, photo.shape[1] // 2)
    return four_pixels(photo, height, width)


def pillow(resampling: Image.Resampling) -> Filter:
    def filtered(photo: Photo, height: int, width: int) -> Photo:
        return np.asarray(Image.fromarray(photo).resize((width, height), resampling))

    return filtered


FILTERS: dict[str, Filter] = {
    "Pillow's bilinear": pillow(Image.Resampling.BILINEAR),
    "bicubic, of all pixels": pillow(Image.Resampling.BICUBIC),
    "Lanczos, of all pixels": pillow(Image.Resampling.LANCZOS),
    "mean of all pixels": pillow(Image.Resampling.BOX),
    "halved, then bilinear": halved,
    "bilinear of four pixels": four_pixels,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--images", type=Path, required=True)
    given = parser.parse_args()
    found = resolve(given.network, None, None)
    load(found, given.weights, None)
    spec, reference = found.spec, Reference(found.module, found.spec)
    height, width = spec.image.height, spec.image.width
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in FILTERS}
    for path in list_photos(given.images).paths:
        photo = read_photo(path)
        masks = {}
        for name, filtered in FILTERS.items():
            # Of the network's size already, so that nothing resizes it again; its maximum is the
            # whole photo's.
            small = filtered(photo, height, width).copy()
            if spec.image.divide_by == "image-maximum":
                small = np.minimum(small, photo.max())
                small[np.unravel_index(small.argmax(), small.shape)] = photo.max()
            image = torch.from_numpy(photo_to_input(small, spec.image))
            with torch.no_grad():
                mask = reference(image).numpy()[0]
            masks[name] = mask_for_photo(mask, spec.mask, height, width)
        first = masks["Pillow's bilinear"]
        for name, mask in masks.items():
            a, b = first >= spec.mask.threshold, mask >= spec.mask.threshold
            iou = (a & b).sum() / max(1, (a | b).sum())
            seen[name].append((float(np.abs(mask - first).mean()), float(iou)))
        print(path.name, photo.shape, flush=True)
    print("| filter | MAE | worst | IoU | worst |\n|---|--:|--:|--:|--:|")
    for name, figures in seen.items():
        maes, ious = zip(*figures, strict=True)
        print(
            f"| {name} | {np.mean(maes):.4f} | {max(maes):.4f} "
            f"| {np.mean(ious):.4f} | {min(ious):.4f} |"
        )


if __name__ == "__main__":
    main()
