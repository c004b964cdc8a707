"""ONNX Runtime's own format: ``model.ort`` in a folder, and what a reduced build needs beside it.

As ``onnxruntime.tools.convert_onnx_models_to_ort`` does in its style Fixed: the graph is optimised
once, here, without the layouts of x86. Builds for phones that leave out ONNX's parser and all
operators but those of ``required_operators.config`` load nothing else ("Reduced size builds", ONNX
Runtime's docs).
"""

from __future__ import annotations

from pathlib import Path

from ..artifacts.inspect.ort import OrtFile
from .onnx import simplified, write
from .ort_flatbuffer import with_kernel_types_in_order
from .run import Exported, Run

__all__ = ["export"]

# It writes blocks of channels that are as wide as this machine's registers.
_OF_THIS_MACHINE = ["NchwcTransformer"]


def export(run: Run, path: Path) -> Exported:
    """Write the folder: the float32 model, and its operators by domain and version."""
    import onnx
    import onnxruntime

    source = run.scratch / "for-ort.onnx"
    write(onnx.load(str(simplified(run))), run, source)
    run.step("optimising")
    path.mkdir()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(path / "model.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(
        str(source),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=_OF_THIS_MACHINE,
    )
    source.unlink()
    file = path / "model.ort"
    file.write_bytes(with_kernel_types_in_order(file.read_bytes()))
    needed = OrtFile(file).needed
    lines = [f"{domain};{version};{','.join(sorted(kinds))}" for (domain, version), kinds in needed]
    config = path / "required_operators.config"
    config.write_text("\n".join([f"# {run.spec.name}", *lines, ""]), encoding="utf-8")
    return Exported(*run.float_tensors("NCHW"))
