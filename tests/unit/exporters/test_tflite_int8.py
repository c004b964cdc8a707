"""Integer TFLite files of a quantised network hold its numbers, and nothing of the converter's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from maskport.errors import ExportError
from maskport.exporters import intermediates
from maskport.exporters.run import Card, Run
from maskport.exporters.tflite import convert_integer
from maskport.exporters.tflite_graph import Flatbuffer
from maskport.exporters.tflite_int8 import export_int8
from maskport.exporters.tflite_numbers import insert_numbers
from maskport.imaging.scenes import scene
from maskport.models.prepared import PreparedMask, prepare
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.quantization.encodings import QuantizedNetwork
from maskport.quantization.quantise import quantise, simulated
from maskport.quantization.recipe import BEST
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

pytestmark = [
    pytest.mark.sdk,
    pytest.mark.slow,
    # TensorFlow's own, about the interpreter that its converter calibrates with.
    pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated"),
]

HEIGHT, WIDTH = 50, 38  # odd once halved: ceil-mode pools and their padding show
CARD = Card("nano", "the author", "the licence", "0123456789ab", "Draws a mask.")


class Made:
    """A run with a quantised network, and the file made of it."""

    def __init__(self, nano: Callable[..., U2Net], folder: Path) -> None:
        network = nano()
        seeded(network, 0, (HEIGHT, WIDTH))
        spec = ModelSpec("nano", ImageSpec(HEIGHT, WIDTH), MaskSpec(), output=0)
        scenes = [scene(seed, HEIGHT, WIDTH).photo.transpose(2, 0, 1) for seed in range(8)]
        self.photos = np.stack(scenes)
        self.network: QuantizedNetwork
        self.view: PreparedMask
        self.network, self.view = quantise(prepare(network, spec), self.photos[:6], "0" * 64, BEST)
        self.run = Run(folder, spec, CARD)
        self.network.save(self.run.numbers)
        intermediates.make("onnx", self.view, self.run)
        self.path = folder / "nano.tflite"
        self.said = export_int8(self.run, self.path)


@pytest.fixture(scope="module")
def made(nano: Callable[..., U2Net], tmp_path_factory: pytest.TempPathFactory) -> Made:
    for name in ("tensorflow", "onnx2tf", "ai_edge_litert", "onnxsim"):
        pytest.importorskip(name, reason="needs maskport[tflite]")
    return Made(nano, tmp_path_factory.mktemp("int8"))


def test_the_file_draws_what_the_simulation_says(made: Made) -> None:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(made.path)).get_signature_runner("serving_default")
    simulation = simulated(made.network, made.view, (1, 3, HEIGHT, WIDTH))
    for photo in made.photos:
        drawn = runner(image=photo.transpose(1, 2, 0)[None])["mask"][0, :, :, 0] / 255
        with torch.no_grad():
            said = simulation(torch.from_numpy(photo)[None].float() / 255)[0, 0].numpy()
        # Runtimes round multipliers and bilinear weights a little differently: a step here and
        # there, which at the sigmoid's steepest is a few bytes of the mask.
        assert np.abs(drawn - said).mean() < 2 / 255


def test_every_convolution_has_the_recipes_integers(made: Made) -> None:
    graph = Flatbuffer(made.path.read_bytes())
    found = set()
    for operator in graph.subgraph.operators:
        if graph.name_of(operator) == "CONV_2D":
            tensor = graph.tensor(int(operator.inputs[1]))
            whole = graph.data_of(tensor, np.int8).reshape(tensor.shape).transpose(0, 3, 1, 2)
            found.add(np.ascontiguousarray(whole).tobytes())
    wanted = {made.network.integers(path).tobytes() for path in made.network.weight_scales}
    assert wanted == found


def test_sums_of_logits_have_16_bits_and_nothing_is_a_float(made: Made) -> None:
    graph = Flatbuffer(made.path.read_bytes())
    kinds = graph.schema.TensorType
    tails = [
        graph.tensor(int(operator.outputs[0])).type
        for operator in graph.subgraph.operators
        if graph.name_of(operator) == "ADD"
    ][-2:]
    assert tails == [kinds.INT16, kinds.INT16]
    assert graph.float_tensors() == []


def test_nothing_that_was_replaced_stays_in_the_file(made: Made) -> None:
    graph = Flatbuffer(made.path.read_bytes())
    read = {int(i) for op in graph.subgraph.operators for i in (*op.inputs, *op.outputs)}
    assert set(range(len(graph.subgraph.tensors))) <= read


def test_the_manifest_learns_the_recipe(made: Made) -> None:
    said: Any = made.said.quantization
    assert (said.recipe, said.recipe_sha256) == ("best", BEST.digest)


def test_another_networks_file_is_refused(made: Made) -> None:
    model = convert_integer(made.run, made.photos[:1])
    weights = {k: v.roll(1, 0) if v.ndim == 4 else v for k, v in made.network.weights.items()}
    with pytest.raises(ExportError, match="nothing like"):
        insert_numbers(model, replace(made.network, weights=weights), CARD)
