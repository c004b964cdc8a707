"""What fails is the failure of the targets that need it, once, and the others are made."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maskport.artifacts.bundle import Bundle
from maskport.artifacts.manifest import Artifact, Checkpoint, FileEntry, Network
from maskport.errors import ExportError
from maskport.exporters import export
from maskport.exporters.failures import made_once, reason_of
from maskport.exporters.journal import ExportEvent, Watcher
from maskport.exporters.lanes import Lanes
from maskport.exporters.messages import Failed, Finished, News, Step
from maskport.exporters.run import Card, Options, Run
from maskport.exporters.subject import Subject
from maskport.exporters.targets import select
from maskport.exporters.tflite import refusal
from maskport.formats import Target
from maskport.models.prepared import Reference
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.quantization.calibration import CalibrationSet
from maskport.quantization.recipe import BEST
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

SPEC = ModelSpec("nano", ImageSpec(32, 48), MaskSpec(), output=0)
EVERY_KIND = [
    RuntimeError("The size of tensor a (64) must match"),
    ValueError("several\nlines"),
    MemoryError(),
    RecursionError("maximum recursion depth exceeded"),
    KeyError("conv2d_7"),
]


class FakeLanes:
    """Takes requests, and makes nothing or, where it ``makes``, a file of a byte for each."""

    def __init__(self) -> None:
        self.ordered: list[str] = []
        self.makes = False

    def __enter__(self) -> FakeLanes:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def warm_up(self, rows: object) -> None:
        pass

    def order(self, rows: Iterable[Target]) -> None:
        self.ordered += [row.name for row in rows]

    def so_far(self) -> Iterator[News]:
        return iter(())

    def finish(self) -> Iterator[News]:
        for name in self.ordered if self.makes else ():
            files = [FileEntry(path="file", bytes=1, sha256="0" * 64)]
            artifact = Artifact(
                target=name,
                path="file",
                format="onnx",
                precision="fp32",
                bytes=1,
                sha256="0" * 64,
                files=files,
                inputs=[],
                outputs=[],
            )
            yield Finished(name, artifact, 0, {})


class Exporting:
    """An export of two targets of the float network and one of a recipe, without its lanes."""

    def __init__(self, folder: Path, network: U2Net, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.lanes = FakeLanes()
        seeded(network, 0, (32, 48))
        photos = np.zeros((2, 3, 32, 48), np.uint8)
        self.request = export.ExportRequest(
            subject=Subject(
                Reference(network, SPEC),
                SPEC,
                Network(name="nano", factory="", parameters=1, macs=1),
                Checkpoint(file="", sha256="0" * 64, source="", license=""),
            ),
            targets=select(["onnx-fp32", "torchscript-lite", "onnx-int8"]),
            card=Card("nano", "", "", "", ""),
            options=Options(),
            calibration=CalibrationSet(("a", "b"), photos, "0" * 64, 0),
            recipes={"best": BEST},
            check=np.random.default_rng(0).random((1, 3, 32, 48), np.float32),
            jobs=1,
        )
        monkeypatch.setattr(export, "Lanes", lambda *_: self.lanes)
        monkeypatch.setattr(export, "make", lambda *_: None)
        monkeypatch.setattr(export, "quantized", lambda *_: iter(()))
        monkeypatch.setattr(export, "lacking", lambda _: {})
        monkeypatch.chdir(folder)

    def bundle(self, watch: Watcher = lambda event: None) -> Bundle:
        return export.run_export(self.request, self.folder / "bundle", watch)

    def failures(self) -> dict[str, str]:
        """Reasons by target, of an export that gives no bundle."""
        events: list[ExportEvent] = []
        with pytest.raises(ExportError, match="No target could be made"):
            self.bundle(events.append)
        return {event.target: event.text for event in events if event.kind == "failed"}

    def log(self) -> str:
        """Of an export that gave no bundle, which is kept where it was started."""
        (kept,) = self.folder.glob("maskport-export-*.log")
        return kept.read_text()


@pytest.fixture
def exporting(
    nano: Callable[..., U2Net], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Exporting:
    return Exporting(tmp_path, nano(), monkeypatch)


@pytest.mark.parametrize("error", EVERY_KIND, ids=lambda e: type(e).__name__)
def test_whatever_a_recipe_raises_fails_its_targets_only(
    error: Exception, exporting: Exporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Iterator[Step]:
        yield Step("measuring")
        raise error

    monkeypatch.setattr(export, "quantized", broken)
    failed = exporting.failures()
    assert list(failed) == ["onnx-int8"]
    assert exporting.lanes.ordered == ["onnx-fp32", "torchscript-lite"]
    what, remedy = failed["onnx-int8"].splitlines()
    assert what.startswith(f"Failed while quantising by the recipe best: {type(error).__name__}")
    assert "The log has the traceback" in remedy
    assert "in broken" in exporting.log()


@pytest.mark.parametrize("error", EVERY_KIND, ids=lambda e: type(e).__name__)
def test_whatever_making_an_intermediate_raises_fails_what_starts_from_it(
    error: Exception, exporting: Exporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(source: str, *_: object) -> None:
        if source == "onnx":
            raise error

    monkeypatch.setattr(export, "make", broken)
    failed = exporting.failures()
    assert list(failed) == ["onnx-fp32"]
    # What is quantised starts from a program of its own.
    assert exporting.lanes.ordered == ["torchscript-lite", "onnx-int8"]
    assert failed["onnx-fp32"].startswith("Failed while making the ONNX graph")


@pytest.mark.parametrize("broken", [("program",), ("onnx",), ("program", "onnx")])
def test_what_can_start_from_another_intermediate_does(
    broken: tuple[str, ...], exporting: Exporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(source: str, *_: object) -> None:
        if source in broken:
            raise ValueError(source)

    monkeypatch.setattr(export, "make", make)
    targets = select(["tflite-fp32", "savedmodel", "executorch"])
    exporting.request = replace(exporting.request, targets=targets)
    failed = exporting.failures()
    assert ("tflite-fp32" in failed) == (len(broken) == 2)
    assert ("savedmodel" in failed) == ("onnx" in broken)
    assert ("executorch" in failed) == ("program" in broken)
    assert sorted([*exporting.lanes.ordered, *failed]) == [
        "executorch",
        "savedmodel",
        "tflite-fp32",
    ]


def test_ctrl_c_within_a_recipe_is_no_failure(
    exporting: Exporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> Iterator[Step]:
        yield Step("measuring")
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "quantized", interrupted)
    with pytest.raises(KeyboardInterrupt):
        exporting.bundle()


def test_calibration_photos_that_the_network_fails_on_are_warned_of(
    exporting: Exporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ValueError("too dark")

    monkeypatch.setattr(export, "objections", fails)
    exporting.request = replace(exporting.request, targets=select(["onnx-fp32"]))
    exporting.lanes.makes = True
    calibration = exporting.bundle().manifest.calibration
    assert calibration is not None
    assert calibration.warnings == [
        "the network fails on a calibration photo: ValueError: too dark"
    ]


def test_what_several_targets_start_from_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "shared"
    assert made_once(path, lambda partial: partial.mkdir()) == path  # type: ignore[func-returns-value]
    assert made_once(path, lambda _: pytest.fail("it is there")) == path
    assert {p.name for p in tmp_path.iterdir()} - {"shared.lock"} == {"shared"}


def test_what_another_process_makes_is_waited_for(tmp_path: Path) -> None:
    made = []

    def slowly(partial: Path) -> None:
        made.append(partial)
        begun.set()
        threading.Event().wait(0.3)
        partial.mkdir()

    begun, path = threading.Event(), tmp_path / "shared"
    first = threading.Thread(target=made_once, args=(path, slowly))
    first.start()
    assert begun.wait(10)
    # A lock of its own, as another process has.
    assert made_once(path, slowly) == path
    first.join()
    assert len(made) == 1


@pytest.mark.parametrize(
    "error", [ExportError("It can't.", "Do that."), *EVERY_KIND], ids=lambda e: type(e).__name__
)
def test_what_failed_once_fails_at_once_for_the_same_reason(
    error: Exception, tmp_path: Path
) -> None:
    calls = []

    def fails(partial: Path) -> None:
        calls.append(partial)
        raise error

    with pytest.raises(type(error)) as first:
        made_once(tmp_path / "shared", fails)
    with pytest.raises(ExportError) as second:
        made_once(tmp_path / "shared", fails)
    assert len(calls) == 1
    assert reason_of(second.value) == reason_of(first.value)


def test_what_ended_its_process_is_not_tried_by_the_next(tmp_path: Path) -> None:
    def killed(partial: Path) -> None:
        raise SystemExit  # as near as a test comes to a process that is no more

    with pytest.raises(SystemExit):
        made_once(tmp_path / "shared", killed)
    with pytest.raises(ExportError, match="ended while it did"):
        made_once(tmp_path / "shared", killed)


def test_the_same_reason_is_given_for_every_tflite_file(tmp_path: Path) -> None:
    """Two of them in one lane, whose shared SavedModel can't be made."""
    from maskport.exporters.savedmodel import float_model

    run = Run(tmp_path, SPEC, Card("nano", "", "", "", ""))
    run.saved_model.with_name("saved_model.failed").write_text(json.dumps(["No.", "Use ONNX."]))
    with pytest.raises(ExportError, match=r"No\.\nUse ONNX\."):
        float_model(run)


