"""What an ExecuTorch program declares: its method ``forward``, and what XNNPACK is handed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import RunnerError
from ..manifest import Artifact
from .declared import Declared, Port
from .flatc import read_flatbuffer

__all__ = ["XNNPACK", "Program", "declared", "xnnpack_graph"]

XNNPACK = "XnnpackBackend"


def declared(_artifact: Artifact, path: Path) -> Declared:
    """Of the method ``forward``. Inputs and outputs have a position and no name.

    ExecuTorch promises that the release after the one that wrote a file loads it, and nothing of
    older ones; the file doesn't say which release that was.
    """
    program = Program(path)
    left = sorted(set(program.operators()))
    inside = {
        node["xnode_union_type"]
        for payload in program.payloads()
        for node in xnnpack_graph(payload)["xnodes"]
    }
    return Declared(
        inputs=tuple(_port(program.values[i]) for i in program.plan["inputs"]),
        outputs=tuple(_port(program.values[i]) for i in program.plan["outputs"]),
        operators=tuple(sorted({*left, *inside})),
        properties={"backend": "xnnpack" if inside else "none", "undelegated_operators": left},
    )


class Program:
    """A program's tables; its segments stay in the file's bytes.

    Attributes:
        plan: Of the method ``forward``.
        values: What its calls take and give, by index.

    Raises:
        RunnerError: The file is no program, or has no such method.
        ValueError: It is damaged.
    """

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        if not data[4:8].startswith(b"ET"):
            raise RunnerError(
                f"{path} is not an ExecuTorch program.",
                "The file is damaged or of another format; export it again.",
            )
        size, self._base = len(data), 0
        if data[8:12] == b"eh00":  # the extended header, where segments follow the tables
            size, self._base = (int.from_bytes(data[at : at + 8], "little") for at in (16, 24))
        self._data = data
        self._tables = read_flatbuffer(data[:size], "exir/_serialize/program.fbs")
        ends = [s["offset"] + s["size"] for s in self._tables.get("segments", ())]
        if self._base + max(ends, default=0) > len(data):
            raise ValueError("its segments end behind its end")
        plans = self._tables["execution_plan"]
        forward = [plan for plan in plans if plan["name"] == "forward"]
        if not forward:
            raise RunnerError(
                f"{path} has no method forward.", "Export the network with its own forward."
            )
        self.plan: dict[str, Any] = forward[0]
        self.values: list[dict[str, Any]] = self.plan["values"]

    def operators(self) -> list[str]:
        """The portable operators of its table, as PyTorch names them: ``aten::mm.out``."""
        return [
            f"{row['name']}.{row['overload']}" if row.get("overload") else row["name"]
            for row in self.plan["operators"]
        ]

    def calls(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each instruction: its kind, and what it has."""
        for chain in self.plan["chains"]:
            for instruction in chain["instructions"]:
                yield instruction["instr_args_type"], instruction["instr_args"]

    def delegate(self, call: dict[str, Any]) -> dict[str, Any]:
        """The back end that a ``DelegateCall`` calls."""
        found: dict[str, Any] = self.plan["delegates"][call["delegate_index"]]
        return found

    def payload(self, delegate: dict[str, Any]) -> bytes:
        """What it is handed."""
        place = delegate["processed"]
        if place["location"] == "INLINE":
            return bytes(self._tables["backend_delegate_data"][place["index"]]["data"])
        segment = self._tables["segments"][place["index"]]
        start = self._base + segment["offset"]
        return self._data[start : start + segment["size"]]

    def payloads(self) -> Iterator[bytes]:
        """What XNNPACK is handed, call by call."""
        for kind, call in self.calls():
            if kind == "DelegateCall" and self.delegate(call)["id"] == XNNPACK:
                yield self.payload(self.delegate(call))


def xnnpack_graph(payload: bytes) -> dict[str, Any]:
    """The graph in a payload of XNNPACK: a header, a flatbuffer, and constants."""
    data = payload
    if payload[4:8] == b"XH00":
        start, size = (int.from_bytes(payload[at : at + 4], "little") for at in (10, 14))
        data = payload[start : start + size]
    return read_flatbuffer(data, "backends/xnnpack/serialization/schema.fbs")


def _port(value: dict[str, Any]) -> Port:
    tensor = value["val"]
    fixed = tensor["shape_dynamism"] == "STATIC"
    sizes = tuple(tensor["sizes"] if fixed else [None] * len(tensor["sizes"]))
    return Port(shape=sizes, dtype=_TYPES.get(tensor["scalar_type"], tensor["scalar_type"].lower()))


_TYPES = {
    **{"FLOAT": "float32", "HALF": "float16", "DOUBLE": "float64", "BFLOAT16": "bfloat16"},
    **{"BYTE": "uint8", "CHAR": "int8", "SHORT": "int16", "INT": "int32", "LONG": "int64"},
}
