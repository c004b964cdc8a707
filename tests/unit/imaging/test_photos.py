"""Photos come back as upright RGB bytes, or as an error that names the file."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskport.errors import ImageError
from maskport.imaging.photos import list_photos, read_photo


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


def test_a_photo_taken_sideways_is_turned_upright(tmp_path: Path) -> None:
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, :4] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to show
    photo = read_photo(save(tmp_path / "a.png", pixels, exif=exif))
    assert photo.shape == (8, 4, 3)
    assert photo[0].min() == 255
    assert photo[-1].max() == 0


def test_transparent_pixels_lie_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, :, 3] = 255
    photo = read_photo(save(tmp_path / "a.png", pixels))
    assert photo[0].max() == 0
    assert photo[1].min() == 255


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1"])
def test_other_color_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.new("RGB", (6, 4), "white").convert(mode).save(path)
    photo = read_photo(path)
    assert photo.shape == (4, 6, 3)
    assert photo.min() >= 250  # white; JPEG may be off by a little


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 0x8000, np.uint16)).save(tmp_path / "a.png")
    assert read_photo(tmp_path / "a.png").max() == 0x80


def tiff(path: Path, samples: np.ndarray, **tags: int) -> Path:
    """A TIFF as scanners, cameras and microscopes write them, which Pillow can't write.

    Args:
        path: To write to.
        samples: (H, W) or (H, W, 3), or (3, H, W) for separate planes.
        tags: ``photometric`` (0 where zero is white) and ``planar`` (2 for separate planes).
    """
    planar = tags.get("planar", 1)
    color = samples.ndim == 3
    height, width = samples.shape[1:] if planar == 2 else samples.shape[:2]
    channels = 3 if color else 1
    photometric = tags.get("photometric", 2 if color else 1)
    kind = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    data = samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    strips = channels if planar == 2 else 1
    starts = [8 + index * len(data) // strips for index in range(strips)]
    fields: list[tuple[int, str, list[int]]] = [
        (256, "H", [width]),
        (257, "H", [height]),
        (258, "H", [samples.dtype.itemsize * 8] * channels),
        (259, "H", [1]),
        (262, "H", [photometric]),
        (273, "I", starts),
        (277, "H", [channels]),
        (278, "H", [height]),
        (279, "I", [len(data) // strips] * strips),
        (284, "H", [planar]),
        (339, "H", [kind] * channels),
    ]
    beyond = 8 + len(data) + 2 + 12 * len(fields) + 4
    entries, extra = b"", b""
    for tag, code, values in fields:
        packed = struct.pack(f"<{len(values)}{code}", *values)
        if len(packed) > 4:
            packed, extra = struct.pack("<I", beyond + len(extra)), extra + packed
        entries += struct.pack("<HHI", tag, 3 if code == "H" else 4, len(values))
        entries += packed.ljust(4, b"\0")
    directory = struct.pack("<H", len(fields)) + entries + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + extra)
    return path


def png(path: Path, samples: np.ndarray) -> Path:
    """A PNG of 16 bits a channel, (H, W) or (H, W, 2 to 4), which Pillow can't write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    color = {1: 0, 2: 4, 3: 2, 4: 6}[1 if samples.ndim == 2 else samples.shape[2]]
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 16, color, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return path


# Red at half, green at a quarter, blue next to nothing.
DEEP = np.tile(np.array([0x8000, 0x40FF, 0x00FF], np.uint16), (3, 2, 1))


@pytest.mark.parametrize(
    "samples",
    [
        DEEP,
        np.dstack([DEEP, np.full((3, 2), 0xFFFF, np.uint16)]),
    ],
    ids=["RGB", "RGBA"],
)
def test_sixteen_bits_of_color_keep_their_upper_eight(tmp_path: Path, samples: np.ndarray) -> None:
    expected = (DEEP >> 8).astype(np.uint8)
    assert (read_photo(png(tmp_path / "a.png", samples)) == expected).all()
    assert (read_photo(tiff(tmp_path / "a.tif", DEEP)) == expected).all()


def test_sixteen_bits_of_gray_with_transparency_keep_their_upper_eight(tmp_path: Path) -> None:
    samples = np.dstack([DEEP[..., 1], np.full((3, 2), 0xFFFF, np.uint16)])
    assert (read_photo(png(tmp_path / "a.png", samples)) == 0x40).all()


def test_white_is_zero_in_some_tiffs(tmp_path: Path) -> None:
    """Fax machines and scanners write so; at 16 bits Pillow leaves it as it is."""
    deep = np.full((2, 2), 0x1000, np.uint16)
    assert (read_photo(tiff(tmp_path / "a.tif", deep, photometric=0)) == 0xEF).all()
    assert (read_photo(tiff(tmp_path / "b.tif", deep, photometric=1)) == 0x10).all()
    bytes_ = deep.astype(np.uint8) + 0x10
    assert (read_photo(tiff(tmp_path / "c.tif", bytes_, photometric=0)) == 0xEF).all()


