"""What an export looks like in a terminal: one line a target, with progress, time and size."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ..formats import Target
from ..texts import megabytes
from .live_view import TableView

if TYPE_CHECKING:
    from ..artifacts.bundle import Bundle
    from ..artifacts.manifest import Artifact
    from ..exporters.journal import ExportEvent

__all__ = ["ExportView"]


@dataclass
class _Line:
    """One target's line."""

    state: Literal["waiting", "running", "ended"] = "waiting"
    text: str = ""
    started: float = 0.0
    seconds: float = 0.0
    artifact: Artifact | None = None
    cached: bool = False


class ExportView(TableView):
    """Follows an export's events. A context manager; on a terminal it redraws its lines, and
    elsewhere it prints each target once, when it has ended.

    Args:
        rows: The targets, in the order of their lines.
    """

    def __init__(self, rows: tuple[Target, ...]) -> None:
        self._lines = {row.name: _Line() for row in rows}
        super().__init__(8, transient=False)

    def __exit__(self, *exc: object) -> None:
        self._common = ""
        super().__exit__(*exc)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to something else that draws on it."""
        if not self._animated:
            yield
            return
        self._live.stop()
        try:
            yield
        finally:
            self._live.start()

    def watch(self, event: ExportEvent) -> None:
        """Take an event of the export."""
        if event.kind == "note":
            self.note(event.text)
            return
        if not event.target:
            self.say(event.text)
            return
        line = self._lines[event.target]
        if event.kind == "started":
            line.state, line.started = "running", time.monotonic()
        elif event.kind == "step":
            line.text = f"{event.text} {event.done}/{event.total}" if event.total else event.text
        else:
            line.state, line.cached = "ended", event.kind == "cached"
            line.text, line.artifact, line.seconds = event.text, event.artifact, event.seconds
            if not self._animated:
                self._console.print(self._plain(event.target, line), soft_wrap=True)

    def summarize(self, bundle: Bundle) -> None:
        """The last lines: what failed and why, and where the bundle is."""
        if self._animated:
            for failure in bundle.manifest.failures:
                self._console.print(
                    Text.assemble((failure.target, "bold red"), f": {failure.reason}")
                )
        calibration = bundle.manifest.calibration
        halves = bundle.manifest.half_precision
        warnings = calibration.warnings if calibration else []
        for warning in [*warnings, *([halves.warning] if halves and halves.warning else [])]:
            self._console.print(Text.assemble(("Warning", "yellow"), f": {warning}."))
        self._console.print(network_text(bundle), soft_wrap=True)
        total = sum(artifact.bytes for artifact in bundle.manifest.artifacts)
        made, wanted = len(bundle.manifest.artifacts), len(self._lines)
        self._console.print(
            f"{made} of {wanted} targets, {megabytes(total)}, in {bundle.path}", soft_wrap=True
        )

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(width=1)
        table.add_column(no_wrap=True, min_width=19)
        table.add_column(justify="right", no_wrap=True, min_width=6)
        table.add_column(justify="right", no_wrap=True, min_width=8)
        table.add_column(overflow="ellipsis", no_wrap=True)
        for name, line in self._lines.items():
            table.add_row(*self._cells(name, line))
        if self._common:
            table.add_row(self._spinner, Text(self._common, "dim"))
        return table

    def _cells(self, name: str, line: _Line) -> tuple[Spinner | Text, ...]:
        empty = Text("")
        if line.state == "waiting":
            return Text("·", "dim"), Text(name, "dim"), empty, empty, empty
        if line.state == "running":
            clock = Text(f"{time.monotonic() - line.started:.0f} s", "dim")
            return self._spinner, Text(name), clock, empty, Text(line.text, "dim")
        clock = Text(f"{line.seconds:.1f} s" if line.seconds else "")
        if line.artifact is None:
            reason = line.text.splitlines()[0] if line.text else ""
            return Text("✗", "red"), Text(name, "red"), clock, empty, Text(reason, "red")
        size = Text(megabytes(line.artifact.bytes))
        said = Text(fidelity_text(line.artifact))
        if line.cached:
            said.append("  from the cache", "dim")
        return Text("✓", "green"), Text(name), clock, size, said

    def _plain(self, name: str, line: _Line) -> Text:
        if line.artifact is None:
            return Text(f"failed  {name}: {line.text}")
        size, said = megabytes(line.artifact.bytes), fidelity_text(line.artifact)
        if line.cached:
            return Text(f"cached  {name:20} {'':8} {size:>9}  {said}")
        return Text(f"ok      {name:20} {line.seconds:6.1f} s {size:>9}  {said}")


def network_text(bundle: Bundle) -> str:
    """What was exported, with what it was taken to want: defaults shall be seen."""
    from ..artifacts.bundle import spec_of

    network, spec = bundle.manifest.network, spec_of(bundle.manifest)
    image, mask = spec.image, spec.mask
    photo = f"{image.color_order} / {image.divide_by}, mean {image.mean}, std {image.std}"
    drawn = f"{mask.channels} channel{'s' if mask.channels > 1 else ''}"
    drawn = drawn if mask.channel is None else f"channel {mask.channel} of the network's"
    drawn += f", {mask.activation}" if mask.activation != "none" else ""
    drawn += ", inverted" if mask.inverted else ""
    drawn += f", upsampled ({mask.upsample})" if mask.upsample != "none" else ""
    return (
        f"{network.name}: {image.height}x{image.width}, {photo}; mask: {drawn}; "
        f"{network.parameters / 1e6:.1f} M parameters, {network.macs / 1e9:.1f} GMAC"
    )


def fidelity_text(artifact: Artifact) -> str:
    """What a file drew when it was checked, in a few words."""
    seen = artifact.inspection
    if seen is None:
        return f"not run here: {artifact.inspection_skipped}"
    emulated = ", emulated" if seen.emulated else ""
    return f"IoU {seen.iou:.4f}  MAE {seen.mae:.1e}{emulated}"
