"""What is said of the accelerators that take a file whole."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from maskport.formats import FORMATS
from maskport.loading import load
from maskport.runtimes.inspect import delegates, gpu, neural_engine, reading
from maskport.runtimes.inspect.findings import Acceptance


@pytest.mark.parametrize(
    "name", [dotted for row in FORMATS.values() for dotted in row.accelerators]
)
def test_each_is_imported_without_its_sdk(name: str) -> None:
    assert callable(load(name))


def test_one_that_breaks_is_told_and_the_others_are_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def breaks(_path: Path) -> list[Acceptance]:
        raise OSError("libvulkan.so.1: cannot open shared object file")

    monkeypatch.setattr(reading, "load", lambda dotted: breaks)
    (found,) = reading.acceptances("executorch", tmp_path)
    assert (found.by, found.whole) == ("executorch", None)
    assert found.says == "can't be told: libvulkan.so.1: cannot open shared object file"


def test_on_a_mac_core_mls_own_plan_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`MLComputePlan` as coremltools has it on macOS; its devices are made by proxies there."""
    pytest.importorskip("coremltools", reason="needs maskport[coreml]")
    from coremltools.models import MLModel, compute_device, compute_plan

    engine = object.__new__(compute_device.MLNeuralEngineComputeDevice)
    graphics = object.__new__(compute_device.MLGPUComputeDevice)
    places = {"const": None, "conv": engine, "relu": engine, "cumsum": graphics}

    class Plan:
        model_structure = SimpleNamespace(
            program=SimpleNamespace(
                functions={
                    "main": SimpleNamespace(
                        block=SimpleNamespace(
                            operations=[SimpleNamespace(operator_name=kind) for kind in places]
                        )
                    )
                }
            )
        )

        def get_compute_device_usage_for_mlprogram_operation(self, operation: Any) -> Any:
            device = places[operation.operator_name]
            if device is None:
                return None
            return compute_plan.MLComputePlanDeviceUsage(device, [device])

    def load(path: str) -> Plan:
        assert path == "compiled.mlmodelc"
        return Plan()

    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr(MLModel, "__init__", lambda self, path: None)
    monkeypatch.setattr(MLModel, "get_compiled_model_path", lambda self: "compiled.mlmodelc")
    monkeypatch.setattr(compute_plan.MLComputePlan, "load_from_path", load)
    monkeypatch.setattr(neural_engine, "neural_engine", lambda path: [])
    planned, advised = neural_engine.core_ml(tmp_path)
    assert (planned.by, planned.whole) == ("Neural Engine of this Mac", False)
    assert planned.says == "Core ML's plan: 2 of 3 operations; 1 cumsum on the GPU"
    assert advised.says.startswith("advice: ")
    del places["cumsum"]
    Plan.model_structure.program.functions["main"].block.operations.pop()
    assert neural_engine.core_ml(tmp_path)[0].whole is True


Calls = list[tuple[str, dict[str, int]]]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[Acceptance]]:
    """`program(calls, delegates)`: what is said of an ExecuTorch program with these calls."""

    def say(calls: Calls, backends: list[str]) -> list[Acceptance]:
        class Program:
            def __init__(self, _path: Path) -> None: ...

            def operators(self) -> list[str]:
                return ["aten::cumsum.out", "aten::add.out"]

            def calls(self) -> Calls:
                return calls

            def delegate(self, call: dict[str, int]) -> dict[str, Any]:
                return {"id": backends[call["delegate_index"]]}

        monkeypatch.setattr(delegates, "Program", Program)
        return delegates.executorch(tmp_path)

    return say


PART = ("DelegateCall", {"delegate_index": 0})
OTHER = ("DelegateCall", {"delegate_index": 1})


def test_a_program_of_one_part_is_taken_whole(
    program: Callable[..., list[Acceptance]],
) -> None:
    whole = Acceptance("XNNPACK", True, "all of it, in one part")
    assert program([PART], ["XnnpackBackend"]) == [whole]


def test_what_portable_kernels_run_is_named(program: Callable[..., list[Acceptance]]) -> None:
    sums = [("KernelCall", {"op_index": 0})] * 2
    (found,) = program([PART, *sums, PART], ["XnnpackBackend"])
    assert (found.whole, found.says) == (
        False,
        "2 parts of it; portable kernels run 2 aten::cumsum.out",
    )
    (found,) = program([("KernelCall", {"op_index": 1})], [])
    assert (found.by, found.whole) == ("XNNPACK", False)
    assert found.says == "0 parts of it; portable kernels run 1 aten::add.out"


