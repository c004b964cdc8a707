"""What of an ExecuTorch program its back ends take: that was decided when it was exported."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ...artifacts.inspect.executorch import XNNPACK, Program
from .findings import Acceptance

__all__ = ["executorch"]

_NAMES = {
    XNNPACK: "XNNPACK",
    "CoreMLBackend": "Core ML",
    "VulkanBackend": "Vulkan",
    "QnnBackend": "Qualcomm's NPU",
}


def executorch(path: Path) -> list[Acceptance]:
    """For each back end that the method ``forward`` calls; for XNNPACK where it calls none."""
    program = Program(path)
    names = program.operators()
    parts: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for kind, call in program.calls():
        if kind == "DelegateCall":
            parts[program.delegate(call)["id"]] += 1
        elif kind == "KernelCall":
            left[names[call["op_index"]]] += 1
    found = []
    for name in parts or (XNNPACK,):
        others = sum(parts.values()) - parts[name]
        whole = parts[name] == 1 and not others and not left
        says = [f"{parts[name]} part{'' if parts[name] == 1 else 's'} of it"]
        if others:
            says.append(f"{others} of other back ends")
        if left:
            kinds = ", ".join(f"{count} {kind}" for kind, count in left.most_common())
            says.append(f"portable kernels run {kinds}")
        told = "all of it, in one part" if whole else "; ".join(says)
        found.append(Acceptance(_NAMES.get(name, name), whole, told))
    return found
