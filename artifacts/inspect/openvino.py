"""What OpenVINO's XML declares and holds, read without OpenVINO and without its weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from ...errors import RunnerError
from ..manifest import Artifact, OldestRuntime
from .contents import Contents, Stored, Value, stored
from .declared import Declared, Port

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["NO_WORK", "Node", "contents", "declared", "read", "weights"]

# The release that brought a set of operations ("Available Operation Sets", OpenVINO's docs).
_RELEASES = {
    8: "2022.1",
    9: "2022.2",
    10: "2022.3",
    11: "2023.0",
    12: "2023.1",
    13: "2023.2",
    14: "2024.0",
    15: "2024.5",
}
# They hold values, and compute nothing.
NO_WORK = frozenset({"Const", "Parameter", "Result"})


@dataclass(frozen=True, slots=True)
class Node:
    """A layer, as the XML calls it.

    Attributes:
        number: By which edges name it.
        kind: Such as ``Convolution``.
        name: Its own.
        data: Its settings, as text.
        inputs: Types and shapes; a size that is open is None.
        outputs: Likewise.
        names: Of its outputs, by which apps find them.
        version: The set of operations that it is of, ``opset1``.
    """

    number: str
    kind: str
    name: str
    data: dict[str, str]
    inputs: tuple[tuple[str, tuple[int | None, ...]], ...]
    outputs: tuple[tuple[str, tuple[int | None, ...]], ...]
    names: tuple[str, ...]
    version: str


def declared(_artifact: Artifact, path: Path) -> Declared:
    """Of the parameters, the results and the operations between."""
    found = read(path)
    results = [node for node in found if node.kind == "Result"]
    return Declared(
        inputs=tuple(
            Port(_name(node), node.outputs[0][1], node.outputs[0][0])
            for node in found
            if node.kind == "Parameter"
        ),
        outputs=tuple(Port(_name(node), node.inputs[0][1], node.inputs[0][0]) for node in results),
        operators=tuple(sorted({node.kind for node in found} - NO_WORK)),
        oldest_runtimes=_oldest(found),
    )


def contents(path: Path) -> Contents:
    """Weights are described in the XML; the file beside it that holds them is not opened.

    Raises:
        RunnerError: That file is there, and ends before they do.
    """
    root = _root(path)
    found = list(_nodes(root))
    _check_length(path, found)
    sources = _sources(root)
    fixed = set[str]()
    activations = []
    for node in found:
        takes = sources.get(node.number, set())
        if node.kind == "Const" or (takes and takes <= fixed):
            fixed.add(node.number)
        elif node.kind not in NO_WORK:
            activations += [_value(*output) for output in node.outputs]
    metadata = {"version": root.get("version", ""), "name": root.get("name", "")}
    for entry in root.iterfind("./rt_info//*[@value]"):
        metadata[entry.get("name", entry.tag)] = entry.get("value", "")
    return Contents(tuple(weights(found)), tuple(activations), metadata)


def read(path: Path) -> list[Node]:
    """The outermost graph, in the order of the file, which is one of execution.

    Args:
        path: An XML file, or the folder that holds it.
    """
    return list(_nodes(_root(path)))


def _nodes(root: Element) -> Iterator[Node]:
    for layer in root.iterfind("./layers/layer"):
        data = layer.find("data")
        outputs = layer.findall("./output/port")
        names = [port.get("names", "") for port in outputs] or [layer.get("output_names", "")]
        yield Node(
            number=layer.get("id", ""),
            kind=layer.get("type", ""),
            name=layer.get("name", ""),
            data={} if data is None else dict(data.attrib),
            inputs=tuple(map(_port, layer.findall("./input/port"))),
            outputs=tuple(map(_port, outputs)),
            names=tuple(filter(None, names)),
            version=layer.get("version", ""),
        )


def weights(found: list[Node]) -> Iterator[Stored]:
    """Constants but shapes and axes, which OpenVINO keeps in int64."""
    seen = set[tuple[str, str]]()
    for node in found:
        place = (node.data.get("offset", ""), node.data.get("size", ""))
        if node.kind != "Const" or place in seen:
            continue
        seen.add(place)
        dtype, shape = node.outputs[0]
        size = int(node.data["size"])
        if dtype not in _SETTINGS and (shape or dtype.startswith("float")):
            yield stored(node.name, dtype, tuple(n or 0 for n in shape), size)


_SETTINGS = frozenset(("bool", "int32", "int64", "uint64", "str"))


def _root(path: Path) -> Element:
    """Of an XML file, or of the one in a folder."""
    file = _xml(path)
    try:
        # Expat opens no other files, and limits what entities grow to.
        root = ElementTree.parse(file).getroot()  # noqa: S314
    except (ElementTree.ParseError, OSError) as exc:
        raise RunnerError(
            f"{file} can't be read: {exc}.", "The file is damaged; export it again."
        ) from exc
    if root.tag != "net":
        raise RunnerError(
            f"{file} is not a model of OpenVINO: its root is {root.tag[:40]!r}.",
            "Give the .xml file that OpenVINO saved.",
        )
    return root


def _check_length(path: Path, found: list[Node]) -> None:
    file = _xml(path).with_suffix(".bin")
    places = (node.data for node in found if node.kind == "Const")
    needed = max((int(place["offset"]) + int(place["size"]) for place in places), default=0)
    if file.is_file() and file.stat().st_size < needed:
        raise RunnerError(
            f"{file} has {file.stat().st_size} bytes, and the XML describes {needed}.",
            "One of the two is damaged, or of another model; export them again.",
        )


def _xml(path: Path) -> Path:
    return path if path.is_file() else path / "model.xml"


def _sources(root: Element) -> dict[str, set[str]]:
    """Which layers each layer reads, by their numbers."""
    found: dict[str, set[str]] = {}
    for edge in root.iterfind("./edges/edge"):
        found.setdefault(edge.get("to-layer", ""), set()).add(edge.get("from-layer", ""))
    return found


def _oldest(found: list[Node]) -> tuple[OldestRuntime, ...]:
    """By the newest set of operations that the file uses; the file's own form came with 2022.1."""
    sets = {
        int(node.version.removeprefix("opset")): node.kind
        for node in reversed(found)
        if node.version.removeprefix("opset").isdecimal()
    }
    if not sets or any(not node.version.startswith("opset") for node in found):
        return ()
    number = max(sets)
    release = _RELEASES.get(max(number, min(_RELEASES)))
    because = (
        f"{sets[number]} of opset{number}" if number > min(_RELEASES) else "the file's own form"
    )
    if release is None:
        return ()
    return (OldestRuntime(runtime="OpenVINO", version=release, because=because),)


def _name(node: Node) -> str:
    """The first of those that an app may use, which stand there with commas."""
    return node.names[0].split(",")[0] if node.names else node.name


def _port(port: Element) -> tuple[str, tuple[int | None, ...]]:
    sizes = tuple(int(size.text or 0) for size in port.findall("dim"))
    dtype = port.get("precision", "").lower()
    return _TYPES.get(dtype, dtype), tuple(size if size >= 0 else None for size in sizes)


# Types as ports name them; the others are NumPy's.
_TYPES = {
    **{"fp64": "float64", "fp32": "float32", "fp16": "float16", "bf16": "bfloat16"},
    **{f"{old}{n}": f"{new}{n}" for old, new in (("i", "int"), ("u", "uint")) for n in
       (1, 2, 4, 8, 16, 32, 64)},
    **{"boolean": "bool", "string": "str"},
}  # fmt: skip


def _value(dtype: str, shape: tuple[int | None, ...]) -> Value:
    return Value(dtype, None if None in shape else prod(size or 0 for size in shape))
