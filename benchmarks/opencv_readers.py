"""What OpenCV's dnn module draws of a bundle's TFLite and ONNX files: prints a table.

    python benchmarks/opencv_readers.py PHOTOS BUNDLE [BUNDLE ...]

Needs opencv-python-headless beside maskport. Every file is read by each of OpenCV's engines, fed as
its manifest says, and its mask compared with that of the file's own runtime.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from maskport.artifacts.bundle import load_bundle
from maskport.artifacts.manifest import Artifact
from maskport.imaging.convert import photo_to_input
from maskport.runtimes.runners import runner_for
from maskport.specs import ModelSpec

# Of 5.x; before, there was one.
ENGINES = {
    name.lower(): {"engine": getattr(cv2.dnn, f"ENGINE_{name}")}
    for name in ("CLASSIC", "NEW", "OPENCV")
    if hasattr(cv2.dnn, f"ENGINE_{name}")
} or {"the only one": {}}
READERS = {"tflite": cv2.dnn.readNetFromTFLite, "onnx": cv2.dnn.readNetFromONNX}


def drawn(artifact: Artifact, path: Path, images: np.ndarray, engine: dict[str, int]) -> np.ndarray:
    """Masks (N, C, H, W) in [0, 1] of photos (N, 3, H, W) in [0, 1]."""
    net = READERS[artifact.format](str(path), **engine)
    given, mask = artifact.inputs[0], artifact.outputs[0]
    masks = []
    for image in images:
        blob = image[None]
        if given.quantization is not None:
            blob = np.rint(blob / given.quantization.scale).astype(given.dtype)
        # OpenCV takes and gives planes, whatever the file's layout.
        net.setInput(np.ascontiguousarray(blob))
        found = np.array(net.forward())
        if found.ndim == 4 and found.shape[1] not in {1, mask.shape[1]}:
            found = found.transpose(0, 3, 1, 2)
        masks.append(found.astype(np.float32))
    scale = mask.quantization.scale if mask.quantization is not None else 1
    return np.concatenate(masks) * scale


def rows(bundle: Path, photos: list[Path]) -> Iterator[tuple[str, str, str]]:
    found = load_bundle(bundle)
    spec = ModelSpec.from_dict(found.manifest.spec)
    images = np.concatenate(
        [photo_to_input(np.asarray(Image.open(p).convert("RGB")), spec.image) for p in photos]
    )
    for artifact in found.manifest.artifacts:
        if artifact.format not in READERS:
            continue
        path = found.file(artifact.target)
        with runner_for(artifact, path) as runner:
            own = np.concatenate([runner.run(image[None]) for image in images])
        for name, engine in ENGINES.items():
            try:
                masks = drawn(artifact, path, images, engine)
                if masks.shape != own.shape:
                    says = f"gives {'x'.join(map(str, masks.shape))}"
                else:
                    says = f"{np.abs(masks - own).mean():.2g}"
            except Exception as exc:
                says = f"refused: {str(exc).strip().splitlines()[-1][:160]}"
            yield artifact.target, name, says


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("bundles", nargs="+", type=Path)
    given = parser.parse_args()
    photos = sorted(path for path in given.photos.iterdir() if path.suffix in {".jpg", ".png"})
    print(f"OpenCV {cv2.__version__}, {len(photos)} photos", file=sys.stderr)
    print("| target | engine | MAE against its own runtime |\n|---|---|---|")
    for bundle in given.bundles:
        for row in rows(bundle, photos):
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
