"""Videos: frames, times, sound, opacity and colors are what they were; what is broken is said."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from maskport.apps.pipeline import Ahead, Behind
from maskport.apps.segmenter import Segmenter
from maskport.apps.smoothing import smoothed
from maskport.apps.video import Camera, cut_video
from maskport.errors import ImageError, InputError, ToolError, UsageError

from .videos import bright, make, picture, read, sound_seconds

av = pytest.importorskip("av", reason="needs maskport[video]")

STEADY = [40 * n for n in range(12)]
UNEVEN = [0, 40, 80, 200, 240, 300, 1340]


def times(frames: list[Any]) -> list[int]:
    """In milliseconds."""
    return [round(frame.pts * frame.time_base * 1000) for frame in frames]


def lasts(path: Path) -> float:
    """Seconds of the stream of frames, or of the file where it doesn't say."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        if video.duration:
            return float(video.duration * video.time_base)
        return float(container.duration / 1e6)


@pytest.mark.parametrize("name", ["out.mov", "out.webm", "blur.mp4", "blur.mov", "blur.webm"])
def test_frames_their_times_and_the_length_are_kept(tmp_path: Path, name: str) -> None:
    source = make(tmp_path / "in.mp4", UNEVEN)
    blur = 2.0 if name.startswith("blur") else 0.0
    done = cut_video(source, tmp_path / name, bright(), blur=blur)
    assert done.frames == len(UNEVEN)
    assert times(read(tmp_path / name)) == UNEVEN
    # WebM counts milliseconds.
    assert lasts(tmp_path / name) == pytest.approx(lasts(source), abs=0.001)
    assert done.seconds == pytest.approx(lasts(source), abs=0.001)


@pytest.mark.parametrize("name, decoder", [("out.mov", ""), ("out.webm", "libvpx-vp9")])
def test_opacity_is_the_mask(tmp_path: Path, name: str, decoder: str) -> None:
    source = make(tmp_path / "in.mp4", STEADY, size=(96, 96))
    cut_video(source, tmp_path / name, bright())
    for number, frame in enumerate(read(tmp_path / name, decoder)):
        rgba = frame.to_ndarray(format="rgba")
        truth = picture(number, 96, 96)
        inside, outside = truth[..., 0] > 200, truth[..., 0] < 50
        assert rgba[..., 3][inside].mean() > 225  # but for edges of the 32 pixels of the network
        assert rgba[..., 3][outside].mean() < 30
        # Four times 8 bits of rounding, and what the encoders lose.
        assert np.abs(rgba[48, 16 + 2 * number, :3].astype(int) - (255, 190, 190)).max() <= 12
        assert not rgba[:8, -16:, :3].max() > 4, "what was cut out isn't in the file"


