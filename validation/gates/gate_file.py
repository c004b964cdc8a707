"""Gates from TOML: a user's file, and the defaults that ship with the package.

defaults = false                 # leave out maskport's own; true where this line is missing

["*"]                            # every artifact
iou = ">= 0.98"
latency_ms.p90 = "<= 120"

[tflite-int8]                    # a target, a format, a precision, or a pattern: ["tflite-*"]
worst_iou = ">= 0.9 where mae > 0.005"
boundary_f = false               # not gated

[reference-on-gpu.fp32]          # only where PyTorch ran on a GPU
mae = "<= 1e-4"

[baseline]                       # how much worse than the baseline
iou = 0.002
latency = "15%"
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...errors import InputError, UsageError
from ...outside.text import TomlError, parse_toml, read_toml
from ...precisions import PRECISIONS, Bounds
from ...texts import short
from .baseline import Tolerance, parse_tolerance
from .gate import Gate, parse_bound, parse_gates
from .quantities import quantity
from .selection import Gates

__all__ = ["assemble", "default_gates", "load_gates"]

DEFAULTS = Path(__file__).with_name("default_gates.toml")

_BASELINE, _BESIDE_GPU = "baseline", "reference-on-gpu"

Key = tuple[str, ...]


def default_gates() -> Gates:
    """The gates that ship with the package, by precision; docs/gates.md says why these."""
    file = _File(DEFAULTS, "default")
    rows = PRECISIONS.items()
    file.tables |= {name: _as_written(row.bounds) for name, row in rows}
    file.tables[_BESIDE_GPU] = {n: _as_written(row.beside_gpu) for n, row in rows if row.beside_gpu}
    _, gates, tolerances = file.read()
    return Gates((tuple(gates),), _asked(tolerances))


def load_gates(path: Path, known: Iterable[str] = ()) -> Gates:
    """Read a file of gates, on top of the defaults unless it says ``defaults = false``.

    Args:
        path: A TOML file, as in this module's docstring.
        known: Targets, formats and precisions that it may name beside those of the bundle.

    Raises:
        InputError: It can't be read, is no TOML, or a key or value is not allowed; names the
            line.
    """
    with_defaults, gates, tolerances = _File(path, path.name).read()
    base = default_gates() if with_defaults else Gates()
    merged = {**base.tolerances, **tolerances}
    return Gates((*base.layers, tuple(gates)), _asked(merged), frozenset(known))


def assemble(path: Path | None, texts: Sequence[str], known: Iterable[str] = ()) -> Gates:
    """The gates of a run: the defaults, a file's on top, the command line's on top of both.

    Args:
        path: A file of gates, or None.
        texts: Of each ``--gate``.
        known: As for `load_gates`.

    Raises:
        InputError: As `load_gates`.
        UsageError: As `parse_gates`.
    """
    gates = default_gates() if path is None else load_gates(path, known)
    return gates.on_top(gate for text in texts for gate in parse_gates(text))


class _File:
    """One file while it is read.

    Args:
        path: The file.
        source: What results call it.
    """

    def __init__(self, path: Path, source: str) -> None:
        self.path = path
        self.source = source
        self.tables: dict[str, Any]
        text, self.tables = read_toml(path)
        self.lines = _lines(text)

    def read(self) -> tuple[bool, list[Gate], dict[str, Tolerance | None]]:
        """Whether the defaults hold too, the gates, and the baseline's tolerances by metric;
        None where any worsening is fine."""
        tables = dict(self.tables)
        with_defaults = tables.pop("defaults", True)
        if not isinstance(with_defaults, bool):
            raise self._wrong(("defaults",), "is not true or false", "Write true or false.")
        tolerances = dict(self._tolerances(tables.pop(_BASELINE, {})))
        beside_gpu = tables.pop(_BESIDE_GPU, {})
        gates = list(self._gates(tables, ()))
        if not isinstance(beside_gpu, dict):
            raise self._wrong(
                (_BESIDE_GPU,), "is no table", f"Write a section such as [{_BESIDE_GPU}.fp32]."
            )
        gates += self._gates(beside_gpu, (_BESIDE_GPU,))
        return with_defaults, gates, tolerances

    def _gates(self, tables: Mapping[str, Any], above: Key) -> Iterator[Gate]:
        for name, table in tables.items():
            if not isinstance(table, dict):
                raise self._wrong(
                    (*above, name),
                    "stands in no section",
                    'Put it under ["*"] for every artifact, or under a target, format or '
                    "precision.",
                )
            selectors = tuple(part.strip() for part in name.split(","))
            if not all(selectors):
                raise self._wrong((*above, name), "names an empty selector", 'Write ["*"] for all.')
            for key, value in _leaves(table):
                yield self._gate(selectors, (*above, name, *key), ".".join(key), value)

    def _gate(self, selectors: tuple[str, ...], key: Key, metric: str, value: object) -> Gate:
        beside_gpu = key[0] == _BESIDE_GPU
        section = key[1] if beside_gpu else key[0]
        try:
            wanted = quantity(metric)
            if value is False:
                bound, where = None, None
            elif isinstance(value, str):
                bound, where = parse_bound(f"{metric} {value}")
            else:
                raise UsageError(
                    f"its value is {short(value)}, which says no comparison.",
                    f'Write it as text, for example "{_example(metric)}", or false to lift it.',
                )
        except UsageError as exc:
            raise self._wrong(key, exc.what.rstrip("."), exc.remedy) from exc
        shipped = self.path == DEFAULTS
        return Gate(
            quantity=wanted,
            bound=bound,
            where=where,
            selectors=selectors,
            source=f"default ({section})" if shipped else self.source,
            place="" if shipped else self._place(key),
            beside_gpu=beside_gpu,
        )

    def _tolerances(self, table: object) -> Iterator[tuple[str, Tolerance | None]]:
        if not isinstance(table, dict):
            raise self._wrong((_BASELINE,), "is no table", "Write a section [baseline].")
        for key, value in _leaves(table):
            metric = ".".join(key)
            try:
                yield metric, parse_tolerance(metric, value)
            except UsageError as exc:
                raise self._wrong((_BASELINE, *key), exc.what.rstrip("."), exc.remedy) from exc

    def _wrong(self, key: Key, what: str, remedy: str) -> InputError:
        return InputError(f"{self._place(key)}: {what}.", remedy)

    def _place(self, key: Key) -> str:
        line = next(
            (self.lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self.lines), 0
        )
        where = f", line {line}" if line else ""
        depth = 2 if key[0] == _BESIDE_GPU else 1
        section, metric = ".".join(key[:depth]), ".".join(key[depth:])
        return f"{self.path}{where}, {f'[{section}] {metric}' if metric else section}"


def _asked(tolerances: Mapping[str, Tolerance | None]) -> dict[str, Tolerance]:
    """Those that were not lifted."""
    return {name: found for name, found in tolerances.items() if found is not None}


def _as_written(bounds: Bounds) -> dict[str, str]:
    signs = {"lower": "<=", "higher": ">="}
    return {k: f"{signs[quantity(k).better]} {v}" for k, v in asdict(bounds).items()}


def _example(metric: str) -> str:
    return "<= 0.01" if quantity(metric).better == "lower" else ">= 0.98"


def _leaves(table: Mapping[str, Any], above: Key = ()) -> Iterator[tuple[Key, object]]:
    """Keys and values of a table; ``latency_ms.p90 = …`` makes a table in it."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), value


def _lines(text: str) -> dict[Key, int]:
    """The line of each section and key, which parsing doesn't tell; of what stands on one line."""
    found: dict[Key, int] = {}
    section: Key = ()
    for number, line in enumerate(text.splitlines(), 1):
        if not re.match(r"\s*[^#\s]", line):
            continue
        try:
            parsed = parse_toml(line)
        except TomlError:
            continue
        path: list[str] = []
        inner: object = parsed
        while isinstance(inner, dict) and inner:
            name = next(iter(inner))
            path.append(name)
            inner = inner[name]
        if line.lstrip().startswith("["):
            section = tuple(path)
            found.setdefault(section, number)
        else:
            found.setdefault((*section, *path), number)
    return found
