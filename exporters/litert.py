"""litert-torch: a torch.export program as a TFLite file.

It reads the run's program, float or with the quantiser's scales in it; the latter it merges into
integer operations (its converter's static mode), so the scales need not be found again. The file's
image and mask are NHWC, or NCHW where that is asked for.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch

from ..errors import ExportError
from ..quantization.program import float_weight, load_program, reexported, roundings
from ..sdks.tflite import names_of, operator_name
from .failures import ran_out, reason_of
from .one_trace import one_trace
from .onnx import own_name
from .run import Run

__all__ = ["convert"]

# A sigmoid's or softmax's integers, by TFLite's quantisation specification.
_SIGMOID = (1 / 256, -128, -128, 127, torch.int8)
_BOUNDED = ("sigmoid", "softmax")
_RESIZE = torch.ops.aten.upsample_bilinear2d.vec
_EXPANDING = {torch.ops.aten.expand.default, torch.ops.aten.expand_as.default}
_ELEMENTWISE = {getattr(torch.ops.aten, name).Tensor for name in ("add", "sub", "mul", "div")} | {
    getattr(torch.ops.aten, f"{name}_").Tensor for name in ("add", "sub", "mul", "div")
}


def convert(run: Run, *, integers: bool = False, mask_in_integers: bool = False) -> bytes:
    """The TFLite file of the run's program, whose one signature has ``image`` and ``mask``.

    Args:
        run: The run, or a recipe's own.
        integers: The program has the quantiser's scales.
        mask_in_integers: The mask is rounded, too, as TFLite's int8 sigmoid does it.

    Raises:
        ExportError: litert-torch can't convert it, or would write what nothing runs.
    """
    os.environ.setdefault("LITERT_TORCH_SHOW_PROGRESS", "n")
    run.step("importing litert-torch")
    import litert_torch

    run.step("litert-torch")
    module = load_program(run.program)
    _refuse(module)
    _drop_expansions(module)
    if integers:
        _quantize_floats(module)
        if mask_in_integers:
            _round_mask(module)
    example = torch.full(run.image_shape, 0.5)
    if run.options.tflite_layout == "NHWC":
        _channels_last(module)
        example = example.permute(0, 2, 3, 1).contiguous()

    def converted() -> bytes:
        program = reexported(module, example)
        _name_by_modules(program)
        with one_trace(), _exported(module, program):
            model = litert_torch.convert(
                module, (example,), quant_config=_static() if integers else None
            )
        return bytes(model.model_content())

    try:
        with _without_bodies():
            model = converted()
        resizes = [node for node in module.graph.nodes if node.target is _RESIZE]
        return model if _resizes_in(model) == len(resizes) else converted()
    except Exception as exc:  # torch's, jax's and MLIR's
        if ran_out(exc):
            raise
        raise ExportError(
            f"litert-torch can't convert {run.spec.name}: {reason_of(exc)}",
            "The log has its whole message; other formats don't depend on it.",
        ) from exc


def _refuse(module: Any) -> None:
    if any(node.target is torch.ops.aten.max_unpool2d.default for node in module.graph.nodes):
        raise ExportError(
            "litert-torch writes max-unpooling as operations that no TFLite runtime takes.",
            "ExecuTorch and ONNX take it; or resize bilinearly there, and fine-tune.",
        )


def _static() -> Any:
    """What makes the converter merge scales into integer operations; it quantises nothing."""
    from litert_torch.quantize.pt2e_quantizer import (
        PT2EQuantizer,
        get_symmetric_quantization_config,
    )
    from litert_torch.quantize.quant_config import QuantConfig

    config = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=False)
    return QuantConfig(pt2e_quantizer=PT2EQuantizer().set_global(config))


def _quantize_floats(module: Any) -> None:
    """Weights as floats that are quantised where they are read: stored int8 is refused."""
    operations = torch.ops.quantized_decomposed
    graph = module.graph
    for node in list(graph.nodes):
        if (floats := float_weight(module, node)) is None:
            continue
        integers, scales, zeros, *how = node.args
        with graph.inserting_before(node):
            quantized = graph.call_function(
                operations.quantize_per_channel.default, (floats, scales, zeros, *how)
            )
        node.replace_input_with(integers, quantized)
    module.recompile()


def _drop_expansions(module: Any) -> None:
    """Let sums and products broadcast by themselves, in place.

    litert-torch turns a gate that is expanded to the map's size (``w.expand_as(x) * x``) into a
    BROADCAST_TO of another layout than the map's, which no runtime takes.
    """
    graph, rounded = module.graph, set(roundings(module))
    for node in list(graph.nodes):
        if node.target not in _EXPANDING:
            continue
        source, shape = node.args[0], node.meta["val"].shape
        same_rank = len(source.meta["val"].shape) == len(shape)
        if same_rank and all(_broadcasts(n, shape, rounded) for n in _readers(node, rounded)):
            node.replace_all_uses_with(source)
            graph.erase_node(node)
    module.recompile()


def _broadcasts(node: Any, shape: Any, rounded: set[Any]) -> bool:
    """It gives that shape by another of its arguments, too."""
    if node.target not in _ELEMENTWISE:
        return False
    made = [_maker(source, rounded) for source in node.all_input_nodes]
    others = [n for n in made if n.target not in _EXPANDING]
    return len(others) == 1 and "val" in others[0].meta and others[0].meta["val"].shape == shape


def _readers(node: Any, rounded: set[Any]) -> list[Any]:
    """What reads a node's values, rounded or not."""
    found: list[Any] = []
    for user in node.users:
        found += _readers(user, rounded) if user in rounded else [user]
    return found


