"""Seeded damage to files: bytes anywhere, values of text, members of containers, files of folders.

Half of what is damaged inside a container (ZIP, PNG, safetensors) is packed again with lengths and
checksums that hold, so that these don't hide all that lies behind them.
"""

from __future__ import annotations

import io
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

__all__ = ["mutate_folder", "mutated"]

Parts = list[tuple[str, bytes]]
Mutation = Callable[[bytes, bytes, Random], bytes]

# What stands instead of a value of JSON or TOML, by the sign that such a value begins with.
VALUES = {
    '"': (
        *(r'"\ud800"', r'"\u0000"', r'"\u202e\u001b[31m"', '""', '"../../etc/passwd"'),
        *(
            '"/dev/zero"',
            '"<script>|`*"',
            '"\N{SNOWMAN}"',
            '"1e9"',
            '"' + "A" * 70_000 + '"',
            '"a.b:c(1)"',
        ),
    ),
    "0": (
        *("0", "-1", "-0.0", "1", "2", "32.5", "1e400", "-1e308", "1e-400", "65536", "1000000"),
        *("2147483648", "9223372036854775807", "9223372036854775808", "1" + "0" * 30, "9" * 5000),
    ),
    "a": ("true", "false", "null", "NaN", "Infinity", "nan", "-inf", "1979-05-27T07:32:00Z"),
    "[": (
        *("{}", "[]", '[1, "a", null]', '{"a": {"b": [0]}}', "[" * 3000, "[" * 3000 + "]" * 3000),
        *('{"a":' * 500 + "1" + "}" * 500, "[" + "0," * 30_000 + "0]", "[[x]]", "a.b.c"),
        *("a." * 3000 + "a", "''", '"""', "#", "0x7fffffffffffffff"),
    ),
}
EVERY_VALUE = tuple(value for values in VALUES.values() for value in values)
# Values; and then keys, marks, and what isn't meant to be replaced.
VALUE = re.compile(r'(?<=[:=,\[] )(?:"(?:[^"\\\n]|\\.)*"(?!:)|-?\d[\w.+-]*|\w+|[\[{])')
TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|-?\d[\w.+-]*|\w+|[\[\]{}:=,]')
NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 1 << 20, (1 << 31) - 1, 1 << 31,
           (1 << 32) - 1, (1 << 40), (1 << 63) - 1, 1 << 63, (1 << 64) - 1)  # fmt: skip


def mutated(data: bytes, other: bytes, random: Random) -> tuple[bytes, bool]:
    """A damaged copy of a file's content.

    Args:
        data: Of a sound file.
        other: Of another, which parts may come from.
        random: Decides everything.

    Returns:
        The bytes, and whether checksums in them were made anew.
    """
    mended = False
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        packed = _container(data)
        if packed and packed[0] and random.random() < 0.5:
            data, mended = _inside(*packed, other, random), True
        else:
            data = _once(data, other, random)
    return data, mended


def mutate_folder(folder: Path, other: Path, random: Random) -> bool:
    """Damage a file of a folder, leave it out, or put another in its place.

    Returns:
        As `mutated`.
    """
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    # Large ones more often: they are what is run.
    file = random.choices(files, [1 + file.stat().st_size ** 0.5 for file in files])[0]
    match random.randrange(20):
        case 0:
            file.unlink()
        case 1:
            shutil.copyfile(random.choice(files), file.with_name("moved"))
            file.with_name("moved").replace(file)
        case _:
            twin = other / file.relative_to(folder)
            content, mended = mutated(
                file.read_bytes(), twin.read_bytes() if twin.is_file() else b"", random
            )
            file.write_bytes(content)
            return mended
    return False


def _once(data: bytes, other: bytes, random: Random) -> bytes:
    text = _text(data)
    if text is not None and random.random() < 0.75:
        return _in_text(text, random).encode("utf-8", "surrogatepass")
    return random.choice(BYTES)(data, other, random)


def _text(data: bytes) -> str | None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if text.strip() and "\0" not in text else None


def _in_text(text: str, random: Random) -> str:
    """One value becomes another, or goes; or a line comes twice."""
    if random.random() < 0.15:
        lines = text.splitlines(keepends=True)
        lines.insert(random.randrange(len(lines) + 1), random.choice(lines))
        return "".join(lines)
    found = list((VALUE if random.random() < 0.8 else TOKEN).finditer(text))
    if not found:
        return text + random.choice(EVERY_VALUE)
    token = random.choice(found)
    first = token[0][0]
    kind = first if first in VALUES else "0" if first.isdigit() or first == "-" else "a"
    # Half of the time one of its kind, of which many are read on.
    likely = random.random() < 0.5
    alike = [*VALUES[kind], *(one[0] for one in random.sample(found, min(5, len(found))))]
    instead = random.choice(alike if likely else (*EVERY_VALUE, ""))
    return text[: token.start()] + instead + text[token.end() :]


