"""Little videos, made by PyAV, and what draws their bright part."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskport.apps.segmenter import Segmenter
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

RATE = 44_100
MILLISECOND = Fraction(1, 1000)


def bright() -> Segmenter:
    """The bright part of a frame is the object."""
    spec = ModelSpec("bright", ImageSpec(32, 32), MaskSpec())
    return Segmenter(spec, lambda photo: (photo.mean(1, keepdims=True) > 0.5).astype(np.float32))


def picture(number: int, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """A light red before a dark green, which moves to the right with the number."""
    pixels = np.full((height, width, 3), (10, 60, 10), np.uint8)
    left = (2 * number) % (width // 2)
    pixels[height // 4 : -height // 4, left : left + width // 3] = (255, 190, 190)
    return pixels


def make(
    path: Path,
    times: Sequence[int],
    *,
    codec: str = "libx264",
    size: tuple[int, int] = (64, 48),
    sound: str = "",
    seconds: float | None = None,
    rotation: int = 0,
    pixels: str = "yuv420p",
    colors: dict[str, int] | None = None,
    pictures: Any = None,
) -> Path:
    """A video of frames at times in milliseconds, with a tone where a codec of sound is named."""
    import av

    last = times[-1] + (times[-1] - times[-2] if len(times) > 1 else 40)
    with av.open(str(path), "w") as container:
        options = {"bf": "0"} if codec == "libx264" else {}
        video = container.add_stream(codec, 25, options=options, time_base=MILLISECOND)
        video.width, video.height, video.pix_fmt = *size, pixels
        video.codec_context.time_base = MILLISECOND
        for name, value in (colors or {}).items():
            setattr(video.codec_context, name, value)
        if rotation:
            video.set_display_rotation(rotation)
        tone = container.add_stream(sound, 48_000 if "opus" in sound else RATE) if sound else None
        made = 0
        for number, (at, after) in enumerate(zip(times, [*times[1:], last], strict=True)):
            given = picture(number, *size) if pictures is None else pictures(number)
            frame = av.VideoFrame.from_ndarray(given, "rgb24").reformat(format=pixels)
            frame.pts, frame.time_base, frame.duration = at, MILLISECOND, after - at
            for packet in video.encode(frame):
                container.mux(packet)
            until = after / 1000 if seconds is None else min(seconds, after / 1000)
            while tone is not None and made < until * tone.rate:
                container.mux(tone.encode(_tone(av, tone, made)))
                made += 1024
        container.mux(video.encode(None))
        if tone is not None:
            container.mux(tone.encode(None))
    return path


def _tone(av: Any, stream: Any, at: int) -> Any:
    wave = np.sin((at + np.arange(1024)) * 2 * np.pi * 440 / stream.rate).astype(np.float32) / 4
    plain = stream.format.name
    if plain.startswith("s16"):
        wave = (wave * 32767).astype(np.int16)
    both = np.stack((wave, wave))
    if not plain.endswith("p"):
        both = np.ascontiguousarray(both.T).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(both, plain, "stereo")
    frame.sample_rate, frame.pts, frame.time_base = stream.rate, at, Fraction(1, stream.rate)
    return frame


def read(path: Path, decoder: str = "") -> list[Any]:
    """All frames of a video; by a decoder of its own where one is named."""
    import av

    with av.open(str(path)) as container:
        if not decoder:
            return list(container.decode(video=0))
        context = av.CodecContext.create(decoder, "r")
        packets = list(container.demux(container.streams.video[0]))
        frames = [frame for p in packets if p.size for frame in context.decode(p)]
        return frames + list(context.decode(None))


def sound_seconds(path: Path) -> float:
    """How long the sound lasts, by its packets."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        samples = sum(frame.samples for frame in container.decode(stream))
        return samples / stream.rate
