"""Compares an artifact's tensors with the reference's, module by module, over photos."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ...errors import RunnerError, UsageError
from ...models.devices import best_device
from ...models.prepared import Reference, prepare
from ...runtimes.intermediates.nodes import INPUT, NodeInfo
from .errors import Distance
from .findings import Drift, ModuleDrift
from .graph import Key, graph_of_file, graph_of_tape
from .matching import match
from .rows import MASK, Row, Unmatched, choose_rows
from .tape import IMAGE, Tape, record, tensors_of

__all__ = ["Array", "TensorSource", "measure_drift"]

Array = NDArray[np.float32]
# An image (1, 3, H, W) in; what `runtimes.intermediates.stream.intermediates` yields out.
TensorSource = Callable[[Array], Iterator[tuple[NodeInfo, Array]]]

# Above that, a module of the exported view computes something else than the network's module
# of the same name; rounding of folded batch norms stays below.
SAME_MODULE = 1e-3


def measure_drift(
    reference: Reference,
    images: Array,
    source: TensorSource,
    *,
    target: str,
    tolerance: float,
    device: str | None = None,
    step: Callable[[str], None] = lambda text: None,
) -> Drift:
    """Find where an artifact parts ways with its reference.

    Args:
        reference: The untouched network.
        images: (N, 3, H, W), RGB in [0, 1], N >= 1.
        source: Runs the artifact on one image and yields its tensors; called once more than
            there are images, because the file's graph is known only when it has run.
        target: What to call the artifact.
        tolerance: Of a module's own error, see `ModuleDrift.own`.
        device: Where the reference runs; the best there is where not given.
        step: Called with what is being done.

    Raises:
        NetworkError: The reference fails on these images.
        RunnerError: The artifact fails.
        UsageError: No module could be matched.
    """
    device = device or best_device()
    step("recording the network")
    prepared = prepare(reference.network, reference.spec)
    tape = record(prepared, torch.from_numpy(images[:1]))
    network = graph_of_tape(tape)
    step("reading the file's graph")
    nodes, takes_image = _read(source, images[:1])
    file = graph_of_file(nodes)
    given: dict[Key, Key] = {IMAGE: nodes[0].output} if takes_image else {}
    rows, unmatched = choose_rows(tape, network, file, match(network, file, given))
    if not rows:
        raise UsageError(
            f"Nothing in {target} could be matched with the network's modules.",
            "Check that the artifact was made from this network (--network, --weights).",
        )
    comparison = _Comparison(reference, tape, rows, device)
    for number, image in enumerate(images, 1):
        step(f"photo {number} of {len(images)}")
        comparison.add(image[None], source)
    return Drift(
        target,
        len(images),
        tolerance,
        device,
        tuple(comparison.modules()),
        (*unmatched, *comparison.missing(unmatched)),
    )


def _read(source: TensorSource, image: Array) -> tuple[list[NodeInfo], bool]:
    """The file's nodes, and whether it takes the image as the contract has it."""
    nodes: list[NodeInfo] = []
    takes_image = False
    for node, values in source(image):
        if node.kind == INPUT:
            # Half a byte's step: integer files round to it.
            takes_image = values.shape == image.shape and np.abs(values - image).max() <= 0.5 / 255
        nodes.append(node)
    if not nodes or nodes[0].kind != INPUT:
        raise RunnerError("The artifact's stream does not begin with its input.", "Report it.")
    return nodes, takes_image


