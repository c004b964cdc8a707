"""rembg's HTTP API, for clients that were written for `rembg s` (danielgatis/rembg,
``rembg/commands/s_command.py``): the same parameters, and a PNG."""

from __future__ import annotations

from PIL import Image
from pydantic import BaseModel, Field, field_validator

from ..apps import cutout as cut
from ..apps import mask as drawn
from ..apps.segmenter import Segmenter
from .applications import Make, Result

__all__ = ["RemoveOptions", "removed"]


class RemoveOptions(BaseModel):
    """What rembg's clients send."""

    model: str | None = Field(
        None, description="An artifact's name, or a network's; the first artifact where left out."
    )
    a: bool = Field(False, description="Alpha matting.")
    af: int = Field(240, ge=0, le=255, description="Taken and not used: bands are maskport's own.")
    ab: int = Field(10, ge=0, le=255, description="Likewise.")
    ae: int = Field(10, ge=0, description="Likewise.")
    om: bool = Field(False, description="Only the mask.")
    ppm: bool = Field(False, description="Clean the mask of veils and specks.")
    bgc: str | None = Field(None, description="Color behind the object: R,G,B,A from 0 to 255.")
    extras: str | None = Field(None, description="Taken and not used.")

    @field_validator("bgc")
    @classmethod
    def _is_a_color(cls, text: str | None) -> str | None:
        parts = text.split(",") if text else []
        if parts and not (
            len(parts) == 4 and all(p.strip().isdecimal() and int(p) <= 255 for p in parts)
        ):
            raise ValueError("a color is four numbers from 0 to 255: 255,255,255,255")
        return text or None

    @property
    def color(self) -> tuple[int, ...] | None:
        """``bgc`` as numbers."""
        return tuple(map(int, self.bgc.split(","))) if self.bgc else None


def removed(options: RemoveOptions) -> Make:
    """What rembg's server does, with maskport's masks and edges."""

    def make(photo: Image.Image, segmenter: Segmenter) -> Result:
        if options.om and not (options.a or options.ppm):
            return Result(drawn(photo, segmenter))
        whole = cut(photo, segmenter, alpha_matting=options.a, clean=options.ppm)
        if options.om:
            return Result(whole.getchannel("A"))
        if options.color is not None:
            behind = Image.new("RGBA", whole.size, options.color)
            flat = Image.alpha_composite(behind, whole)
            flat.info = whole.info
            whole = flat
        return Result(whole)

    return make
