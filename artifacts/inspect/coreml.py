"""What a Core ML package declares, and the oldest systems that take it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...sdks.slim import coremltools
from ..manifest import Artifact, OldestRuntime
from .declared import Declared, Port

__all__ = ["declared"]

# Apple's systems by the specification version that each introduced (coremltools'
# `AvailableTarget`, and its table of deployment targets).
_SYSTEMS = {
    5: "iOS 14, macOS 11",
    6: "iOS 15, macOS 12",
    7: "iOS 16, macOS 13",
    8: "iOS 17, macOS 14",
    9: "iOS 18, macOS 15",
    10: "iOS 26, macOS 26",
}


def declared(_artifact: Artifact, path: Path) -> Declared:
    """Of the package's description and the main function of its program."""
    coremltools()
    from coremltools.proto import FeatureTypes_pb2, Model_pb2

    specification = Model_pb2.Model()
    (model,) = path.glob("Data/*/*.mlmodel")
    specification.ParseFromString(model.read_bytes())
    description, version = specification.description, int(specification.specificationVersion)
    arrays = FeatureTypes_pb2.ArrayFeatureType.ArrayDataType
    return Declared(
        inputs=tuple(_port(feature, arrays) for feature in description.input),
        outputs=tuple(_port(feature, arrays) for feature in description.output),
        operators=tuple(sorted(set(_kinds(specification.mlProgram)))),
        properties={"specification_version": version},
        oldest_runtime=OldestRuntime(
            runtime="Core ML", version=_SYSTEMS[version], because=f"specification version {version}"
        )
        if version in _SYSTEMS
        else None,
    )


def _port(feature: Any, arrays: Any) -> Port:
    kind = feature.type
    if kind.WhichOneof("Type") == "imageType":
        image = kind.imageType
        channels = 1 if "GRAYSCALE" in image.ColorSpace.Name(image.colorSpace) else 3
        shape = (1, channels, int(image.height), int(image.width))
        return Port(feature.name, shape, "uint8", image=True)
    array = kind.multiArrayType
    dtype = arrays.Name(array.dataType).lower()
    return Port(feature.name, tuple(map(int, array.shape)) or None, dtype)


def _kinds(program: Any) -> Iterator[str]:
    """Constants are not operations."""
    for function in program.functions.values():
        for operation in function.block_specializations[function.opset].operations:
            if operation.type != "const":
                yield operation.type
