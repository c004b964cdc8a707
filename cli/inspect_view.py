"""What is in a file, as it looks in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from ..formats import FORMATS
from .tables import print_table, printable

if TYPE_CHECKING:
    from ..runtimes.inspect.findings import End, Inspected, Share

__all__ = ["print_inspected"]

_UNITS = ("kB", "MB", "GB", "TB")
# Of metadata, and of lists; --json has more.
_LONGEST = 200
_SHOWN = 5
_WORDS = {True: "yes", False: "no", None: "?"}


def print_inspected(found: Inspected) -> None:
    """A line that names it, then a table a question: what goes in and out, in which precision,
    computed how, by what."""
    details = ", ".join(
        f"{name.replace('_', ' ')} {value}"
        for name, value in found.properties.items()
        if not isinstance(value, list | dict)
    )
    _say(f"{found.file}: {found.format}, {_size(found.bytes)}{f', {details}' if details else ''}")
    _say(f"SHA-256 {found.sha256}")
    print_table(
        ("", "name", "type", "shape", "layout", "quantization"),
        [
            *(_end("takes", end) for end in found.inputs),
            *(_end("gives", end) for end in found.outputs),
        ],
    )
    shares = [*_shares("weights", found.weights), *_shares("activations", found.activations)]
    if shares:
        print_table(("precision of", "type", "tensors", "values", "bytes", "of all bytes"), shares)
    macs = "MACs not counted: " + found.uncounted
    if found.macs is not None:
        macs = f"{_number(found.macs)} MACs for a photo"
    _say(f"{_number(found.parameters)} parameters; {macs}")
    _say(f"Operations: {', '.join(_operations(found)) or 'none'}")
    _print_largest(found)
    _print_takers(found)
    if found.metadata:
        rows = [(name, _shortened(text)) for name, text in found.metadata.items()]
        print_table(("metadata", "says"), rows)


def _print_largest(found: Inspected) -> None:
    """Names stand last: they may be long."""
    whole = sum(share.bytes or 0 for share in found.weights) or 1
    if found.largest_weights:
        rows = [
            (_size(w.bytes), f"{w.bytes / whole:.1%}", w.dtype, _shape(w.shape), w.name)
            for w in found.largest_weights[:_SHOWN]
        ]
        print_table(("bytes", "of all", "type", "shape", "largest weights"), rows)
    if found.heaviest_layers:
        rows = [
            (
                _number(layer.macs),
                f"{layer.macs / found.macs:.1%}" if found.macs else "?",
                layer.kind,
                _shape(layer.shape),
                layer.name,
            )
            for layer in found.heaviest_layers[:_SHOWN]
        ]
        print_table(("MACs", "of all", "kind", "gives", "most work"), rows)


def _print_takers(found: Inspected) -> None:
    for oldest in found.oldest_runtimes:
        _say(f"Needs {oldest}: {oldest.because}")
    for reader in FORMATS[found.format].failing_readers:
        _say(f"Not for {reader.name} ({reader.seen}): it {reader.says}")
    if found.accelerators:
        rows = [(a.by, _WORDS[a.whole], a.says) for a in found.accelerators]
        print_table(("accelerator", "takes it whole", "says"), rows)


def _end(verb: str, end: End) -> tuple[str, ...]:
    quantization = "" if end.scale is None else f"{end.scale:.6g} × (value - {end.zero_point})"
    return (
        verb,
        end.name or "",
        end.dtype or "?",
        "?" if end.shape is None else _shape(end.shape),
        end.layout or "",
        quantization,
    )


def _shares(of: str, shares: Sequence[Share]) -> Iterator[tuple[str, ...]]:
    whole = sum(share.bytes or 0 for share in shares)
    for share in shares:
        known = share.bytes is not None and whole > 0
        yield (
            of,
            share.dtype,
            str(share.tensors),
            "?" if share.values is None else _number(share.values),
            "?" if share.bytes is None else _size(share.bytes),
            f"{(share.bytes or 0) / whole:.1%}" if known else "?",
        )


def _operations(found: Inspected) -> Iterator[str]:
    for kind, count in found.operations.items():
        yield kind if count is None else f"{count} {kind}"


def _shape(shape: Sequence[int | None]) -> str:
    return "×".join("?" if size is None else str(size) for size in shape) or "one number"


def _number(count: int) -> str:
    return f"{count:,}"


def _size(count: int) -> str:
    """Bytes as people say them, in powers of 1000."""
    if count < 1000:
        return f"{count} B"
    power = min((len(str(count)) - 1) // 3, len(_UNITS))
    return f"{count / 1000**power:.1f} {_UNITS[power - 1]}"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _say(text: str) -> None:
    click.echo(printable(text))
