"""What this processor offers to the kernels that run masks' networks.

Integer files are the reason: with VNNI they take a quarter of the float file's time and their sums
are exact, without it most of that is gone, and sums may saturate. So numbers come with the kind of
processor that they were measured on.
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, get_args

from pydantic import BaseModel, ConfigDict

__all__ = ["Feature", "Processor", "this_processor"]

Feature = Literal["avx2", "avx512", "avx512-vnni", "avx-vnni", "amx", "dotprod", "i8mm"]
"""``avx512`` means the parts that kernels need together (F, BW, DQ, VL); ``dotprod`` and ``i8mm``
are NEON's dot product and its products of int8 matrices."""

CPUINFO: Final = Path("/proc/cpuinfo")
SYSCTL: Final = ("/usr/sbin/sysctl", "machdep.cpu", "hw.optional")

# As Linux names them in /proc/cpuinfo (arch/x86/include/asm/cpufeatures.h,
# arch/arm64/kernel/cpuinfo.c), and macOS in machdep.cpu and hw.optional, in lower case.
_LINUX: Final[Mapping[Feature, set[str]]] = {
    "avx2": {"avx2"},
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
    "avx512-vnni": {"avx512_vnni"},
    "avx-vnni": {"avx_vnni"},
    "amx": {"amx_tile", "amx_int8"},
    "dotprod": {"asimddp"},
    "i8mm": {"i8mm"},
}
_MACOS: Final[Mapping[Feature, set[str]]] = {
    "avx2": {"avx2"},
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
    "avx512-vnni": {"avx512vnni"},
    "dotprod": {"feat_dotprod"},
    "i8mm": {"feat_i8mm"},
}
# One architecture has two names, by the system.
_ARCHITECTURES: Final = {"aarch64": "arm64", "amd64": "x86_64"}


class Processor(BaseModel):
    """A processor as kernels see it.

    Attributes:
        name: As it calls itself.
        architecture: ``x86_64``, ``arm64`` or another.
        features: Those of `Feature` that it has; null where the system doesn't tell.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    architecture: str
    features: list[Feature] | None = None


def this_processor() -> Processor:
    """The processor of this machine, by /proc/cpuinfo on Linux and sysctl on macOS.

    Where neither can be read, what Python knows, without features.
    """
    machine = platform.machine().lower()
    architecture = _ARCHITECTURES.get(machine, machine)
    name, features = _told()
    return Processor(
        name=name or platform.processor() or machine, architecture=architecture, features=features
    )


def _told() -> tuple[str, list[Feature] | None]:
    """Name and features by the system; ("", None) where it doesn't tell."""
    try:
        if platform.system() == "Linux":
            return _of_cpuinfo(CPUINFO.read_text(encoding="utf-8", errors="replace"))
        if platform.system() == "Darwin":
            told = subprocess.run(SYSCTL, capture_output=True, text=True, timeout=10, check=False)
            return _of_sysctl(told.stdout)
    except (OSError, subprocess.SubprocessError):
        pass
    return "", None


def _of_cpuinfo(text: str) -> tuple[str, list[Feature] | None]:
    """The first processor's; ARM has numbers in place of a name (lscpu has a table of them)."""
    facts: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip().lower(), value.strip())
    part = " ".join(facts.get(f"cpu {key}", "") for key in ("implementer", "part")).strip()
    name = facts.get("model name") or (f"ARM {part}" if part else "")
    flags = facts.get("flags", facts.get("features"))
    return name, None if flags is None else _having(set(flags.split()), _LINUX)


def _of_sysctl(text: str) -> tuple[str, list[Feature] | None]:
    """``machdep.cpu`` names Intel's features in lists, ``hw.optional`` says 0 or 1 of each."""
    facts = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    lists = ("machdep.cpu.features", "machdep.cpu.leaf7_features")
    flags = set(" ".join(facts.get(key, "") for key in lists).lower().split())
    flags |= {key.rpartition(".")[2].lower() for key, value in facts.items() if value == "1"}
    known = any(key in facts for key in lists) or any("hw.optional" in key for key in facts)
    name = facts.get("machdep.cpu.brand_string", "")
    return name, _having(flags, _MACOS) if known else None


def _having(flags: set[str], needs: Mapping[Feature, set[str]]) -> list[Feature]:
    return [name for name in get_args(Feature) if name in needs and needs[name] <= flags]
