"""Videos and cameras as upright frames of RGB bytes with their times, and their sound."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from ..errors import ImageError, MissingToolError, ToolError, UsageError
from .segmenter import Pixels

__all__ = ["Camera", "Colors", "Shot", "Sound", "VideoReader", "av_module", "opened_video"]

# FFmpeg's names of what reads cameras, by Python's of systems, and their first camera.
CAMERAS: Final = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
# Playlists name other files and addresses, and text is drawn as a terminal would.
REFUSED: Final = {"concat", "dash", "hls", "imf", "tty"}
# Waiting for a camera that gives nothing, in seconds.
PATIENCE: Final = 15.0
# So many packets of sound may come before the first frame.
MOST_SOUND: Final = 20_000
# Of so many broken frames each is named.
MOST_TOLD: Final = 10
_BEFORE: Final = -(2**62)
# FFmpeg's numbers of what a matrix of colors is, and of a full range.
UNSPECIFIED, RGB, BT709, SMPTE170M = 2, 0, 1, 6
FULL: Final = 2


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera, as its system calls it.

    Attributes:
        device: ``/dev/video0`` on Linux, ``0`` on macOS, ``video=NAME`` on Windows.
        system: FFmpeg's name of what reads it: ``v4l2``, ``avfoundation`` or ``dshow``.
    """

    device: str
    system: str

    @classmethod
    def named(cls, text: str, platform: str = sys.platform) -> Camera:
        """A camera by its number on this system, or as ``SYSTEM:DEVICE``.

        Raises:
            UsageError: It is neither, or this system's cameras have no numbers.
        """
        system, colon, device = text.partition(":")
        if colon and device and system.isalnum():
            return cls(device, system)
        if not text.isdecimal() or platform not in {"linux", "darwin"}:
            raise UsageError(
                f"{text!r} is no camera here.",
                "Give its number (Linux, macOS), or SYSTEM:DEVICE, such as v4l2:/dev/video0 or "
                "dshow:video=NAME.",
            )
        return cls(f"/dev/video{text}" if platform == "linux" else text, CAMERAS[platform])

    def __str__(self) -> str:
        return f"{self.system}:{self.device}"


