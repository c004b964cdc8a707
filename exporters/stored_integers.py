"""What a file with float32 at its borders stores as integers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import ExportError
from ..quantization.encodings import Encoding, QuantizedNetwork
from ..quantization.weight_grids import across

__all__ = ["Weight", "stored_encodings", "stored_weights"]


class Weight(NamedTuple):
    """A weight as integers.

    Attributes:
        integers: In torch's layout.
        scales: (O,) of each output channel.
        outputs: The dimension that those lie along.
    """

    integers: NDArray[np.int8]
    scales: NDArray[np.float32]
    outputs: int


# Biases are int32, in steps of the input's scale times the weight's. Half of the range is left
# to the sum that is added to it.
_LARGEST_BIAS = 2.0**30


def stored_encodings(network: QuantizedNetwork) -> dict[str, Encoding]:
    """Of each tensor that is rounded, by name.

    The mask is not among them: it leaves as float32, and rounding it before would only lose.

    Raises:
        ExportError: One is to have another width than 8 bits.
    """
    *_, mask = network.tensors
    found = {}
    for name, tensor in network.tensors.items():
        if tensor.encoding is None or name == mask:
            continue
        if tensor.in_float and tensor.encoding.bits == 16:
            continue  # only sums of 16 bits read it, and they are float here
        if tensor.encoding.bits != 8:
            raise ExportError(
                f"{name} is to have {tensor.encoding.bits} bits; this format has 8.",
                "Use a recipe with activation_bits = 8.",
            )
        found[name] = tensor.encoding
    return found


def stored_weights(network: QuantizedNetwork) -> dict[str, Weight]:
    """Each weight by path.

    They are the quantised network's, but for channels whose weights are so small that the bias
    would be beyond int32: those of no weight at all, which only give a constant. Their scale is
    as large as the bias demands; what rounding the weights again loses is 2^-30 of the bias.
    """
    found = {}
    for path in network.weight_scales:
        scales = network.weight_scales[path].detach().cpu().double().numpy()
        needed = np.zeros_like(scales)
        for tensor in network.tensors.values():
            source = network.tensors[tensor.sources[0]] if tensor.sources else None
            if tensor.weight != path or not tensor.bias or source is None or not source.encoding:
                continue
            bias = network.weights[tensor.bias].detach().cpu().double().numpy()
            if bias.shape == scales.shape:
                step = np.abs(bias) / (_LARGEST_BIAS * source.encoding.scale)
                needed = np.maximum(needed, step)
        integers, outputs = network.integers(path), network.outputs(path)
        small = needed > scales
        if small.any():
            weight = network.weights[path].detach().cpu().double()
            scales = np.where(small, needed, scales)
            steps = (weight / across(torch.from_numpy(scales), weight, outputs)).round().numpy()
            chosen = across(torch.from_numpy(small), weight, outputs).numpy()
            integers = np.where(chosen, steps, integers).astype(np.int8)
        found[path] = Weight(integers, scales.astype(np.float32), outputs)
    return found
