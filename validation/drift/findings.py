"""What was found in an artifact: each module's errors, and which of them pass the tolerance."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...outputs import write_whole
from .locate import Located
from .rows import Unmatched

__all__ = ["Drift", "ModuleDrift", "check_json", "write_json"]


@dataclass(frozen=True, slots=True)
class ModuleDrift:
    """One module: its artifact's tensor against the reference's, over all photos.

    Attributes:
        name: The module.
        tensor: The tensor in the file.
        shape: (1, C, H, W), or of fewer dimensions.
        weights: Modules with weights between this one's inputs and its output.
        reference: ``network``: the untouched network's module; ``exported view``: the view's,
            where the exporter rewrote it and the network has no module that computes the same.
        relative: RMSE / RMS of the reference: the drift up to here.
        own: The same against what the reference's module makes of the *artifact's* inputs: what
            this module adds.
        mae: Mean absolute drift, in the module's own units.
        max_error: Largest absolute drift.
        cosine: Of artifact and reference.
        own_mae: Mean absolute own error.
        not_finite: Values that are no numbers; above 0 the errors are infinite.
    """

    name: str
    tensor: str
    shape: tuple[int, ...]
    weights: tuple[str, ...]
    reference: str
    relative: float
    own: float
    mae: float
    max_error: float
    cosine: float
    own_mae: float
    not_finite: int


@dataclass(frozen=True, slots=True)
class Drift:
    """What was found in one artifact.

    Attributes:
        target: The artifact.
        photos: How many it was run on.
        tolerance: Of a module's own error.
        device: Where the reference ran.
        modules: In execution order.
        unmatched: Modules that could not be compared.
    """

    target: str
    photos: int
    tolerance: float
    device: str
    modules: tuple[ModuleDrift, ...]
    unmatched: tuple[Unmatched, ...]

    @property
    def past(self) -> list[ModuleDrift]:
        """The modules whose own error passes the tolerance, in execution order."""
        return [m for m in self.modules if not m.own <= self.tolerance]

    @property
    def first(self) -> ModuleDrift | None:
        """The first of them."""
        return next(iter(self.past), None)

    @property
    def worst(self) -> ModuleDrift:
        """The module with the largest own error."""
        return max(self.modules, key=lambda m: m.own)

    @property
    def furthest(self) -> ModuleDrift:
        """The module where what has added up is largest."""
        return max(self.modules, key=lambda m: m.relative)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; an infinite error is None there."""
        return {
            "target": self.target,
            "photos": self.photos,
            "tolerance": self.tolerance,
            "reference_device": self.device,
            "first_past_tolerance": self.first.name if self.first else None,
            "worst": self.worst.name,
            "furthest": self.furthest.name,
            "modules": [_plain(module) for module in self.modules],
            "unmatched": [{"name": u.name, "reason": u.reason} for u in self.unmatched],
        }


def check_json(path: Path) -> None:
    """Refuse a file that could not be written, before the work.

    Raises:
        UsageError: Its folder does not exist, or it is a folder itself.
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"{path} can't be written.", "Name a file in a folder that exists.")


def write_json(located: Located, drift: Drift, path: Path) -> None:
    """Everything that was found; docs/drift.md names the fields.

    Raises:
        InputError: The file can't be written.
    """
    artifact = located.artifact
    content = {
        "schema_version": 1,
        "artifact": located.path.name,
        "format": artifact.format,
        "precision": artifact.precision,
        "sha256": artifact.sha256,
        "changed": located.changed,
        **drift.to_dict(),
    }
    write_whole(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def _plain(module: ModuleDrift) -> dict[str, Any]:
    values = {name: getattr(module, name) for name in ModuleDrift.__slots__}
    return {
        name: None if isinstance(v, float) and not math.isfinite(v) else v
        for name, v in values.items()
    }
