"""Every error that maskport raises on purpose.

    MaskportError                  exit code 2 unless a subclass says otherwise
    ├── InputError            2    what the user gave is wrong
    │   ├── UsageError        2    an option, or options that don't go together
    │   ├── SpecError         2    an image or mask specification
    │   ├── CheckpointError   2    a weights file
    │   ├── NetworkError      2    a user's own network, or what it returned
    │   ├── ImageError        2    a photo, or a folder of photos
    │   ├── BundleError       2    a folder that is not a readable bundle
    │   └── ArtifactError     2    a file that is not a readable artifact
    │       └── ChangedError       a file that is not the one of its manifest
    ├── BudgetError           1    an export for which no recipe holds what masks must hold
    ├── SignatureError        1    a bundle without the signature that was asked for
    └── ToolError             3    something we rely on is missing or broke
        ├── MissingToolError  3    an SDK is not installed
        ├── DownloadError     3    a file could not be fetched, or is not the one asked for
        ├── ExportError       3    a converter failed
        └── RunnerError       3    a runtime could not load or run an artifact
            ├── NotCoveredError    our emulation of a runtime lacks an operation
            └── LostError          the process that ran an artifact had to be given up

Each carries three sentences' worth: what was wrong, why, and what to do about it.
A missed tolerance is a result and never one of these, but for an export that finds no recipe for a
budget: there is no file then to hold against it. A bundle whose signature doesn't hold isn't used.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Literal

__all__ = [
    "ArtifactError",
    "BudgetError",
    "BundleError",
    "ChangedError",
    "CheckpointError",
    "DownloadError",
    "ExportError",
    "ImageError",
    "InputError",
    "LostError",
    "MaskportError",
    "MissingToolError",
    "NetworkError",
    "NotCoveredError",
    "RunnerError",
    "SignatureError",
    "SpecError",
    "ToolError",
    "UsageError",
    "did_you_mean",
]


class MaskportError(Exception):
    """Base of all errors that maskport raises on purpose.

    Args:
        what: The thing that is wrong, named, and the reason.
        remedy: What the user can do; printed on a line of its own.
    """

    exit_code = 2

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.what = _readable(what)
        self.remedy = _readable(remedy)

    def __str__(self) -> str:
        return f"{self.what}\n{self.remedy}" if self.remedy else self.what


# What a file says may stand in an error, and be of any length.
_LONGEST = 4000


def _readable(text: str) -> str:
    """A text with its beginning and its end, and how much is between."""
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return f"{text[:half]} … ({len(text) - _LONGEST:,} characters) … {text[-half:]}"


class InputError(MaskportError):
    """What the user gave can't be used."""


class UsageError(InputError):
    """An option is wrong, or options don't go together."""


class SpecError(InputError):
    """An image or mask specification makes no sense."""


class CheckpointError(InputError):
    """A weights file can't be read, or doesn't fit its network."""


class NetworkError(InputError):
    """A user's network can't be made, or doesn't return what its specification says."""


class ImageError(InputError):
    """A photo, or a folder of photos, can't be read."""


class BundleError(InputError):
    """A folder is not a bundle, or not one that this version reads."""


class ArtifactError(InputError):
    """A file from anywhere is not one of its format, or reading it takes more than it may."""


class ChangedError(ArtifactError):
    """A file is not the one that its manifest describes, and isn't run unless that is asked for."""


class BudgetError(MaskportError):
    """No recipe was found whose masks hold a budget."""

    exit_code = 1


class SignatureError(MaskportError):
    """A bundle has no signature, another one than was asked for, or one that doesn't hold."""

    exit_code = 1


class ToolError(MaskportError):
    """Something that maskport relies on is missing or broke."""

    exit_code = 3


class MissingToolError(ToolError):
    """An SDK is not installed.

    Args:
        package: The distribution that is missing.
        extra: The extra of maskport that installs it.
        purpose: What it is needed for.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed.",
            f"Install it: pip install 'maskport[{extra}]'",
        )
        self.package = package
        self.extra = extra


class DownloadError(ToolError):
    """A file could not be fetched, or what came is not the file asked for."""


class ExportError(ToolError):
    """A converter failed on this network."""


class RunnerError(ToolError):
    """A runtime could not load or run an artifact."""


class NotCoveredError(RunnerError):
    """Our emulation of a runtime lacks an operation; the file may well be right."""


class LostError(RunnerError):
    """The process that ran an artifact crashed, hung, took too much memory, or sent nonsense.

    Args:
        kind: ``crashed``, ``timed-out``, ``out-of-memory`` or, for nonsense, ``broken``.
        what: As for every error.
        remedy: Likewise.
    """

    def __init__(
        self,
        kind: Literal["crashed", "timed-out", "out-of-memory", "broken"],
        what: str,
        remedy: str,
    ) -> None:
        super().__init__(what, remedy)
        self.kind = kind


def did_you_mean(name: str, known: Iterable[str], most: int = 1) -> str:
    """A hint for a remedy: ``"Did you mean onnx-fp16? "``, or nothing where no name is near.

    Args:
        name: What the user gave.
        known: What there is. Of dotted paths, those that end in ``.name`` are nearest.
        most: So many of them are named.
    """
    known = sorted(known)
    ending = [path for path in known if path.endswith(f".{name}")]
    near = ending[:most] or difflib.get_close_matches(name, known, most)
    return f"Did you mean {' or '.join(near)}? " if near else ""
