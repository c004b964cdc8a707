"""Any other network: its factory by reference, its specification from options or a TOML file.

The options have one vocabulary, on the command line and in TOML (one flat table):

    name = "sky"                      # the file's stem where left out
    size = "320x480"                  # height x width; 320 for a square; required
    mean = [0.485, 0.456, 0.406]      # in units of value_range, or 0.5 for all three channels;
                                      # ImageNet's where left out
    std = [0.229, 0.224, 0.225]       # likewise
    color_order = "RGB"              # or "BGR", or "GRAY" for a network of one channel
    value_range = [0, 1]              # or [0, 255], [-1, 1]
    divide_by = "255"                 # or "image-maximum"
    resize_filter = "bilinear"        # or "bicubic", "lanczos", "nearest"
    channels = 1                      # planes that the network gives, one a class
    channel = 1                       # which of them is the mask, where one is wanted
    upsample = "none"                 # or "bilinear", where the mask is smaller than the photo
    activation = "none"               # what is still to be applied: or "sigmoid", "softmax"
    inverted = false
    normalization = "none"            # or "min-max"
    threshold = 0.5
    labels = ["mask"]
    output = 0                        # position or key of the mask, where there are several,
                                      # or a path of them: "0.0", "aux.out"
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..errors import NetworkError, SpecError
from ..outside.text import read_toml
from ..specs import (
    LARGEST_CHANNELS,
    LARGEST_SIDE,
    Channel,
    Channels,
    ImageSpec,
    Label,
    MaskSpec,
    ModelSpec,
    Number,
    Output,
    Side,
)

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build", "plain_name", "spec_from_options", "spec_from_toml", "with_options"]


def build(reference: str) -> nn.Module:
    """Call a user's own factory; a class of network will do as one.

    The module is imported as Python would from the current directory. This runs the user's
    code, which is what was asked for.

    Args:
        reference: ``"package.module:factory"``, or with arguments that are literals of Python:
            ``"package.module:factory(width=32, pretrained=False)"``.

    Returns:
        The network in evaluation mode.

    Raises:
        NetworkError: The reference has another form, an argument is no literal, its module or
            factory is missing, the factory fails, or gives something else than a
            torch.nn.Module.
    """
    from torch import nn

    from .wrappers import unwrapped

    form = "Give it as package.module:factory, for example my_networks.sky:SkyNet."
    module_name, colon, called = reference.partition(":")
    path, args, kwargs = _arguments(called, reference) if "(" in called else (called, (), {})
    shown = reference if "(" in called else f"{reference}()"
    if not (colon and path and all(part.isidentifier() for part in module_name.split("."))):
        raise NetworkError(f"{reference!r} is no reference to a factory.", form)
    factory: Any = _import(module_name, reference)
    for part in path.split("."):
        try:
            factory = getattr(factory, part)
        except AttributeError as exc:
            raise NetworkError(
                f"{module_name} has no {path!r}.", f"It has: {_callables(module_name)}."
            ) from exc
    if not callable(factory):
        raise NetworkError(f"{reference} is a {type(factory).__name__}, not a factory.", form)
    try:
        network = factory(*args, **kwargs)
    except (Exception, SystemExit) as exc:  # the user's own code may raise anything
        raise NetworkError(
            f"{shown} failed: {type(exc).__name__}: {exc}",
            "It is called with the arguments that the reference gives it, such as "
            f"'{module_name}:{path}(width=32)'; wrap it in a function if it needs other things.",
        ) from exc
    if not isinstance(network, nn.Module):
        raise NetworkError(
            f"{shown} gave a {type(network).__name__}, not a torch.nn.Module.",
            "Name a function that returns the network, or its class.",
        )
    return unwrapped(network, shown).eval()


def spec_from_toml(path: Path) -> ModelSpec:
    """Read a specification; the vocabulary is in this module's docstring.

    Raises:
        SpecError: The file can't be read, is no TOML, or a key or value is not allowed.
    """
    _, values = read_toml(path, SpecError)
    name = str(values.pop("name", Path(path).stem))
    return spec_from_options(name, values, where=str(path))


def spec_from_options(
    name: str, options: Mapping[str, Any], *, where: str = "the options"
) -> ModelSpec:
    """A specification from nothing but options; `size` is required.

    Raises:
        SpecError: As `with_options`, or there is no `size`.
    """
    if options.get("size") is None:
        raise SpecError(f"{where}: size is missing.", f"Say what {name} takes: --size 320.")
    blank = ModelSpec(name, ImageSpec(1, 1), MaskSpec())
    return with_options(blank, options, where=where)


def with_options(
    spec: ModelSpec, options: Mapping[str, Any], *, where: str = "the options"
) -> ModelSpec:
    """``spec`` with some values replaced.

    Args:
        spec: To start from.
        options: By key; None counts as not given. Strings are read as on a command line.
        where: Where they come from, for messages.

    Raises:
        SpecError: A key is unknown or a value not allowed; names each and what is allowed.
    """
    given = {key: value for key, value in options.items() if value is not None}
    try:
        chosen = _Options.model_validate(given).model_dump(exclude_unset=True)
    except ValidationError as exc:
        lines = dict.fromkeys(_explained(error) for error in exc.errors())
        raise SpecError(f"{where}: " + "\n".join(lines), f"Keys: {', '.join(_KEYS)}.") from exc
    if "size" in chosen:
        chosen["height"], chosen["width"] = chosen.pop("size")
    if "channel" in chosen:
        _choose(chosen, spec.mask, where)
    elif "channels" in chosen and "labels" not in chosen:
        chosen["labels"] = _labels(chosen["channels"], spec.mask)
    image = {key: value for key, value in chosen.items() if key in ImageSpec.__slots__}
    mask = {key: value for key, value in chosen.items() if key in MaskSpec.__slots__}
    return replace(
        spec,
        image=replace(spec.image, **image),
        mask=replace(spec.mask, **mask),
        output=chosen.get("output", spec.output),
    )


def plain_name(reference: str) -> str:
    """``package.module:factory(…)`` as a file name: ``factory``."""
    last = reference.partition("(")[0].rpartition(":")[2].rpartition(".")[2]
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in last).lower() or "network"


def _arguments(called: str, reference: str) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """``factory(32, pretrained=False)`` as the factory's name and its arguments; nothing runs."""
    form = (
        "Arguments are literals of Python: numbers, text in quotes, True, None, tuples, lists, "
        "dicts; for example my_networks.sky:sky_net(width=32, pretrained=False)."
    )
    try:
        call = ast.parse(called, mode="eval").body
    except (SyntaxError, ValueError) as exc:
        raise NetworkError(f"{reference!r} can't be read: {exc}.", form) from exc
    if not isinstance(call, ast.Call):
        raise NetworkError(f"{reference!r} is no call of a factory.", form)
    kwargs: dict[str, Any] = {}
    given: ast.expr = call
    try:
        args = tuple([ast.literal_eval(given := arg) for arg in call.args])
        for keyword in call.keywords:
            given = keyword.value
            if keyword.arg is None:
                raise NetworkError(f"{reference!r} has **{ast.unparse(given)}.", form)
            kwargs[keyword.arg] = ast.literal_eval(given)
    except (ValueError, TypeError, MemoryError, RecursionError) as exc:
        raise NetworkError(
            f"The argument {ast.unparse(given)} of {reference!r} is no literal.", form
        ) from exc
    return ast.unparse(call.func), args, kwargs


