"""The masks of a run, kept on disk for the report: what was drawn, and how far it was off."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..outputs import replaced

__all__ = ["Drawn", "MapStore"]

# Longest side of a kept photo, in pixels.
PHOTO_SIDE = 640
_NAME = re.compile(r"(?P<whose>[A-Za-z0-9_%-]+)-(?P<position>[0-9]{1,9})(?P<ending>\.jpg|\.npz)")


@dataclass(frozen=True)
class Drawn:
    """One artifact's map of one photo, at the network's own size.

    Attributes:
        mask: (C, h, w) bytes; as the app would show it, min-max normalised where the spec says.
        error: (h, w) float16, the largest |artifact - reference| of the channels.
    """

    mask: NDArray[np.uint8]
    error: NDArray[np.float16]


class MapStore:
    """A folder of small files, each written whole; photos are known by their position."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save_photo(self, position: int, pixels: NDArray[np.uint8]) -> None:
        """Keep a photo, (H, W, 3) bytes, scaled down to at most `PHOTO_SIDE` pixels a side."""
        image = Image.fromarray(pixels)
        image.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
        encoded = io.BytesIO()
        image.save(encoded, "JPEG", quality=85)
        self._write(f"photo-{position}.jpg", encoded.getvalue())

    def save_reference(self, position: int, mask: NDArray[np.float32]) -> None:
        """Keep the reference's map, (C, h, w) in [0, 1]."""
        self._save(f"reference-{position}.npz", mask=_bytes(mask))

    def save(
        self, target: str, position: int, mask: NDArray[np.float32], error: NDArray[np.float32]
    ) -> None:
        """Keep an artifact's map, (C, h, w) in [0, 1], and its error, (h, w)."""
        name = f"{_plain(target)}-{position}.npz"
        # What is no number stays none; what float16 can't hold is far off anyway.
        finite = np.where(np.isnan(error), error, np.clip(error, 0, np.finfo(np.float16).max))
        self._save(name, mask=_bytes(mask), error=finite.astype(np.float16))

    def photo(self, position: int) -> bytes | None:
        """The photo as a JPEG file's bytes; None where it was not kept."""
        file = self.folder / f"photo-{position}.jpg"
        return file.read_bytes() if file.is_file() else None

    def reference(self, position: int) -> NDArray[np.uint8] | None:
        """The reference's map, (C, h, w) bytes."""
        arrays = self._load(f"reference-{position}.npz")
        return arrays["mask"] if arrays else None

    def drawn(self, target: str, position: int) -> Drawn | None:
        """What an artifact drew of a photo; None where it was not kept."""
        arrays = self._load(f"{_plain(target)}-{position}.npz")
        return Drawn(**arrays) if arrays else None

    def packed(self, positions: Collection[int]) -> bytes:
        """What is kept of some photos, as one zip."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as packed:  # what lies in it is compressed
            for file in sorted(self.folder.glob("*")):
                if (found := _NAME.fullmatch(file.name)) and int(found["position"]) in positions:
                    packed.write(file, file.name)
        return content.getvalue()

    def unpack(self, content: bytes, start: int) -> None:
        """Keep what another store packed, whose first photo is the one at ``start`` here.

        Raises:
            ValueError: It is not what `packed` gives.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                for name in packed.namelist():
                    if (found := _NAME.fullmatch(name)) is None:
                        raise ValueError(f"{name!r} is no map")
                    at = int(found["position"]) + start
                    self._write(f"{found['whose']}-{at}{found['ending']}", packed.read(name))
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as exc:
            raise ValueError(str(exc)) from exc

    def _load(self, name: str) -> dict[str, NDArray[Any]] | None:
        file = self.folder / name
        if not file.is_file():
            return None
        with np.load(file) as arrays:
            return dict(arrays)

    def _save(self, name: str, **arrays: NDArray[np.generic]) -> None:
        encoded = io.BytesIO()
        np.savez_compressed(encoded, **arrays)  # type: ignore[arg-type]
        self._write(name, encoded.getvalue())

    def _write(self, name: str, content: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with replaced(self.folder / name) as partial:
            partial.write_bytes(content)


def _bytes(mask: NDArray[np.float32]) -> NDArray[np.uint8]:
    finite = np.nan_to_num(mask, nan=0.0, posinf=1.0, neginf=0.0)
    return np.rint(np.clip(finite, 0, 1) * 255).astype(np.uint8)


def _plain(target: str) -> str:
    """A target's name as part of a file's; manifests are files from anywhere."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda found: f"%{ord(found[0]):x}", target)
