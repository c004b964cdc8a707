"""What the files of a bundle draw: the untouched network, and all that a manifest says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ..artifacts.bundle import REFERENCE, describe_files
from ..artifacts.manifest import Checkpoint, FileEntry, Network
from ..errors import NetworkError
from ..models.checksums import digest_of, sha256_of
from ..models.devices import best_device
from ..models.prepared import Reference, check_output, count_macs
from ..models.resolve import Resolved, Weights
from ..specs import ModelSpec
from ..texts import shown
from .failures import reason_of
from .manifests import NetworkFacts

__all__ = ["Subject", "drawn_by", "keep_weights", "subject_of"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A network with its weights.

    Attributes:
        reference: The untouched network.
        spec: Its specification, at the size of the files.
        network: For the manifest.
        checkpoint: Likewise.
        said: What of the file was taken, for people; empty where it was all.
    """

    reference: Reference
    spec: ModelSpec
    network: Network
    checkpoint: Checkpoint
    said: str = ""


def subject_of(found: Resolved, weights: Weights, source: str, license: str) -> Subject:
    """A network that was resolved, its weights in it; the user's word before what is known.

    Raises:
        NetworkError: It doesn't give what its specification says.
    """
    taken, origin = weights.taken, weights.origin
    checkpoint = Checkpoint(
        file=shown(origin.file),
        sha256=sha256_of(origin.path) if origin.path else digest_of(found.module),
        source=source or origin.source,
        license=license or origin.license,
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
    return Subject(reference, found.spec, network, checkpoint, str(taken))


def drawn_by(subject: Subject, weights: FileEntry) -> NetworkFacts:
    """For a bundle's manifest.

    Args:
        subject: What its files draw.
        weights: Of `keep_weights`.
    """
    return NetworkFacts(
        subject.network,
        subject.checkpoint,
        subject.spec,
        weights,
        best_device(),
        torch.__version__,
    )


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
