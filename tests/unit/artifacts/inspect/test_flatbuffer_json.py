"""Flatbuffers are read as flatc writes them."""

from __future__ import annotations

import json
import re
import struct
import subprocess
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest

from maskport.artifacts.inspect.executorch import Program, read_flatbuffer, xnnpack_graph
from maskport.artifacts.inspect.flatbuffer_json import Schema

from ....sdks import needed

PROGRAM, GRAPH = "exir/_serialize/program.fbs", "backends/xnnpack/serialization/schema.fbs"
SCHEMA = """
namespace a.b;
enum Kind : short { small = 1, large = 5 }  // numbers with a gap
table Leaf { kind: Kind = large; weight: float; old: int (deprecated); flag: bool = true; }
table Other { name: string; }
union Any { leaf: Leaf, Other }
table Root { first: uint; any: Any; leaves: [a.b.Leaf]; numbers: [long]; }
root_type Root;
"""


@pytest.mark.sdk
@pytest.mark.parametrize("name", ["small-executorch.pte", "small-executorch-int8.pte"])
def test_programs_and_graphs_are_what_flatc_says(name: str, tmp_path: Path) -> None:
    needed("executorch", "executorch")
    path = Path(__file__).parents[3] / "fuzz" / "bundle" / name
    data = path.read_bytes()
    tables = data[: int.from_bytes(data[16:24], "little")]  # what the extended header says
    assert read_flatbuffer(tables, PROGRAM) == by_flatc(tables, PROGRAM, tmp_path)
    for payload in Program(path).payloads():
        start, size = (int.from_bytes(payload[at : at + 4], "little") for at in (10, 14))
        theirs = by_flatc(payload[start : start + size], GRAPH, tmp_path)
        assert rounded(xnnpack_graph(payload)) == rounded(theirs)


def by_flatc(data: bytes, schema: str, folder: Path) -> Any:
    binary = folder / "data.bin"
    binary.write_bytes(data)
    package = files("executorch")
    with as_file(package / "data/bin/flatc") as flatc, as_file(package / schema) as file:
        command = [flatc, "--json", "--strict-json", "--raw-binary", "--defaults-json"]
        subprocess.run([*command, "-o", folder, file, "--", binary], check=True)
    text = binary.with_suffix(".json").read_text()
    return json.loads(re.sub(r"(?<=[\s\[,:])[-+]?(inf|nan)(?=[\s\],}])", "null", text))


def rounded(value: Any) -> Any:
    """flatc writes six digits."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return round(value, 5) if isinstance(value, float) else value


def test_what_is_absent_has_its_default() -> None:
    flatbuffers = needed("flatbuffers", "tflite")
    builder = flatbuffers.Builder(64)
    name = builder.CreateString("x")
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, name, 0)
    other = builder.EndObject()
    builder.StartObject(4)
    builder.PrependInt16Slot(0, 1, 5)
    leaf = builder.EndObject()
    builder.StartVector(4, 1, 4)
    builder.PrependUOffsetTRelative(leaf)
    leaves = builder.EndVector()
    builder.StartObject(5)
    builder.PrependUint8Slot(1, 2, 0)
    builder.PrependUOffsetTRelativeSlot(2, other, 0)
    builder.PrependUOffsetTRelativeSlot(3, leaves, 0)
    builder.Finish(builder.EndObject())
    data = bytes(builder.Output())
    schema = Schema(SCHEMA)
    assert schema.read(data) == {
        "first": 0,
        "any_type": "Other",
        "any": {"name": "x"},
        "leaves": [{"kind": "small", "weight": 0.0, "flag": True}],
    }
    for size in range(len(data)):  # cut off, it is read no further than it goes, or refused
        try:
            schema.read(data[:size])
        except ValueError:
            continue


def test_tables_that_lie_too_deep_are_refused() -> None:
    schema = Schema("table Root { inner: Root; } root_type Root;")
    # One vtable, and tables of eight bytes: where that is, and that the next one follows.
    tables = (struct.pack("<iI", 12 + 8 * number - 4, 4) for number in range(5000))
    data = struct.pack("<IHHHH", 12, 6, 8, 4, 0) + b"".join(tables)
    with pytest.raises(ValueError, match="too deep"):
        schema.read(data)
