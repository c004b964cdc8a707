"""Networks that have a name: how each is built, sees its photo, and where its weights are.

Sources: the authors' repository (xuebinqin/U-2-Net: README, `u2net_test.py`,
`u2net_portrait_test.py`) and the release v0.0.0 of danielgatis/rembg, whose session files
publish the MD5 of each ONNX file.

Cloth segmentation is normalised as it was trained: levindabhi/cloth-segmentation `infer.py`
divides by 255, then takes mean 0.5 and std 0.5 per channel. rembg feeds the same network the
image divided by its maximum with ImageNet's mean and std since its version 2.0.31
(`rembg/sessions/u2net_cloth_seg.py`), and had a report of much worse masks after that change
(danielgatis/rembg#464), so masks of rembg differ from these. Classes are in rembg's order:
0 background, 1 upper, 2 lower, 3 full body. The network was trained on logits with
cross-entropy, so it is built without the sigmoid.

IS-Net sees its photo as the authors' `Inference.py` shows it (xuebinqin/DIS: divided by 255, mean
0.5, std 1; the mask stretched by its own extremes), which the author asks to keep for these
weights (xuebinqin/DIS#63). rembg took ImageNet's mean until danielgatis/rembg#730, and divides by
the photo's maximum. BASNet sees it as the authors' `basnet_test.py` shows it (xuebinqin/BASNet).

Files that rembg offers and that are left out: see `LEFT_OUT`.

Nothing here imports torch until `Entry.build` is called: listing the catalog is quick.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import UsageError, did_you_mean
from ..specs import ImageSpec, MaskSpec, ModelSpec

if TYPE_CHECKING:
    from torch import nn

__all__ = ["CATALOG", "LEFT_OUT", "Entry", "WeightsSource", "entry"]


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """One place that a weights file can be downloaded from.

    Attributes:
        filename: Name that the file gets in the cache.
        kind: ``"pth"`` for a PyTorch state dict, ``"onnx"`` for an ONNX file.
        url: Plain address; empty where ``drive_id`` is given.
        drive_id: Google Drive's id of the file; empty where ``url`` is given.
        md5: Published checksum in hexadecimal digits.
        sha256: The same, SHA-256.
        bytes: Approximate size, where it is published.
        note: What to know about this copy.
    """

    filename: str
    kind: Literal["pth", "onnx"]
    url: str = ""
    drive_id: str = ""
    md5: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    note: str = ""

    @property
    def page(self) -> str:
        """Where a browser finds the file."""
        return self.url or f"https://drive.google.com/file/d/{self.drive_id}/view"

    @property
    def checksum(self) -> tuple[Literal["md5", "sha256"], str] | None:
        """Algorithm and digits of the published checksum, the stronger first."""
        if self.sha256:
            return "sha256", self.sha256
        return ("md5", self.md5) if self.md5 else None


@dataclass(frozen=True, slots=True)
class Entry:
    """A network with a name.

    Attributes:
        name: What the user types.
        network: Factory, ``".module:function"`` relative to this package.
        spec: How its photo goes in and what its output means.
        sources: Where its weights are, tried in this order: those with a checksum first.
        license: Licence of the weights.
        summary: One line for the listing.
        shipped: Name of the weights file in this package, where they come with it.
        calibration: What gives INT8 files their ranges where the user names no photos;
            empty where only the user's own will do.
        arguments: Keyword arguments of the factory.
    """

    name: str
    network: str
    spec: ModelSpec
    sources: tuple[WeightsSource, ...]
    license: str
    summary: str
    shipped: str = ""
    calibration: str = ""
    arguments: Mapping[str, int | bool] = field(default_factory=dict, hash=False)

    @property
    def origin(self) -> str:
        """Where the weights come from: a web page, or this package."""
        return "comes with maskport" if self.shipped else self.sources[0].page

    @property
    def shipped_file(self) -> Path | None:
        """The weights file in this package; None where they are downloaded."""
        return Path(__file__).with_name("weights") / self.shipped if self.shipped else None

    def build(self) -> nn.Module:
        """The network with untrained weights, in evaluation mode. Imports torch."""
        module, _, factory = self.network.partition(":")
        make = getattr(importlib.import_module(module, __package__), factory)
        network: nn.Module = make(**self.arguments)
        return network.eval()


def _drive(
    filename: str,
    drive_id: str,
    md5: str | None = None,
    *,
    bytes: int | None = None,
    note: str = "",
) -> WeightsSource:
    return WeightsSource(filename, "pth", drive_id=drive_id, md5=md5, bytes=bytes, note=note)


def _rembg(filename: str, md5: str) -> WeightsSource:
    url = f"https://github.com/danielgatis/rembg/releases/download/v0.0.0/{filename}"
    return WeightsSource(filename, "onnx", url=url, md5=md5, note="batch norms folded; by rembg")


def _as_the_authors(name: str, size: int = 320, *, inverted: bool = False) -> ModelSpec:
    """Divided by the photo's own maximum; the mask stretched to [0, 1] by its own extremes."""
    return ModelSpec(
        name,
        ImageSpec(size, size, divide_by="image-maximum"),
        MaskSpec(inverted=inverted, normalization="min-max"),
        output=0,  # the fused or refined map
    )


_U2NET, _U2NETP = ".u2net:u2net", ".u2net:u2netp"
_AUTHORS = "Apache-2.0"

