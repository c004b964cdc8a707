"""INT8 files by several tools: how well they keep the mask, and at what latency.

    pip install -c constraints.txt ai-edge-quantizer
    python benchmarks/int8.py --network u2netp --weights ../shared/weights/u2netp_sky.pth \
        --calibration calibration.txt --photos held-out.txt --plot int8.svg

Every file is made in this run from the same network and the same calibration photos, and judged on
other photos against PyTorch. Files take turns when they are timed, all with the same threads. The
other tools get what ours get: the float32 file that maskport makes, and the photos. They run by
their documentation's first example: TensorFlow's converter with bytes in and out,
ai-edge-quantizer's recipe `static_wi8_ai8`, ONNX Runtime's `quantize_static` (QDQ, per channel).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskport import export, load_bundle
from maskport.formats import TARGETS
from maskport.imaging.convert import photo_to_input
from maskport.imaging.photos import list_photos, read_photo
from maskport.metrics import intersection_over_union, mean_absolute_error
from maskport.quantization.calibration import load_calibration
from maskport.svg import Axis, Dot, PowerAxis, Shape, Text, across, document, round_values, upright
from maskport.validation.latency import STANDARD, ratios
from maskport.validation.reference import load_reference

Float = NDArray[np.float32]
Draw = Callable[[Float], Float]

# What the others start from, and the two float files that every table needs.
FLOAT = ("onnx-fp32", "tflite-fp32", "savedmodel", "tflite-dynamic-int8")
BASE = "TensorFlow's converter"


@dataclass
class Row:
    """A file: how it draws, and what was measured."""

    name: str
    draw: Draw
    size: int
    iou: Float = field(default_factory=lambda: np.empty(0, np.float32))
    mae: Float = field(default_factory=lambda: np.empty(0, np.float32))
    rounds: list[list[float]] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="u2netp")
    parser.add_argument("--weights", help="left out: the catalog's own")
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--calibration", required=True, help="folder, list file or scenes:N")
    parser.add_argument("--photos", required=True, type=Path, help="to judge on; other photos")
    parser.add_argument("--targets", help="ours, separated by commas; all INT8 ones by default")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=STANDARD.rounds)
    parser.add_argument("--plot", type=Path, help="SVG: fidelity over latency")
    arguments = parser.parse_args()
    # Integers of 16 bits take seconds a photo on a CPU.
    kinds = {"tflite", "onnx"}
    known = [t.name for t in TARGETS if t.format in kinds and t.precision == "int8"]
    ours = arguments.targets.split(",") if arguments.targets else known
    with TemporaryDirectory() as scratch:
        rows, masks, photos = _files(arguments, ours, Path(scratch))
        _judge(rows, masks, photos)
        _time(rows, photos[:1], arguments.rounds)
    _print(rows, len(photos))
    if arguments.plot:
        arguments.plot.write_text(_plot(rows), encoding="utf-8")


def _files(
    arguments: argparse.Namespace, ours: list[str], scratch: Path
) -> tuple[list[Row], Float, Float]:
    """Every file, the reference's masks, and the photos that they are of."""
    folder = scratch / "bundle"
    export(
        arguments.network,
        weights=arguments.weights,
        size=arguments.size,
        targets=[*FLOAT, *ours],
        calibration=arguments.calibration,
        out=folder,
        watch=lambda event: (
            event.kind in {"finished", "failed"} and print(event.target, event.text)
        ),
    )
    bundle = load_bundle(folder)
    reference = load_reference(bundle)
    spec = reference.spec
    photos = np.concatenate(
        [
            photo_to_input(read_photo(photo), spec.image)
            for photo in list_photos(arguments.photos).paths
        ]
    )
    masks = reference.draw(photos, "cpu")
    threads = arguments.threads
    made = {artifact.target for artifact in bundle.manifest.artifacts}
    rows = []
    for name in ("onnx-fp32", "tflite-fp32", "tflite-dynamic-int8", *ours):
        if name in made:
            file = bundle.file(name)
            draw = _onnx(file, threads) if name.startswith("onnx") else _lite(file, threads)
            rows.append(Row(f"maskport {name}", draw, file.stat().st_size))
    calibration = load_calibration(arguments.calibration, spec.image).pixels
    feed = calibration.astype(np.float32)[:, None] / 255
    for name, make in (
        (BASE, lambda: _tensorflow(bundle.file("savedmodel"), feed)),
        ("ai-edge-quantizer", lambda: _ai_edge(bundle.file("tflite-fp32"), feed)),
        ("ONNX Runtime quantize_static", lambda: _quantize_static(bundle.file("onnx-fp32"), feed)),
    ):
        started = time.perf_counter()
        content = make()
        print(f"{name}: {time.perf_counter() - started:.0f} s")
        file = scratch / f"other-{len(rows)}"
        file.write_bytes(content)
        draw = (_onnx if name.startswith("ONNX") else _lite)(file, threads)
        rows.append(Row(name, draw, len(content)))
    return rows, masks, photos


def _tensorflow(saved_model: Path, feed: Float) -> bytes:
    import tensorflow as tf

    def photos() -> Iterator[list[Float]]:
        for photo in feed:
            yield [photo.transpose(0, 2, 3, 1)]

    converter: Any = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = photos
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    content: bytes = converter.convert()
    return content


