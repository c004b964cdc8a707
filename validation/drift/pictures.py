"""The plot as a file: SVG and HTML that follow the reader's light or dark scheme, and PNG."""

from __future__ import annotations

import html
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from ...errors import UsageError
from ...svg import BOLD, COLORS, DASHED, HALOED, LOOKS, SLANT, Dot, Line, Rectangle, Shape, Text
from .findings import Drift, ModuleDrift
from .plot import HEIGHT, WIDTH, shapes, svg

__all__ = ["PICTURES", "check_picture", "write_picture"]


def check_picture(path: Path) -> None:
    """Refuse a file that `write_picture` could not write, before the work.

    Raises:
        UsageError: Its ending is none of those, or its folder does not exist.
    """
    if path.suffix.lower() not in PICTURES:
        raise UsageError(
            f"{path} says no kind of picture.", f"End it in one of {', '.join(PICTURES)}."
        )
    if not path.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}.", "Make it, or choose another.")


def write_picture(drift: Drift, path: Path) -> None:
    """Write the plot; the file's ending decides how.

    Raises:
        UsageError: As `check_picture`, or the file can't be written.
    """
    check_picture(path)
    try:
        PICTURES[path.suffix.lower()](drift, path)
    except OSError as exc:
        raise UsageError(f"{path} can't be written: {exc.strerror}.", "Choose another.") from exc


def _write_svg(drift: Drift, path: Path) -> None:
    path.write_text(svg(drift), encoding="utf-8")


def _write_html(drift: Drift, path: Path) -> None:
    rows = "\n".join(_row(module, drift) for module in drift.modules)
    left_out = "".join(
        f"<li><code>{html.escape(u.name)}</code>: {html.escape(u.reason)}</li>"
        for u in drift.unmatched
    )
    if left_out:
        left_out = f"<h2>Not compared</h2>\n<ul>{left_out}</ul>\n"
    heads = "".join(f"<th>{head}</th>" for head in _HEADS)
    path.write_text(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Drift of {html.escape(drift.target)}</title>\n<style>{_PAGE}</style></head>\n"
        f"<body>\n<div class='plot'>{svg(drift)}</div>\n"
        f"<div class='scroll'><table><thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n"
        f"</tbody></table></div>\n{left_out}</body></html>\n",
        encoding="utf-8",
    )


_HEADS = ("module", "adds", "added up", "MAE", "max", "cosine", "compared with", "tensor")
_PAGE = (
    "body{font:14px/1.45 system-ui,sans-serif;margin:1.5rem;background:var(--paper);"
    "color:var(--ink)}.plot,.scroll{overflow-x:auto}.plot svg{min-width:46rem;width:100%}"
    "table{border-collapse:collapse}th,td{padding:.2rem .7rem;text-align:right;"
    "border-bottom:1px solid var(--grid);white-space:nowrap}th:first-child,td:first-child,"
    "th:nth-last-child(-n+2),td:nth-last-child(-n+2){text-align:left}"
    "tr.past{color:var(--past);font-weight:600}td:last-child{color:var(--faint)}"
)


def _row(module: ModuleDrift, drift: Drift) -> str:
    kind = "" if module.own <= drift.tolerance else ' class="past"'
    figures = (module.own, module.relative, module.mae, module.max_error)
    cells = [
        html.escape(module.name),
        *(f"{v:.3g}" if math.isfinite(v) else "not a number" for v in figures),
        f"{module.cosine:.6f}",
        html.escape(module.reference),
        html.escape(module.tensor),
    ]
    return f"<tr{kind}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


# Pixels per unit of the plot: sharp on dense screens.
_DENSITY = 2


def _write_png(drift: Drift, path: Path) -> None:
    canvas = Image.new("RGB", (WIDTH * _DENSITY, HEIGHT * _DENSITY), COLORS["paper"][0])
    for shape in shapes(drift):
        _paint(canvas, shape)
    canvas.save(path)


def _paint(canvas: Image.Image, shape: Shape) -> None:
    color, width, size, opacity = LOOKS[shape.role]
    pen: Any = ImageDraw.Draw(canvas)
    ink = _mixed(COLORS[color][0], opacity)
    thick = max(1, round(width * _DENSITY))
    if isinstance(shape, Line):
        points = [(x * _DENSITY, y * _DENSITY) for x, y in shape.points]
        if shape.role in DASHED:
            (left, y), (right, _) = points
            for start in range(round(left), round(right), 10 * _DENSITY):
                pen.line([(start, y), (start + 6 * _DENSITY, y)], ink, thick)
        else:
            pen.line(points, ink, thick, joint="curve")
    elif isinstance(shape, Rectangle):
        corner = (shape.x + shape.width, shape.y + shape.height)
        pen.rectangle(
            [shape.x * _DENSITY, shape.y * _DENSITY, *(c * _DENSITY for c in corner)], ink
        )
    elif isinstance(shape, Dot):
        x, y, r = shape.x * _DENSITY, shape.y * _DENSITY, shape.radius * _DENSITY
        pen.ellipse([x - r, y - r, x + r, y + r], ink)
    else:
        _write_words(canvas, shape, ink, size * _DENSITY)


def _write_words(canvas: Image.Image, text: Text, ink: str, size: int) -> None:
    font: Any = ImageFont.load_default(size)
    at = (round(text.x * _DENSITY), round(text.y * _DENSITY))
    lowered = text.words.translate(_LOWERED)
    # 10 to the power of -3 as 1e-3: Pillow's own font has no raised digits.
    words = text.words if lowered == text.words else f"1e{lowered[2:]}"
    if not text.turned:
        anchor = {"start": "ls", "end": "rs", "middle": "ms"}[text.anchor]
        pen = ImageDraw.Draw(canvas)
        if text.role in HALOED:
            pen.text(at, words, COLORS["paper"][0], font, anchor, stroke_width=2 * _DENSITY)
        pen.text(at, words, ink, font, anchor, stroke_width=0.6 if text.role in BOLD else 0)
        return
    side = round(font.getlength(words)) + size
    label = Image.new("L", (2 * side, 2 * side))
    ImageDraw.Draw(label).text((side, side), words, 255, font, "ls")
    label = label.rotate(-SLANT, Image.Resampling.BICUBIC)
    canvas.paste(ink, (at[0] - side, at[1] - side), label)


_LOWERED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def _mixed(color: str, opacity: float) -> str:
    """On white paper, without an alpha channel."""
    parts = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 - (255 - part) * opacity):02x}" for part in parts)


PICTURES: dict[str, Callable[[Drift, Path], None]] = {
    ".svg": _write_svg,
    ".png": _write_png,
    ".html": _write_html,
}
