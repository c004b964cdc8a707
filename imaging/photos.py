"""Reading photos from disk, safely: what comes back is always RGB bytes, upright."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError, features

from ..errors import ImageError
from ..outside.files import LIST, LONGEST_PATH, PHOTO, is_file, is_folder, measured, opened
from ..outside.text import read_text
from ..texts import first_few, short, shown

__all__ = [
    "PHOTO_SUFFIXES",
    "Photos",
    "checksum_of_photo",
    "list_photos",
    "photos_below",
    "read_photo",
    "read_picture",
    "read_upload",
    "reading",
    "say_left_out",
]

HEIF = frozenset({".heic", ".heif", ".hif"})
PHOTO_SUFFIXES = HEIF | {
    *(".avif", ".bmp", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
}
# Images that lie among photos and are none that is read: raw files, animations, layers.
OTHER_IMAGES = frozenset(
    {
        *(".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".raw", ".rw2"),
        *(".exr", ".gif", ".hdr", ".j2k", ".jp2", ".jxl", ".pbm", ".pgm", ".ppm", ".psd", ".svg"),
        *(".tga", ".xcf"),
    }
)

# TIFF's tags for how samples are laid out and which end of the scale is white.
BITS, PHOTOMETRIC, PLANAR = 258, 262, 284
WHITE_IS_ZERO, SEPARATE_PLANES = 0, 2

# Formats whose files of several pictures are animations; of others (a phone's JPEG with a preview,
# a scanner's TIFF) the first is the photo.
ANIMATED = {"GIF", "PNG", "WEBP", "AVIF"}
# What begins files of HEVC pictures; others of the container may be AVIF, which Pillow reads.
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
# What Pillow calls the formats of photos, and those that are known for what they are and refused.
UPLOADED = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "HEIF", "TIFF", "BMP", "GIF")
_PNG = b"\x89PNG\r\n\x1a\n"
INSTALL_HEIF = "pip install 'maskport[heif]'"


@dataclass(frozen=True, slots=True)
class Photos:
    """What a folder or a list file holds.

    Attributes:
        paths: The photos.
        left_out: Images of the folder that are not read here.
    """

    paths: Sequence[Path]
    left_out: tuple[Path, ...] = ()

    @property
    def reasons(self) -> list[str]:
        """Which images are left out and why: a line a reason, for people."""
        by_reason: dict[str, list[str]] = {}
        for path in self.left_out:
            by_reason.setdefault(_objection(path), []).append(shown(path.name))
        return [f"{len(names)} ({first_few(names)}): {why}" for why, names in by_reason.items()]


def read_photo(path: Path) -> NDArray[np.uint8]:
    """A photo as (H, W, 3) RGB bytes; see `read_picture`."""
    return np.asarray(read_picture(path))


def read_picture(path: Path) -> Image.Image:
    """A photo as an RGB image, turned upright by its EXIF orientation.

    Transparent pixels are laid on white. Of 16 bits a channel the upper 8 are taken. An ICC profile
    of RGB stays with the image (``info["icc_profile"]``) and its values as they are; by one of CMYK
    the values are turned into sRGB's.

    Raises:
        ImageError: The file is missing, no image, an animation, truncated, of values whose white is
            not known, or so large that decoding it could exhaust the memory (Pillow's limit on
            decompression bombs); or it is HEIC, and pillow-heif is not installed.
    """
    with reading(path), opened(path, PHOTO, error=ImageError) as file:
        return _decoded(file, str(path))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Name a photo that can't be read; it may have been there when it was found.

    Raises:
        ImageError: Instead of an OSError.
    """
    try:
        yield
    except FileNotFoundError as exc:
        raise ImageError(f"There is no photo {path}.", "Check the path.") from exc
    except OSError as exc:
        raise ImageError(
            f"{path} can't be read: {exc}", "Give a photo that this user may read."
        ) from exc


def checksum_of_photo(path: Path) -> str:
    """SHA-256 of a photo's file.

    Raises:
        ImageError: It can't be read.
    """
    with reading(path):
        return measured(path, PHOTO, error=ImageError)[1]


def read_upload(file: IO[bytes], most_pixels: int, name: str = "The photo") -> Image.Image:
    """A photo that a stranger sent, as `read_picture`; no other formats are tried than photos'.

    Args:
        file: What was sent.
        most_pixels: Larger ones are refused by what their first bytes say.
        name: What errors call it; they name nothing else of this machine.

    Raises:
        ImageError: As `read_picture`; or it has more pixels.
    """
    file.seek(0)
    return _decoded(file, name, formats=UPLOADED, most_pixels=most_pixels)


