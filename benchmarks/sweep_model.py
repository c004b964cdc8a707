"""Sweeps larger than any machine here, simulated: how long, how much is lost, what is full first.

    python benchmarks/sweep_model.py --measure measured.json --sweep /tmp/sweep
    python benchmarks/sweep_model.py --measured measured.json

The first measures here what maskport itself adds to a task (Ray's turn, a judgement's seconds and
memory for each fact, Parquet's bytes), and takes tasks' seconds from `benchmarks/sweep.py`. The
second simulates, event by event, nodes that come and go, a driver that does one thing at a time,
and tasks that are started again where their node went away; and prints docs/scale.md's table.

What can't be measured here is assumed, and stands in `Assumed`.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

# Photos of a shard; docs/sweep.md.
SHARD = 128
# Tasks that are with Ray at once, while its turn is measured: those of 256 nodes of 32 CPUs, twice.
WINDOW = 16_384


@dataclass(frozen=True)
class Measured:
    """Of one machine, by ``--measure``."""

    turn_s: float = 0.004  # of the driver, for a task's submission and its end together
    export_s: float = 60.0  # of a bundle of ``targets``
    load_s: float = 20.0  # of a shard's comparison, before its first photo
    photo_s: float = 0.08  # of a photo in a file
    targets: int = 6
    judge_s: float = 0.0002  # of a fact
    judge_bytes: float = 6000.0  # of a fact, in memory
    parquet_bytes: float = 300.0  # of a fact, kept


@dataclass(frozen=True)
class Assumed:
    """What no machine here can tell."""

    bundle_mb: float = 250.0  # 25 targets of U²-Netp, and the reference
    network_mb_s: float = 200.0  # of a node, from the store
    list_keys_s: float = 5000.0  # keys that a store lists in a second (S3: 1,000 a request)
    puts_s: float = 3500.0  # that S3 takes in a second below one prefix, by its documentation
    gb_cpu: float = 4.0  # memory of a node, for each of its CPUs
    replace_s: float = 300.0  # until a node that went away has a successor


@dataclass(frozen=True)
class Case:
    """A sweep."""

    name: str
    bundles: int
    targets: int
    photos: int
    nodes: int
    cpus: int = 32
    life_h: float = 0.0  # mean life of a spot node; 0: they stay


@dataclass
class Found:
    """What became of it."""

    wall_s: float = 0.0
    tasks: int = 0
    useful_s: float = 0.0
    lost_s: float = 0.0
    driver_s: float = 0.0


CASES = (
    Case("the team's question: 20 checkpoints x 4 sizes, 50,000 photos", 80, 25, 50_000, 8),
    Case("the same on spot nodes that live an hour", 80, 25, 50_000, 8, life_h=1.0),
    Case("a day: 10,000 checkpoints, 128 photos", 10_000, 25, 128, 64),
    Case("a day: 10,000 checkpoints, 1,024 photos", 10_000, 25, 1_024, 128),
    Case("the same, 512 nodes", 10_000, 25, 1_024, 512),
    Case("the same, 512 spot nodes that live an hour", 10_000, 25, 1_024, 512, life_h=1.0),
    Case("one release, a million photos", 1, 25, 1_000_000, 64),
    Case("one release, 100 million photos", 1, 25, 100_000_000, 2_000),
)
# Larger ones are simulated to a part, whose times are those of the whole: tasks are alike.
MOST_TASKS = 400_000


class Simulation:
    """One sweep: the driver's turns, and slots of nodes."""

    def __init__(self, case: Case, measured: Measured, assumed: Assumed) -> None:
        self.case, self.m, self.a = case, measured, assumed
        self.shards = -(-case.photos // SHARD)
        whole = case.bundles * (self.shards + 2)
        self.scale = max(1.0, whole / MOST_TASKS)
        if case.bundles > 1:
            self.bundles = max(1, round(case.bundles / self.scale))
            self.simulated = self.shards
        else:
            self.bundles, self.simulated = 1, max(1, round(self.shards / self.scale))
        self.random = random.Random(0)
        self.found = Found()
        self.here: set[tuple[int, int]] = set()

    def seconds(self, kind: str, bundle: int, node: int) -> float:
        case, m = self.case, self.m
        if kind == "export":
            mean = m.export_s * case.targets / m.targets
        elif kind == "judge":
            return self.simulated * min(SHARD, case.photos) * case.targets * m.judge_s
        else:
            photos = min(SHARD, case.photos)
            mean = m.load_s * case.targets / m.targets + photos * case.targets * m.photo_s
            if (bundle, node) not in self.here:
                self.here.add((bundle, node))
                mean += self.a.bundle_mb / self.a.network_mb_s
        return mean * self.random.lognormvariate(-0.02, 0.2)

    def run(self) -> Found:
        case, found = self.case, self.found
        # (time, number, what, slot, task, life of the node)
        events: list[tuple[float, int, str, int, tuple[str, int], int]] = []
        number = 0
        ready = [("export", bundle) for bundle in reversed(range(self.bundles))]
        left = dict.fromkeys(range(self.bundles), self.simulated)
        free = [(node, cpu) for node in range(case.nodes) for cpu in range(case.cpus)]
        free.reverse()
        life = [0] * case.nodes
        running: dict[int, dict[int, tuple[tuple[str, int], float]]] = {
            node: {} for node in range(case.nodes)
        }
        ids, dead = 0, set()
        driver = now = 0.0

        def push(at: float, what: str, slot: int, task: tuple[str, int], generation: int) -> None:
            nonlocal number
            number += 1
            heapq.heappush(events, (at, number, what, slot, task, generation))

        if case.life_h:
            for node in range(case.nodes):
                push(self.random.expovariate(1 / (case.life_h * 3600)), "death", node, ("", 0), 0)
        todo = self.bundles * (self.simulated + 2)
        slots: dict[int, tuple[int, int]] = {}
        while todo:
            while ready and free:
                node, cpu = free.pop()
                if node in dead:
                    continue
                kind, bundle = ready.pop()
                driver = max(driver, now) + self.m.turn_s
                found.driver_s += self.m.turn_s
                ids += 1
                slots[ids] = node, cpu
                running[node][ids] = (kind, bundle), driver
                end = driver + self.seconds(kind, bundle, node)
                push(end, "end", ids, (kind, bundle), life[node])
            now, _, what, slot, task, generation = heapq.heappop(events)
            if what == "death":
                node = slot
                dead.add(node)
                life[node] += 1
                for held, began in running[node].values():
                    found.lost_s += max(0.0, now - began)
                    ready.append(held)
                running[node].clear()
                self.here = {pair for pair in self.here if pair[1] != node}
                push(now + self.a.replace_s, "birth", node, ("", 0), 0)
            elif what == "birth":
                dead.discard(slot)
                free += [(slot, cpu) for cpu in range(case.cpus)]
                death = now + self.random.expovariate(1 / (case.life_h * 3600))
                push(death, "death", slot, ("", 0), 0)
            else:
                node, cpu = slots.pop(slot)
                if generation != life[node]:
                    continue
                _, began = running[node].pop(slot)
                found.useful_s += now - began
                found.tasks += 1
                todo -= 1
                free.append((node, cpu))
                kind, bundle = task
                if kind == "export":
                    ready += [("compare", bundle)] * self.simulated
                elif kind == "compare":
                    left[bundle] -= 1
                    if not left[bundle]:
                        ready.append(("judge", bundle))
        found.wall_s = now
        return found


def row(case: Case, measured: Measured, assumed: Assumed) -> list[str]:
    simulation = Simulation(case, measured, assumed)
    found = simulation.run()
    scale = simulation.scale
    cpus = case.nodes * case.cpus
    facts = case.photos * case.targets
    wall, tasks = found.wall_s * scale, found.tasks * scale
    full = {
        "CPUs": (found.useful_s + found.lost_s) / (found.wall_s * cpus),
        "driver": found.driver_s / found.wall_s,
        "store's PUTs": 3 * found.tasks / found.wall_s / assumed.puts_s,
        "a judgement's memory": facts * measured.judge_bytes / (assumed.gb_cpu * 1e9 * case.cpus),
    }
    first = max(full, key=lambda name: full[name])
    if full[first] > 1:
        first = f"{first}: it doesn't fit"
    return [
        case.name,
        f"{case.nodes} x {case.cpus}",
        f"{tasks:,.0f}",
        f"{wall / 3600:,.1f} h",
        f"{full['CPUs']:.0%}",
        f"{full['driver']:.0%}",
        f"{found.lost_s / (found.useful_s + found.lost_s):.1%}",
        f"{case.bundles * facts * measured.parquet_bytes / 1e9:,.1f} GB",
        f"{facts * measured.judge_bytes / 1e9:,.1f} GB, {facts * measured.judge_s / 60:,.1f} min",
        f"{tasks / assumed.list_keys_s:,.0f} s",
        first,
    ]


HEADINGS = (
    *("sweep", "nodes x CPUs", "tasks", "takes", "CPUs in use", "driver in use", "lost work"),
    *("facts kept", "a bundle's judgement", "looking at what is done", "fullest"),
)


def measure(sweep: Path) -> Measured:
    """On this machine; tasks' seconds are those of a sweep by `benchmarks/sweep.py`."""
    from maskport.artifacts.store import open_place
    from maskport.sweeps.outcomes import Outcomes

    rows = json.loads((sweep / "tasks.json").read_text())
    exports = [row["seconds"] for row in rows if row["work"] == "export"]
    outcomes = Outcomes(open_place(str(sweep / "by-hand")))
    parts = [outcomes.part(key) for key in sorted(outcomes.finished())]
    targets = len(parts[0].intact)
    drawn = sum(len(part.photos) * targets for part in parts)
    judge_s, judge_bytes, parquet = judgement()
    found = Measured(
        turn_s=turn_seconds(),
        export_s=sum(exports) / len(exports),
        load_s=sum(part.load_s for part in parts) / len(parts),
        photo_s=sum(part.total_s - part.load_s for part in parts) / drawn,
        targets=targets,
        judge_s=judge_s,
        judge_bytes=judge_bytes,
        parquet_bytes=parquet,
    )
    print(found)
    return found


def nothing(number: int) -> int:
    return number


def turn_seconds(count: int = 24_000) -> float:
    from maskport.sweeps.cluster import connected

    with connected(workers=2) as cluster:
        waiting: set[object] = set()
        begun = ended = 0
        began = time.monotonic()
        spent = time.process_time()
        while ended < count:
            while begun < count and len(waiting) < WINDOW:
                waiting.add(cluster.submit(nothing, begun, name="nothing", cpus=1, memory=1000))
                begun += 1
            for one in cluster.ended(list(waiting), 1.0):
                cluster.result(one)
                waiting.discard(one)
                ended += 1
        wall, own = time.monotonic() - began, time.process_time() - spent
    print(f"Ray: {count / wall:.0f} empty tasks a second, {own / count * 1e3:.2f} ms of the driver")
    return own / count


def judgement(photos: int = 4000, targets: int = 5) -> tuple[float, float, float]:
    """Seconds and bytes of memory a fact to read and merge parts, and bytes that keep it."""
    from maskport.artifacts.store import open_place
    from maskport.sweeps.outcomes import Outcomes
    from maskport.validation.journal import Journal
    from maskport.validation.machine import this_machine
    from maskport.validation.parts import Part, enter
    from maskport.validation.results import Photo

    numbers = random.Random(0)
    metrics = (
        *("mae", "rmse", "psnr", "max_error", "p999_error", "iou", "soft_iou", "boundary_f"),
        *("photo_mae", "photo_iou", "photo_boundary_f"),
    )
    with tempfile.TemporaryDirectory() as folder:
        outcomes = Outcomes(open_place(folder))
        keys = []
        for start in range(0, photos, SHARD):
            names = [Photo(name=f"{start + n}.jpg", width=640, height=480) for n in range(SHARD)]
            facts = [
                {
                    "fact": "photo",
                    "target": f"target-{target}",
                    "position": n,
                    "result": {
                        "photo": names[n].name,
                        "metrics": {name: numbers.random() for name in metrics},
                        "class_iou": None,
                        "truth": None,
                        "flags": [],
                    },
                    "sweep": [numbers.random() for _ in range(9)],
                    "row": None,
                }
                for target in range(targets)
                for n in range(SHARD)
            ]
            part = Part(
                photos=names,
                truth_left_out=[],
                reference_truth=[],
                reference_rows=[],
                device="cpu",
                device_name="",
                intact={},
                machine=this_machine(),
                threads=1,
                views=False,
                facts=facts,
                started="",
                total_s=0,
                inference_s=0,
                load_s=0,
            )
            about = {"bundle": "b", "network": "n", "weights": "", "recipe": ""}
            outcomes.keep_part(f"{start}", part, {**about, "height": 1, "width": 1})
            keys.append(f"{start}")
        count = len(keys) * SHARD * targets
        kept = sum(file.stat().st_size for file in Path(folder, "photos").iterdir())
        before = psutil.Process().memory_info().rss
        began = time.monotonic()
        journal = Journal(Path(folder) / "journal", "", resume=False)
        read = [outcomes.part(key) for key in keys]
        enter(journal, read, None)
        journal.close()
        seconds = time.monotonic() - began
        taken = psutil.Process().memory_info().rss - before
    print(
        f"judging: {seconds / count * 1e6:.0f} µs and {taken / count:.0f} bytes of memory a fact, "
        f"{kept / count:.0f} bytes kept"
    )
    return seconds / count, taken / count, kept / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", type=Path, help="Measure here, and write it to this file.")
    parser.add_argument("--sweep", type=Path, help="Folder in which benchmarks/sweep.py worked.")
    parser.add_argument("--measured", type=Path, help="What was measured; a guess where left out.")
    given = parser.parse_args()
    if given.measure:
        given.measure.write_text(json.dumps(asdict(measure(given.sweep)), indent=1) + "\n")
        return
    measured = Measured(**json.loads(given.measured.read_text())) if given.measured else Measured()
    print(f"| {' | '.join(HEADINGS)} |\n|---|{'--:|' * (len(HEADINGS) - 2)}---|")
    for case in CASES:
        print(f"| {' | '.join(row(case, measured, Assumed()))} |", flush=True)


if __name__ == "__main__":
    main()
