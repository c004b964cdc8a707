"""A video with the object alone, or before something else; see `cut_video`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from PIL import Image

from ..errors import UsageError
from ..outputs import written_whole
from ..signals import held_back
from .background import before, color_of, filled
from .cutout import on_nothing, opacity
from .pipeline import Ahead, Behind
from .segmenter import Map, Pixels, Segmenter, pixels_of
from .smoothing import smoothed
from .video_reading import Camera, Shot, Sound, VideoReader, opened_video
from .video_writing import VideoWriter, coding_for

__all__ = ["Camera", "VideoDone", "cut_video"]

# Frames that wait before and behind each step: one is some megabytes.
_DEPTH: Final = 3


@dataclass(frozen=True, slots=True)
class VideoDone:
    """What a video has become.

    Attributes:
        frames: How many it has.
        seconds: How long they last.
        broken: How many of the source's could not be decoded, and are left out.
        took: Seconds that it took to make.
        notes: What was peculiar, a sentence each.
    """

    frames: int
    seconds: float
    broken: int
    took: float
    notes: tuple[str, ...]


def cut_video(
    source: str | Path | Camera,
    out: str | Path,
    segmenter: Segmenter,
    *,
    color: str = "",
    picture: Image.Image | Pixels | None = None,
    blur: float = 0.0,
    smooth: float = 0.0,
    seconds: float | None = None,
    refine: bool = False,
    alpha_matting: bool = False,
    clean: bool = True,
    channel: int | None = None,
    watch: Callable[[int, int], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> VideoDone:
    """Make a video of another: the object alone, or before a color, a picture or a blur.

    Frames keep their number, times and durations, and are turned upright; sound is copied, or coded
    anew where the file can't hold it. Memory doesn't grow with the video. The file appears whole,
    or not at all.

    Args:
        source: A file, ``-`` for standard input, or a camera, which ends with ``seconds`` or an
            interruption.
        out: ``.mov`` is ProRes 4444 and ``.webm`` VP9, both with opacity, where no background is
            given; else ``.mov`` and ``.mp4`` are H.264 and ``.webm`` VP9. What is there is
            replaced.
        segmenter: What draws the masks, of each frame at its size.
        color: Behind the object: a name or ``#rrggbb``.
        picture: Behind the object, scaled to fill the frames.
        blur: The frames themselves out of focus, behind the object: sigma, in hundredths of their
            longer side.
        smooth: How much masks hold still in time where the picture does, from 0 to below 1; see
            `smoothing.smoothed`.
        seconds: No more than so many of the source.
        refine: As for `cutout`.
        alpha_matting: Likewise; takes seconds a frame.
        clean: Likewise.
        channel: Likewise.
        watch: Told after each frame how many are drawn, and of how many; 0 where that isn't known.
        note: Told what is peculiar, in a sentence each, as soon as it is seen.

    Raises:
        ImageError: The source is no video, or its frames are too large.
        InputError: The file can't be written, or the masks are none.
        KeyboardInterrupt: It was interrupted; ``out`` then holds what was made until then, playable
            and with its sound, and the exception says how much, but where no frame was drawn yet.
        MissingToolError: PyAV is not installed, or pymatting, and that is asked for.
        ToolError: This PyAV lacks an encoder, or what reads that camera.
        UsageError: More than one background is given, ``out`` is no kind of file for this, or is
            the source.
    """
    out = Path(out)
    behind = sum((bool(color), picture is not None, blur > 0))
    if behind > 1:
        raise UsageError("A video has one background.", "Give a color, a picture or a blur.")
    if color:
        color_of(color)
    coding = coding_for(out, alpha=not behind)
    if not isinstance(source, Camera) and out.exists() and _is(source, out):
        raise UsageError(f"{out} would replace its source.", "Give another name.")
    segmenter = smoothed(segmenter, smooth)
    edges: dict[str, Any] = {
        "refine": refine,
        "alpha_matting": alpha_matting,
        "clean": clean,
        "channel": channel,
    }
    notes: list[str] = []

    def noted(text: str) -> None:
        notes.append(text)
        if note is not None:
            note(text)

    began = time.monotonic()
    with opened_video(source, seconds, noted) as video:
        fitted = None if picture is None else _fitted(picture, video.width, video.height)

        def masked(shot: Shot) -> _Masked:
            return _Masked(shot, opacity(shot.pixels, segmenter, **edges))

        def composed(item: _Masked) -> Shot:
            pixels, alpha = item.shot.pixels, item.alpha
            if behind:
                made = before(pixels, alpha, color=color, picture=fitted, blur=blur)
            else:
                made = on_nothing(pixels, alpha)
            return replace(item.shot, pixels=made)

        with written_whole(out) as partial:
            writer = VideoWriter(partial, coding, video, noted)
            try:
                interrupted = _run(video, writer, masked, composed, watch)
            finally:
                writer.abandon()
            if interrupted and not writer.frames:
                raise KeyboardInterrupt
        done = VideoDone(
            writer.frames,
            float(writer.end * video.time_base),
            video.broken,
            time.monotonic() - began,
            tuple(notes),
        )
    if interrupted:
        raise KeyboardInterrupt(
            f"{done.frames} frames, {done.seconds:.2f} seconds, are in {out}, which plays."
        )
    return done


@dataclass(frozen=True, slots=True)
class _Masked:
    shot: Shot
    alpha: Map


def _run(
    video: VideoReader,
    writer: VideoWriter,
    masked: Callable[[Shot], _Masked],
    composed: Callable[[_Masked], Shot],
    watch: Callable[[int, int], None] | None,
) -> bool:
    """Decode, draw, compose and encode, each beside the others; whether it was interrupted."""
    decoded = set(range(len(video.sounds))) - writer.copied
    interrupted, drawn = False, 0
    reading: Ahead[Shot | Sound] = Ahead(video.items(decoded), _DEPTH)
    encoding: Behind[Shot | Sound] = Behind(writer.put, _DEPTH)
    composing: Behind[_Masked | Sound] = Behind(
        lambda item: encoding.put(composed(item) if isinstance(item, _Masked) else item), _DEPTH
    )
    with reading, encoding, composing:
        try:
            for item in reading:
                if isinstance(item, Sound):
                    composing.put(item)
                    continue
                composing.put(masked(item))
                drawn += 1
                if watch is not None:
                    watch(drawn, video.total)
        except KeyboardInterrupt:
            interrupted = True
        try:
            # What is drawn is encoded, and the file ended, whatever comes now.
            with held_back():
                composing.finish()
                encoding.finish()
                writer.finish()
        except KeyboardInterrupt:
            interrupted = True
    return interrupted


def _is(source: str | Path, out: Path) -> bool:
    return Path(source).exists() and out.samefile(source)


def _fitted(picture: Image.Image | Pixels, width: int, height: int) -> Pixels:
    """Once for all frames."""
    return filled(pixels_of(picture), width, height)
