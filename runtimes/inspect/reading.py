"""Reads a file of any format: what it declares, holds and computes. Nothing of it is run.

It belongs into a process of its own (`isolated`): SDKs crash, hang and take memory on malformed
files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from ...artifacts.bundle import describe_files
from ...artifacts.inspect.contents import Contents, Stored, Value
from ...artifacts.inspect.declared import Declared, Port
from ...artifacts.inspect.read import declared_by
from ...artifacts.inspect.recognize import recognize
from ...artifacts.manifest import Artifact, FileEntry
from ...errors import MaskportError
from ...formats import FORMATS
from ...loading import load
from ...sdks.errors import sdk_errors
from ...texts import first_line
from ..costs.counting import Work
from .findings import Acceptance, End, Inspected, Share

__all__ = ["acceptances", "read_file"]

# A file may have a million tensors with a megabyte of name each; people look at the first few.
_MOST_ENDS = 256
_MOST_KINDS = 512
_MOST_METADATA = 256
_MOST_LISTED = 10
_LONGEST_NAME = 200
_LONGEST_TEXT = 4000


def read_file(path: Path) -> Inspected:
    """What is in a file, but for what takes it.

    Args:
        path: The file, or the folder that its format calls a file.

    Raises:
        ArtifactError: It is of no known format.
        MissingToolError: What reads its format is not installed.
        RunnerError: It can't be read.
        MemoryError: It takes more than there is.
    """
    with sdk_errors(f"{path} can't be read", "", str, ()):
        kind = recognize(path)
        entry = _entry(kind, path)
    row = FORMATS[kind]
    with sdk_errors(
        f"{path} can't be read as {kind}",
        f"Reading {path.name}",
        lambda: "The file is damaged, or of another format.",
        row.needs,
    ):
        declared = declared_by(entry, path)
        contents: Contents = load(row.contents)(path)
    return _found(path, entry, declared, contents, _work(entry, path))


def acceptances(kind: str, path: Path) -> list[Acceptance]:
    """What takes a file of a format, as far as can be told here.

    Raises:
        MemoryError: It takes more than there is.
    """
    found: list[Acceptance] = []
    for dotted in FORMATS[kind].accelerators:
        try:
            found += load(dotted)(path)
        except MemoryError:
            raise
        except Exception as exc:  # SDKs have their own types; the rest of the file is known
            name = dotted.rpartition(":")[2].replace("_", " ")
            found.append(Acceptance(name, None, f"can't be told: {_reason(exc)}"))
    return [Acceptance(a.by, a.whole, _told(a.says, _LONGEST_TEXT)) for a in found]


def _entry(kind: str, path: Path) -> Artifact:
    """What a manifest would say of the file, its inputs and outputs left out."""
    _, size, digest = describe_files(path, path.parent)
    return Artifact(
        target=kind,
        path="file",
        format=kind,
        precision="",
        bytes=size,
        sha256=digest,
        files=[FileEntry(path="file", bytes=size, sha256=digest)],
        inputs=[],
        outputs=[],
    )


def _work(entry: Artifact, path: Path) -> Work:
    """What a run computes, or why that isn't known."""
    row = FORMATS[entry.format]
    if not row.counter:
        return Work({}, 0, 0, unknown="nothing here counts its format")
    try:
        found: Work = load(row.counter)(entry, path)
        return found
    except MemoryError:
        raise
    except Exception as exc:  # SDKs have their own types; the rest of the file is known
        return Work({}, 0, 0, unknown=_reason(exc).replace(str(path), path.name))


def _reason(exc: Exception) -> str:
    return _told(exc.what if isinstance(exc, MaskportError) else first_line(exc), _LONGEST_TEXT)


def _found(
    path: Path, entry: Artifact, declared: Declared, contents: Contents, work: Work
) -> Inspected:
    weights = sorted(contents.weights, key=lambda weight: -weight.bytes)
    layers = sorted(work.layers, key=lambda layer: -layer.macs)
    kinds: dict[str, int | None] = dict.fromkeys(declared.operators)
    if work.kinds:
        ordered = sorted(work.kinds, key=lambda kind: (-work.kinds[kind], kind))
        kinds = {kind: work.kinds[kind] for kind in ordered}
    metadata = list(contents.metadata.items())[:_MOST_METADATA]
    return Inspected(
        file=path.name,
        format=entry.format,
        bytes=entry.bytes,
        sha256=entry.sha256,
        inputs=[_end(port) for port in declared.inputs[:_MOST_ENDS]],
        outputs=[_end(port) for port in declared.outputs[:_MOST_ENDS]],
        properties={_told(name): _plain(value) for name, value in declared.properties.items()},
        parameters=sum(weight.values for weight in weights),
        weights=list(_shares(weights)),
        activations=list(_shares(contents.activations)),
        operations={_told(kind): kinds[kind] for kind in list(kinds)[:_MOST_KINDS]},
        macs=None if work.unknown else work.macs,
        uncounted=_told(work.unknown, _LONGEST_TEXT),
        largest_weights=[
            Stored(_told(w.name), _told(w.dtype), w.shape, w.values, w.bytes)
            for w in weights[:_MOST_LISTED]
        ],
        heaviest_layers=[
            type(layer)(_told(layer.kind), _told(layer.name), layer.shape, layer.macs)
            for layer in layers[:_MOST_LISTED]
        ],
        oldest_runtimes=list(declared.oldest_runtimes),
        accelerators=[],
        metadata={_told(name): _told(text, _LONGEST_TEXT) for name, text in metadata},
    )


def _end(port: Port) -> End:
    scale = port.quantization
    known = scale is not None and math.isfinite(scale.scale)
    return End(
        name=None if port.name is None else _told(port.name),
        dtype=None if port.dtype is None else _told(port.dtype),
        shape=None if port.shape is None else list(port.shape),
        layout="image" if port.image else _layout(port.shape),
        scale=scale.scale if scale is not None and known else None,
        zero_point=scale.zero_point if scale is not None and known else None,
    )


def _layout(shape: tuple[int | None, ...] | None) -> Literal["NCHW", "NHWC"] | None:
    """Of a photo or a mask, by where the few channels are; None where that is open."""
    if shape is None or len(shape) != 4:
        return None
    first, last = (shape[axis] in {1, 2, 3, 4} for axis in (1, 3))
    if first == last:
        return None
    return "NCHW" if first else "NHWC"


def _shares(tensors: Iterable[Stored | Value]) -> Iterator[Share]:
    by_type: dict[str, list[Stored | Value]] = {}
    for tensor in tensors:
        by_type.setdefault(tensor.dtype, []).append(tensor)
    shares = [
        Share(
            _told(dtype),
            len(found),
            _sum(tensor.values for tensor in found),
            _sum(tensor.bytes for tensor in found),
        )
        for dtype, found in by_type.items()
    ]
    yield from sorted(shares, key=lambda share: (-(share.bytes or 0), share.dtype))


def _sum(sizes: Iterable[int | None]) -> int | None:
    """None where one is."""
    whole = 0
    for size in sizes:
        if size is None:
            return None
        whole += size
    return whole


def _plain(value: Any) -> Any:
    """What a format says of itself, no longer than it is looked at."""
    if isinstance(value, dict):
        return {_told(str(key)): _plain(value[key]) for key in list(value)[:_MOST_KINDS]}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value[:_MOST_KINDS]]
    return value if isinstance(value, int) else _told(str(value))


def _told(text: str, most: int = _LONGEST_NAME) -> str:
    """Text of a file as JSON can hold it, shortened."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= most else f"{text[: most - 1]}…"