@pytest.mark.parametrize("dtype", [np.uint32, np.int32, np.int16, np.float32])
def test_values_whose_white_is_not_known_are_refused(tmp_path: Path, dtype: type) -> None:
    """Pillow would cut them off at 255: a white or a black picture, without a word."""
    path = tiff(tmp_path / "a.tif", np.arange(4, dtype=dtype).reshape(2, 2) * 4000)
    with pytest.raises(ImageError, match="white is not known") as caught:
        read_photo(path)
    assert "8 or 16 bits" in caught.value.remedy


def test_bytes_in_sixteen_bits_are_refused_and_not_read_as_black(tmp_path: Path) -> None:
    """Masks that were saved from whole numbers are often such."""
    mask = np.array([[0, 255], [255, 0]], np.uint16)
    with pytest.raises(ImageError, match="no value above 255"):
        read_photo(png(tmp_path / "a.png", mask))
    assert read_photo(png(tmp_path / "b.png", mask * 0)).max() == 0  # black is black
    assert read_photo(png(tmp_path / "c.png", mask * 257)).max() == 255


def test_deep_channels_in_separate_planes_are_refused(tmp_path: Path) -> None:
    """Pillow reads them as a stripe of other values."""
    planes = np.ascontiguousarray(DEEP.transpose(2, 0, 1))
    with pytest.raises(ImageError, match="planes of their own"):
        read_photo(tiff(tmp_path / "a.tif", planes, planar=2))


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.png"):
        read_photo(tmp_path / "a.png")


def test_a_truncated_photo_is_an_error_and_not_half_a_photo(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / "a.jpg", noise)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(ImageError, match="can't be decoded"):
        read_photo(path)


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", np.zeros((64, 64), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match="too many pixels"):
        read_photo(path)


def test_a_folder_is_listed_by_name_without_what_is_no_photo(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "deeper.png").mkdir()
    assert [p.name for p in list_photos(tmp_path).paths] == ["a.png", "b.JPG"]


def test_hidden_files_are_no_photos(tmp_path: Path) -> None:
    """Archives made on macOS have a file of attributes beside each photo."""
    Image.new("RGB", (4, 4)).save(tmp_path / "1.jpg")
    (tmp_path / "._1.jpg").write_bytes(b"attributes")
    assert [photo.name for photo in list_photos(tmp_path).paths] == ["1.jpg"]


def test_a_list_file_keeps_its_order_and_skips_comments(tmp_path: Path) -> None:
    for name in ("b.png", "a.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "list.txt").write_text("# mine\nb.png\n\na.png\n")
    assert [p.name for p in list_photos(tmp_path / "list.txt").paths] == ["b.png", "a.png"]


@pytest.mark.parametrize("length", [300, 4_000, 5_000])
def test_a_line_that_is_no_path_is_named_by_its_number(tmp_path: Path, length: int) -> None:
    (tmp_path / "list.txt").write_text(f"# mine\n\n{'a' * length}\n")
    with pytest.raises(ImageError, match=r"list\.txt.* line 3") as caught:
        list_photos(tmp_path / "list.txt")
    assert len(caught.value.what) < 700


def test_a_list_whose_own_name_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no folder or list"):
        list_photos(tmp_path / ("a" * 5_000))


def test_a_pipe_in_a_list_is_no_photo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "list.txt").write_text("a.png\n")
    with pytest.raises(ImageError, match="line 1"):
        list_photos(tmp_path / "list.txt")


def test_a_list_file_from_windows_leads_into_folders(tmp_path: Path) -> None:
    (tmp_path / "sky").mkdir()
    (tmp_path / "sky" / "a.png").write_bytes(b"")
    (tmp_path / "b\\c.png").write_bytes(b"")
    (tmp_path / "list.txt").write_bytes(b"sky\\a.png\r\nb\\c.png\r\n")
    assert list_photos(tmp_path / "list.txt").paths == [
        tmp_path / "sky" / "a.png",
        tmp_path / "b\\c.png",  # where a name really has one
    ]


def test_a_list_file_that_names_a_missing_photo_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("gone.png\n")
    with pytest.raises(ImageError, match=r"gone\.png"):
        list_photos(tmp_path / "list.txt")


def test_an_empty_or_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="holds no photos"):
        list_photos(tmp_path)
    with pytest.raises(ImageError, match="no folder"):
        list_photos(tmp_path / "gone")


# Photos as phones take them.


@pytest.fixture
def without_heif(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if pillow-heif were not installed, and Pillow did not know of it."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    Image.init()
    monkeypatch.setattr(Image, "OPEN", {k: v for k, v in Image.OPEN.items() if k != "HEIF"})
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])


