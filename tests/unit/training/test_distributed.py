"""Two processes over gloo compute what one computes with the whole batch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from maskport.errors import UsageError
from maskport.training.config import TrainingConfig
from maskport.training.distributed import Processes
from maskport.training.loop import train

pytestmark = pytest.mark.kernels

# Gradients of a loss of a batch of four, of which each process has its share. In float64: what is
# left between two orders of addition is 1e-15 there, and in float32 as much as the kernels make it.
GRADIENTS = """
import sys
import torch
from safetensors.torch import save_file
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.parallel import DistributedDataParallel
from maskport.training.distributed import joined, with_whole_batch_norms
from training_networks import tiny

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
with joined("cpu") as processes:
    torch.manual_seed(0)
    network = tiny().train()
    network.sigmoid = False
    photos, truth = torch.randn(4, 3, 33, 40), (torch.rand(4, 1, 33, 40) > 0.5).double()
    photos[:2] += 2  # so that the two shares have other statistics
    trained = network
    if processes.count > 1:
        trained = DistributedDataParallel(with_whole_batch_norms(network))
    mine = slice(2 * processes.rank, 2 * processes.rank + 2) if processes.count > 1 else slice(4)
    maps = trained(photos[mine])
    sum(binary_cross_entropy_with_logits(logits, truth[mine]) for logits in maps).backward()
    if processes.writes:
        found = {name: p.grad for name, p in network.named_parameters()}
        save_file({**found, **dict(network.named_buffers())}, sys.argv[1])
"""


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def together(count: int, code: Path, command: list[str]) -> list[str]:
    """What each of ``count`` processes printed, started as ``torchrun`` starts them."""
    shared = {
        **os.environ,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "WORLD_SIZE": str(count),
        "PYTHONPATH": os.pathsep.join([str(code), *(path for path in sys.path if path)]),
    }
    started = [
        subprocess.Popen(
            [sys.executable, *command],
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(count)
    ]
    outputs = [process.communicate(timeout=240)[0] for process in started]
    assert [process.returncode for process in started] == [0] * count, outputs
    return outputs


def test_gradients_and_statistics_are_those_of_the_whole_batch(
    network: str, tmp_path: Path
) -> None:
    code = tmp_path / "code"
    for count in (1, 2):
        together(count, code, ["-c", GRADIENTS, str(tmp_path / f"{count}.safetensors")])
    one, two = (load_file(tmp_path / f"{count}.safetensors") for count in (1, 2))
    assert one.keys() == two.keys()
    largest = max(float(one[name].abs().max()) for name in one)
    assert largest > 0.01
    for name in one:  # sums in another order: some float64 roundings through the layers
        torch.testing.assert_close(two[name], one[name], atol=1e-12, rtol=1e-11, msg=name)


@pytest.mark.slow
def test_a_run_of_two_processes_has_the_losses_of_a_run_of_one(
    config: Callable[..., TrainingConfig], tmp_path: Path
) -> None:
    run = config()
    train(run, tmp_path / "one")
    options = [
        f"--{name.replace('_', '-')}={value[0] if isinstance(value, tuple) else value}"
        for name, value in asdict(run).items()
        if name in ("network", "images", "masks", "scenes", "val_scenes", "size", "crop", "batch",
                     "steps", "every", "precision", "device", "workers")
    ]  # fmt: skip
    printed = together(
        2,
        tmp_path / "code",
        ["-m", "maskport", "train", *options, "--out", str(tmp_path / "two")],
    )
    assert "best.safetensors" in printed[0]
    assert printed[1].strip() == ""
    one, two = (
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert [line["step"] for line in two] == [line["step"] for line in one]
    for mine, other in zip(one, two, strict=True):
        for name in mine.keys() - {"seconds"}:
            assert other[name] == pytest.approx(mine[name], rel=2e-3), (mine, other)


def test_a_batch_that_can_not_be_split_is_refused() -> None:
    assert Processes(0, 4).share(12) == 3
    with pytest.raises(UsageError, match=r"12 can't be split over 5 .*\n.*multiple of 5"):
        Processes(0, 5).share(12)
