"""Files that people write are read as their editors save them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from maskport.errors import InputError
from maskport.imaging.photos import list_photos
from maskport.models.factory import spec_from_toml
from maskport.outside.files import LIST
from maskport.outside.text import read_text
from maskport.quantization.recipe import read_recipe
from maskport.texts import shown
from maskport.validation.gates import load_gates
from maskport.validation.results import Results, read_results

# As Notepad, PowerShell 5 and 7, VS Code's "Save with Encoding", and a script may write it.
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
encoded = pytest.mark.parametrize("encoding", ENCODINGS)


@encoded
def test_a_text_is_the_same_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes("Grün\r\nmère ☃\n".encode(encoding))
    assert read_text(tmp_path / "a.txt", LIST) == "Grün\nmère ☃\n"


@pytest.mark.parametrize("content", [b"\xfcber.png\n", b"a.png\n\0\0", b"\xff\xfea"])
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(UnicodeDecodeError):
        read_text(tmp_path / "a.txt", LIST)


@encoded
def test_a_specification_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "sky.toml").write_bytes("size = 320\r\nactivation = 'sigmoid'\r\n".encode(encoding))
    assert spec_from_toml(tmp_path / "sky.toml").mask.activation == "sigmoid"


@encoded
def test_a_recipe_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "mine.toml").write_bytes("equalize = 0.25\r\n".encode(encoding))
    assert read_recipe(tmp_path / "mine.toml").equalize == 0.25


@encoded
def test_gates_are_read_and_keep_their_lines(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "gates.toml"
    path.write_bytes('["*"]\r\niou = ">= 0.9"\r\nmae = 3\r\n'.encode(encoding))
    with pytest.raises(InputError, match="line 3"):
        load_gates(path)


@encoded
def test_a_list_of_photos_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "größe.png").write_bytes(b"")
    (tmp_path / "list.txt").write_bytes("größe.png\r\n".encode(encoding))
    assert [photo.name for photo in list_photos(tmp_path / "list.txt").paths] == ["größe.png"]


@encoded
def test_a_baseline_is_read(
    tmp_path: Path, encoding: str, sample_run: tuple[Results, object]
) -> None:
    results = sample_run[0]
    (tmp_path / "old.json").write_bytes(results.model_dump_json().encode(encoding))
    assert read_results(tmp_path / "old.json") == results


@pytest.mark.parametrize("read", [spec_from_toml, read_recipe, load_gates, list_photos])
def test_another_encoding_is_an_error_that_says_so(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    (tmp_path / "a.toml").write_bytes("name = 'ü'\n".encode("cp1252"))
    with pytest.raises(InputError, match="UTF-8"):
        read(tmp_path / "a.toml")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mère ☀.jpg", "mère ☀.jpg"),
        (b"caf\xe9 \xe2\x98\x80.jpg".decode("utf-8", "surrogateescape"), r"caf\xe9 ☀.jpg"),
        # In a locale of ASCII, where Python gives every byte beyond it as a surrogate.
        ("mère.jpg".encode().decode("ascii", "surrogateescape"), "mère.jpg"),
        ("half of a pair \ud83d.jpg", r"half of a pair \ud83d.jpg"),
    ],
)
def test_a_name_that_is_no_text_is_shown_with_escapes(name: str, text: str) -> None:
    assert shown(name) == text
    assert text.encode()
