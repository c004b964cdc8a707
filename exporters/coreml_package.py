"""What all Core ML packages of a run have in common: coremltools' conversion, how photos and masks
go in and out, what Xcode shows of them, and the same bytes from the same network.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import uuid
from collections.abc import Iterator, Sequence
from colorsys import hsv_to_rgb
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..artifacts.manifest import Quantization, Tensor, TensorQuantization
from ..artifacts.metadata.contract import contract
from ..errors import ExportError
from ..sdks.slim import coremltools
from .run import CoreMLOutput, Exported, Run, Size

__all__ = ["convert", "finish", "read_back", "scaled"]

# Apple's keys for what its tools would write themselves.
_DATE_KEY = "com.github.apple.coremltools.conversion_date"


def convert(
    source: Any,
    run: Run,
    precision: str,
    target: str,
    remedy: str,
    sizes: Sequence[Size] = (),
) -> Any:
    """An ML program of a trace or an exported program.

    Args:
        source: What coremltools converts, from a photo's bytes.
        run: Says what goes in and out.
        precision: coremltools' name: ``FLOAT16`` or ``FLOAT32``.
        target: coremltools' name of the oldest system that runs it, for example ``iOS16``.
        remedy: What to do where it fails.
        sizes: (height, width) of other sizes that it holds for.

    Raises:
        ExportError: coremltools can't convert it.
    """
    ct = coremltools()
    _fresh_names()
    try:
        with _one_element_casts():
            return ct.convert(
                source,
                convert_to="mlprogram",
                **_features(run, sizes),
                compute_precision=getattr(ct.precision, precision),
                minimum_deployment_target=getattr(ct.target, target),
                skip_model_load=True,
            )
    except Exception as exc:  # coremltools raises everything from KeyError to RuntimeError
        raise ExportError(f"coremltools can't convert {run.spec.name}: {exc}", remedy) from exc


def read_back(package: Path) -> Any:
    """A package that was saved, as in a new process."""
    _fresh_names()
    return coremltools().models.MLModel(str(package), skip_model_load=True)


def _fresh_names() -> None:
    """Let coremltools call what it makes next as in a new process.

    It numbers operations, and begins anew only after a conversion that succeeds: what failed, or
    was compressed or read before, would be seen in the names of this file.
    """
    builder: Any = importlib.import_module("coremltools.converters.mil.mil").Builder
    builder.name_count.clear()


def scaled(drawing: Any, name: str, run: Run) -> Any:
    """What draws a mask in [0, 1], to the program's own value of a full one: 255 of bytes.

    Args:
        drawing: A module.
        name: What the program's constants are called after.
        run: Says what goes out.
    """
    import torch

    full = 255.0 if _gives(run) == "image" else 1.0

    class Scaled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add_module(name, drawing)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            mask: torch.Tensor = getattr(self, name)(image)
            return mask if full == 1.0 else mask * full

    return Scaled()


def finish(
    model: Any,
    run: Run,
    path: Path,
    target: str,
    quantization: Quantization | None = None,
    sizes: Sequence[Size] = (),
) -> Exported:
    """Fill in what Xcode shows, save, and take out what would differ between equal runs.

    Args:
        model: A converted ``MLModel``.
        run: The run.
        path: Of the package.
        target: coremltools' name of the oldest system that runs it, for example ``iOS16``.
        quantization: For the manifest.
        sizes: (height, width) of other sizes that it takes.
    """
    card = run.card
    model.author, model.license, model.version = card.author, card.license, card.version
    model.short_description = card.description
    image = run.spec.image
    takes = ((image.height, image.width), *sizes)
    pixels = " or ".join(f"{width} x {height}" for height, width in takes)
    model.input_description["image"] = f"Photo, RGB, {pixels} pixels"
    model.output_description["mask"] = _mask_text(run)
    model.user_defined_metadata.update(contract(run.spec, run.card, "image"))
    if sizes:
        written = ",".join(f"{height}x{width}" for height, width in takes)
        model.user_defined_metadata["maskport.sizes"] = written
    if run.spec.mask.channels > 1:
        model.user_defined_metadata.update(_preview(run.spec.mask.labels))
    model.save(str(path))
    # What coremltools notes of a torch.export program, for ExecuTorch's debugger.
    (path / "executorch_debug_handle_mapping.json").unlink(missing_ok=True)
    _make_reproducible(path)
    pixel = TensorQuantization(scale=1 / 255, zero_point=0)
    inputs = [
        Tensor(
            name="image",
            shape=list(run.image_shape),
            dtype="uint8",
            layout="image",
            quantization=pixel,
        )
    ]
    _, outputs = run.float_tensors("NCHW")
    given: dict[str, dict[str, Any]] = {
        "image": {"dtype": "uint8", "layout": "image", "quantization": pixel},
        "half": {"dtype": "float16", "layout": "image"},
        "multiarray": {},
    }
    outputs = [tensor.model_copy(update=given[_gives(run)]) for tensor in outputs]
    return Exported(
        inputs,
        outputs,
        quantization=quantization,
        properties={"minimum_deployment_target": target},
        sizes=tuple(sizes),
    )


def _preview(labels: tuple[str, ...]) -> dict[str, str]:
    """What makes Xcode draw classes over a photo that is dropped on the file's page.

    It takes the largest plane of an array (coremltools' guide, "Xcode model preview types"), so a
    single mask has no such preview.
    """
    colors = [
        "#" + "".join(f"{round(255 * c):02x}" for c in hsv_to_rgb(i / len(labels), 0.75, 0.9))
        for i in range(len(labels))
    ]
    parameters = {"labels": list(labels), "colors": colors}
    return {
        "com.apple.coreml.model.preview.type": "imageSegmenter",
        "com.apple.coreml.model.preview.parameters": json.dumps(parameters),
    }


def _features(run: Run, sizes: Sequence[Size]) -> dict[str, Any]:
    """``inputs`` and ``outputs`` for `coremltools.convert`: a photo, and an image or an array.

    Sizes are enumerated: of a range the Neural Engine takes none.
    """
    ct = coremltools()
    layouts = ct.colorlayout
    shape: Any = run.image_shape
    if sizes:
        shapes = [shape, *((1, 3, height, width) for height, width in sizes)]
        shape = ct.EnumeratedShapes(shapes=shapes, default=shape)
    gray = {"image": layouts.GRAYSCALE, "half": layouts.GRAYSCALE_FLOAT16}.get(_gives(run))
    return {
        "inputs": [ct.ImageType(name="image", shape=shape, color_layout=layouts.RGB)],
        "outputs": [
            ct.ImageType(name="mask", color_layout=gray)
            if gray is not None
            else ct.TensorType(name="mask", dtype=float)
        ],
    }


def _gives(run: Run) -> CoreMLOutput:
    return run.options.coreml_output if run.spec.mask.channels == 1 else "multiarray"


@contextmanager
def _one_element_casts() -> Iterator[None]:
    """Casts of constant arrays of one element, which coremltools 9 leaves to Python's `int`.

    NumPy 2.4 refuses those, and every size that a network computes (``x.size(2) // 2``, padding by
    differences, reshaping by sizes) is such an array in a trace.
    """
    operations: Any = importlib.import_module("coremltools.converters.mil.frontend.torch.ops")
    cast = operations._cast

    def cast_one(context: Any, node: Any, kind: type, name: str) -> None:
        def new(_: type, value: Any) -> Any:
            return kind(np.asarray(value).item())

        # It asks isinstance, so it wants a type.
        cast(context, node, type(kind.__name__, (), {"__new__": new}), name)

    operations._cast = cast_one
    try:
        yield
    finally:
        operations._cast = cast


def _mask_text(run: Run) -> str:
    labels = ", ".join(run.spec.mask.labels)
    if _gives(run) == "half":
        return "Mask, grayscale in float16: 1 is the object, 0 the background"
    if _gives(run) == "image":
        return "Mask, 8-bit grayscale: 255 is the object, 0 the background"
    return f"Mask, values from 0 to 1, one plane each for: {labels}"


def _make_reproducible(package: Path) -> None:
    """Replace random ids by ids made from the content, and drop the conversion's date."""
    from coremltools.proto import Model_pb2

    manifest_path = package / "Manifest.json"
    manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
    entries = manifest["itemInfoEntries"]
    renamed: dict[str, str] = {}
    for key, entry in entries.items():
        item = package / "Data" / entry["path"]
        if item.suffix == ".mlmodel":
            spec = Model_pb2.Model()
            spec.ParseFromString(item.read_bytes())
            spec.description.metadata.userDefined.pop(_DATE_KEY, None)
            item.write_bytes(spec.SerializeToString(deterministic=True))
        digest = hashlib.sha256(entry["path"].encode())
        for file in sorted(p for p in (item, *item.rglob("*")) if p.is_file()):
            digest.update(file.read_bytes())
        renamed[key] = str(uuid.uuid5(uuid.NAMESPACE_OID, digest.hexdigest())).upper()
    manifest["itemInfoEntries"] = {
        renamed[key]: entries[key] for key in sorted(entries, key=renamed.__getitem__)
    }
    manifest["rootModelIdentifier"] = renamed[manifest["rootModelIdentifier"]]
    manifest_path.write_text(json.dumps(manifest, indent=4) + "\n", encoding="utf-8")
    for leftover in package.rglob(".DS_Store"):
        leftover.unlink()