def test_a_new_background_is_behind_the_object(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", STEADY)
    cut_video(source, tmp_path / "color.mp4", bright(), color="#2040c0")
    image = Image.new("RGB", (10, 10), (200, 100, 0))
    cut_video(source, tmp_path / "picture.webm", bright(), picture=image)
    for name, wanted in (("color.mp4", (32, 64, 192)), ("picture.webm", (200, 100, 0))):
        pixels = read(tmp_path / name)[5].to_ndarray(format="rgb24").astype(int)
        assert np.abs(pixels[4, 60] - wanted).max() <= 8, "two roundings to 4:2:0"
        assert np.abs(pixels[24, 20] - (255, 190, 190)).max() <= 8


@pytest.mark.parametrize(
    "codec, suffix, out, kept",
    [
        ("aac", ".mp4", "out.mov", "aac"),
        ("aac", ".mp4", "out.webm", "opus"),
        ("libopus", ".webm", "out.webm", "opus"),
        ("libopus", ".webm", "out.mov", "aac"),
        ("pcm_s16le", ".mov", "out.mov", "pcm_s16le"),
    ],
)
def test_sound_keeps_its_length(
    tmp_path: Path, codec: str, suffix: str, out: str, kept: str
) -> None:
    video = "libvpx-vp9" if suffix == ".webm" else "libx264"
    source = make(tmp_path / f"in{suffix}", STEADY, sound=codec, codec=video, seconds=0.4)
    done = cut_video(source, tmp_path / out, bright())
    with av.open(str(tmp_path / out)) as container:
        assert container.streams.audio[0].codec_context.codec.canonical_name == kept
    # A frame of AAC has 1024 samples, one of Opus 20 ms; where it is coded anew it begins with
    # some that players leave out.
    assert sound_seconds(tmp_path / out) == pytest.approx(sound_seconds(source), abs=0.03)
    assert ("anew" in " ".join(done.notes)) == (kept not in codec)


def test_copied_sound_is_the_same_packets(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", STEADY, sound="aac")
    cut_video(source, tmp_path / "out.mp4", bright(), color="white")

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    assert packets(source) == packets(tmp_path / "out.mp4")


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_phones_videos_are_turned_upright(tmp_path: Path, degrees: int) -> None:
    source = make(tmp_path / "in.mp4", STEADY, rotation=degrees)
    cut_video(source, tmp_path / "out.mov", bright())
    frame = read(tmp_path / "out.mov")[0]
    assert frame.rotation == 0
    stored = read(source)[0]
    assert abs(stored.rotation) == abs(degrees)
    wanted = np.rot90(stored.to_ndarray(format="rgb24"), degrees // 90)  # counter-clockwise, both
    alpha = frame.to_ndarray(format="rgba")[..., 3]
    assert alpha.shape == wanted.shape[:2]
    # But for edges, which are those of 32 pixels; turned wrongly, half would differ.
    assert ((alpha > 127) != (wanted[..., 1] > 127)).mean() < 0.06


@pytest.mark.parametrize("name", ["out.mov", "out.webm", "blur.mp4", "blur.webm"])
def test_odd_sides(tmp_path: Path, name: str) -> None:
    source = make(tmp_path / "in.mkv", STEADY, size=(63, 47), codec="ffv1", pixels="yuv444p")
    done = cut_video(source, tmp_path / name, bright(), blur=2 if "blur" in name else 0)
    frame = read(tmp_path / name)[-1]
    even = name.endswith("mp4")
    assert (frame.width, frame.height) == ((64, 48) if even else (63, 47))
    assert any("even sides" in note for note in done.notes) == even


@pytest.mark.parametrize("levels", [1, 2], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", [1, 6], ids=["bt709", "bt601"])
@pytest.mark.parametrize("name", ["out.mov", "out.webm", "back.mp4"])
def test_colors_and_their_tags_are_kept(
    tmp_path: Path, name: str, matrix: int, levels: int
) -> None:
    colors = {"colorspace": matrix, "color_range": levels, "color_primaries": 1, "color_trc": 1}
    source = make(tmp_path / "in.mp4", STEADY, colors=colors)
    before = read(source)[0]
    assert (before.colorspace, before.color_range) == (matrix, levels)
    cut_video(source, tmp_path / name, bright(), color="white" if "back" in name else "")
    after = read(tmp_path / name)[0]
    assert after.colorspace == matrix
    assert after.color_range == (1 if name.endswith(".mov") else levels)  # ProRes has one range
    assert (after.color_primaries, after.color_trc) == (1, 1)
    pixels = [_rgb(frame, matrix) for frame in (before, after)]
    assert np.abs(pixels[0][24, 10] - pixels[1][24, 10]).max() <= 6


def _rgb(frame: Any, matrix: int) -> Any:
    scaler = {1: 1, 6: 5}[matrix]
    made = frame.reformat(
        format="rgb24",
        src_colorspace=scaler,
        src_color_range=frame.color_range,
        dst_color_range=2,
    )
    return made.to_ndarray().astype(int)


def test_no_more_than_some_seconds(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", [40 * n for n in range(50)], sound="aac")
    seen: list[tuple[int, int]] = []
    done = cut_video(
        source,
        tmp_path / "out.mov",
        bright(),
        seconds=1,
        watch=lambda drawn, total: seen.append((drawn, total)),
    )
    assert done.frames == 25
    assert seen[-1] == (25, 25)
    assert sound_seconds(tmp_path / "out.mov") == pytest.approx(1, abs=0.03)


def test_what_starts_late_starts_at_once(tmp_path: Path) -> None:
    source = make(tmp_path / "in.ts", STEADY, sound="aac")
    assert times(read(source))[0] > 0
    cut_video(source, tmp_path / "out.mov", bright())
    came = times(read(tmp_path / "out.mov"))
    assert came[0] <= times(read(source))[0]
    assert [time - came[0] for time in came] == STEADY


def test_pixels_that_are_not_square_stay_so(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", 25)
        video.width, video.height = 64, 48
        video.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for number in range(5):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture(number), "rgb24")))
        container.mux(video.encode(None))
    cut_video(source, tmp_path / "out.mov", bright())
    with av.open(str(tmp_path / "out.mov")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_subtitles_are_left_out_and_named(tmp_path: Path) -> None:
    source = make(tmp_path / "plain.mp4", STEADY)
    subtitled = tmp_path / "in.mkv"
    with av.open(str(source)) as given, av.open(str(subtitled), "w") as container:
        stream = container.add_stream_from_template(given.streams.video[0])
        container.add_mux_stream("subrip")
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    done = cut_video(subtitled, tmp_path / "out.mov", bright())
    assert any("1 of subtitles" in note for note in done.notes)
    assert done.frames == len(STEADY)


def test_broken_frames_are_left_out_and_named(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mov", STEADY, codec="png", pixels="rgb24")
    data = bytearray(source.read_bytes())
    third = [i for i in range(len(data)) if data[i : i + 4] == b"\x89PNG"][2]
    data[third : third + 60] = bytes(60)
    source.write_bytes(data)
    done = cut_video(source, tmp_path / "out.mov", bright())
    assert (done.frames, done.broken) == (len(STEADY) - 1, 1)
    assert any("at 0.08 s can't be decoded" in note for note in done.notes)


def test_a_file_that_breaks_off_ends_there(tmp_path: Path) -> None:
    source = make(tmp_path / "in.avi", STEADY, codec="png", pixels="rgb24")
    data = source.read_bytes()
    source.write_bytes(data[: len(data) // 2])
    done = cut_video(source, tmp_path / "out.mov", bright())
    assert 0 < done.frames < len(STEADY)
    assert len(read(tmp_path / "out.mov")) == done.frames


def test_frames_of_another_size_take_the_first_ones(tmp_path: Path) -> None:
    parts = [make(tmp_path / f"{n}.ts", STEADY, size=s) for n, s in enumerate([(64, 48), (32, 32)])]
    source = tmp_path / "in.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    done = cut_video(source, tmp_path / "out.mov", bright())
    assert {(f.width, f.height) for f in read(tmp_path / "out.mov")} == {(64, 48)}
    assert done.frames == 2 * len(STEADY)


@pytest.mark.parametrize("kind", ["missing", "text", "picture", "sound", "zeros", "playlist"])
def test_what_is_no_video_is_refused(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "in"
    if kind == "text":
        source = tmp_path / "in.txt"
        source.write_text("no video\n" * 100)
    elif kind == "picture":
        source = tmp_path / "in.png"
        Image.new("RGB", (32, 32)).save(source)
    elif kind == "sound":
        source = tmp_path / "in.m4a"
        with av.open(str(source), "w", format="mp4") as container:
            tone = container.add_stream("aac", 44_100)
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
            frame.sample_rate = 44_100
            container.mux(tone.encode(frame))
            container.mux(tone.encode(None))
    elif kind == "zeros":
        source.write_bytes(bytes(5000))
    elif kind == "playlist":
        source = tmp_path / "in.m3u8"
        part = make(tmp_path / "part.ts", STEADY)
        source.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{part.name}\n")
    with pytest.raises(ImageError, match=source.name):
        cut_video(source, tmp_path / "out.mov", bright())
    assert not (tmp_path / "out.mov").exists()


def test_frames_of_too_many_pixels_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make(tmp_path / "in.mp4", STEADY)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 48 - 1)
    with pytest.raises(ImageError, match=r"in\.mp4"):
        cut_video(source, tmp_path / "out.mov", bright())


@pytest.mark.parametrize(
    "name, options, says",
    [
        ("out.mp4", {}, "holds no opacity"),
        ("out.avi", {}, "no kind of video"),
        ("out.mp4", {"color": "white", "blur": 1.0}, "one background"),
        ("out.mp4", {"color": "no color"}, "is no color"),
        ("out.mov", {"smooth": 1.0}, "no strength"),
        ("in.mp4", {"color": "white"}, "replace its source"),
    ],
)
def test_wrong_requests(tmp_path: Path, name: str, options: dict[str, Any], says: str) -> None:
    source = make(tmp_path / "in.mp4", STEADY[:2])
    with pytest.raises(UsageError, match=says):
        cut_video(source, tmp_path / name, bright(), **options)


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    drawn = []

    def draw(photo: Any) -> Any:
        drawn.append(1)
        if len(drawn) == 5:
            raise InputError("it broke")
        return photo[:, :1]

    source = make(tmp_path / "in.mp4", STEADY)
    with pytest.raises(InputError, match="it broke"):
        cut_video(source, tmp_path / "out.mov", Segmenter(bright().spec, draw))
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


@pytest.mark.parametrize("name", ["out.mov", "out.webm"])
def test_an_interruption_leaves_what_was_made(tmp_path: Path, name: str) -> None:
    drawn = []

    def draw(photo: Any) -> Any:
        drawn.append(1)
        if len(drawn) == 8:
            raise KeyboardInterrupt
        return photo[:, :1]

    source = make(tmp_path / "in.mp4", STEADY, sound="aac")
    with pytest.raises(KeyboardInterrupt, match=r"7 frames, 0\.28 seconds, are in"):
        cut_video(source, tmp_path / name, Segmenter(bright().spec, draw))
    assert len(read(tmp_path / name)) == 7
    assert sound_seconds(tmp_path / name) > 0.1
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", name}


def test_an_interruption_before_the_first_frame_leaves_nothing(tmp_path: Path) -> None:
    def draw(photo: Any) -> Any:
        raise KeyboardInterrupt

    source = make(tmp_path / "in.mp4", STEADY)
    with pytest.raises(KeyboardInterrupt):
        cut_video(source, tmp_path / "out.mov", Segmenter(bright().spec, draw))
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


# Slow enough to be ended in the middle, and no slower.
SLOW = """
import time
from torch import nn

class Slow(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1)

    def forward(self, x):
        time.sleep(0.01)
        return self.conv(x).sigmoid()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_leaves_a_file_that_plays(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "slow_network.py").write_text(SLOW)
    zeros = {"conv.weight": torch.zeros(1, 3, 1, 1), "conv.bias": torch.zeros(1)}
    torch.save(zeros, work / "slow.pth")
    source = make(tmp_path / "in.mp4", [40 * n for n in range(600)], sound="aac")
    out = tmp_path / "out.mov"
    command = [sys.executable, "-m", "maskport", "apply", "video", str(source), "--out", str(out)]
    network = ["--with", "slow.pth", "--network", "slow_network:Slow", "--size", "32"]
    process = subprocess.Popen([*command, *network], stderr=subprocess.PIPE, text=True, cwd=work)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if " of 600" in line:
                break
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(60) == 130
    finally:
        process.kill()
    frames = len(read(out))
    assert 0 < frames < 600
    assert f"{frames} frames" in said
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", "out.mov", "work"}


def test_a_camera_is_read_until_the_time_is_over(tmp_path: Path) -> None:
    if "lavfi" not in av.formats_available:
        pytest.skip("this PyAV has no generator of pictures")
    camera = Camera("testsrc2=size=64x48:rate=10", "lavfi")
    done = cut_video(camera, tmp_path / "out.mp4", bright(), color="white", seconds=1.5)
    assert done.frames == 15
    assert times(read(tmp_path / "out.mp4"))[0] == 0


def test_cameras_by_number_and_by_name() -> None:
    assert Camera.named("1", "linux") == Camera("/dev/video1", "v4l2")
    assert Camera.named("0", "darwin") == Camera("0", "avfoundation")
    assert Camera.named("dshow:video=USB: cam", "win32") == Camera("video=USB: cam", "dshow")
    for text, platform in (("0", "win32"), ("front", "linux"), ("v4l2:", "linux")):
        with pytest.raises(UsageError, match="no camera"):
            Camera.named(text, platform)


def test_a_system_of_cameras_that_pyav_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="without nosuch"):
        cut_video(Camera("0", "nosuch"), tmp_path / "out.mov", bright())


def test_smoothing_calms_masks_where_the_picture_stands_still() -> None:
    generator = np.random.default_rng(0)
    still = np.full((1, 3, 32, 32), 0.5, np.float32)
    flickering = Segmenter(
        bright().spec, lambda photo: generator.random((1, 1, 32, 32)).astype(np.float32)
    )

    def spread(strength: float) -> float:
        held = smoothed(flickering, strength)
        return float(np.std([held.draw(still)[0, 0] for _ in range(60)][20:], axis=0).mean())

    # An exponential average's deviation is sqrt((1 - s) / (1 + s)) of one mask's: a third of 0.8.
    assert spread(0.8) / spread(0) == pytest.approx(1 / 3, rel=0.15)


def test_smoothed_masks_follow_what_moves_and_start_anew_after_a_cut() -> None:
    black, white = (np.full((1, 3, 32, 32), v, np.float32) for v in (0.0, 1.0))
    held = smoothed(bright(), 0.9)
    assert held.draw(black).max() == 0
    assert held.draw(white).min() > 0.999
    half = white.copy()
    half[..., :16] = 0
    drawn = held.draw(half)[0, 0]
    assert drawn[:, :12].max() < 0.001, "the half that became dark"
    assert drawn[:, 20:].min() > 0.999


def test_a_pipeline_holds_no_more_than_its_depth() -> None:
    made: list[int] = []

    def items() -> Any:
        for number in range(50):
            made.append(number)
            yield number

    taken: list[int] = []
    with Ahead(items(), 3) as ahead, Behind(taken.append, 2) as behind:
        for number in ahead:
            assert len(made) <= number + 1 + 3 + 2  # at hand, waiting, and in the thread's hands
            behind.put(number)
        behind.finish()
    assert taken == list(range(50))


def test_errors_of_both_ends_come_to_the_middle() -> None:
    def failing() -> Any:
        yield 1
        raise ValueError("at the front")

    with pytest.raises(ValueError, match="at the front"), Ahead(failing(), 2) as ahead:
        list(ahead)

    def refuse(item: int) -> None:
        raise ValueError("at the back")

    with pytest.raises(ValueError, match="at the back"), Behind(refuse, 1) as behind:
        for number in range(100):
            behind.put(number)
            time.sleep(0.001)
