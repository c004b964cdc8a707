"""The stream: each sample a function of seed and position, each epoch everything once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from maskport.scenes import scene
from maskport.scenes.seeds import TRAINING
from maskport.specs import ImageSpec
from maskport.training.augment import Augmentation
from maskport.training.samples import (
    Batches,
    GeneratedScenes,
    Stream,
)

HOW = Augmentation(ImageSpec(8, 8), 8, "none", 0.0)


class Numbered:
    """Photos that are as bright as their number."""

    def __init__(self, first: int, count: int) -> None:
        self.first, self.count = first, count

    def __len__(self) -> int:
        return self.count

    def take(self, epoch: int, index: int) -> tuple[Any, Any]:
        gray = self.first + index
        return np.full((8, 8, 3), gray, np.uint8), np.full((8, 8), gray / 255, np.float32)


def numbers(stream: Stream, positions: range) -> list[int]:
    return [round(float(stream[position][0][0, 0, 0]) * 255) for position in positions]


def test_an_epoch_has_every_sample_of_every_source_once() -> None:
    stream = Stream([Numbered(0, 5), Numbered(100, 3)], HOW, seed=0)
    assert stream.epoch_length == 8
    assert sorted(numbers(stream, range(8))) == [0, 1, 2, 3, 4, 100, 101, 102]
    assert sorted(numbers(stream, range(8, 16))) == [0, 1, 2, 3, 4, 100, 101, 102]


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    stream = Stream([Numbered(0, 20)], HOW, seed=0)
    first, second = numbers(stream, range(20)), numbers(stream, range(20, 40))
    other = numbers(Stream([Numbered(0, 20)], HOW, seed=1), range(20))
    assert first != second
    assert first != other


def test_a_sample_does_not_depend_on_what_was_read_before() -> None:
    how = Augmentation(ImageSpec(12, 12), 8, "both", 1.0)
    once = Stream([GeneratedScenes(3, 12, 0)], how, seed=4)
    again = Stream([GeneratedScenes(3, 12, 0)], how, seed=4)
    in_order = [once[position] for position in range(7)]
    for position in (6, 0, 3):
        for one, other in zip(again[position], in_order[position], strict=True):
            assert torch.equal(one, other)


def test_inverted_networks_are_trained_on_the_negative() -> None:
    plain = Stream([Numbered(51, 1)], HOW, seed=0)[0][1]
    negative = Stream([Numbered(51, 1)], HOW, seed=0, inverted=True)[0][1]
    assert torch.equal(negative, 1 - plain)


def test_scenes_are_new_in_every_epoch_and_none_that_others_may_use() -> None:
    source = GeneratedScenes(2, 48, seed=0)
    drawn = [source.take(epoch, index)[0].tobytes() for epoch in (0, 1) for index in (0, 1)]
    assert len(set(drawn)) == 4
    first_of_second_epoch = TRAINING + 2  # a multiple of 3: a square
    expected = scene(first_of_second_epoch, 48, 48)
    np.testing.assert_array_equal(source.take(1, 0)[0], expected.photo)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_the_processes_shares_make_up_each_batch(processes: int) -> None:
    shares = [
        list(Batches(5, 8, 6, process=rank, processes=processes)) for rank in range(processes)
    ]
    for step in range(3):
        together = [position for share in shares for position in share[step]]
        assert together == list(range((5 + step) * 6, (6 + step) * 6))
    assert len(Batches(5, 8, 6)) == 3