def _import(module_name: str, reference: str) -> Any:
    here = str(Path.cwd())
    # `maskport` as a command has its own folder there instead of the current one.
    added = here not in sys.path and "" not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        missing = exc.name or module_name
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise NetworkError(
                f"There is no module {missing!r}, which {reference} names.",
                f"It is searched in {here} and where Python's packages are installed.",
            ) from exc
        raise NetworkError(
            f"{module_name} imports {missing!r}, which is not installed.",
            "Install it into maskport's environment.",
        ) from exc
    except (Exception, SystemExit) as exc:  # importing runs the user's own code
        raise NetworkError(
            f"{module_name} fails while it is imported: {type(exc).__name__}: {exc}",
            f"Try: python -c 'import {module_name}'",
        ) from exc
    finally:
        if added and here in sys.path:
            sys.path.remove(here)


def _callables(module_name: str) -> str:
    module = sys.modules[module_name]
    own = [
        name
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module_name
    ]
    return ", ".join(own[:10]) or "no functions or classes of its own"


def _size(value: Any) -> Any:
    """ "320", "320x480", 320 or [320, 480] to (height, width)."""
    if isinstance(value, str):
        value = value.lower().replace("×", "x").split("x")
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if isinstance(value, list | tuple) and len(value) == 1:
        value = [value[0], value[0]]
    return value