def _ai_edge(float_file: Path, feed: Float) -> bytes:
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe

    signatures = Interpreter(model_path=str(float_file)).get_signature_list()
    key, described = next(iter(signatures.items()))
    photos = [{described["inputs"][0]: photo.transpose(0, 2, 3, 1)} for photo in feed]
    with contextlib.redirect_stdout(io.StringIO()):
        tool = quantizer.Quantizer(str(float_file), recipe.static_wi8_ai8())
        content = tool.quantize(tool.calibrate({key: photos})).quantized_model
    return bytes(content)


def _quantize_static(float_file: Path, feed: Float) -> bytes:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Photos(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(feed)

        def get_next(self) -> dict[str, Float] | None:
            photo = next(self.left, None)
            return None if photo is None else {"image": photo}

    with TemporaryDirectory() as folder:
        out = Path(folder) / "q.onnx"
        quantize_static(
            str(float_file), str(out), Photos(), quant_format=QuantFormat.QDQ, per_channel=True
        )
        return out.read_bytes()


def _lite(file: Path, threads: int) -> Draw:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(file), num_threads=threads)
    interpreter.allocate_tensors()
    (given,), (drawn,) = interpreter.get_input_details(), interpreter.get_output_details()

    def draw(photo: Float) -> Float:
        values = photo.transpose(0, 2, 3, 1)
        scale, zero = given["quantization"]
        if scale:
            limits = np.iinfo(given["dtype"])
            values = np.clip(np.rint(values / scale) + zero, limits.min, limits.max)
        interpreter.set_tensor(given["index"], values.astype(given["dtype"]))
        interpreter.invoke()
        mask = interpreter.get_tensor(drawn["index"]).astype(np.float32)
        scale, zero = drawn["quantization"]
        return (mask if not scale else (mask - zero) * np.float32(scale)).transpose(0, 3, 1, 2)

    return draw


def _onnx(file: Path, threads: int) -> Draw:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file.read_bytes(), options, ["CPUExecutionProvider"])
    given = session.get_inputs()[0]

    def draw(photo: Float) -> Float:
        values = np.rint(photo * 255).astype(np.uint8) if given.type == "tensor(uint8)" else photo
        mask: NDArray[Any] = session.run(None, {given.name: values})[0]
        return mask.astype(np.float32) / (255 if mask.dtype == np.uint8 else 1)

    return draw


def _judge(rows: list[Row], masks: Float, photos: Float) -> None:
    for row in rows:
        drawn = np.concatenate([row.draw(photo[None]) for photo in photos])
        row.iou = intersection_over_union(drawn, masks).astype(np.float32)
        row.mae = mean_absolute_error(drawn, masks).astype(np.float32)


def _time(rows: list[Row], photo: Float, rounds: int) -> None:
    for _ in range(rounds):
        for row in rows:
            row.draw(photo)
            times: list[float] = []
            while len(times) < STANDARD.runs:
                started = time.perf_counter()
                row.draw(photo)
                times.append((time.perf_counter() - started) * 1000)
            row.rounds.append(times)


def _print(rows: list[Row], photos: int) -> None:
    base = next(row for row in rows if row.name == BASE)
    print(f"\n{photos} photos; latency as a ratio to {BASE} in the same rounds\n")
    print("| file | mean IoU | worst IoU | mean MAE | worst MAE | median ms | ratio | MB |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        median = float(np.median([t for times in row.rounds for t in times]))
        print(
            f"| {row.name} | {row.iou.mean():.5f} | {row.iou.min():.5f} | {row.mae.mean():.5f} | "
            f"{row.mae.max():.5f} | {median:.1f} | {ratios(row.rounds, base.rounds):.2f} | "
            f"{row.size / 1e6:.2f} |"
        )


def _plot(rows: list[Row]) -> str:
    """Loss of overlap (1 - IoU, each decade as high as the next) over the median latency."""
    width, height, floor = 760, 420, 1e-5
    medians = [float(np.median([t for times in row.rounds for t in times])) for row in rows]
    losses = [max(floor, 1 - float(row.iou.mean())) for row in rows]
    marks = round_values(max(medians), 8)
    x = Axis(0, marks[-1], 72, width - 150)
    y = PowerAxis(floor, 10.0 ** np.ceil(np.log10(max(*losses, 10 * floor))), 32, height - 50)
    shapes: list[Shape] = [
        *across(y, [(loss, f"{1 - loss:.6g}") for loss, _ in y.decades()], 72, width - 20),
        *upright(x, [(mark, f"{mark:g}") for mark in marks], 32, height - 50),
        Text("tick", x.end, height - 12, "median ms", "end"),
        Text("tick", 8, 18, "mean IoU, higher is better"),
    ]
    for row, median, loss in zip(rows, medians, losses, strict=True):
        role = "own" if row.name.startswith("maskport") else "past"
        at, level = x.place(median), y.place(loss)
        shapes += [
            Dot(role, at, level, 4, f"{row.name}: {median:.1f} ms"),
            Text("label", at + 7, level + 4, row.name.removeprefix("maskport ")),
        ]
    return document(shapes, width, height, "mean IoU over median latency")


if __name__ == "__main__":
    main()