def halves(height: int = 32, width: int = 48) -> np.ndarray:
    """Red on the left, blue on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 2] = 255
    return pixels


def heic(path: Path, pixels: np.ndarray) -> Path:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    Image.fromarray(pixels).save(path, "HEIF", quality=95)
    return path


@pytest.mark.sdk
@pytest.mark.parametrize("name", ["IMG_1.HEIC", "a.heif", "a.hif", "a.jpg"])
def test_heic_is_read_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    photo = read_photo(heic(tmp_path / name, halves()))
    assert photo.shape == (32, 48, 3)
    # Its colours have a quarter of the pixels and are quantised; the edge is kept away from.
    assert np.abs(photo[:, :20].mean((0, 1)) - (255, 0, 0)).max() < 10
    assert np.abs(photo[:, -20:].mean((0, 1)) - (0, 0, 255)).max() < 10
    assert list_photos(tmp_path).paths == [tmp_path / name]


def test_avif_is_read(tmp_path: Path) -> None:
    Image.fromarray(halves()).save(tmp_path / "a.avif", quality=95)
    found = list_photos(tmp_path)
    assert np.abs(read_photo(found.paths[0])[:, :20].mean((0, 1)) - (255, 0, 0)).max() < 10
    assert found.left_out == () and found.reasons == []


# The head of an ISO container with HEVC pictures, as phones write it.
HEIC_HEAD = b"\0\0\0\x24ftypheic\0\0\0\0mif1heic"


def test_without_pillow_heif_its_photos_are_named_and_counted(
    tmp_path: Path, without_heif: None
) -> None:
    save(tmp_path / "a.png", halves())
    for name in ("IMG_1.HEIC", "IMG_2.HEIC"):
        (tmp_path / name).write_bytes(HEIC_HEAD)
    found = list_photos(tmp_path)
    assert [path.name for path in found.paths] == ["a.png"]
    assert [path.name for path in found.left_out] == ["IMG_1.HEIC", "IMG_2.HEIC"]
    assert found.reasons == [
        "2 (IMG_1.HEIC, IMG_2.HEIC): HEIC is read where pillow-heif is installed: "
        "pip install 'maskport[heif]'"
    ]


def test_a_folder_of_nothing_but_unread_photos_is_an_error_that_names_them(
    tmp_path: Path, without_heif: None
) -> None:
    (tmp_path / "IMG_1.HEIC").write_bytes(HEIC_HEAD)
    with pytest.raises(ImageError, match=r"no photos that are read here.*IMG_1\.HEIC.*heif\]"):
        list_photos(tmp_path)


@pytest.mark.parametrize("name", ["IMG_1.HEIC", "sent.jpg"])
def test_without_pillow_heif_a_photo_says_what_to_install(
    tmp_path: Path, without_heif: None, name: str
) -> None:
    (tmp_path / name).write_bytes(HEIC_HEAD)
    with pytest.raises(ImageError, match="is an HEIC photo, and pillow-heif") as caught:
        read_photo(tmp_path / name)
    assert "maskport[heif]" in caught.value.remedy


def test_images_that_are_no_photos_are_named_and_other_files_are_not(tmp_path: Path) -> None:
    save(tmp_path / "a.png", halves())
    for name in ("b.dng", "c.gif", "d.GIF", "notes.txt", "e.mov", ".f.gif"):
        (tmp_path / name).write_bytes(b"")
    assert list_photos(tmp_path).reasons == [
        "1 (b.dng): DNG is not read; save it as PNG or JPEG",
        "2 (c.gif, d.GIF): GIF is not read; save it as PNG or JPEG",
    ]


def test_many_names_are_cut_and_counted(tmp_path: Path) -> None:
    save(tmp_path / "a.png", halves())
    for index in range(25):
        (tmp_path / f"{index:02}.gif").write_bytes(b"")
    assert list_photos(tmp_path).reasons[0].startswith("25 (00.gif, 01.gif,")
    assert "09.gif and 15 more)" in list_photos(tmp_path).reasons[0]


def test_a_png_whose_checksum_is_wrong_is_refused(tmp_path: Path) -> None:
    """Where the last row's bits still make sense, Pillow draws it."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 64, (24, 32, 4), np.uint8)  # few values, or all would be stored
    path = save(tmp_path / "a.png", pixels)
    whole = path.read_bytes()
    for _ in range(300):
        place = whole.index(b"IEND") - int(random.integers(12, 100))
        path.write_bytes(whole[:place] + random.bytes(4) + whole[place + 4 :])
        with pytest.raises(ImageError, match=r"a\.png can't be decoded"):
            read_photo(path)


@pytest.mark.parametrize("refusal", [RuntimeError("Decoding of color planes failed"), KeyError(7)])
def test_whatever_a_decoder_raises_is_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    """AVIF's raises RuntimeErrors."""
    path = save(tmp_path / "a.bmp", np.zeros((2, 2, 3), np.uint8))

    def load(_self: object) -> None:
        raise refusal

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(ImageError, match=r"a\.bmp can't be decoded"):
        read_photo(path)


def test_a_photo_with_broken_tags_is_read_without_a_word(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    exif = Image.Exif()
    exif[0x010E] = "of a harbour"
    path = save(tmp_path / "a.jpg", np.zeros((8, 8, 3), np.uint8), exif=exif)
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"\x01\x0e\0\2") + 7] = 0xFF  # its length
    path.write_bytes(whole)
    assert read_photo(path).shape == (8, 8, 3)
    assert not recwarn.list
