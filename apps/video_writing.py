"""Frames and sound to a file: ProRes 4444 and VP9 with alpha, H.264 and VP9 without."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..errors import ToolError, UsageError
from .video_reading import FULL, SCALER, Colors, Shot, Sound, VideoReader, av_module

__all__ = ["Coding", "VideoWriter", "coding_for"]


@dataclass(frozen=True, slots=True)
class Coding:
    """How a kind of file holds a video.

    Attributes:
        container: FFmpeg's name.
        codec: Of its encoder.
        pixels: FFmpeg's name of what it takes.
        options: Of the encoder.
        copied: Sound that the container holds as it is, by codec.
        sound: The encoder of other sound.
        even: Sides have to be.
        full_range: Luma may use all of its range.
    """

    container: str
    codec: str
    pixels: str
    options: dict[str, str]
    copied: frozenset[str]
    sound: str
    even: bool = False
    full_range: bool = True


_MOV_SOUND: Final = frozenset(
    {
        *("aac", "mp3", "ac3", "eac3", "alac"),
        *("pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le"),
    }
)
_MP4_SOUND: Final = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "flac", "opus"})
_WEBM_SOUND: Final = frozenset({"opus", "vorbis"})
# Without frames that are stored out of order: of uneven ones the container would count a shorter
# video.
_H264: Final = {"crf": "18", "preset": "medium", "bf": "0"}
# What WebM's authors advise for files of good quality; alpha needs frames that are all shown.
_VP9: Final = {"crf": "24", "b:v": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}
_CODINGS: Final = {
    (".mov", True): Coding(
        "mov",
        "prores_ks",
        "yuva444p10le",
        {"profile": "4444", "vendor": "apl0", "alpha_bits": "8"},
        _MOV_SOUND,
        "aac",
        full_range=False,
    ),
    (".webm", True): Coding(
        "webm", "libvpx-vp9", "yuva420p", {**_VP9, "auto-alt-ref": "0"}, _WEBM_SOUND, "libopus"
    ),
    (".mov", False): Coding("mov", "libx264", "yuv420p", _H264, _MOV_SOUND, "aac", even=True),
    (".mp4", False): Coding("mp4", "libx264", "yuv420p", _H264, _MP4_SOUND, "aac", even=True),
    (".webm", False): Coding("webm", "libvpx-vp9", "yuv420p", _VP9, _WEBM_SOUND, "libopus"),
}
# Microseconds by which one stream may run ahead of another before it is written: the muxer holds
# that much back, which is FFmpeg's 10 seconds otherwise, gigabytes of ProRes.
_INTERLEAVED: Final = 1_000_000
# Opus knows this rate; others take it, too.
_SOUND_RATE: Final = 48_000


def coding_for(out: Path, *, alpha: bool) -> Coding:
    """How a file of that name holds a video with or without opacity.

    Raises:
        UsageError: There is no such kind, or it holds no opacity.
    """
    suffix = out.suffix.lower()
    found = _CODINGS.get((suffix, alpha))
    if found is not None:
        return found
    if (suffix, False) in _CODINGS:
        raise UsageError(
            f"{suffix[1:].upper()} holds no opacity.",
            "Write .mov (ProRes 4444) or .webm (VP9), or give a background: --color, --picture or "
            "--blur.",
        )
    raise UsageError(
        f"{out.name!r} is no kind of video that is written.",
        "Give a name that ends in .mov, .webm" + (", with opacity." if alpha else " or .mp4."),
    )


class VideoWriter:
    """A file that frames and sound are put into; playable once it is closed.

    Attributes:
        frames: How many it holds.
        end: When the last of them ends, in units of the time base.
        copied: Which of the reader's streams of sound are wanted as packets; others as frames.
    """

    def __init__(
        self, path: Path, coding: Coding, video: VideoReader, note: Callable[[str], None]
    ) -> None:
        self._av, self._coding = av_module(), coding
        self.frames, self.end = 0, 0
        self._time_base = video.time_base
        self._colors = _colors(video.colors, coding)
        options = {"max_interleave_delta": str(_INTERLEAVED), "fflags": "+bitexact"}
        if coding.container == "mp4":
            options["movflags"] = "+faststart"
        self._container = self._av.open(str(path), "w", format=coding.container, options=options)
        try:
            self._video = self._video_stream(video, note)
            self._sounds = [self._sound_stream(sound, note) for sound in video.sounds]
        except BaseException:
            self._container.close()
            raise
        self.copied = {
            number for number, sound in enumerate(self._sounds) if isinstance(sound, _Copied)
        }
        self._durations: dict[int, int] = {}  # of frames that the encoder holds, by their times

    def put(self, item: Shot | Sound) -> None:
        """Add a frame, (H, W, 3) or (H, W, 4) bytes, or sound.

        Raises:
            ToolError: The encoder or the container refuses it.
            OSError: It can't be written.
        """
        try:
            if isinstance(item, Shot):
                self._put_frame(item)
            elif (sound := self._sounds[item.stream]) is not None:
                for packet in sound.packets(item):
                    self._container.mux(packet)
        except self._av.FFmpegError as exc:
            self._refused(exc)

    def finish(self) -> None:
        """Write what encoders hold, and the end of the file.

        Raises:
            ToolError: As for `put`.
            OSError: Likewise.
        """
        try:
            self._mux(self._video.encode(None))
            for sound in self._sounds:
                if sound is not None:
                    for packet in sound.rest():
                        self._container.mux(packet)
            self._container.close()
        except self._av.FFmpegError as exc:
            self._refused(exc)

    def abandon(self) -> None:
        """Let go of the file, whatever state it is in."""
        with suppress(self._av.FFmpegError, ValueError):  # it is deleted next
            self._container.close()

    def _refused(self, exc: Any) -> None:
        if isinstance(exc, OSError):
            raise exc
        raise ToolError(
            f"FFmpeg's {self._coding.codec} or {self._coding.container} refuses this video: "
            f"{exc.strerror or exc}.",
            "Write another kind: .mov, .webm or .mp4.",
        ) from exc

    def _put_frame(self, shot: Shot) -> None:
        pixels = shot.pixels
        if self._coding.even:
            odd = (pixels.shape[0] % 2, pixels.shape[1] % 2)
            if any(odd):
                pixels = np.pad(pixels, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
        given = self._av.VideoFrame.from_ndarray(
            np.ascontiguousarray(pixels), "rgba" if pixels.shape[2] == 4 else "rgb24"
        )
        frame = given.reformat(
            format=self._coding.pixels,
            src_color_range=FULL,
            dst_colorspace=SCALER.get(self._colors.matrix),
            dst_color_range=self._colors.range,
            interpolation="BICUBIC",
        )
        _tag(frame, self._colors)
        frame.pts, frame.time_base, frame.duration = shot.time, self._time_base, shot.duration
        self._durations[shot.time] = shot.duration
        self._mux(self._video.encode(frame))
        self.frames += 1
        self.end = shot.time + shot.duration

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts, packet.duration)
            self._container.mux(packet)

    def _video_stream(self, video: VideoReader, note: Callable[[str], None]) -> Any:
        coding = self._coding
        try:
            stream = self._container.add_stream(
                coding.codec, video.rate, options=coding.options, time_base=video.time_base
            )
        except self._av.codec.codec.UnknownCodecError as exc:
            raise ToolError(
                f"This PyAV has no encoder {coding.codec}.",
                "Install PyAV's own wheel (pip install av), or write another kind of file.",
            ) from exc
        width, height = video.width, video.height
        if coding.even and (width % 2 or height % 2):
            width, height = width + width % 2, height + height % 2
            note(f"H.264 has even sides: the last row or column is repeated, {width}x{height}.")
        stream.width, stream.height, stream.pix_fmt = width, height, coding.pixels
        stream.codec_context.time_base = video.time_base
        stream.thread_count = min(os.cpu_count() or 1, 16)
        if video.aspect is not None:
            stream.sample_aspect_ratio = video.aspect
        context = stream.codec_context
        context.colorspace, context.color_range = self._colors.matrix, self._colors.range
        context.color_primaries = self._colors.primaries
        context.color_trc = self._colors.transfer
        if coding.pixels.startswith("yuva") and coding.container == "webm":
            stream.metadata["alpha_mode"] = "1"
        return stream

    def _sound_stream(self, source: Any, note: Callable[[str], None]) -> _Copied | _Encoded | None:
        name = source.codec_context.codec.canonical_name
        if name in self._coding.copied:
            stream = self._container.add_stream_from_template(source)
            made: _Copied | _Encoded = _Copied(stream)
        else:
            note(f"Sound is coded anew: {self._coding.container} holds no {name}.")
            stream = self._container.add_stream(self._coding.sound, _SOUND_RATE)
            channels = source.codec_context.layout.nb_channels
            if channels > 2:
                note(f"Sound of {channels} channels becomes stereo.")
            stream.layout = "mono" if channels == 1 else "stereo"
            made = _Encoded(self._av, stream)
        if source.language:
            stream.metadata["language"] = source.language
        return made


class _Copied:
    """Sound whose packets are taken as they are."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def packets(self, sound: Sound) -> list[Any]:
        sound.packet.stream = self._stream
        return [sound.packet]

    def rest(self) -> list[Any]:
        return []


class _Encoded:
    """Sound that is encoded anew."""

    def __init__(self, av: Any, stream: Any) -> None:
        self._stream = stream
        self._resampler = av.AudioResampler(
            stream.format, stream.layout, _SOUND_RATE, stream.codec_context.frame_size or None
        )

    def packets(self, sound: Sound) -> list[Any]:
        return [
            packet
            for frame in sound.frames
            for ready in self._resampler.resample(frame)
            for packet in self._stream.encode(ready)
        ]

    def rest(self) -> list[Any]:
        left = [p for ready in self._resampler.resample(None) for p in self._stream.encode(ready)]
        return left + list(self._stream.encode(None))


def _colors(given: Colors, coding: Coding) -> Colors:
    levels = given.range if coding.full_range else 1
    return Colors(given.matrix, levels, given.primaries, given.transfer)


def _tag(frame: Any, colors: Colors) -> None:
    frame.colorspace, frame.color_range = colors.matrix, colors.range
    frame.color_primaries, frame.color_trc = colors.primaries, colors.transfer
