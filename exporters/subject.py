"""What the files of a bundle draw: the untouched network, and all that a manifest says of it."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..artifacts.bundle import REFERENCE, describe_files
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
from ..errors import NetworkError
from ..models.checksums import digest_of, sha256_of
from ..models.devices import best_device
from ..models.prepared import Reference, check_output, count_macs
from ..models.resolve import Resolved, Weights
from ..specs import ModelSpec
from ..texts import shown
from .failures import reason_of

__all__ = ["Subject", "keep_weights", "manifest_of", "subject_of", "with_documents"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A network with its weights.

    Attributes:
        reference: The untouched network.
        spec: Its specification, at the size of the files.
        network: For the manifest.
        checkpoint: Likewise.
    """

    reference: Reference
    spec: ModelSpec
    network: Network
    checkpoint: Checkpoint


def subject_of(found: Resolved, weights: Weights, source: str, license: str) -> Subject:
    """A network that was resolved, its weights in it; the user's word before what is known.

    Raises:
        NetworkError: It doesn't give what its specification says.
    """
    taken = weights.taken
    checkpoint = Checkpoint(
        file=shown(weights.file),
        sha256=sha256_of(weights.path) if weights.path else digest_of(found.module),
        source=source or weights.source,
        license=license or weights.license,
        key=taken.key,
        prefix=taken.prefix,
        ignored=list(taken.ignored),
        notes=list(taken.notes),
    )
    reference = Reference(found.module, found.spec)
    check_output(reference, found.spec)
    network = Network(
        name=found.spec.name,
        factory=found.factory,
        parameters=sum(p.numel() for p in found.module.parameters()),
        macs=count_macs(reference, found.spec.image),
    )
    return Subject(reference, found.spec, network, checkpoint)


def keep_weights(subject: Subject, folder: Path) -> FileEntry:
    """The untouched network's weights, so that the bundle can be compared with it anywhere."""
    from safetensors.torch import save

    file = folder / REFERENCE
    try:
        # Copies, because the format refuses tensors that share their memory.
        state = {
            name: tensor.detach().cpu().clone().contiguous()
            for name, tensor in subject.reference.network.state_dict().items()
            if isinstance(tensor, torch.Tensor)
        }
        data = save(state)
    except Exception as exc:  # sparse tensors, for one
        raise NetworkError(
            f"The weights of {subject.spec.name} can't be kept: {reason_of(exc)}",
            "Store plain tensors in it: .to_dense(), .resolve_conj(), a type that safetensors has.",
        ) from exc
    file.write_bytes(data)
    entries, _, _ = describe_files(file, folder)
    return entries[0]


def manifest_of(
    subject: Subject,
    weights: FileEntry,
    artifacts: Sequence[Artifact],
    tools: Mapping[str, str],
    **more: Any,
) -> Manifest:
    """A bundle's manifest, made on this machine.

    Args:
        subject: What its files draw.
        weights: Of `keep_weights`.
        artifacts: In their order.
        tools: Versions of what made them, beyond torch.
        more: Other fields.
    """
    return Manifest(
        schema_version=SCHEMA_VERSION,
        network=subject.network,
        checkpoint=subject.checkpoint,
        spec=subject.spec.to_dict(),
        reference_device=best_device(),
        processor=this_processor(),
        reference=weights,
        artifacts=list(artifacts),
        tools={
            "maskport": importlib.metadata.version("maskport"),
            "python": platform.python_version(),
            "torch": torch.__version__,
            **dict(sorted(tools.items())),
        },
        **more,
    )


def with_documents(manifest: Manifest, folder: Path) -> Manifest:
    """The manifest with what it says to people, which is written."""
    entries = []
    for name, text in documents(manifest).items():
        (folder / name).write_text(text, encoding="utf-8")
        entries += describe_files(folder / name, folder)[0]
    return manifest.model_copy(update={"documents": entries})
