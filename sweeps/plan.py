"""The plan of a sweep: a TOML file, and the bundles that it asks for.

    photos = "photos"                  # folder, list file or address; built-in scenes otherwise
    masks = "masks"                    # ground truth
    calibration = "scenes:32"          # folder, list file, or generated; each network's own where
                                       # left out
    targets = ["onnx", "tflite-int8"]  # names of targets or formats
    sizes = [320, "512x384"]           # height x width; each network's own where left out
    recipes = ["best", "mine.toml"]    # integer targets are made by each; their own where left out
    gates = "gates.toml"               # on top of the defaults
    latency = "standard"               # or "release", "none"
    shard = 128                        # photos a task
    threads = 1                        # CPUs a task, and CPU threads of every runtime

    [[networks]]
    network = "u2netp"                 # of the catalog, or package.module:factory
    weights = ["a.pth", "b.pth"]       # one bundle each; the network's own where left out
    weights_key = "ema"
    spec = { activation = "sigmoid" }  # keys of a specification, or its TOML file
    license = "Apache-2.0"

``targets``, ``sizes``, ``recipes`` and ``calibration`` of a network go before the plan's. Paths are
relative to the plan's file.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import UsageError
from ..exporters.ingredients import code_digest
from ..exporters.targets import needs_photos, select
from ..models import catalog, factory
from ..models.checksums import digest_of, sha256_of
from ..models.origins import RANDOM
from ..outside.text import read_toml
from ..quantization.calibration import checksum_of_source, generated
from ..quantization.recipe import RECIPES, Recipe, recipe_of
from ..sdks.versions import Versions
from ..specs import ModelSpec
from ..validation.gates import TARGET_NAMES, Gates, assemble
from ..validation.validate import check_measurable
from .remote import checksum_at

__all__ = ["Cell", "Plan", "Table", "read_plan"]

# What a network's table says of its files, and the files say then.
_SAID = {"license", "author", "source"}

Names = Annotated[list[str], Field(min_length=1)]
Sizes = Annotated[list[int | str], Field(min_length=1)]


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    targets: Names | None = None
    sizes: Sizes | None = None
    recipes: Names | None = None
    calibration: str | None = None


class Table(_Options):
    """A ``[[networks]]`` table."""

    network: str
    weights: str | Names | None = None
    weights_key: str | None = None
    spec: str | dict[str, Any] = Field(default_factory=dict)
    license: str = ""
    author: str = ""
    source: str = ""


class _File(_Options):
    """The plan's file as it is written."""

    photos: str | None = None
    masks: str | None = None
    gates: str | None = None
    latency: Literal["none", "standard", "release"] = "standard"
    shard: Annotated[int, Field(ge=1)] = 128
    threads: Annotated[int, Field(ge=1)] = 1
    networks: Annotated[list[Table], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Cell:
    """A bundle of a sweep: what `api.export` is asked for.

    Attributes:
        name: Of the bundle in the sweep's store; each has another.
        key: Changes with whatever would make it another bundle.
        network: As for `api.export`, as are those below.
        recipe: Of all integer targets; None for each target's own.
        weight_bytes: Of the network's parameters, for how much memory it takes.
    """

    name: str
    key: str
    network: str
    spec: ModelSpec
    weights: str | None
    weights_key: str | None
    targets: tuple[str, ...]
    recipe: Recipe | None
    calibration: str | None
    license: str
    author: str
    source: str
    weight_bytes: int

    @property
    def pixels(self) -> int:
        """Of its input."""
        return self.spec.image.height * self.spec.image.width


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep.

    Attributes:
        cells: Its bundles.
        photos: Folder, list file or address; None for the built-in scenes.
        masks: Likewise, of ground truth.
        gates: What every file has to reach.
        gates_key: Changes with them.
        latency: How files are timed, one bundle at a time a node.
        shard: Photos a task.
        threads: CPUs a task, and CPU threads of every runtime that compares masks.
        text: The file's.
    """

    cells: tuple[Cell, ...]
    photos: str | None
    masks: str | None
    gates: Gates
    gates_key: str
    latency: Literal["none", "standard", "release"]
    shard: int
    threads: int
    text: str


def read_plan(path: Path) -> Plan:
    """Read a plan, and find what it names.

    Raises:
        InputError: It can't be read, a key or a value is not allowed, or something that it names
            is not there.
    """
    text, values = read_toml(path, UsageError)
    try:
        file = _File.model_validate(values)
    except ValidationError as exc:
        lines = dict.fromkeys(_explained(error) for error in exc.errors())
        keys = ", ".join(_File.model_fields), ", ".join(Table.model_fields)
        raise UsageError(
            f"{path}: " + "\n".join(lines),
            f"Keys of a plan: {keys[0]}. Of [[networks]], also: {keys[1]}.",
        ) from exc
    beside = path.absolute().parent
    gates_file = _placed(file.gates, beside)
    gates = assemble(Path(gates_file) if gates_file else None, (), TARGET_NAMES)
    code, installed = code_digest(), Versions()
    cells = [
        cell for table in file.networks for cell in _cells(file, table, beside, code, installed)
    ]
    return Plan(
        tuple(_named_apart(cells)),
        _placed(file.photos, beside),
        _placed(file.masks, beside),
        gates,
        sha256_of(Path(gates_file)) if gates_file else "the defaults",
        file.latency,
        file.shard,
        file.threads,
        text,
    )


def _explained(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    given = f" ({error['input']!r})" if isinstance(error["input"], str | int | float) else ""
    return f"{where}: {error['msg']}{given}"


def _placed(name: str | None, beside: Path) -> str | None:
    """A path of the plan, from the plan's folder; addresses and None as they are."""
    if name is None or "://" in name:
        return name
    return str(beside / Path(name).expanduser())


def _cells(
    file: _File, table: Table, beside: Path, code: str, installed: Versions
) -> Iterator[Cell]:
    weights = table.weights if isinstance(table.weights, list) else [table.weights]
    sizes: Sequence[int | str | None] = table.sizes or file.sizes or (None,)
    recipes = table.recipes or file.recipes or [""]
    calibration = table.calibration or file.calibration
    entry = None if ":" in table.network else catalog.entry(table.network)
    if calibration is not None and not generated(calibration):
        calibration = _placed(calibration, beside)
    shown = calibration or (entry.calibration if entry else "")
    names = table.targets or file.targets or ["all"]
    rows = select(names, calibrated=bool(shown))
    if without := [row.name for row in rows if needs_photos(row) and not shown]:
        raise UsageError(
            f"{', '.join(without)} of {table.network} needs photos to calibrate on.",
            'Give the plan a folder of some, calibration = "photos", or calibration = "scenes:32".',
        )
    calibrated = _identity_of(shown) if shown else ""
    tools = installed.of({row.shared.extra for row in rows})
    size_of, own = _own(table.network)
    known = {given: _weights_identity(_at(given, beside)) for given in weights}
    for number, recipe in enumerate(recipes):
        # What no recipe is for is the same whichever there is: it is made once.
        targets = tuple(row.name for row in rows if number == 0 or row.recipe)
        quantised = _recipe(recipe, beside)
        for given, size in itertools.product(weights, sizes if targets else ()):
            spec = _spec(table, size, beside)
            if file.masks is not None:
                check_measurable(spec, "Leave the plan's masks out.")
            identity = {
                "table": table.model_dump(include={"network", "weights_key", *_SAID}),
                "targets": targets,
                "spec": spec.to_dict(),
                "recipe": f"{quantised.name} {quantised.digest}" if quantised else "",
                "weights": known[given] or own,
                "network": own if ":" in table.network else "",
                "calibration": calibrated,
                "maskport": code,
                "tools": tools,
            }
            digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
            side = f"{spec.image.height}x{spec.image.width}"
            label = Path(recipe).stem if recipe and len(recipes) > 1 else ""
            parts = (spec.name, Path(given or "").stem.replace(":", "-"), side, label)
            yield Cell(
                name=_plain("-".join(part for part in parts if part)),
                key=digest,
                network=table.network,
                spec=spec,
                weights=_at(given, beside),
                weights_key=table.weights_key,
                targets=targets,
                recipe=quantised,
                calibration=calibration,
                **table.model_dump(include=_SAID),
                weight_bytes=size_of,
            )


def _spec(table: Table, size: int | str | None, beside: Path) -> ModelSpec:
    given: dict[str, Any] = {} if size is None else {"size": size}
    where = f"the plan's {table.network}"
    if isinstance(table.spec, str):
        found = factory.spec_from_toml(Path(str(_placed(table.spec, beside))))
        return factory.with_options(found, given, where=where)
    given = {**table.spec, **given}
    if ":" in table.network:
        return factory.spec_from_options(factory.plain_name(table.network), given, where=where)
    return factory.with_options(catalog.entry(table.network).spec, given, where=where)


def _at(weights: str | None, beside: Path) -> str | None:
    return weights if weights is None or weights.startswith(RANDOM) else _placed(weights, beside)


def _own(network: str) -> tuple[int, str]:
    """Bytes of a network's parameters; and what changes with the weights that it has by itself, and
    with the file of its factory."""
    if ":" not in network:
        entry = catalog.entry(network)
        module = entry.build()
        named = f"{entry.name} {entry.sources}"
    else:
        module = factory.build(network)
        file = sys.modules[network.partition(":")[0]].__file__
        named = f"{digest_of(module)} {sha256_of(Path(file)) if file else ''}"
    return sum(p.numel() * p.element_size() for p in module.parameters()), named


def _weights_identity(weights: str | None) -> str:
    if weights is None or weights.startswith(RANDOM):
        return weights or ""
    if "://" in weights:
        return checksum_at(weights)
    try:
        return sha256_of(Path(weights))
    except OSError as exc:
        raise UsageError(
            f"{weights} can't be read: {exc.strerror or exc}.", "Check the plan's weights."
        ) from exc


def _identity_of(calibration: str) -> str:
    return checksum_at(calibration) if "://" in calibration else checksum_of_source(calibration)


def _recipe(given: str, beside: Path) -> Recipe | None:
    if not given:
        return None
    return recipe_of(given if given in RECIPES else Path(str(_placed(given, beside))))


def _plain(name: str) -> str:
    """As stores call bundles."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:80] or "bundle"


def _named_apart(cells: list[Cell]) -> Iterator[Cell]:
    """With digits of their keys where two have one name; the same bundle asked for twice is one."""
    different = {cell.key: cell for cell in cells}
    names = [cell.name for cell in different.values()]
    for cell in different.values():
        if names.count(cell.name) == 1:
            yield cell
        else:
            yield replace(cell, name=f"{cell.name}-{cell.key[:8]}")
