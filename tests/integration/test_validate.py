"""`maskport validate` on real files: sound ones pass, and each broken one is named."""

from __future__ import annotations

import copy
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from maskport import open_segmenter
from maskport.api import export
from maskport.cli.main import cli
from maskport.errors import BundleError, ChangedError, ImageError, InputError, LostError, UsageError
from maskport.models.u2net import U2Net
from maskport.runtimes.costs.counting import Cost
from maskport.runtimes.isolated import IsolatedRunner
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec, ModelSpec
from maskport.validation.gates import exit_code
from maskport.validation.request import ValidationEvent
from maskport.validation.results import Results, read_results
from maskport.validation.validate import bench, validate

from ..sdks import needed

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

for sdk in ("onnx", "onnxruntime", "coremltools"):
    needed(sdk)

TARGETS = ["onnx-fp32", "onnx-fp16", "coreml-fp16", "coreml-fp32", "torchscript-lite"]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs keep their journals in the cache; a test's must not meet a user's."""
    folder = tmp_path_factory.mktemp("cache")
    patch = pytest.MonkeyPatch()
    patch.setenv("MASKPORT_CACHE", str(folder))
    yield folder
    patch.undo()


@pytest.fixture(scope="module")
def network(nano: Callable[..., U2Net]) -> U2Net:
    """Drawn so that its masks have edges: random weights alone draw grey."""
    torch.manual_seed(3)
    made = nano()
    for name, parameter in made.named_parameters():
        if name.endswith("conv_s1.weight"):
            torch.nn.init.kaiming_normal_(parameter)
        elif name == "outconv.weight":
            torch.nn.init.normal_(parameter, std=4.0)
    return made


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    masks = folder / "masks"
    masks.mkdir()
    for seed, (height, width) in enumerate([(60, 80), (90, 40), (48, 48)]):
        made = scene(seed, height, width)
        Image.fromarray(made.photo).save(folder / f"scene-{seed}.png")
        mask = np.asarray(made.mask)
        mask = mask if mask.dtype == np.uint8 else (mask * 255).astype(np.uint8)
        Image.fromarray(mask).save(masks / f"scene-{seed}.png")
    (folder / "raw.dng").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def bundle(network: U2Net, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exports") / "nano"
    spec = ModelSpec("nano", ImageSpec(64, 48), MaskSpec(), output=0)
    made = export(network, spec=spec, targets=TARGETS, photos=photos, out=out)
    assert [f.reason for f in made.manifest.failures] == []
    return out


@pytest.fixture
def broken(bundle: Path, tmp_path: Path) -> Path:
    """One file disturbed, one of random bytes, one truncated, one that never ends."""
    import onnx

    folder = tmp_path / "broken"
    shutil.copytree(bundle, folder)
    disturbed = folder / "nano-onnx-fp32.onnx"
    model = onnx.load(disturbed)
    rng = np.random.default_rng(0)
    for weight in model.graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if values.ndim == 4 and values.dtype == np.float32:
            noise = rng.normal(0, values.std() * 2 + 0.1, values.shape).astype(np.float32)
            weight.CopyFrom(onnx.numpy_helper.from_array(values + noise, weight.name))
    onnx.save(model, disturbed)
    (folder / "nano-onnx-fp16.onnx").write_bytes(rng.bytes(20_000))
    weights = next((folder / "nano-coreml-fp16.mlpackage").rglob("weight.bin"))
    weights.write_bytes(weights.read_bytes()[:100])

    class Endless(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            while bool(x.sum() > -1):
                x = x * 1.0
            return x[:, :1]

    scripted = torch.jit.script(Endless())
    scripted._save_for_lite_interpreter(str(folder / "nano-torchscript-lite.ptl"))
    return folder


@pytest.fixture(scope="module")
def results(bundle: Path, network: U2Net, photos: Path) -> Results:
    return validate(bundle, images=photos, masks=photos / "masks", network=network)


def test_sound_files_pass_with_all_their_numbers(results: Results) -> None:
    assert {t: a.reason for t, a in results.artifacts.items() if a.status != "passed"} == {}
    assert list(results.artifacts) == TARGETS
    assert results.passed
    for artifact in results.artifacts.values():
        assert artifact.fidelity is not None
        # Half precision costs 1e-4 on trained weights; these are as smooth.
        assert artifact.fidelity["mae"] < 1e-3 and artifact.fidelity["iou"] > 0.99
        assert artifact.fidelity["worst_iou"] <= artifact.fidelity["iou"] <= 1
        assert [photo.photo for photo in artifact.photos] == [p.name for p in results.photos]
        assert artifact.cost is not None and artifact.cost.macs > 0
        assert artifact.peak_memory_mb and artifact.checksum_holds and artifact.gates


def test_files_are_timed_and_emulated_ones_say_why_not(results: Results) -> None:
    for artifact in results.artifacts.values():
        if artifact.emulated:
            assert artifact.latency_ms is None and "emulated" in artifact.no_latency
            continue
        assert artifact.latency_ms is not None and artifact.timing is not None
        latency = artifact.latency_ms
        assert 0 < latency.min <= latency.p50 <= latency.p90 <= latency.p99
        # The standard schedule promises fifty runs and a second.
        assert artifact.timing.runs >= 50
        assert artifact.timing.runs * latency.mean >= 999
    ratio = results.artifacts["onnx-fp32"].timing
    assert ratio is not None and ratio.ratio_to_fp32 == 1


def test_ground_truth_is_scored_beside_the_reference(results: Results) -> None:
    assert results.reference.truth is not None
    assert results.run.truth_left_out == []
    assert results.run.photos_left_out == ["1 (raw.dng): DNG is not read; save it as PNG or JPEG"]
    full = results.artifacts["onnx-fp32"]
    assert full.truth is not None and full.truth_drop is not None
    # A file that draws the reference's mask to 1e-6 scores as the reference does.
    assert max(map(abs, full.truth_drop.values())) < 2e-3
    assert full.photos[0].truth is not None


def test_a_network_in_memory_cant_be_timed_beside_its_files(results: Results) -> None:
    assert results.pytorch == {}
    assert results.reference.weights == "(in memory)"


def test_each_broken_file_is_named_with_its_cause_and_the_rest_validated(
    broken: Path, network: U2Net, photos: Path
) -> None:
    began = time.monotonic()
    options: dict[str, Any] = {"images": photos, "network": network, "latency": "none"}
    results = validate(broken, time_limit=3, force=True, **options)
    found = results.artifacts
    assert {target: found[target].status for target in TARGETS} == {
        "onnx-fp32": "failed",
        "onnx-fp16": "broken",
        "coreml-fp32": "passed",
        "coreml-fp16": "broken",
        "torchscript-lite": "timed-out",
    }
    assert not results.passed
    disturbed = found["onnx-fp32"].fidelity
    assert disturbed is not None and disturbed["iou"] < 0.9
    assert any(g.metric == "iou" and not g.passed and g.photo for g in found["onnx-fp32"].gates)
    assert found["onnx-fp32"].checksum_holds is False
    assert "onnxruntime can't load" in found["onnx-fp16"].reason
    assert "more than 3 s" in found["torchscript-lite"].reason
    # Three seconds of waiting for the endless one; the rest is loading runtimes.
    assert time.monotonic() - began < 120


def test_changed_files_are_not_run(broken: Path, network: U2Net, photos: Path) -> None:
    seen: list[ValidationEvent] = []
    options: dict[str, Any] = {"images": photos, "network": network, "latency": "none"}
    results = validate(broken, watch=seen.append, **options)
    found = results.artifacts
    changed = {target for target in TARGETS if target != "coreml-fp32"}
    assert {target for target in TARGETS if found[target].status == "changed"} == changed
    assert found["coreml-fp32"].status == "passed" and not results.passed
    assert exit_code(results) == 1
    assert {event.target for event in seen if event.kind == "photo"} == {"coreml-fp32"}
    assert "is not the onnx-fp32 that the manifest describes" in found["onnx-fp32"].reason
    assert "--force" in found["onnx-fp32"].reason
    assert any(g.metric == "checksum" and not g.passed for g in found["onnx-fp32"].gates)


def test_a_changed_file_draws_for_nobody(broken: Path) -> None:
    disturbed = broken / "nano-onnx-fp32.onnx"
    refused = pytest.raises(ChangedError, match="is not the onnx-fp32 that the manifest describes")
    with refused, open_segmenter(disturbed):
        pass
    with open_segmenter(disturbed, force=True) as segmenter:
        assert segmenter.name.startswith(disturbed.name)


def test_a_file_of_several_sizes_is_judged_at_each(
    network: U2Net, photos: Path, tmp_path: Path
) -> None:
    """Made once, of halves, validated at its own size and at another; the fixed one only at its
    own."""
    spec = ModelSpec("nano", ImageSpec(64, 48), MaskSpec(), output=0)
    out = tmp_path / "nano"
    targets = ["coreml-fp16", "torchscript-lite"]
    made: dict[str, Any] = {"coreml_sizes": ["32x64", 64], "coreml_output": "half"}
    export(network, spec=spec, targets=targets, photos=photos, out=out, **made)
    manifest = json.loads((out / "manifest.json").read_text())
    flexible, fixed = manifest["artifacts"]
    others = flexible["other_sizes"]
    assert [(o["height"], o["width"]) for o in others] == [(32, 64), (64, 64)]
    assert all(o["inspection"]["iou"] > 0.99 for o in others) and fixed["other_sizes"] == []
    options: dict[str, Any] = {"images": photos, "network": network, "latency": "none"}
    assert list(validate(out, **options).artifacts) == targets
    results = validate(out, size="32x64", **options)
    assert list(results.artifacts) == ["coreml-fp16"] and results.passed
    assert (results.input_height, results.input_width) == (32, 64)
    # Masks are compared at that size, so each photo's error is another than at the file's own.
    small = results.artifacts["coreml-fp16"]
    large = validate(out, size=64, **options).artifacts["coreml-fp16"]
    assert [p.metrics for p in small.photos] != [p.metrics for p in large.photos]
    # Costs are those of that size: half of the other's pixels.
    assert small.cost and large.cost and small.cost.macs * 2 == large.cost.macs
    ended = CliRunner().invoke(
        cli, ["validate", str(out), "--size", "96", "--no-latency"], standalone_mode=False
    )
    assert isinstance(ended.exception, UsageError)
    assert "takes 96x96" in ended.exception.what
    assert "32x64, 64x48, 64x64" in ended.exception.remedy
    with pytest.raises(UsageError, match="torchscript-lite can't be used at another size"):
        validate(out, size=64, targets="torchscript-lite", **options)


def test_a_missing_file_is_missing(bundle: Path, network: U2Net, tmp_path: Path) -> None:
    folder = tmp_path / "lacking"
    shutil.copytree(bundle, folder)
    (folder / "nano-onnx-fp16.onnx").unlink()
    results = validate(folder, targets="onnx", network=network, latency="none")
    assert results.artifacts["onnx-fp16"].status == "missing"
    assert results.artifacts["onnx-fp32"].status == "passed"


class Killed(Exception):
    """What ends a run in a test, wherever it is."""


def killed_at(
    kind: str, target: str, done: int, seen: list[ValidationEvent]
) -> Callable[[ValidationEvent], None]:
    def watch(event: ValidationEvent) -> None:
        seen.append(event)
        if (event.kind, event.target, event.done) == (kind, target, done):
            raise Killed

    return watch


@pytest.fixture(scope="module")
def whole(bundle: Path, network: U2Net, photos: Path) -> Results:
    """What an uninterrupted run of the two ONNX files finds."""
    return validate(
        bundle,
        images=photos,
        masks=photos / "masks",
        network=network,
        targets="onnx",
        latency="none",
    )


@pytest.mark.parametrize(
    ("kind", "target", "done", "again"),
    [
        ("started", "onnx-fp32", 0, 6),
        ("photo", "onnx-fp16", 2, 1),
        ("ended", "onnx-fp16", 0, 0),
        ("report", "", 0, 0),
    ],
)
def test_killing_it_half_way_loses_nothing(
    bundle: Path,
    network: U2Net,
    photos: Path,
    whole: Results,
    kind: str,
    target: str,
    done: int,
    again: int,
) -> None:
    """The resumed run draws only what was not drawn, and finds what an uninterrupted one does."""

    def run(watch: Callable[[ValidationEvent], None], fails: bool, resume: bool) -> Results:
        def report(_results: Results) -> None:
            if fails:
                raise Killed

        return validate(
            bundle,
            images=photos,
            masks=photos / "masks",
            network=network,
            targets="onnx",
            latency="none",
            resume=resume,
            report=report,
            watch=watch,
        )

    with pytest.raises(Killed):
        run(killed_at(kind, target, done, []), kind == "report", resume=False)
    seen: list[ValidationEvent] = []
    resumed = run(seen.append, False, resume=True)
    assert len([event for event in seen if event.kind == "photo"]) == again
    assert resumed.run.resumed and not whole.run.resumed
    assert resumed.reference == whole.reference
    for name, artifact in whole.artifacts.items():
        other = resumed.artifacts[name]
        for field in ("status", "fidelity", "photos", "truth", "truth_drop", "iou_sweep", "cost"):
            assert getattr(other, field) == getattr(artifact, field), (name, field)


def test_rounds_that_were_timed_are_not_timed_again(
    bundle: Path, network: U2Net, photos: Path
) -> None:
    settings: dict[str, Any] = {"images": photos, "network": network, "targets": "onnx"}
    with pytest.raises(Killed):
        validate(bundle, **settings, watch=killed_at("round", "onnx-fp32", 3, []))
    seen: list[ValidationEvent] = []
    resumed = validate(bundle, **settings, resume=True, watch=seen.append)
    assert not [event for event in seen if event.kind == "photo"]
    rounds = [e.done for e in seen if e.kind == "round" and e.target == "onnx-fp32"]
    assert rounds == [4, 5]
    for artifact in resumed.artifacts.values():
        assert artifact.timing is not None and artifact.timing.rounds == 5


def test_findings_of_another_network_are_not_taken_up(
    bundle: Path, network: U2Net, photos: Path
) -> None:
    settings: dict[str, Any] = {"images": photos, "targets": "onnx-fp32", "latency": "none"}
    with pytest.raises(Killed):
        watch = killed_at("ended", "onnx-fp32", 0, [])
        validate(bundle, **settings, network=network, watch=watch)
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.outconv.bias.add_(3)
    results = validate(bundle, **settings, network=other, resume=True)
    assert not results.run.resumed
    assert results.artifacts["onnx-fp32"].status == "failed"


def test_a_file_that_draws_masks_of_another_size_is_broken_and_the_others_go_on(
    bundle: Path, network: U2Net, photos: Path, tmp_path: Path
) -> None:
    import onnx
    from onnx import TensorProto, helper

    folder = tmp_path / "small"
    shutil.copytree(bundle, folder)
    size = (1, 1, 32, 24)
    graph = helper.make_graph(
        [
            helper.make_node("AveragePool", ["image"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("ReduceMean", ["p"], ["mask"], axes=[1], keepdims=1),
        ],
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, 64, 48))],
        [helper.make_tensor_value_info("mask", TensorProto.FLOAT, size)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "nano-onnx-fp16.onnx")
    manifest = json.loads((folder / "manifest.json").read_text())
    entry = next(a for a in manifest["artifacts"] if a["target"] == "onnx-fp16")
    entry["inputs"][0]["name"], entry["outputs"][0]["name"] = "image", "mask"
    entry["outputs"][0]["shape"] = list(size)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    options: dict[str, Any] = {"images": photos, "network": network, "latency": "none"}
    results = validate(folder, targets="onnx", force=True, **options)
    assert results.artifacts["onnx-fp16"].status == "broken"
    assert "shape (1, 32, 24)" in results.artifacts["onnx-fp16"].reason
    assert results.artifacts["onnx-fp32"].status == "passed"


def test_a_file_cant_pass_for_the_network(bundle: Path, network: U2Net, tmp_path: Path) -> None:
    folder = tmp_path / "named"
    shutil.copytree(bundle, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["artifacts"][0]["target"] = "pytorch-prepared"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="pytorch-prepared"):
        validate(folder, network=network)


def test_a_count_that_fails_is_no_fault_of_the_file(
    bundle: Path, network: U2Net, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(self: IsolatedRunner) -> Cost:
        raise LostError("crashed", "it died while counting", "")

    monkeypatch.setattr(IsolatedRunner, "cost", lost)
    results = validate(bundle, images=photos, network=network, targets="onnx-fp32", latency="none")
    found = results.artifacts["onnx-fp32"]
    assert (found.status, found.cost, found.no_cost) == ("passed", None, "it died while counting")


def test_a_cache_that_cant_be_written_is_named(
    bundle: Path, network: U2Net, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError) as caught:
        validate(bundle, network=network)
    assert "MASKPORT_CACHE" in caught.value.remedy


def test_a_run_leaves_nothing_behind(cache: Path, results: Results, whole: Results) -> None:
    """Only what later tests interrupted may lie there."""
    left = [path for path in (cache / "runs").glob("*/*") if path.suffix == ".lock"]
    assert left == []


def test_resume_takes_up_nothing_of_other_photos(
    bundle: Path, network: U2Net, photos: Path, tmp_path: Path
) -> None:
    def stop(event: ValidationEvent) -> None:
        if event.kind == "ended":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        validate(bundle, images=photos, network=network, targets="onnx", watch=stop)
    others = tmp_path / "others"
    others.mkdir()
    shutil.copy(photos / "scene-1.png", others / "scene-0.png")
    results = validate(
        bundle, images=others, network=network, targets="onnx-fp32", latency="none", resume=True
    )
    assert not results.run.resumed
    assert len(results.artifacts["onnx-fp32"].photos) == 1


def test_the_reference_runs_on_the_gpu_where_there_is_one(
    bundle: Path, network: U2Net, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that torch has everywhere and that is not the CPU stands in for CUDA."""
    from maskport.models.prepared import Reference

    asked: list[str] = []
    original = Reference.drawing

    def drawing(self, images, device):
        asked.append(device)
        return original(self, images, "cpu")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "Fake RTX")
    monkeypatch.setattr(Reference, "drawing", drawing)
    results = validate(bundle, images=photos, network=network, targets="onnx-fp32", latency="none")
    assert asked == ["cuda"]
    assert (results.reference.device, results.reference.device_name) == ("cuda", "Fake RTX")


