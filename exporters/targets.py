"""Choosing targets by what users type."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import UsageError, did_you_mean
from ..formats import FORMATS, TARGETS, Target
from ..precisions import PRECISIONS

__all__ = ["needs_photos", "select", "target"]


def target(name: str) -> Target:
    """The target of that name.

    Raises:
        UsageError: There is none.
    """
    for row in TARGETS:
        if row.name == name:
            return row
    raise _unknown(name)


def select(names: Iterable[str], *, calibrated: bool = True) -> tuple[Target, ...]:
    """Targets by name, by format, or all of them but those `Target.opt_in`; in the table's
    order, each once.

    A name that is both, as ``executorch``, is the target's.

    Args:
        names: Of targets or formats, or ``all``.
        calibrated: There are calibration photos; without, a format's name doesn't mean those of
            its targets that need some.

    Raises:
        UsageError: A name is neither a target nor a format.
    """
    chosen: set[str] = set()
    for name in names:
        named = {row.name for row in TARGETS if row.name == name} or {
            row.name
            for row in TARGETS
            if name in {"all", row.format} and not row.opt_in
            if name == "all" or calibrated or not needs_photos(row)
        }
        if not named:
            raise _unknown(name)
        chosen |= named
    if not chosen:
        raise UsageError("No target was asked for.", "Give --targets, for example --targets all.")
    return tuple(row for row in TARGETS if row.name in chosen)


def needs_photos(row: Target) -> bool:
    """Whether it can only be made with calibration photos."""
    return PRECISIONS[row.precision].calibrated


def _unknown(name: str) -> UsageError:
    known = [row.name for row in TARGETS]
    formats = [name for name in FORMATS if name not in known]
    hint = did_you_mean(name, [*known, *formats, "all"])
    return UsageError(
        f"There is no target or format {name!r}.",
        f"{hint}Targets: {', '.join(known)}; formats: {', '.join(formats)}; or all.",
    )
