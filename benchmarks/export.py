"""One maskport run against the plain way: the same files, by each tool's own first example.

    python benchmarks/export.py --weights ../shared/weights/u2netp_sky.pth \
        --calibration ../shared/images/sky/images

Both make ONNX, TFLite (float32, float16, dynamic-range and full INT8), Core ML float16,
TorchScript Lite and ExecuTorch files of U²-Netp at 320x320, on the same machine, one after the
other. The plain way is one script a tool, as its documentation shows it. maskport's time
includes checking every file against PyTorch, which the plain way does not do.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import numpy as np

from maskport import export

TARGETS = ("onnx-fp32", "tflite", "coreml-fp16", "torchscript-lite", "executorch")

_NETWORK = """
import sys, torch
from maskport.models.u2net import u2netp
from maskport.models.checkpoints import load_weights
from pathlib import Path
network = u2netp().eval()
load_weights(network, Path(sys.argv[1]))
class Mask(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.network = network
    def forward(self, x):
        mean = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
        std = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
        return self.network((x - mean) / std)[0]
mask = Mask().eval()
example = (torch.rand(1, 3, 320, 320),)
"""

_PLAIN = {
    "torch.onnx.export": _NETWORK
    + """
torch.onnx.export(mask, example, "plain.onnx", dynamo=False, opset_version=17,
                  input_names=["image"], output_names=["mask"])
""",
    "onnx2tf -oiqt": None,
    "ct.convert": _NETWORK
    + """
import coremltools as ct
traced = torch.jit.trace(mask, example)
image = ct.ImageType(name="image", shape=example[0].shape, scale=1 / 255)
ct.convert(traced, inputs=[image], convert_to="mlprogram").save("plain.mlpackage")
""",
    "torchscript": _NETWORK
    + """
frozen = torch.jit.freeze(torch.jit.trace(mask, example))
frozen._save_for_lite_interpreter("plain.ptl")
""",
    "executorch": _NETWORK
    + """
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
program = torch.export.export(mask, example)
lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
open("plain.pte", "wb").write(lowered.to_executorch().buffer)
""",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", required=True, type=Path)
    parser.add_argument("--calibration", required=True, type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--jobs", type=int)
    arguments = parser.parse_args()
    for number in range(1, arguments.rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            print(f"\nround {number}")
            ours = _ours(arguments, Path(folder) / "bundle")
            plain = _plain(arguments.weights.resolve(), Path(folder))
            print(f"maskport takes {ours / plain:.2f} of the plain way's time")


def _ours(arguments: argparse.Namespace, out: Path) -> float:
    print("maskport, one run (lanes overlap, so lines add up to more than the total)")
    steps: list[tuple[str, str, float]] = []
    started = time.perf_counter()

    def watch(event) -> None:
        now = time.perf_counter() - started
        steps.append((event.target, event.text or event.kind, now))
        if event.kind == "finished":
            parts = [(text, at) for name, text, at in steps if name == event.target]
            spans = [
                f"{text.split(' ')[0]} {end - at:.1f}"
                for (text, at), (_, end) in itertools.pairwise(parts)
                if end - at >= 0.3 and text != "started"
            ]
            print(f"  {event.target:22}{event.seconds:7.1f} s   {', '.join(spans)}")
        elif event.kind == "failed":
            print(f"  {event.target:22} failed: {event.text}")

    export(
        "u2netp",
        weights=arguments.weights,
        targets=TARGETS,
        calibration=arguments.calibration,
        out=out,
        jobs=arguments.jobs,
        watch=watch,
    )
    seconds = time.perf_counter() - started
    print(f"  {'total':22}{seconds:7.1f} s")
    return seconds


def _plain(weights: Path, folder: Path) -> float:
    print("the plain way, one script after the other")
    # onnx2tf would download this file.
    np.save(
        folder / "calibration_image_sample_data_20x128x128x3_float32.npy",
        np.random.default_rng(0).random((20, 128, 128, 3), np.float32),
    )
    total = 0.0
    for name, script in _PLAIN.items():
        if script is None:
            command = [str(Path(sys.executable).with_name("onnx2tf")), "-i", "plain.onnx", "-oiqt"]
        else:
            command = [sys.executable, "-c", textwrap.dedent(script), str(weights)]
        started = time.perf_counter()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
        total += seconds
        print(f"  {name:22}{seconds:7.1f} s{'' if done.returncode == 0 else '   failed'}")
        if done.returncode:
            print(textwrap.indent(done.stderr[-2000:], "    "))
    print(f"  {'total':22}{total:7.1f} s")
    return total


if __name__ == "__main__":
    main()
