"""What Ray costs a sweep, and whether its results are those of `maskport validate`.

    python benchmarks/sweep.py --photos 60 --work /tmp/sweep

One plan (3 networks x 2 sizes x 6 targets) is done twice, each time in a new folder: by hand, which
is the same tasks in the same order on a pool of two processes; and by `maskport sweep` on a Ray of
two workers. Tasks' seconds and peaks of memory are those of the run by hand. Then each bundle is
pulled, and validated by the command line: what differs is counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from maskport.scenes import scene
from maskport.sweeps.cluster import Node, connected
from maskport.sweeps.memory import memory_of
from maskport.sweeps.plan import Plan, read_plan
from maskport.sweeps.run import Swept, sweep
from maskport.sweeps.tasks import Outcome, Task
from maskport.validation.results import read_results

PLAN = """
photos = "photos"
calibration = "scenes:8"
targets = [
    "onnx-fp32", "onnx-int8", "tflite-fp16", "tflite-int8", "torchscript-lite", "coreml-fp16",
]
sizes = [96, 128]
shard = {shard}
latency = "none"

[[networks]]
network = "demo"

[[networks]]
network = "u2netp"
weights = "{weights}"

# Untrained: integers keep no mask of it.
[[networks]]
network = "u2netp"
weights = "random:0"
targets = [
    "onnx-fp32", "onnx-fp16", "tflite-fp32", "tflite-fp16", "torchscript-lite", "coreml-fp16",
]
"""
WORKERS = 2


class ByHand:
    """Processes that do tasks, as far as a sweep asks for a cluster."""

    dashboard, own = "", True

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def nodes(self) -> list[Node]:
        return [Node("here", "127.0.0.1", WORKERS, psutil.virtual_memory().total)]

    def submit(self, function: Callable[..., Any], *arguments: Any, **_: Any) -> Future[Any]:
        return self._pool.submit(measured, function, *arguments)

    def ended(self, waiting: Sequence[Future[Any]], seconds: float) -> list[Future[Any]]:
        return list(wait(waiting, seconds, FIRST_COMPLETED).done)

    def result(self, submitted: Future[Any]) -> Any:
        outcome, work, label, peak, estimate = submitted.result()
        MEASURED.append(
            {
                "work": work,
                "label": label,
                "seconds": outcome.seconds,
                "peak_mb": peak / 1e6,
                "estimate_mb": estimate / 1e6,
            }
        )
        return outcome


MEASURED: list[dict[str, Any]] = []


def measured(
    function: Callable[..., Outcome], out: str, task: Task
) -> tuple[Outcome, str, str, int, int]:
    """A task, and what it and its children took at once."""
    own, peak, over = psutil.Process(), [0], threading.Event()

    def look() -> None:
        while not over.wait(2.0):
            taken = 0
            for process in (own, *own.children(recursive=True)):
                try:
                    taken += process.memory_full_info().pss
                except psutil.Error:
                    continue
            peak[0] = max(peak[0], taken)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    outcome = function(out, task)
    over.set()
    looking.join()
    return outcome, task.work, task.label, peak[0], memory_of(task.work, task.cell, 60)


def timed(name: str, plan: Plan, out: Path, cluster: Any) -> tuple[float, Swept]:
    began = time.monotonic()
    swept = sweep(plan, str(out), cluster)
    seconds = time.monotonic() - began
    print(f"{name}: {swept.did} tasks in {seconds:.0f} s", flush=True)
    for failure in (*swept.failed, *swept.not_made):
        print(f"  {failure}", flush=True)
    return seconds, swept


def differences(one: Any, other: Any, at: str = "") -> list[str]:
    """Where two results differ, but for what a machine's mood decides."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = {**one, **other}.keys() - {"peak_memory_mb", "path"}
        return [d for key in keys for d in differences(one.get(key), other.get(key), f"{at}/{key}")]
    return [] if one == other else [f"{at}: {one} and {other}"]


def compared(plan: Plan, out: Path, work: Path) -> int:
    """Files whose results are not those of `maskport validate`, to the bit."""
    different = 0
    for cell in plan.cells:
        bundle, found = work / "pulled" / cell.name, work / f"{cell.name}.json"
        pull = ["pull", str(out / "store"), "--name", cell.name, "--out", str(bundle)]
        check = ["validate", str(bundle), "--images", str(plan.photos), "--no-latency"]
        for arguments in (pull, [*check, "--threads", "1", "--json", str(found)]):
            command = [sys.executable, "-m", "maskport", *arguments]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # gates may not hold
        own, others = read_results(out / "results" / f"{cell.name}.json"), read_results(found)
        for target in own.artifacts:
            lines = differences(
                own.artifacts[target].model_dump(), others.artifacts[target].model_dump()
            )
            different += bool(lines)
            print(f"  {cell.name} {target}: {lines[:3] or 'the same to the bit'}", flush=True)
    return different


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="random:1", help="Of u2netp.")
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--shard", type=int, default=30)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    work = given.work.absolute()
    (work / "photos").mkdir(parents=True)
    for seed in range(given.photos):
        Image.fromarray(scene(seed, 240, 320).photo).save(work / "photos" / f"{seed:03}.jpg")
    (work / "plan.toml").write_text(PLAN.format(shard=given.shard, weights=given.weights))
    # As Ray sets it for tasks of one CPU.
    os.environ["OMP_NUM_THREADS"] = "1"
    plan = read_plan(work / "plan.toml")

    os.environ["MASKPORT_CACHE"] = str(work / "cache-by-hand")
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        by_hand, _ = timed("by hand", plan, work / "by-hand", ByHand(pool))
    os.environ["MASKPORT_CACHE"] = str(work / "cache-ray")
    began = time.monotonic()
    with connected(workers=WORKERS) as cluster:
        print(f"Ray: started in {time.monotonic() - began:.1f} s", flush=True)
        on_ray, _ = timed("on Ray", plan, work / "ray", cluster)
    print(f"throughput on Ray: {by_hand / on_ray:.2f} of that by hand", flush=True)
    for kind in ("export", "compare", "judge"):
        rows = [row for row in MEASURED if row["work"] == kind]
        seconds = sorted(row["seconds"] for row in rows)
        peak, estimate = (max(row[name] for row in rows) for name in ("peak_mb", "estimate_mb"))
        print(
            f"{kind}: {len(rows)} tasks, {sum(seconds):.0f} s, median "
            f"{seconds[len(seconds) // 2]:.1f} s, peak {peak:.0f} MB (estimated {estimate:.0f} MB)"
        )
    (work / "tasks.json").write_text(json.dumps(MEASURED, indent=1))
    print(f"{compared(plan, work / 'ray', work)} files differ from maskport validate")


if __name__ == "__main__":
    main()
