"""What an export depends on, known without loading PyTorch or any SDK.

A file of the cache is taken where all of this is the same, so whatever decides a byte of a file, or
a number that the manifest says of it, is here. What isn't known to be the same isn't: a network of
the user's own runs code that nobody has seen all of, so such an export is made every time.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Final

from ..artifacts.processor import this_processor
from ..formats import FORMATS, Target
from ..models.checksums import sha256_of
from ..models.origins import WeightsOrigin
from ..quantization.calibration import checksum_of_source
from ..quantization.recipe import Recipe
from ..sdks.versions import Versions
from ..specs import ModelSpec
from .options import Options
from .recipes import RecipeSearch
from .targets import needs_photos

__all__ = [
    "CARD_PARTS",
    "CHECK_PHOTOS",
    "CODE",
    "VERSION",
    "Asked",
    "Ingredients",
    "as_loaded",
    "code_digest",
    "ingredients",
]

CHECK_PHOTOS: Final = 4
"""So many photos are enough to tell a broken file, and few enough not to cost time."""

CODE, VERSION = "maskport's code", "version of "
_ENVIRONMENT = "environment variables"
# What only texts in files and in the manifest depend on.
CARD_PARTS: Final = ("author", "license", "source")
# Rooms that exports don't import (a test holds this against the table of imports).
_ELSEWHERE = frozenset({"apps", "cli", "serving", "sweeps", "testing", "training", "validation"})
_ROOT = Path(__file__).resolve().parents[1]
# Variables by which tools compute, or make files, in another way. How many threads there are is not
# among them, as what is promised of files doesn't depend on it, nor where tools write.
_VARIABLES = (
    *("ATEN_", "CUDA_", "CUBLAS_", "DNNL_", "HIP_", "JAX_", "KERAS_", "LITERT_", "MKL_"),
    *("NVIDIA_", "ONEDNN_", "ONNX", "OPENVINO_", "ORT_", "OV_", "PYTORCH_", "ROCR_", "TF_"),
    *("TFLITE_", "TORCH", "XLA_", "XNN", "CUDNN_", "HSA_", "LD_LIBRARY_PATH", "LD_PRELOAD"),
    *("MIOPEN_", "NPY_", "OPENBLAS_", "PYTHONPATH"),
)
_NOT = ("THREADS", "CACHE", "LOG", "MKL_DYNAMIC")
# What reads photos beside what maskport requires itself.
_PHOTOS = "heif"


@dataclass(frozen=True, slots=True)
class Asked:
    """An export of a network of the catalog, as it is asked for.

    Attributes:
        network: Its name there.
        spec: Its specification, at the size of the files.
        origin: Of its weights.
        weights_key: Which of them, where the file has several sets.
        author: As given; empty for none.
        license: Of the weights, as it will be said.
        source: Likewise.
        photos: That files are checked on; None for generated scenes.
        calibration: Photos that give integers their ranges; None without.
        recipes: By the name that targets have for them.
        options: Choices that change what is inside the files.
    """

    network: str
    spec: ModelSpec
    origin: WeightsOrigin
    weights_key: str | None
    author: str
    license: str
    source: str
    photos: str | PathLike[str] | None
    calibration: str | PathLike[str] | None
    recipes: Mapping[str, Recipe | RecipeSearch]
    options: Options


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What decides what an export gives, as texts by names for people.

    Attributes:
        common: What everything depends on.
        check: The photos that files are checked on.
        calibration: The photos that give integers their ranges; empty without.
        card: Texts that some formats embed.
        recipes: By the name that targets have for them.
        options: As asked for.
        versions: Of tools, by the extra of maskport that has them.
    """

    common: dict[str, str]
    check: str
    calibration: str
    card: dict[str, str]
    recipes: dict[str, str]
    options: Options
    versions: dict[str, dict[str, str]]

    def still(self, asked: Asked) -> bool:
        """Whether all of it is so still. Variables of this process don't count: it began with them,
        and libraries set others."""
        now = ingredients(asked)
        common = now.common | {_ENVIRONMENT: self.common[_ENVIRONMENT]}
        return replace(now, common=common) == self

    def of_target(self, row: Target) -> dict[str, str]:
        """What a target's file, and all that the manifest says of it, depends on."""
        parts = self.common | self.versions[row.shared.extra] | {"check photos": self.check}
        if row.shared.card:
            parts |= self.card
        if needs_photos(row):
            parts |= {"calibration photos": self.calibration}
        if row.recipe:
            parts |= {"recipe": self.recipes[row.recipe]}
        return parts | {
            f"option {name.replace('_', ' ')}": value if isinstance(value, str) else _json(value)
            for name, value in asdict(self.options).items()
            if name.startswith(f"{row.format}_")
        }

    def of_network(self) -> dict[str, str]:
        """What the network with its weights, and what is counted of it, depends on."""
        return self.common | self.versions[""]

    def of_halves(self) -> dict[str, str]:
        """What is said of half precision."""
        return self.of_network() | {"check photos": self.check}

    def of_calibration(self) -> dict[str, str]:
        """What is said of the calibration photos."""
        return self.of_network() | {"calibration photos": self.calibration}

    def of_intermediate(self) -> dict[str, str]:
        """What the float network's shapes that converters start from depend on."""
        every = {name: text for parts in self.versions.values() for name, text in parts.items()}
        return self.common | every | {"check photos": self.check}

    def of_quantized(self, recipe: str) -> dict[str, str]:
        """What the program that a recipe gives depends on."""
        more = {"calibration photos": self.calibration, "recipe": self.recipes[recipe]}
        return self.of_intermediate() | more


