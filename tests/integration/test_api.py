"""The Python API does what the command line does, from any program."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from maskport import export, load_bundle, verify
from maskport.errors import (
    CheckpointError,
    ExportError,
    MaskportError,
    NetworkError,
    SpecError,
    UsageError,
)
from maskport.exporting import ExportEvent
from maskport.models.prepared import Reference, prepare
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
    assert (tmp_path / "out" / "README.md").read_text().startswith("# local\n")


def test_events_tell_the_whole_story(nano: Callable[..., U2Net], tmp_path: Path) -> None:
    network = nano()
    seeded(network, 0, (32, 48))
    events: list[ExportEvent] = []
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
    """The reference is replaced, which looks to the inspection as if the file were wrong."""
    monkeypatch.chdir(tmp_path)
    network, other = nano(), nano()
    seeded(network, 0, (32, 48))
    seeded(other, 1, (32, 48))

    def wrong(_reference: object, _view: object, photos: np.ndarray, _run: object) -> np.ndarray:
        with torch.no_grad():
            return Reference(other, SPEC)(torch.from_numpy(photos)).numpy()

    monkeypatch.setattr("maskport.exporters.export.draw_references", wrong)
    with pytest.raises(ExportError, match="No target could be made") as caught:
        export(network, spec=SPEC, targets=QUICK, out=tmp_path / "out")
    assert "draws another mask than PyTorch" in caught.value.what
    assert not (tmp_path / "out").exists()
    (log,) = tmp_path.glob("maskport-export-*.log")
    assert str(log) in caught.value.remedy
    assert "torchscript-lite" in log.read_text()


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"network": "u2netp", "size": "abc"}, SpecError, "size is 'abc'"),
        ({"network": "u2netp", "jobs": 0}, UsageError, "jobs"),
        ({"network": "u2netp", "coreml_output": "pic"}, UsageError, "pic"),
        ({"network": "u2netp", "targets": "onnx-pf16"}, UsageError, "onnx-pf16"),
        ({"network": "u2netq"}, UsageError, "u2netp"),
        ({"network": "u2netp", "weights": "gone.pth"}, CheckpointError, r"gone\.pth"),
        ({"network": "u2netp", "weights": "random:x"}, UsageError, "seed"),
        ({"network": "u2netp", "targets": ["tflite-int8"]}, UsageError, "calibrat"),
        ({"network": "u2netp", "size": 0}, SpecError, "size is 0"),
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


class Drawn(nn.Module):
    """A network whose output is chosen by the test."""

    def __init__(self, last: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 1, 3, padding=1)
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.conv(x))


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (lambda x: 8 * x, "activation sigmoid"),  # logits that nobody activates
        (lambda x: torch.sigmoid(x) / 0, "not numbers"),
        (lambda x: torch.sigmoid(x + torch.rand(())), "two masks of one photo"),
    ],
)
def test_a_network_that_breaks_the_contract_is_refused_before_anything_is_made(
    tmp_path: Path, last: Callable[[Tensor], Tensor], said: str
) -> None:
    spec = ModelSpec("drawn", ImageSpec(16, 24), MaskSpec())
    with pytest.raises(NetworkError) as caught:
        export(Drawn(last), spec=spec, targets=QUICK, out=tmp_path / "out")
    assert said in str(caught.value)
    assert list(tmp_path.iterdir()) == []


class Averaged(U2Net):
    """A user's own forward on top of ours."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        maps = super().forward(x)
        return (torch.stack(maps[:3]).mean(0), *maps[1:])


@pytest.mark.parametrize(("kind", "output"), [(U2Net, 1), (Averaged, 0), (U2Net, -1)])
def test_another_output_or_forward_is_exported_as_it_is(
    nano: Callable[..., U2Net], kind: type[U2Net], output: int
) -> None:
    network = kind(nano().stages).eval()
    seeded(network, 0, (32, 48))
    spec = ModelSpec("nano", ImageSpec(32, 48), MaskSpec(), output)
    image = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        difference = prepare(network, spec)(image) - Reference(network, spec)(image)
    assert difference.abs().max() < 1e-5


def test_the_callers_network_stays_as_it_is(nano: Callable[..., U2Net], tmp_path: Path) -> None:
    network = nano().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    export(network, spec=SPEC, weights="random:3", targets=QUICK, out=tmp_path / "out")
    assert network.training
    assert all(torch.equal(before[n], t) for n, t in network.state_dict().items())


def test_a_name_that_would_leave_the_bundle_is_refused() -> None:
    for name in ("../evil", "a/b", "", ".hidden", "x" * 65):
        with pytest.raises(SpecError, match="name"):
            ModelSpec(name, ImageSpec(16, 24), MaskSpec())


@pytest.mark.sdk
def test_a_users_own_modules_are_not_mistaken_for_sdks(
    nano: Callable[..., U2Net], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxsim")
    for name in ("onnx", "queue", "coremltools"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('a user has scripts too')")
    monkeypatch.chdir(tmp_path)
    network = nano()
    seeded(network, 0, (32, 48))
    bundle = export(network, spec=SPEC, targets="onnx-fp32", out=tmp_path / "out")
    assert bundle.manifest.failures == []
