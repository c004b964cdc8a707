"""The kind of processor, by what Linux and macOS say of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from maskport.artifacts import processor
from maskport.artifacts.processor import Processor, this_processor

# Cut to what is read; the flags of a laptop of 2015, a server of 2022, and an ARM server.
AVX2_ONLY = """processor\t: 0
model name\t: Intel(R) Core(TM) i5-5250U CPU @ 1.60GHz
flags\t\t: fpu sse4_2 avx f16c avx2 bmi2

processor\t: 1
model name\t: another
flags\t\t: fpu avx512f
"""
SERVER = """model name : Intel(R) Xeon(R) Platinum 8480+
flags : avx2 avx_vnni avx512f avx512dq avx512bw avx512vl avx512_vnni amx_bf16 amx_tile amx_int8
"""
ARM = """processor\t: 0
Features\t: fp asimd evtstrm aes crc32 atomics fphp asimdhp asimddp sve i8mm bf16
CPU implementer\t: 0x41
CPU part\t: 0xd40
"""
MAC = """machdep.cpu.brand_string: Apple M2
hw.optional.neon: 1
hw.optional.arm.FEAT_DotProd: 1
hw.optional.arm.FEAT_I8MM: 1
hw.optional.arm.FEAT_SME: 0
"""
# The last Macs with Intel: of Ice Lake, and of Haswell.
ICE_LAKE = """machdep.cpu.brand_string: Intel(R) Core(TM) i5-1038NG7 CPU @ 2.00GHz
machdep.cpu.features: FPU SSE4.2 AVX1.0 F16C
machdep.cpu.leaf7_features: AVX2 AVX512F AVX512DQ AVX512BW AVX512VL AVX512VNNI
hw.optional.avx512f: 1
"""
HASWELL = """machdep.cpu.leaf7_features: BMI1 AVX2 BMI2
hw.optional.avx2_0: 1
hw.optional.avx512f: 0
"""


def on_linux(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str, machine: str) -> Processor:
    path = folder / "cpuinfo"
    path.write_text(text)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr(processor, "CPUINFO", path)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("platform.processor", lambda: "")
    return this_processor()


def on_macos(monkeypatch: pytest.MonkeyPatch, text: str, machine: str) -> Processor:
    def sysctl(command: Any, **_: Any) -> subprocess.CompletedProcess[str]:
        assert command[0] == "/usr/sbin/sysctl"
        return subprocess.CompletedProcess(command, 1, text, "unknown oid")

    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr(subprocess, "run", sysctl)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("platform.processor", lambda: "")
    return this_processor()


@pytest.mark.parametrize(
    ("text", "machine", "name", "architecture", "features"),
    [
        (AVX2_ONLY, "x86_64", "Intel(R) Core(TM) i5-5250U CPU @ 1.60GHz", "x86_64", ["avx2"]),
        (SERVER, "x86_64", "Intel(R) Xeon(R) Platinum 8480+", "x86_64",
         ["avx2", "avx512", "avx512-vnni", "avx-vnni", "amx"]),
        (ARM, "aarch64", "ARM 0x41 0xd40", "arm64", ["dotprod", "i8mm"]),
    ],
)  # fmt: skip
def test_linux_tells_it_in_cpuinfo(
    monkeypatch, tmp_path, text, machine, name, architecture, features
) -> None:
    found = on_linux(monkeypatch, tmp_path, text, machine)
    assert found == Processor(name=name, architecture=architecture, features=features)


@pytest.mark.parametrize(
    ("text", "machine", "features"),
    [
        (MAC, "arm64", ["dotprod", "i8mm"]),
        (ICE_LAKE, "x86_64", ["avx2", "avx512", "avx512-vnni"]),
        (HASWELL, "x86_64", ["avx2"]),
    ],
)
def test_macos_tells_it_by_sysctl(monkeypatch, text, machine, features) -> None:
    found = on_macos(monkeypatch, text, machine)
    assert (found.architecture, found.features) == (machine, features)


def test_the_name_of_an_apple_processor_is_its_own(monkeypatch) -> None:
    assert on_macos(monkeypatch, MAC, "arm64").name == "Apple M2"


def test_a_part_of_avx_512_is_not_what_kernels_need(monkeypatch, tmp_path) -> None:
    text = "model name: Xeon Phi\nflags: avx2 avx512f avx512cd\n"
    assert on_linux(monkeypatch, tmp_path, text, "x86_64").features == ["avx2"]


def test_a_system_that_does_not_tell_leaves_features_unknown(monkeypatch, tmp_path) -> None:
    """Unknown is not none: a comparison must not take them for two kinds."""
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "no such file")
    found = this_processor()
    assert found.features is None
    assert found.name
    assert on_macos(monkeypatch, "", "arm64").features is None


def test_this_machine_has_a_name_and_features() -> None:
    found = this_processor()
    assert found.name
    if sys.platform in {"linux", "darwin"}:
        assert found.features is not None
