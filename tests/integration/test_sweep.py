"""`maskport sweep` on a real Ray: what one run gives, to the bit, whatever is killed meanwhile."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from maskport import export
from maskport.artifacts.store import open_place, pull
from maskport.scenes import scene
from maskport.sweeps.cluster import Cluster, Node, connected
from maskport.sweeps.plan import read_plan
from maskport.sweeps.run import SweepEvent, sweep
from maskport.validation.gates import Gates
from maskport.validation.results import Results, read_results
from maskport.validation.validate import validate

from ..sdks import needed

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

for sdk in ("onnx", "onnxruntime", "ray", "pyarrow"):
    needed(sdk)

TARGETS = ["onnx-fp32", "torchscript-lite"]
PLAN = """
photos = "photos"
masks = "masks"
targets = {targets}
shard = 1
latency = "{latency}"
gates = "gates.toml"

[[networks]]
network = "demo"
sizes = [32]
"""
# Weights that were trained at 256 draw other masks at 32: what is tested is that they are the same.
GATES = "defaults = false\n"
PHOTOS = 4


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def planned(folder: Path, latency: str = "none") -> Path:
    for name in ("photos", "masks"):
        (folder / name).mkdir()
    for seed in range(PHOTOS):
        made = scene(seed, 40 + 8 * seed, 64)
        Image.fromarray(made.photo).save(folder / "photos" / f"{seed}.png")
        if seed != 2:  # one without ground truth
            Image.fromarray((made.mask > 0.5).astype("u1") * 255).save(
                folder / "masks" / f"{seed}.png"
            )
    (folder / "gates.toml").write_text(GATES)
    (folder / "plan.toml").write_text(PLAN.format(latency=latency, targets=TARGETS))
    return folder / "plan.toml"


def command(plan: Path) -> list[str]:
    out = str(plan.parent / "out")
    return [sys.executable, "-m", "maskport", "sweep", str(plan), "--out", out, "--workers", "2"]


def until(there: Callable[[], Any], running: subprocess.Popen[str]) -> Any:
    """What becomes true while a sweep runs."""
    while running.poll() is None:
        if found := there():
            return found
        time.sleep(0.02)
    raise AssertionError(running.communicate())


def parts(out: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in out.glob("photos/*.parquet")}


def same(one: Results, other: Results) -> None:
    """All that two runs measured of masks is equal, to the bit."""
    assert one.photos == other.photos
    assert one.reference.truth == other.reference.truth is not None
    assert one.reference.photos == other.reference.photos
    assert one.run.truth_left_out == other.run.truth_left_out != []
    for name in ("artifacts", "pytorch"):
        own, others = getattr(one, name), getattr(other, name)
        assert own.keys() == others.keys() != set()
        for target, result in own.items():
            told = {"peak_memory_mb", "path"}
            assert result.model_dump(exclude=told) == others[target].model_dump(exclude=told)


def test_what_is_killed_is_lost_and_nothing_else(tmp_path: Path) -> None:
    plan, out = planned(tmp_path), tmp_path / "out"
    first = subprocess.Popen(command(plan), stderr=subprocess.PIPE, text=True)
    until(lambda: parts(out), first)
    family = psutil.Process(first.pid).children(recursive=True)
    assert len(family) > 4
    first.kill()
    first.communicate()
    kept = parts(out)
    assert 0 < len(kept) < PHOTOS
    _, alive = psutil.wait_procs(family, timeout=20)
    # Two of Ray's own ask its dead server for a minute before they end.
    assert {process.name() for process in alive} <= {"ray::RuntimeEnvAgent", "ray::DashboardAgent"}

    # One more: what is there isn't done again, but for verdicts.
    Image.fromarray(scene(9, 40, 40).photo).save(tmp_path / "photos" / "9.png")
    second = subprocess.Popen(
        command(plan), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    worker: psutil.Process = until(lambda: working(second.pid), second)
    worker.send_signal(signal.SIGKILL)
    printed, errors = second.communicate()
    assert second.returncode == 0, errors
    done = parts(out)
    assert len(done) == PHOTOS + 1 and kept.items() <= done.items()
    counts = re.search(r"(\d+) tasks done now, (\d+) before", printed)
    assert counts is not None
    # The export, the comparisons and the verdict; one that was kept when it was killed is there.
    assert int(counts[1]) + int(counts[2]) == PHOTOS + 3 and int(counts[2]) > len(kept)
    assert "2 of 2 files hold every gate" in printed

    store = str(out / "store")
    bundle = pull(open_place(store), tmp_path / "pulled", cache=tmp_path / "objects").path
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    found = validate(bundle, images=photos, masks=masks, gates=Gates(), threads=1, latency="none")
    same(read_results(out / "results" / "demo-32x32.json"), found)

    # What a node has made serves an export without Ray as well.
    ends: list[str] = []
    again = tmp_path / "again"
    export("demo", size=32, targets=TARGETS, out=again, watch=lambda event: ends.append(event.kind))
    assert ends == ["cached"] * len(TARGETS)


def working(driver: int) -> psutil.Process | None:
    """A worker of Ray's that does a task."""
    for process in psutil.Process(driver).children(recursive=True):
        try:
            title = process.cmdline()[0]
        except (psutil.Error, IndexError):
            continue
        if title.startswith("ray::compare") or title.startswith("ray::export"):
            return process
    return None


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Cluster, Callable[[], None]]]:
    """A cluster of two nodes on this machine, and what takes the second from it."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster as Nodes

    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        second = nodes.add_node(num_cpus=1)
        with connected(nodes.address) as cluster:
            yield cluster, lambda: nodes.remove_node(second)
    finally:
        nodes.shutdown()


def test_a_node_that_goes_away_costs_what_it_was_doing(
    tmp_path: Path, two_nodes: tuple[Cluster, Callable[[], None]]
) -> None:
    plan = read_plan(planned(tmp_path, "standard"))
    cluster, remove = two_nodes
    assert not cluster.own and [node.cpus for node in cluster.nodes()] == [1, 1]
    removed: list[Node] = []

    def watch(event: SweepEvent) -> None:
        if event.kind == "ended" and event.work == "compare" and not removed:
            removed.extend(cluster.nodes())
            remove()

    swept = sweep(plan, str(tmp_path / "out"), cluster, watch)
    assert removed and len(cluster.nodes()) == 1
    assert not swept.failed and not swept.not_made
    assert [file["target"] for file in swept.files] == TARGETS
    for file in swept.files:
        assert file["status"] == "passed" and file["mae"] is not None
        assert file["medians_ms"] == [file["p50_ms"]] and file["processor"]
    page = (tmp_path / "out" / "index.html").read_text()
    assert "2 of 2 files hold every gate" in page
    assert os.path.getsize(tmp_path / "out" / "pages" / "demo-32x32.html") > 10_000
