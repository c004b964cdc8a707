"""A static page of photos and what was made of them, each pair under a slider."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ..errors import ImageError, UsageError
from ..imaging.photos import photos_below, read_picture
from ..outputs import written_whole
from ..outside.files import PHOTO, opened
from ..texts import shown

__all__ = ["Pair", "find_pairs", "write_gallery"]

# Longest side of the page's pictures, in pixels.
SIDE = 1200
PICTURES = "pictures"


@dataclass(frozen=True, slots=True)
class Pair:
    """A photo and what was made of it; ``name`` is that of the latter, below its folder."""

    name: str
    before: Path
    after: Path


def find_pairs(made: Path, photos: Path) -> list[Pair]:
    """The pictures of a folder with the photos that they were made of, by their names.

    Args:
        made: Where ``maskport apply`` wrote.
        photos: The folder that it read.

    Raises:
        ImageError: One of them is no folder.
        UsageError: No picture has a photo.
    """
    for folder in (made, photos):
        if not folder.is_dir():
            raise ImageError(f"There is no folder {folder}.", "Check the path.")
    known = {path.relative_to(photos): path for path in photos_below(photos)}
    by_stem = {name.with_suffix(""): path for name, path in known.items()}
    pairs = []
    for after in photos_below(made):
        name = after.relative_to(made)
        # "a.jpg.png" is of a.jpg, where there is an a.png, too.
        before = known.get(name.with_suffix("")) or by_stem.get(name.with_suffix(""))
        if before is not None and before != after:
            pairs.append(Pair(name.as_posix(), before, after))
    if not pairs:
        raise UsageError(
            f"No picture in {made} has the name of a photo in {photos}.",
            "Give the folder that maskport apply wrote, and with --photos the one that it read.",
        )
    return pairs


def write_gallery(
    pairs: Sequence[Pair],
    out: Path,
    title: str,
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write ``index.html`` and its pictures into a folder, which works from a disk and a server.

    Args:
        pairs: See `find_pairs`.
        out: The folder; pictures of an older page in it are replaced.
        title: Of the page.
        watch: Told how many pairs are done, of how many.

    Returns:
        The page.

    Raises:
        ImageError: A picture can't be read.
        InputError: The folder can't be written.
    """
    page = out / "index.html"
    with written_whole(page) as partial:
        fresh = out / f".{PICTURES}.partial"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        try:
            figures = []
            for number, pair in enumerate(pairs, 1):
                figures.append(_figure(pair, number, fresh))
                watch(number, len(pairs))
            partial.write_text(_page(title, figures), encoding="utf-8")
            shutil.rmtree(out / PICTURES, ignore_errors=True)
            fresh.rename(out / PICTURES)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return page


def _page(title: str, figures: Sequence[dict[str, Any]]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("gallery.html.j2").render(title=shown(title), figures=figures)


def _figure(pair: Pair, number: int, folder: Path) -> dict[str, Any]:
    """What the template says of a pair, whose pictures are written."""
    before = read_picture(pair.before)
    with opened(pair.after, PHOTO, error=ImageError) as file, Image.open(file) as read:
        after = read.convert("RGBA" if "A" in read.getbands() else "RGB")
    wide, high = before.width * after.height, after.width * before.height
    names = {}
    for picture, kind in ((before, "before"), (after, "after")):
        picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        names[kind] = f"{PICTURES}/{number:04}-{kind}.webp"
        picture.save(folder / Path(names[kind]).name, quality=88)
    # What is of another shape, such as a crop, is shown beside the photo.
    alike = abs(wide - high) < 0.01 * wide
    size = {"width": before.width, "height": before.height}
    return {"name": shown(pair.name), "alike": alike, **size, **names}
