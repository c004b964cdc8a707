"""A run in plain values: what the command line says, what `config.json` keeps."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from ..errors import UsageError
from ..outside.files import CONFIG, read_bytes
from .losses import LOSSES

__all__ = ["CHANGEABLE", "TrainingConfig", "read_config", "resumed"]

CHANGEABLE = (
    *("device", "epochs", "every", "steps", "threads", "workers"),
    *("images", "masks", "val_images", "val_masks"),
)
"""What may be another when a run goes on: nothing but rounding depends on it. Folders may have
moved; the photos in them are held against those that the run began with."""


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Everything that decides what a run computes, and where.

    Attributes:
        network: Name of the catalog, or ``package.module:factory`` that gives a
            `SupervisedNetwork`.
        images: Folders of photos, or of published data sets; none for scenes alone.
        masks: Folders of masks, one for each of ``images``, or none.
        val_images: As ``images``, to score on.
        val_masks: As ``masks``, to score on.
        scenes: Generated scenes an epoch.
        val_scenes: Generated scenes to score on, of seeds 0, 1, …
        size: Side that photos are resized to.
        crop: Side of the random crop that is trained on.
        flips: `Augmentation.flips`.
        color: `Augmentation.color`.
        batch: Samples of a step, over all processes.
        epochs: Length of the run; or ``steps``, not both.
        steps: Likewise.
        every: Steps between scorings; an epoch where None.
        seed: Of weights, order and augmentation.
        init: ``"random"``, a name of the catalog, or a weights file.
        weights_key: Which weights of that file, where it holds several sets.
        loss: A name of `losses.LOSSES`.
        optimizer: ``"adam"`` as the authors set it, or ``"adamw"``.
        learning_rate: At the start.
        weight_decay: Of AdamW.
        schedule: ``"cosine"`` falls to 0 over the run (Loshchilov and Hutter, ICLR 2017,
            without restarts).
        warmup: Steps over which the learning rate rises from 0.
        precision: ``"auto"`` takes bfloat16 where it is faster; kept as what it chose.
        device: ``"auto"``, or PyTorch's name of one.
        threads: Of PyTorch on the CPU; as many as cores where None.
        workers: Processes that load samples; one less than there are cores where None.
    """

    network: str
    images: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    val_images: tuple[str, ...] = ()
    val_masks: tuple[str, ...] = ()
    scenes: int = 0
    val_scenes: int = 0
    size: int = 320
    crop: int = 288
    flips: Literal["none", "horizontal", "both"] = "horizontal"
    color: float = 0.5
    batch: int = 12
    epochs: float | None = None
    steps: int | None = None
    every: int | None = None
    seed: int = 0
    init: str = "random"
    weights_key: str | None = None
    loss: str = "bce"
    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: int = 0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = "auto"
    threads: int | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if not self.images and not self.scenes:
            raise UsageError(
                "There is nothing to train on.", "Give --images and --masks, or --scenes N."
            )
        for option, images, masks in (
            ("", self.images, self.masks),
            ("val-", self.val_images, self.val_masks),
        ):
            if masks and len(masks) != len(images):
                raise UsageError(
                    f"There are {len(images)} --{option}images and {len(masks)} --{option}masks.",
                    "Give one folder of masks for each folder of photos, in the same order.",
                )
        if (self.epochs is None) == (self.steps is None):
            raise UsageError(
                "The run's length is given " + ("twice." if self.steps else "nowhere."),
                "Give --epochs or --steps.",
            )
        if not 1 <= self.crop <= self.size:
            raise UsageError(
                f"A crop of {self.crop} does not fit into photos of {self.size}.",
                "Give a --crop of at most --size.",
            )
        if self.weights_key is not None and self.init == "random":
            raise UsageError(
                f"There is no file of weights to take {self.weights_key!r} from.",
                "Give it as well: --init FILE.",
            )
        if self.loss not in LOSSES:
            raise UsageError(
                f"There is no loss {self.loss!r}.", f"Give one of {', '.join(LOSSES)}."
            )

    def to_json(self) -> str:
        """For `config.json`."""
        return json.dumps(asdict(self), indent=2) + "\n"


def read_config(file: Path) -> TrainingConfig:
    """What `TrainingConfig.to_json` wrote.

    Raises:
        UsageError: It can't be read, or is none of this version.
    """
    try:
        values = json.loads(read_bytes(file, CONFIG, error=UsageError))
    except FileNotFoundError as exc:
        raise UsageError(
            f"{file.parent} holds no run to go on with: there is no {file.name}.",
            "Start one without --resume.",
        ) from exc
    except (OSError, ValueError, RecursionError) as exc:
        raise UsageError(f"{file} can't be read: {exc}.", "Start the run anew.") from exc
    known = {field.name for field in fields(TrainingConfig)}
    if not isinstance(values, dict) or not values.keys() <= known or "network" not in values:
        raise UsageError(f"{file} is no configuration of this version.", "Start the run anew.")
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return TrainingConfig(**{**values, **lists})


def resumed(kept: TrainingConfig, given: dict[str, Any]) -> TrainingConfig:
    """The configuration to go on with.

    Args:
        kept: Of the run.
        given: What the user says again, by field.

    Raises:
        UsageError: Something is given that is another in the run and decides its results.
    """
    differing = [
        f"{name}: {getattr(kept, name)} in the run, {value} now"
        for name, value in given.items()
        if name not in CHANGEABLE
        and value != getattr(kept, name)
        # What is kept is what "auto" chose.
        and (name, value) != ("precision", "auto")
    ]
    longer = any(name in given and given[name] != getattr(kept, name) for name in LENGTH)
    if longer and kept.schedule != "constant":
        differing.append(f"the length of a run whose learning rate falls with it ({kept.schedule})")
    if differing:
        raise UsageError(
            "A run goes on as it began. These differ:\n  " + "\n  ".join(differing),
            "Leave them out, or start another run with another --out.",
        )
    if given.keys() & set(LENGTH):
        given = {"epochs": None, "steps": None, **given}
    return replace(kept, **{name: value for name, value in given.items() if name in CHANGEABLE})


LENGTH = ("epochs", "steps")