def _list(value: Any) -> Any:
    """Comma-separated as on a command line."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _channels(value: Any) -> Any:
    """One number means all three channels."""
    values = _list(value)
    if isinstance(values, int | float) and not isinstance(values, bool):
        values = [values]
    return list(values) * 3 if isinstance(values, list | tuple) and len(values) == 1 else values


def _output(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _from_the_start(output: Any) -> Any:
    """Python counts from the end, too; who writes it down says which."""
    if isinstance(output, int) and output < 0:
        raise ValueError("it is counted from 0")
    return output


class _Options(BaseModel):
    """Every key, optional: what is not given stays as it was."""

    model_config = ConfigDict(extra="forbid")

    size: Annotated[tuple[Side, Side], BeforeValidator(_size)] = (1, 1)
    mean: Annotated[tuple[Number, Number, Number], BeforeValidator(_channels)] = (0, 0, 0)
    std: Annotated[tuple[Number, Number, Number], BeforeValidator(_channels)] = (1, 1, 1)
    color_order: Literal["RGB", "BGR", "GRAY"] = "RGB"
    value_range: Annotated[tuple[Number, Number], BeforeValidator(_list)] = (0, 1)
    divide_by: Literal["255", "image-maximum"] = "255"
    resize_filter: Literal["bilinear", "bicubic", "lanczos", "nearest"] = "bilinear"
    channels: Channels = 1
    channel: Channel = 0
    upsample: Literal["none", "bilinear"] = "none"
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    inverted: bool = False
    normalization: Literal["none", "min-max"] = "none"
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    labels: Annotated[tuple[Label, ...], BeforeValidator(_list)] = ("mask",)
    output: Annotated[Output, BeforeValidator(_output), AfterValidator(_from_the_start)] = 0


_KEYS = ("name", *_Options.model_fields)

_ALLOWED = {
    "size": f"320, or 320x480 for height x width; at most {LARGEST_SIDE} a side",
    "mean": "a number for all channels, or three, for example 0.485,0.456,0.406",
    "std": "a number for all channels, or three, for example 0.229,0.224,0.225",
    "value_range": "two numbers: 0,1 or 0,255 or -1,1",
    "channels": f"a whole number from 1 to {LARGEST_CHANNELS}",
    "channel": "a whole number from 0 to 65535",
    "inverted": "true or false",
    "threshold": "a number between 0 and 1",
    "labels": "names, one per channel, separated by commas",
    "output": 'a position from 0, a name, or a path of them in quotes, such as "0.0"',
}


def _explained(error: Any) -> str:
    key = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return f"{key} is no key."
    allowed = _ALLOWED.get(key) or "one of " + ", ".join(
        cast(tuple[str, ...], _Options.model_fields[key].annotation.__args__)  # type: ignore[union-attr]
    )
    return f"{key} is {error['input']!r}; allowed: {allowed}."


def _choose(chosen: dict[str, Any], before: MaskSpec, where: str) -> None:
    """One of several planes: the mask has one, under the name that the plane had."""
    channel, planes = chosen["channel"], chosen.get("channels", before.channels)
    if planes > 1 and channel >= planes:
        raise SpecError(
            f"{where}: channel is {channel}, and there are {planes} channels, counted from 0.",
            f"Give a number from 0 to {planes - 1}.",
        )
    labels = chosen.get("labels", before.labels)
    chosen["channels"] = 1
    if len(labels) > 1:
        chosen["labels"] = (labels[channel],) if channel < len(labels) else ("mask",)


def _labels(channels: int, before: MaskSpec) -> tuple[str, ...]:
    if channels == before.channels:
        return before.labels
    return ("mask",) if channels == 1 else tuple(f"class {index}" for index in range(channels))
