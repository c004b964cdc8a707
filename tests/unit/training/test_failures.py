"""What ends a run before its end: Ctrl-C in each of its phases, and what is not a bug."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from click.testing import CliRunner

from maskport.cli.train import command
from maskport.errors import ImageError, ToolError, UsageError
from maskport.outputs import held
from maskport.training.config import TrainingConfig
from maskport.training.failures import named_failures
from maskport.training.log import LOG, RunLog
from maskport.training.loop import TrainingEvent, train
from maskport.training.start import build_network, data_of

Make = Callable[..., TrainingConfig]


def interrupting(kind: str, step: int, times: int = 1) -> Callable[[TrainingEvent], None]:
    """A watcher that sends as many Ctrl-C at each event of a kind at a step."""

    def watch(event: TrainingEvent) -> None:
        if event.kind == kind and event.step == step:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)

    return watch


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Writing beyond it fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_ctrl_c_before_the_first_step_ends_at_once(config: Make, tmp_path: Path) -> None:
    def watch(event: TrainingEvent) -> None:
        if event.text.startswith("reading"):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(config(), tmp_path / "out", watch=watch)
    assert not (tmp_path / "out").exists()


def test_ctrl_c_in_the_last_scoring_is_no_finished_run(config: Make, tmp_path: Path) -> None:
    run = config(batch=1, steps=3)  # photos are scored one by one
    stopped = train(run, tmp_path / "out", watch=interrupting("scoring", 3))
    assert (stopped.step, stopped.complete, stopped.best) == (3, False, {})
    finished = train(run, tmp_path / "out", resume=True)
    assert finished.complete
    assert finished.best["step"] == 3


def test_a_run_made_shorter_than_it_is_already_is_scored(config: Make, tmp_path: Path) -> None:
    run = config(every=100, steps=100)
    train(run, tmp_path, watch=interrupting("step", 3))
    finished = train(replace(run, steps=2), tmp_path, resume=True)
    assert finished.complete
    assert finished.best["step"] == 4  # the interruption is seen in the step after


def test_a_second_ctrl_c_tells_of_the_state_kept(config: Make, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match="--resume --out"):
        train(config(), tmp_path, watch=interrupting("step", 5, times=2))


def test_a_scoring_that_was_logged_and_not_saved_is_logged_once(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0, 0, print)
    for step in (1, 2):
        log.add("train", step, {"loss": 1.0, "rate": 0.1})
        log.add("validation", step, {"loss": 1.0})
    log.close()
    RunLog(tmp_path, 2, 1, print).close()  # of step 2, not scored
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [(line["step"], "rate" in line) for line in lines] == [
        (1, True), (1, False), (2, True)
    ]  # fmt: skip


def test_a_full_disk_is_named_and_leaves_the_last_state(config: Make, tmp_path: Path) -> None:
    run = config(steps=3)
    train(run, tmp_path)
    with largest_file(2000), pytest.raises(ToolError, match="can't be written: File too large"):
        train(replace(run, steps=6), tmp_path, resume=True)
    assert list(tmp_path.glob(".*.partial")) == []
    assert train(replace(run, steps=6), tmp_path, resume=True).complete


def test_two_runs_in_one_folder_are_one_too_many(
    config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maskport.training.failures.PATIENCE", 0.05)
    out = tmp_path / "out"
    with held(out), pytest.raises(UsageError, match="Another run is writing to"):
        train(config(), out)
    assert not out.exists()


def test_a_file_as_folder_is_refused_before_anything_is_read(config: Make, tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(UsageError, match="out is a file"):
        train(config(images=("gone",)), tmp_path / "out")


@pytest.mark.parametrize("phase", ["step", "scoring"])
def test_loading_processes_end_though_somebody_keeps_the_exception(
    config: Make, tmp_path: Path, phase: str
) -> None:
    """They ignore the signal that Python sends before it waits for them at its own end."""
    others = set(psutil.Process().children())

    def fail(event: TrainingEvent) -> None:
        if event.kind == phase and event.step == 3:
            raise ValueError("kept")

    with pytest.raises(ValueError, match="kept") as raised:
        train(config(workers=1, steps=60), tmp_path, watch=fail)
    left = set(psutil.Process().children()) - others
    assert [child for child in left if child.status() != psutil.STATUS_ZOMBIE] == []
    assert raised.value.__traceback__ is not None


@pytest.mark.parametrize("workers", [0, 1])
def test_a_photo_that_breaks_under_way_is_named(
    config: Make, pairs: Path, tmp_path: Path, workers: int
) -> None:
    def damage(event: TrainingEvent) -> None:
        if event.kind == "step":
            for photo in (pairs / "photos").iterdir():
                photo.write_bytes(b"")

    with pytest.raises(ImageError) as raised:
        train(config(workers=workers, steps=60), tmp_path / "out", watch=damage)
    assert raised.value.what.endswith(".jpg is not an image that Pillow reads.")
    assert raised.value.what.startswith(str(pairs))
    assert "save it as PNG or JPEG" in raised.value.remedy


def test_a_batch_too_small_for_batch_norms_is_refused(config: Make, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="A batch of 1 at 32x32"):
        train(config(network="u2netp", batch=1), tmp_path)


def test_too_little_memory_is_named() -> None:
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nMore of it")
    with (
        pytest.raises(ToolError, match=r"batch of 12 at 288x288 \(CUDA .* 2 GiB\.\)"),
        named_failures(12, 288, Path("resume")),
    ):
        raise error


def test_an_error_inside_a_loading_process_is_no_killed_one() -> None:
    error = RuntimeError("Caught RuntimeError in DataLoader worker process 0.\nOriginal …")
    with pytest.raises(RuntimeError, match="Caught"), named_failures(12, 288, Path("resume")):
        raise error


def test_the_command_tells_how_to_go_on_after_the_last_step(
    config: Make, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_args: object, **_options: object) -> object:
        return train(config(batch=1, steps=3), tmp_path, watch=interrupting("scoring", 3))

    monkeypatch.setattr("maskport.training.loop.train", stopped)
    options = ["--images", str(pairs), "--network", "u2netp", "--steps", "3"]
    result = CliRunner().invoke(command, [*options, "--out", str(tmp_path)], standalone_mode=False)
    assert "step 3 of 3 is kept" in str(result.exception.__cause__)


def test_photos_that_are_trained_and_scored_on_are_counted(config: Make, pairs: Path) -> None:
    run = config(val_images=(f"{pairs}/../pairs/photos",), val_masks=(str(pairs / "masks"),))
    said: list[str] = []
    data_of(run, build_network(run, print)[1], said.append)
    assert said[-1].startswith("7 of 7 photos that are scored on are trained on too")
