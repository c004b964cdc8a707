"""Many photos: names, failures, what is there already, and what draws being lost on the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageCms

from maskport.apps import Segmenter, cutout
from maskport.apps.batch import Job, Made, find_jobs, run_batch, save
from maskport.cli.apply import options
from maskport.cli.main import cli
from maskport.errors import ImageError, LostError, UsageError
from maskport.imaging.photos import read_picture
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

SPEC = ModelSpec("fake", ImageSpec(16, 16), MaskSpec())


def drawn(image: np.ndarray) -> np.ndarray:
    return (image[:, :1] > 0.5).astype(np.float32)


@contextmanager
def opened() -> Iterator[Segmenter]:
    yield Segmenter(SPEC, drawn)


def cut(photo: Image.Image, segmenter: Segmenter) -> Made:
    return Made(cutout(photo, segmenter), photo.size)


def photo_at(path: Path, value: int = 200) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((20, 24, 3), np.uint8)
    pixels[5:15, 6:18] = value
    Image.fromarray(pixels).save(path)
    return path


def test_files_are_called_as_their_photos_and_lie_as_they_do(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for name in ("a.jpg", "b.png", "b.jpg", "sub/a.jpg", ".hidden/c.jpg", "sub/._d.jpg"):
        photo_at(folder / name)
    out = tmp_path / "out"
    jobs = {str(j.photo.relative_to(folder)): j.out for j in find_jobs([folder], out, ".png")}
    assert jobs == {
        "a.jpg": out / "a.png",
        "b.jpg": out / "b.jpg.png",
        "b.png": out / "b.png.png",
        "sub/a.jpg": out / "sub" / "a.png",
    }


def test_patterns_lists_and_single_photos_are_taken_and_each_photo_once(tmp_path: Path) -> None:
    one, two = photo_at(tmp_path / "one.jpg"), photo_at(tmp_path / "deep" / "two.jpg")
    (tmp_path / "list.txt").write_text("one.jpg\ndeep/two.jpg\n")
    sources: list[str | Path] = [str(tmp_path / "**" / "*.jpg"), tmp_path / "list.txt", one]
    jobs = find_jobs(sources, tmp_path / "out", ".webp")
    assert sorted(job.photo for job in jobs) == sorted([one, two])
    assert {job.out.name for job in jobs} == {"one.webp", "two.webp"}
    with pytest.raises(ImageError, match="No photo fits"):
        find_jobs([str(tmp_path / "*.tif")], tmp_path, ".png")
    with pytest.raises(ImageError, match="There are no photos in"):
        (tmp_path / "empty").mkdir()
        find_jobs([tmp_path / "empty"], tmp_path, ".png")


def test_two_photos_of_one_name_from_two_folders_are_refused(tmp_path: Path) -> None:
    photos = [photo_at(tmp_path / side / "a.jpg") for side in ("x", "y")]
    with pytest.raises(UsageError, match="Two photos would both be"):
        find_jobs(photos, tmp_path / "out", ".png")


def test_a_broken_photo_costs_no_other(tmp_path: Path) -> None:
    photos = [photo_at(tmp_path / f"{i}.png") for i in range(7)]
    photos[3].write_bytes(b"no photo at all")
    jobs = find_jobs(photos, tmp_path / "out", ".png")
    done = list(run_batch(jobs, opened, cut, workers=3))
    failed = [one for one in done if one.error]
    assert [one.job.photo for one in failed] == [photos[3]]
    assert "not an image" in failed[0].error
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        f"{i}.png" for i in range(7) if i != 3
    ]
    assert {one.record for one in done if not one.error} == {(24, 20)}


def test_a_photo_that_goes_away_half_way_costs_no_other(tmp_path: Path) -> None:
    photos = [photo_at(tmp_path / f"{name}.png") for name in "abcd"]

    def cut_and_delete(photo: Image.Image, segmenter: Segmenter) -> Made:
        photos[3].unlink(missing_ok=True)
        return cut(photo, segmenter)

    jobs = find_jobs(photos, tmp_path / "out", ".png")
    errors = {one.job.photo: one.error for one in run_batch(jobs, opened, cut_and_delete, 1)}
    assert [bool(errors[photo]) for photo in photos] == [False, False, False, True]
    assert f"There is no photo {photos[3]}" in errors[photos[3]]


def test_workers_have_a_network_each_and_photos_are_taken_as_they_are_needed(
    tmp_path: Path,
) -> None:
    """Two at once, and no more than four photos ahead of what has ended."""
    both, asked, opens = threading.Barrier(2, timeout=20), [], []

    @contextmanager
    def counted() -> Iterator[Segmenter]:
        opens.append(1)
        yield Segmenter(SPEC, drawn)

    def application(photo: Image.Image, segmenter: Segmenter) -> Made:
        both.wait()  # passes only where two are here
        return Made(None)

    photo = photo_at(tmp_path / "a.png")

    def jobs() -> Iterator[Job]:
        for i in range(20):
            asked.append(i)
            yield Job(photo, tmp_path / f"{i}.png")

    ahead = []
    for number, _ in enumerate(run_batch(jobs(), counted, application, workers=2), 1):
        ahead.append(len(asked) - number)
    assert len(ahead) == 20 and max(ahead) <= 5 and len(opens) == 2


def test_what_draws_is_opened_again_where_it_was_lost(tmp_path: Path) -> None:
    opens: list[str] = []

    @contextmanager
    def fragile() -> Iterator[Segmenter]:
        opens.append("open")
        yield Segmenter(SPEC, drawn)
        opens.append("close")

    def application(photo: Image.Image, segmenter: Segmenter) -> Made:
        if photo.getpixel((10, 10)) == (1, 1, 1):
            raise LostError("crashed", "the process ended: SIGKILL", "")
        return Made(None)

    photos = [photo_at(tmp_path / f"{i}.png", value=1 if i == 1 else 200) for i in range(4)]
    done = list(run_batch(find_jobs(photos, tmp_path, ".webp"), fragile, application, workers=1))
    done.sort(key=lambda one: one.job.photo)  # what ended together comes in any order
    assert [one.error for one in done] == ["", "the process ended: SIGKILL", "", ""]
    assert opens == ["open", "close", "open", "close"]


def test_a_picture_keeps_its_profile_and_transparency_becomes_white(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Image.new("RGBA", (8, 8), (10, 20, 30, 0))
    picture.info["icc_profile"] = profile
    for name in ("a.png", "a.webp", "a.jpg"):
        save(picture, tmp_path / name)
        with Image.open(tmp_path / name) as read:
            assert read.info["icc_profile"] == profile
            if name == "a.jpg":
                assert read.convert("RGB").getpixel((4, 4)) == (255, 255, 255)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jpg", "a.png", "a.webp"]


KINDS: dict[str, Any] = {
    "gray": lambda: Image.new("L", (8, 6), 100),
    "palette": lambda: Image.new("RGB", (8, 6), (10, 200, 30)).quantize(4),
    "cmyk": lambda: Image.new("CMYK", (8, 6), (255, 0, 0, 0)),
    "deep": lambda: Image.fromarray(np.full((6, 8), 40000, np.uint16)),
    "turned": lambda: Image.new("RGB", (6, 8), (1, 2, 3)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_photos_of_all_kinds_are_read_upright_in_rgb(kind: str, tmp_path: Path) -> None:
    image = KINDS[kind]()
    path = tmp_path / ("a.tif" if kind in {"cmyk", "deep"} else "a.png")
    exif = Image.Exif()
    exif[0x0112] = 6 if kind == "turned" else 1
    image.save(path, exif=exif)
    picture = read_picture(path)
    assert (picture.mode, picture.size) == ("RGB", (8, 6))


def test_cmyk_is_turned_by_its_profile_and_rgb_keeps_its(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (4, 4), (9, 8, 7)).save(tmp_path / "p3.png", icc_profile=profile)
    kept = read_picture(tmp_path / "p3.png")
    assert kept.info["icc_profile"] == profile and kept.getpixel((0, 0)) == (9, 8, 7)
    # A profile that is none, of another kind of color, or broken, is no reason to fail.
    Image.new("CMYK", (4, 4)).save(tmp_path / "c.jpg", icc_profile=b"no profile")
    assert "icc_profile" not in read_picture(tmp_path / "c.jpg").info


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_is_refused(kind: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), (i * 60, 0, 0)) for i in range(3)]
    path = tmp_path / f"a.{kind.lower()}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50)
    with pytest.raises(ImageError, match="an animation of 3 pictures"):
        read_picture(path)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def open_one(_self: object, threads: int | None = None) -> Iterator[Segmenter]:
        yield Segmenter(SPEC, drawn)

    monkeypatch.setattr(options.Drawing, "open", open_one)


def applied(*arguments: str | Path) -> tuple[Any, str, BaseException | None]:
    """Result (an exit code), output and exception of ``maskport apply``."""
    ended = CliRunner().invoke(
        cli, ["apply", *map(str, arguments), "--with", "demo"], standalone_mode=False
    )
    return ended.return_value, ended.output, ended.exception


@pytest.mark.usefixtures("fake")
def test_a_run_goes_on_replaces_nothing_by_accident_and_names_what_failed(tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    for i in range(4):
        photo_at(photos / f"{i}.jpg")
    (photos / "2.jpg").write_bytes(b"broken")
    code, said, failed = applied("cutout", photos, "--out", out)
    assert (code, failed) == (2, None)
    assert "3 made" in said and "1 failed" in said and "2.jpg" in said
    made = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert sorted(made) == ["0.png", "1.png", "3.png"]
    _, _, failed = applied("cutout", photos, "--out", out)
    assert isinstance(failed, UsageError) and "is there already, and 2 more" in failed.what
    photo_at(photos / "2.jpg")
    (out / "1.png").unlink()
    code, said, _ = applied("cutout", photos, "--out", out, "--resume")
    assert code == 0 and "2 made" in said and "2 were there" in said
    assert (out / "0.png").stat().st_mtime_ns == made["0.png"]
    code, said, _ = applied("cutout", photos, "--out", out, "--overwrite", "--mask-only")
    assert code == 0 and "4 made" in said
    with Image.open(out / "0.png") as mask:
        assert mask.mode == "L"


@pytest.mark.usefixtures("fake")
def test_each_command_makes_its_picture(tmp_path: Path) -> None:
    photo = photo_at(tmp_path / "a.jpg")
    for command, more, name in (
        ("background", ["--color", "red"], "a.jpg"),
        ("background", ["--picture", str(photo)], "a.jpg"),
        ("background", ["--blur", "3", "--format", "webp"], "a.webp"),
        ("highlight", ["--style", "heat"], "a.jpg"),
        ("boxes", [], "a.jpg"),
        ("crop", ["--aspect", "16:9", "--format", "png"], "a.png"),
        ("mask", ["--refine"], "a.png"),
    ):
        out = tmp_path / f"{command}{len(more)}{more[0] if more else ''}".replace("-", "")
        code, said, failed = applied(command, photo, "--out", out, *more)
        assert (code, failed) == (0, None), said
        assert (out / name).is_file()
    assert (tmp_path / "boxes0" / "coco.json").is_file()


@pytest.mark.usefixtures("fake")
def test_each_command_of_a_kind_makes_its_picture(tmp_path: Path) -> None:
    photo = photo_at(tmp_path / "a.jpg")
    for number, (command, more, name) in enumerate(
        (
            ("portrait", ["--no-face"], "a.png"),
            ("composite", ["--no-face", "--sigma", "3", "--alpha", "0.2"], "a.jpg"),
            ("sky", ["--drawn", "dusk"], "a.jpg"),
            ("sky", ["--sky", str(photo), "--relight", "1", "--no-refine"], "a.jpg"),
            ("sky", ["--mask-only", "--format", "png"], "a.png"),
        )
    ):
        out = tmp_path / str(number)
        code, said, failed = applied(command, photo, "--out", out, *more)
        assert (code, failed) == (0, None), said
        assert [path.name for path in out.iterdir()] == [name]
    with Image.open(tmp_path / "0" / "a.png") as drawing:
        assert (drawing.mode, drawing.size) == ("L", (24, 20))


CLASSES = ModelSpec(
    "fake", ImageSpec(16, 16), MaskSpec(channels=3, labels=("background", "upper", "lower"))
)


def test_garments_are_files_beside_a_label_map_which_is_written_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two(image: np.ndarray) -> np.ndarray:
        upper = (image[:, :1] > 0.5).astype(np.float32)
        lower = ((image[:, :1] > 0.1) & (image[:, :1] <= 0.5)).astype(np.float32)
        return np.concatenate([1 - upper - lower, upper, lower], 1)

    @contextmanager
    def open_one(_self: object, threads: int | None = None) -> Iterator[Segmenter]:
        yield Segmenter(CLASSES, two)

    monkeypatch.setattr(options.Drawing, "open", open_one)
    photos, out = tmp_path / "photos", tmp_path / "out"
    photo_at(photos / "a.png")
    photo_at(photos / "b.png", value=90)
    code, said, _ = applied("cloth", photos, "--out", out)
    assert code == 0 and "2 made" in said
    names = ["a.png", "a.upper.png", "b.lower.png", "b.png"]
    assert sorted(path.name for path in out.iterdir()) == names
    with Image.open(out / "a.png") as labels, Image.open(out / "a.upper.png") as upper:
        assert labels.mode == "P" and labels.getpixel((12, 10)) == 1
        assert upper.mode == "RGBA" and upper.getpixel((12, 10)) == (200, 200, 200, 255)
    times = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert times["a.png"] >= times["a.upper.png"]
    # Without its label map a photo isn't done.
    (out / "a.png").unlink()
    _, said, _ = applied("cloth", photos, "--out", out, "--resume")
    assert "1 made" in said and "1 were there" in said
    # What was worn and isn't any more goes with the label map that knew of it.
    photo_at(photos / "a.png", value=90)
    code, _, _ = applied("cloth", photos, "--out", out, "--overwrite")
    assert code == 0
    assert sorted(path.name for path in out.iterdir()) == [
        *("a.lower.png", "a.png", "b.lower.png", "b.png")
    ]


def test_a_part_of_one_photo_never_replaces_another_photos_file(tmp_path: Path) -> None:
    photos = [photo_at(tmp_path / name) for name in ("a.jpg", "a.upper.jpg", "b.jpg")]
    jobs = find_jobs(photos, tmp_path / "out", ".png")

    def application(photo: Image.Image, segmenter: Segmenter) -> Made:
        return Made(photo, parts={"upper": photo, "lower": None})

    taken = {job.out for job in jobs}
    done = list(run_batch(jobs, opened, application, workers=1, taken=taken))
    done.sort(key=lambda one: one.job.photo)  # what ended together comes in any order
    assert "a.upper.png is of two photos" in done[0].error
    assert [one.error for one in done[1:]] == ["", ""]
    # Nobody's file is taken away where there was no earlier run.
    own = photo_at(tmp_path / "new" / "c.lower.png")
    job = Job(photos[2], tmp_path / "new" / "c.png")
    assert not next(iter(run_batch([job], opened, application, workers=1))).error
    assert own.exists()


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sky"], "There is not one new sky"),
        (["sky", "--color", "red", "--mask-only"], "There is not one new sky"),
        (["sky", "--drawn", "green"], "There is no sky 'green'"),
        (["background"], "There is not one new background"),
        (["background", "--color", "grün"], "is no color"),
        (["crop", "--aspect", "wide"], "is no aspect"),
        (["crop", "--aspect", "1:0"], "is no aspect"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_made(
    arguments: list[str], says: str, tmp_path: Path
) -> None:
    photo = photo_at(tmp_path / "a.jpg")
    _, _, failed = applied(arguments[0], photo, *arguments[1:], "--out", tmp_path / "out")
    assert isinstance(failed, UsageError) and says in failed.what
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("fake")
def test_photos_are_never_replaced_by_their_results(tmp_path: Path) -> None:
    photo = photo_at(tmp_path / "a.png")
    _, _, failed = applied("mask", photo, "--out", tmp_path, "--overwrite")
    assert isinstance(failed, UsageError) and "would replace their photos" in failed.what