def _decoded(
    file: IO[bytes],
    name: str,
    formats: Sequence[str] | None = None,
    most_pixels: int | None = None,
) -> Image.Image:
    try:
        _prepare_for(file, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about tags that nothing here needs
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            _check_checksums(file)
            with Image.open(file, formats=_known(formats)) as opened:
                if most_pixels is not None and opened.width * opened.height > most_pixels:
                    raise ImageError(
                        f"{name} has {opened.width} x {opened.height} pixels; at most "
                        f"{most_pixels / 1e6:g} million are taken.",
                        "Scale it down first.",
                    )
                _check_samples(opened, name)
                image = ImageOps.exif_transpose(opened)
                profile = image.info.get("icc_profile")
                if image.mode == "CMYK" and profile:
                    image, profile = _to_srgb(image, profile), None
                if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
                    rgba = image.convert("RGBA")
                    image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
                elif image.mode.startswith("I;16"):
                    image = Image.fromarray(_upper_bytes(image, opened, name))
                profile = profile if image.mode.startswith(("RGB", "P")) else None
                image = image.convert("RGB")
                image.info = {"icc_profile": profile} if profile else {}
                return image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise ImageError(
            f"{name} has too many pixels to decode safely: {exc}", "Scale it down first."
        ) from exc
    except UnidentifiedImageError as exc:
        raise ImageError(
            f"{name} is not an image that Pillow reads.",
            "It is damaged, or of a kind that is not read: save it as PNG or JPEG.",
        ) from exc
    except MemoryError as exc:
        raise ImageError(
            f"{name} takes more memory to decode than there is.", "Scale it down first."
        ) from exc
    except ImageError:
        raise
    except Exception as exc:  # a damaged file makes decoders raise nearly anything
        raise ImageError(
            f"{name} can't be decoded: {exc}", "The file is damaged; replace or remove it."
        ) from exc


def _check_checksums(file: IO[bytes]) -> None:
    """Of PNGs: Pillow draws what is left of one whose pixels' checksum is wrong.

    Raises:
        OSError, SyntaxError: One is.
    """
    if file.read(len(_PNG)) == _PNG:
        file.seek(0)
        with Image.open(file, formats=["PNG"]) as opened:
            opened.verify()
    file.seek(0)


def say_left_out(reasons: Iterable[str], note: Callable[[str], object]) -> None:
    """Photos that were given and are not read, a line a reason."""
    for reason in dict.fromkeys(reasons):
        note(f"Photos left out: {reason}")


def list_photos(source: Path) -> Photos:
    """The photos of a folder (sorted by name, sub-folders left out) or of a list file.

    Hidden files are left out: macOS puts one beside each photo of an archive (``._0001.jpg``).

    A list file holds one path a line, relative to the file's own folder; empty lines and lines
    that begin with ``#`` are skipped. Its order is kept.

    Raises:
        ImageError: There is no such folder or file, or it names no photo that is read.
    """
    left_out: list[Path] = []
    if is_folder(source):
        images = [path for path in sorted(source.iterdir()) if _is_image(path)]
        left_out = [path for path in images if _objection(path)]
        photos = [path for path in images if not _objection(path)]
    elif is_file(source) and source.suffix.lower() in PHOTO_SUFFIXES:
        photos = [source]
    elif is_file(source):
        photos = _listed(source)
    else:
        raise ImageError(
            f"There is no folder or list of photos {short(str(source), 200)[1:-1]}.",
            "Check the path.",
        )
    found = Photos(photos, tuple(left_out))
    if left_out and not photos:
        raise ImageError(
            f"{source} holds no photos that are read here. " + "; ".join(found.reasons),
            "Do what it says there, or save the photos as JPEG.",
        )
    if not photos:
        raise ImageError(
            f"{source} holds no photos.", f"Put images there ({', '.join(sorted(PHOTO_SUFFIXES))})."
        )
    return found


def photos_below(folder: Path) -> list[Path]:
    """The photos of a folder and of all below it, sorted; what is hidden is left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PHOTO_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _listed(source: Path) -> list[Path]:
    try:
        lines = read_text(source, LIST, error=ImageError).splitlines()
    except OSError as exc:
        raise ImageError(f"{source} can't be read: {exc.strerror}.", "Check the path.") from exc
    except UnicodeDecodeError as exc:
        raise ImageError(
            f"{source} is neither a photo nor a text file that lists photos: {exc}.",
            "Give a folder of photos, or a text file in UTF-8 with one path a line.",
        ) from exc
    photos = []
    for number, line in enumerate(lines, 1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        if len(name) > LONGEST_PATH:
            raise ImageError(
                f"{source}, line {number}: {len(name)} characters, which no path has.",
                "Write one path a line.",
            )
        photo = _place(source, name)
        if not is_file(photo):
            raise ImageError(
                f"{source} lists {short(str(photo), 400)[1:-1]} in line {number}, which does not "
                "exist or is no file.",
                "Mend the list.",
            )
        photos.append(photo)
    return photos


def _place(source: Path, name: str) -> Path:
    """Of a photo in a list, which may have been written on Windows."""
    photo = source.parent / name
    return photo if is_file(photo) else source.parent / name.replace("\\", "/")


def _is_image(path: Path) -> bool:
    suffix = path.suffix.lower()
    known = suffix in PHOTO_SUFFIXES or suffix in OTHER_IMAGES
    return known and not path.name.startswith(".") and path.is_file()


def _objection(path: Path) -> str:
    """Why an image is not read here; empty where it is."""
    suffix = path.suffix.lower()
    if suffix in OTHER_IMAGES:
        return f"{suffix[1:].upper()} is not read; save it as PNG or JPEG"
    if suffix in HEIF and not _reads_heif():
        return f"{suffix[1:].upper()} is read where pillow-heif is installed: {INSTALL_HEIF}"
    if suffix == ".avif" and not features.check("avif"):
        return "this Pillow was built without AVIF; save it as PNG or JPEG"
    return ""


def _reads_heif() -> bool:
    """Whether pillow-heif is installed; Pillow then reads HEIC by it."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def _prepare_for(file: IO[bytes], name: str) -> None:
    """Let Pillow read HEIC, by whatever name: phones and messengers write .jpg as well."""
    start = file.read(12)
    file.seek(0)
    if start[4:8] == b"ftyp" and not _reads_heif() and start[8:] in HEIC_BRANDS:
        raise ImageError(
            f"{name} is an HEIC photo, and pillow-heif, which reads them, is not installed.",
            f"Install it ({INSTALL_HEIF}), or save the photo as JPEG.",
        )


def _known(formats: Sequence[str] | None) -> list[str] | None:
    """Those of some formats that this Pillow has heard of; of others it would raise a KeyError."""
    if formats is None:
        return None
    Image.init()
    return [name for name in formats if name in Image.OPEN]


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """By Little CMS; as Pillow turns CMYK by itself where the profile is none."""
    try:
        given = ImageCms.profileToProfile(
            image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return image.convert("RGB")
    return given or image.convert("RGB")


def _check_samples(image: Image.Image, name: str) -> None:
    """Refuse animations, and what Pillow opens and nobody can say the brightness of."""
    if image.format in ANIMATED and getattr(image, "n_frames", 1) > 1:
        raise ImageError(
            f"{name} is an animation of {getattr(image, 'n_frames', 0)} pictures.",
            "Save one of them as a photo.",
        )
    values = {"F": "floating-point", "I": "32-bit or signed"}.get(image.mode)
    if values is not None:
        raise ImageError(
            f"{name} holds {values} values, whose white is not known.",
            "Save it with 8 or 16 bits a channel.",
        )
    deep = max(_tag(image, BITS, (8,))) > 8
    if deep and len(image.getbands()) > 1 and SEPARATE_PLANES in _tag(image, PLANAR, (1,)):
        raise ImageError(
            f"{name} keeps 16-bit channels in planes of their own, which Pillow misreads.",
            "Save it with 8 bits a channel, or as PNG.",
        )


def _upper_bytes(image: Image.Image, opened: Image.Image, name: str) -> NDArray[np.uint8]:
    """16-bit grey as bytes."""
    values = np.asarray(image)
    if 0 < int(values.max(initial=0)) < 256:
        raise ImageError(
            f"{name} has 16 bits a pixel and no value above {int(values.max())}: 8-bit values, "
            "which would be read as black.",
            "Save it with 8 bits a pixel.",
        )
    gray: NDArray[np.uint8] = (values >> 8).astype(np.uint8)
    # Pillow turns 8-bit TIFFs of this kind by itself.
    return 255 - gray if WHITE_IS_ZERO in _tag(opened, PHOTOMETRIC, (1,)) else gray


def _tag(image: Image.Image, number: int, default: tuple[int, ...]) -> tuple[int, ...]:
    """The values of a TIFF's tag; of other files and without one, ``default``."""
    tags = getattr(image, "tag_v2", None)
    value = default if tags is None else tags.get(number, default)
    return value if isinstance(value, tuple) else (value,)
