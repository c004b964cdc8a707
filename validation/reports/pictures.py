"""The pictures of the page: each one embedded once, and the comparisons that show them."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..maps import MapStore
from ..results import ArtifactResult, PhotoResult, Results
from .heat import COLORS, heat_map
from .wording import (
    FLAGS,
    METRICS,
    OBJECTS,
    STATUSES,
    metric_label,
    metric_value,
    photos_worst_first,
    rank,
)

__all__ = ["CLASS_COLORS", "MAP_SIDE", "MOST_PHOTOS", "Gallery", "gallery"]

# Photos of an artifact that the page shows; the others are in the JSON.
MOST_PHOTOS = 12
# Longest side of an embedded mask in pixels; about what a card is wide.
MAP_SIDE = 384
# Of an embedded heat map: noise doesn't compress, and its blocks keep their peaks.
HEAT_SIDE = 240
# Opacities of an embedded mask. A difference of one can't be seen, and costs half of the page.
MASK_STEPS = 64

# Okabe and Ito, "Color universal design" (2008), without black; beyond seven classes they repeat.
CLASS_COLORS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)

# What a card says without being asked.
_SHOWN = ("iou", "mae", "max_error", "boundary_f")


@dataclass
class Gallery:
    """What the page's script draws cards from, in plain values.

    Attributes:
        images: Data URLs.
        photos: By position: name, size, and its images' positions in ``images``.
        cards: One a photo of an artifact, worst first.
        left_out: Comparisons that were made and are not shown.
        scale: The heat map's colours, as an image.
        classes: How many classes the masks have; 1 for a plain mask.
    """

    images: list[str] = field(default_factory=list)
    photos: list[dict[str, Any]] = field(default_factory=list)
    cards: list[dict[str, Any]] = field(default_factory=list)
    left_out: int = 0
    scale: str = ""
    classes: int = 1
    _known: dict[bytes, int] = field(default_factory=dict, repr=False)

    def embed(self, content: bytes, kind: str) -> int:
        """An image's position; equal ones share it."""
        key = hashlib.sha256(content).digest()
        if key not in self._known:
            self._known[key] = len(self.images)
            self.images.append(_data_url(content, kind))
        return self._known[key]


def gallery(results: Results, maps: MapStore | None) -> Gallery:
    """Choose the worst photos of each artifact, and draw what was kept of them."""
    made = Gallery(scale=_data_url(_webp(COLORS[None]), "webp"))
    positions = {photo.name: position for position, photo in enumerate(results.photos)}
    made.photos = [
        {"name": photo.name, "width": photo.width, "height": photo.height}
        for photo in results.photos
    ]
    truths = {photo.photo: photo.truth for photo in results.reference.photos}
    ranked: list[tuple[tuple[float, float], dict[str, Any]]] = []
    for artifact in (*results.pytorch.values(), *results.artifacts.values()):
        worst = [p for p in photos_worst_first(artifact) if p.photo in positions]
        made.left_out += len(worst[MOST_PHOTOS:])
        for photo in worst[:MOST_PHOTOS]:
            position = positions[photo.photo]
            remark = OBJECTS.get(results.photos[position].object or "")
            card = _card(artifact, photo, position, truths.get(photo.photo), remark)
            if maps is not None:
                _draw_photo(made, maps, position)
                _draw(made, card, maps, artifact.target, photo)
            ranked.append((rank(photo), card))
    ranked.sort(key=lambda pair: pair[0])
    made.cards = [card for _, card in ranked]
    return made


def _card(
    artifact: ArtifactResult,
    photo: PhotoResult,
    position: int,
    truth: dict[str, float] | None,
    remark: str | None,
) -> dict[str, Any]:
    flags = [FLAGS.get(flag, flag.replace("-", " ")) for flag in photo.flags]
    return {
        "target": artifact.target,
        "status": STATUSES[artifact.status].label,
        "tone": STATUSES[artifact.status].tone,
        "emulated": artifact.emulated,
        "photo": position,
        "flags": flags + [remark] * (remark is not None),
        "shown": [_labelled(name, photo.metrics.get(name)) for name in _SHOWN],
        "numbers": [_labelled(*pair) for pair in sorted(photo.metrics.items(), key=_order)],
        "truth": [
            _labelled(name, (truth or {}).get(name), value)
            for name, value in (photo.truth or {}).items()
        ],
    }


def _labelled(name: str, *values: float | None) -> list[str]:
    return [metric_label(name), *(metric_value(name, value) for value in values)]


def _order(metric: tuple[str, float]) -> tuple[bool, int, str]:
    """The network's own map before the photo's, then as `METRICS` has them."""
    known = list(METRICS)
    base = metric[0].removeprefix("photo_")
    return (base != metric[0], known.index(base) if base in known else len(known), base)


def _draw_photo(made: Gallery, maps: MapStore, position: int) -> None:
    """Embed a photo and the reference's mask of it, where they were kept."""
    entry = made.photos[position]
    if "image" in entry:
        return
    photo, reference = maps.photo(position), maps.reference(position)
    entry["image"] = None if photo is None else made.embed(photo, "jpeg")
    entry["reference"] = None if reference is None else made.embed(_mask(reference), "webp")
    if reference is not None:
        made.classes = max(made.classes, len(reference))


def _draw(
    made: Gallery, card: dict[str, Any], maps: MapStore, target: str, photo: PhotoResult
) -> None:
    drawn = maps.drawn(target, card["photo"])
    if drawn is None:
        return
    heat = heat_map(drawn.error, HEAT_SIDE)
    card["mask"] = made.embed(_mask(drawn.mask), "webp")
    card["heat"] = made.embed(_webp(heat.pixels), "webp")
    card["scale"] = f"{heat.scale:g}"
    # The store keeps half floats: where the run noted the number itself, that is said.
    noted = photo.metrics.get("max_error", heat.maximum)
    card["maximum"] = metric_value("max_error", noted)
    card["at"] = [round(100 * part, 1) for part in heat.at]
    card["notNumbers"] = heat.not_numbers


def _mask(mask: NDArray[np.uint8]) -> bytes:
    """One channel as the opacity of a white picture, several as classes in colours.

    An opacity serves every view: as it is over black, or as a stencil of the photo.
    """
    if len(mask) > 1:
        classes = Image.fromarray(mask.argmax(0).astype(np.uint8))
        classes.thumbnail((MAP_SIDE, MAP_SIDE), Image.Resampling.NEAREST)
        colors = np.array(CLASS_COLORS, np.uint8)
        return _webp(colors[np.asarray(classes) % len(colors)])
    plane = Image.fromarray(mask[0])
    plane.thumbnail((MAP_SIDE, MAP_SIDE), Image.Resampling.BOX)
    steps = np.rint(np.asarray(plane) / 255 * (MASK_STEPS - 1))
    alpha = np.rint(steps / (MASK_STEPS - 1) * 255).astype(np.uint8)
    return _webp(np.dstack([np.full((*alpha.shape, 3), 255, np.uint8), alpha]))


def _webp(pixels: NDArray[np.uint8]) -> bytes:
    """(h, w, 3 or 4) bytes; lossless, opacity included."""
    encoded = io.BytesIO()
    # The colour of what can't be seen is kept: a stencil's edge must not darken.
    Image.fromarray(pixels).save(encoded, "WEBP", lossless=True, exact=True, method=4)
    return encoded.getvalue()


def _data_url(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
