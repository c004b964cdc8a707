"""Integer TFLite files of a network that was quantised by a recipe."""

from __future__ import annotations

from pathlib import Path

from ..artifacts.manifest import Quantization
from .run import Exported, Run
from .tflite import as_bytes, convert_integer
from .tflite_graph import finished
from .tflite_numbers import insert_numbers
from .tflite_tail import widen_tail

__all__ = ["export_int8"]


def export_int8(run: Run, path: Path) -> Exported:
    """Write the fully integer file with the recipe's numbers: uint8 in and out, scale 1/255.

    Args:
        run: A recipe's own run, see `Run.of_recipe`.
        path: Of the file.

    Raises:
        ExportError: The converter's graph is not the network's.
    """
    network = run.quantized
    # One photo: the converter's own ranges are thrown away.
    graph = insert_numbers(convert_integer(run, network.probe[None]), network, run.card)
    run.step("inserting scales and weights")
    wide = widen_tail(graph, network)
    path.write_bytes(finished(graph))
    recipe = network.recipe
    return Exported(
        *as_bytes(run),
        quantization=Quantization(
            weights="int8, symmetric, per output channel",
            activations="int8, per tensor" + (", int16 behind the last convolutions" * wide),
            recipe=recipe.name,
            recipe_sha256=recipe.digest,
        ),
        properties={"signature": "serving_default"},
    )
