"""A TOML file from anywhere takes neither time nor memory, and errors say file and line."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from maskport.errors import InputError
from maskport.models.factory import spec_from_toml
from maskport.outside.text import TomlError, parse_toml
from maskport.quantization.recipe import read_recipe
from maskport.validation.gates import load_gates

Reader = Callable[[Path], object]
LONG_KEY = ".".join("a" * 2000)  # 20,000 take 48 s and 1.5 GB
READERS = (load_gates, read_recipe, spec_from_toml)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\nx = " + "[" * 5000 + "]" * 5000, "brackets in more than 16 others .at line 2."),
        ("\nx = " + "{a = " * 5000, "brackets in more than 16 others .at line 2."),
        ("\n\nx = " + "1" * 5000, "a key or number of 5000 characters .at line 3."),
        ("#\n" + LONG_KEY + " = 1", "a key of more than 16 parts .at line 2."),
        (f"[{LONG_KEY}]", "a key of more than 16 parts .at line 1."),
        ("x = 0\n" + "[" * 20 + "x" + "]" * 20, "at line 2"),
        ("x = 'abc", "at end of document"),
        ("x = 1" + "\n" * (1 << 20), "is too large: a TOML file has at most 1.0 MiB"),
    ],
)
def test_what_would_take_long_is_refused_with_its_line(
    tmp_path: Path, read: Reader, text: str, said: str
) -> None:
    path = tmp_path / "given.toml"
    path.write_text(text)
    began = time.monotonic()
    with pytest.raises(InputError, match=said) as caught:
        read(path)
    assert str(path) in caught.value.what
    assert len(str(caught.value)) < 500
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "text",
    [
        'x = """a""""\n{key} = 1',  # four quotes: one belongs to the string
        'x = """a"""""\n{key} = 1',
        "x = '''a'''''\n{key} = 1",
        'x = "\\""\n{key} = 1 # "',
        '# "\n{key} = 1 # "',
        "x = {{y = '''\n''', {key} = 1}}",
        "x = {{y = '\"', {key} = '\"'}}",
        'x = """\n\\""" {key}"""\n{key} = 1',
        "x = ''\n{key} = ''",
        "[[{key}]]",
    ],
)
def test_quotes_hide_no_key(text: str) -> None:
    parse_toml(text.format(key="a.b"))
    with pytest.raises(TomlError, match="parts"):
        parse_toml(text.format(key=LONG_KEY))


@pytest.mark.parametrize("part", ['"a" . ', "'a'.\t", 'a."b".'])
def test_spaces_and_quotes_in_a_key_hide_no_part(part: str) -> None:
    with pytest.raises(TomlError, match="parts"):
        parse_toml(f"{part * 100}a = 1")


def test_strings_and_comments_may_hold_what_they_like() -> None:
    wild = LONG_KEY + "[" * 100 + "1" * 5000
    text = f"a = '{wild}'\nb = \"{wild}\"\nc = '''\n{wild}'''\nd = \"\"\"{wild}\"\"\" # {wild}\n"
    assert parse_toml(text) == dict.fromkeys("abd", wild) | {"c": wild}
    assert parse_toml("x = [1.5, 2.5, 1979-05-27T07:32:00.5]\n")["x"][:2] == [1.5, 2.5]
    assert parse_toml("[a]\n" + "".join(f"k{i}.b = 1.5\n" for i in range(100)))


def test_a_text_without_an_end_takes_no_time() -> None:
    began = time.monotonic()
    for quotes in ('"""', "'''", '"', "'", '"""\\'):
        with pytest.raises(TomlError):
            parse_toml("x = " + quotes * 100_000)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("key", ["percentile", "equalize", "seed", "finetune", "largest_pair"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_a_number_of_400_digits_is_no_recipes(tmp_path: Path, key: str, sign: str) -> None:
    (tmp_path / "mine.toml").write_text(f"{key} = {sign}{'9' * 400}\n")
    with pytest.raises(InputError, match=r"mine.toml: .*9999…") as caught:
        read_recipe(tmp_path / "mine.toml")
    assert len(caught.value.what) < 300 + len(str(tmp_path))


def test_a_value_that_is_no_gate_is_shown_in_short(tmp_path: Path) -> None:
    (tmp_path / "gates.toml").write_text(f'["*"]\niou = [{"1," * 10_000}]\n')
    with pytest.raises(InputError, match="line 2") as caught:
        load_gates(tmp_path / "gates.toml")
    assert len(caught.value.what) < 300 + len(str(tmp_path))
