"""OpenVINO's intermediate representation: ``model.xml`` and ``model.bin`` in a folder.

Made of the ONNX file's own graph, which has what its converter knows: the names of modules.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .onnx import simplified
from .run import Exported, Run

__all__ = ["export_fp16", "export_fp32"]

# The model's own remarks, the last: where it was read, and how the converter was called.
_ORIGIN = re.compile(rb"\s*<rt_info>(?:(?!<rt_info>).)*</rt_info>(?=\s*</net>)", re.DOTALL)


def export_fp32(run: Run, path: Path) -> Exported:
    """Write the float32 model."""
    return _export(run, path, compress=False)


def export_fp16(run: Run, path: Path) -> Exported:
    """Write the model with float16 weights; CPUs compute it in float32, GPUs in halves."""
    return _export(run, path, compress=True)


def _export(run: Run, path: Path, *, compress: bool) -> Exported:
    source = simplified(run)
    run.step("converting")
    import openvino

    model: Any = openvino.convert_model(str(source))
    path.mkdir()
    openvino.save_model(model, path / "model.xml", compress_to_fp16=compress)
    written = path / "model.xml"
    written.write_bytes(_ORIGIN.sub(b"", written.read_bytes()))
    return Exported(*run.float_tensors("NCHW"))
