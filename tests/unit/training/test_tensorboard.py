"""What TensorBoard shows of a run, and runs without it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from maskport.training.log import LOG, EventWriter, RunLog


@pytest.mark.sdk
def test_numbers_of_steps_and_scorings_are_shown_by_their_names(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = RunLog(tmp_path, 0, 0, pytest.fail)
    log.add("train", 1, {"loss": 4.5, "rate": 1e-3})
    log.add("train", 300, {"loss": 0.25, "rate": 1e-3})
    log.add("validation", 300, {"max_f": 0.75})
    log.close()
    found = reader.EventAccumulator(str(tmp_path)).Reload()
    assert found.Tags()["scalars"] == ["train/loss", "train/rate", "validation/max_f"]
    assert [(e.step, e.value) for e in found.Scalars("train/loss")] == [(1, 4.5), (300, 0.25)]
    assert [(e.step, e.value) for e in found.Scalars("validation/max_f")] == [(300, 0.75)]


@pytest.mark.sdk
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


@pytest.mark.sdk
def test_writing_loads_no_tensorflow(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from maskport.training.log import EventWriter\n"
        "EventWriter(Path(sys.argv[1]), step=3).close()\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_without_tensorboard_a_run_is_logged_in_lines_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    said: list[str] = []
    log = RunLog(tmp_path, 0, 0, said.append)
    log.add("train", 1, {"loss": 4.5})
    log.close()
    assert [json.loads(line)["loss"] for line in (tmp_path / LOG).read_text().splitlines()] == [4.5]
    assert [file.name for file in tmp_path.iterdir()] == [LOG]
    (words,) = said
    assert "tensorboard, which is not installed" in words and "maskport[training]" in words