_ENTRIES = (
    Entry(
        name="demo",
        network=_U2NETP,
        # The size that it was trained for; larger photos of the same things it draws less well.
        spec=_as_the_authors("demo", 256),
        sources=(),
        license="Apache-2.0",
        summary=(
            "U²-Netp trained on generated scenes: a demonstration for machines without a "
            "network, no replacement for the published weights"
        ),
        shipped="demo.safetensors",
        calibration="scenes:32",
    ),
    Entry(
        name="u2net",
        network=_U2NET,
        spec=_as_the_authors("u2net"),
        sources=(
            _drive(
                "u2net.pth",
                "1ao1ovG1Qtx4b7EoskHXmi2E9rp5CHLcZ",
                "09fb4e49b7f785c9f855baf94916840a",
                bytes=176_300_000,
            ),
            _rembg("u2net.onnx", "60024c5c889badc19c04ad937298a77b"),
        ),
        license=_AUTHORS,
        summary="U²-Net, the object that stands out; 44.0 M parameters",
    ),
    Entry(
        name="u2netp",
        network=_U2NETP,
        spec=_as_the_authors("u2netp"),
        sources=(
            _drive(
                "u2netp.pth",
                "1rbSTGKAE-MTxBYHd-51l2hMOQPT_7EPy",
                "e4f636406ca4e2af789941e7f139ee2e",
                bytes=4_700_000,
            ),
            _rembg("u2netp.onnx", "8e83ca70e441ab06c318d82300c84806"),
        ),
        license=_AUTHORS,
        summary="U²-Netp, the same for phones; 1.1 M parameters",
    ),
    Entry(
        name="u2net_human_seg",
        network=_U2NET,
        spec=_as_the_authors("u2net_human_seg"),
        sources=(
            _rembg("u2net_human_seg.onnx", "c09ddc2e0104f800e3e1bb4652583d1f"),
            _drive("u2net_human_seg.pth", "1m_Kgs91b21gayc2XLW0ou8yugAIadWVP"),
            _drive("u2net_human_seg.pth", "1-Yg0cxgrNhHP-016FPdp902BR-kSsA4P", note="mirror"),
        ),
        license=_AUTHORS,
        summary="U²-Net, people",
    ),
    Entry(
        name="u2net_portrait",
        network=_U2NET,
        spec=_as_the_authors("u2net_portrait", 512, inverted=True),
        sources=(_drive("u2net_portrait.pth", "1IG3HdpcRiDoWNookbncQjeaPN28t90yW"),),
        license=_AUTHORS,
        summary="U²-Net, a face as a pencil drawing (1 - output)",
    ),
    Entry(
        name="u2net_cloth_seg",
        network=_U2NET,
        arguments={"outputs": 4, "sigmoid": False},
        spec=ModelSpec(
            "u2net_cloth_seg",
            ImageSpec(768, 768, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
            MaskSpec(
                channels=4, activation="softmax", labels=("background", "upper", "lower", "full")
            ),
            output=0,
        ),
        sources=(
            _rembg("u2net_cloth_seg.onnx", "2434d1f3cb744e0e49386c906e5a08bb"),
            _drive(
                "cloth_segm_u2net_latest.pth",
                "1mhF3yqd7R-Uje092eypktNl-RoZNuiCJ",
                bytes=165_000_000,
                note="by the author of the training",
            ),
        ),
        license="MIT",
        summary="U²-Net, clothes: background, upper, lower, full body",
    ),
    Entry(
        name="isnet",
        network=".isnet:isnet",
        spec=ModelSpec(
            "isnet",
            ImageSpec(1024, 1024, mean=(0.5, 0.5, 0.5), std=(1.0, 1.0, 1.0)),
            MaskSpec(normalization="min-max"),
            output=0,  # the side output of the finest map
        ),
        sources=(
            _rembg("isnet-general-use.onnx", "fc16ebd8b0c10d971d3513d564d01e29"),
            _drive("isnet-general-use.pth", "1nV57qKuy--d5u1yvkng9aXW1KS4sOpOi"),
        ),
        # xuebinqin/DIS#150: the repository's licence is for code and metrics.
        license="none stated for the weights (code: Apache-2.0)",
        summary="IS-Net, the object that stands out, in fine detail; 44.0 M parameters",
    ),
    Entry(
        name="basnet",
        network=".basnet:basnet",
        spec=_as_the_authors("basnet", 256),
        sources=(_drive("basnet.pth", "1s52ek_4YTDRt_EOkx1FS53u-vJa0c4nu", bytes=348_000_000),),
        license="MIT",
        summary="BASNet, the object that stands out, with a refined boundary; 87.1 M parameters",
    ),
)

CATALOG: Mapping[str, Entry] = {known.name: known for known in _ENTRIES}

LEFT_OUT: Mapping[str, str] = {
    "silueta": (
        "only a file of 43 MB is published, not how it was made smaller than U²-Net "
        "(xuebinqin/U-2-Net#295), so its table of stages can't be derived"
    ),
    "isnet-anime": (
        "it was trained on photos that are padded to a square (SkyTNT/anime-segmentation), which "
        "no specification can say yet"
    ),
}


def entry(name: str) -> Entry:
    """The entry of that name.

    Raises:
        UsageError: There is none; names the closest one and lists all.
    """
    if name in CATALOG:
        return CATALOG[name]
    listed = f"The catalog has: {', '.join(CATALOG)}."
    if name in LEFT_OUT:
        raise UsageError(f"{name} is not included: {LEFT_OUT[name]}.", listed)
    # Suggested and never taken: another network would give other masks.
    what = f"The catalog has no network {name!r}. {did_you_mean(name, CATALOG)}".rstrip()
    own = "A network of your own is given as package.module:factory."
    raise UsageError(what, f"{listed} {own}")
