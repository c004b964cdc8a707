"""Writes and reads flatbuffers by the text of their schema, without generated code.

Code for the schema of TFLite's metadata comes only with MediaPipe, half a gigabyte that a file's
bytes must not depend on. This is as much of the language as that schema needs.
"""

from __future__ import annotations

import re
import struct
from typing import Any

__all__ = ["Schema"]

_DECLARED = re.compile(r"(table|union|enum)\s+(\w+)[^{]*\{(.*?)\}", re.DOTALL)
_FIELD = re.compile(r"(\w+)\s*:\s*(\[?)(\w+)")
_COMMENT = re.compile(r"//[^\n]*")
# Scalars: what the builder calls them, and their form in bytes.
_SCALARS = {"byte": ("Int8", "b"), "ubyte": ("Uint8", "B"), "int": ("Int32", "i")} | {
    "uint": ("Uint32", "I"),
    "float": ("Float32", "f"),
}
# Bytes may hold a flatbuffer of their own.
_BYTES_ALIGNMENT = 16


class Schema:
    """A schema in flatbuffers' language.

    Values are as flatc has them in JSON: a table is a dictionary, an enumeration's value is its
    name; a union's is a pair of its table's name and that table. What is absent is left out.

    Args:
        text: Declarations of tables, unions and enumerations, each number of which is its place.
            Attributes are passed over.

    Attributes:
        tables: The fields of each table: name, whether it is a vector, type.
        unions: The tables of each union.
        enums: The names of each enumeration.
    """

    def __init__(self, text: str) -> None:
        self.tables: dict[str, list[tuple[str, bool, str]]] = {}
        self.unions: dict[str, list[str]] = {}
        self.enums: dict[str, list[str]] = {}
        for kind, name, body in _DECLARED.findall(_COMMENT.sub("", text)):
            if kind == "table":
                self.tables[name] = [(f, bool(many), of) for f, many, of in _FIELD.findall(body)]
            else:
                into = self.unions if kind == "union" else self.enums
                into[name] = re.findall(r"[A-Za-z]\w*", body)

    def write(self, table: str, values: dict[str, Any], identifier: bytes) -> bytes:
        """A flatbuffer whose root is a ``table``, with the identifier that its files have.

        Raises:
            ValueError: Something has no such field or name.
        """
        import flatbuffers

        builder = flatbuffers.Builder(1024)
        builder.Finish(self._write(builder, table, values), identifier)
        return bytes(builder.Output())

    def read(self, table: str, data: bytes) -> dict[str, Any]:
        """The inverse of `write`; what the schema lacks is passed over, or stays a number.

        Raises:
            ValueError: The data doesn't follow the schema.
        """
        from flatbuffers.table import Table

        try:
            return self._read(table, Table(data, struct.unpack_from("<I", data)[0]))
        except (struct.error, IndexError, TypeError) as exc:
            raise ValueError(f"it is no {table}, or a damaged one: {exc}") from exc

    def _slots(self, table: str) -> dict[str, tuple[int, bool, str]]:
        """Each field's place, whether it is a vector, and its type; before a union is the place of
        its number."""
        found, slot = {}, 0
        for name, many, of in self.tables[table]:
            slot += of in self.unions
            found[name] = slot, many, of
            slot += 1
        return found

    def _write(self, builder: Any, table: str, values: dict[str, Any]) -> int:
        slots = self._slots(table)
        if strange := values.keys() - slots:
            raise ValueError(f"{table} has no {', '.join(sorted(strange))}")
        made = {name: self._made(builder, *slots[name][1:], values[name]) for name in values}
        builder.StartObject(1 + max((slot for slot, _, _ in slots.values()), default=-1))
        for name, value in made.items():
            slot, many, of = slots[name]
            if many or of not in {*self.enums, *_SCALARS}:
                builder.PrependUOffsetTRelativeSlot(slot, value, 0)
            else:
                kind, _ = _SCALARS["byte" if of in self.enums else of]
                getattr(builder, f"Prepend{kind}Slot")(slot, value, 0)
            if of in self.unions:
                number = self.unions[of].index(values[name][0]) + 1
                builder.PrependUint8Slot(slot - 1, number, 0)
        return int(builder.EndObject())

    def _made(self, builder: Any, many: bool, of: str, value: Any) -> Any:
        """What a field holds: a scalar, or the offset of what is written before its table."""
        if not many:
            if of in self.enums:
                return self.enums[of].index(value)
            if of in self.unions:
                return self._write(builder, *value)
            if of == "string":
                return builder.CreateString(value)
            return self._write(builder, of, value) if of in self.tables else value
        if of in _SCALARS:
            kind, form = _SCALARS[of]
            size = struct.calcsize(form)
            builder.StartVector(size, len(value), _BYTES_ALIGNMENT if of == "ubyte" else size)
            for item in reversed(value):
                getattr(builder, f"Prepend{kind}")(item)
        else:
            offsets = [self._made(builder, False, of, item) for item in value]
            builder.StartVector(4, len(offsets), 4)
            for offset in reversed(offsets):
                builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()

    def _read(self, table: str, found: Any) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, (slot, many, of) in self._slots(table).items():
            offset = found.Offset(4 + 2 * slot)
            if not offset:
                continue
            place = found.Pos + offset
            if of in self.unions:
                number = found.Bytes[found.Pos + found.Offset(2 + 2 * slot)]
                if number <= len(self.unions[of]):
                    kind = self.unions[of][number - 1]
                    values[name] = kind, self._at(found, place, kind)
            elif many:
                start, form = found.Vector(offset), _SCALARS.get(of, ("", "I"))[1]
                size = struct.calcsize(form)
                places = range(start, start + size * found.VectorLen(offset), size)
                if places.stop > len(found.Bytes):
                    raise IndexError(f"{table}.{name} ends behind the data")
                items = [self._at(found, place, of) for place in places]
                values[name] = bytes(items) if of == "ubyte" else items
            else:
                values[name] = self._at(found, place, of)
        return values

    def _at(self, found: Any, place: int, of: str) -> Any:
        """A value that is not a vector."""
        from flatbuffers.table import Table

        if of == "string":
            return found.String(place).decode()
        if of in self.tables:
            return self._read(of, Table(found.Bytes, found.Indirect(place)))
        value = struct.unpack_from("<" + _SCALARS.get(of, ("", "b"))[1], found.Bytes, place)[0]
        known = self.enums.get(of, [])
        return known[value] if 0 <= value < len(known) else value
