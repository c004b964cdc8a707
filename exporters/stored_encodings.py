"""Which tensors a file with float32 at its borders stores as integers."""

from __future__ import annotations

from ..errors import ExportError
from ..quantization.encodings import Encoding, QuantizedNetwork

__all__ = ["stored_encodings"]


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
        if tensor.encoding.bits != 8:
            raise ExportError(
                f"{name} is to have {tensor.encoding.bits} bits; this format has 8.",
                "Use a recipe with activation_bits = 8.",
            )
        found[name] = tensor.encoding
    return found
