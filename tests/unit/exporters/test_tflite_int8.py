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
from maskport.exporters.intermediates import keep_program
from maskport.exporters.run import Card, Run
from maskport.exporters.tflite import export_int8, export_int8_full, export_mixed
from maskport.exporters.tflite_flatbuffer import Flatbuffer
from maskport.models.prepared import PreparedMask, prepare
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.quantization.encodings import QuantizedNetwork
from maskport.quantization.program import quantized_program
from maskport.quantization.quantize import quantize, simulated
from maskport.quantization.recipe import BEST, FULL, Recipe, write_recipe
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

pytestmark = [
    pytest.mark.sdk,
    pytest.mark.slow,
]

HEIGHT, WIDTH = 50, 38  # odd once halved: ceil-mode pools and their padding show
CARD = Card("nano", "the author", "the licence", "0123456789ab", "Draws a mask.")


class Made:
    """A run with a quantised network, and the file made of it."""

    def __init__(
        self, nano: Callable[..., U2Net], folder: Path, recipe: Recipe, export: Callable[..., Any]
    ) -> None:
        self.module = nano()
        seeded(self.module, 0, (HEIGHT, WIDTH))
        spec = ModelSpec("nano", ImageSpec(HEIGHT, WIDTH), MaskSpec(), output=0)
        scenes = [scene(seed, HEIGHT, WIDTH).photo.transpose(2, 0, 1) for seed in range(8)]
        self.photos = np.stack(scenes)
        self.network: QuantizedNetwork
        self.view: PreparedMask
        view = prepare(self.module, spec)
        self.network, self.view = quantize(view, self.photos[:6], recipe)
        self.run = Run(folder, spec, CARD)
        write_recipe(recipe, self.run.recipe)
        keep_program(quantized_program(self.view, self.network, self.photos[0]), self.run)
        self.path = folder / "nano.tflite"
        self.said = export(self.run, self.path)

    @property
    def simulation(self) -> torch.nn.Module:
        return simulated(self.network, self.view, (1, 3, HEIGHT, WIDTH))


# Runtimes round multipliers and bilinear weights a little differently: a step here and there (up
# to 1.4 times as wide for ranges in other light), which at the sigmoid's steepest is a few bytes.
A_FEW_STEPS = 3 / 255


@pytest.fixture(scope="module")
def made(nano: Callable[..., U2Net], tmp_path_factory: pytest.TempPathFactory) -> Made:
    pytest.importorskip("litert_torch", reason="needs maskport[tflite]")
    return Made(nano, tmp_path_factory.mktemp("int8"), BEST, export_int8)


def test_the_file_draws_what_the_simulation_says(made: Made) -> None:
    assert _differences(made.path, made.simulation, made.photos) < A_FEW_STEPS


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


def _types(path: Path) -> list[tuple[str, str]]:
    """Of each operation: its name, and the type of what it gives."""
    graph = Flatbuffer(path.read_bytes())
    kinds = {value: name for name, value in vars(graph.schema.TensorType).items()}
    return [
        (graph.name_of(op), kinds[graph.tensor(int(op.outputs[0])).type])
        for op in graph.subgraph.operators
    ]


def test_all_but_the_sums_of_logits_and_the_sigmoid_are_integers_of_8_bits(made: Made) -> None:
    found = _types(made.path)
    floats = [name for name, kind in found if kind == "FLOAT32"]
    assert set(floats) == {"DEQUANTIZE", "ADD", "LOGISTIC"}
    assert floats.count("ADD") == 2
    assert {kind for _, kind in found} == {"FLOAT32", "INT8", "UINT8"}
    assert found[:2] == [("DEQUANTIZE", "FLOAT32"), ("QUANTIZE", "INT8")]
    assert found[-1] == ("QUANTIZE", "UINT8")


def test_xnnpack_takes_the_file_whole(made: Made) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(made.path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(
        interpreter.get_input_details()[0]["index"], made.photos[:1].transpose(0, 2, 3, 1)
    )
    interpreter.invoke()
    results = {int(i) for op in interpreter._get_ops_details() for i in op["outputs"]}
    outside = []
    for index in results - {interpreter.get_output_details()[0]["index"]}:
        try:
            interpreter.get_tensor(index)
        except ValueError:  # what lies inside the delegate has no memory here
            continue
        outside.append(index)
    assert outside == []


def test_tensors_are_called_after_the_networks_modules(made: Made) -> None:
    names = {tensor.name.decode() for tensor in Flatbuffer(made.path.read_bytes()).subgraph.tensors}
    assert {"image", "mask"} <= names
    assert any(name.startswith("stage1.rebnconvin") for name in names)


def test_the_full_file_has_nothing_but_integers_of_8_bits(
    nano: Callable[..., U2Net], made: Made, tmp_path: Path
) -> None:
    full = Made(nano, tmp_path, FULL, export_int8_full)
    assert {kind for _, kind in _types(full.path)} == {"INT8", "UINT8"}
    # Sums of logits are rounded, too, and its sigmoid has steps of 1/256.
    assert _differences(full.path, full.simulation, full.photos) < A_FEW_STEPS + 1 / 255


def test_the_manifest_learns_the_recipe(made: Made) -> None:
    said: Any = made.said.quantization
    assert (said.recipe, said.recipe_sha256) == ("best", BEST.digest)


@pytest.fixture(scope="module")
def mixed(nano: Callable[..., U2Net], made: Made, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The same network with a decoder's stage, which reads and is read by integers, in float."""
    recipe = replace(
        BEST, name="mixed", float_modules=("body.network.stage2d", "body.network.side1")
    )
    return Made(nano, tmp_path_factory.mktemp("mixed"), recipe, export_mixed)


def test_a_mixed_file_draws_what_its_simulation_says(mixed: Made) -> None:
    assert _differences(mixed.path, mixed.simulation, mixed.photos) < A_FEW_STEPS
    assert "float in body.network.stage2d" in mixed.said.quantization.activations


def test_only_the_recipes_modules_are_in_float(mixed: Made) -> None:
    network = mixed.network
    graph = Flatbuffer(mixed.path.read_bytes())
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


def test_integers_throughout_are_refused_for_a_mixed_recipe(mixed: Made) -> None:
    with pytest.raises(ExportError, match="integers throughout"):
        export_int8(mixed.run, mixed.path.with_name("other.tflite"))
