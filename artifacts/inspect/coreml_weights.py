"""The constants of Core ML models, from their description alone; no value is read.

A program's weights are constants, or what a ``constexpr_`` operation makes of compressed ones. An
older neural network's lie in its layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

from .contents import Stored, Value, bits_of, stored

__all__ = ["network_weights", "program_values", "program_weights"]


def program_weights(operations: Iterable[Any]) -> Iterator[Stored]:
    """A function's weights: tensors of floats, and what is decompressed to them."""
    operations = list(operations)
    makers = {o.outputs[0].name: o for o in operations if _is_stored(o) and o.outputs}
    parts = {
        name
        for operation in makers.values()
        if operation.type != "const"
        for name in _named(operation)
    }
    for name, operation in makers.items():
        if name in parts:
            continue
        dtype, shape = _tensor(operation.outputs[0].type)
        if operation.type != "const":
            size = _compressed_bytes(operation, makers)
            label = _label(operation, makers)
            yield Stored(
                name, label, tuple(n or 0 for n in shape), prod(n or 0 for n in shape), size
            )
        elif shape and dtype.startswith(("float", "bfloat")):
            yield stored(name, dtype, tuple(n or 0 for n in shape))


def program_values(operations: Iterable[Any]) -> Iterator[Value]:
    """What operations give, but for what they make of constants alone."""
    fixed = set[str]()
    for operation in operations:
        outputs = [(output.name, _tensor(output.type)) for output in operation.outputs]
        if _is_stored(operation) or fixed.issuperset(_named(operation)):
            fixed.update(name for name, _ in outputs)
            continue
        for _, (dtype, shape) in outputs:
            known = None not in shape
            yield Value(dtype, prod(n or 0 for n in shape) if known else None)


def network_weights(layers: Iterable[Any]) -> Iterator[Stored]:
    """Of a neural network's layers, as iOS 14 and older have them."""
    for layer in layers:
        kind = layer.WhichOneof("layer")
        if kind is not None:
            yield from _fields(layer.name, getattr(layer, kind))


def _is_stored(operation: Any) -> bool:
    return bool(operation.type == "const" or operation.type.startswith("constexpr_"))


def _named(operation: Any) -> Iterator[str]:
    """The values that it takes by name."""
    for given in operation.inputs.values():
        yield from (argument.name for argument in given.arguments if argument.name)


def _compressed_bytes(operation: Any, makers: dict[str, Any]) -> int:
    """Of all that is decompressed; 32-bit integers among it are shapes and axes."""
    whole = sum(_part_bytes(value.type) for value in _written(operation))
    for name in _named(operation):
        maker = makers.get(name)
        if maker is None:
            continue
        if maker.type == "const":
            whole += _part_bytes(maker.outputs[0].type)
        else:
            whole += _compressed_bytes(maker, makers)
    return whole


def _written(operation: Any) -> Iterator[Any]:
    """Values that stand in the operation itself; its name is one of them."""
    yield from (value for name, value in operation.attributes.items() if name != "name")
    for given in operation.inputs.values():
        yield from (a.value for a in given.arguments if a.WhichOneof("binding") == "value")


def _part_bytes(kind: Any) -> int:
    dtype, shape = _tensor(kind)
    bits = bits_of(dtype) or 0
    if dtype.startswith(("int", "uint")) and bits > 16:
        return 0
    return -(-prod(n or 0 for n in shape) * bits // 8)


def _label(operation: Any, makers: dict[str, Any]) -> str:
    """The type of what is stored: ``palette6``, ``int8``."""
    given = {name: value.type for name, value in operation.attributes.items()}
    for name, inputs in operation.inputs.items():
        for argument in inputs.arguments:
            if argument.WhichOneof("binding") == "value":
                given[name] = argument.value.type
            elif argument.name in makers:
                given[name] = makers[argument.name].outputs[0].type
    if "lut" in given:
        shape = _tensor(given["lut"])[1]
        # From iOS 18 on a table has a last axis, of the vectors that it holds.
        entries = (shape[-1] if len(shape) == 1 else shape[-2]) or 1
        return f"palette{max(entries - 1, 1).bit_length()}"
    for name in ("quantized_data", "data", "nonzero_data"):
        if name in given:
            sparse = "sparse " if name == "nonzero_data" else ""
            return sparse + _tensor(given[name])[0]
    return "compressed"


def _tensor(kind: Any) -> tuple[str, tuple[int | None, ...]]:
    """Type and shape; a size that is open is None."""
    from coremltools.proto import MIL_pb2

    tensor = kind.tensorType
    sizes = tuple(
        int(d.constant.size) if d.WhichOneof("dimension") == "constant" else None
        for d in tensor.dimensions
    )
    return MIL_pb2.DataType.Name(tensor.dataType).lower(), sizes


def _fields(name: str, message: Any) -> Iterator[Stored]:
    """The weights in a message, by the names of the fields that hold them."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        inner = f"{name}.{field.name}"
        for part in value if hasattr(value, "__len__") else (value,):
            if field.message_type.name == "WeightParams":
                yield from _weight(inner, part)
            elif hasattr(part, "ListFields"):
                yield from _fields(inner, part)


def _weight(name: str, weight: Any) -> Iterator[Stored]:
    bits = int(weight.quantization.numberOfBits)
    if weight.floatValue:
        yield stored(name, "float32", (len(weight.floatValue),))
    elif weight.float16Value:
        yield stored(name, "float16", (len(weight.float16Value) // 2,))
    elif weight.rawValue and bits:
        table = weight.quantization.WhichOneof("QuantizationType") == "lookupTableQuantization"
        size = len(weight.rawValue)
        label = f"palette{bits}" if table else f"uint{bits}"
        yield stored(name, label, (size * 8 // bits,), size)
    elif weight.int8RawValue:
        yield stored(name, "int8", (len(weight.int8RawValue),))
