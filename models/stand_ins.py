"""Blanks for what training programs save beside weights: options, paths, numbers of NumPy.

`torch.load(weights_only=True)` refuses a file for any class that it doesn't know, though only the
weights are wanted. So each name that a file asks for is handed to it with a blank in its place:
an object of ours that takes whatever it is given and keeps nothing. No class of the file's choice
is imported, made or called; a `WindowsPath` is read on Linux, and a class whose program is not
installed anywhere.

A pickle that *makes* an object of a class gets a blank. A pickle that *calls* something with
arguments is what running a program looks like, and is refused unless the name is one of `CALLED`,
whose blanks do nothing either.
"""

from __future__ import annotations

import pickletools
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import IO, Any, Literal

__all__ = [
    "MOST_NAMES",
    "MOST_OPERATIONS",
    "Blank",
    "BlankValue",
    "CalledError",
    "Kind",
    "TooLongError",
    "names_asked_for",
    "stand_ins",
]

Kind = Literal["object", "mapping", "sequence"]

# More classes than any training program saves; each costs time while a pickle is read.
MOST_NAMES = 200
# A tensor takes about 35. Each costs some microseconds, and a million nested tuples are one MB.
MOST_OPERATIONS = 1_000_000

_PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
_DATES = ("date", "datetime", "time", "timedelta", "timezone")
# What pickles of harmless values call. `getattr` is how they write a method's name down.
CALLED: Mapping[str, Kind] = {
    **{f"{module}.{name}": "object" for module in ("pathlib", "pathlib._local") for name in _PATHS},
    **{f"datetime.{name}": "object" for name in _DATES},
    **{
        f"numpy.{core}.{name}": "object"
        for core in ("core", "_core")
        for name in ("multiarray.scalar", "multiarray._reconstruct", "numeric._frombuffer")
    },
    **dict.fromkeys(("numpy.dtype", "decimal.Decimal", "uuid.UUID"), "object"),
    **dict.fromkeys(("builtins.frozenset", "builtins.getattr", "builtins.slice"), "object"),
    "collections.defaultdict": "mapping",
    "collections.deque": "sequence",
}


class CalledError(Exception):
    """A pickle calls what is none of `CALLED`.

    Args:
        name: Dotted, of what it calls.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class TooLongError(ValueError):
    """A pickle has more than `MOST_OPERATIONS`."""


class Blank:
    """Stands in for an object: takes all that a pickle gives it, and keeps nothing."""

    def __new__(cls, *_arguments: object) -> Any:
        return object.__new__(cls)

    def __init__(self, *arguments: object) -> None:
        """Not reached where an object is made by its `__new__`, as pickles of objects do.

        Raises:
            CalledError: There are arguments; without any, a class is asked for an empty object.
        """
        if arguments:
            raise CalledError(f"{type(self).__module__}.{type(self).__qualname__}")

    def __setstate__(self, _state: object) -> None:
        """Forget it."""


class BlankValue(Blank):
    """Stands in for a value: a path, a date, a number of NumPy, which pickles make by a call."""

    def __init__(self, *_arguments: object) -> None:
        """Nothing comes of the call."""


def stand_ins(names: Iterable[str], kinds: Mapping[str, Kind]) -> list[Any]:
    """Blanks for `torch.serialization.safe_globals`, which knows each by its own name.

    Args:
        names: Dotted, as `names_asked_for` gives them.
        kinds: What the instances of some of them have to be; the others are objects.
    """
    return [_stand_in(name, kinds) for name in names]


def names_asked_for(file: IO[bytes], pickles: int) -> set[str]:
    """The dotted names of classes and functions in a file of pickles; nothing is made of them.

    Args:
        file: At its start.
        pickles: How many to read, one after the other.

    Raises:
        TooLongError: It has more than `MOST_OPERATIONS`.
        ValueError: It holds no such pickles, or more than `MOST_NAMES` names.
    """
    found: set[str] = set()
    operations = 0
    for _ in range(pickles):
        for opcode, argument, _position in pickletools.genops(file):
            operations += 1
            if operations > MOST_OPERATIONS:
                raise TooLongError
            if opcode.name != "GLOBAL":
                continue
            module, _, name = str(argument).partition(" ")
            # Pickles of protocol 2 have the names of Python 2; torch reads them in this way too.
            if (module, name) in NAME_MAPPING:
                module, name = NAME_MAPPING[module, name]
            found.add(f"{IMPORT_MAPPING.get(module, module)}.{name}")
            if len(found) > MOST_NAMES:
                raise ValueError(f"more than {MOST_NAMES} classes and functions")
    return found


def _stand_in(name: str, kinds: Mapping[str, Kind]) -> type[Blank]:
    module, _, own = name.rpartition(".")
    kind = kinds.get(name) or CALLED.get(name, "object")
    made: dict[str, Any] = {"__module__": module, "__qualname__": own}
    # torch fills dicts and lists of exactly these types only.
    if kind == "mapping":
        made["__new__"] = lambda cls, *arguments: OrderedDict()
    elif kind == "sequence":
        made["__new__"] = lambda cls, *arguments: []
    return type(own, (BlankValue if name in CALLED else Blank,), made)
