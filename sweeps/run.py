"""A sweep from its plan to its report: what is left to do, given to the cluster, and followed."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..artifacts.bundle import parsed_manifest
from ..artifacts.processor import Processor, this_processor
from ..artifacts.store import open_place
from ..artifacts.store.keys import manifest_key
from ..exporters.ingredients import code_digest
from ..outside.files import MANIFEST_FILE
from ..validation.photoset import FoundPhotos
from .cluster import Cluster, Lost, Node
from .here import forget, store_of, version_of
from .memory import Work, memory_of
from .outcomes import Outcomes, load_pyarrow
from .page import page_of
from .plan import Cell, Plan
from .remote import photos_at
from .swept import Failed, Swept
from .tasks import Outcome, Task, done, not_made

__all__ = ["SweepEvent", "Watcher", "sweep"]

# So many tasks are with Ray at once at least, so that an autoscaler sees what is asked for; and
# twice as many as there are CPUs for.
WINDOW = 1000
# Seconds between two looks at a cluster on which nothing ends.
LOOK = 1.0
# Where nothing ended for so long, it is looked whether what is asked for can be had.
SILENT = 60.0
# So often a timing is tried, on other nodes of its kind.
TRIES = 3


@dataclass(frozen=True, slots=True)
class SweepEvent:
    """Something that happened.

    Attributes:
        kind: ``stage`` (a text), ``note`` (a text that is worth a line), ``planned`` (how many
            tasks of a kind there are, and how many of them were done before), ``started`` and
            ``ended`` (a task), ``failed`` (a task, and why).
        work: Of which kind.
        label: Of the task.
    """

    kind: Literal["stage", "note", "planned", "started", "ended", "failed"]
    text: str = ""
    work: Work | None = None
    label: str = ""
    done: int = 0
    total: int = 0


Watcher = Callable[[SweepEvent], None]


def sweep(plan: Plan, out: str, cluster: Cluster, watch: Watcher = lambda event: None) -> Swept:
    """Export, validate and time everything that a plan asks for; what is done already in ``out`` is
    not done again.

    Args:
        plan: From `read_plan`.
        out: A folder, or an address that fsspec knows: where everything finished is kept.
        cluster: From `cluster.connected`.
        watch: Called with each `SweepEvent`, in this thread.

    Raises:
        InputError: The photos, or ``out``, can't be used.
        MissingToolError: pyarrow is not installed.
    """
    load_pyarrow()
    place = open_place(out)
    out = place.shown if "://" not in out else out  # from any folder that a worker may be in
    place.replace("plan.toml", plan.text.encode())  # what can't be written is said before any work
    watch(SweepEvent("stage", "looking at the photos"))
    photos = photos_at(plan.photos, plan.masks)
    run = _Sweep(plan, out, photos, cluster, watch)
    run.run()
    if cluster.own and not run.swept.failed:
        for cell in plan.cells:
            forget(out, cell)
    run.outcomes.forget_others({cell.name for cell in plan.cells})
    place.replace("index.html", page_of(run.swept).encode())
    return run.swept


@dataclass(slots=True)
class _Bundle:
    """What is still to be done of a bundle."""

    cell: Cell
    compare: list[Task]
    waiting: set[str] = field(default_factory=set)
    timings: list[Task] = field(default_factory=list)
    lost: bool = False


class _Sweep:
    """The state of one sweep."""

    def __init__(
        self, plan: Plan, out: str, photos: FoundPhotos, cluster: Cluster, watch: Watcher
    ) -> None:
        self.plan, self.out, self.photos = plan, out, photos
        self.cluster, self.watch = cluster, watch
        self.outcomes, self.store = Outcomes(open_place(out)), open_place(store_of(out))
        self.swept = Swept(self.outcomes.place.shown, photos.photos_from, len(plan.cells))
        # What is measured may differ where the code does.
        self.code = code_digest(("sweeps", "validation"))
        self.bundles = {cell.key: _Bundle(cell, self._comparisons(cell)) for cell in plan.cells}
        self.queue: deque[tuple[Task, Node | None]] = deque()
        self.running: dict[Any, tuple[Task, Node | None]] = {}
        self.kinds: dict[str, list[Node]] = {}
        self.tries: dict[str, int] = {}
        self.nodes = cluster.nodes()
        self.looked = self.told = time.monotonic()

    def run(self) -> None:
        """Masks first; then, on idle nodes, times; then the verdicts."""
        self.watch(SweepEvent("stage", "looking at what is done"))
        finished = self.outcomes.finished()
        held = self.store.listed("bundles")
        shards = [task for bundle in self.bundles.values() for task in bundle.compare]
        exported = 0
        for bundle in self.bundles.values():
            cell = bundle.cell
            bundle.waiting = {part.key for part in bundle.compare} - finished
            if manifest_key(cell.name, version_of(cell)) in held:
                exported += 1
                self._follow(bundle)
            else:
                task = Task("export", cell.key, cell, cell.name, self.plan.threads)
                self.queue.append((task, None))
        self._planned("export", len(self.bundles), exported)
        self._planned("compare", len(shards), sum(task.key in finished for task in shards))
        self._work()
        if self.plan.latency != "none":
            self._time(finished)
        self._judge()

    def _comparisons(self, cell: Cell) -> list[Task]:
        sources, size = self.photos.sources, self.plan.shard
        shards = [sources[start : start + size] for start in range(0, len(sources), size)]
        return [
            Task(
                "compare",
                _key(
                    *(cell.key, "compare", FoundPhotos(shard).identity),
                    *(str(self.plan.threads), self.code),
                ),
                cell,
                f"{cell.name} {number}/{len(shards)}" if len(shards) > 1 else cell.name,
                self.plan.threads,
                shard,
            )
            for number, shard in enumerate(shards, 1)
        ]

    def _planned(self, work: Work, total: int, had: int) -> None:
        self.swept.had += had
        self.watch(SweepEvent("planned", work=work, total=total, done=had))

    def _follow(self, bundle: _Bundle) -> None:
        """Comparisons go before other bundles' exports, so that bundles are done one by one."""
        tasks = [task for task in bundle.compare if task.key in bundle.waiting]
        self.queue.extendleft((task, None) for task in reversed(tasks))

    def _work(self) -> None:
        """Until nothing is left in the queue, nor with Ray."""
        while self.queue or self.running:
            self._look()
            window = self._window()
            while self.queue and len(self.running) < window:
                task, node = self.queue.popleft()
                if task.work == "compare" and self.bundles[task.cell.key].lost:
                    continue  # it can't be judged any more in this run
                self._submit(task, node)
            for submitted in self.cluster.ended(list(self.running), LOOK):
                task, node = self.running.pop(submitted)
                try:
                    outcome: Outcome = self.cluster.result(submitted)
                except Lost as exc:
                    self._lost(task, node, str(exc))
                else:
                    self._ended(task, outcome)

    def _look(self) -> None:
        """At the nodes, now and then; and say it where what is asked for fits on none of them."""
        now = time.monotonic()
        if now - self.looked < LOOK:
            return
        self.nodes, self.looked = self.cluster.nodes(), now
        if now - self.told > SILENT:
            self.told = now
            tasks = [task for task, node in self.running.values() if node is None]
            if tasks and not any(self._fits(task, n) for task in tasks for n in self.nodes):
                cpus, memory = tasks[0].threads, self._memory(tasks[0]) / 1e9
                self.watch(
                    SweepEvent(
                        "note",
                        f"No node has the {cpus} CPUs and {memory:.1f} GB of memory that "
                        f"{tasks[0].work} {tasks[0].label} asks for; it waits for one.",
                    )
                )

    def _fits(self, task: Task, node: Node) -> bool:
        return node.cpus >= task.threads and node.memory >= self._memory(task)

    def _memory(self, task: Task) -> int:
        return memory_of(task.work, task.cell, len(self.photos.sources))

    def _window(self) -> int:
        room = sum(node.cpus for node in self.nodes) // self.plan.threads
        # On our own cluster, what is with Ray runs.
        return room if self.cluster.own else max(WINDOW, 2 * room)

    def _submit(self, task: Task, node: Node | None) -> None:
        # Alone on its node: it takes all of its CPUs.
        cpus = node.cpus if node is not None else task.threads
        memory = self._memory(task)
        # What a node, or our own cluster, can't give would be waited for without end.
        if node is not None or self.cluster.own:
            memory = min(memory, max(n.memory for n in ([node] if node else self.nodes)))
        submitted = self.cluster.submit(
            done,
            self.out,
            task,
            name=f"{task.work} {task.label}",
            cpus=cpus,
            memory=memory,
            node=node,
        )
        self.running[submitted] = task, node
        self.watch(SweepEvent("started", work=task.work, label=task.label))

    def _ended(self, task: Task, outcome: Outcome) -> None:
        if outcome.error is not None:
            what, remedy, code = outcome.error
            self._failed(task, f"{what} {remedy}".strip(), code)
            return
        if outcome.again:
            self.swept.had += 1
        else:
            self.swept.did += 1
        self.told = time.monotonic()
        for note in outcome.notes:
            self.watch(SweepEvent("note", note))
        self.watch(SweepEvent("ended", work=task.work, label=task.label))
        bundle = self.bundles[task.cell.key]
        if task.work == "export":
            self._follow(bundle)
        elif task.work == "compare":
            bundle.waiting.discard(task.key)

    def _lost(self, task: Task, node: Node | None, reason: str) -> None:
        """Another node of the kind may do what one node did not live to do."""
        there = {one.id for one in self.cluster.nodes()}
        kind = self.kinds.get(task.kind, [])
        others = [one for one in kind if one.id in there and one.id != (node.id if node else "")]
        self.tries[task.key] = self.tries.get(task.key, 0) + 1
        if others and self.tries[task.key] < TRIES:
            self.queue.append((task, others[0]))
            return
        self._failed(task, reason, 3)

    def _failed(self, task: Task, reason: str, code: int) -> None:
        bundle = self.bundles[task.cell.key]
        if task.work == "time":  # masks can be judged without
            bundle.timings = [timing for timing in bundle.timings if timing.key != task.key]
        else:
            bundle.lost = True
        label = f"{task.work} {task.label}"
        self.swept.failed.append(Failed(label, reason, code))
        self.watch(SweepEvent("failed", reason, work=task.work, label=label))

    def _time(self, finished: set[str]) -> None:
        """Each bundle once on each kind of processor, one at a time a node."""
        self._find_kinds()
        if not self.kinds:
            reason = "The cluster has no node to time files on; run the sweep again when it has."
            self.swept.failed.append(Failed("time", reason, 3))
        sources = self.photos.sources[:1]
        had = 0
        for number, bundle in enumerate(self.bundles.values()):
            if bundle.lost:
                continue
            for kind, nodes in self.kinds.items():
                task = Task(
                    "time",
                    _key(
                        *(bundle.cell.key, self.plan.latency, kind),
                        *(FoundPhotos(sources).identity, self.code),
                    ),
                    bundle.cell,
                    f"{bundle.cell.name} on {kind.split(' (')[0]}",
                    nodes[0].cpus,
                    sources,
                    latency=self.plan.latency,
                    kind=kind,
                )
                bundle.timings.append(task)
                if task.key in finished:
                    had += 1
                    continue
                self.queue.append((task, nodes[number % len(nodes)]))
        self._planned("time", had + len(self.queue), had)
        self._work()

    def _find_kinds(self) -> None:
        """Which nodes have which processor, and how many CPUs of it."""
        asked = {
            node: self.cluster.submit(
                this_processor, name="what processor is it", cpus=0, node=node
            )
            for node in self.cluster.nodes()
        }
        self.kinds = {}
        for node, submitted in asked.items():
            with contextlib.suppress(Lost):  # it is gone
                found: Processor = self.cluster.result(submitted)
                features = " ".join(found.features or ())
                self.kinds.setdefault(f"{found.name} ({features}, {node.cpus} CPUs)", []).append(
                    node
                )

    def _judge(self) -> None:
        rows: dict[str, list[dict[str, Any]]] = {}
        had = 0
        photos = replace(self.photos, sources=())
        given_up = self.outcomes.given_up()
        for bundle in self.bundles.values():
            if bundle.lost:
                continue
            parts = tuple(part.key for part in bundle.compare)
            timings = tuple(timing.key for timing in bundle.timings)
            task = Task(
                "judge",
                _key(
                    *(*parts, "", *timings, "", self.plan.gates_key, self.code),
                    *(photos.photos_from, photos.truth_from, *photos.left_out, ""),
                    *(key for key in (*parts, *timings) if key in given_up),
                ),
                bundle.cell,
                bundle.cell.name,
                self.plan.threads,
                latency=self.plan.latency,
                parts=parts,
                timings=timings,
                photos=photos,
                gates=self.plan.gates,
            )
            if (found := self.outcomes.files(bundle.cell.name, task.key)) is not None:
                rows[bundle.cell.key] = found
                had += 1
            else:
                self.queue.append((task, None))
        self._planned("judge", had + len(self.queue), had)
        self._work()
        for key, bundle in self.bundles.items():
            if not bundle.lost:
                self.swept.files += rows.get(key) or self.outcomes.files(bundle.cell.name) or []
                self.swept.not_made += self._not_made(bundle.cell)

    def _not_made(self, cell: Cell) -> list[str]:
        key = manifest_key(cell.name, version_of(cell))
        content = self.store.read(key, MANIFEST_FILE)
        return [not_made(cell, failure) for failure in parsed_manifest(content, key).failures]


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
