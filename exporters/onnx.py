"""ONNX: simplified, checked, named after the network's modules; float32 and float16."""

from __future__ import annotations

import ast
import logging
import re
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..artifacts.inspect.onnx_mobile import mobile_providers
from ..artifacts.metadata.contract import contract
from ..errors import ExportError
from .one_trace import one_trace
from .onnx_form import mobile_form
from .probes import check_probes
from .run import Exported, Run
from .steps import kept_once

__all__ = [
    "export_fp16",
    "export_fp32",
    "finish",
    "from_program",
    "own_name",
    "simplified",
    "to_half",
    "write",
]

# The oldest opset that torch writes of a program; ONNX Runtime reads it since 1.14.
_PROGRAM_OPSET = 18
# What its graphs need: nothing of what came with later formats of the file.
_IR_VERSION = 8
_SCOPES = "pkg.torch.onnx.name_scopes"
# Inputs that ONNX types as float32 whatever the data's type is.
_ALWAYS_FLOAT32 = {"Resize": {1, 2}, "Upsample": {1}}
_HALF_MAX = 65504.0
# The prepared view wraps the network; names in files are the network's own.
_WRAPPER = re.compile(r"^(/?)body[./](?:network[./])?")


def export_fp32(run: Run, path: Path) -> Exported:
    """Write the float32 model."""
    import onnx

    return finish(onnx.load(str(simplified(run))), run, path)


def export_fp16(run: Run, path: Path) -> Exported:
    """Write the float16 model, float32 at its input and output."""
    import onnx

    model = onnx.load(str(simplified(run)))
    to_half(model)
    return finish(model, run, path)


def simplified(run: Run) -> Path:
    """The run's ONNX model after onnxsim, made on first use.

    Raises:
        ExportError: onnxsim's own comparison of before and after failed, now or before.
    """
    return kept_once(run, run.scratch / "simplified.onnx", _simplify)


def _simplify(run: Run, path: Path) -> None:
    import onnx
    import onnxsim

    run.step("simplifying")
    model, equal = onnxsim.simplify(onnx.load(str(run.onnx)), check_n=1)
    if not equal:
        raise ExportError(
            f"onnxsim changed what {run.spec.name} computes.",
            "Report it to onnxsim with the network; other formats don't depend on it.",
        )
    _rename(model.graph)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
    _check(path, run)


