"""The Python API does what the command line does, from any program."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from maskport import export, load_bundle, verify
from maskport.errors import CheckpointError, ExportError, MaskportError, SpecError, UsageError
from maskport.exporters.session import Event
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

QUICK = ["torchscript-lite"]
SPEC = ModelSpec("nano", ImageSpec(32, 48), MaskSpec(), output=0)

# A network class that only this script knows, at the top level, without a __main__ guard.
SCRIPT = """
import torch
from maskport import ImageSpec, MaskSpec, ModelSpec, export

class Local(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 1, 3, padding=1)
    def forward(self, x):
        return {"mask": 4 * self.conv(x)}

spec = ModelSpec("local", ImageSpec(32, 48), MaskSpec(activation="sigmoid"), "mask")
bundle = export(Local(), spec=spec, targets=["onnx-fp32", "torchscript-lite"], out="out")
print(len(bundle.manifest.artifacts))
"""


@pytest.mark.sdk
def test_a_script_without_a_main_guard_exports_its_own_network(tmp_path: Path) -> None:
    pytest.importorskip("onnxsim")
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "2"), done.stderr
    assert done.stderr == ""  # SDKs print into the log
    assert verify(tmp_path / "out") == []


def test_events_tell_the_whole_story(nano: Callable[..., U2Net], tmp_path: Path) -> None:
    network = nano()
    seeded(network, 0, (32, 48))
    events: list[Event] = []
    bundle = export(network, spec=SPEC, targets=QUICK, out=tmp_path / "out", watch=events.append)
    kinds = [event.kind for event in events if event.target == "torchscript-lite"]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    assert "step" in kinds
    assert events[-1].artifact == bundle.artifact("torchscript-lite")
    assert bundle.manifest.checkpoint.file == "(in memory)"


def test_a_network_whose_every_target_fails_leaves_no_bundle_and_keeps_the_log(
    nano: Callable[..., U2Net], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    network = nano()
    seeded(network, 0, (32, 48))
    monkeypatch.setattr("maskport.api.INSPECTOR", "maskport.validation.nowhere:inspect")
    with pytest.raises(ExportError, match="No target could be made") as caught:
        export(network, spec=SPEC, targets=QUICK, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (log,) = tmp_path.glob("maskport-export-*.log")
    assert str(log) in caught.value.remedy
    assert "torchscript-lite" in log.read_text()


def test_a_file_that_draws_another_mask_fails_its_target(
    nano: Callable[..., U2Net], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference is replaced, which looks to the inspection as if the file were wrong."""
    monkeypatch.chdir(tmp_path)
    network, other = nano(), nano()
    seeded(network, 0, (32, 48))
    seeded(other, 1, (32, 48))
    draw = "maskport.exporters.session._draw_references"

    def wrong(order: object, run: object) -> None:
        import torch

        from maskport.exporters.worker import CHECK
        from maskport.models.prepared import Reference

        images = order.check  # type: ignore[attr-defined]
        with torch.no_grad():
            references = Reference(other, SPEC)(torch.from_numpy(images)).numpy()
        np.savez(run.scratch / CHECK, images=images, references=references)  # type: ignore[attr-defined]

    monkeypatch.setattr(draw, wrong)
    with pytest.raises(ExportError, match="draws another mask than PyTorch"):
        export(network, spec=SPEC, targets=QUICK, out=tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"network": "u2netq"}, UsageError, "u2netp"),
        ({"network": "u2netp", "weights": "gone.pth"}, CheckpointError, r"gone\.pth"),
        ({"network": "u2netp", "weights": "random:x"}, UsageError, "seed"),
        ({"network": "u2netp", "targets": ["tflite-int8"]}, UsageError, "calibrat"),
        ({"network": "u2netp", "size": 0}, SpecError, "empty"),
        ({"network": "u2netp", "targets": []}, UsageError, "target"),
    ],
)
def test_bad_input_is_an_error_before_anything_is_written(
    tmp_path: Path,
    arguments: dict[str, object],
    error: type[MaskportError],
    said: str,
) -> None:
    out = tmp_path / "out"
    with pytest.raises(error, match=said):
        export(**{"weights": "random:0", "targets": QUICK, "out": out, **arguments})  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_replaced_only_by_a_whole_one(
    nano: Callable[..., U2Net], tmp_path: Path
) -> None:
    network = nano()
    seeded(network, 0, (32, 48))
    out = tmp_path / "out"
    first = export(network, spec=SPEC, targets=QUICK, out=out)
    seeded(network, 1, (32, 48))
    second = export(network, spec=SPEC, targets=QUICK, out=out)
    checksums = [b.artifact("torchscript-lite").sha256 for b in (first, second)]
    assert checksums[0] != checksums[1]
    assert load_bundle(out).manifest == second.manifest
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
