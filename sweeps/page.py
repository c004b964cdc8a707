"""The report of a sweep: which file to ship, as one page beside the artifacts' own pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ..metrics import SALIENCY
from ..validation import reports
from ..validation.assemble import FIDELITY
from ..validation.reports.page import environment, policy, source
from ..validation.reports.wording import megabytes, metric_label, metric_value, milliseconds

if TYPE_CHECKING:
    from .swept import Swept

__all__ = ["front", "page_of"]

_HERE = Path(__file__).parent
_REPORTS = Path(reports.__file__).parent

_FILTERS = {"bundle": "Bundle", "network": "Network", "format": "Format", "status": "Status"}
_COSTS = {"p50_ms": "median ms", "bytes": "bytes"}
_QUALITIES = ("worst_iou", "iou", "mae")
# Key, heading, and whether it is a number.
_COLUMNS = (
    ("target", "Target", False),
    ("bundle", "Bundle", False),
    ("height", "Height", True),
    ("recipe", "Recipe", False),
    ("status", "Status", False),
    ("worst_iou", "Worst IoU", True),
    ("iou", "IoU", True),
    ("mae", "MAE", True),
    ("p50_ms", "p50 ms", True),
    ("bytes", "Size MB", True),
    ("peak_memory_mb", "Peak MB", True),
)


def page_of(swept: Swept) -> str:
    """The page's text. Names in it come from files, and are escaped.

    Args:
        swept: What became of it.
    """
    style = source(_REPORTS / "page.css") + source(_HERE / "page.css")
    script = source(_HERE / "page.js")
    truths = [name for name in SALIENCY if any(_has(file, f"truth_{name}") for file in swept.files)]
    qualities = [(name, metric_label(name), _higher(name)) for name in _QUALITIES]
    qualities += [
        (f"truth_{name}", f"{metric_label(name)} to ground truth", SALIENCY[name] == "higher")
        for name in truths
    ]
    names = {*_FILTERS, *_COSTS, *(name for name, *_ in qualities), *(c[0] for c in _COLUMNS)}
    processors = dict.fromkeys(f["processor"] for f in swept.files if f["processor"])
    return (
        environment(_HERE, _REPORTS)
        .get_template("page.html.j2")
        .render(
            bundles=swept.bundles,
            files=[{**file, "shown": _shown(file)} for file in swept.files],
            passed=sum(file["status"] == "passed" for file in swept.files),
            failed=swept.failed,
            not_made=swept.not_made,
            photos=f"Photos: {swept.photos}",
            processors=list(processors),
            filters=_FILTERS.items(),
            qualities=qualities,
            costs=_COSTS.items(),
            columns=_COLUMNS,
            data={
                "files": [{name: file.get(name) for name in sorted(names)} for file in swept.files],
                "filters": [{"name": name} for name in _FILTERS],
                "qualities": [
                    {"name": name, "label": label, "higher": higher}
                    for name, label, higher in qualities
                ],
                "costs": [{"name": name, "label": label} for name, label in _COSTS.items()],
            },
            style=Markup(style),  # noqa: S704 - ours
            script=Markup(script),  # noqa: S704 - ours
            policy=policy(style, script),
        )
    )


def front(files: Sequence[dict[str, Any]], quality: str = "worst_iou") -> list[dict[str, Any]]:
    """The files that hold every gate, and to which no other is equal or better in quality, latency
    and size, and better in one of them. Those that were not timed are left out.

    Args:
        files: Rows of the table.
        quality: A column of it.
    """
    sign = -1 if _higher(quality) else 1

    def point(file: dict[str, Any]) -> list[float]:
        return [sign * file[quality], *(file[name] for name in _COSTS)]

    judged = [
        file
        for file in files
        if file["status"] == "passed" and all(_has(file, name) for name in (quality, *_COSTS))
    ]

    def beaten(file: dict[str, Any]) -> bool:
        own = point(file)
        return any(
            other != own and all(a <= b for a, b in zip(other, own, strict=True))
            for other in map(point, judged)
        )

    return [file for file in judged if not beaten(file)]


def _has(file: dict[str, Any], name: str) -> bool:
    return file.get(name) is not None


def _higher(name: str) -> bool:
    if name.startswith("truth_"):
        return SALIENCY[name.removeprefix("truth_")] == "higher"
    return FIDELITY[name.removeprefix("worst_")] == "higher"


def _shown(file: dict[str, Any]) -> dict[str, str]:
    """Its cells, as they are read."""
    cells = {name: "" if file.get(name) is None else str(file[name]) for name, *_ in _COLUMNS}
    for name in _QUALITIES:
        cells[name] = metric_value(name, file[name])
    cells["p50_ms"] = milliseconds(file["p50_ms"])
    cells["bytes"] = megabytes(file["bytes"])
    memory = file["peak_memory_mb"]
    cells["peak_memory_mb"] = "–" if memory is None else f"{memory:.0f}"
    return cells