def ingredients(asked: Asked) -> Ingredients:
    """All of it, as it is now: files are read whole.

    Raises:
        InputError, OSError: Something can't be read.
    """
    installed = Versions()
    extras = {row.extra for row in FORMATS.values()} | {""}
    origin = asked.origin
    weights = f"{sha256_of(origin.path)} {origin.path.suffix.lower()}" if origin.path else ""
    return Ingredients(
        common={
            CODE: code_digest(),
            "Python": f"{platform.python_implementation()} {platform.python_version()}",
            "system": f"{platform.system()} {' '.join(platform.libc_ver())}".strip(),
            "processor": this_processor().model_dump_json(),
            "devices": _json(_devices()),
            _ENVIRONMENT: _json(_variables()),
            "network": asked.network,
            "specification": _json(asked.spec.to_dict()),
            "weights": weights or origin.file,
            "weights key": asked.weights_key or "",
        },
        check=checksum_of_source(asked.photos, CHECK_PHOTOS) if asked.photos else "generated",
        calibration=checksum_of_source(asked.calibration) if asked.calibration else "",
        card={"author": asked.author, "license": asked.license, "source": asked.source},
        recipes={name: _recipe_text(recipe) for name, recipe in asked.recipes.items()},
        options=asked.options,
        versions={
            extra: {
                f"{VERSION}{name}": version
                for name, version in installed.of(filter(None, (extra, _PHOTOS))).items()
            }
            for extra in extras
        },
    )


def as_loaded(found: Ingredients) -> bool:
    """Whether this process runs the code and the tools that are on disk: where something was
    installed since it began, what it makes isn't that of what is there now."""
    first = _FIRST.setdefault("versions", found.versions)
    return bool(found.common[CODE] == _FIRST["code"] and found.versions == first)


def code_digest(also: Collection[str] = ()) -> str:
    """SHA-256 of all of maskport that exports may run or read, as it is on disk now: a version
    says little of a tree that is worked on.

    Args:
        also: Rooms that exports don't import.
    """
    digest = hashlib.sha256()
    for file in _sources(_ELSEWHERE.difference(also)):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(_ROOT).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _sources(elsewhere: Collection[str] = _ELSEWHERE) -> Iterator[Path]:
    yield from sorted(_ROOT.glob("*.py"))
    for room in sorted(_ROOT.iterdir()):
        if room.name not in elsewhere and (room / "__init__.py").is_file():
            for path in sorted(room.rglob("*")):
                if path.is_file() and path.parent.name != "__pycache__":
                    yield path


_FIRST: dict[str, Any] = {"code": code_digest()}


def _recipe_text(recipe: Recipe | RecipeSearch) -> str:
    if isinstance(recipe, Recipe):
        return f"{recipe.name} {recipe.digest}"
    return f"for {recipe.budget}, by {recipe.prefer}, from {_recipe_text(recipe.base)}"


def _variables() -> dict[str, str]:
    return {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith(_VARIABLES) and not any(word in name for word in _NOT)
    }


def _devices() -> list[str]:
    """What PyTorch may find beside the processor, as far as it shows without asking it."""
    devices = Path("/dev")
    patterns = ("nvidia[0-9]*", "dri/renderD*", "kfd", "dxg")
    found = [path for pattern in patterns for path in devices.glob(pattern)]
    driver = Path("/proc/driver/nvidia")
    told = [driver / "version", *sorted(driver.glob("gpus/*/information"))]
    told += sorted(Path("/sys/class/drm").glob("renderD*/device/[vd]e[nv][di][oc][re]"))
    said = [file.read_text(errors="replace") for file in told if file.is_file()]
    return [*sorted(map(str, found)), *said, *platform.mac_ver()[:1]]


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
