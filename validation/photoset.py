"""The photos of a run: what goes into every artifact, and what its mask is held against.

Tensors are kept in files, so that thousands of photos fit beside the runtimes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..imaging.convert import photo_to_input
from ..imaging.photos import checksum_of_photo, list_photos, read_photo
from ..imaging.truth import fit_mask, pair_masks, read_mask
from ..metrics import Object
from ..scenes import builtin_photos
from ..specs import ImageSpec
from ..texts import shown
from .planes import Planes
from .results import Photo

__all__ = ["NO_MASK", "FoundPhotos", "PhotoSet", "PhotoSource", "find_photos"]

BUILT_IN = "built-in scenes"
NO_MASK = "it has no mask"


@dataclass(frozen=True, slots=True)
class PhotoSource:
    """One photo before it is read.

    Attributes:
        name: Unique in the set.
        identity: Changes when its content, or that of its ground truth, does.
        read: Gives (H, W, 3) bytes.
        read_truth: Gives the mask (h, w) in [0, 1]; None where there is none.
        truth_name: Of the mask's file.
    """

    name: str
    identity: str
    read: Callable[[], NDArray[np.uint8]]
    read_truth: Callable[[], NDArray[np.float32]] | None = None
    truth_name: str = ""


@dataclass(frozen=True, slots=True)
class FoundPhotos:
    """The photos of a run before they are read.

    Attributes:
        sources: Each of them.
        left_out: Which images of the folder are not read and why, a line a reason.
        photos_from: Where they are from, for people.
        truth_from: Likewise the ground truth; empty without one.
    """

    sources: tuple[PhotoSource, ...]
    left_out: tuple[str, ...] = ()
    photos_from: str = BUILT_IN
    truth_from: str = ""

    @property
    def identity(self) -> str:
        """Changes when any photo, its name, or the ground truth does."""
        lines = (f"{source.name}\0{source.identity}\n" for source in self.sources)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def find_photos(
    images: Path | None,
    masks: Path | None = None,
    step: Callable[[str], None] = lambda text: None,
) -> FoundPhotos:
    """The photos to compare on; nothing is decoded yet.

    Args:
        images: A folder, a list file or a photo; the built-in scenes where None.
        masks: A folder of ground-truth masks, named as the photos.
        step: Called with what is being done.

    Raises:
        ImageError: There are none, or no mask fits any of them.
    """
    if images is None:
        if masks is not None:
            raise ImageError(
                "Ground-truth masks belong to photos, and none were given.",
                "Give the photos of these masks: --images DIR.",
            )
        return FoundPhotos(
            tuple(
                PhotoSource(
                    scene.name,
                    f"{BUILT_IN}: {scene.name}",
                    lambda scene=scene: scene.photo,  # type: ignore[misc]
                )
                for scene in builtin_photos()
            )
        )
    found = list_photos(images)
    truths = pair_masks(found.paths, masks) if masks is not None else {}
    sources: list[PhotoSource] = []
    for name, path in zip(_unique_names(found.paths), found.paths, strict=True):
        step(f"looking at the photos {len(sources) + 1}/{len(found.paths)}")
        sources.append(_from_file(name, path, truths.get(path)))
    return FoundPhotos(
        tuple(sources),
        tuple(found.reasons),
        shown(str(images)),
        shown(str(masks)) if masks is not None else "",
    )


class PhotoSet:
    """Photos as every artifact takes them, their sizes, and their ground truth.

    Args:
        sources: From `find_photos`.
        spec: How a photo goes in.
        folder: Where the tensors are kept.

    Attributes:
        photos: Names and sizes; and what the reference draws, once that was told.
        inputs: (N, 3, H, W) float32 in [0, 1], in a file.
        truth_left_out: Photos without usable ground truth, where some have one: why.
    """

    def __init__(self, sources: Sequence[PhotoSource], spec: ImageSpec, folder: Path) -> None:
        self._sources = tuple(sources)
        self._spec = spec
        self._file = folder / "inputs"
        self.photos: list[Photo] = []
        self.truth_left_out: list[str] = []
        self._has_truth: list[bool] = []
        self.inputs: Planes

    def __len__(self) -> int:
        return len(self._sources)

    @property
    def wants_truth(self) -> bool:
        """Ground truth was given for at least one photo."""
        return any(source.read_truth for source in self._sources)

    def prepare(
        self,
        keep_photo: Callable[[int, NDArray[np.uint8]], None],
        step: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Decode each photo once, bring it to the network's size, and keep the tensor.

        Args:
            keep_photo: Called with each photo's position and pixels.
            step: Called with what is being done.

        Raises:
            ImageError: A photo or a mask can't be read.
            ToolError: The folder has no room for the tensors.
        """
        shape = (len(self), 3, self._spec.height, self._spec.width)
        self.inputs = Planes(self._file, shape)
        for position, source in enumerate(self._sources):
            step(f"reading the photos {position + 1}/{len(self)}")
            pixels = source.read()
            height, width = pixels.shape[:2]
            self.photos.append(Photo(name=source.name, width=width, height=height))
            self.inputs[position] = photo_to_input(pixels, self._spec)[0]
            keep_photo(position, pixels)
            self._has_truth.append(self._check_truth(source, height, width))

    def tell(self, objects: Sequence[Object]) -> None:
        """Note what the reference draws of each photo."""
        self.photos = [
            photo.model_copy(update={"object": kind})
            for photo, kind in zip(self.photos, objects, strict=True)
        ]

    def truth(self, position: int) -> NDArray[np.float32] | None:
        """The ground truth (H, W) of a photo in [0, 1], at the photo's size; None without one."""
        source, photo = self._sources[position], self.photos[position]
        if not self._has_truth[position] or source.read_truth is None:
            return None
        return fit_mask(source.read_truth(), photo.height, photo.width, source.truth_name)

    def _check_truth(self, source: PhotoSource, height: int, width: int) -> bool:
        if source.read_truth is None:
            if self.wants_truth:
                self.truth_left_out.append(f"{source.name}: {NO_MASK}")
            return False
        mask = source.read_truth()
        try:
            fit_mask(mask, height, width, source.truth_name)
        except ImageError as exc:
            self.truth_left_out.append(f"{source.name}: {exc.what}")
            return False
        return True


def _from_file(name: str, path: Path, truth: Path | None) -> PhotoSource:
    identity, read = checksum_of_photo(path), partial(read_photo, path)
    if truth is None:
        return PhotoSource(name, identity, read)
    identity = f"{identity} {checksum_of_photo(truth)}"
    return PhotoSource(name, identity, read, partial(read_mask, truth), shown(truth.name))


def _unique_names(paths: Sequence[Path]) -> list[str]:
    """File names; with as much of the path as it takes where two are the same."""
    names = [shown(path.name) for path in paths]
    for depth in range(2, 65):
        seen = Counter(names)
        if len(seen) == len(names):
            break
        names = [
            shown("/".join(path.parts[-depth:])) if seen[name] > 1 else name
            for name, path in zip(names, paths, strict=True)
        ]
    # The same file listed twice.
    counts: Counter[str] = Counter()
    unique = []
    for name in names:
        counts[name] += 1
        unique.append(name if counts[name] == 1 else f"{name} ({counts[name]})")
    return unique
