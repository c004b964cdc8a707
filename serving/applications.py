"""The applications as requests have them: typed parameters, and a picture or numbers as result."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import IO, Any, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from ..apps import background as replaced
from ..apps import boxes as found_in
from ..apps import crop as cropped
from ..apps import cutout as cut
from ..apps import drawn_boxes, heat_map
from ..apps import highlight as dimmed
from ..apps import mask as drawn
from ..apps.background import color_of
from ..apps.batch import encode
from ..apps.segmenter import Map, Segmenter
from ..errors import ImageError, UsageError
from ..imaging.photos import read_upload

__all__ = [
    "Answer",
    "BackgroundOptions",
    "BoxesOptions",
    "CropOptions",
    "CutoutOptions",
    "HighlightOptions",
    "MaskOptions",
    "Result",
    "Times",
    "answered",
    "background",
    "boxes",
    "crop",
    "cutout",
    "highlight",
    "mask",
]

Kind = Literal["png", "webp", "jpeg", "json"]
_Opaque = Literal["png", "webp", "jpeg"]
_Transparent = Literal["png", "webp"]


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    artifact: str | None = Field(
        None, description="What draws the mask: a name of `/artifacts`; the first where left out."
    )
    refine: bool = Field(False, description="Let edges follow the photo's own.")
    channel: int | None = Field(
        None, alias="class", ge=0, description="A class, where there are several."
    )


class _EdgeOptions(_Options):
    alpha_matting: bool = Field(False, description="Solve for the edges: hair, fur. Takes seconds.")
    clean: bool = Field(True, description="Take out veils and specks.")


class CutoutOptions(_EdgeOptions):
    """Of `POST /cutout`."""

    mask_only: bool = Field(False, description="The opacity alone, in 256 greys.")
    format: _Transparent = "png"


class BackgroundOptions(_EdgeOptions):
    """Of `POST /background`."""

    color: str = Field("", max_length=64, description="A name or #rrggbb.")
    blur: float = Field(
        0, ge=0, le=20, description="The photo out of focus, in hundredths of its longer side."
    )
    format: _Opaque = "jpeg"


class HighlightOptions(_Options):
    """Of `POST /highlight`."""

    style: Literal["dim", "heat"] = Field("dim", description="The rest dark, or a heat map.")
    dim: float = Field(0.7, ge=0, le=1, description="How dark the rest is.")
    format: _Opaque = "jpeg"


class _ObjectOptions(_Options):
    threshold: float | None = Field(
        None, gt=0, le=1, description="From which value on a pixel belongs to an object."
    )


class BoxesOptions(_ObjectOptions):
    """Of `POST /boxes`."""

    minimum_area: float = Field(0.001, ge=0, le=1, description="Smaller parts are left out.")
    color: str = Field("#00e05a", max_length=64, description="Of the lines.")
    format: Kind = Field("json", description="Numbers, or the photo with boxes drawn.")


class CropOptions(_ObjectOptions):
    """Of `POST /crop`."""

    margin: float = Field(0.05, ge=0, le=10, description="As a part of the objects' longer side.")
    aspect: float | None = Field(None, ge=0.01, le=100, description="Width over height.")
    format: _Opaque = "jpeg"


class MaskOptions(_Options):
    """Of `POST /mask`."""

    format: _Transparent = "png"


@dataclass(slots=True)
class Times:
    """Milliseconds of what was done, by name."""

    laps: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, name: str) -> None:
        """What was done since the last one was that."""
        now = time.perf_counter()
        self.laps[name] = (now - self._last) * 1e3
        self._last = now

    def header(self) -> str:
        """As ``Server-Timing`` has them."""
        return ", ".join(f"{name};dur={ms:.1f}" for name, ms in self.laps.items())


@dataclass(frozen=True, slots=True)
class Result:
    """What an application gives: a picture, or numbers."""

    picture: Image.Image | None = None
    numbers: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A result as it is sent: bytes of a media type, or numbers."""

    body: bytes
    media_type: str
    numbers: Any = None


Make = Callable[[Image.Image, Segmenter], Result]


