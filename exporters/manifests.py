"""Writing up a bundle: its manifest, the recipes of its files, and what it says to people."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..artifacts.bundle import describe_files
from ..artifacts.documents import documents
from ..artifacts.manifest import (
    SCHEMA_VERSION,
    Artifact,
    Checkpoint,
    FileEntry,
    Manifest,
    Network,
)
from ..artifacts.processor import this_processor
from ..quantization.recipe import Recipe, write_recipe
from ..specs import ModelSpec

__all__ = ["NetworkFacts", "keep_recipes", "manifest_of", "with_documents"]


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """The network that a bundle's files draw, for its manifest.

    Attributes:
        network: What it is.
        checkpoint: Its weights.
        spec: How it is used, at the size of the files.
        weights: The file of its untouched weights.
        device: Where it drew what files are compared with.
        torch: The version of PyTorch.
    """

    network: Network
    checkpoint: Checkpoint
    spec: ModelSpec
    weights: FileEntry
    device: str
    torch: str


def manifest_of(
    drawn: NetworkFacts, artifacts: Sequence[Artifact], tools: Mapping[str, str], **more: Any
) -> Manifest:
    """A bundle's manifest, made on this machine.

    Args:
        drawn: What its files draw.
        artifacts: In their order.
        tools: Versions of what made them, beyond torch.
        more: Other fields.
    """
    return Manifest(
        schema_version=SCHEMA_VERSION,
        network=drawn.network,
        checkpoint=drawn.checkpoint,
        spec=drawn.spec.to_dict(),
        reference_device=drawn.device,
        processor=this_processor(),
        reference=drawn.weights,
        artifacts=list(artifacts),
        tools={
            "maskport": importlib.metadata.version("maskport"),
            "python": platform.python_version(),
            "torch": drawn.torch,
            **dict(sorted(tools.items())),
        },
        **more,
    )


def keep_recipes(used: Iterable[Recipe], folder: Path) -> list[FileEntry]:
    """Write what files were quantised by, as `--recipe` takes it; one file a recipe."""
    recipes = {recipe.digest: recipe for recipe in used}
    kept = []
    for digest, recipe in recipes.items():
        same_name = sum(other.name == recipe.name for other in recipes.values()) > 1
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", recipe.name) + f"-{digest[:8]}" * same_name
        file = folder / f"recipe-{plain}.toml"
        write_recipe(recipe, file)
        kept += describe_files(file, folder)[0]
    return kept


def with_documents(manifest: Manifest, folder: Path) -> Manifest:
    """The manifest with what it says to people, which is written."""
    entries = []
    for name, text in documents(manifest).items():
        (folder / name).write_text(text, encoding="utf-8")
        entries += describe_files(folder / name, folder)[0]
    return manifest.model_copy(update={"documents": entries})
