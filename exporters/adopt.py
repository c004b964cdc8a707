"""A bundle around files that other tools made, so that they are validated and gated as our own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..artifacts.bundle import Bundle, describe_files, load_bundle, write_manifest, writing
from ..artifacts.manifest import Artifact, Quantization, Tensor
from ..errors import InputError, UsageError
from ..formats import TARGETS
from ..models.devices import best_device
from ..runtimes.inspect.findings import Inspected
from ..runtimes.isolated import IsolatedRunner, Limits
from ..texts import first_few
from .manifests import manifest_of, with_documents
from .subject import Subject, drawn_by, keep_weights
from .ways import Way, found_way

__all__ = ["AdoptRequest", "precision_of", "run_adoption", "size_of"]


# Formats of which a runtime wants several files, under these names.
_FOLDERS = {"openvino": "model.xml and model.bin", "onnx-ort": "model.ort"}


@dataclass(frozen=True, slots=True)
class AdoptRequest:
    """Files of other tools, and what they draw.

    Attributes:
        subject: The network.
        files: In the order of the bundle.
        images: (N, 3, H, W) float32, RGB in [0, 1]: photos to try them on.
        limits: Of each file's process.
    """

    subject: Subject
    files: tuple[tuple[Path, Inspected], ...]
    images: NDArray[np.float32]
    limits: Limits


def run_adoption(
    request: AdoptRequest, out: Path, tell: Callable[[str], None]
) -> tuple[Bundle, list[Way]]:
    """Find each file's way, and write the bundle.

    Returns:
        The bundle, and the ways in the order of its artifacts.

    Raises:
        InputError: A file draws another mask than the network, or none.
        UsageError: ``out`` is something else than a bundle.
    """
    subject = request.subject
    for source, inspected in request.files:
        if inspected.format in _FOLDERS and not source.is_dir():
            raise InputError(
                f"{source} is a part of what {inspected.format} needs.",
                f"Give a folder that holds {_FOLDERS[inspected.format]}.",
            )
        if held := inspected.properties.get("weights_in"):
            raise InputError(
                f"{source} keeps its weights in other files: {first_few(held)}.",
                "Put all into one: onnx.save(onnx.load(FILE), ONE).",
            )
    targets = _targets(request.files)
    artifacts, ways = [], []
    with writing(out) as folder:
        weights = keep_weights(subject, folder)
        for (source, inspected), target in zip(request.files, targets, strict=True):
            tell(f"{source.name}: trying how it is fed and read")
            path = folder / f"{subject.spec.name}-{target}{source.suffix}"
            _copy(source, path)
            artifact, way = _adopted(request, path, source, target, inspected)
            artifacts.append(artifact)
            ways.append(way)
        tools = {"adopted": ", ".join(source.name for source, _ in request.files)}
        manifest = manifest_of(drawn_by(subject, weights), artifacts, tools)
        write_manifest(folder, with_documents(manifest, folder))
    return load_bundle(out), ways


def _adopted(
    request: AdoptRequest, path: Path, source: Path, target: str, inspected: Inspected
) -> tuple[Artifact, Way]:
    subject = request.subject
    files, size, digest = describe_files(path, path.parent)
    image = subject.spec.image
    guess = Tensor(
        name="image", shape=[1, 3, image.height, image.width], dtype="float32", layout="NCHW"
    )
    artifact = Artifact(
        target=target,
        path=path.name,
        format=inspected.format,
        precision=precision_of(inspected),
        bytes=size,
        sha256=digest,
        files=files,
        inputs=[guess],
        outputs=[guess],
        quantization=_quantization(inspected),
        properties={
            **inspected.properties,
            "operators": sorted(inspected.operations),
            "adopted_from": source.name,
        },
        oldest_runtimes=inspected.oldest_runtimes,
    )
    way = found_way(
        artifact,
        path,
        inspected,
        subject.spec,
        request.images,
        lambda images: subject.reference.draw(images, best_device()),
        lambda one, file: IsolatedRunner(one, file, threads=None, limits=request.limits),
    )
    update = {"inputs": [way.takes], "outputs": [way.gives]}
    return artifact.model_copy(update=update), way


def _quantization(inspected: Inspected) -> Quantization | None:
    """For the manifest, where it isn't float: such files are searched for sums that saturate."""
    if precision_of(inspected) in {"fp32", "fp16"}:
        return None
    activations = inspected.activations[0].dtype if inspected.activations else "not stated"
    return Quantization(weights=inspected.weights[0].dtype, activations=activations)


