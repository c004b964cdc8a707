"""A few hundred steps on generated scenes: a mask that means something, and few minutes.

Random weights amplify rounding as no trained network does, so files are not judged by them.
Scenes are hard for small networks, so these are lit: the object warm, its surroundings cold.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F

from maskport.models.factory import build
from maskport.models.outputs import select_output
from maskport.models.prepared import Normalize, Reference
from maskport.scenes import scene
from maskport.scenes.seeds import EVALUATION, TRAINING

from .table import ZOO, Row, row_of

__all__ = ["CACHE", "iou_of", "scenes", "trained"]

CACHE = Path(os.environ.get("MASKPORT_ZOO_CACHE", Path.home() / ".cache" / "maskport-zoo"))

STEPS, BATCH, RATE = 240, 8, 4e-3
SCENES, HELD_OUT = 640, 32
# Two lights, in RGB bytes, and how strong they are beside a scene's own.
WARM, COLD, STRENGTH = (235, 150, 60), (50, 110, 190), 0.35
# Of the border's band in pixels, one of the classes.
BAND = 2

Pixels = NDArray[np.uint8]


def trained(row: Row, steps: int = STEPS) -> Path:
    """The row's weights, from the cache or trained now; the same on the same machine.

    Args:
        row: Of the zoo.
        steps: Of Adam, eight scenes each.

    Returns:
        A ``.safetensors`` file.
    """
    file = CACHE / f"{row.name}-{_key(row, steps)}.safetensors"
    if not file.exists():
        network = build(row.reference)
        _train(network, row, steps)
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{os.getpid()}")
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, partial)
        partial.replace(file)
    return file


@cache
def scenes(first: int, count: int, height: int, width: int) -> tuple[Pixels, NDArray[np.float32]]:
    """Photos (N, H, W, 3) and masks (N, H, W) in [0, 1] of seeds from ``first``, in two lights."""
    drawn = [scene(seed, height, width) for seed in range(first, first + count)]
    masks = np.stack([d.mask for d in drawn])
    light = masks[..., None] * np.subtract(WARM, COLD, dtype=np.float32) + np.float32(COLD)
    photos = (1 - STRENGTH) * np.stack([d.photo for d in drawn]) + STRENGTH * light
    return photos.round().astype(np.uint8), masks


def iou_of(network: nn.Module, row: Row) -> float:
    """Of the object with the truth, mean over held-out scenes."""
    image = row.spec.image
    photos, masks = scenes(EVALUATION, HELD_OUT, image.height, image.width)
    drawn = Reference(network, row.spec).draw(_as_input(photos), "cpu")
    found = drawn[:, 0] >= 0.5 if drawn.shape[1] == 1 else drawn.argmax(1) > 0
    truth = masks >= 0.5
    both, either = (found & truth).sum((1, 2)), (found | truth).sum((1, 2))
    return float((both / np.maximum(either, 1)).mean())


def _as_input(photos: Pixels) -> NDArray[np.float32]:
    return np.ascontiguousarray(photos.transpose(0, 3, 1, 2), np.float32) / np.float32(255)


def _key(row: Row, steps: int) -> str:
    """Of the code, however it is laid out, and of all that training is told."""
    here = Path(__file__).parent
    module = row.factory.partition(":")[0]
    files = (here / "networks" / f"{module}.py", here / "networks" / "layers.py", Path(__file__))
    code = "".join(ast.dump(ast.parse(file.read_text(encoding="utf-8"))) for file in files)
    found = hashlib.sha256(code.encode())
    found.update(repr((row.factory, sorted(row.options.items()), row.loss, steps)).encode())
    return found.hexdigest()[:12]


def _train(network: nn.Module, row: Row, steps: int) -> None:
    """In place, and back to evaluation."""
    image = row.spec.image
    photos, masks = scenes(TRAINING, min(SCENES, 3 * steps), image.height, image.width)
    inputs = Normalize(image)(torch.from_numpy(_as_input(photos)))
    truths = torch.from_numpy(_classes(masks, row) if row.loss == "classes" else masks[:, None])
    with torch.random.fork_rng(), one_thread():
        torch.manual_seed(0)
        for module in network.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
        optimizer = torch.optim.Adam(network.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps, pct_start=0.2)
        network.train()
        for step in range(steps):
            chosen = torch.randint(len(inputs), (BATCH,))
            x, truth = inputs[chosen], truths[chosen]
            if step % 2:
                x, truth = x.flip(3), truth.flip(-1)
            optimizer.zero_grad()
            _loss(network, row, x, truth).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    network.eval()


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums have one order, whatever else the machine does, and small maps gain little from two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _loss(network: nn.Module, row: Row, x: Tensor, truth: Tensor) -> Tensor:
    # Where what comes out has no slope, networks have their logits apart.
    apart = getattr(network, "logits", None)
    given = select_output(network(x), row.spec) if apart is None else apart(x)
    if row.loss == "classes":
        return F.cross_entropy(given, truth)
    if row.loss == "distance":
        return F.l1_loss(given, truth)
    overlap = (given.sigmoid() * truth).sum((1, 2, 3))
    total = (given.sigmoid() + truth).sum((1, 2, 3))
    dice = 1 - ((2 * overlap + 1) / (total + 1)).mean()
    return F.binary_cross_entropy_with_logits(given, truth) + dice


def _classes(masks: NDArray[np.float32], row: Row) -> NDArray[np.int64]:
    """0 beside, 1 on the object, and 2 in a band inside its border where there are so many."""
    inside = masks >= 0.5
    core = ndimage.binary_erosion(inside, np.ones((1, 3, 3)), BAND)
    planes = row.options["channels"]
    return np.minimum(inside.astype(np.int64) + (inside & ~core), planes - 1)


def main() -> None:
    """Train all rows, or those named, and say how well they draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="of rows; all where left out")
    given = parser.parse_args()
    rows = [row_of(name) for name in given.names] or list(ZOO)
    from maskport.models.checkpoints import load_weights

    for row in rows:
        began = time.perf_counter()
        file = trained(row)
        took = time.perf_counter() - began
        network = build(row.reference)
        load_weights(network, file)
        count = sum(p.numel() for p in network.parameters())
        print(
            f"{row.name:16} {count:8,} parameters {took:6.1f} s   IoU {iou_of(network, row):.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
