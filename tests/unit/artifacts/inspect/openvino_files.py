"""OpenVINO files as text, which need no SDK."""

from __future__ import annotations

from pathlib import Path

__all__ = ["NET", "write_xml"]


def _port(number: int, dtype: str, sizes: tuple[int, ...], names: str = "") -> str:
    dims = "".join(f"<dim>{size}</dim>" for size in sizes)
    named = f' names="{names}"' if names else ""
    return f'<port id="{number}" precision="{dtype}"{named}>{dims}</port>'


_IMAGE = _port(0, "FP32", (1, 3, 4, 5), "image,x.1")
_KERNEL = _port(1, "FP16", (2, 3, 1, 1))
_MASK = _port(2, "FP32", (1, 2, 4, 5))

# One convolution, 1 x 1, from three channels to two, its kernel in halves.
NET = f"""<?xml version="1.0"?>
<net name="net" version="11">
  <layers>
    <layer id="0" name="image" type="Parameter" version="opset1"><output>{_IMAGE}</output></layer>
    <layer id="1" name="axes" type="Const" version="opset1">
      <data element_type="i64" shape="2" offset="12" size="16"/>
      <output>{_port(0, "I64", (2,))}</output></layer>
    <layer id="2" name="kernel" type="Const" version="opset1">
      <data element_type="f16" shape="2, 3, 1, 1" offset="0" size="12"/>
      <output>{_KERNEL}</output></layer>
    <layer id="3" name="kernel32" type="Convert" version="opset1">
      <input>{_KERNEL}</input><output>{_port(1, "FP32", (2, 3, 1, 1))}</output></layer>
    <layer id="4" name="conv" type="Convolution" version="opset12">
      <input>{_IMAGE}{_port(1, "FP32", (2, 3, 1, 1))}</input><output>{_MASK}</output></layer>
    <layer id="5" name="end" type="Result" version="opset1" output_names="mask">
      <input>{_MASK}</input></layer>
  </layers>
  <edges>
    <edge from-layer="2" from-port="0" to-layer="3" to-port="0"/>
    <edge from-layer="0" from-port="0" to-layer="4" to-port="0"/>
    <edge from-layer="3" from-port="1" to-layer="4" to-port="1"/>
    <edge from-layer="4" from-port="2" to-layer="5" to-port="0"/>
  </edges>
  <rt_info><Runtime_version value="2026.4"/></rt_info>
</net>
"""


def write_xml(folder: Path, text: str = NET) -> Path:
    """An OpenVINO file without its weights, which are not needed to read it."""
    path = folder / "net.xml"
    path.write_text(text, encoding="utf-8")
    return path