class _Comparison:
    """Sums over photos. Of a photo, the reference's tensors wait on disk for the artifact's."""

    def __init__(self, reference: Reference, tape: Tape, rows: list[Row], device: str) -> None:
        self.reference, self.tape, self.rows, self.device = reference, tape, rows, device
        # A mask is measured by its range: an empty one has no RMS to compare with.
        units = [1.0 if row.name == MASK else None for row in rows]
        self.totals = [Distance(unit) for unit in units]
        self.owns = [Distance(unit) for unit in units]
        self.places = {row.value: place for place, row in enumerate(rows)}
        # Which of the reference's modules stands for a row; empty for the exported view's own.
        self.stands: list[str] = []
        self.heard: set[str] = set()

    def add(self, image: Array, source: TensorSource) -> None:
        with tempfile.TemporaryDirectory(prefix="maskport-drift-") as folder:
            store = _Store(Path(folder))
            self._draw(image, store)
            self._compare(image, source, store)

    def modules(self) -> Iterator[ModuleDrift]:
        for row, total, own, stands in zip(
            self.rows, self.totals, self.owns, self.stands, strict=True
        ):
            yield ModuleDrift(
                row.name,
                row.tensor,
                self.tape.shapes[row.value],
                row.weights,
                "network" if stands else "exported view",
                total.relative,
                own.relative,
                total.mae,
                total.maximum,
                total.cosine,
                own.mae,
                total.not_finite,
            )

    def missing(self, unmatched: list[Unmatched]) -> Iterator[Unmatched]:
        """Leaf modules of the network that the exported view doesn't have."""
        named = {mark.module for mark in self.tape.marks}
        listed = {u.name for u in unmatched}
        for name, module in self.reference.network.named_modules():
            runs = f"network.{name}" in self.heard
            gone = f"body.network.{name}" not in named and name not in listed
            if runs and gone and not list(module.children()):
                yield Unmatched(name, "the exported view folds it into other modules")

    def _draw(self, image: Array, store: _Store) -> None:
        """The reference's value of every row, from one pass over the untouched network."""
        first, stands = not self.stands, self.stands or [""] * len(self.rows)
        wanted = {name for row in self.rows for name in row.names} if first else {*stands} - {""}
        self.heard |= _draw(self.reference, image, self.device, wanted, store)
        places = {self.rows[place].value: place for place, name in enumerate(stands) if not name}
        with torch.no_grad():
            given = {IMAGE: torch.from_numpy(image)}
            for number, value in self.tape.compute(given, places):
                view, place = value.numpy(), places[number]
                if first:
                    names = self.rows[place].names
                    same = (n for n in names if store.equals(n, view, SAME_MODULE))
                    stands[place] = next(same, "")
                if not stands[place]:
                    store.put(f"view {number}", view)
        self.stands = stands

    def _compare(self, image: Array, source: TensorSource, store: _Store) -> None:
        needed = _Needed(self.rows)
        live: dict[int, Array] = {IMAGE: image}
        done = 0
        for node, values in source(image):
            for value in needed.values_of(node.output):
                live[value] = values
                self._add_row(self.places[value], live, store)
                done += 1
                for unread in needed.done(value):
                    live.pop(unread, None)
        if done != len(self.rows):
            raise RunnerError(
                f"The artifact gave {done} of {len(self.rows)} tensors that it gave before.",
                "Run it again; a file whose graph depends on the photo can't be examined.",
            )

    def _add_row(self, place: int, live: dict[int, Array], store: _Store) -> None:
        row = self.rows[place]
        actual = live[row.value]
        self.totals[place].add(actual, store.get(self.stands[place] or f"view {row.value}"))
        given = {number: torch.tensor(live[number]) for number in row.sources}
        with torch.no_grad():
            expected = dict(self.tape.compute(given, [row.value]))[row.value].numpy()
        self.owns[place].add(actual, expected)


class _Store:
    """Where the reference's tensors of one photo wait for the artifact's: on disk, because those of
    a large network are gigabytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Path] = {}

    def put(self, name: str, values: NDArray[Any]) -> None:
        """Keep a copy."""
        path = self._folder / f"{len(self._files)}.npy"
        np.save(path, values.astype(np.float32))
        self._files[name] = path

    def get(self, name: str) -> Array:
        """What was kept under that name."""
        values: Array = np.load(self._files[name])
        return values

    def equals(self, name: str, values: Array, tolerance: float) -> bool:
        """Holds something of that name which is ``values`` up to a relative error."""
        if name not in self._files:
            return False
        kept = self.get(name)
        if kept.shape != values.shape:
            return False
        distance = Distance()
        distance.add(values, kept)
        return distance.relative <= tolerance


class _Needed:
    """Which of the file's tensors are waited for, and until when each is needed."""

    def __init__(self, rows: list[Row]) -> None:
        self._values: dict[str, list[int]] = {}
        self._readers: dict[int, set[int]] = {row.value: {row.value} for row in rows}
        self._sources = {row.value: row.sources for row in rows}
        for row in rows:
            self._values.setdefault(row.tensor, []).append(row.value)
            for source in row.sources:
                if source != IMAGE:
                    self._readers[source].add(row.value)

    def values_of(self, tensor: str) -> list[int]:
        return self._values.get(tensor, [])

    def done(self, value: int) -> Iterator[int]:
        """Note that a row was compared; the values that no row reads any more."""
        for source in (*self._sources[value], value):
            if source in self._readers:
                self._readers[source].discard(value)
                if not self._readers[source]:
                    yield source


def _draw(
    reference: Reference, image: Array, device: str, wanted: set[str], store: _Store
) -> set[str]:
    """Run the untouched network; keep what the wanted modules give; the modules that ran."""
    times: Counter[str] = Counter()

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def keep(_module: nn.Module, _args: Any, output: Any) -> None:
            times[name] += 1
            again = f"#{times[name]}" if times[name] > 1 else ""
            for part, tensor in tensors_of(output):
                full = f"{name}{again}{part}"
                if full in wanted:
                    store.put(full, tensor.detach().float().cpu().numpy())

        return keep

    handles = [
        module.register_forward_hook(hook(name or MASK))
        for name, module in reference.named_modules()
    ]
    try:
        reference.draw(image, device)
    finally:
        for handle in handles:
            handle.remove()
    return set(times)
