"""Code for apps: whole files that feed an artifact a photo and take its mask.

A template is called ``FORMAT.VARIANT.EXTENSION.j2``, and is rendered for every file of the format
whose tensors it can feed; those that begin with ``_`` are parts of others. A new one needs no other
edit. Names, sizes, layouts, types, scales and classes come from the manifest.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...formats import Platform
from ...specs import ModelSpec
from ..bundle import spec_of
from ..manifest import Artifact, Manifest, Tensor

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["LANGUAGES", "Language", "Snippet", "environment", "plain", "snippets"]

_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class Language:
    """A language of snippets.

    Attributes:
        name: What users type, and what Markdown calls it.
        platforms: Whose packages get its snippets.
        snake: Files are named ``like_this`` and not ``LikeThis``.
    """

    name: str
    platforms: tuple[Platform, ...]
    snake: bool = False


# By the extension of their files.
LANGUAGES = {
    "swift": Language("swift", ("ios",)),
    "kt": Language("kotlin", ("android",)),
    "java": Language("java", ("android",)),
    "cc": Language("cpp", ("android",), snake=True),
    "js": Language("javascript", ("web",)),
    "py": Language("python", (), snake=True),
}


_C_TYPES = {"float32": "float", "uint8": "uint8_t", "int8": "int8_t", "float16": "float"}


@dataclass(frozen=True, slots=True)
class Snippet:
    """A file for an app.

    Attributes:
        language: A row of `LANGUAGES`.
        variant: By which of a format's runtimes or interfaces.
        file: Its name; a Java file's is that of its class.
        text: What is in it.
    """

    language: Language
    variant: str
    file: str
    text: str


def snippets(manifest: Manifest, artifact: Artifact) -> list[Snippet]:
    """The snippets of an artifact, in the order of `LANGUAGES`; none where no template can feed it.

    Raises:
        BundleError: The manifest's specification is not one that this version reads.
    """
    if not _fed_by_templates(artifact):
        return []
    spec = spec_of(manifest)
    rendered = environment(_TEMPLATES)
    found = []
    for template in sorted(_TEMPLATES.glob(f"{artifact.format}.*.j2")):
        _, variant, extension, _ = template.name.split(".")
        if variant == "mediapipe" and not _for_mediapipe(artifact):
            continue
        # It gives a picture of 8 bits and a color space, which would be another mask.
        if variant == "vision_18" and artifact.outputs[0].dtype == "float16":
            continue
        language = LANGUAGES[extension]
        parts = _words(manifest.network.name) + _words(variant)
        stem = "_".join(parts).lower() if language.snake else _capitals(parts)
        file = f"{stem if language.snake else stem + 'Segmenter'}.{extension}"
        facts = _facts(manifest, artifact, spec) | {
            "file": file,
            "type": _capitals(parts) + "Segmenter",
        }
        text = rendered.get_template(template.name).render(facts)
        found.append(Snippet(language, variant, file, text))
    order = [language.name for language in LANGUAGES.values()]
    return sorted(found, key=lambda snippet: order.index(snippet.language.name))


def environment(folder: Path) -> Environment:
    """Templates of a folder, for text that is no markup.

    ``literal`` writes a value as most languages write a string, ``comment`` on one line.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(  # noqa: S701  # code and Markdown, not HTML
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["literal"] = lambda text: json.dumps(plain(text), ensure_ascii=False)
    made.filters["comment"] = plain
    made.filters["lower_first"] = lambda name: name[:1].lower() + name[1:]
    return made


def plain(text: str) -> str:
    """Text of a manifest, which may come from anywhere, on one line: no code begins in it."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _fed_by_templates(artifact: Artifact) -> bool:
    """One photo in and masks of its size out, of types that snippets convert, with all that the
    network wants in the graph."""
    if len(artifact.inputs) != 1 or len(artifact.outputs) != 1:
        return False
    image, mask = artifact.inputs[0], artifact.outputs[0]
    if image.normalization is not None or mask.reading is not None:
        return False
    sizes = [_size(tensor) for tensor in (image, mask)]
    return (
        sizes[0] is not None
        and sizes[1] is not None
        and sizes[0][:2] == sizes[1][:2]
        and sizes[0][2] == 3
        and all(
            t.dtype == "float32" or t.layout == "image" or t.quantization is not None
            for t in (image, mask)
        )
    )


def _for_mediapipe(artifact: Artifact) -> bool:
    """It takes pixels, and of floats only where the file says how they are scaled."""
    return artifact.inputs[0].layout == "NHWC" and "adopted_from" not in artifact.properties


def _size(tensor: Tensor) -> tuple[int, int, int] | None:
    """Height, width and channels; none where it is no single image."""
    if len(tensor.shape) != 4 or tensor.shape[0] != 1:
        return None
    _, a, b, c = tensor.shape
    return (a, b, c) if tensor.layout == "NHWC" else (b, c, a)


def _facts(manifest: Manifest, artifact: Artifact, spec: ModelSpec) -> dict[str, Any]:
    """What templates may say."""
    image, mask = artifact.inputs[0], artifact.outputs[0]
    height, width, channels = _size(mask) or (0, 0, 0)
    labels = spec.mask.labels
    return {
        "network": manifest.network.name,
        "artifact": artifact,
        "model": artifact.path.rpartition("/")[2],
        "image": image,
        "mask": mask,
        "height": height,
        "width": width,
        "image_type": _C_TYPES[image.dtype],
        "mask_type": _C_TYPES[mask.dtype],
        "labels": labels if len(labels) == channels else [f"class {i}" for i in range(channels)],
        "threshold": spec.mask.threshold,
        "by_maximum": spec.image.divide_by == "image-maximum",
        "min_max": spec.mask.normalization == "min-max",
        "filter": spec.image.resize_filter,
        "compute_units": _compute_units(artifact),
    }


def _compute_units(artifact: Artifact) -> str:
    """Those that its manifest advises, as Swift has them."""
    advised = artifact.properties.get("compute_units")
    take = advised.get("take") if isinstance(advised, dict) else None
    return "cpuAndGPU" if take == "CPU_AND_GPU" else "all"


def _words(name: str) -> list[str]:
    return re.findall(r"[A-Za-z0-9]+", name)


def _capitals(words: list[str]) -> str:
    """A name of a type: ``u2net_cloth.v2`` as ``U2netClothV2``."""
    name = "".join(word[0].upper() + word[1:] for word in words)
    return name if name[:1].isalpha() else f"Net{name}"