@dataclass(frozen=True, slots=True)
class Colors:
    """What a video says of its colors, in FFmpeg's numbers.

    Attributes:
        matrix: From RGB to what is stored.
        range: 1 where luma's range is 16 to 235, 2 where it is all of a byte.
        primaries: Of the display.
        transfer: Its curve.
    """

    matrix: int
    range: int
    primaries: int
    transfer: int


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame: (H, W, 3) RGB bytes, when it is shown and how long, in units of the time base."""

    pixels: Pixels
    time: int
    duration: int


@dataclass(frozen=True, slots=True)
class Sound:
    """A packet of a stream of sound, or frames where it was to be decoded."""

    stream: int
    packet: Any
    frames: tuple[Any, ...] = ()


def av_module() -> Any:
    """PyAV.

    Raises:
        MissingToolError: It is not installed.
    """
    try:
        import av
    except ImportError as exc:
        raise MissingToolError("av", "video", "reading and writing videos") from exc
    return av


@contextmanager
def opened_video(
    source: str | Path | Camera, seconds: float | None, note: Callable[[str], None]
) -> Iterator[VideoReader]:
    """Open a video for as long as the block lasts.

    Args:
        source: A file, ``-`` for standard input, or a camera.
        seconds: No more than so many of it.
        note: Told what is peculiar about it, in a sentence each.

    Raises:
        ImageError: There is no such file, it is no video, or frames are too large.
        MissingToolError: PyAV is not installed.
        ToolError: This PyAV reads no cameras of that kind.
    """
    av = av_module()
    name = "standard input" if source == "-" else str(source)
    options = {} if Image.MAX_IMAGE_PIXELS is None else {"max_pixels": str(Image.MAX_IMAGE_PIXELS)}
    if isinstance(source, Camera):
        if source.system not in av.formats_available:
            raise ToolError(
                f"This PyAV was built without {source.system}, and reads no cameras by it.",
                "Build it on FFmpeg's own libraries (pip install --no-binary av av), or pipe a "
                f"video in: ffmpeg -f {source.system} -i … -f nut - | maskport apply video - …",
            )
        given: dict[str, Any] = {"format": source.system, "timeout": PATIENCE}
        where = source.device
    elif source == "-":
        where, given = "pipe:0", {}
        options["protocol_whitelist"] = "pipe"
    else:
        if not Path(source).is_file():
            raise ImageError(f"There is no video {source}.", "Check the path.")
        # Absolute, so that no name is taken for an address; and what a file names is not fetched.
        where, given = str(Path(source).absolute()), {}
        options["protocol_whitelist"] = "file"
    # Before they are opened: FFmpeg would wait for what they name.
    options["format_whitelist"] = ",".join(sorted(av.formats_available - REFUSED))
    try:
        container = av.open(where, options=options, metadata_errors="replace", **given)
    except (av.FFmpegError, ValueError, OSError) as exc:
        raise ImageError(
            f"{name} can't be read as a video: {getattr(exc, 'strerror', None) or exc}.",
            "It is damaged, or none. FFmpeg says which kinds it reads: ffmpeg -formats."
            if not isinstance(source, Camera)
            else "See whether it is plugged in, free and permitted.",
        ) from exc
    with container:
        yield VideoReader(av, container, name, isinstance(source, Camera), seconds, note)


class VideoReader:
    """A video that is open.

    Attributes:
        width: Of its frames, turned upright.
        height: Likewise.
        time_base: Seconds of one unit of time.
        rate: Frames a second, on average, as the file says.
        aspect: Width by height of a pixel; None where nothing is said of it.
        colors: What is said of them, and guessed as players do where nothing is.
        total: How many frames there are by what the file says; 0 where it doesn't.
        sounds: Its streams of sound, in PyAV's objects.
        broken: How many frames could not be decoded, so far.
    """

    def __init__(
        self,
        av: Any,
        container: Any,
        name: str,
        live: bool,
        seconds: float | None,
        note: Callable[[str], None],
    ) -> None:
        self._av, self._container, self._name, self._note = av, container, name, note
        self.broken, self._told = 0, 0
        kind = container.format.name
        videos = [s for s in container.streams.video if not s.disposition & _attached(av)]
        if kind in REFUSED or not videos:
            raise ImageError(
                f"{name} holds no video.",
                "Give a file of frames: MP4, MOV, WebM, MKV, AVI, GIF …",
            )
        if kind.endswith("_pipe") or kind.startswith("image2"):
            raise ImageError(f"{name} is a picture.", "maskport apply cutout takes pictures.")
        self._video = videos[0]
        if self._video.codec_context is None:
            raise ImageError(
                f"{name} is coded in a way that this PyAV can't decode.",
                "Have FFmpeg turn it into H.264: ffmpeg -i … out.mp4",
            )
        # Of frames side by side an error would come some packets late, and name another frame.
        self._video.thread_type = "SLICE"
        self.sounds = [s for s in container.streams.audio if s.codec_context is not None]
        self.time_base: Fraction = self._video.time_base
        self.rate: Fraction = self._video.average_rate or self._video.guessed_rate or Fraction(25)
        self._limit = None if seconds is None else max(1, round(seconds / self.time_base))
        start = container.start_time
        # What begins late for no reason, as recordings of broadcasts do, begins at once.
        self._start = Fraction(start, 1_000_000) if start is not None and start > 0 else Fraction(0)
        self._step = max(1, round(1 / self.rate / self.time_base))
        self._last = _BEFORE
        self._size: tuple[int, int] | None = None
        self._live = live
        self.total = 0 if live else self._counted()
        self._tell_what_is_left_out(videos)
        self._items = self._read()
        self._ahead = self._until_first_frame()

    def items(self, decoded: set[int]) -> Iterator[Shot | Sound]:
        """All frames and sound, as they come in the file, once.

        Args:
            decoded: Which of `sounds` are to be decoded.
        """
        for item in self._all_items():
            if isinstance(item, Sound) and item.stream in decoded:
                try:
                    frames = tuple(item.packet.decode())
                except self._av.FFmpegError:
                    continue  # a packet of sound, some hundredths of a second
                yield Sound(item.stream, None, frames)
            elif not isinstance(item, Sound) or item.packet.dts is not None:
                yield item

    def _all_items(self) -> Iterator[Shot | Sound]:
        while self._ahead:
            yield self._ahead.popleft()
        yield from self._items

    def _until_first_frame(self) -> deque[Shot | Sound]:
        """What comes up to the first frame, which says how large they are."""
        ahead: deque[Shot | Sound] = deque()
        for item in self._items:
            ahead.append(item)
            if isinstance(item, Shot):
                self.height, self.width = item.pixels.shape[:2]
                return ahead
            if len(ahead) > MOST_SOUND:
                break
        raise ImageError(
            f"{self._name} holds no frame that can be decoded.",
            "The file is damaged, or can't be piped, as most MP4: give a whole file.",
        )

    def _read(self) -> Iterator[Shot | Sound]:
        numbers = {sound.index: number for number, sound in enumerate(self.sounds)}
        going = {self._video.index, *numbers}  # streams that haven't come to the limit
        packets = self._container.demux(self._video, *self.sounds)
        while going:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except self._av.FFmpegError as exc:
                if not isinstance(exc, EOFError):
                    self._note(f"{self._name} breaks off: {exc.strerror or exc}.")
                yield from self._shots(None)
                return
            index = packet.stream_index
            if index not in going:
                continue
            if index == self._video.index:
                for shot in self._shots(packet):
                    if self._limit is not None and shot.time >= self._limit:
                        going.discard(index)
                        break
                    yield shot
            else:
                self._shift(packet)
                if self._is_after_limit(packet):
                    going.discard(index)
                else:
                    yield Sound(numbers[index], packet)

    def _shift(self, packet: Any) -> None:
        offset = round(self._start / packet.time_base) if packet.time_base else 0
        if packet.pts is not None:
            packet.pts -= offset
        if packet.dts is not None:
            packet.dts -= offset

    def _is_after_limit(self, packet: Any) -> bool:
        if self._limit is None or packet.pts is None:
            return False
        return bool(packet.pts * packet.time_base >= self._limit * self.time_base)

    def _shots(self, packet: Any) -> Iterator[Shot]:
        """What a packet decodes to; of None, what the decoder still holds."""
        try:
            frames = self._video.decode(packet)
        except EOFError:
            return
        except self._av.FFmpegError as exc:
            self._tell_broken(packet, exc)
            return
        for frame in frames:
            yield self._shot(frame)

    def _shot(self, frame: Any) -> Shot:
        if self._size is None:
            self._size = (frame.width, frame.height)
            self._matrix = _turn_of(frame)
            self._look(frame)
        most = Image.MAX_IMAGE_PIXELS
        if most is not None and frame.width * frame.height > most:
            raise ImageError(
                f"{self._name} has frames of {frame.width}x{frame.height}, too many pixels to "
                "decode safely.",
                "Scale it down first.",
            )
        if frame.is_corrupt:
            self._tell_broken(frame, None)
        first = self._last == _BEFORE
        if frame.pts is None:
            time = 0 if first else self._last + self._step
        else:
            if first and self._live:  # whose clock is the computer's
                self._start = frame.pts * self.time_base
            time = frame.pts - round(self._start / self.time_base)
        # No two at one time, which is more than files hold.
        self._last = time = max(time, self._last + 1)
        width, height = self._size
        pixels = frame.reformat(
            width=width,
            height=height,
            format="rgb24",
            src_colorspace=SCALER.get(self.colors.matrix),
            src_color_range=self.colors.range,
            dst_color_range=FULL,
            interpolation="BICUBIC",
        ).to_ndarray()
        return Shot(_turned(pixels, self._matrix), time, frame.duration or self._step)

    def _look(self, frame: Any) -> None:
        """What the first frame says of all."""
        matrix, levels = int(frame.colorspace), int(frame.color_range)
        if matrix in {UNSPECIFIED, RGB}:
            matrix = BT709 if frame.height >= 720 else SMPTE170M
        if levels not in {1, FULL}:
            levels = FULL if frame.format.name.startswith("yuvj") else 1
        self.colors = Colors(matrix, levels, int(frame.color_primaries), int(frame.color_trc))
        aspect = self._video.codec_context.sample_aspect_ratio
        self.aspect: Fraction | None = aspect or None
        if aspect and not self._matrix[0]:
            self.aspect = 1 / aspect
        depth = max((part.bits for part in frame.format.components), default=8)
        if depth > 8:
            self._note(f"{self._name} has {depth} bits a sample; the result is made of 8.")
        if frame.interlaced_frame:
            self._note(f"{self._name} is interlaced: edges are cleaner when it is deinterlaced.")

    def _counted(self) -> int:
        """How many frames the file says that there are, up to the limit."""
        video, container = self._video, self._container
        count: int = video.frames or 0
        if not count and video.duration:
            count = round(video.duration * self.time_base * self.rate)
        elif not count and container.duration:
            count = round(Fraction(container.duration, 1_000_000) * self.rate)
        if self._limit is not None:
            limit = round(self._limit * self.time_base * self.rate)
            count = min(count, limit) if count else limit
        return max(0, count)

    def _tell_what_is_left_out(self, videos: list[Any]) -> None:
        streams = self._container.streams
        left = [
            (len(videos) - 1, "more video"),
            (len(streams.subtitles), "of subtitles"),
            (len(streams.audio) - len(self.sounds), "of sound that can't be read"),
        ]
        parts = [f"{count} {what}" for count, what in left if count]
        if parts:
            self._note(f"{self._name}: streams are left out: {', '.join(parts)}.")

    def _tell_broken(self, at: Any, exc: Exception | None) -> None:
        """Of a packet or a frame; the first few by name."""
        self.broken += exc is not None
        self._told += 1
        if self._told > MOST_TOLD:
            return
        pts = getattr(at, "pts", None)
        time = "" if pts is None else f" at {float(pts * self.time_base):.2f} s"
        why = "is damaged" if exc is None else "can't be decoded, and is left out"
        self._note(f"{self._name}: the frame{time} {why}.")


# FFmpeg's numbers of matrices in its scaler.
SCALER: Final = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}


def _attached(av: Any) -> Any:
    """What marks a picture that belongs to a song."""
    from av.stream import Disposition

    return Disposition.attached_pic


def _turn_of(frame: Any) -> tuple[int, int, int, int]:
    """How a frame is to be turned: the signs of its display matrix, (1, 0, 0, 1) where it isn't.

    Angles between right ones, which no phone writes, are left alone.
    """
    found = frame.side_data.get("DISPLAYMATRIX")
    if found is None:
        return 1, 0, 0, 1
    values: Any = np.frombuffer(bytes(found), np.int32)
    signs = np.sign(np.rint(values / 65536)).astype(int)
    a, b, c, d = (int(signs[i]) for i in (0, 1, 3, 4))
    straight, aside = bool(a and d), bool(b and c)
    right = straight != aside and straight == bool(a or d) and aside == bool(b or c)
    return (a, b, c, d) if right else (1, 0, 0, 1)


def _turned(pixels: Pixels, matrix: tuple[int, int, int, int]) -> Pixels:
    a, b, c, d = matrix
    if not a:
        pixels = pixels.transpose(1, 0, 2)
    # Of the result, columns follow x by `a` or y by `c`, and rows y by `d` or x by `b`.
    columns, rows = (a, d) if a else (c, b)
    return np.ascontiguousarray(pixels[:: -1 if rows < 0 else 1, :: -1 if columns < 0 else 1])
