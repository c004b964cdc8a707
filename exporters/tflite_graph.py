"""Finishing touches on a TFLite flatbuffer, made in the file itself.

The integer file's last step is rebuilt here. TFLite's int8 sigmoid has a fixed scale of 1/256,
so a full mask would be 0.996, and its input spends 8 bits on logits far beyond where the
sigmoid still moves. Instead: logits are clipped to where the sigmoid saturates, widened to
int16, put through the int16 sigmoid (scale 2^-15), and rounded to the contract's scale of
1/255. All of it is integer, and built-in operations of every TFLite runtime since 2.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ExportError
from .run import Card

__all__ = [
    "INT16_LOGIT_SCALE",
    "Flatbuffer",
    "finish_dynamic",
    "finish_float",
    "finish_integer",
    "finished",
]

# sigmoid(+-8) is 0.99966 and 0.00034: the bytes 255 and 0. 2^-12 is the scale at which every
# runtime's int16 sigmoid works, and its range is just +-8.
_SATURATION = 8.0
INT16_LOGIT_SCALE = 2.0**-12
_INT16_SIGMOID_SCALE = 2.0**-15
_BYTE_SCALE = 1 / 255
# Operations with higher numbers are in the schema's second field; this then stands in the first.
_LAST_OLD_CODE = 127
# What computes with multipliers of its own, so that its result may have any scale. Resizing,
# pooling or joining logits keeps their scale, and runtimes refuse a file where it doesn't.
_RESCALING = (
    *("ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MUL", "SUB"),
    *("QUANTIZE", "TRANSPOSE_CONV"),
)
# What a photo may pass through before the first convolution.
_PIXEL_BY_PIXEL = frozenset(
    {
        *("ADD", "DIV", "MUL", "SUB", "PAD", "PADV2", "MIRROR_PAD", "RESHAPE", "TRANSPOSE"),
        *("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"),
    }
)


def finish_float(model: bytes, card: Card) -> bytes:
    """A float file with its card, and without what would differ between equal runs."""
    graph = Flatbuffer(model)
    graph.describe(card)
    return graph.pack()


def finish_dynamic(model: bytes, card: Card) -> tuple[bytes, bool]:
    """A float file with int8 weights, whose first convolution computes in float.

    It would round the normalised photo to 8 bits again, which on a photo that the network is
    unsure of draws another mask; of three channels, integers are no faster.

    Returns:
        The file, and whether a first convolution was found.
    """
    graph = Flatbuffer(model)
    graph.describe(card)
    convolutions = graph.first_convolutions()
    for convolution in convolutions:
        graph.give_float_weights(convolution)
    graph.prune()
    return graph.pack(), bool(convolutions)


def finish_integer(model: bytes, card: Card) -> bytes:
    """An integer file whose input and output are bytes of scale 1/255 and zero point 0.

    Raises:
        ExportError: The converter left a float tensor in it.
    """
    graph = Flatbuffer(model)
    graph.describe(card)
    return finished(graph)


def finished(graph: Flatbuffer, *, floats: bool = False) -> bytes:
    """The same for a file that is being worked on; ``floats`` may be in it where they are meant."""
    graph.set_byte_scale(graph.tensor(graph.subgraph.inputs[0]))
    last = graph.producer(graph.subgraph.outputs[0])
    if graph.is_op(last, "QUANTIZE"):
        before = graph.producer(last.inputs[0])
        if before is not None and graph.is_op(before, "LOGISTIC"):
            graph.widen_sigmoid(before, last)
    graph.set_byte_scale(graph.tensor(graph.subgraph.outputs[0]))
    left = [] if floats else graph.float_tensors()
    if left:
        raise ExportError(
            f"The integer file still has float tensors: {', '.join(left[:3])}.",
            "An operation has no int8 form; tflite-dynamic-int8 keeps such in float.",
        )
    graph.prune()
    return graph.pack()


class Flatbuffer:
    """A TFLite model as mutable objects.

    Attributes:
        names: Tensors that are known by another name: index by name.
    """

    def __init__(self, data: bytes) -> None:
        from tensorflow.lite.python import schema_py_generated as schema

        self.schema: Any = schema
        self.model: Any = schema.ModelT.InitFromPackedBuf(data, 0)
        self.subgraph: Any = self.model.subgraphs[0]
        self.names: dict[str, int] = {}
        self._kinds = {
            value: key
            for key, value in vars(schema.BuiltinOperator).items()
            if not key.startswith("_")
        }

    def pack(self) -> bytes:
        import flatbuffers

        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

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
        self.names = {k: tensors[v] for k, v in self.names.items() if v in tensors}

    def describe(self, card: Card) -> None:
        """Embed the card, and give input and output the names that the signature has."""
        self.model.description = (
            f"{card.name} {card.version}: {card.description} {card.author}. {card.licence}."
        )
        self.tensor(self.subgraph.inputs[0]).name = b"image"
        self.tensor(self.subgraph.outputs[0]).name = b"mask"

    def tensor(self, index: int) -> Any:
        return self.subgraph.tensors[index]

    def producer(self, index: int) -> Any:
        return next((op for op in self.subgraph.operators if index in op.outputs), None)

    def name_of(self, operator: Any) -> str:
        """The operation's name in the schema: ``CONV_2D``."""
        return str(self._kinds[self.model.operatorCodes[operator.opcodeIndex].builtinCode])

    def data_of(self, tensor: Any, kind: Any) -> Any:
        """A constant tensor's values, flat."""
        return np.frombuffer(bytes(self.model.buffers[tensor.buffer].data), kind)

    def add_constant(
        self, name: bytes, kind: int, shape: Any, values: Any, scales: Any, axis: int
    ) -> int:
        """A new constant tensor, quantised per channel along ``axis``; its index."""
        index = self.add_activation(name, kind, np.asarray(shape, np.int32), 1.0, 0)
        tensor = self.tensor(index)
        tensor.quantization.scale = np.asarray(scales, np.float32)
        tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)
        tensor.quantization.quantizedDimension = axis
        self._fill(tensor, values)
        return index

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
        self._require(operator, version)
        return operator

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
        values = self.dequantised(self.tensor(weights))
        if values is not None:
            index = self.add_float_constant(self.tensor(weights).name, values.shape, values)
            convolution.inputs = np.array([photo, index, *rest], np.int32)

    def dequantised(self, tensor: Any) -> NDArray[np.float32] | None:
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

    def float_tensors(self) -> list[str]:
        kinds = {self.schema.TensorType.FLOAT32, self.schema.TensorType.FLOAT16}
        return [t.name.decode() for t in self.subgraph.tensors if t.type in kinds]

    def encode(self, tensor: Any, scale: float, zero_point: int) -> None:
        """Say what an activation's integers stand for."""
        tensor.quantization.scale = np.array([scale], np.float32)
        tensor.quantization.zeroPoint = np.array([zero_point], np.int64)
        tensor.quantization.min = tensor.quantization.max = None

    def set_byte_scale(self, tensor: Any) -> None:
        """The tensor's neighbour QUANTIZE reads the scale from here, so it stays right."""
        self.encode(tensor, _BYTE_SCALE, 0)

    def insert_before(self, reader: Any, index: int, kind: int, scale: float) -> int:
        """A QUANTIZE of a tensor to another kind, zero point 0, in front of its reader."""
        source = self.tensor(index)
        result = self.add_activation(source.name + b"/wide", kind, source.shape, scale, 0)
        pattern = next(op for op in self.subgraph.operators if self.is_op(op, "QUANTIZE"))
        operator = self._like(pattern, index, result)
        operators = self.subgraph.operators
        operators.insert(next(i for i, op in enumerate(operators) if op is reader), operator)
        self._require(operator, 2)
        return result

    def give_own_code(self, operator: Any, version: int) -> None:
        """Let an operation be of a version that others of its kind need not be."""
        old = self.model.operatorCodes[operator.opcodeIndex]
        for index, code in enumerate(self.model.operatorCodes):
            if code.builtinCode == old.builtinCode and code.version == version:
                operator.opcodeIndex = index
                return
        code = self.schema.OperatorCodeT()
        code.builtinCode, code.version = old.builtinCode, version
        code.deprecatedBuiltinCode, code.customCode = old.deprecatedBuiltinCode, old.customCode
        self.model.operatorCodes.append(code)
        operator.opcodeIndex = len(self.model.operatorCodes) - 1

    def widen_sigmoid(self, sigmoid: Any, final: Any) -> None:
        """LOGISTIC int8, QUANTIZE to uint8 becomes int16 in between, as the module says."""
        kinds = self.schema.TensorType
        logits = self.tensor(sigmoid.inputs[0])
        maker = self.producer(sigmoid.inputs[0])
        already = logits.type == self.schema.TensorType.INT16
        if not already and any(self.is_op(maker, name) for name in _RESCALING):
            self._clip(logits)
        shape = logits.shape
        wide = (
            int(sigmoid.inputs[0])
            if already
            else self.add_activation(b"mask/logits16", kinds.INT16, shape, INT16_LOGIT_SCALE, 0)
        )
        curve = self.add_activation(b"mask/sigmoid16", kinds.INT16, shape, _INT16_SIGMOID_SCALE, 0)
        narrow = self.add_activation(b"mask/sigmoid8", kinds.INT8, shape, _BYTE_SCALE, -128)
        operators = self.subgraph.operators
        position = next(i for i, op in enumerate(operators) if op is sigmoid)
        widen = [] if already else [self._like(final, sigmoid.inputs[0], wide)]
        sigmoid.inputs, sigmoid.outputs = np.array([wide], np.int32), np.array([curve], np.int32)
        round_off = self._like(final, curve, narrow)
        final.inputs = np.array([narrow], np.int32)
        operators[position : position + 1] = [*widen, sigmoid, round_off]
        # The int16 kernel is version 3 of LOGISTIC; int16 QUANTIZE is version 2.
        self._require(sigmoid, 3)
        self._require(final, 2)

    def _clip(self, logits: Any) -> None:
        """Narrow the logits' range to where the sigmoid moves.

        The operation that makes them takes its multiplier from this scale when the file is
        loaded, and saturates; its own accuracy is untouched.
        """
        quantization = logits.quantization
        scale, zero = float(quantization.scale[0]), int(quantization.zeroPoint[0])
        low = max(scale * (-128 - zero), -_SATURATION)
        high = min(scale * (127 - zero), _SATURATION)
        if not low < 0.0 < high:
            return  # the calibration photos' masks are all empty, or all full
        new_scale = np.float32((high - low) / 255)
        quantization.scale = np.array([new_scale], np.float32)
        quantization.zeroPoint = np.array([round(-128 - low / new_scale)], np.int64)
        quantization.min = quantization.max = None

    def add_activation(self, name: bytes, kind: int, shape: Any, scale: float, zero: int) -> int:
        """A new activation tensor; its index."""
        tensor = self.schema.TensorT()
        tensor.name, tensor.type, tensor.shape, tensor.buffer = name, kind, shape, 0
        tensor.quantization = self.schema.QuantizationParametersT()
        tensor.quantization.scale = np.array([scale], np.float32)
        tensor.quantization.zeroPoint = np.array([zero], np.int64)
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1

    def _fill(self, tensor: Any, values: Any) -> None:
        """Give a tensor constant values, in a buffer of its own."""
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        tensor.buffer = len(self.model.buffers) - 1

    def _like(self, operator: Any, source: int, result: int) -> Any:
        """Another operation of the same kind."""
        twin = self.schema.OperatorT()
        twin.opcodeIndex = operator.opcodeIndex
        twin.builtinOptionsType = operator.builtinOptionsType
        twin.builtinOptions = operator.builtinOptions
        twin.inputs, twin.outputs = np.array([source], np.int32), np.array([result], np.int32)
        return twin

    def _require(self, operator: Any, version: int) -> None:
        code = self.model.operatorCodes[operator.opcodeIndex]
        code.version = max(code.version, version)
