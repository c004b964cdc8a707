"""INT8 files of a quantised network: our numbers are in them, and nothing is left out silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from maskport.artifacts.inspect.executorch import Program
from maskport.artifacts.onnx_saturation import saturating_nodes
from maskport.errors import ExportError
from maskport.exporters import executorch, onnx_int8
from maskport.exporters.intermediates import keep_program
from maskport.exporters.run import Card, Run
from maskport.models.prepared import PreparedMask, prepare
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.quantization.encodings import Encoding, QuantizedNetwork
from maskport.quantization.graph import capture
from maskport.quantization.program import load_program, quantized_program
from maskport.quantization.quantize import quantize, simulated
from maskport.quantization.recipe import Recipe, write_recipe
from maskport.quantization.weight_grids import ANY_PAIR
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

pytestmark = pytest.mark.sdk

SIZE = (48, 40)
CARD = Card("nano", "the author", "the licence", "0123456789ab", "Draws a mask")
# Exact halves may round either way, and what comes of it goes through the whole network: about
# as much as rounding itself does.
TOLERANCE = 1e-2
# Bytes pass unrounded: the rewrite that adds a channel without weights.
RECIPE = Recipe("own", pass_bytes=True, wide_tail=True)


@dataclass(frozen=True)
class Sample:
    run: Run
    network: QuantizedNetwork
    view: nn.Module
    float_view: PreparedMask
    photos: NDArray[np.uint8]
    photo: NDArray[np.float32]
    mask: NDArray[np.float32]
    """What the simulation draws, unrounded: these files' masks are float32."""


@pytest.fixture(scope="module")
def sample(nano: Callable[..., U2Net], tmp_path_factory: pytest.TempPathFactory) -> Sample:
    pytest.importorskip("onnxruntime", reason="needs maskport[onnx]")
    network = nano()
    seeded(network, 0, SIZE)
    spec = ModelSpec("nano", ImageSpec(*SIZE), MaskSpec(), output=0)
    photos = np.stack([scene(i, *SIZE).photo.transpose(2, 0, 1) for i in range(4)])
    float_view = prepare(network, spec)
    numbers, view = quantize(float_view, photos, RECIPE)
    run = Run(tmp_path_factory.mktemp("recipe"), spec, CARD)
    keep_program(quantized_program(view, numbers, photos[0]), run)
    write_recipe(RECIPE, run.recipe)
    pixels = np.ascontiguousarray(scene(9, *SIZE).photo.transpose(2, 0, 1)[None])
    photo = pixels.astype(np.float32) / np.float32(255)
    *_, mask = numbers.tensors
    exact = replace(
        numbers,
        tensors={
            name: replace(t, encoding=None) if name == mask else t
            for name, t in numbers.tensors.items()
        },
    )
    with torch.no_grad():
        drawn = simulated(exact, view, (1, 3, *SIZE))(torch.from_numpy(photo)).numpy()
    return Sample(run, numbers, view, float_view, photos, photo, drawn)


