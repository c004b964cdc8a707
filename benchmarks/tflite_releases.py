"""Which release of TFLite's runtimes runs which operator: writes `tflite_releases.json`.

    python benchmarks/tflite_releases.py --files exports/*/*.tflite \
        --release 'TensorFlow Lite 2.7.0' /envs/tflite-2.7.0/bin/python \
        --release 'LiteRT 2.3.0' /envs/litert-2.3.0/bin/python

Each release is tried in an interpreter that has it: tflite-runtime 2.7 to 2.12 are built for
Python 3.9, 2.13 and 2.14 for 3.11, and all of them, like ai-edge-litert 1.0, want numpy<2. Give
the oldest first.

First a file with nothing but an operator code is offered to each, for each operator and version:
a release that doesn't register it refuses the file. Then every operator of the given files is
taken out into a file of its own, once for each combination of types, loaded and run: what a
release registers and still refuses depends on types.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

OUT = Path(__file__).parents[1] / "artifacts" / "inspect" / "tflite_releases.json"
# No operator has more.
VERSIONS = range(1, 13)

# Runs in the interpreter of a release. A crash while an operator runs is a refusal.
PROBE = """
import base64, json, os, sys
import numpy as np
try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter

def runs(content):
    try:
        interpreter = Interpreter(model_content=content)
        if interpreter.get_input_details():
            interpreter.allocate_tensors()
            for detail in interpreter.get_input_details():
                interpreter.set_tensor(detail["index"], np.ones(detail["shape"], detail["dtype"]))
            interpreter.invoke()
    except Exception:
        return False
    return True

def runs_apart(content):
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os._exit(0 if runs(content) else 1)
    return os.waitpid(child, 0)[1] == 0

answers = {}
for name, text in json.load(sys.stdin).items():
    content = base64.b64decode(text)
    answers[name] = runs_apart(content) if " to " in name else runs(content)
json.dump(answers, sys.stdout)
"""

KINDS = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
TYPES = {v: k.lower() for k, v in vars(schema.TensorType).items() if isinstance(v, int)}
NO_OPERATORS = ("CUSTOM", "DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", nargs="+", type=Path, required=True)
    parser.add_argument("--release", nargs=2, action="append", required=True)
    arguments = parser.parse_args()
    names = [name for name, _ in arguments.release]
    codes = {f"{kind} {version}": data for kind, version, data in lone_codes()}
    single = dict(single_operators(arguments.files))
    registered, ran = [], []
    for name, python in arguments.release:
        registered.append(tried(python, codes))
        ran.append(tried(python, single))
        print(f"{name}: {sum(registered[-1].values())} codes, {sum(ran[-1].values())} operators")
    operators: dict[str, dict[str, int]] = {}
    for key in codes:
        first = first_of(key, registered, names)
        if first is not None:
            kind, version = key.split()
            operators.setdefault(kind, {})[version] = first
    found = {
        "releases": names,
        "operators": {kind: shortened(known) for kind, known in sorted(operators.items())},
        "types": refused(single, ran, names, operators),
    }
    OUT.write_text(written(found), encoding="utf-8")
    print(OUT)


def lone_codes() -> Iterator[tuple[str, int, bytes]]:
    """Files with an operator code, and no operator."""
    for value, kind in KINDS.items():
        for version in VERSIONS if kind not in NO_OPERATORS else ():
            model, code, graph = schema.ModelT(), schema.OperatorCodeT(), schema.SubGraphT()
            code.builtinCode, code.version = value, version
            code.deprecatedBuiltinCode = min(value, 127)
            graph.tensors, graph.inputs, graph.outputs, graph.operators = [], [], [], []
            model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
            model.buffers = [schema.BufferT()]
            yield kind, version, packed(model)


def single_operators(files: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Each operator in a file of its own, once for each version and combination of types."""
    seen = set()
    for file in files:
        data = file.read_bytes()
        whole = schema.ModelT.InitFromPackedBuf(data, 0)
        for position, operator in enumerate(whole.subgraphs[0].operators):
            key = signature(whole, operator)
            if key not in seen:
                seen.add(key)
                yield key, packed(alone(data, position))


