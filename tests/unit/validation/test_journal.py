"""What was measured survives the run that measured it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from maskport.metrics import SaliencyScores
from maskport.validation.journal import Journal, packed

# What a photo leaves behind in `SaliencyScores`: values that no short text holds.
ROW = np.random.default_rng(0).uniform(size=10 + 4 * 256)
RESULT = {"photo": "boat.jpg", "metrics": {"iou": 0.9}, "flags": []}


def filled(file: Path) -> Journal:
    ledger = Journal(file, "a run", resume=False)
    ledger.enter("drawn", position=0, seconds=0.5)
    ledger.enter("loaded", "onnx-fp32", runtime="onnxruntime", emulated=False, load_ms=12.5)
    ledger.enter("first", "onnx-fp32", ms=80.0)
    ledger.enter(
        "photo", "onnx-fp32", position=0, result=RESULT, sweep=[0.5, 0.25], row=packed(ROW)
    )
    ledger.enter("round", "onnx-fp32", times=[1.0, 2.0])
    ledger.enter("memory", "onnx-fp32", mb=300.0)
    ledger.enter("cost", "onnx-fp32", cost=None, reason="it has dynamic shapes")
    ledger.close()
    return ledger


def test_a_resumed_ledger_knows_what_the_first_one_knew(tmp_path: Path) -> None:
    first = filled(tmp_path / "journal").of("onnx-fp32")
    again = Journal(tmp_path / "journal", "a run", resume=True)
    assert again.resumed and again.reference_drawn(0) and not again.reference_drawn(1)
    assert again.of("onnx-fp32") == first and again.reference_seconds == 0.5
    assert first.photos[0].metrics == {"iou": 0.9} and first.rounds == [[1.0, 2.0]]
    alone = SaliencyScores()
    alone.take(ROW)
    assert again.of("onnx-fp32").scores.result() == first.scores.result() == alone.result()


def test_without_resume_it_begins_anew(tmp_path: Path) -> None:
    filled(tmp_path / "journal")
    again = Journal(tmp_path / "journal", "a run", resume=False)
    assert not again.resumed and again.of("onnx-fp32").first_ms is None


def test_facts_of_another_run_are_not_taken_up(tmp_path: Path) -> None:
    filled(tmp_path / "journal")
    again = Journal(tmp_path / "journal", "with other photos", resume=True)
    assert not again.resumed and not again.reference_drawn(0)


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_that_was_being_written_is_dropped_and_the_rest_kept(
    tmp_path: Path, cut: int
) -> None:
    """A killed process leaves half a line; facts that follow must not be glued to it."""
    file = tmp_path / "journal"
    filled(file)
    file.write_bytes(file.read_bytes()[:-cut])
    again = Journal(file, "a run", resume=True)
    assert again.of("onnx-fp32").peak_memory_mb == 300.0
    assert again.of("onnx-fp32").no_cost == ""
    again.enter("cost", "onnx-fp32", cost=None, reason="counted again")
    again.close()
    third = Journal(file, "a run", resume=True)
    assert third.of("onnx-fp32").no_cost == "counted again"


def test_what_was_lost_is_tried_again(tmp_path: Path) -> None:
    ledger = Journal(tmp_path / "journal", "a run", resume=False)
    ledger.enter("lost", "keras", status="timed-out", reason="it took more than 60 s")
    assert ledger.of("keras").lost == ("timed-out", "it took more than 60 s")
    ledger.close()
    assert Journal(tmp_path / "journal", "a run", resume=True).of("keras").lost is None


def test_garbage_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"\x00\xff not json\n{}\n")
    assert not Journal(tmp_path / "journal", "a run", resume=True).resumed
