"""A sweep's driver, on a cluster that loses what it is told to."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from maskport.artifacts.processor import Processor, this_processor
from maskport.artifacts.store import open_place
from maskport.artifacts.store.keys import manifest_key
from maskport.cli.sweep import _exit_code
from maskport.sweeps.cluster import Lost, Node
from maskport.sweeps.outcomes import Outcomes
from maskport.sweeps.plan import read_plan
from maskport.sweeps.run import SweepEvent, sweep
from maskport.sweeps.swept import Swept
from maskport.sweeps.tasks import Outcome, Task

from ...sdks import needed
from ...tiny_bundle import make
from .test_outcomes import ABOUT, part

needed("pyarrow")

PLAN = """
targets = ["onnx-fp32"]
sizes = [32, 64]
shard = 6
latency = "{latency}"
[[networks]]
network = "demo"
"""
ROW = {**ABOUT, "target": "onnx-fp32", "status": "passed", "bytes": 10}


class Fake:
    """A cluster of two nodes that keeps what tasks would keep; ``fate`` may raise, or answer."""

    dashboard = ""

    def __init__(
        self, own: bool = True, fate: Callable[[Task], Outcome | None] = lambda task: None
    ) -> None:
        self.own, self._fate = own, fate
        self.there = [Node("a", "1.1.1.1", 2, 8 << 30), Node("b", "2.2.2.2", 2, 8 << 30)]
        self.done: list[tuple[Task, Node | None]] = []
        self.most = 0
        self.asked: list[int] = []
        self.manifest = b""
        self._submitted: list[tuple[Any, Any, Any]] = []

    def nodes(self) -> list[Node]:
        return self.there

    def submit(self, function: Any, *given: Any, **options: Any) -> Any:
        self.asked.append(options.get("memory", 0))
        self._submitted.append((function, given, options["node"]))
        return len(self._submitted) - 1

    def ended(self, waiting: Sequence[Any], seconds: float) -> list[Any]:
        self.most = max(self.most, len(waiting))
        return list(waiting[:1])

    def result(self, submitted: Any) -> Any:
        function, given, node = self._submitted[submitted]
        if function is this_processor:
            return Processor(name=f"cpu of {node.id}", architecture="x86_64", features=[])
        out, task = given
        if (found := self._fate(task)) is not None:
            return found
        self.done.append((task, node))
        outcomes = Outcomes(open_place(out))
        if task.work == "export":
            key = manifest_key(task.cell.name, task.cell.key[:12])
            open_place(f"{out}/store").replace(key, self.manifest)
        elif task.work == "judge":
            row = {**ROW, "bundle": task.cell.name, "p50_ms": 1.0 if task.timings else None}
            outcomes.keep_files(task.cell.name, task.key, [row])
        else:
            outcomes.keep_part(task.key, part(), ABOUT)
        return Outcome(task.key, 0.1)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path / "cache"))


def swept(
    folder: Path, cluster: Fake, latency: str = "none"
) -> tuple[Swept, list[tuple[str, str]]]:
    (folder / "plan.toml").write_text(PLAN.format(latency=latency))
    if not (folder / "bundle").exists():
        make(folder / "bundle")
    cluster.manifest = (folder / "bundle" / "manifest.json").read_bytes()
    told: list[SweepEvent] = []
    found = sweep(
        read_plan(folder / "plan.toml"),
        str(folder / "out"),
        cluster,  # type: ignore[arg-type]
        told.append,
    )
    return found, [(event.kind, event.label) for event in told]


def test_a_bundles_comparisons_come_before_the_next_export(tmp_path: Path) -> None:
    cluster = Fake()
    cluster.there = cluster.there[:1]
    found, told = swept(tmp_path, cluster)
    assert [(task.work, task.label) for task, _ in cluster.done] == [
        *(("export", "demo-32x32"), ("export", "demo-64x64")),  # two at once
        *(("compare", "demo-32x32 1/2"), ("compare", "demo-64x64 1/2")),
        *(("compare", "demo-64x64 2/2"), ("compare", "demo-32x32 2/2")),
        *(("judge", "demo-32x32"), ("judge", "demo-64x64")),
    ]
    assert cluster.most == 2 and (found.did, found.had) == (8, 0)
    assert [row["bundle"] for row in found.files] == ["demo-32x32", "demo-64x64"]
    assert told.count(("ended", "demo-32x32")) == 2
    assert "2 of 2 files hold every gate" in (tmp_path / "out" / "index.html").read_text()
    assert _exit_code(found) == 0

    again = Fake()
    found, _ = swept(tmp_path, again)
    assert (again.done, found.did, found.had) == ([], 0, 8)
    assert len(found.files) == 2


def test_what_is_lost_is_done_by_the_same_command(tmp_path: Path) -> None:
    def fate(task: Task) -> Outcome | None:
        if task.label == "demo-32x32 2/2":
            raise Lost("WorkerCrashedError: it died")
        return None

    found, told = swept(tmp_path, Fake(fate=fate))
    (failed,) = found.failed
    assert (failed.label, failed.reason) == (
        "compare demo-32x32 2/2",
        "WorkerCrashedError: it died",
    )
    assert ("failed", "compare demo-32x32 2/2") in told
    assert [row["bundle"] for row in found.files] == ["demo-64x64"] and _exit_code(found) == 3
    assert "WorkerCrashedError" in (tmp_path / "out" / "index.html").read_text()

    cluster = Fake()
    found, _ = swept(tmp_path, cluster)
    assert [task.label for task, _ in cluster.done] == ["demo-32x32 2/2", "demo-32x32"]
    assert len(found.files) == 2 and not found.failed


def test_an_error_keeps_its_exit_code_and_the_others_go_on(tmp_path: Path) -> None:
    def fate(task: Task) -> Outcome | None:
        if task.work == "export" and task.cell.name == "demo-32x32":
            return Outcome(task.key, 0.1, error=("It doesn't fit.", "Give another.", 2))
        return None

    found, _ = swept(tmp_path, Fake(fate=fate))
    assert [(f.label, f.reason) for f in found.failed] == [
        ("export demo-32x32", "It doesn't fit. Give another.")
    ]
    assert _exit_code(found) == 2 and len(found.files) == 1


def test_times_are_taken_one_at_a_time_a_node_and_once_a_kind_of_processor(tmp_path: Path) -> None:
    cluster = Fake(own=False)
    found, _ = swept(tmp_path, cluster, "standard")
    times = [(task.label, node.id) for task, node in cluster.done if task.work == "time" and node]
    assert times == [
        *(("demo-32x32 on cpu of a", "a"), ("demo-32x32 on cpu of b", "b")),
        *(("demo-64x64 on cpu of a", "a"), ("demo-64x64 on cpu of b", "b")),
    ]
    assert {task.threads for task, node in cluster.done if node} == {2}
    judged = [task for task, _ in cluster.done if task.work == "judge"]
    assert [len(task.timings) for task in judged] == [2, 2] and len(found.files) == 2


def test_a_lost_node_costs_its_times_and_no_masks(tmp_path: Path) -> None:
    cluster = Fake(own=False)

    def fate(task: Task) -> Outcome | None:
        if task.work == "time" and task.kind.startswith("cpu of b"):
            cluster.there = cluster.there[:1]
            raise Lost("NodeDiedError: it went away")
        return None

    cluster._fate = fate
    found, _ = swept(tmp_path, cluster, "standard")
    assert [failed.label for failed in found.failed] == [
        "time demo-32x32 on cpu of b",
        "time demo-64x64 on cpu of b",
    ]
    judged = [task for task, _ in cluster.done if task.work == "judge"]
    assert [len(task.timings) for task in judged] == [1, 1] and len(found.files) == 2
    assert os.path.exists(tmp_path / "out" / "index.html")


def test_another_node_of_the_kind_takes_over(tmp_path: Path) -> None:
    cluster = Fake(own=False)
    lost: list[str] = []

    def fate(task: Task) -> Outcome | None:
        if task.work == "time" and not lost:
            lost.append(task.label)
            raise Lost("NodeDiedError: it went away")
        return None

    cluster._fate = fate
    result = cluster.result

    def alike(submitted: Any) -> Any:
        found = result(submitted)
        return found.model_copy(update={"name": "cpu"}) if isinstance(found, Processor) else found

    cluster.result = alike  # type: ignore[method-assign]
    found, _ = swept(tmp_path, cluster, "standard")
    assert lost and not found.failed and len(found.files) == 2
    nodes = {task.label: node.id for task, node in cluster.done if node}
    assert nodes == {"demo-32x32 on cpu": "b", "demo-64x64 on cpu": "b"}


def test_no_task_asks_for_more_memory_than_there_is(tmp_path: Path) -> None:
    cluster = Fake()
    cluster.there = [Node("a", "1.1.1.1", 2, 1 << 20)]
    swept(tmp_path, cluster, "standard")
    assert set(cluster.asked) - {0} == {1 << 20}


def test_what_can_be_had_nowhere_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from maskport.sweeps import run

    monkeypatch.setattr(run, "LOOK", 0.0)
    monkeypatch.setattr(run, "SILENT", 0.0)
    cluster = Fake(own=False)
    cluster.there = [Node("a", "1.1.1.1", 2, 1 << 20)]
    notes: list[str] = []
    (tmp_path / "plan.toml").write_text(PLAN.format(latency="none"))
    make(tmp_path / "bundle")
    cluster.manifest = (tmp_path / "bundle" / "manifest.json").read_bytes()
    plan = read_plan(tmp_path / "plan.toml")
    sweep(plan, str(tmp_path / "out"), cluster, lambda event: notes.append(event.text))  # type: ignore[arg-type]
    assert any("No node has the 1 CPUs and" in note for note in notes)


def test_a_file_that_was_given_up_is_tried_again(tmp_path: Path) -> None:
    given_up = part({"fact": "lost", "target": "onnx-fp32", "status": "crashed", "reason": "x"})

    def fate(task: Task) -> Outcome | None:
        if task.label == "demo-32x32 2/2":
            Outcomes(open_place(str(tmp_path / "out"))).keep_part(task.key, given_up, ABOUT)
            return Outcome(task.key, 0.1)
        return None

    found, _ = swept(tmp_path, Fake(fate=fate))
    assert len(found.files) == 2
    cluster = Fake()
    swept(tmp_path, cluster)
    assert [(task.work, task.label) for task, _ in cluster.done] == [
        ("compare", "demo-32x32 2/2"),
        ("judge", "demo-32x32"),
    ]
    cluster = Fake()
    swept(tmp_path, cluster)
    assert cluster.done == []


def test_what_no_plan_asks_for_any_more_leaves_the_table(tmp_path: Path) -> None:
    outcomes = Outcomes(open_place(str(tmp_path / "out")))
    outcomes.keep_files("gone", "k", [ROW])
    swept(tmp_path, Fake())
    assert outcomes.files("gone") is None and outcomes.files("demo-32x32") is not None
