"""Integer TFLite files of a network that was quantised by a recipe."""

from __future__ import annotations

from pathlib import Path

from ..errors import ExportError
from .run import Exported, Run
from .tflite import as_bytes, convert_integer
from .tflite_graph import finished
from .tflite_mixed import leave_in_float
from .tflite_numbers import insert_numbers
from .tflite_scales import demand_scales
from .tflite_tail import widen_tail

__all__ = ["export_int8", "export_mixed"]


def export_int8(run: Run, path: Path) -> Exported:
    """Write the fully integer file with the recipe's numbers: uint8 in and out, scale 1/255.

    Args:
        run: A recipe's own run, see `Run.of_recipe`.
        path: Of the file.

    Raises:
        ExportError: The converter's graph is not the network's, or the recipe leaves a part of
            it in float.
    """
    parts = run.quantized.recipe.float_modules
    if parts:
        raise ExportError(
            f"The recipe leaves {', '.join(parts)} in float; tflite-int8 is integers throughout.",
            "Make tflite-mixed of it.",
        )
    return export_mixed(run, path)


def export_mixed(run: Run, path: Path) -> Exported:
    """Write the same with the parts in float32 that the recipe leaves in float."""
    network, recipe = run.quantized, run.quantized.recipe
    if recipe.activation_bits != 8:
        raise ExportError(
            f"The recipe has activations of {recipe.activation_bits} bits; these files have 8.",
            "tflite-int8x16 has 16; or use a recipe with activation_bits = 8.",
        )
    # One photo: the converter's own ranges are thrown away.
    graph = insert_numbers(convert_integer(run, network.probe[None]), network, run.card)
    run.step("inserting scales and weights")
    wide = widen_tail(graph, network)
    in_float = leave_in_float(graph, network) > 0
    demand_scales(graph)
    path.write_bytes(finished(graph, floats=in_float))
    return Exported(
        *as_bytes(run),
        quantization=run.quantization(
            "int8, per tensor" + ", int16 behind the last convolutions" * wide
        ),
        properties={"signature": "serving_default"},
    )