def test_an_operation_that_tflite_lacks_is_named() -> None:
    said = (
        "Could not translate MLIR to FlatBuffer.tracing_compilation.py:283:1: error: 'tf.Erf' op "
        "is neither a custom op nor a flex op\n'tf.Lgamma' op is neither a custom op"
    )
    assert refusal(said) == "TFLite has no operation for TensorFlow's Erf, Lgamma"
    assert refusal("First.\nSecond.") == "First."
    assert refusal("")


@pytest.fixture
def lanes(tmp_path: Path, lane: list[str]) -> Iterator[Lanes]:
    with (tmp_path / "log").open("ab") as log:
        yield Lanes(lane, log, jobs=3)


def ended(lanes: Lanes, monkeypatch: pytest.MonkeyPatch, most: int) -> list[Finished | Failed]:
    """What becomes of a target each in three lanes, of which so many can run at once."""
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def scarce(thread: threading.Thread) -> None:
        for other in started:
            other.join(0.1)  # one that has said its last word may not have ended yet
        if sum(other.is_alive() for other in started) >= most:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", scarce)
    with lanes:
        lanes.order(select(["onnx-fp32", "coreml-fp16", "torchscript-lite"]))
        return [m for m in lanes.finish() if isinstance(m, Finished | Failed)]


def test_lanes_that_cannot_be_started_wait_for_those_that_could(
    lanes: Lanes, monkeypatch: pytest.MonkeyPatch
) -> None:
    news = ended(lanes, monkeypatch, 1)
    assert [type(each) for each in news] == [Finished] * 3, news


def test_where_no_lane_can_be_started_each_target_says_so(
    lanes: Lanes, monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons = [news.reason for news in ended(lanes, monkeypatch, 0) if isinstance(news, Failed)]
    assert len(reasons) == 3
    assert all("can't start new thread" in reason for reason in reasons)
    assert all("ulimit" in reason for reason in reasons)
