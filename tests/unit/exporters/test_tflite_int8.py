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
from maskport.exporters.tflite_int8 import export_int8, export_mixed
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
        self.module = nano()
        seeded(self.module, 0, (HEIGHT, WIDTH))
        spec = ModelSpec("nano", ImageSpec(HEIGHT, WIDTH), MaskSpec(), output=0)
        scenes = [scene(seed, HEIGHT, WIDTH).photo.transpose(2, 0, 1) for seed in range(8)]
        self.photos = np.stack(scenes)
        self.network: QuantizedNetwork
        self.view: PreparedMask
        view = prepare(self.module, spec)
        self.network, self.view = quantise(view, self.photos[:6], "0" * 64, BEST)
        self.run = Run(folder, spec, CARD)
        self.network.save(self.run.numbers)
        intermediates.make("onnx", self.view, self.run)
        self.path = folder / "nano.tflite"
        self.said = export_int8(self.run, self.path)


# Runtimes round multipliers and bilinear weights a little differently: a step here and there (up
# to 1.4 times as wide for ranges in other light), which at the sigmoid's steepest is a few bytes.
A_FEW_STEPS = 3 / 255


@pytest.fixture(scope="module")
def made(nano: Callable[..., U2Net], tmp_path_factory: pytest.TempPathFactory) -> Made:
    for name in ("tensorflow", "onnx2tf", "ai_edge_litert", "onnxsim"):
        pytest.importorskip(name, reason="needs maskport[tflite]")
    return Made(nano, tmp_path_factory.mktemp("int8"))


def test_the_file_draws_what_the_simulation_says(made: Made) -> None:
    simulation = simulated(made.network, made.view, (1, 3, HEIGHT, WIDTH))
    assert _differences(made.path, simulation, made.photos) < A_FEW_STEPS


def _differences(path: Path, simulation: torch.nn.Module, photos: np.ndarray) -> float:
    """The largest mean difference of a photo's mask."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path)).get_signature_runner("serving_default")
    found = []
    for photo in photos:
        drawn = runner(image=photo.transpose(1, 2, 0)[None])["mask"][0, :, :, 0] / 255
        with torch.no_grad():
            said = simulation(torch.from_numpy(photo)[None].float() / 255)[0, 0].numpy()
        found.append(float(np.abs(drawn - said).mean()))
    return max(found)


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


@pytest.fixture(scope="module")
def mixed(made: Made) -> tuple[QuantizedNetwork, PreparedMask, Path, Any]:
    """The same network with a decoder's stage, which reads and is read by integers, in float."""
    recipe = replace(
        BEST, name="mixed", float_modules=("body.network.stage2d", "body.network.side1")
    )
    network, view = quantise(prepare(made.module, made.run.spec), made.photos[:6], "0" * 64, recipe)
    run = made.run.of_recipe("mixed")
    run.scratch.mkdir()
    network.save(run.numbers)
    intermediates.make("onnx", view, run)
    path = run.scratch / "nano.tflite"
    return network, view, path, export_mixed(run, path)


def test_a_mixed_file_draws_what_its_simulation_says(
    made: Made, mixed: tuple[QuantizedNetwork, PreparedMask, Path, Any]
) -> None:
    network, view, path, said = mixed
    simulation = simulated(network, view, (1, 3, HEIGHT, WIDTH))
    assert _differences(path, simulation, made.photos) < A_FEW_STEPS
    assert "float in body.network.stage2d" in said.quantization.activations


def test_only_the_recipes_modules_are_in_float(
    mixed: tuple[QuantizedNetwork, PreparedMask, Path, Any],
) -> None:
    network, _, path, _ = mixed
    graph = Flatbuffer(path.read_bytes())
    kinds = graph.schema.TensorType
    convolutions = [op for op in graph.subgraph.operators if graph.name_of(op) == "CONV_2D"]
    in_float = [op for op in convolutions if graph.tensor(int(op.inputs[1])).type == kinds.FLOAT32]
    wanted = [
        t for t in network.tensors.values() if t.weight and t.weight not in network.weight_scales
    ]
    assert len(in_float) == len(wanted) > 3
    for operator in in_float:  # all of it: input, weight, bias and result
        indices = [int(i) for i in (*operator.inputs, *operator.outputs)]
        assert {graph.tensor(i).type for i in indices} == {kinds.FLOAT32}
    values = [graph.data_of(graph.tensor(int(op.inputs[1])), np.float32) for op in in_float]
    weights = [network.weights[t.weight].permute(0, 2, 3, 1).numpy().ravel() for t in wanted]
    assert {v.tobytes() for v in values} == {np.ascontiguousarray(w).tobytes() for w in weights}
    # Each tensor changes its kind once, however many read it.
    changed = [
        (graph.name_of(op), int(op.inputs[0]))
        for op in graph.subgraph.operators
        if graph.name_of(op) == "DEQUANTIZE"
    ]
    assert changed and len(changed) == len(set(changed))


def test_integers_throughout_are_refused_for_a_mixed_recipe(
    made: Made, mixed: tuple[QuantizedNetwork, PreparedMask, Path, Any]
) -> None:
    with pytest.raises(ExportError, match="integers throughout"):
        export_int8(made.run.of_recipe("mixed"), made.path.with_name("other.tflite"))


def test_another_networks_file_is_refused(made: Made) -> None:
    model = convert_integer(made.run, made.photos[:1])
    weights = {k: v.roll(1, 0) if v.ndim == 4 else v for k, v in made.network.weights.items()}
    with pytest.raises(ExportError, match="kept no convolution with the weights of conv2d"):
        insert_numbers(model, replace(made.network, weights=weights), CARD)
