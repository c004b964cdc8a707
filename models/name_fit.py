"""Where in a checkpoint a network's own names stand, whatever stands before them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from .saved_parts import Leaf, cuts

__all__ = ["Names", "fitting_prefixes", "names_of", "tensors_of", "votes_of"]


@dataclass(frozen=True, slots=True)
class Names:
    """A network's names as its checkpoint may have them.

    Attributes:
        wrapping: What stands before all of them in the network, and is left out here.
        tensors: All of them.
        trained: Those of parameters.
    """

    wrapping: str
    tensors: Mapping[str, Tensor]
    trained: Sequence[str]


def names_of(network: nn.Module) -> Iterator[Names]:
    """As they are; then without the modules that a factory wrapped the trained network in."""
    tensors = tensors_of(network)
    # A network may leave some of its parameters out of what it saves.
    own = (name for name, _ in network.named_parameters(remove_duplicate=False))
    trained = [name for name in own if name in tensors] or list(tensors)
    wrapping = ""
    while True:
        yield Names(wrapping, tensors, trained)
        module = f"{next(iter(tensors), '').partition('.')[0]}."
        if not tensors or not all(name.startswith(module) for name in tensors):
            return
        wrapping += module
        tensors = {name.removeprefix(module): tensor for name, tensor in tensors.items()}
        trained = [name.removeprefix(module) for name in trained]


def fitting_prefixes(named: Mapping[str, Leaf], names: Names) -> list[str]:
    """The prefixes behind which all parameters stand, in their shapes."""
    votes = votes_of(named, names.tensors)
    return [
        prefix
        for prefix, count in votes.items()
        if count >= len(names.trained) and _covers(named, prefix, names.trained, names.tensors)
    ]


def votes_of(named: Iterable[str], wanted: Mapping[str, Tensor]) -> Counter[str]:
    """How many of a network's names stand behind each prefix."""
    found: Counter[str] = Counter()
    for name in named:
        found.update(name[:cut] for cut in (0, *cuts(name)) if name[cut:] in wanted)
    return found


def tensors_of(network: nn.Module) -> dict[str, Tensor]:
    """A network's parameters and buffers by name."""
    return {n: t for n, t in network.state_dict().items() if isinstance(t, Tensor)}


def _covers(
    named: Mapping[str, Leaf], prefix: str, names: Iterable[str], wanted: Mapping[str, Tensor]
) -> bool:
    """Whether all of these names stand behind a prefix, in their shapes."""
    leaves = ((named.get(prefix + name), wanted[name]) for name in names)
    return all(leaf is not None and leaf.value.shape == own.shape for leaf, own in leaves)
