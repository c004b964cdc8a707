"""Reading photos from disk, safely: what comes back is always RGB bytes, upright."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import ImageError

__all__ = ["PHOTO_SUFFIXES", "list_photos", "read_photo"]

PHOTO_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def read_photo(path: Path) -> NDArray[np.uint8]:
    """A photo as (H, W, 3) RGB bytes, turned upright by its EXIF orientation.

    Transparent pixels are laid on white.

    Raises:
        ImageError: The file is missing, no image, truncated, or so large that decoding it
            could exhaust the memory (Pillow's limit on decompression bombs).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                image = ImageOps.exif_transpose(opened)
                if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
                    rgba = image.convert("RGBA")
                    image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
                elif image.mode == "F":
                    raise ImageError(
                        f"{path} holds floating-point values, whose white is not known.",
                        "Save it with 8 or 16 bits a channel.",
                    )
                elif image.mode.startswith("I;16"):
                    image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
                return np.asarray(image.convert("RGB"))
    except FileNotFoundError as exc:
        raise ImageError(f"There is no photo {path}.", "Check the path.") from exc
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise ImageError(
            f"{path} has too many pixels to decode safely: {exc}", "Scale it down first."
        ) from exc
    except UnidentifiedImageError as exc:
        raise ImageError(
            f"{path} is not an image that Pillow reads.",
            f"Use one of {', '.join(sorted(PHOTO_SUFFIXES))}.",
        ) from exc
    except (OSError, SyntaxError, ValueError, EOFError) as exc:
        raise ImageError(
            f"{path} can't be decoded: {exc}", "The file is damaged; replace or remove it."
        ) from exc


def list_photos(source: Path) -> list[Path]:
    """The photos of a folder (sorted by name, sub-folders left out) or of a list file.

    Hidden files are left out: macOS puts one beside each photo of an archive (``._0001.jpg``).

    A list file holds one path a line, relative to the file's own folder; empty lines and lines
    that begin with ``#`` are skipped. Its order is kept.

    Raises:
        ImageError: There is no such folder or file, or it names no photo.
    """
    if source.is_dir():
        photos = sorted(path for path in source.iterdir() if _is_photo(path))
    elif source.is_file() and source.suffix.lower() in PHOTO_SUFFIXES:
        photos = [source]
    elif source.is_file():
        try:
            lines = source.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as exc:
            raise ImageError(
                f"{source} is neither a photo nor a text file that lists photos.",
                "Give a folder of photos, or a text file with one path a line.",
            ) from exc
        names = (line.strip() for line in lines)
        photos = [source.parent / name for name in names if name and not name.startswith("#")]
        for photo in photos:
            if not photo.is_file():
                raise ImageError(f"{source} lists {photo}, which does not exist.", "Mend the list.")
    else:
        raise ImageError(f"There is no folder or list of photos {source}.", "Check the path.")
    if not photos:
        raise ImageError(
            f"{source} holds no photos.",
            f"Put images there ({', '.join(sorted(PHOTO_SUFFIXES))}).",
        )
    return photos


def _is_photo(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return path.suffix.lower() in PHOTO_SUFFIXES and not hidden and path.is_file()
