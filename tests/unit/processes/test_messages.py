"""What comes from a child is held to be nothing until it has been looked at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import FiniteFloat, TypeAdapter

from maskport.exporters import messages as lanes
from maskport.processes.messages import LARGEST_MESSAGE, Array, Frame, Garbled, Vocabulary, send
from maskport.runtimes import isolated_messages as runs
from maskport.runtimes.inspect import messages as inspections


@dataclass(frozen=True)
class Drawn:
    seconds: FiniteFloat
    names: tuple[str, ...] = ()


DRAWN = Vocabulary(Drawn)
Came = Callable[[bytes], tuple[Drawn, Array | None]]


@pytest.fixture
def pipe() -> Iterator[tuple[FileIO, FileIO]]:
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as ours, open(writing, "wb", buffering=0) as theirs:
        yield ours, theirs


@pytest.fixture
def came(pipe: tuple[FileIO, FileIO]) -> Came:
    """What is made of bytes after which the other side hung up."""

    def read(content: bytes) -> tuple[Drawn, Array | None]:
        ours, theirs = pipe
        theirs.write(content)
        theirs.close()
        frame = Frame.receive(ours)
        return DRAWN.read(frame), frame.array

    return read


def framed(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


@pytest.mark.parametrize(
    "array",
    [
        None,
        np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4),
        np.arange(24, dtype=np.float32).reshape(4, 6).T,  # not as it lies in memory
        np.arange(3),
        np.zeros((2, 0), np.float32),
    ],
)
def test_a_message_comes_as_it_was_sent(
    pipe: tuple[FileIO, FileIO], array: np.ndarray | None
) -> None:
    ours, theirs = pipe
    send(theirs, Drawn(1.5, ("a\nb", "ü")), array)
    frame = Frame.receive(ours)
    assert DRAWN.read(frame) == Drawn(1.5, ("a\nb", "ü"))
    if array is None:
        assert frame.array is None
    else:
        np.testing.assert_array_equal(frame.array, array)  # type: ignore[arg-type]
        assert frame.array is not None and frame.array.dtype == np.float32


def test_a_text_that_is_no_utf8_doesnt_end_the_sender(pipe: tuple[FileIO, FileIO]) -> None:
    """SDKs' errors have names of files in them."""
    ours, theirs = pipe
    send(theirs, Drawn(1.5, ("a", "photo\udcff.jpg")))
    assert DRAWN.read(Frame.receive(ours)) == Drawn(1.5, ("a", "photo?.jpg"))


def test_what_json_cant_hold_is_not_half_sent(pipe: tuple[FileIO, FileIO]) -> None:
    ours, theirs = pipe
    with pytest.raises(ValueError):
        send(theirs, Drawn(1, (object(),)))  # type: ignore[arg-type]
    send(theirs, Drawn(2))
    assert DRAWN.read(Frame.receive(ours)) == Drawn(2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (framed(b"hello"), "'hello'"),
        (framed(b"\xff\xfe\n{}"), "a message"),
        (framed(b'Drawn\n{"seconds": 1'), "Drawn"),
        (framed(b"Drawn\n{}"), "seconds"),
        (framed(b"Drawn\n[1]"), "Drawn"),
        (framed(b'Drawn\n{"seconds": "1"}'), "seconds"),
        (framed(b'Drawn\n{"seconds": true}'), "seconds"),
        (framed(b'Drawn\n{"seconds": NaN}'), "seconds"),
        (framed(b'Drawn x\n{"seconds": 1}'), "'x'"),
        (framed(b'Drawn -1 4\n{"seconds": 1}'), "shape"),
        (framed(b'Drawn 1 1 1 1 1 1 1 1 1\n{"seconds": 1}'), "shape"),
        (framed(b'Drawn 99999999999\n{"seconds": 1}'), "shape"),
        ((LARGEST_MESSAGE + 1).to_bytes(4, "big"), "bytes"),
    ],
)
def test_what_is_no_message_is_refused(came: Came, content: bytes, words: str) -> None:
    with pytest.raises(Garbled, match=words):
        came(content)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0", framed(b"Drawn\n{}")[:-1], framed(b'Drawn 4\n{"seconds": 1}') + b"half"],
)
def test_the_end_of_the_other_side_is_no_message(came: Came, content: bytes) -> None:
    with pytest.raises(EOFError):
        came(content)


FROM_CHILDREN = sorted(
    {kind for union in (runs.Answer, inspections.Answer, lanes.News) for kind in get_args(union)},
    key=lambda kind: f"{kind.__module__}.{kind.__name__}",
)


def unbounded(schema: Any, where: str = "") -> Iterator[str]:
    """What pydantic would take of any size."""
    if isinstance(schema, dict):
        where = f"{where}.{schema['name']}" if isinstance(schema.get("name"), str) else where
        kind = schema.get("type")
        bounded = all({bound, f"{bound[0]}e"} & schema.keys() for bound in ("gt", "lt"))
        if kind == "int" and not bounded:
            yield f"{where}: int"
        if kind == "float" and not bounded and schema.get("allow_inf_nan", True):
            yield f"{where}: float"
        # `Properties` looks at its values itself.
        if kind == "dict" and schema.get("values_schema", {}).get("type") == "any":
            return
        if kind == "any":
            yield f"{where}: any"
        for name, part in schema.items():
            own = f"{where}.{name}" if part and kind == "model-fields" else where
            yield from unbounded(part, own)
    elif isinstance(schema, list | tuple):
        for part in schema:
            yield from unbounded(part, where)


@pytest.mark.parametrize("kind", FROM_CHILDREN, ids=lambda kind: kind.__qualname__)
def test_every_number_that_a_child_sends_has_bounds(kind: type) -> None:
    assert sorted(set(unbounded(TypeAdapter(kind).core_schema))) == []
