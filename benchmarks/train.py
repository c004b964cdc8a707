"""Training throughput beside a plain loop in the style of the authors' script, in one run.

    python benchmarks/train.py
    python benchmarks/train.py --network u2net --batch 4 --steps 3

Both train the same network on the same JPEG files at 320, cropped to 288: the plain one as most
would write it (float32, PyTorch's own memory layout, one loading process, BCE on probabilities),
ours as `maskport train` runs by default. They take turns, so that a slow minute of the machine hits
both; the first step of each turn is not counted. Then how many scenes a second one process
draws at 320: training on generated scenes stalls where that is less than training eats.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from maskport.models.catalog import entry
from maskport.scenes import scene
from maskport.training.config import TrainingConfig
from maskport.training.loop import TrainingEvent, train

SIZE, CROP = 320, 288
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def write_pairs(folder: Path, count: int) -> None:
    for name in ("photos", "masks"):
        (folder / name).mkdir()
    for seed in range(count):
        drawn = scene(seed, 300, 400)
        Image.fromarray(drawn.photo).save(folder / f"photos/{seed:04}.jpg", quality=92)
        mask = np.round(drawn.mask * 255).astype(np.uint8)
        Image.fromarray(mask).save(folder / f"masks/{seed:04}.png")


class PlainPairs(Dataset):
    """Read, resize, crop, normalise; nothing else."""

    def __init__(self, folder: Path) -> None:
        self.photos = sorted((folder / "photos").iterdir())
        self.masks = sorted((folder / "masks").iterdir())

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        photo = Image.open(self.photos[index]).convert("RGB").resize((SIZE, SIZE))
        mask = Image.open(self.masks[index]).convert("L").resize((SIZE, SIZE))
        top, left = np.random.randint(0, SIZE - CROP, 2)
        window = np.s_[top : top + CROP, left : left + CROP]
        pixels = np.asarray(photo, np.float64)[window]
        pixels = (pixels / pixels.max() - MEAN) / STD
        truth = np.asarray(mask, np.float64)[window] / 255
        return (
            torch.from_numpy(pixels.transpose(2, 0, 1)).float(),
            torch.from_numpy(truth[None]).float(),
        )


def plain_turns(folder: Path, network_name: str, batch: int, steps: int) -> Iterator[float]:
    """Images a second of each turn."""
    torch.manual_seed(0)
    network = entry(network_name).build().train()
    optimizer = torch.optim.Adam(
        network.parameters(), lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0
    )
    cost = nn.BCELoss()
    while True:
        loader = DataLoader(
            PlainPairs(folder), batch_size=batch, shuffle=True, num_workers=1, drop_last=True
        )
        done, running, began = 0, 0.0, 0.0
        while done <= steps:
            for photos, truth in loader:
                optimizer.zero_grad()
                loss = sum(cost(mask, truth) for mask in network(photos))
                loss.backward()
                optimizer.step()
                running += loss.item()
                began = began or time.perf_counter()
                done += 1
                if done > steps:
                    break
        yield batch * steps / (time.perf_counter() - began)


def our_turns(folder: Path, network: str, batch: int, steps: int, out: Path) -> Iterator[float]:
    """Images a second of each turn; each goes on from the one before."""
    turn = 0
    while True:
        turn += 1
        marks: list[float] = []

        def watch(event: TrainingEvent, marks: list[float] = marks) -> None:
            if event.kind == "step":
                marks.append(time.perf_counter())

        length = turn * (steps + 1)
        config = TrainingConfig(
            network,
            images=(str(folder / "photos"),),
            masks=(str(folder / "masks"),),
            batch=batch,
            steps=length,
            every=10**9,
        )
        train(config, out, resume=turn > 1, watch=watch)
        yield batch * steps / (marks[-1] - marks[0])


def scenes_a_second(count: int) -> float:
    began = time.perf_counter()
    for seed in range(count):
        scene(10**8 + seed, SIZE, SIZE)
    return count / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="u2netp")
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--steps", type=int, default=3, help="of a turn")
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pairs(folder, 4 * given.batch)
        plain = plain_turns(folder, given.network, given.batch, given.steps)
        ours = our_turns(folder, given.network, given.batch, given.steps, folder / "run")
        rates = []
        for turn in range(given.turns):
            rates.append((next(plain), next(ours), scenes_a_second(60)))
            print(
                f"turn {turn + 1}: plain loop {rates[-1][0]:.2f} images/s, maskport "
                f"{rates[-1][1]:.2f}, {rates[-1][2]:.1f} scenes/s",
                flush=True,
            )
    slow, fast, drawn = (statistics.median(column) for column in zip(*rates, strict=True))
    print(f"median: maskport {fast / slow:.2f} times the plain loop; scenes are drawn "
          f"{drawn / fast:.1f} times as fast as they are eaten")  # fmt: skip


if __name__ == "__main__":
    main()