def _container(data: bytes) -> tuple[Parts, Callable[[Parts], bytes]] | None:
    """The parts of a file, and what packs them again."""
    if data[:4] == b"PK\3\4":
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return [(name, archive.read(name)) for name in archive.namelist()], _zipped
        except Exception:  # it was damaged before
            return None
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _chunks(data), _png
    length = int.from_bytes(data[:8], "little")
    if data[8:9] == b"{" and length <= len(data) - 8:
        return [("header", data[8 : 8 + length]), ("values", data[8 + length :])], _safetensors
    return None


def _inside(parts: Parts, pack: Callable[[Parts], bytes], other: bytes, random: Random) -> bytes:
    place = random.randrange(len(parts))
    name, content = parts[place]
    match random.randrange(20) if len(parts) > 2 else 20:
        case 0:
            del parts[place]
        case 1:
            parts.insert(random.randrange(len(parts)), parts[place])
        case 2:
            parts[place] = name, random.choice(parts)[1]
        case _:
            theirs = dict((_container(other) or ([], _zipped))[0])
            parts[place] = name, _once(content, theirs.get(name, other), random)
    return pack(parts)


def _zipped(parts: Parts) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in parts:
            if name not in archive.NameToInfo:
                archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


def _chunks(data: bytes) -> Parts:
    found, place = [], 8
    while place + 8 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        found.append((data[place + 4 : place + 8].decode("latin-1"), data[place + 8 : end]))
        place = end + 4
    return found


def _png(parts: Parts) -> bytes:
    chunks = ((name.encode("latin-1"), content) for name, content in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )  # fmt: skip


def _safetensors(parts: Parts) -> bytes:
    contents = [content for _, content in parts]
    return len(contents[0]).to_bytes(8, "little") + b"".join(contents)


def _place(data: bytes, random: Random) -> int:
    """Anywhere; half of the time near an end, where headers and directories are."""
    size = len(data)
    near = random.choice((size, size, min(size, 256), -min(size, 256)))
    return random.randrange(near + 1) if near >= 0 else size - random.randrange(-near + 1)


def _length(random: Random) -> int:
    return random.choice((1, 2, 4, 16, 256, 4096))


def _flip(data: bytes, other: bytes, random: Random) -> bytes:
    values = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        if values:
            values[min(_place(data, random), len(values) - 1)] ^= 1 << random.randrange(8)
    return bytes(values)


def _fill(data: bytes, other: bytes, random: Random) -> bytes:
    """A run of one byte, or of noise."""
    place, length = _place(data, random), _length(random)
    filling = random.choice((b"\0", b"\xff", b"\x7f", b"\x80", b"A", b""))
    run = filling * length or random.randbytes(length)
    return data[:place] + run[: len(data) - place] + data[place + length :]


def _cut(data: bytes, other: bytes, random: Random) -> bytes:
    return data[: _place(data, random)]


def _insert(data: bytes, other: bytes, random: Random) -> bytes:
    place, run = _place(data, random), random.randbytes(_length(random))
    return data[:place] + random.choice((run, bytes(len(run)))) + data[place:]


def _double(data: bytes, other: bytes, random: Random) -> bytes:
    place = _place(data, random)
    return data[: place + _length(random)] + data[place:]


def _remove(data: bytes, other: bytes, random: Random) -> bytes:
    place = _place(data, random)
    return data[:place] + data[place + _length(random) :]


def _number(data: bytes, other: bytes, random: Random) -> bytes:
    """A number of one to eight bytes, as lengths, counts and offsets are written."""
    width = random.choice((1, 2, 4, 4, 8))
    value = random.choice((*NUMBERS, len(data), len(data) - 1, len(data) + 1))
    number = (value % (1 << 8 * width)).to_bytes(width, random.choice(("little", "big")))
    place = _place(data, random) & -random.choice((1, width))
    return data[:place] + number + data[place + width :]


def _swap(data: bytes, other: bytes, random: Random) -> bytes:
    """A block of the other file, or all of it from a place on."""
    place, length = _place(data, random), _length(random)
    if random.random() < 0.3:
        return data[:place] + other[place:]
    start = random.choice((place, _place(other, random)))
    return data[:place] + other[start : start + length] + data[place + length :]


BYTES: tuple[Mutation, ...] = (_flip, _flip, _fill, _cut, _insert, _double, _remove, _number,
                               _number, _swap)  # fmt: skip