def test_each_back_end_is_named(program: Callable[..., list[Acceptance]]) -> None:
    found = program([PART, OTHER], ["XnnpackBackend", "SomeNpu"])
    assert [(a.by, a.whole) for a in found] == [("XNNPACK", False), ("SomeNpu", False)]
    assert found[0].says == "1 part of it; 1 of other back ends"


@pytest.mark.sdk
def test_onnx_runtimes_checker_says_what_phones_take(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs maskport[onnx]")
    pytest.importorskip("onnx", reason="needs maskport[onnx]")
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save_model

    from maskport.runtimes.inspect.mobile import onnx_runtime

    def said(*nodes: Any) -> list[Acceptance]:
        graph = helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 5])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 4, 5])],
            [
                numpy_helper.from_array(np.zeros((8, 3, 1, 1), np.float32), "w"),
                numpy_helper.from_array(np.array(2), "axis"),
            ],
        )
        opset = [helper.make_opsetid("", 17)]
        save_model(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
        return onnx_runtime(path)

    path = tmp_path / "net.onnx"
    conv, relu = (
        helper.make_node("Conv", ["x", "w"], ["z"]),
        helper.make_node("Relu", ["z"], ["y"]),
    )
    taken = said(conv, relu)
    assert [a.by.split(",")[0] for a in taken] == ["NNAPI provider", *["Core ML provider"] * 2]
    assert all(a.whole and a.says.startswith("YES: ") for a in taken)
    left = said(conv, helper.make_node("CumSum", ["z", "axis"], ["y"]))
    assert not any(a.whole for a in left)
    assert all("lacks CumSum" in a.says for a in left)


LOADED = "INFO: [gpu_registry.cc:138] Dynamically loaded GPU accelerator(libX.so) registered.\n"
NO_ADAPTER = "ERROR: [d.cc:359] Failed to initialize WebGPU environment: No adapters found\n"
TAKEN = """QUANTIZE: Tensor type(INT16) is not supported. model/relu_36
QUANTIZE: Tensor type(INT16) is not supported. model/relu_4
LOGISTIC: Tensor type(INT16) is not supported. model/end
2 operations will run on the GPU, and the remaining 110 operations will run on the CPU.
"""


@pytest.mark.parametrize(
    ("log", "compiles", "whole", "says"),
    [
        (LOADED, True, True, "all of it"),
        (LOADED, False, False, "a part of it; the CPU runs the rest"),
        (LOADED + NO_ADAPTER, None, None, "there is no GPU here"),
        ("", None, None, "there is no GPU here"),
        (
            LOADED + TAKEN,
            None,
            False,
            "2 operations will run on the GPU; QUANTIZE: Tensor type(INT16) is not supported, "
            "LOGISTIC: Tensor type(INT16) is not supported",
        ),
        (LOADED, None, False, "refused: some ops are not accelerated"),
    ],
)
def test_litert_says_in_its_log_what_a_gpu_takes(
    log: str,
    compiles: bool | None,
    whole: bool | None,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    class CompiledModel:
        @classmethod
        def from_file(cls, *_: object) -> CompiledModel:
            os.write(2, log.encode())
            if compiles is None:
                raise RuntimeError("some ops are not accelerated\ntrace")
            return cls()

        def is_fully_accelerated(self) -> bool | None:
            return compiles

    accelerators = SimpleNamespace(HardwareAccelerator=SimpleNamespace(GPU=2))
    compiled = SimpleNamespace(CompiledModel=CompiledModel)
    monkeypatch.setitem(sys.modules, "ai_edge_litert", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "ai_edge_litert.compiled_model", compiled)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.hardware_accelerator", accelerators)
    (found,) = gpu.litert(tmp_path)
    assert found.whole is whole
    assert says in found.says


@pytest.mark.sdk
def test_a_gpu_is_asked_only_where_there_is_one(tmp_path: Path) -> None:
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    flatbuffers = pytest.importorskip("flatbuffers", reason="needs maskport[tflite]")
    tensors = [schema.TensorT(), schema.TensorT()]
    for tensor, name in zip(tensors, (b"x", b"y"), strict=True):
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, [1, 4, 4, 1], 0, 0
    operator, code = schema.OperatorT(), schema.OperatorCodeT()
    operator.inputs, operator.outputs, operator.opcodeIndex = [0], [1], 0
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RELU
    code.version = 1
    graph, model = schema.SubGraphT(), schema.ModelT()
    graph.tensors, graph.operators, graph.inputs, graph.outputs = tensors, [operator], [0], [1]
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    (tmp_path / "net.tflite").write_bytes(builder.Output())
    (found,) = gpu.litert(tmp_path / "net.tflite")
    assert found.whole in {True, None}
    assert found.whole or "there is no GPU here" in found.says
