"""The zoo: small networks of the structures that people have, one row each.

Each is built without arguments, so that what holds for a row is what a user gets by

    maskport export tests.zoo.networks.classic:unet --size 96 --activation sigmoid
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from maskport.models.factory import spec_from_options
from maskport.specs import ModelSpec

__all__ = ["ZOO", "Row", "row_of"]

HERE = "tests.zoo.networks"


@dataclass(frozen=True)
class Row:
    """A network of the zoo.

    Attributes:
        name: Of the row; also of the specification.
        factory: ``"module:factory"`` below ``tests.zoo.networks``.
        structure: What it has that others lack, for the table of the docs.
        options: As `maskport.models.factory` takes them.
        loss: What it is trained by: each pixel's mask, each pixel's class, or the distance to the
            mask.
        quick: It is in the half that every test run exports.
    """

    name: str
    factory: str
    structure: str
    options: Mapping[str, Any] = field(default_factory=dict)
    loss: Literal["mask", "classes", "distance"] = "mask"
    quick: bool = False

    @property
    def reference(self) -> str:
        """The factory as the command line takes it, from the repository's root."""
        return f"{HERE}.{self.factory}"

    @property
    def spec(self) -> ModelSpec:
        """Size, activation and all else that an export has to be told."""
        chosen = {"size": 96, "activation": "sigmoid", **self.options}
        return spec_from_options(self.name, chosen)


TWO = {"channels": 2, "activation": "softmax", "labels": "background,object"}
MANY = {"channels": 21, "activation": "softmax"}
NUMBERS = {"channels": 21, "activation": "none"}
DRAWN = {"activation": "none"}

# fmt: off
ZOO = (
    Row("unet", "classic:unet", "transposed convolutions, padding by differences of sizes",
        {"size": "60x76"}),
    Row("fcn", "classic:fcn", "dilated residual network, a dict of outputs, 21 classes",
        {**MANY, "output": "out"}, "classes"),
    Row("fcn-argmax", "classic:fcn_argmax", "class numbers of 21 classes, by its own argmax",
        NUMBERS, "classes"),
    Row("fpn", "classic:fpn", "lateral convolutions, nearest neighbours, levels summed"),
    Row("deeplabv3plus", "classic:deeplab", "ASPP: dilated convolutions and the photo's average"),
    Row("pspnet", "classic:pspnet", "pyramid pooling with uneven bins, aligned corners",
        {"size": "128x96"}),
    Row("hrnet", "classic:hrnet", "resolutions side by side that exchange sums"),
    Row("segnet", "classic:segnet", "MaxUnpool: maxima go back to where they came from"),
    Row("lraspp", "mobile:lraspp", "MobileNetV3: hard swish, hard sigmoid, squeeze and excite",
        {"output": "out"}),
    Row("efficient-unet", "mobile:efficient_unet", "EfficientNet: swish, squeeze and excite"),
    Row("fast-scnn", "mobile:fast_scnn", "ReLU6, pyramid pooling on a map of 6x8",
        {"size": "96x128", "output": 0}),
    Row("bisenet", "mobile:bisenet", "two paths, two-class softmax, auxiliary outputs",
        {**TWO, "output": 0}, "classes"),
    Row("pidnet", "mobile:pidnet", "three branches mixed by gates, wide average pools",
        {"output": 1}),
    Row("espnet", "mobile:espnet", "PReLU, grouped and dilated convolutions, pixel shuffle"),
    Row("shufflenet", "mobile:shufflenet", "channel shuffle, split and concat, leaky ReLU"),
    Row("modnet", "matting:modnet", "IBNorm, squeeze and excite by linear layers with expand_as",
        DRAWN),
    Row("rvm", "matting:rvm", "foreground and matte by clamps, average pools of the photo",
        {**DRAWN, "output": 1}, "distance"),
    Row("convgru", "matting:convgru", "a ConvGRU without a state of before; mask and state",
        {"output": 0}),
    Row("senet", "matting:senet", "gates by linear layers, transposed convolutions of kernel 4"),
    Row("segformer", "transformers:segformer", "attention with smaller keys, layer norms, GELU",
        quick=True),
    Row("mobilevit", "transformers:mobilevit", "maps unfolded into patches, torch's own encoder"),
    Row("vit", "transformers:vit", "plain attention, learned positions, deconvolutions"),
    Row("convnext", "transformers:convnext", "LayerNorm2d, group norm, GELU, bicubic resizing"),
    Row("reflected", "unusual:reflected", "reflection and replication padding, instance norms"),
    Row("flow", "unusual:flow", "grid_sample by a learned flow"),
    Row("scaled", "unusual:scaled", "constant factors: 0.2 * conv(x), logits / 1.5"),
    Row("dense", "unusual:dense", "norms before convolutions, ELU, Mish, softplus"),
)
# fmt: on


def row_of(name: str) -> Row:
    """The row of that name.

    Raises:
        KeyError: There is none.
    """
    return {row.name: row for row in ZOO}[name]
