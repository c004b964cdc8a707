"""What an exporter is given, and what it gives back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..artifacts.manifest import Quantization, Tensor
from ..artifacts.metadata.card import Card
from ..formats import Target
from ..quantization.recipe import Recipe, read_recipe
from ..specs import ModelSpec
from .keeper import Keeper
from .options import CoreMLOutput, Options, Size
from .targets import needs_photos

__all__ = ["NO_CARD", "Card", "CoreMLOutput", "Exported", "Options", "Run", "Size"]

NO_CARD = Card("", "", "", "", "")


@dataclass(frozen=True, slots=True)
class Exported:
    """How the file that an exporter wrote is used; ``sizes`` are (height, width) of others that it
    takes beside its tensors' own."""

    inputs: list[Tensor]
    outputs: list[Tensor]
    quantization: Quantization | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    sizes: tuple[Size, ...] = ()


def _silent(_text: str, _done: int = 0, _total: int = 0) -> None:
    """A step that nobody watches."""


@dataclass(frozen=True)
class Run:
    """One export run, as its exporters see it.

    Everything that several targets start from is a file in ``scratch``, so that any process
    of the run can read it and none is made twice.

    Attributes:
        scratch: Folder of the run, removed at its end.
        spec: The network's specification.
        card: Texts to embed.
        options: Choices that change what is inside the files.
        step: Tells the user what is being done, and how far it is.
        calibrates: Its exporter may look at the calibration photos.
        keeper: What is taken from the cache and put there; None without.
    """

    scratch: Path
    spec: ModelSpec
    card: Card
    options: Options = field(default_factory=Options)
    step: Callable[..., None] = _silent
    calibrates: bool = True
    keeper: Keeper | None = None

    @property
    def onnx(self) -> Path:
        """The float32 ONNX model, as torch gives it."""
        return self.scratch / "model.onnx"

    @property
    def trace(self) -> Path:
        """The prepared view, traced: plain TorchScript."""
        return self.scratch / "trace.pt"

    @property
    def program(self) -> Path:
        """The prepared view as a torch.export program."""
        return self.scratch / "program.pt2"

    @property
    def saved_model(self) -> Path:
        """The TensorFlow model that every TFLite precision is converted from."""
        return self.scratch / "saved_model"

    @property
    def probes(self) -> Path:
        """Photos that tell a trace from the network, see `probes.Probes`."""
        return self.scratch / "probes.npz"

    @property
    def recipe(self) -> Path:
        """What its network is quantised by, as TOML; only in a recipe's own run."""
        return self.scratch / "recipe.toml"

    def of_target(self, row: Target) -> Run:
        """The same run as the exporter of a target sees it: nothing that its files don't depend on,
        so that what they are kept by in the cache is all that they depend on."""
        return replace(
            self.of_recipe(row.recipe) if row.recipe else self,
            card=self.card if row.shared.card else NO_CARD,
            options=self.options.of(row.format),
            calibrates=needs_photos(row),
        )

    def of_recipe(self, name: str) -> Run:
        """The same run for a quantised network: its program has the quantiser's scales."""
        return replace(self, scratch=self.scratch / f"recipe-{name}")

    @cached_property
    def recipe_used(self) -> Recipe:
        """The recipe of a recipe's own run."""
        return read_recipe(self.recipe)

    def quantization(self, activations: str) -> Quantization:
        """For the manifest: how a recipe's own run stores weights, and ``activations``."""
        recipe = self.recipe_used
        parts = f"; float in {', '.join(recipe.float_modules)}" if recipe.float_modules else ""
        return Quantization(
            weights=f"int8, symmetric, per output channel{parts}",
            activations=activations + parts,
            recipe=recipe.name,
            recipe_sha256=recipe.digest,
        )

    @cached_property
    def calibration(self) -> NDArray[np.uint8]:
        """Calibration photos, (N, 3, H, W) RGB bytes at the network's size; maybe none."""
        path = self.scratch / "calibration.npy"
        shape = (0, 3, self.spec.image.height, self.spec.image.width)
        there = self.calibrates and path.exists()
        return np.load(path, mmap_mode="r") if there else np.zeros(shape, np.uint8)

    @property
    def image_shape(self) -> tuple[int, int, int, int]:
        """(1, 3, H, W)."""
        return (1, 3, self.spec.image.height, self.spec.image.width)

    @property
    def mask_shape(self) -> tuple[int, int, int, int]:
        """(1, C, H, W)."""
        image = self.spec.image
        return (1, self.spec.mask.channels, image.height, image.width)

    def float_tensors(self, layout: Literal["NCHW", "NHWC"]) -> tuple[list[Tensor], list[Tensor]]:
        """The image and the mask as float tensors of the contract."""

        def describe(name: str, shape: tuple[int, int, int, int]) -> list[Tensor]:
            n, c, h, w = shape
            sizes = [n, c, h, w] if layout == "NCHW" else [n, h, w, c]
            return [Tensor(name=name, shape=sizes, dtype="float32", layout=layout)]

        return describe("image", self.image_shape), describe("mask", self.mask_shape)

    def save(self, path: Path) -> None:
        """Write what another process needs to see the same run."""
        plan = {
            "spec": self.spec.to_dict(),
            "card": asdict(self.card),
            "options": asdict(self.options),
        }
        path.write_text(json.dumps(plan), encoding="utf-8")

    @classmethod
    def load(cls, path: Path, step: Callable[..., None]) -> Run:
        """The inverse of `save`."""
        plan = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            scratch=path.parent,
            spec=ModelSpec.from_dict(plan["spec"]),
            card=Card(**plan["card"]),
            options=Options(**plan["options"] | {"coreml_sizes": _pairs(plan)}),
            step=step,
        )


def _pairs(plan: dict[str, Any]) -> tuple[Size, ...]:
    """JSON has no tuples."""
    return tuple((height, width) for height, width in plan["options"]["coreml_sizes"])
