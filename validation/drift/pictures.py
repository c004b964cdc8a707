"""The plot as a file: SVG and HTML that follow the reader's light or dark scheme, and PNG."""

from __future__ import annotations

import html
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from ...errors import UsageError
from .findings import Drift, ModuleDrift
from .plot import HEIGHT, WIDTH, Dot, Line, Rectangle, Shape, Text, shapes

__all__ = ["PICTURES", "check_picture", "write_picture"]

# Role → colour on light and on dark paper. Blue and orange are told apart by every kind of
# colour vision.
_COLORS = {
    "paper": ("#ffffff", "#14171c"),
    "band": ("#f3f5f8", "#1a1e25"),
    "grid": ("#dfe3e9", "#2a303a"),
    "axis": ("#8a93a0", "#6b7482"),
    "ink": ("#1b2027", "#e8ebf0"),
    "faint": ("#5c6673", "#9aa4b2"),
    "own": ("#2468b4", "#6cabf2"),
    "past": ("#c8500a", "#ff9a55"),
    "total": ("#7d8794", "#8c96a4"),
}
# Role → colour, width of lines, size of text, opacity.
_LOOKS: dict[str, tuple[str, float, int, float]] = {
    "paper": ("paper", 0, 0, 1),
    "band": ("band", 0, 0, 1),
    "grid": ("grid", 1, 0, 1),
    "axis": ("axis", 1, 0, 1),
    "tick": ("faint", 0, 12, 1),
    "stage": ("faint", 0, 12, 1),
    "tolerance": ("past", 1.2, 0, 0.8),
    "tolerance-text": ("past", 0, 12, 1),
    "total": ("total", 1.6, 0, 1),
    "own": ("own", 0, 0, 1),
    "own-stem": ("own", 1, 0, 0.35),
    "past": ("past", 0, 0, 1),
    "past-stem": ("past", 1.4, 0, 0.6),
    "title": ("ink", 0, 19, 1),
    "subtitle": ("faint", 0, 13, 1),
    "legend": ("ink", 0, 13, 1),
    "flag": ("ink", 1, 0, 0.45),
    "flag-dot": ("ink", 0, 0, 1),
    "flag-text": ("ink", 0, 13, 1),
}
_DASHED = frozenset({"tolerance"})
_BOLD = frozenset({"title", "flag-text"})
# Stands among lines, which must not run through it.
_HALOED = frozenset({"tolerance-text"})
# Downwards from left to right.
_SLANT = 45


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
    path.write_text(svg(drift) + "\n", encoding="utf-8")


def svg(drift: Drift) -> str:
    """The plot as SVG."""
    light, dark = ("".join(_rule(n, c[k]) for n, c in _COLORS.items()) for k in (0, 1))
    style = (
        f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
        "text{font-family:system-ui,-apple-system,'Segoe UI',sans-serif}"
        + "".join(_css(role) for role in _LOOKS)
    )
    body = "\n".join(_element(shape) for shape in shapes(drift))
    words = html.escape(f"{drift.target}: drift by module")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{words}">\n<style>{style}</style>\n{body}\n</svg>'
    )


def _rule(name: str, color: str) -> str:
    return f"--{name}:{color};"


def _css(role: str) -> str:
    color, width, size, opacity = _LOOKS[role]
    rules = f"fill:var(--{color})"
    if width:
        rules = f"fill:none;stroke:var(--{color});stroke-width:{width}"
    if size:
        rules += f";font-size:{size}px"
    if role in _BOLD:
        rules += ";font-weight:600"
    if role in _HALOED:
        rules += ";paint-order:stroke;stroke:var(--paper);stroke-width:4px"
    if role in _DASHED:
        rules += ";stroke-dasharray:6 4"
    if opacity < 1:
        rules += f";opacity:{opacity}"
    return f".{role}{{{rules}}}"


def _element(shape: Shape) -> str:
    if isinstance(shape, Line):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
        return f'<polyline class="{shape.role}" points="{points}"/>'
    if isinstance(shape, Rectangle):
        return (
            f'<rect class="{shape.role}" x="{shape.x:.1f}" y="{shape.y:.1f}" '
            f'width="{shape.width:.1f}" height="{shape.height:.1f}"/>'
        )
    if isinstance(shape, Dot):
        title = f"<title>{html.escape(shape.says)}</title>" if shape.says else ""
        return (
            f'<circle class="{shape.role}" cx="{shape.x:.1f}" cy="{shape.y:.1f}" '
            f'r="{shape.radius:.1f}">{title}</circle>'
        )
    turn = f' transform="rotate({_SLANT} {shape.x:.1f} {shape.y:.1f})"' if shape.turned else ""
    return (
        f'<text class="{shape.role}" x="{shape.x:.1f}" y="{shape.y:.1f}" '
        f'text-anchor="{shape.anchor}"{turn}>{html.escape(shape.words)}</text>'
    )


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
    canvas = Image.new("RGB", (WIDTH * _DENSITY, HEIGHT * _DENSITY), _COLORS["paper"][0])
    for shape in shapes(drift):
        _paint(canvas, shape)
    canvas.save(path)


def _paint(canvas: Image.Image, shape: Shape) -> None:
    color, width, size, opacity = _LOOKS[shape.role]
    pen: Any = ImageDraw.Draw(canvas)
    ink = _mixed(_COLORS[color][0], opacity)
    thick = max(1, round(width * _DENSITY))
    if isinstance(shape, Line):
        points = [(x * _DENSITY, y * _DENSITY) for x, y in shape.points]
        if shape.role in _DASHED:
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
        if text.role in _HALOED:
            pen.text(at, words, _COLORS["paper"][0], font, anchor, stroke_width=2 * _DENSITY)
        pen.text(at, words, ink, font, anchor, stroke_width=0.6 if text.role in _BOLD else 0)
        return
    side = round(font.getlength(words)) + size
    label = Image.new("L", (2 * side, 2 * side))
    ImageDraw.Draw(label).text((side, side), words, 255, font, "ls")
    label = label.rotate(-_SLANT, Image.Resampling.BICUBIC)
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