def _check(path: Path, run: Run) -> None:
    """Hold the model against the network in other light.

    Raises:
        ExportError: It draws other masks.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception:  # what it can't run, others may; the ONNX targets fail by themselves
        return
    check_probes(
        run,
        "The ONNX graph",
        lambda photo: session.run(None, {"image": photo})[0],
        "Does its forward decide by what a photo shows? Compute such a thing with tensors. Else "
        "it is torch's conversion; Core ML and ExecuTorch files don't depend on it.",
    )


def to_half(model: Any) -> None:
    """Turn a float32 model into float16 in place, with casts at its inputs and outputs.

    Raises:
        ExportError: A weight is beyond float16's 65504, or the graph has branches.
    """
    from onnx import AttributeProto, TensorProto, helper, numpy_helper

    graph = model.graph
    kept = {
        name
        for node in graph.node
        for position, name in enumerate(node.input)
        if position in _ALWAYS_FLOAT32.get(node.op_type, ())
    }

    def half(tensor: Any) -> None:
        values = numpy_helper.to_array(tensor)
        if np.abs(values).max(initial=0.0) > _HALF_MAX:
            raise ExportError(
                f"{tensor.name or 'A constant'} holds {np.abs(values).max():g}, beyond "
                f"float16's {_HALF_MAX:g}.",
                "Leave out onnx-fp16.",
            )
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), tensor.name))

    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.name not in kept:
            half(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type in {AttributeProto.GRAPH, AttributeProto.GRAPHS}:
                raise ExportError(
                    f"{node.name} ({node.op_type}) has a sub-graph, which has no float16 form.",
                    "Leave out onnx-fp16.",
                )
            if (
                attribute.type == AttributeProto.TENSOR
                and attribute.t.data_type == TensorProto.FLOAT
                and not kept.intersection(node.output)
            ):
                half(attribute.t)
            elif (
                (node.op_type, attribute.name, attribute.i) == ("Cast", "to", TensorProto.FLOAT)
            ) and not kept.intersection(node.output):
                attribute.i = TensorProto.FLOAT16
    casts_in, casts_out = [], []
    for value in graph.input:
        _reroute(graph, value.name, f"{value.name}_half", outputs=False)
        casts_in.append(
            helper.make_node(
                "Cast", [value.name], [f"{value.name}_half"], f"{value.name}_cast", to=10
            )
        )
    for value in graph.output:
        _reroute(graph, value.name, f"{value.name}_half", outputs=True)
        casts_out.append(
            helper.make_node(
                "Cast", [f"{value.name}_half"], [value.name], f"{value.name}_cast", to=1
            )
        )
    nodes = [*casts_in, *graph.node, *casts_out]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)


def _reroute(graph: Any, old: str, new: str, *, outputs: bool) -> None:
    """Let the nodes that use (and, for a graph's output, make) ``old`` use ``new``."""
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        if outputs:
            node.output[:] = [new if name == old else name for name in node.output]


def finish(model: Any, run: Run, path: Path) -> Exported:
    """Write a model as `write` does, and ask who takes it."""
    write(model, run, path)
    run.step("asking for mobile providers")
    providers = mobile_providers(path)
    properties = {"mobile_providers": providers} if providers else {}
    return Exported(*run.float_tensors("NCHW"), properties=properties)


def write(model: Any, run: Run, path: Path) -> None:
    """Write a model in the form that phones take whole, with what it says of itself."""
    import onnx

    mobile_form(model)
    model.graph.name = run.spec.name
    model.doc_string = run.card.description
    del model.metadata_props[:]
    said = contract(run.spec, run.card, "NCHW") | {
        # ONNX's own names of these (docs/IR.md, "Optional Metadata").
        "model_author": run.card.author,
        "model_license": run.card.license,
    }
    onnx.helper.set_model_props(model, dict(sorted(said.items())))
    for node in model.graph.node:
        node.ClearField("doc_string")
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def from_program(program: Any, *, optimize: bool) -> Any:
    """A torch.export program as an onnx.ModelProto, its input ``image`` and its output ``mask``.

    Args:
        program: A torch.export.ExportedProgram of one input and one output.
        optimize: Let torch fold constants and merge operations.
    """
    told = logging.getLogger("torch.onnx")  # of packages that nobody here has asked for
    level = told.level
    told.setLevel(logging.ERROR)
    with warnings.catch_warnings(action="ignore"), one_trace(), ExitStack() as stack:
        stack.callback(told.setLevel, level)
        exported = torch.onnx.export(
            program,
            dynamo=True,
            optimize=optimize,
            opset_version=_PROGRAM_OPSET,
            input_names=["image"],
            output_names=["mask"],
            verbose=False,
        )
    assert exported is not None  # noqa: S101  # what dynamo=True gives
    model = exported.model_proto
    model.ir_version = _IR_VERSION
    _name_by_modules(model.graph)
    return model


def _name_by_modules(graph: Any) -> None:
    """Call nodes after the network's modules, ``/stage1/rebnconvin/conv_s1/Conv``, and drop what
    torch notes of their origin: paths of this machine are among it."""
    taken: dict[str, int] = {}
    for node in graph.node:
        notes = {entry.key: entry.value for entry in node.metadata_props}
        # The network, its modules from the outside in, and the operation.
        scopes = ast.literal_eval(notes.get(_SCOPES, "[]"))[:-1]
        path = own_name(scopes[-1] if scopes else "")
        name = "/".join(["", *filter(None, path.split(".")), node.op_type])
        taken[name] = taken.get(name, -1) + 1
        node.name = f"{name}_{taken[name]}" if taken[name] else name
        del node.metadata_props[:]
    del graph.metadata_props[:]
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del value.metadata_props[:]


def own_name(name: str) -> str:
    """A path of the exported view, its parts between dots or slashes, as the network's author has
    it."""
    return _WRAPPER.sub(r"\1", name)


def _rename(graph: Any) -> None:
    """Names of the network's own modules: ``/stage1/rebnconvin/conv_s1/Conv``."""

    names = [n for node in graph.node for n in (*node.input, *node.output)]
    if len(set(map(own_name, names))) != len(set(names)):
        return  # a user's network has modules of these names itself
    for node in graph.node:
        node.name = own_name(node.name)
        node.input[:] = [own_name(name) for name in node.input]
        node.output[:] = [own_name(name) for name in node.output]
    for value in (*graph.initializer, *graph.value_info):
        value.name = own_name(value.name)
