"""Reads flatbuffers by the text of their schema, as ``flatc --json --defaults-json`` writes them;
numbers that JSON lacks are None.

flatc itself would be another program, which the process that a file has of its own may not start.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Schema"]

_COMMENT = re.compile(r"//[^\n]*")
_DECLARED = re.compile(r"\b(table|union|enum)\s+(\w+)\s*(?::\s*(\w+))?[^{]*\{(.*?)\}", re.DOTALL)
_FIELD = re.compile(r"(\w+)\s*:\s*(\[?)\s*([\w.]+)\s*\]?\s*(?:=\s*([\w.+-]+))?\s*(\([^)]*\))?\s*;")
_MEMBER = re.compile(r"([A-Za-z_]\w*)\s*(?::\s*([\w.]+))?\s*(?:=\s*(\d+))?")
_SCALARS = {
    **{"bool": "?", "byte": "b", "int8": "b", "ubyte": "B", "uint8": "B", "short": "h"},
    **{"int16": "h", "ushort": "H", "uint16": "H", "int": "i", "int32": "i", "uint": "I"},
    **{"uint32": "I", "float": "f", "float32": "f", "long": "q", "int64": "q", "ulong": "Q"},
    **{"uint64": "Q", "double": "d", "float64": "d"},
}
# Tables lie in one another; a damaged file may say that they do without end.
_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    slot: int
    many: bool
    kind: str
    default: str
    deprecated: bool


class Schema:
    """A schema in flatbuffers' language: tables, unions, enumerations.

    Args:
        text: It, and the schemas that it includes, one after another.
    """

    def __init__(self, text: str) -> None:
        text = _COMMENT.sub("", text)
        self._tables: dict[str, list[_Field]] = {}
        self._unions: dict[str, dict[int, tuple[str, str]]] = {}
        self._enums: dict[str, tuple[str, dict[int, str]]] = {}
        bodies = {}
        for sort, name, base, body in _DECLARED.findall(text):
            if sort == "table":
                bodies[name] = body
                continue
            members, number = {}, 1 if sort == "union" else 0
            for member, of, given in _MEMBER.findall(body):
                number = int(given) if given else number
                members[number] = member, of or member
                number += 1
            if sort == "union":
                self._unions[name] = members
            else:
                self._enums[name] = base, {n: member for n, (member, _) in members.items()}
        for name, body in bodies.items():
            self._tables[name] = list(self._fields(body))
        root = re.search(r"\broot_type\s+(\w+)", text)
        self._root = root[1] if root else ""

    def read(self, data: bytes) -> dict[str, Any]:
        """A flatbuffer of the schema's root type.

        Raises:
            ValueError: The data doesn't follow the schema.
        """
        try:
            return self._table(self._root, data, _number("I", data, 0), 0)
        except (struct.error, KeyError, OverflowError) as exc:
            raise ValueError(f"it is no {self._root}, or a damaged one: {exc}") from exc

    def _fields(self, body: str) -> Iterator[_Field]:
        slot = 0
        for name, many, dotted, default, attributes in _FIELD.findall(body):
            kind = dotted.rpartition(".")[2]
            slot += kind in self._unions  # before it is the place of its number
            yield _Field(name, slot, bool(many), kind, default, "deprecated" in attributes)
            slot += 1

    def _table(self, name: str, data: bytes, at: int, depth: int) -> dict[str, Any]:
        if depth > _DEEPEST:
            raise ValueError("its tables lie too deep in one another")
        table = at - _number("i", data, at)
        size = _number("H", data, table)

        def place(slot: int) -> int:
            entry = 4 + 2 * slot
            offset = _number("H", data, table + entry) if entry + 2 <= size else 0
            return at + offset if offset else 0

        found: dict[str, Any] = {}
        for field in self._tables[name]:
            if field.deprecated:
                continue
            where, kind = place(field.slot), field.kind
            if kind in self._unions and not field.many:
                tag = place(field.slot - 1)
                number = _number("B", data, tag) if tag else 0
                named, of = self._unions[kind].get(number, ("NONE" if not number else "", ""))
                found[f"{field.name}_type"] = named or number
                if where and of:
                    found[field.name] = self._value(of, data, where, depth)
            elif field.many:
                if where:
                    found[field.name] = list(self._vector(kind, data, where, depth))
            elif where:
                found[field.name] = self._value(kind, data, where, depth)
            elif kind in self._enums or kind in _SCALARS:
                found[field.name] = self._default(kind, field.default)
        return found

    def _vector(self, kind: str, data: bytes, at: int, depth: int) -> Iterator[Any]:
        start = at + _number("I", data, at)
        base = self._enums[kind][0] if kind in self._enums else kind
        form = _SCALARS.get(base, "I")
        count, width = _number("I", data, start), struct.calcsize("<" + form)
        if start + 4 + count * width > len(data):
            raise ValueError("a list ends behind its end")
        if form not in "fd" and kind in _SCALARS:
            yield from struct.unpack_from(f"<{count}{form}", data, start + 4)
            return
        for place in range(start + 4, start + 4 + count * width, width):
            yield self._value(kind, data, place, depth)

    def _value(self, kind: str, data: bytes, at: int, depth: int) -> Any:
        """What lies there, or what the offset there leads to."""
        if kind in _SCALARS:
            return _number(_SCALARS[kind], data, at)
        if kind in self._enums:
            base, names = self._enums[kind]
            number = _number(_SCALARS[base], data, at)
            return names.get(number, number)
        there = at + _number("I", data, at)
        if kind != "string":
            return self._table(kind, data, there, depth + 1)
        count = _number("I", data, there)
        if there + 4 + count > len(data):
            raise ValueError("a text ends behind its end")
        return data[there + 4 : there + 4 + count].decode()

    def _default(self, kind: str, given: str) -> Any:
        if kind in self._enums:
            names = self._enums[kind][1]
            return given or names.get(0, 0)
        if kind == "bool":
            return given == "true"
        return float(given or 0) if _SCALARS[kind] in "fd" else int(given or 0)


def _number(form: str, data: bytes, at: int) -> Any:
    if at < 0:
        raise ValueError("something lies before its beginning")
    found = struct.unpack_from("<" + form, data, at)[0]
    return None if isinstance(found, float) and not math.isfinite(found) else found
