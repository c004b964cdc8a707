"""Sensitivity as a picture: a bar for what each part loses, a bar for what it costs in float."""

from __future__ import annotations

from xml.sax.saxutils import escape

from .analysis import Analysis

__all__ = ["sensitivity_svg"]

_ROW, _NAME, _BAR, _MARGIN = 22, 230, 220, 16


def sensitivity_svg(found: Analysis) -> str:
    """An SVG of one line a part; bars are relative to the largest."""
    height = _ROW * (len(found.parts) + 3)
    width = _NAME + 2 * (_BAR + 90) + _MARGIN
    loss = max((1 - part.alone.iou for part in found.parts), default=0) or 1
    time = max((part.slower for part in found.parts), default=0) or 1
    second = _NAME + _BAR + 90
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
        f'<text x="{_NAME}" y="{_ROW}" fill="#c33">1 - IoU, rounded alone</text>'
        f'<text x="{second}" y="{_ROW}" fill="#06c">time added in float (of all integers)</text>'
    ]
    for number, part in enumerate(found.parts, 2):
        y = number * _ROW
        lost = 1 - part.alone.iou
        lines.append(
            f'<text x="{_NAME - 8}" y="{y}" text-anchor="end">{escape(part.module)}</text>'
            + _bar(_NAME, y, lost / loss, "#c33", f"{lost:.5f}")
            + _bar(second, y, part.slower / time, "#06c", f"{part.slower:.2f}")
        )
    lines.append(
        f'<text x="{_NAME - 8}" y="{height - 8}" text-anchor="end">all of them</text>'
        f'<text x="{_NAME}" y="{height - 8}">{1 - found.whole.iou:.5f}</text></svg>\n'
    )
    return "".join(lines)


def _bar(x: int, y: int, share: float, color: str, label: str) -> str:
    length = max(1.0, share * _BAR)
    return (
        f'<rect x="{x}" y="{y - 11}" width="{length:.0f}" height="14" fill="{color}"/>'
        f'<text x="{x + length + 5:.0f}" y="{y}">{label}</text>'
    )
