"""The plot as a file: SVG and HTML that follow the reader's light or dark scheme, and PNG."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image, ImageDraw, ImageFont

from ...errors import UsageError
from ...outputs import written_whole
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
        UsageError: As `check_picture`.
        InputError: The file can't be written.
    """
    check_picture(path)
    with written_whole(path) as partial:
        PICTURES[path.suffix.lower()](drift, partial)


def _write_svg(drift: Drift, path: Path) -> None:
    path.write_text(svg(drift), encoding="utf-8")


def _write_html(drift: Drift, path: Path) -> None:
    page = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    ).get_template("page.html.j2")
    rows = [(module, _cells(module)) for module in drift.modules]
    plot = Markup(svg(drift))  # noqa: S704 - ours
    path.write_text(page.render(drift=drift, plot=plot, heads=_HEADS, rows=rows), encoding="utf-8")


_HEADS = ("module", "adds", "added up", "MAE", "max", "cosine", "compared with", "tensor")


def _cells(module: ModuleDrift) -> list[str]:
    figures = (module.own, module.relative, module.mae, module.max_error)
    return [
        module.name,
        *(f"{v:.3g}" if math.isfinite(v) else "not a number" for v in figures),
        f"{module.cosine:.6f}",
        module.reference,
        module.tensor,
    ]


# Pixels per unit of the plot: sharp on dense screens.
_DENSITY = 2


def _write_png(drift: Drift, path: Path) -> None:
    canvas = Image.new("RGB", (WIDTH * _DENSITY, HEIGHT * _DENSITY), COLORS["paper"][0])
    for shape in shapes(drift):
        _paint(canvas, shape)
    canvas.save(path, "PNG")


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
