"""Networks that end in a softmax, or resize behind a sigmoid, give integer files that load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskport.exporters.intermediates import keep_program
from maskport.exporters.run import Card, Run
from maskport.exporters.tflite import export_int8, export_int8_full
from maskport.exporters.tflite_flatbuffer import Flatbuffer
from maskport.models.prepared import prepare
from maskport.quantization.program import quantized_program
from maskport.quantization.quantize import quantize, simulated
from maskport.quantization.recipe import BEST, FULL, Recipe, write_recipe
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

pytestmark = [
    pytest.mark.sdk,
    pytest.mark.slow,
]

SIDE = 32


class Ended(nn.Module):
    def __init__(self, end: Callable[[Tensor], Tensor], planes: int, steep: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 8, 3, padding=1, stride=2)
        self.last = nn.Conv2d(8, planes, 1)
        self.end = end
        with torch.no_grad():
            self.last.weight.mul_(steep)

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.last(torch.relu(self.first(x))))


def larger(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


# What a network ends in, its planes, and the operation whose scale a recipe doesn't choose.
ENDS = {
    "a resize, then a sigmoid": (lambda x: larger(x).sigmoid(), 1, "LOGISTIC"),
    "a softmax": (lambda x: larger(x).softmax(1), 3, "SOFTMAX"),
    "a softmax that is resized": (lambda x: larger(x.softmax(1)), 3, "SOFTMAX"),
    "a sigmoid that is resized": (lambda x: larger(x.sigmoid()), 1, "LOGISTIC"),
}


# Logits that stay where a sigmoid moves, and such that pass far beyond.
@pytest.mark.parametrize(("recipe", "steep"), [(BEST, 4), (FULL, 60)])
@pytest.mark.parametrize("name", ENDS)
def test_it_loads_and_draws_what_the_simulation_says(
    recipe: Recipe, name: str, steep: float, tmp_path: Path
) -> None:
    pytest.importorskip("litert_torch", reason="needs maskport[tflite]")
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    end, planes, kind = ENDS[name]
    labels = tuple(map(str, range(planes)))
    spec = ModelSpec("ended", ImageSpec(SIDE, SIDE), MaskSpec(planes, labels=labels))
    photos = np.stack([scene(seed, SIDE, SIDE).photo.transpose(2, 0, 1) for seed in range(4)])
    network, view = quantize(prepare(Ended(end, planes, steep).eval(), spec), photos, recipe)
    run = Run(tmp_path, spec, Card("ended", "author", "license", "0" * 12, "Draws."))
    keep_program(quantized_program(view, network, photos[0]), run)
    write_recipe(recipe, run.recipe)
    export = export_int8_full if recipe is FULL else export_int8
    export(run, tmp_path / "ended.tflite")

    graph = Flatbuffer((tmp_path / "ended.tflite").read_bytes())
    (operator,) = (op for op in graph.subgraph.operators if graph.name_of(op) == kind)
    result = graph.tensor(int(operator.outputs[0]))
    if recipe is FULL:
        # The kernel's own steps, which no file may change.
        steps = float(result.quantization.scale[0]), int(result.quantization.zeroPoint[0])
        assert steps == (1 / 256, -128)
    else:
        assert result.type == graph.schema.TensorType.FLOAT32

    interpreter = litert.Interpreter(str(tmp_path / "ended.tflite"))
    draw = interpreter.get_signature_runner("serving_default")
    simulation = simulated(network, view, (1, 3, SIDE, SIDE))
    for photo in photos:
        mask = draw(image=photo.transpose(1, 2, 0)[None])["mask"][0].transpose(2, 0, 1) / 255
        with torch.no_grad():
            said = simulation(torch.from_numpy(photo)[None].float() / 255)[0].numpy()
        # A step of the logits, where the sigmoid is steepest, is a few bytes.
        assert np.abs(mask - said).mean() < 3 / 255
        assert np.ptp(said) > 0.1  # else a flat mask would do
