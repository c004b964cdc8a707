"""What draws masks, opened: networks of PyTorch don't run into one another in threads."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from maskport.validation.evaluated import open_evaluated

# Counts how many of its threads are inside, while one draws or is made.
NETWORK = """
import threading, time
from torch import nn

inside, most = 0, 0

def counted(seconds):
    global inside, most
    inside += 1
    most = max(most, inside)
    time.sleep(seconds)
    inside -= 1

class Counted(nn.Module):
    def __init__(self):
        super().__init__()
        counted(0.05)
        self.conv = nn.Conv2d(3, 1, 1)

    def forward(self, x):
        counted(0.02)
        return self.conv(x).sigmoid()
"""


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "counted_network.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    zeros = {"conv.weight": torch.zeros(1, 3, 1, 1), "conv.bias": torch.zeros(1)}
    torch.save(zeros, tmp_path / "counted.pth")
    return tmp_path / "counted.pth"


def test_one_network_is_opened_or_draws_at_a_time(weights: Path) -> None:
    """torch.fx, which finds a network's structure for weights of ONNX files, patches all modules
    while it traces; a network that another thread opened or drew with then ended in an error."""

    def opened_and_drawn(_: int) -> float:
        with open_evaluated(str(weights), "counted_network:Counted", size=8) as found:
            drawn = [found.draw(np.zeros((1, 3, 8, 8), np.float32)) for _ in range(5)]
        return float(drawn[-1].mean())

    with ThreadPoolExecutor(3) as pool:
        means = list(pool.map(opened_and_drawn, range(6)))
    assert means == [0.5] * 6
    assert sys.modules["counted_network"].most == 1
