"""The contract of a file as keys and texts, the same in every format that holds such."""

from __future__ import annotations

import json
from typing import Final, Literal

from ...specs import ModelSpec
from .card import Card

__all__ = ["CONTRACT_VERSION", "contract"]

# It rises when an app that reads these keys would have to change.
CONTRACT_VERSION: Final = 1


def contract(
    spec: ModelSpec, card: Card, layout: Literal["NCHW", "NHWC", "image"]
) -> dict[str, str]:
    """How a file is used, as ``maskport.*`` keys; texts that are empty are left out.

    ``value_range`` and ``mask_range`` are real values, whatever the file stores: of bytes it is
    scale * (byte - zero point), of images byte / 255. What is in the graph (mean, std, the
    network's own colour order, activation) an app leaves alone; ``divide_by``, ``resize_filter``
    and ``mask_normalization`` depend on the photo and are its work.

    Args:
        spec: The network's specification.
        card: The texts.
        layout: Of the image, as the manifest has it; ``image`` for Core ML's images.
    """
    image, mask = spec.image, spec.mask
    said = {
        "contract": str(CONTRACT_VERSION),
        "name": card.name,
        "author": card.author,
        "license": card.license,
        "source": card.source,
        "version": card.version,
        "description": card.description,
        "size": f"{image.height}x{image.width}",
        "layout": layout,
        "color_order": "RGB",
        "value_range": "0,1",
        "normalization": "in the graph",
        "mean": ",".join(map(str, image.mean)),
        "std": ",".join(map(str, image.std)),
        "divide_by": image.divide_by,
        "resize_filter": image.resize_filter,
        "mask_range": "0,1",
        "mask_normalization": mask.normalization,
        "labels": json.dumps(mask.labels, ensure_ascii=False),
        "threshold": str(mask.threshold) if mask.channels == 1 else "",
        "spec": json.dumps(spec.to_dict(), sort_keys=True),
    }
    return {f"maskport.{key}": text for key, text in said.items() if text}
