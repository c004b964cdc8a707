"""docs/networks.md, from the figures of the matrix."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .table import ZOO

__all__ = ["write_page"]

# Footnotes are for readers, not for logs.
LONGEST = 240

# What to do instead, where the failure itself can't know: by network and part of the reason.
ROUTES: Mapping[tuple[str, str], str] = {
    ("segnet", "cond must be a bool"): "ExecuTorch takes max-unpooling; for the others, upsample "
    "bilinearly or by transposed convolutions and fine-tune.",
    ("convnext", "bicubic"): "Resize bilinearly: of a mask, few pixels change.",
}

TOP = """# Networks

Small networks of the structures that people have (`tests/zoo/networks/`), trained for a minute on
generated scenes in two lights, exported for real, and every file held against PyTorch on twelve
scenes that neither training nor export saw. ● is a file whose masks keep what its precision
promises ([gates](gates.md)); a number is a footnote that says why there is none, and what to use
instead. An empty cell was not measured since its exporter changed. IoU, worst IoU, MAE and bytes of
each file are in [networks.json](networks.json).

Made by `python -m tests.zoo.matrix`; don't edit it by hand. How a network of your own is exported
is in [own-networks.md](own-networks.md).
"""


def write_page(path: Path, figures: Mapping[str, Any], targets: Sequence[str]) -> None:
    """Write the page.

    Args:
        path: Of the page.
        figures: By network: ``parameters``, ``size``, ``iou_with_truth``, and ``targets``, by
            name, with ``reason``, ``iou``, ``worst_iou``, ``mae``, ``bytes`` where there are any.
        targets: The columns.
    """
    notes: dict[str, int] = {}
    rows = [row for row in ZOO if row.name in figures]
    lines = [TOP, _line(["network", *targets]), _line(["---", *[":-:"] * len(targets)])]
    for row in rows:
        own = figures[row.name]["targets"]
        lines.append(_line([row.name, *(_cell(row.name, own.get(t), notes) for t in targets)]))
    lines += ["", *(f"{number}. {text}" for text, number in notes.items())]
    lines += [
        "",
        "## What they are",
        "",
        "IoU with the truth is PyTorch's own, on 32 held-out scenes: what files are compared by "
        "are masks that mean something.",
        "",
        _line(["network", "structure", "options", "parameters", "IoU with the truth"]),
        _line(["---", "---", "---", "--:", "--:"]),
    ]
    for row in rows:
        own = figures[row.name]
        said = {"size": own.get("size", ""), "activation": row.spec.mask.activation, **row.options}
        said.pop("labels", None)
        options = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in said.items())
        lines.append(
            _line(
                [
                    f"[{row.name}](../tests/zoo/networks/{row.factory.partition(':')[0]}.py)",
                    row.structure,
                    f"`{options}`",
                    f"{own.get('parameters', 0):,}",
                    str(own.get("iou_with_truth", "")),
                ]
            )
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(network: str, found: Mapping[str, Any] | None, notes: dict[str, int]) -> str:
    if found is None:
        return ""
    if not found.get("reason"):
        return "●"
    text = short(found["reason"].replace(network, "the network"))
    routes = [route for (own, part), route in ROUTES.items() if own == network and part in text]
    text = " ".join([text, *routes])
    return f"[{notes.setdefault(text, len(notes) + 1)}](#networks)"


def short(reason: str) -> str:
    """A failure's reason as a footnote: its first line without paths, and the target to use."""
    what, *others = [line for line in reason.splitlines() if line.strip()] or [""]
    what = re.sub(r"\s+", " ", re.sub(r"(/[\w.-]+){3,}", "…", what)).strip().replace("|", "\\|")
    if len(what) > LONGEST:
        what = what[: LONGEST - 1].rstrip() + "…"
    return " ".join([what, *(line for line in others[:1] if line.startswith("Use "))])