def signature(model: Any, operator: Any) -> str:
    """``QUANTIZE 2 int8 to int16 of …``: what `Use.types` says, and all types for distinction."""
    code, graph = model.operatorCodes[operator.opcodeIndex], model.subgraphs[0]
    kind = KINDS[max(code.builtinCode, code.deprecatedBuiltinCode)]

    def types(indices: Any) -> list[str]:
        return ["" if i < 0 else TYPES[graph.tensors[i].type] for i in indices]

    takes, gives = types(operator.inputs), types(operator.outputs)
    return f"{kind} {code.version} {takes[0]} to {gives[0]} of {' '.join(takes)}"


def alone(data: bytes, position: int) -> Any:
    """A file with one operator, its constants, and what else it reads as inputs."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graph = model.subgraphs[0]
    operator = graph.operators[position]
    model.operatorCodes = [model.operatorCodes[operator.opcodeIndex]]
    operator.opcodeIndex = 0
    used = sorted({int(i) for i in (*operator.inputs, *operator.outputs) if i >= 0})
    new = {old: number for number, old in enumerate(used)} | {-1: -1}
    graph.tensors = [graph.tensors[old] for old in used]
    operator.inputs = np.array([new[int(i)] for i in operator.inputs], np.int32)
    operator.outputs = np.array([new[int(i)] for i in operator.outputs], np.int32)
    buffers = [model.buffers[0]]
    for tensor in graph.tensors:
        content = model.buffers[tensor.buffer]
        tensor.buffer = 0
        if content.data is not None and len(content.data):
            tensor.buffer = len(buffers)
            buffers.append(content)
    reads = [int(i) for i in dict.fromkeys(operator.inputs.tolist()) if i >= 0]
    if all(graph.tensors[i].buffer for i in reads):  # a graph of constants says nothing
        graph.tensors[reads[0]].buffer = 0
    graph.inputs = np.array([i for i in reads if not graph.tensors[i].buffer], np.int32)
    graph.operators, graph.outputs = [operator], operator.outputs
    model.buffers, model.subgraphs = buffers, [graph]
    model.metadata, model.signatureDefs = [], []
    return model


def packed(model: Any) -> bytes:
    builder = flatbuffers.Builder(1 << 12)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def tried(python: str, contents: dict[str, bytes]) -> dict[str, bool]:
    """Which of the files a release runs."""
    texts = {name: base64.b64encode(content).decode() for name, content in contents.items()}
    done = subprocess.run(
        [python, "-c", PROBE], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    answers: dict[str, bool] = json.loads(done.stdout)
    return answers


def first_of(key: str, answers: list[dict[str, bool]], names: list[str]) -> int | None:
    """The release from which on all run a file; says where one that runs it has a later one."""
    row = [answer[key] for answer in answers]
    if not row[-1]:
        if any(row):
            print(f"{key}: {names[-1]} refuses what older releases run", file=sys.stderr)
        return None
    first = len(row) - next((n for n, runs in enumerate(reversed(row)) if not runs), len(row))
    if any(row[:first]):
        lost = [name for name, runs in zip(names, row, strict=True) if not runs]
        print(f"{key}: not in {', '.join(lost)}", file=sys.stderr)
    return first


def shortened(versions: dict[str, int]) -> dict[str, int]:
    """Only the highest version that came with each release."""
    highest = {first: version for version, first in versions.items()}
    return {version: first for first, version in highest.items()}


def refused(
    single: dict[str, bytes],
    ran: list[dict[str, bool]],
    names: list[str],
    operators: dict[str, dict[str, int]],
) -> dict[str, dict[str, int]]:
    """By operator and types: the release that first ran what older ones register and refuse."""
    found: dict[str, dict[str, int]] = {}
    for key in single:
        kind, version, rest = key.split(" ", 2)
        types = rest.partition(" of ")[0]
        first = first_of(key, ran, names)
        since = operators.get(kind, {}).get(version)
        if first is None or since is None:
            print(f"{key}: not run by the newest", file=sys.stderr)
        elif first > since:
            known = found.setdefault(kind, {})
            known[types] = max(first, known.get(types, 0))
    return {kind: dict(sorted(known.items())) for kind, known in sorted(found.items())}


def written(found: dict[str, Any]) -> str:
    """JSON with a line for each operator."""
    parts = [f' "releases": {json.dumps(found["releases"])}']
    for part in ("operators", "types"):
        lines = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in found[part].items()]
        parts.append(f' "{part}": {{\n' + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    main()