def _targets(files: Sequence[tuple[Path, Inspected]]) -> list[str]:
    """A name for each file: of the target that is such a file; where two are, with the file's own.

    Raises:
        UsageError: Two files have one name.
    """
    kinds = [(found.format, precision_of(found)) for _, found in files]
    rows = {(row.format, row.precision): row.name for row in reversed(TARGETS)}
    names = [rows.get(kind, "-".join(kind)) for kind in kinds]
    names = [
        name if names.count(name) == 1 else f"{name}-{re.sub(r'[^A-Za-z0-9]+', '-', file.stem)}"
        for name, (file, _) in zip(names, files, strict=True)
    ]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"Two files would be {twice[0]}.", "Give each a name of its own.")
    return names


def _copy(source: Path, path: Path) -> None:
    """
    Raises:
        InputError: It can't be copied, or leads out of itself.
    """
    for inside in source.rglob("*") if source.is_dir() else ():
        if inside.is_symlink():
            raise InputError(
                f"There is a link in {source}, which may lead anywhere.", "Give it with files only."
            )
        if not (inside.is_dir() or inside.is_file()):
            raise InputError(f"{inside} is no regular file.", "Give it with files only.")
    try:
        if source.is_dir():
            shutil.copytree(source, path)
        else:
            shutil.copyfile(source, path)
    except (OSError, shutil.Error) as exc:
        raise InputError(f"{source} can't be copied: {exc}.", "Check its permissions.") from exc


def size_of(files: Sequence[tuple[Path, Inspected]]) -> tuple[int, int] | None:
    """Height and width that the files have in common; None where none says.

    Raises:
        InputError: One has another than the first.
    """
    sizes = {}
    for path, found in files:
        shape = found.inputs[0].shape if len(found.inputs) == 1 else None
        if shape is None or len(shape) != 4:
            continue  # its format doesn't say, or `found_way` will
        height, width = shape[2:] if shape[1] == 3 else shape[1:3]
        if height and width:
            sizes[path] = (height, width)
    if not sizes:
        return None
    (first, size), *others = sizes.items()
    for path, other in others:
        if other != size:
            raise InputError(
                f"{first} takes {size[0]}x{size[1]} pixels, and {path} {other[0]}x{other[1]}.",
                "A bundle has one size; adopt them one by one.",
            )
    return size


# Bits of a weight.
_NARROW = 4


def precision_of(inspected: Inspected) -> str:
    """The row of `precisions` by which a file is gated: by how most of its weights are stored."""
    dtype = inspected.weights[0].dtype if inspected.weights else "float32"
    if dtype in {"palette6", "palette4"}:
        return dtype
    if (found := re.fullmatch(r"(?:u?int|palette)(\d+)", dtype)) and int(found[1]) <= _NARROW:
        return "w4"
    if dtype not in {"int8", "uint8", "palette8"} and not dtype.startswith("float8"):
        return "fp16" if dtype in {"float16", "bfloat16"} else "fp32"
    rounded = bool({"QuantizeLinear", "quantize"} & set(inspected.operations))
    rounded |= any(share.dtype in {"int8", "uint8"} for share in inspected.activations[:1])
    if inspected.format == "coreml":
        return "w8a8" if rounded else "w8"
    return "int8" if rounded else "dynamic-int8"
