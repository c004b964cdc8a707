"""Recipes: everything that decides how a network is quantised, as data that can be kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import UsageError
from ..outputs import write_whole
from ..outside.text import read_toml
from ..texts import short
from .weight_grids import ANY_PAIR, LARGEST_WEIGHT, SAFE_PAIR

__all__ = ["RECIPES", "Ranges", "Recipe", "named", "read_recipe", "recipe_of", "write_recipe"]

Ranges = Literal["min-max", "percentile", "mse", "kl", "auto"]
# More than anybody waits for.
MOST_STEPS = 1_000_000

Rounding = Literal["nearest", "compensated"]
_RANGES, _ROUNDINGS = get_args(Ranges), get_args(Rounding)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is quantised.

    Attributes:
        name: For the manifest and for people; not part of the hash.
        ranges: What gives activations their ranges before anything is learned. ``auto`` is
            ``min-max``, but where calibration photos show that this loses their masks,
            ``percentile`` if that keeps them better; a network's numbers say which it was.
        percentile: Share of values that a percentile range keeps, in percent.
        relit: Ranges from the extremes (``min-max``) are also those of the photos in less and in
            more light, so that other photos stay inside; where there are fewer than 24 photos.
        pass_bytes: Let the photo's bytes into the network without rounding them again (exact).
        equalize: How far to even out channels across convolutions, 0 to 1 (exact in float).
        rounding: Weights each to the nearest integer, or ``compensated``: so that what a
            convolution gives changes least, its bias making up for the mean of the rest.
        largest_pair: What two weights of one sign in an output channel may add up to, in steps.
            With 128, no two products with unsigned bytes leave 16 bits, in which x86 processors
            without VNNI add them (see `weight_grids`); 254 is what they can be anyway.
        seed: Of everything that is drawn.
        wide_tail: Sums and resizes behind the last convolutions, and the sigmoid, are kept in
            more than 8 bits, and what the last convolutions give is clipped to where the
            sigmoid still moves.
        float_modules: Paths of modules that stay in float, for example
            ``body.network.stage1d``; everything below one is meant too.
        activation_bits: 8, or 16 where the runtime has it.
        finetune: Steps of fine-tuning the integers against the float network's masks, see
            `finetuning`; 0 for none.
    """

    name: str = "custom"
    ranges: Ranges = "min-max"
    percentile: float = 99.99
    relit: bool = False
    pass_bytes: bool = False
    equalize: float = 0.0
    rounding: Rounding = "nearest"
    largest_pair: int = SAFE_PAIR
    seed: int = 0
    wide_tail: bool = False
    float_modules: tuple[str, ...] = ()
    activation_bits: int = 8
    finetune: int = 0

    def __post_init__(self) -> None:
        if self.ranges not in _RANGES:
            raise UsageError(
                f"A recipe's ranges can't be {short(self.ranges)}.", f"Use {', '.join(_RANGES)}."
            )
        if not 50.0 < self.percentile <= 100.0:
            raise UsageError(
                f"A percentile of {self.percentile} keeps too little.", "Use 99 to 100."
            )
        if self.activation_bits not in {8, 16}:
            raise UsageError(
                f"No runtime has activations of {short(self.activation_bits)} bits.", "Use 8 or 16."
            )
        if self.rounding not in _ROUNDINGS:
            raise UsageError(
                f"A recipe can't round {short(self.rounding)}.", f"Use {', '.join(_ROUNDINGS)}."
            )
        if not LARGEST_WEIGHT < self.largest_pair <= ANY_PAIR:
            raise UsageError(
                f"largest_pair can't be {short(self.largest_pair)}.",
                f"Use {SAFE_PAIR}, which 16 bits hold, or {ANY_PAIR}, which limits nothing.",
            )
        if not 0 <= self.seed < 1 << 32:
            raise UsageError(
                f"A recipe's seed can't be {short(self.seed)}.", "Use 0 to 4,294,967,295."
            )
        if not 0 <= self.finetune <= MOST_STEPS:
            raise UsageError(
                f"A recipe can't fine-tune for {short(self.finetune)} steps.",
                "Use 0 or some hundreds.",
            )
        if not 0.0 <= self.equalize <= 1.0:
            raise UsageError(f"equalize can't be {self.equalize}.", "Use 0 to 1.")

    @property
    def digest(self) -> str:
        """SHA-256 of everything but the name: equal recipes have equal digests."""
        values = {k: v for k, v in sorted(asdict(self).items()) if k != "name"}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def is_float(self, module: str) -> bool:
        """Whether what a module computes stays in float."""
        return any(module == p or module.startswith(f"{p}.") for p in self.float_modules)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """From plain values.

        Raises:
            UsageError: One is not a recipe's, or makes no sense.
        """
        known = {field.name: field for field in fields(cls)}
        for key in values:
            if key not in known:
                raise UsageError(f"A recipe has no {short(key)}.", f"It has {', '.join(known)}.")
        checked = dict(values)
        modules = checked.get("float_modules")
        if isinstance(modules, list) and all(isinstance(path, str) for path in modules):
            checked["float_modules"] = tuple(modules)
        plain = cls()
        for key, value in checked.items():
            expected = type(getattr(plain, key))
            right = isinstance(value, int | float) if expected is float else None
            if not (right or type(value) is expected):
                kind = "list of module paths" if expected is tuple else expected.__name__
                raise UsageError(f"A recipe's {key} can't be {short(value)}.", f"It is a {kind}.")
            if expected is float:
                try:
                    checked[key] = float(value)
                except OverflowError as exc:
                    raise UsageError(
                        f"A recipe's {key} can't be {short(value)}.", "No number is that large."
                    ) from exc
        return replace(plain, **checked)


# What a converter gives by itself; and the most that we know how to win back.
PLAIN = Recipe("plain")
BEST = Recipe(
    "best",
    ranges="auto",
    relit=True,
    pass_bytes=True,
    equalize=0.4,
    rounding="compensated",
    wide_tail=True,
)

# For files that have nothing but integers of 8 bits.
FULL = replace(BEST, name="full", wide_tail=False)

RECIPES = {recipe.name: recipe for recipe in (BEST, PLAIN, FULL)}


def named(name: str) -> Recipe:
    """A recipe by its name.

    Raises:
        UsageError: There is none.
    """
    if name not in RECIPES:
        raise UsageError(f"There is no recipe {name!r}.", f"There are {', '.join(RECIPES)}.")
    return RECIPES[name]


def recipe_of(given: Recipe | str | PathLike[str]) -> Recipe:
    """A recipe as it is, by its name, or from its TOML file.

    Raises:
        UsageError: There is none of that name, and the file can't be read or is no recipe.
    """
    if isinstance(given, Recipe):
        return given
    text = str(given)
    return RECIPES[text] if text in RECIPES else read_recipe(Path(given))


def read_recipe(path: Path) -> Recipe:
    """A recipe from a TOML file.

    Raises:
        UsageError: It can't be read, or is no recipe.
    """
    remedy = f"Check the path; by name there are {', '.join(RECIPES)}."
    _, values = read_toml(path, UsageError, remedy)
    try:
        return Recipe.from_dict({"name": path.stem, **values})
    except UsageError as exc:
        raise UsageError(f"{path}: {exc.what}", exc.remedy) from exc


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write a TOML file that `read_recipe` reads.

    Raises:
        InputError: It can't be written.
    """
    lines = []
    for key, value in asdict(recipe).items():
        # TOML's strings, numbers, booleans and arrays of strings are written as JSON's.
        lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}\n")
    write_whole(path, "".join(lines))
