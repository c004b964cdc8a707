"""Descriptions of nodes, and sketches of weights."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic_core import to_json

from maskport.processes.messages import Frame
from maskport.runtimes.intermediates.nodes import NodeInfo, sketch
from maskport.runtimes.isolated_messages import ANSWERS, Node


@pytest.fixture
def weights() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(16, 8, 3, 3)).astype(np.float32)


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.dot(sketch(first), sketch(second)))


def test_a_node_survives_json() -> None:
    node = NodeInfo("/a/Conv", "Conv", ("x",), "y", 0, (1, 2, 3, 4), "RELU", (2, 1, 3, 3), (0.5,))
    assert ANSWERS.read(Frame("Node", to_json(Node(node)), None)) == Node(node)


def test_equal_weights_have_equal_sketches(weights: np.ndarray) -> None:
    assert similarity(weights, weights) == pytest.approx(1)


def test_weights_of_eight_bits_are_still_known(weights: np.ndarray) -> None:
    step = np.abs(weights).max() / 127
    # 8 bits keep a cosine of 0.9999; the sketch estimates it
    assert similarity(weights, np.rint(weights / step) * step) > 0.999


def test_a_folded_batch_norm_changes_no_sketch(weights: np.ndarray) -> None:
    scale = np.random.default_rng(1).uniform(0.1, 10, (16, 1, 1, 1))
    assert similarity(weights, weights * scale) == pytest.approx(1)


def test_other_weights_are_unlike(weights: np.ndarray) -> None:
    others = [np.random.default_rng(seed).normal(size=weights.shape) for seed in range(1, 50)]
    # 0 ± 1/8 with 64 numbers; 0.7 is where matching begins, far beyond five deviations
    assert max(abs(similarity(weights, other)) for other in others) < 0.6


def test_weights_of_zeros_are_like_nothing() -> None:
    assert set(sketch(np.zeros((4, 4)))) == {0.0}
