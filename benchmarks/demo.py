"""The demonstration weights: from runs of `maskport train` to the package and to demo.md.

    python benchmarks/demo.py ship runs/small runs/middle runs/large
    python benchmarks/demo.py show --images ../shared/images/salient/images \
        --masks ../shared/images/salient/u2net_masks

`ship` writes the last run's best weights as float16 into the package, and the loss curve of all
runs into demo/. `show` draws photos with the masks of the authors' U²-Net and of the demonstration.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file

from maskport.imaging.convert import mask_for_photo, photo_to_input
from maskport.imaging.photos import read_photo
from maskport.imaging.truth import read_mask
from maskport.models.catalog import entry
from maskport.models.checkpoints import load_weights
from maskport.models.prepared import Reference
from maskport.svg import Axis, Dot, Line, Text, across, document, upright
from maskport.training.datasets import find_pairs

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "benchmarks" / "demo"
# Of the curve: pixels, and steps that a point is the mean of.
WIDTH, HEIGHT, SMOOTHED = 720, 300, 10
# Height of a photo in a picture, and how many fit into a row.
ROW, COLUMNS = 120, 2


def ship(runs: list[Path]) -> None:
    """Put a run's best weights into the package."""
    known = entry("demo")
    file = known.shipped_file
    if file is None:
        raise SystemExit("The catalog's demo has no file of its own.")
    network = known.build()
    load_weights(network, runs[-1] / "best.safetensors")
    halves = {
        name: tensor.half().contiguous()
        for name, tensor in load_file(runs[-1] / "best.safetensors").items()
        if tensor.is_floating_point()
    }
    file.parent.mkdir(exist_ok=True)
    save_file(halves, file, {"format": "pt"})
    FIGURES.mkdir(parents=True, exist_ok=True)
    (FIGURES / "loss.svg").write_text(_curve(runs), encoding="utf-8")
    # What rounding costs: both draw the same photo.
    network.requires_grad_(False)
    photo = torch.rand(1, 3, 320, 320, generator=torch.Generator().manual_seed(0))
    exact = Reference(network, known.spec)(photo)
    load_weights(network, file)
    cost = float((Reference(network, known.spec)(photo) - exact).abs().max())
    print(f"{file}: {file.stat().st_size:,} bytes; float16 moves the mask of noise by {cost:.1e}")


def show(images: Path, masks: Path) -> None:
    """Draw each photo, the mask it is held against, and the demonstration's, side by side."""
    known = entry("demo")
    network = known.build()
    load_weights(network, known.shipped_file or Path())
    reference = Reference(network, known.spec)
    panels = []
    for pair in find_pairs(images, masks, print):
        photo = read_photo(pair.photo)
        drawn = reference.draw(photo_to_input(photo, known.spec.image), "cpu")[0]
        mask = mask_for_photo(drawn, known.spec.mask, *photo.shape[:2])[0]
        parts = [photo, _gray(read_mask(pair.mask)), _gray(mask)]
        panels.append(np.concatenate([_of_height(part, ROW) for part in parts], 1))
    width = max(panel.shape[1] for panel in panels)
    rows = [_padded(panel, width + 8, ROW + 8) for panel in panels]
    rows += [np.full_like(rows[0], 255)] * (-len(rows) % COLUMNS)
    lines = [np.concatenate(rows[i : i + COLUMNS], 1) for i in range(0, len(rows), COLUMNS)]
    FIGURES.mkdir(parents=True, exist_ok=True)
    target = FIGURES / "salient.jpg"
    Image.fromarray(np.concatenate(lines)).save(target, quality=80)
    print(f"{target}: {len(panels)} photos")


def _gray(mask: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.repeat(np.rint(mask * 255).astype(np.uint8)[..., None], 3, 2)


def _of_height(pixels: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    width = max(1, round(pixels.shape[1] * height / pixels.shape[0]))
    scaled = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(scaled)


def _padded(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    paper = np.full((height, width, 3), 255, np.uint8)
    paper[4 : 4 + pixels.shape[0], 4 : 4 + pixels.shape[1]] = pixels
    return paper


def _curve(runs: list[Path]) -> str:
    """Loss of the fused map and max-F over the hours, as SVG; a line where a run begins."""
    losses, scores, starts, hours = [], [], [], 0.0
    for run in runs:
        lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
        starts.append(hours)
        steps = [line for line in lines if "fused" in line]
        for first in range(0, len(steps), SMOOTHED):
            part = steps[first : first + SMOOTHED]
            middle = part[len(part) // 2]["seconds"] / 3600
            losses.append((hours + middle, float(np.mean([line["fused"] for line in part]))))
        found = [line for line in lines if "max_f" in line]
        scores += [(hours + line["seconds"] / 3600, line["max_f"]) for line in found]
        hours += lines[-1]["seconds"] / 3600
    top = max(value for _, value in losses)

    x = Axis(0, hours, 40, WIDTH - 36)
    loss, score = Axis(0, top, HEIGHT - 30, 20), Axis(0, 1, HEIGHT - 30, 20)
    quarters = [(hours * part / 4, f"{hours * part / 4 * 60:.0f} min") for part in range(5)]
    shapes = [
        *upright(x, [(start, "") for start in starts], 20, HEIGHT - 30),
        *(Text("tick", x.place(at), HEIGHT - 10, label, "middle") for at, label in quarters),
        *across(loss, [(0, "0"), (top, f"{top:.1f}")], 40, WIDTH - 36),
        Text("past-text", WIDTH - 30, 24, "1"),
        Text("own-text", WIDTH // 2 - 60, 14, "loss of the mask", "end"),
        Text("past-text", WIDTH // 2 - 40, 14, "max-F on held-out scenes"),
        Line("curve", tuple((x.place(at), loss.place(value)) for at, value in losses)),
        *(Dot("past", x.place(at), score.place(value), 3) for at, value in scores),
    ]
    return document(shapes, WIDTH, HEIGHT, "loss and max-F over the hours")


def main() -> None:
    how = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=how)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("ship").add_argument("runs", nargs="+", type=Path)
    shown = commands.add_parser("show")
    shown.add_argument("--images", required=True, type=Path)
    shown.add_argument("--masks", required=True, type=Path)
    arguments = parser.parse_args()
    if arguments.command == "ship":
        ship(arguments.runs)
    else:
        show(arguments.images, arguments.masks)


if __name__ == "__main__":
    main()