@pytest.fixture(scope="module")
def onnx_file(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "nano.onnx"
    onnx_int8.export_int8(sample.run, path)
    return path


def session(path: Path, *, precise: bool = False, **options: Any) -> Any:
    import onnxruntime

    chosen = onnxruntime.SessionOptions()
    chosen.log_severity_level = 3
    # Products are added in 32 bits, where kernels for older processors would take 16.
    chosen.add_session_config_entry("session.x64quantprecision", str(int(precise)))
    for name, value in options.items():
        setattr(chosen, name, value)
    return onnxruntime.InferenceSession(str(path), chosen, providers=["CPUExecutionProvider"])


@pytest.mark.kernels
@pytest.mark.parametrize("precise", [False, True], ids=["plain", "precise"])
def test_onnx_runtime_draws_what_the_simulation_draws(
    precise: bool, sample: Sample, onnx_file: Path
) -> None:
    mask = session(onnx_file, precise=precise).run(None, {"image": sample.photo})[0]
    assert mask.dtype == np.float32
    assert sample.mask.max() - sample.mask.min() > 0.3  # not flat, or it means nothing
    assert np.abs(mask - sample.mask).mean() < TOLERANCE


def test_its_nodes_have_the_names_of_the_networks_modules(onnx_file: Path) -> None:
    import onnx

    graph = onnx.load(str(onnx_file)).graph
    ends = [value.name for value in (*graph.input, *graph.output)]
    assert ends == ["image", "mask"]
    names = {node.name for node in graph.node if node.op_type == "Conv"}
    assert "/stage1/rebnconvin/conv_s1/Conv" in names
    assert not [name for name in names if "body" in name or "network" in name]


def test_phones_find_constant_scales_in_resizes_that_these_give(onnx_file: Path) -> None:
    import onnx

    graph = onnx.load(str(onnx_file)).graph
    constants = {tensor.name for tensor in graph.initializer}
    resizes = [node for node in graph.node if node.op_type == "Resize"]
    scaled = [node for node in resizes if len(node.input) == 3]
    assert len(scaled) > len(resizes) / 2  # the others are of odd sizes
    assert all(constants.issuperset(node.input[1:]) for node in scaled)


def test_no_sum_of_two_products_leaves_16_bits(sample: Sample, onnx_file: Path) -> None:
    import onnx

    assert saturating_nodes(onnx.load(str(onnx_file))) == []


def test_a_recipe_without_a_bound_of_pairs_gives_a_file_that_can_saturate(sample: Sample) -> None:

    recipe = replace(RECIPE, largest_pair=ANY_PAIR)
    numbers, view = quantize(sample.float_view, sample.photos[:1], recipe)
    run = sample.run.of_recipe("any-pair")
    run.scratch.mkdir()
    keep_program(quantized_program(view, numbers, sample.photos[0]), run)
    model = onnx_int8.as_qdq(load_program(run.program), torch.full((1, 3, *SIZE), 0.5))
    # All but the photo's own bytes, each of which meets a single weight.
    weighted = [t for t in numbers.tensors.values() if t.weight]
    assert len(saturating_nodes(model)) > len(weighted) / 2


@pytest.mark.kernels
@pytest.mark.parametrize("precise", [False, True], ids=["plain", "precise"])
def test_each_operation_in_onnx_runtime_is_within_a_step_of_the_simulation(
    precise: bool, sample: Sample, onnx_file: Path
) -> None:
    import onnx

    *_, mask = sample.network.tensors
    encodings = {
        t.name: t.encoding
        for t in sample.network.tensors.values()
        if t.encoding is not None and t.name != mask
    }
    model = onnx.load(str(onnx_file))
    stored = [n.output[0] for n in model.graph.node if n.op_type == "QuantizeLinear"]
    # torch counts the program's quantisers in order of execution, and names values after them.
    stored.sort(key=lambda name: int(name.removeprefix("quantize_per_tensor").strip("_") or 0))
    quantizers = [
        str(node.args[0])
        for node in load_program(sample.run.program).graph.nodes
        if str(node.target).startswith("quantized_decomposed.quantize_per_tensor")
    ]
    names = dict(zip(["image", *quantizers[1:]], stored, strict=True))
    assert names.keys() == encodings.keys()
    model.graph.output.extend(map(onnx.helper.make_empty_tensor_value_info, names.values()))
    watched = onnx_file.with_name("watched.onnx")
    onnx.save(model, str(watched))
    values = session(watched, precise=precise).run(list(names.values()), {"image": sample.photo})
    integers = dict(zip(names, values, strict=True))
    differences = []

    def follow(name: str, value: Tensor) -> Tensor:
        """Compare what is computed from the file's own values, and go on with the file's."""
        if name not in encodings:
            return value
        scale, zero = encodings[name].scale, encodings[name].zero_point + 128
        ours = (value / scale + zero).round().clamp(0, 255)
        theirs = torch.from_numpy(integers[name].astype(np.float32))
        differences.append((theirs - ours).flatten())
        return (theirs - zero) * scale

    with torch.no_grad():
        capture(sample.view, (1, 3, *SIZE)).run(
            torch.from_numpy(sample.photo), follow, sample.network.weights
        )
    steps = torch.cat(differences)
    assert steps.abs().max() <= 1
    # Only exact halves differ, and those to both sides.
    assert (steps != 0).float().mean() < 0.02
    assert abs(float(steps.mean())) < 0.005


def test_onnx_runtime_runs_every_convolution_in_integers(
    sample: Sample, onnx_file: Path, tmp_path: Path
) -> None:
    import onnx

    seen = tmp_path / "optimised.onnx"
    session(onnx_file, optimized_model_filepath=str(seen))
    kinds = Counter(node.op_type for node in onnx.load(str(seen)).graph.node)
    convolutions = sum(t.kind == "conv" for t in sample.network.tensors.values())
    assert (kinds["QLinearConv"], kinds["Conv"]) == (convolutions, 0)
    assert (kinds["QLinearConcat"], kinds["Concat"]) != (0, 0)
    assert kinds["Concat"] == 0


def test_resizes_have_another_scale_behind_them_so_that_no_release_cuts_off(
    onnx_file: Path,
) -> None:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(onnx_file)).graph
    values = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    readers = {name: node for node in graph.node for name in node.input}
    pairs = [
        (values[makers[node.input[0]].input[1]], values[readers[node.output[0]].input[1]])
        for node in graph.node
        if node.op_type == "Resize" and readers[node.output[0]].op_type == "QuantizeLinear"
    ]
    assert pairs
    for before, after in pairs:
        assert before != after
        assert np.isclose(before, after, rtol=2e-7)


