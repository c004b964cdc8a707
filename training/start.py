"""What a run begins with: its network, its samples, its device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..cores import usable_cores
from ..errors import NetworkError, UsageError
from ..models import catalog, factory
from ..models.devices import best_device
from ..models.download import fetch
from ..models.families import SupervisedNetwork
from ..models.resolve import load, resolve
from ..specs import ModelSpec
from ..texts import first_few, first_line
from .augment import Augmentation
from .config import TrainingConfig
from .datasets import Pair, check_pairs, find_pairs, fingerprint, unused_masks
from .samples import FilePairs, GeneratedScenes, SampleSource, Stream
from .scoring import HeldOut

__all__ = [
    "Data",
    "build_network",
    "chosen_device",
    "chosen_precision",
    "chosen_workers",
    "data_of",
]


class Data(NamedTuple):
    """What a run trains and is scored on.

    Attributes:
        stream: Samples.
        held_out: To score on, possibly empty.
        fingerprint: Of the pairs on disk, those that are scored on too; empty without any.
    """

    stream: Stream
    held_out: HeldOut
    fingerprint: str


def build_network(
    config: TrainingConfig, say: Callable[[str], None]
) -> tuple[SupervisedNetwork, ModelSpec]:
    """The network with the weights that training starts from, giving logits; on the CPU.

    Random weights are PyTorch's default (He et al. 2015, uniform), of the run's seed.

    Args:
        config: Of the run.
        say: Called with what of a file was taken, where it is more than weights.

    Raises:
        NetworkError: It is no `SupervisedNetwork` of one mask.
        UsageError: The catalog has no such network.
        CheckpointError: The weights don't fit.
        DownloadError: Published weights can't be fetched.
    """
    torch.manual_seed(config.seed)
    if ":" in config.network:
        options = {"size": config.size, "output": 0}
        spec = factory.spec_from_options(factory.plain_name(config.network), options)
        found = resolve(config.network, spec)
    else:
        found = resolve(config.network, None, config.size)
    network, spec = found.module, found.spec
    if not isinstance(network, SupervisedNetwork) or network.outputs != 1:
        raise NetworkError(
            f"{config.network} doesn't give the maps of one mask that training supervises (U²-Net "
            "gives seven, IS-Net six, BASNet eight).",
            "Train u2netp, u2net, isnet or basnet, or a factory that returns a U2Net, ISNet or "
            "BASNet of maskport.models.",
        )
    if config.init in catalog.CATALOG:
        load(found, fetch(catalog.CATALOG[config.init]), config.weights_key)
    elif config.init != "random":
        taken = load(found, Path(config.init), config.weights_key).taken
        if str(taken):
            say(f"weights of {config.init}: {taken}")
    network.sigmoid = False
    return network.train(), spec


def data_of(config: TrainingConfig, spec: ModelSpec, say: Callable[[str], None]) -> Data:
    """Find and check all photos and masks.

    Args:
        config: Of the run.
        spec: Of its network, at the run's size.
        say: Called with what is being done or was found.

    Raises:
        ImageError: As `datasets.find_pairs` and `datasets.check_pairs`.
    """
    sources: list[SampleSource] = []
    pairs = _pairs(config.images, config.masks, say)
    if pairs:
        say(f"reading {len(pairs)} pairs")
        _check(pairs, say)
        sources.append(FilePairs(pairs))
    if config.scenes:
        sources.append(GeneratedScenes(config.scenes, config.size, config.seed))
    held_out = _pairs(config.val_images, config.val_masks, say)
    if held_out:
        say(f"reading {len(held_out)} pairs to score on")
        _check(held_out, say)
        if known := _photos(held_out) & _photos(pairs):
            say(
                f"{len(known)} of {len(held_out)} photos that are scored on are trained on too: "
                "the scores don't tell what others would have"
            )
    how = Augmentation(spec.image, config.crop, config.flips, config.color)
    return Data(
        Stream(sources, how, config.seed, inverted=spec.mask.inverted),
        HeldOut(held_out, config.val_scenes, spec.image),
        "+".join(fingerprint(some) for some in (pairs, held_out) if some),
    )


def chosen_device(name: str) -> str:
    """PyTorch's name of the device; ``"auto"`` is the best there is.

    Raises:
        UsageError: PyTorch has no such device here.
    """
    if name == "auto":
        return best_device()
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as exc:
        raise UsageError(
            f"PyTorch has no device {name!r} here ({first_line(exc)}).",
            f"Give --device auto, which takes {best_device()}.",
        ) from exc
    return name


def chosen_precision(name: str, device: str) -> str:
    """``"fp32"`` or ``"bf16"``; ``"auto"`` is the faster one."""
    if name == "auto":
        return "bf16" if _bfloat16_is_faster(device) else "fp32"
    return name


def chosen_workers(given: int | None) -> int:
    """Processes that load samples: as given, or one less than there are cores, up to eight."""
    if given is not None:
        return given
    return max(1, min(8, usable_cores() - 1))


def _bfloat16_is_faster(device: str) -> bool:
    """Whether a device trains faster under bfloat16 autocast, by what it says of itself.

    On CPUs that is asked for bfloat16 arithmetic: with matrix units (AMX) U²-Netp trains 2.5
    times as fast (`benchmarks/train.py`), with vector units (AVX512_BF16, an AMD EPYC) a bare step
    of twelve 160x160 squares is twice as fast; without either, bfloat16 convolutions are slower
    than float32 ones or were not measured. A trial would be as true and not always give the same
    answer, and a run that is begun twice shall be the same twice.
    """
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if not device.startswith("cpu"):
        return False
    # Older versions of PyTorch have no such question; float32 is never wrong.
    ask: Any = getattr(torch.cpu, "get_capabilities", dict)
    known = ask()
    return any(known.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


def _check(pairs: Sequence[Pair], say: Callable[[str], None]) -> None:
    if scaled := check_pairs(pairs):
        say(f"masks of another scale than their photos, which are resized: {first_few(scaled)}")
    if unused := unused_masks(pairs):
        say(f"masks of no photo, which are left out: {first_few(unused)}")


def _photos(pairs: Sequence[Pair]) -> set[Path]:
    return {pair.photo.resolve() for pair in pairs}


def _pairs(images: Sequence[str], masks: Sequence[str], say: Callable[[str], None]) -> list[Pair]:
    """Of all folders, one after the other."""

    def left_out(reason: str) -> None:
        say(f"photos that are left out: {reason}")

    folders = zip_longest(map(Path, images), map(Path, masks))
    return [pair for photos, of_them in folders for pair in find_pairs(photos, of_them, left_out)]
