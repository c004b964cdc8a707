"""Reads an `.mlpackage` from disk: what it takes and gives, and its program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import RunnerError
from ...sdks.quiet import quiet
from ...sdks.slim import coremltools

__all__ = ["Feature", "Package", "read_package"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One input or output of a Core ML model.

    Attributes:
        name: Its name.
        color: ``RGB``, ``BGR``, ``GRAYSCALE`` or ``GRAYSCALE_FLOAT16`` for an image; empty
            for an array.
    """

    name: str
    color: str


@dataclass(frozen=True, slots=True)
class Package:
    """A model as it lies on disk; ``function`` is coremltools' reading of its main function."""

    inputs: dict[str, Feature]
    outputs: dict[str, Feature]
    function: Any


def read_package(path: Path) -> Package:
    """Read the model's description and program, weights included.

    Raises:
        ImportError: coremltools is not installed.
        RunnerError: The model is no ML program, such as a neural network of iOS 12.
    """
    with quiet():
        ct = coremltools()
        from coremltools.converters.mil.frontend.milproto.load import load

        # MLModel finds the weights in the package; it loads nothing into Core ML.
        model = ct.models.MLModel(str(path), skip_model_load=True)
        spec = model.get_spec()
        if spec.WhichOneof("Type") != "mlProgram":
            raise RunnerError(
                f"{path} is a Core ML {spec.WhichOneof('Type')}, not an ML program.",
                "Convert it again with convert_to='mlprogram'.",
            )
        program = load(spec, spec.specificationVersion, model.weights_dir or "")
    description = spec.description
    return Package(
        inputs={f.name: _feature(f) for f in description.input},
        outputs={f.name: _feature(f) for f in description.output},
        function=program.functions[description.defaultFunctionName or "main"],
    )


def _feature(description: Any) -> Feature:
    kind = description.type
    if kind.WhichOneof("Type") != "imageType":
        return Feature(description.name, "")
    spaces = kind.imageType.ColorSpace
    return Feature(description.name, spaces.Name(kind.imageType.colorSpace))
