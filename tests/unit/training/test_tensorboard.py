"""Event files, read back by others."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from maskport.training.tensorboard import EventWriter, crc32c


@pytest.mark.parametrize(
    ("data", "checksum"),
    # RFC 3720, B.4, and the check value of the CRC catalogue.
    [
        (bytes(32), 0x8A9136AA),
        (bytes([255] * 32), 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"123456789", 0xE3069283),
    ],
)
def test_the_checksum_is_crc32c(data: bytes, checksum: int) -> None:
    assert crc32c(data) == checksum


def written(folder: Path) -> Path:
    writer = EventWriter(folder, step=0)
    writer.add(1, {"train/loss": 4.5, "train/rate": 1e-3})
    writer.add(300, {"train/loss": 0.25})
    writer.close()
    return next(folder.iterdir())


@pytest.mark.sdk
@pytest.mark.slow
def test_tensorflow_reads_the_records_and_their_fields(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    dataset = importlib.import_module("tensorflow").data.TFRecordDataset
    proto = importlib.import_module("tensorflow.core.util.event_pb2")
    events = [
        proto.Event.FromString(record.numpy()) for record in dataset([str(written(tmp_path))])
    ]
    assert events[0].file_version == "brain.Event:2"
    found = [
        (event.step, value.tag, pytest.approx(value.simple_value))
        for event in events[1:]
        for value in event.summary.value
    ]
    assert found == [(1, "train/loss", 4.5), (1, "train/rate", 1e-3), (300, "train/loss", 0.25)]


def test_tensorboard_forgets_what_a_killed_run_writes_again(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    first = EventWriter(tmp_path, step=0)
    for step in (1, 2, 3, 4):
        first.add(step, {"loss": float(step)})
    first.close()
    second = EventWriter(tmp_path, step=2)
    for step in (3, 4, 5):
        second.add(step, {"loss": 10.0 * step})
    second.close()
    found = reader.EventAccumulator(str(tmp_path)).Reload().Scalars("loss")
    assert [(event.step, event.value) for event in found] == [
        (1, 1), (2, 2), (3, 30), (4, 40), (5, 50)
    ]  # fmt: skip
