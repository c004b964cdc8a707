"""Choices that change what is inside the files."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

from ..errors import UsageError

__all__ = ["CoreMLOutput", "Options", "Size"]

Size = tuple[int, int]
CoreMLOutput = Literal["image", "half", "multiarray"]


@dataclass(frozen=True, slots=True)
class Options:
    """Choices that change what is inside the files.

    Attributes:
        coreml_output: ``"image"`` gives Core ML files a grayscale image of bytes, ``"half"`` one
            of float16 values in [0, 1], ``"multiarray"`` a float array of shape (1, C, H, W).
            Masks of several channels are always arrays.
        coreml_sizes: (height, width) of other sizes that Core ML files take beside the network's.
        tflite_layout: ``"NHWC"``, as Android's bitmaps are and MediaPipe wants it, or ``"NCHW"``
            for apps that feed planes.
    """

    coreml_output: CoreMLOutput = "image"
    tflite_layout: Literal["NHWC", "NCHW"] = "NHWC"
    coreml_sizes: tuple[Size, ...] = ()

    def __post_init__(self) -> None:
        if self.coreml_output not in get_args(CoreMLOutput):
            raise UsageError(
                f"Core ML files can't give {self.coreml_output!r}.",
                f"Use {', '.join(get_args(CoreMLOutput))}.",
            )
        if self.tflite_layout not in {"NHWC", "NCHW"}:
            raise UsageError(
                f"TFLite files can't be laid out {self.tflite_layout!r}.", "Use NHWC or NCHW."
            )

    def of(self, format: str) -> Options:
        """Those whose names begin with a format's, which are all that its exporters see; the others
        are as where nothing is said."""
        plain = Options()
        others = [f.name for f in fields(self) if not f.name.startswith(f"{format}_")]
        return replace(self, **{name: getattr(plain, name) for name in others})