def test_a_network_is_not_imported_because_a_manifest_names_it(bundle: Path) -> None:
    with pytest.raises(UsageError, match="its code is not run"):
        validate(bundle)


def test_changed_reference_weights_are_refused(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(bundle, folder)
    weights = folder / "reference.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    (tmp_path / "nano_factory.py").write_text("def make(): raise AssertionError\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises((BundleError, UsageError)) as caught:
        validate(folder, network="nano_factory:make")
    assert "reference.safetensors" in caught.value.what


def test_masks_need_photos(bundle: Path, network: U2Net, photos: Path) -> None:
    with pytest.raises(ImageError, match="belong to photos"):
        validate(bundle, masks=photos / "masks", network=network)


def test_a_mistyped_target_is_named_with_the_nearest(bundle: Path, network: U2Net) -> None:
    with pytest.raises(UsageError) as caught:
        validate(bundle, network=network, targets="onnx-fp61")
    assert "Did you mean onnx-fp16?" in caught.value.remedy


def test_bench_times_without_comparing(bundle: Path) -> None:
    results = bench(bundle, targets=["onnx-fp32", "coreml-fp16"])
    timed = results.artifacts["onnx-fp32"]
    assert timed.latency_ms is not None and timed.fidelity is None
    assert results.artifacts["coreml-fp16"].latency_ms is None
    assert results.photos == []


FACTORY = """
import torch
from maskport.models.u2net import FLAT, Stage, U2Net

def make():
    return U2Net((Stage("stage1", 4, 3, 2, 4), Stage("stage2", 4, 4, 2, 4),
                  Stage("stage3", FLAT, 4, 2, 4), Stage("stage2d", 4, 8, 2, 4),
                  Stage("stage1d", 4, 8, 2, 4)), 1)
"""


def test_the_command_writes_every_report_and_times_the_network_beside_its_files(
    bundle: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_nets.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    arguments = [
        *("validate", str(bundle), "--network", "my_nets:make", "--images", str(photos)),
        *("--targets", "onnx-fp32,torchscript-lite", "--json", "r.json", "--junit", "r.xml"),
        *("--markdown", "r.md", "--html", "report"),
    ]
    ended = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert ended.exception is None and ended.return_value == 0
    assert "Reference: PyTorch on the CPU" in ended.output
    results = read_results(tmp_path / "r.json")
    assert set(results.pytorch) == {"pytorch", "pytorch-prepared"}
    assert results.pytorch["pytorch"].latency_ms is not None
    prepared = results.pytorch["pytorch-prepared"].fidelity
    # The exported view is exact up to rounding.
    assert prepared is not None and prepared["mae"] < 1e-5
    for artifact in results.artifacts.values():
        assert artifact.timing is not None and artifact.timing.ratio_to_pytorch is not None
    raw = json.loads((tmp_path / "r.json").read_text())
    assert raw["artifacts"]["onnx-fp32"]["latency_ms"]["p50"] > 0
    assert (tmp_path / "r.xml").read_text().startswith("<?xml")
    assert "onnx-fp32" in (tmp_path / "r.md").read_text()
    assert "<html" in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")


def test_a_gate_that_fails_gives_exit_code_1_and_a_sentence(
    bundle: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_nets.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    arguments = [
        *("validate", str(bundle), "--network", "my_nets:make", "--images", str(photos)),
        *("--targets", "onnx-fp16", "--no-latency", "--gate", "onnx-fp16: mae <= 1e-12"),
    ]
    ended = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert ended.return_value == 1
    assert "mae" in ended.output and "--gate" in ended.output
