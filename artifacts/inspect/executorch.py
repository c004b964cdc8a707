"""What an ExecuTorch program declares: its method ``forward``, and what XNNPACK is handed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from math import prod
from pathlib import Path
from typing import Any

from ...errors import RunnerError
from ..manifest import Artifact
from .contents import Contents, Stored, Value, stored
from .declared import Declared, Port
from .executorch_releases import oldest
from .flatbuffer_json import Schema

__all__ = ["XNNPACK", "Program", "contents", "declared", "read_flatbuffer", "xnnpack_graph"]

XNNPACK = "XnnpackBackend"


def declared(_artifact: Artifact, path: Path) -> Declared:
    """Of the method ``forward``. Apps call it by position; inputs and outputs that are tensors may
    have a name, which `MethodMeta` tells.

    ExecuTorch promises that the release after the one that wrote a file loads it, and nothing of
    older ones; the file doesn't say which release that was. What it needs of them by name is known.
    """
    program = Program(path)
    left = sorted(set(program.operators()))
    graphs = [xnnpack_graph(payload) for payload in program.payloads()]
    inside = {node["xnode_union_type"] for graph in graphs for node in graph["xnodes"]}
    backends = sorted({delegate["id"] for delegate in program.plan["delegates"]})
    return Declared(
        inputs=tuple(_port(program.values[i]) for i in program.plan["inputs"]),
        outputs=tuple(_port(program.values[i]) for i in program.plan["outputs"]),
        operators=tuple(sorted({*left, *inside})),
        properties={
            "file_identifier": program.identifier,
            "program_version": program.version,
            "backends": backends,
            "undelegated_operators": left,
        },
        oldest_runtimes=oldest(backends, graphs, left),
    )


def contents(path: Path) -> Contents:
    """Of portable operators and of XNNPACK's parts. Constants have no names but their readers'."""
    program = Program(path)
    weights: dict[str, Stored] = {}
    activations: list[Value] = []
    for number, value in enumerate(program.values):
        if value.get("val_type") != "Tensor":
            continue
        tensor = value["val"]
        dtype = _type(tensor["scalar_type"])
        if not tensor["data_buffer_idx"]:
            fixed = tensor["shape_dynamism"] == "STATIC"
            activations.append(Value(dtype, prod(tensor["sizes"]) if fixed else None))
        elif dtype not in _SETTINGS:
            key = f"buffer {tensor['data_buffer_idx']}"
            weights[key] = stored(f"value {number}", dtype, tensor["sizes"])
    for part, payload in enumerate(program.payloads()):
        graph = xnnpack_graph(payload)
        readers = _readers(graph)
        constants = graph["constant_data"]
        unread = dict.fromkeys(range(len(constants)))
        for value in graph["xvalues"]:
            inner = value["xvalue_union"].get("tensor_value", value["xvalue_union"])
            dtype, index = _xnn_type(inner["datatype"]), inner["constant_buffer_idx"]
            if not index:
                activations.append(Value(dtype, prod(inner["dims"])))
                continue
            unread.pop(index, None)
            name = readers.get(inner["id_out"], "")
            key = constants[index].get("named_key") or f"{part} {index}"
            weights[key] = stored(name, dtype, inner["dims"], constants[index]["size"])
        for index in unread:  # scales of channels, by which other constants are read
            if size := constants[index]["size"]:
                key = constants[index].get("named_key") or f"{part} {index}"
                weights.setdefault(key, stored("scales", "float32", (size // 4,), size))
    return Contents(tuple(weights.values()), tuple(activations), program.metadata())


class Program:
    """A program's tables; its segments stay in the file's bytes.

    Attributes:
        identifier: Of the format: ``ET12``.
        version: Of the program's form.
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
        self._data, self.identifier = data, data[4:8].decode("ascii", "replace")
        self._tables = read_flatbuffer(data[:size], "exir/_serialize/program.fbs")
        self.version = int(self._tables["version"])
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

    def metadata(self) -> dict[str, str]:
        """What the file says beside the method."""
        methods = ", ".join(plan["name"] for plan in self._tables["execution_plan"])
        return {"version": str(self.version), "methods": methods}

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
    if value.get("val_type") != "Tensor":
        return Port(dtype=str(value.get("val_type")).lower())
    tensor = value["val"]
    name = (tensor.get("extra_tensor_info") or {}).get("fully_qualified_name") or None
    fixed = tensor["shape_dynamism"] == "STATIC"
    sizes = tuple(tensor["sizes"] if fixed else [None] * len(tensor["sizes"]))
    return Port(name, sizes, _type(tensor["scalar_type"]))


def _type(name: str) -> str:
    return _TYPES.get(name, name.lower())


def _xnn_type(name: str) -> str:
    """``xnn_datatype_qcint8`` is int8, with a scale for each channel."""
    bare = name.removeprefix("xnn_datatype_")
    if bare.startswith("fp"):
        return f"float{bare[2:]}"
    return bare[bare.index("int") - bare.count("uint") :] if "int" in bare else bare


def _readers(graph: dict[str, Any]) -> dict[int, str]:
    """What reads each value of XNNPACK's, and as what: ``XNNConv2d 3: filter``."""
    found = {}
    for number, node in enumerate(graph["xnodes"]):
        kind = node["xnode_union_type"]
        for role, value in node["xnode_union"].items():
            if role.endswith("_id") and role != "output_id":
                found[value] = f"{kind} {number}: {role.removesuffix('_id')}"
    return found


# The wide integers are indices and sizes.
_SETTINGS = frozenset(("bool", "int32", "int64"))
_TYPES = {
    **{"FLOAT": "float32", "HALF": "float16", "DOUBLE": "float64", "BFLOAT16": "bfloat16"},
    **{"BYTE": "uint8", "CHAR": "int8", "SHORT": "int16", "INT": "int32", "LONG": "int64"},
}


def read_flatbuffer(data: bytes, schema: str) -> dict[str, Any]:
    """A flatbuffer as JSON has it, defaults filled in.

    Args:
        data: The flatbuffer; it must be of the schema's root type.
        schema: The schema's file, relative to the package executorch.

    Raises:
        ImportError: ExecuTorch is not installed.
        ValueError: The data isn't of this schema.
    """
    package, folder = files("executorch"), schema.rpartition("/")[0]
    text = (package / schema).read_text(encoding="utf-8")
    for other in re.findall(r'\binclude\s+"([^"]+)"', text):
        text += (package / folder / other).read_text(encoding="utf-8")
    try:
        return Schema(text).read(data)
    except ValueError as exc:
        raise ValueError(f"a part of it doesn't follow {Path(schema).name}: {exc}") from exc
