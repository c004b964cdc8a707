"""Finishing touches on a TFLite flatbuffer, made in the file itself.

Converters name tensors and choose the types of image and mask as they like; here the file is given
what the contract says: ``image`` and ``mask``, in integer files bytes of scale 1/255 and zero point
0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..artifacts.metadata.tflite import METADATA_NAME, metadata_of, with_labels
from ..errors import ExportError
from .run import Run

__all__ = [
    "Flatbuffer",
    "finish_dynamic",
    "finish_float",
    "finish_half",
    "finish_integer",
    "with_bytes",
]

_BYTE_SCALE = 1 / 255
# Operations with higher numbers are in the schema's second field; this then stands in the first.
_LAST_OLD_CODE = 127
# Constants of fewer values stay float32: they would cost more in operations than they save.
_SMALL = 16
# Versions of operations that take floats and int8 weights with a scale for each output channel (the
# rules are in TensorFlow's op_version.cc); ai-edge-quantizer leaves those of the float ones.
_HYBRID = {"CONV_2D": 5, "DEPTHWISE_CONV_2D": 6, "FULLY_CONNECTED": 12}
# What a photo may pass through before the first convolution.
_PIXEL_BY_PIXEL = frozenset(
    {
        *("ADD", "DIV", "MUL", "SUB", "PAD", "PADV2", "MIRROR_PAD", "RESHAPE", "TRANSPOSE"),
        *("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"),
    }
)


def finish_float(model: bytes, run: Run) -> bytes:
    """A float file with its card, and without what would differ between equal runs."""
    graph = Flatbuffer(model)
    graph.describe(run)
    return graph.pack()


def finish_half(model: bytes, run: Run) -> bytes:
    """A float file whose constants are halves, each behind a DEQUANTIZE, as delegates know it."""
    graph = Flatbuffer(model)
    graph.describe(run)
    graph.halve_constants()
    return graph.pack()


def finish_dynamic(model: bytes, run: Run) -> tuple[bytes, bool]:
    """A float file with int8 weights, whose first convolution computes in float.

    It would round the normalised photo to 8 bits again, which on a photo that the network is
    unsure of draws another mask; of three channels, integers are no faster.

    Returns:
        The file, and whether a first convolution was found.
    """
    graph = Flatbuffer(model)
    graph.describe(run)
    convolutions = graph.first_convolutions()
    for convolution in convolutions:
        graph.give_float_weights(convolution)
    graph.require(_HYBRID)
    graph.prune()
    return graph.pack(), bool(convolutions)


def finish_integer(model: bytes, run: Run) -> bytes:
    """A file that TensorFlow quantised, with bytes of the contract's scale in and out.

    Raises:
        ExportError: The converter left a float tensor in it.
    """
    graph = Flatbuffer(model)
    graph.describe(run)
    for index in (*graph.subgraph.inputs, *graph.subgraph.outputs):
        # Its neighbour QUANTIZE reads the scale from here, so it stays right.
        graph.encode(graph.tensor(index), _BYTE_SCALE, 0)
    graph.refuse_floats()
    graph.prune()
    return graph.pack()


def with_bytes(model: bytes, run: Run, *, floats: bool) -> bytes:
    """A file that takes int8 or float32 and gives them, with bytes of the contract at its borders.

    Args:
        model: The file.
        run: Whose texts and labels to embed.
        floats: There may be float tensors in it.

    Raises:
        ExportError: There are, where there may not.
    """
    graph = Flatbuffer(model)
    graph.give_bytes(through_floats=floats)
    graph.describe(run)
    if not floats:
        graph.refuse_floats()
    graph.prune()
    return graph.pack()


class Flatbuffer:
    """A TFLite model as mutable objects."""

    def __init__(self, data: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.schema: Any = schema
        self.model: Any = schema.ModelT.InitFromPackedBuf(data, 0)
        for buffer in self.model.buffers:
            if buffer.offset > 1:  # ai-edge-quantizer keeps constants behind the flatbuffer
                buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
                buffer.offset = buffer.size = 0
        self.subgraph: Any = self.model.subgraphs[0]
        self.labels: tuple[str, ...] = ()
        self._kinds = {
            value: key
            for key, value in vars(schema.BuiltinOperator).items()
            if not key.startswith("_")
        }

    def pack(self) -> bytes:
        import flatbuffers

        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        packed = bytes(builder.Output())
        return with_labels(packed, self.labels) if self.labels else packed

    def prune(self) -> None:
        """Drop tensors and buffers that nothing reads any more."""
        graph = self.subgraph
        ends = [*graph.inputs, *graph.outputs]
        ends += [index for op in graph.operators for index in (*op.inputs, *op.outputs)]
        for signature in self.model.signatureDefs or ():
            ends += [m.tensorIndex for m in (*signature.inputs, *signature.outputs)]
        tensors = {old: new for new, old in enumerate(sorted({int(i) for i in ends if i >= 0}))}
        graph.tensors = [graph.tensors[old] for old in tensors]
        tensors[-1] = -1  # an input that is left out

        def renumbered(indices: Any) -> Any:
            return np.array([tensors[int(i)] for i in indices], np.int32)

        graph.inputs, graph.outputs = renumbered(graph.inputs), renumbered(graph.outputs)
        for operator in graph.operators:
            operator.inputs = renumbered(operator.inputs)
            operator.outputs = renumbered(operator.outputs)
        for signature in self.model.signatureDefs or ():
            for entry in (*signature.inputs, *signature.outputs):
                entry.tensorIndex = tensors[int(entry.tensorIndex)]
        holders = [*graph.tensors, *(self.model.metadata or ())]
        # Buffer 0 is the empty one, by the format.
        used = {0, *(int(holder.buffer) for holder in holders)}
        buffers = {old: new for new, old in enumerate(sorted(used))}
        self.model.buffers = [self.model.buffers[old] for old in buffers]
        for holder in holders:
            holder.buffer = buffers[int(holder.buffer)]

    def describe(self, run: Run) -> None:
        """Embed the card and TFLite's metadata; the image is called so, and the mask, in the
        signature as well. The image has its final type."""
        card = run.card
        self.model.description = (
            f"{card.name} {card.version}: {card.description} {card.author}. {card.license}."
        )
        graph = self.subgraph
        image, mask = self.tensor(graph.inputs[0]), self.tensor(graph.outputs[0])
        image.name, mask.name = b"image", b"mask"
        for signature in self.model.signatureDefs or ():
            for entry, name in ((signature.inputs[0], b"image"), (signature.outputs[0], b"mask")):
                entry.name = name
        metadata = self.schema.MetadataT()
        metadata.name = METADATA_NAME.encode()
        largest = 1.0 if image.type == self.schema.TensorType.FLOAT32 else 255.0
        planes = run.options.tflite_layout == "NCHW"
        written = metadata_of(card, largest=largest, planes=planes)
        self._fill(metadata, np.frombuffer(written, np.uint8))
        self.model.metadata = [*(self.model.metadata or ()), metadata]
        self.labels = run.spec.mask.labels

    def give_bytes(self, *, through_floats: bool) -> None:
        """Put a QUANTIZE from bytes behind the input and one to bytes before the output.

        XNNPACK has none from uint8 to int8, but both ways between either and floats.
        """
        graph, kind = self.subgraph, self.schema.TensorType.UINT8
        image, mask = int(graph.inputs[0]), int(graph.outputs[0])
        pixels, drawn = (
            self.add_activation(b"", kind, self.tensor(index).shape, _BYTE_SCALE, 0)
            for index in (image, mask)
        )
        entry = [("DEQUANTIZE", pixels, image)]
        if self.tensor(image).type != self.schema.TensorType.FLOAT32:
            entry = [("QUANTIZE", pixels, image)]
            if through_floats:
                between = self.add_float(b"image_exact", self.tensor(image).shape)
                entry = [("DEQUANTIZE", pixels, between), ("QUANTIZE", between, image)]
        graph.operators[:0] = [self.new_operator(name, 1, *ends) for name, *ends in entry]
        graph.operators.append(self.new_operator("QUANTIZE", 1, mask, drawn))
        graph.inputs, graph.outputs = np.array([pixels], np.int32), np.array([drawn], np.int32)
        for index, name in ((image, b"image_inside"), (mask, b"mask_inside")):
            self.tensor(index).name = name
        for signature in self.model.signatureDefs or ():
            signature.inputs[0].tensorIndex, signature.outputs[0].tensorIndex = pixels, drawn

    def halve_constants(self) -> None:
        """Store float32 constants as float16; each is dequantised before it is read."""
        kinds = self.schema.TensorType
        operators, halved = [], {}
        for operator in self.subgraph.operators:
            operator.inputs = np.array(operator.inputs, np.int32)
            for place, index in enumerate(map(int, operator.inputs)):
                if index < 0:
                    continue
                constant = index not in halved and self._is_constant(index)
                if constant and self.tensor(index).type == kinds.FLOAT32:
                    values = self.data_of(self.tensor(index), np.float32)
                    if values.size < _SMALL:
                        continue
                    stored = self.tensor(index)
                    floats = self.add_float(stored.name, stored.shape)
                    stored.name, stored.type = stored.name + b"_fp16", kinds.FLOAT16
                    with np.errstate(over="ignore"):
                        self._fill(stored, values.astype(np.float16))
                    operators.append(self.new_operator("DEQUANTIZE", 1, index, floats))
                    halved[index] = floats
                operator.inputs[place] = halved.get(index, index)
            operators.append(operator)
        self.subgraph.operators = operators
        self.prune()

    def refuse_floats(self) -> None:
        """
        Raises:
            ExportError: There is a float tensor in it.
        """
        kinds = {self.schema.TensorType.FLOAT32, self.schema.TensorType.FLOAT16}
        left = [t.name.decode() for t in self.subgraph.tensors if t.type in kinds]
        if left:
            raise ExportError(
                f"The integer file still has float tensors: {', '.join(left[:3])}.",
                "An operation has no int8 form; tflite-int8 keeps such in float.",
            )

    def tensor(self, index: int) -> Any:
        return self.subgraph.tensors[index]

    def name_of(self, operator: Any) -> str:
        """The operation's name in the schema: ``CONV_2D``."""
        return str(self._kinds[self.model.operatorCodes[operator.opcodeIndex].builtinCode])

    def data_of(self, tensor: Any, kind: Any) -> Any:
        """A constant tensor's values, flat."""
        return np.frombuffer(bytes(self.model.buffers[tensor.buffer].data), kind)

    def add_float_constant(self, name: bytes, shape: Any, values: Any) -> int:
        """A new float32 constant tensor; its index."""
        index = self.add_float(name, shape)
        self._fill(self.tensor(index), np.asarray(values, np.float32))
        return index

    def add_float(self, name: bytes, shape: Any) -> int:
        """A new float32 activation tensor; its index."""
        kind = self.schema.TensorType.FLOAT32
        index = self.add_activation(name, kind, np.asarray(shape, np.int32), 1.0, 0)
        self.tensor(index).quantization = None
        return index

    def new_operator(self, name: str, version: int, source: int, result: int) -> Any:
        """An operation of one tensor without options, by its name in the schema; not yet in it."""
        builtin = getattr(self.schema.BuiltinOperator, name)
        codes = self.model.operatorCodes
        known = [i for i, code in enumerate(codes) if code.builtinCode == builtin]
        if not known:
            code = self.schema.OperatorCodeT()
            code.builtinCode = builtin
            code.deprecatedBuiltinCode = min(builtin, _LAST_OLD_CODE)
            codes.append(code)
            known = [len(codes) - 1]
        operator = self.schema.OperatorT()
        operator.opcodeIndex = known[0]
        operator.inputs = np.array([source], np.int32)
        operator.outputs = np.array([result], np.int32)
        self.require({name: version})
        return operator

    def require(self, versions: dict[str, int]) -> None:
        """Say which version of an operation a file needs at least, by its name in the schema."""
        for code in self.model.operatorCodes:
            needed = versions.get(self._kinds[code.builtinCode], 1)
            code.version = max(code.version, needed)

    def is_op(self, operator: Any, name: str) -> bool:
        if operator is None:
            return False
        code = self.model.operatorCodes[operator.opcodeIndex]
        return bool(code.builtinCode == getattr(self.schema.BuiltinOperator, name))

    def first_convolutions(self) -> list[Any]:
        """Those that read the photo, or what a normalisation of its pixels made of it."""
        reached, found = {int(i) for i in self.subgraph.inputs}, []
        for operator in self.subgraph.operators:
            read = {int(i) for i in operator.inputs if i >= 0 and not self._is_constant(int(i))}
            if not read or not read <= reached:
                continue
            if self.name_of(operator) in _PIXEL_BY_PIXEL or self._is_pointwise(operator):
                reached.update(int(i) for i in operator.outputs)
            elif self.is_op(operator, "CONV_2D") or self.is_op(operator, "DEPTHWISE_CONV_2D"):
                found.append(operator)
        return found

    def _is_constant(self, index: int) -> bool:
        return self.model.buffers[self.tensor(index).buffer].data is not None

    def _is_pointwise(self, operator: Any) -> bool:
        """A factor for each channel, or other channels in the place of as many."""
        if self.is_op(operator, "DEPTHWISE_CONV_2D"):
            return all(side == 1 for side in self.tensor(operator.inputs[1]).shape[:3])
        if not self.is_op(operator, "CONV_2D"):
            return False
        results, *sides, channels = self.tensor(operator.inputs[1]).shape
        return bool(results == channels) and all(side == 1 for side in sides)

    def give_float_weights(self, convolution: Any) -> None:
        """Its int8 weights as floats, where they are int8: it then computes in float."""
        photo, weights, *rest = convolution.inputs
        values = self.dequantized(self.tensor(weights))
        if values is not None:
            index = self.add_float_constant(self.tensor(weights).name, values.shape, values)
            convolution.inputs = np.array([photo, index, *rest], np.int32)

    def dequantized(self, tensor: Any) -> NDArray[np.float32] | None:
        """What a constant's int8 values stand for, in its shape; None where it has none."""
        quantization = tensor.quantization
        if quantization is None or quantization.scale is None:
            return None
        if tensor.type != self.schema.TensorType.INT8:
            return None
        scales = np.asarray(quantization.scale, np.float32)
        around = [1] * len(tensor.shape)
        around[int(quantization.quantizedDimension)] = len(scales)
        steps = self.data_of(tensor, np.int8).reshape(tensor.shape).astype(np.float32)
        values: NDArray[np.float32] = steps * scales.reshape(around)
        return values

    def encode(self, tensor: Any, scale: float, zero_point: int) -> None:
        """Say what an activation's integers stand for."""
        tensor.quantization.scale = np.array([scale], np.float32)
        tensor.quantization.zeroPoint = np.array([zero_point], np.int64)
        tensor.quantization.min = tensor.quantization.max = None

    def add_activation(self, name: bytes, kind: int, shape: Any, scale: float, zero: int) -> int:
        """A new activation tensor; its index."""
        tensor = self.schema.TensorT()
        tensor.name, tensor.type, tensor.shape, tensor.buffer = name, kind, shape, 0
        tensor.quantization = self.schema.QuantizationParametersT()
        tensor.quantization.scale = np.array([scale], np.float32)
        tensor.quantization.zeroPoint = np.array([zero], np.int64)
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1

    def _fill(self, holder: Any, values: Any) -> None:
        """Give a tensor constant values, or an entry of metadata its bytes, in a buffer of its
        own."""
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        holder.buffer = len(self.model.buffers) - 1