def test_the_weights_in_the_file_are_the_quantized_networks(
    sample: Sample, onnx_file: Path
) -> None:
    import onnx
    from onnx import numpy_helper

    stored = {
        numpy_helper.to_array(t).tobytes()
        for t in onnx.load(str(onnx_file)).graph.initializer
        if t.data_type == onnx.TensorProto.INT8
    }
    expected = {sample.network.integers(path).tobytes() for path in sample.network.weight_scales}
    assert expected <= stored


def test_nodes_are_named_after_the_networks_modules_and_nothing_tells_of_this_machine(
    sample: Sample, onnx_file: Path
) -> None:
    import onnx

    names = {node.name for node in onnx.load(str(onnx_file)).graph.node}
    assert "/stage1/rebnconvin/conv_s1/Conv" in names
    assert b".py" not in onnx_file.read_bytes()


def test_widths_that_these_files_lack_are_an_error(sample: Sample) -> None:
    name = next(iter(sample.network.tensors))
    wide = replace(sample.network.tensors[name], encoding=Encoding(1e-3, 0, 16))
    network = replace(sample.network, tensors={**sample.network.tensors, name: wide})
    with pytest.raises(ExportError, match="16 bits"):
        quantized_program(sample.view, network, sample.photos[0])


def test_a_program_that_draws_another_mask_than_its_simulation_is_an_error(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maskport.quantization import program

    own = program._round

    def elsewhere(graph: Any, node: Any, encoding: Encoding) -> None:
        own(graph, node, replace(encoding, scale=encoding.scale / 8))

    monkeypatch.setattr(program, "_round", elsewhere)
    with pytest.raises(ExportError, match="off its own simulation"):
        quantized_program(sample.view, sample.network, sample.photos[0])


def test_a_channel_that_only_gives_a_constant_has_a_bias_within_int32(sample: Sample) -> None:
    first = next(t for t in sample.network.tensors.values() if t.weight == "normalize.weight")
    source = sample.network.tensors[first.sources[0]].encoding
    assert source is not None
    # Its last channel has no weight but a bias; here with as small a scale as that allows.
    plain = sample.network.weight_scales[first.weight].clone()
    plain[-1] = 1e-11
    given = {**sample.network.weight_scales, first.weight: plain}
    program = quantized_program(
        sample.view, replace(sample.network, weight_scales=given), sample.photos[0]
    )
    stored = program.state_dict
    bias = sample.network.weights[first.bias].double()
    scales = stored["normalize_weight_scales"]
    assert not stored["normalize_weight_integers"][-1].any()
    assert (bias / (scales * source.scale)).abs().max() < np.iinfo(np.int32).max
    assert torch.equal(scales[:-1], plain[:-1])


def test_executorch_draws_what_the_simulation_draws_all_inside_xnnpack(
    sample: Sample, tmp_path: Path
) -> None:
    pytest.importorskip("executorch", reason="needs maskport[executorch]")
    path = tmp_path / "nano.pte"
    exported = executorch.export_int8(sample.run, path)
    assert Program(path).operators() == []
    assert exported.quantization is not None
    assert exported.quantization.recipe_sha256 == RECIPE.digest
    from executorch.runtime import Runtime

    method = Runtime.get().load_program(path).load_method("forward")
    mask = method.execute([torch.from_numpy(sample.photo)])[0].numpy()
    assert np.abs(mask - sample.mask).mean() < TOLERANCE
