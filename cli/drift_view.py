"""What ``maskport drift`` shows: a line while it works, a table with bars, what it found."""

from __future__ import annotations

import math
import shutil
import sys
from itertools import groupby
from typing import TYPE_CHECKING

import click
from rich import box
from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from .live_view import LiveView
from .tables import print_table

if TYPE_CHECKING:
    from ..validation.drift.findings import Drift, ModuleDrift
    from ..validation.drift.locate import Located
    from ..validation.drift.rows import Unmatched

__all__ = ["DriftView"]

# Narrower terminals leave out the errors in the modules' own units.
WIDE = 100
# What a bar spans; smaller errors show as a sliver.
DECADES = 4
BLOCKS = " ▏▎▍▌▋▊▉█"
# Of modules that are not compared, so many are named for one reason.
NAMED = 4


class DriftView(LiveView):
    """A context manager around the work; afterwards `summarize` prints what came of it."""

    def __init__(self) -> None:
        super().__init__()
        self._live: Status = self._console.status("")

    def say(self, text: str) -> None:
        """What is being done now."""
        self._live.update(text)

    def located(self, found: Located) -> None:
        """Warn where the file is not the bundle's."""
        if found.changed:
            click.echo(
                f"{found.path.name} is not the {found.artifact.target} that the manifest "
                "describes (its checksum differs); examined all the same.",
                err=True,
            )

    def summarize(self, drift: Drift) -> None:
        """Print the table and the findings."""
        if sys.stdout.isatty():
            _draw_table(drift, shutil.get_terminal_size().columns)
        else:
            print_table(_COLUMNS, [_cells(module) for module in drift.modules])
        for line in _findings(drift):
            click.echo(line, err=not sys.stdout.isatty())


_COLUMNS = (
    *("module", "adds", "added_up", "mae", "max_error", "cosine"),
    *("compared_with", "tensor"),
)


def _cells(module: ModuleDrift) -> tuple[str, ...]:
    return (
        module.name,
        *(f"{v:.6g}" for v in (module.own, module.relative, module.mae, module.max_error)),
        f"{module.cosine:.9f}",
        module.reference,
        module.tensor,
    )


def _draw_table(drift: Drift, width: int) -> None:
    wide = width >= WIDE
    scale = _Scale(drift, 24 if wide else 14)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("module", overflow="fold")
    for name in ("adds", scale.title, "added up", *(("MAE", "max") if wide else ()), "cosine", ""):
        words = name in {scale.title, ""}
        table.add_column(name, justify="left" if words else "right", no_wrap=True)
    for module in drift.modules:
        past = not module.own <= drift.tolerance
        own = [_short(module.mae), _short(module.max_error)] if wide else []
        table.add_row(
            module.name,
            _short(module.own),
            Text(scale.bar(module.own), style="red" if past else "blue"),
            _short(module.relative),
            *own,
            f"{module.cosine:.5f}",
            _tag(module, drift),
            style="red" if past else None,
        )
    Console(highlight=False, width=width).print(table)


class _Scale:
    """Bars on a logarithmic scale, over the `DECADES` below the largest error."""

    def __init__(self, drift: Drift, width: int) -> None:
        errors = [m.own for m in drift.modules if 0 < m.own < math.inf] or [drift.tolerance]
        self._width = width
        self._high = math.ceil(math.log10(max(errors)))
        self._low = self._high - DECADES
        self.title = f"1e{self._low}{f'1e{self._high}':>{width - len(f'1e{self._low}')}}"

    def bar(self, error: float) -> str:
        if error <= 0:
            return ""
        part = 1.0 if math.isinf(error) else (math.log10(error) - self._low) / DECADES
        eighths = max(1, round(min(max(part, 0.0), 1.0) * self._width * 8))
        return "█" * (eighths // 8) + BLOCKS[eighths % 8].strip()


def _tag(module: ModuleDrift, drift: Drift) -> str:
    tags = {"first": drift.first, "worst": drift.worst}
    return ", ".join(name for name, tagged in tags.items() if tagged is module)


def _short(error: float) -> str:
    """Three figures in at most eight characters."""
    if not math.isfinite(error):
        return "NaN"
    if error == 0 or 1e-3 <= error < 1e3:
        return f"{error:.3g}"
    mantissa, exponent = f"{error:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def _findings(drift: Drift) -> list[str]:
    photos = "1 photo" if drift.photos == 1 else f"{drift.photos} photos"
    count = len(drift.modules)
    compared = f"{drift.target}: {count} modules on {photos}, reference on {drift.device}."
    lines = [compared]
    worst, furthest, last = drift.worst, drift.furthest, drift.modules[-1]
    first = drift.first
    if first is None:
        lines.append(
            f"No drift: no module adds more than {drift.tolerance:g}. "
            f"{worst.name} adds most, {_short(worst.own)}."
        )
    else:
        others = len(drift.past) - 1
        rest = f"{others} after it {'does' if others == 1 else 'do'} too" if others else "no other"
        lines.append(f"First past the tolerance of {drift.tolerance:g}: {_named(first)}; {rest}.")
        if worst is not first:
            lines.append(f"Worst: {_named(worst)}.")
        lines.append(f"In the file it is {first.tensor}.")
    lines.append(
        f"What has added up is largest at {furthest.name}, {_short(furthest.relative)}; "
        f"at {last.name} it is {_short(last.relative)}."
    )
    return lines + _left_out(drift.unmatched)


def _named(module: ModuleDrift) -> str:
    beside = [w for w in module.weights if not w.startswith(module.name)]
    where = f" (with the weights of {', '.join(beside[:3])})" if beside else ""
    return f"{module.name} adds {_short(module.own)}{where}"


def _left_out(unmatched: tuple[Unmatched, ...]) -> list[str]:
    lines = []
    for reason, group in groupby(sorted(unmatched, key=lambda u: u.reason), lambda u: u.reason):
        names = [u.name for u in group]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        lines.append(f"Not compared: {', '.join(names[:NAMED])}{more}: {reason}.")
    return lines