def answered(
    file: IO[bytes], make: Make, kind: Kind, most_pixels: int, times: Times
) -> Callable[[Segmenter], Answer]:
    """All of a request that is work: reading the photo, drawing, applying, and writing the result.

    Args:
        file: The photo as it was sent.
        make: The application.
        kind: Of the result.
        most_pixels: Of the photo.
        times: Filled on the way: ``wait``, ``read``, ``draw``, ``apply``, ``write``.

    Raises:
        ImageError: When it is called: the photo can't be used.
        InputError: Likewise: a parameter can't.
    """

    def work(segmenter: Segmenter) -> Answer:
        times.lap("wait")
        photo = read_upload(file, most_pixels)
        times.lap("read")
        drawing = 0.0

        def draw(image: Map) -> Map:
            nonlocal drawing
            began = time.perf_counter()
            planes = segmenter.draw(image)
            drawing += (time.perf_counter() - began) * 1e3
            return planes

        result = make(photo, replace(segmenter, draw=draw))
        times.lap("apply")
        times.laps["apply"] -= drawing
        times.laps["draw"] = drawing
        if result.picture is None:
            return Answer(b"", "application/json", result.numbers)
        written = io.BytesIO()
        try:
            encode(result.picture, kind.upper(), written)
        except (OSError, ValueError) as exc:  # WebP ends at 16383 pixels, JPEG at 65500
            raise ImageError(f"The result can't be written as {kind}: {exc}", "Take png.") from exc
        times.lap("write")
        return Answer(written.getvalue(), f"image/{kind}")

    return work


def cutout(options: CutoutOptions) -> Make:
    """See `apps.cutout`."""

    def make(photo: Image.Image, segmenter: Segmenter) -> Result:
        whole = cut(photo, segmenter, **_edges(options))
        return Result(whole.getchannel("A") if options.mask_only else whole)

    return make


def background(options: BackgroundOptions, picture: IO[bytes] | None, most_pixels: int) -> Make:
    """See `apps.background`.

    Raises:
        UsageError: Not one background is given, or it is no color.
    """
    if sum((bool(options.color), picture is not None, options.blur > 0)) != 1:
        raise UsageError("There is not one new background.", "Give color, picture or blur.")
    if options.color:
        color_of(options.color)

    def make(photo: Image.Image, segmenter: Segmenter) -> Result:
        behind = None if picture is None else read_upload(picture, most_pixels, "The background")
        return Result(
            replaced(
                photo,
                segmenter,
                color=options.color,
                picture=behind,
                blur=options.blur,
                **_edges(options),
            )
        )

    return make


def highlight(options: HighlightOptions) -> Make:
    """See `apps.highlight`."""

    def make(photo: Image.Image, segmenter: Segmenter) -> Result:
        if options.style == "heat":
            return Result(heat_map(photo, segmenter, **_common(options)))
        return Result(dimmed(photo, segmenter, dim=options.dim, **_common(options)))

    return make


def boxes(options: BoxesOptions) -> Make:
    """See `apps.boxes`.

    Raises:
        UsageError: The lines' color is none.
    """
    color_of(options.color)

    def make(photo: Image.Image, segmenter: Segmenter) -> Result:
        found = found_in(
            photo,
            segmenter,
            threshold=options.threshold,
            minimum_area=options.minimum_area,
            **_common(options),
        )
        if options.format != "json":
            return Result(drawn_boxes(photo, found, options.color))
        numbers = [asdict(box) for box in found]
        return Result(numbers={"width": photo.width, "height": photo.height, "boxes": numbers})

    return make


def crop(options: CropOptions) -> Make:
    """See `apps.crop`."""

    def make(photo: Image.Image, segmenter: Segmenter) -> Result:
        return Result(
            cropped(
                photo,
                segmenter,
                margin=options.margin,
                aspect=options.aspect,
                threshold=options.threshold,
                **_common(options),
            )
        )

    return make


def mask(options: MaskOptions) -> Make:
    """See `apps.mask`."""
    return lambda photo, segmenter: Result(drawn(photo, segmenter, **_common(options)))


def _common(options: _Options) -> dict[str, Any]:
    return {"refine": options.refine, "channel": options.channel}


def _edges(options: _EdgeOptions) -> dict[str, Any]:
    return {
        **_common(options),
        "alpha_matting": options.alpha_matting,
        "clean": options.clean,
    }
