"""What a bundle says of itself to people: ``README.md``, and ``model_card.md`` for a model hub.

Both are made of the manifest alone, so the same manifest gives the same bytes; the card's table of
fidelity may be that of a validation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..formats import TARGETS, Platform
from .bundle import spec_of
from .manifest import Artifact, Manifest
from .snippets import environment, snippets
from .snippets.render import plain

__all__ = ["CARD", "README", "Fidelity", "Judged", "documents"]

README, CARD = "README.md", "model_card.md"

# Licenses that Hugging Face's front matter has a name for; any other is "other", and said in words.
_HUB_LICENSES = {
    *("afl-3.0", "agpl-3.0", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "bsl-1.0", "cc0-1.0"),
    *("cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "gpl-2.0"),
    *("gpl-3.0", "isc", "lgpl-2.1", "lgpl-3.0", "mit", "mpl-2.0", "openrail", "unlicense", "wtfpl"),
}


@dataclass(frozen=True, slots=True)
class Judged:
    """What a validation found of one target; figures as reports write them."""

    target: str
    status: str
    iou: str
    worst_iou: str
    mae: str
    emulated: bool = False


@dataclass(frozen=True, slots=True)
class Fidelity:
    """A validation, for a card.

    Attributes:
        photos: How many.
        against: What files were compared with.
        targets: What was found of each.
    """

    photos: int
    against: str
    targets: Sequence[Judged]


def documents(
    manifest: Manifest, fidelity: Fidelity | None = None, platform: Platform | None = None
) -> dict[str, str]:
    """The texts by their files' names.

    Args:
        manifest: Of all that is described: a package's holds its platform's artifacts only.
        fidelity: Without it the card has what each file was let in by.
        platform: Whose package it is for, which holds the code; none for a bundle.

    Raises:
        BundleError: The manifest's specification is not one that this version reads.
    """
    first: dict[str, Artifact] = {}
    for artifact in manifest.artifacts:
        first.setdefault(artifact.format, artifact)
    if fidelity is not None:
        judged = [one for one in fidelity.targets if manifest.artifact(one.target) is not None]
        fidelity = replace(fidelity, targets=judged)
    license = plain(manifest.checkpoint.license)
    facts = {
        "manifest": manifest,
        "spec": spec_of(manifest),
        "summaries": {row.name: row.summary for row in TARGETS},
        # One target of each format.
        "code": {artifact.target: snippets(manifest, artifact) for artifact in first.values()},
        "formats": list(first),
        "hub_license": license.lower() if license.lower() in _HUB_LICENSES else "",
        "license": license,
        "fidelity": fidelity,
        "platform": platform,
    }
    templates = environment(Path(__file__).with_name("templates"))
    templates.filters |= {"cell": _cell, "share": _share}
    names = (README, CARD)
    return {name: templates.get_template(f"{name}.j2").render(facts) for name in names}


def _cell(text: str) -> str:
    """Text of a manifest in Markdown, also in a table: no markup, no link."""
    return re.sub(
        r"([\\`*_\[\]|~])", r"\\\1", plain(text).replace("&", "&amp;").replace("<", "&lt;")
    )


def _share(value: float) -> str:
    """Cut, not rounded, as reports have it: 0.99996 must not read as perfect."""
    return f"{math.floor(value * 1e4 + 1e-6) / 1e4:.4f}" if math.isfinite(value) else "–"
