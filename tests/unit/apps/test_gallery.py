"""The gallery's page: pairs by name, pictures beside it, nothing from names but text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from maskport.apps.gallery import find_pairs, write_gallery
from maskport.cli.main import cli
from maskport.errors import ImageError, UsageError


def picture(path: Path, size: tuple[int, int] = (40, 30), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, 90 if mode == "L" else (90,) * len(mode)).save(path)
    return path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    photos, made = tmp_path / "photos", tmp_path / "cut"
    for name in ("a.jpg", "sub/b.jpg", "c.jpg", "c.png", "unused.jpg"):
        picture(photos / name)
    for name in ("a.png", "sub/b.png", "c.jpg.png", "c.png.png", "other.png"):
        picture(made / name, mode="RGBA")
    return made, photos


def test_pictures_find_their_photos_by_name(folders: tuple[Path, Path]) -> None:
    made, photos = folders
    pairs = {pair.name: pair.before.relative_to(photos).as_posix() for pair in find_pairs(*folders)}
    assert pairs == {
        "a.png": "a.jpg",
        "c.jpg.png": "c.jpg",
        "c.png.png": "c.png",
        "sub/b.png": "sub/b.jpg",
    }
    with pytest.raises(ImageError, match="There is no folder"):
        find_pairs(made, photos / "nowhere")
    with pytest.raises(UsageError, match="has the name of a photo"):
        find_pairs(made / "sub", photos)


def test_the_page_has_all_it_shows_beside_it(folders: tuple[Path, Path], tmp_path: Path) -> None:
    page = write_gallery(find_pairs(*folders), tmp_path / "page", "Cut-outs")
    text = page.read_text()
    shown = re.findall(r'src="([^"]+)"', text)
    assert len(shown) == 8 and all((page.parent / name).is_file() for name in shown)
    assert text.count('type="range"') == 4
    assert "http" not in text.replace("http-equiv", "")
    # Again, with fewer: nothing of the older page stays.
    write_gallery(find_pairs(*folders)[:1], tmp_path / "page", "Cut-outs")
    assert len(list((tmp_path / "page" / "pictures").iterdir())) == 2
    assert sorted(p.name for p in (tmp_path / "page").iterdir()) == ["index.html", "pictures"]


def test_what_is_of_another_shape_is_shown_beside(tmp_path: Path) -> None:
    picture(tmp_path / "photos" / "a.jpg", (400, 300))
    picture(tmp_path / "crop" / "a.jpg", (100, 200))
    pairs = find_pairs(tmp_path / "crop", tmp_path / "photos")
    text = write_gallery(pairs, tmp_path / "page", "Crops").read_text()
    assert 'class="beside"' in text and 'type="range"' not in text


def test_names_are_text_and_nothing_else(tmp_path: Path) -> None:
    name = '"><script>alert(1)<'
    picture(tmp_path / "photos" / f"{name}.jpg")
    picture(tmp_path / "cut" / f"{name}.png")
    text = write_gallery(
        find_pairs(tmp_path / "cut", tmp_path / "photos"), tmp_path / "page", "<b>title"
    ).read_text()
    assert text.count("<script>") == 1 and "<b>" not in text


def test_a_broken_picture_leaves_the_older_page(folders: tuple[Path, Path], tmp_path: Path) -> None:
    page = write_gallery(find_pairs(*folders), tmp_path / "page", "one")
    (folders[1] / "a.jpg").write_bytes(b"broken")
    with pytest.raises(ImageError, match=r"a\.jpg"):
        write_gallery(find_pairs(*folders), tmp_path / "page", "two")
    assert "one" in page.read_text()
    assert len(list((tmp_path / "page" / "pictures").iterdir())) == 8
    assert sorted(p.name for p in (tmp_path / "page").iterdir()) == ["index.html", "pictures"]


def test_the_command_says_where_the_page_is(folders: tuple[Path, Path]) -> None:
    made, photos = folders
    ended = CliRunner().invoke(
        cli, ["gallery", str(made), "--photos", str(photos)], standalone_mode=False
    )
    assert ended.exception is None
    assert "4 pairs" in ended.output and (made.parent / "cut-gallery" / "index.html").is_file()