def _maker(node: Any, rounded: set[Any]) -> Any:
    """What made values, before they were rounded."""
    while node in rounded:
        node = node.args[0]
    return node


def _round_mask(module: Any) -> None:
    """Quantise what is returned."""
    operations = torch.ops.quantized_decomposed
    graph = module.graph
    output = next(node for node in graph.nodes if node.op == "output")
    (mask,) = output.all_input_nodes
    how = (1 / 255, *_SIGMOID[1:])
    (before, *others) = mask.all_input_nodes
    if any(name in str(mask.target) for name in _BOUNDED):
        how = _SIGMOID
    elif before.target is operations.dequantize_per_tensor.default and not others:
        how = before.args[1:]  # resized or moved: in the same steps
    with graph.inserting_before(output):
        stored = graph.call_function(operations.quantize_per_tensor.default, (mask, *how))
        values = graph.call_function(operations.dequantize_per_tensor.default, (stored, *how))
    output.replace_input_with(mask, values)
    module.recompile()


def _channels_last(module: Any) -> None:
    """Take (1, H, W, 3) and give (1, H, W, C)."""
    permute = torch.ops.aten.permute.default
    graph = module.graph
    image = next(node for node in graph.nodes if node.op == "placeholder")
    output = next(node for node in graph.nodes if node.op == "output")
    (mask,) = output.all_input_nodes
    with graph.inserting_after(image):
        planes = graph.call_function(permute, (image, [0, 3, 1, 2]))
    image.replace_all_uses_with(planes, delete_user_cb=lambda user: user is not planes)
    with graph.inserting_before(output):
        pixels = graph.call_function(permute, (mask, [0, 2, 3, 1]))
    output.replace_input_with(mask, pixels)
    module.recompile()


def _name_by_modules(program: Any) -> None:
    """Let the file's tensors be called after the network's own modules."""
    for node in program.graph.nodes:
        stack = list(node.meta.get("nn_module_stack", {}).values())
        path = stack[-1][0] if stack else ""
        node.meta["nn_module_stack"] = {"module": ("", own_name(path) or "network")}


@contextlib.contextmanager
def _without_bodies() -> Iterator[None]:
    """Let resizes be decomposed into next to nothing.

    litert-torch marks each as one operation with what it is made of as its body, most of the
    graph; where the file has RESIZE_BILINEAR, the body was thrown away.
    """
    from litert_torch.fx_infra import decomp

    table = decomp.pre_lower_decomp

    def stand_in(image: Any, size: Any, _align_corners: bool, factors: Any = None) -> Any:
        sides = zip(image.shape[-2:], factors or (), strict=False)
        height, width = size or (int(side * factor) for side, factor in sides)
        return image[..., :1, :1].expand(*image.shape[:-2], height, width).clone()

    with mock.patch.object(decomp, "pre_lower_decomp", lambda: {**table(), _RESIZE: stand_in}):
        yield


def _resizes_in(data: bytes) -> int:
    from ai_edge_litert import schema_py_generated as schema

    model: Any = schema.Model.GetRootAs(data, 0)
    graph, kinds = model.Subgraphs(0), names_of(schema.BuiltinOperator)
    operators = (graph.Operators(index) for index in range(graph.OperatorsLength()))
    codes = (model.OperatorCodes(operator.OpcodeIndex()) for operator in operators)
    return sum(operator_name(code, kinds) == "RESIZE_BILINEAR" for code in codes)


@contextlib.contextmanager
def _exported(module: Any, program: Any) -> Iterator[None]:
    """Let litert-torch, which exports what it is given, have our program of it, names and all."""
    export = torch.export.export

    def known(given: Any, *args: Any, **options: Any) -> Any:
        return program if given is module else export(given, *args, **options)

    with mock.patch.object(torch.export, "export", known):
        yield
