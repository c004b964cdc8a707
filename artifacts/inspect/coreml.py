"""What a Core ML file declares and holds, and the oldest systems that take it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import RunnerError
from ...sdks.quiet import quiet
from ...sdks.slim import coremltools
from ..manifest import Artifact, OldestRuntime
from .contents import Contents, Value
from .coreml_weights import network_weights, program_values, program_weights
from .declared import Declared, Port
from .neural_engine import advice, compute_units

__all__ = ["contents", "declared", "neural_engine"]

# iOS and macOS by the specification version that each introduced (coremltools'
# `AvailableTarget`, and its table of deployment targets).
_SYSTEMS = {
    1: ("11", "10.13"),
    2: ("11.2", "10.13.2"),
    3: ("12", "10.14"),
    4: ("13", "10.15"),
    5: ("14", "11"),
    6: ("15", "12"),
    7: ("16", "13"),
    8: ("17", "14"),
    9: ("18", "15"),
    10: ("26", "26"),
}


def declared(_artifact: Artifact, path: Path) -> Declared:
    """Of the description, and of the program or the network's layers."""
    specification = _specification(path)
    from coremltools.proto import FeatureTypes_pb2

    description, version = specification.description, int(specification.specificationVersion)
    arrays = FeatureTypes_pb2.ArrayFeatureType.ArrayDataType
    return Declared(
        inputs=tuple(_port(feature, arrays) for feature in description.input),
        outputs=tuple(_port(feature, arrays) for feature in description.output),
        operators=tuple(sorted(set(_kinds(specification)))),
        properties={"specification_version": version} | _advised(specification),
        sizes=_sizes(description.input),
        oldest_runtimes=_oldest(version),
    )


def _oldest(version: int) -> tuple[OldestRuntime, ...]:
    because = f"specification version {version}"
    return tuple(
        OldestRuntime(runtime=system, version=number, because=because)
        for system, number in zip(("iOS", "macOS"), _SYSTEMS.get(version, ()), strict=False)
    )


def contents(path: Path) -> Contents:
    """Of the main function of an ML program, or of a neural network's layers.

    What decompresses weights counts as a weight of the compressed type.
    """
    specification = _specification(path)
    given = specification.description.metadata
    metadata = {
        name: str(getattr(given, name))
        for name in ("shortDescription", "versionString", "author", "license")
        if getattr(given, name)
    }
    metadata |= dict(sorted(given.userDefined.items()))
    kind = specification.WhichOneof("Type")
    if kind != "mlProgram":
        layers = getattr(getattr(specification, kind), "layers", ())
        return Contents(tuple(network_weights(layers)), metadata=metadata)
    operations = _operations(specification)
    activations: list[Value] = list(program_values(operations))
    return Contents(tuple(program_weights(operations)), tuple(activations), metadata)


def neural_engine(path: Path) -> list[str] | None:
    """What of an ML program is known to leave the Neural Engine; None of a neural network's file,
    of which nothing is known. See `neural_engine.advice`."""
    specification = _specification(path)
    if specification.WhichOneof("Type") != "mlProgram":
        return None
    return advice(_operations(specification))


def _advised(specification: Any) -> dict[str, Any]:
    """For the manifest."""
    if specification.WhichOneof("Type") != "mlProgram":
        return {}
    operations = _operations(specification)
    return {
        "compute_units": compute_units(operations),
        "leaves_neural_engine": advice(operations),
    }


def _operations(specification: Any) -> list[Any]:
    """Of the function that is run."""
    functions = specification.mlProgram.functions
    name = specification.description.defaultFunctionName or "main"
    function = functions[name if name in functions else next(iter(sorted(functions)))]
    return list(function.block_specializations[function.opset].operations)


def _specification(path: Path) -> Any:
    """Of a package, or of a file as iOS 14 and older have it."""
    with quiet():
        coremltools()
        from coremltools.proto import Model_pb2

    found = [path] if path.is_file() else sorted(path.glob("Data/*/*.mlmodel"))
    specification = Model_pb2.Model()
    if len(found) == 1:
        specification.ParseFromString(found[0].read_bytes())
    if specification.WhichOneof("Type") is None:
        raise RunnerError(
            f"{path} is not a Core ML file: it holds {len(found)} models."
            if len(found) != 1
            else f"{path} is not a Core ML file: it says of no kind of model.",
            "The file is damaged or of another format; export it again.",
        )
    return specification


def _port(feature: Any, arrays: Any) -> Port:
    kind = feature.type
    if kind.WhichOneof("Type") == "imageType":
        image = kind.imageType
        space = image.ColorSpace.Name(image.colorSpace)
        channels = 1 if "GRAYSCALE" in space else 3
        # Of an image that is as large as another, coremltools says nothing but that.
        ranged = image.WhichOneof("SizeFlexibility") == "imageSizeRange"
        size = (None, None) if ranged else (int(image.height), int(image.width))
        dtype = "float16" if space.endswith("FLOAT16") else "uint8"
        return Port(feature.name, (1, channels, *size), dtype, image=True)
    if kind.WhichOneof("Type") != "multiArrayType":  # a number, a text, a dictionary
        return Port(feature.name, None, (kind.WhichOneof("Type") or "").removesuffix("Type"))
    array = kind.multiArrayType
    dtype = arrays.Name(array.dataType).lower().replace("double", "float64")
    return Port(feature.name, tuple(map(int, array.shape)) or None, dtype)


def _sizes(features: Any) -> tuple[tuple[int, int], ...]:
    """All (height, width) that the image may have, where they are enumerated."""
    return tuple(
        (int(size.height), int(size.width))
        for feature in features
        for size in feature.type.imageType.enumeratedSizes.sizes
    )


def _kinds(specification: Any) -> Iterator[str]:
    """Constants are not operations."""
    kind = specification.WhichOneof("Type")
    if kind != "mlProgram":
        for layer in getattr(getattr(specification, kind), "layers", ()):
            yield layer.WhichOneof("layer") or "unknown"
        return
    for function in specification.mlProgram.functions.values():
        for operation in function.block_specializations[function.opset].operations:
            if operation.type != "const":
                yield operation.type
