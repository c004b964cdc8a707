"""The untouched network of a bundle, loaded again: what every artifact is compared with."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ..artifacts.bundle import Bundle, load_bundle, spec_of, verify_reference
from ..artifacts.manifest import Artifact, FileEntry, Tensor
from ..errors import BundleError, UsageError, did_you_mean
from ..models import catalog
from ..models.checkpoints import Taken, load_weights
from ..models.factory import with_options
from ..models.prepared import Reference, check_output, prepare
from ..models.resolve import load, resolve
from ..models.wrappers import unwrapped
from ..specs import ModelSpec
from .options import NetworkOptions

__all__ = [
    "VIEWS",
    "Origin",
    "bundle_at",
    "load_reference",
    "network_view",
    "origin_of",
    "view_artifact",
]

# What can be timed of the network itself: as it is, and as it is exported.
VIEWS = ("pytorch", "pytorch-prepared")
# Nothing else than what the bundle holds.
OWN = NetworkOptions()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a bundle's network comes from: enough to build it again in another process.

    Attributes:
        network: A catalog name or ``package.module:factory``.
        weights: A file of weights.
        key: Which weights of it; None where it holds one set.
    """

    network: str
    weights: Path
    key: str | None = None


def origin_of(bundle: Bundle, given: NetworkOptions = OWN) -> Origin:
    """Find a bundle's network and weights.

    A manifest is a file from anywhere, so a factory that it names is not imported: only the
    catalog's names are taken from it, any other network has to be named by the user.

    Args:
        bundle: The bundle; its own ``reference.safetensors`` are the weights by default.
        given: What is taken instead; its network is a name.

    Raises:
        UsageError: The network has to be named, or the weights be given.
        BundleError: The bundle's own weights are missing or changed.
    """
    network, named = given.network, bundle.manifest.network.factory
    if isinstance(network, nn.Module):
        raise TypeError("Another process can't build a network that was given itself.")
    if network is None and named not in catalog.CATALOG:
        raise UsageError(
            f"{bundle.path} holds {named}, which is not of the catalog; its code is not run just "
            "because a manifest names it.",
            "Name it yourself: --network "
            f"{shlex.quote(named) if ':' in named else 'package.module:factory'}",
        )
    chosen = network or named
    if ":" not in chosen and chosen not in catalog.CATALOG:
        hint = did_you_mean(chosen, catalog.CATALOG).rstrip()
        raise UsageError(
            f"There is no network {chosen!r} in the catalog.",
            hint or "See maskport catalog, or give a factory.",
        )
    if given.weights is not None:
        return Origin(chosen, given.weights, given.weights_key)
    return Origin(chosen, _own_weights(bundle))


def bundle_at(bundle: Bundle, size: int | str | tuple[int, int] | None) -> Bundle:
    """A bundle, as it is used at a size: a side, (height, width), or None for its own.

    Raises:
        BundleError: Its specification is not one that this version reads.
        InputError: That is no size, or no file of it takes that.
    """
    if size is None:
        return bundle
    image = with_options(spec_of(bundle.manifest), {"size": size}, where="the size").image
    return bundle.at_size(image.height, image.width)


def load_reference(
    bundle: Bundle, given: NetworkOptions = OWN, note: Callable[[str], object] = lambda text: None
) -> Reference:
    """The untouched network with the untouched weights, on the CPU.

    Args:
        bundle: What it was exported to.
        given: What is taken instead of the bundle's own; a network that is given itself has its
            weights in it.
        note: Called with what of the file was taken, where it is more than weights.

    Raises:
        InputError: The network or its weights can't be had, don't fit each other, or don't
            draw masks of the bundle's specification.
    """
    spec, network, weights = spec_of(bundle.manifest), given.network, given.weights
    if given.weights_key is not None and weights is None:
        raise UsageError(
            f"There is no file of weights to take {given.weights_key!r} from.",
            "Give it as well: --weights FILE.",
        )
    if isinstance(network, nn.Module):
        module = unwrapped(network, f"the {type(network).__qualname__}")
        taken = Taken() if weights is None else load_weights(module, weights, given.weights_key)
    else:
        module, taken = _built(origin_of(bundle, given), spec)
    if str(taken):
        note(f"Weights of {weights}: {taken}")
    reference = Reference(module.eval(), spec)
    check_output(reference, spec)
    return reference


def network_view(
    bundle: str, size: str, network: str, weights: str, weights_key: str, view: str
) -> nn.Module:
    """The network as a module from (1, 3, H, W) in [0, 1] to its mask; called in a child process.

    Args:
        bundle: The bundle's folder.
        size: At which; height x width.
        network: As in `Origin`.
        weights: Likewise.
        weights_key: Likewise; empty where the file holds one set.
        view: One of `VIEWS`.
    """
    spec = spec_of(bundle_at(load_bundle(bundle), size).manifest)
    module, _ = _built(Origin(network, Path(weights), weights_key or None), spec)
    if view == "pytorch":
        return Reference(module, spec)
    return prepare(module, spec)


def view_artifact(view: str, spec: ModelSpec) -> Artifact:
    """What the manifest would say of the network itself, were it a file."""
    size = [spec.image.height, spec.image.width]

    def tensor(name: str, channels: int) -> Tensor:
        return Tensor(name=name, shape=[1, channels, *size], dtype="float32", layout="NCHW")

    nothing = FileEntry(path="reference", bytes=0, sha256="0" * 64)
    return Artifact(
        target=view,
        path=nothing.path,
        format="pytorch",
        precision="fp32",
        bytes=nothing.bytes,
        sha256=nothing.sha256,
        files=[nothing],
        inputs=[tensor("image", 3)],
        outputs=[tensor("mask", spec.mask.channels)],
    )


def _built(origin: Origin, spec: ModelSpec) -> tuple[nn.Module, Taken]:
    found = resolve(origin.network, spec)
    return found.module, load(found, origin.weights, origin.key).taken


def _own_weights(bundle: Bundle) -> Path:
    entry = bundle.manifest.reference
    if entry is None:
        raise UsageError(
            f"{bundle.path} holds no weights of its network, so there is nothing to compare with.",
            "Give the checkpoint that it was exported from: --weights FILE; or export it again.",
        )
    differences = verify_reference(bundle)
    if differences:
        raise BundleError(
            f"The weights to compare with are not what the manifest says: {differences[0]}.",
            "Give the checkpoint: --weights FILE; or export the bundle again.",
        )
    return bundle.path / entry.path
