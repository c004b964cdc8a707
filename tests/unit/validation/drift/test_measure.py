"""Drift of made-up files: exact copies, planted faults, other orders, what can't be told apart."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import nn

from maskport.errors import RunnerError, UsageError
from maskport.imaging.convert import photo_to_input
from maskport.models.prepared import Reference, prepare
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.runtimes.intermediates.nodes import NodeInfo
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec, ModelSpec
from maskport.validation.drift.findings import Drift
from maskport.validation.drift.measure import TensorSource, measure_drift

SPEC = ModelSpec("nano", ImageSpec(32, 48), MaskSpec(), output=0)
# float32 sums in another order give 1e-6, no planted fault less than 1e-2.
TOLERANCE = 1e-4
AsFile = Callable[..., TensorSource]


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.concatenate([photo_to_input(scene(seed).photo, SPEC.image) for seed in (0, 1)])


@pytest.fixture
def network(nano: Callable[..., U2Net]) -> U2Net:
    made = nano()
    seeded(made, 0, (32, 48))
    return made


def drift_of(network: nn.Module, source: TensorSource, images: np.ndarray) -> Drift:
    spec = SPEC if isinstance(network, U2Net) else ModelSpec("other", SPEC.image, MaskSpec())
    return measure_drift(
        Reference(network, spec), images, source, target="made-up", tolerance=TOLERANCE,
        device="cpu",
    )  # fmt: skip


def disturb(module: nn.Conv2d) -> None:
    with torch.no_grad():
        noise = torch.randn(module.weight.shape, generator=torch.Generator().manual_seed(0))
        module.weight += 0.3 * module.weight.std() * noise


def test_an_exact_copy_shows_no_drift(network: U2Net, images: np.ndarray, as_file: AsFile) -> None:
    drift = drift_of(network, as_file(prepare(network, SPEC)), images)
    assert drift.first is None
    assert drift.worst.own < 1e-6
    assert drift.furthest.relative < 1e-5  # folded batch norms round, layer after layer
    assert drift.photos == 2


def test_every_block_stage_side_and_the_mask_is_compared(
    network: U2Net, images: np.ndarray, as_file: AsFile
) -> None:
    drift = drift_of(network, as_file(prepare(network, SPEC)), images)
    names = [module.name for module in drift.modules]
    expected = [
        *(n for n, m in network.named_modules() if type(m).__name__ in {"ConvBlock", "RSU"}),
        *("stage3", "side1", "side2", "side3", "mask", "normalize"),
    ]
    assert sorted(names) == sorted(expected)
    assert names[:2] == ["normalize", "stage1.rebnconvin"]
    assert names[-1] == "mask"
    # the exported view scales the sides, so that the fusing convolution can go
    others = [m.name for m in drift.modules if m.reference != "network"]
    assert others == ["side1", "side2", "side3"]
    assert [u.name for u in drift.unmatched] == ["outconv"]


@pytest.mark.parametrize(
    "name", ["stage1.rebnconvin", "stage3.rebnconv2", "stage2d.rebnconv1d", "stage1d.rebnconv1d"]
)
def test_a_disturbed_module_is_the_only_one_past_the_tolerance(
    network: U2Net, images: np.ndarray, as_file: AsFile, name: str
) -> None:
    exported = prepare(network, SPEC)
    disturb(exported.get_submodule(f"body.network.{name}.conv_s1"))
    drift = drift_of(network, as_file(exported), images)
    assert [module.name for module in drift.past] == [name]
    assert drift.worst.name == name
    later = drift.modules[drift.modules.index(drift.worst) + 1 :]
    assert max(m.relative for m in later) > TOLERANCE  # the fault goes on, and is no one else's


def test_the_files_order_does_not_matter(
    network: U2Net, images: np.ndarray, as_file: AsFile, late_first: object
) -> None:
    exported = prepare(network, SPEC)
    disturb(exported.body.network.stage2d.rebnconv2.conv_s1)
    drift = drift_of(network, as_file(exported, order=late_first), images)
    assert [module.name for module in drift.past] == ["stage2d.rebnconv2"]


def test_swapped_weights_are_found_where_they_stand(
    network: U2Net, images: np.ndarray, as_file: AsFile
) -> None:
    """What a node computes from counts for more than what its weights look like."""
    exported = prepare(network, SPEC)
    stage = exported.body.network.stage3
    stage.rebnconv2.conv_s1.weight, stage.rebnconv3.conv_s1.weight = (
        stage.rebnconv3.conv_s1.weight,
        stage.rebnconv2.conv_s1.weight,
    )
    drift = drift_of(network, as_file(exported), images)
    assert [module.name for module in drift.past] == ["stage3.rebnconv2", "stage3.rebnconv3"]


@pytest.mark.parametrize("name", ["branches.0", "branches.1", "branches.2"])
def test_parallel_branches_of_one_shape_are_told_apart_by_their_weights(
    branches: Callable[..., nn.Module],
    images: np.ndarray,
    as_file: AsFile,
    late_first: object,
    name: str,
) -> None:
    network = branches(equal=False)
    exported = prepare(network, ModelSpec("other", SPEC.image, MaskSpec()))
    disturb(exported.get_submodule(f"body.network.{name}"))
    drift = drift_of(network, as_file(exported, order=late_first), images)
    assert [module.name for module in drift.past] == [name]
    assert drift.unmatched == ()


def test_what_cant_be_told_apart_is_left_out_and_said(
    branches: Callable[..., nn.Module], images: np.ndarray, as_file: AsFile
) -> None:
    network = branches(equal=True)
    exported = prepare(network, ModelSpec("other", SPEC.image, MaskSpec()))
    drift = drift_of(network, as_file(exported), images)
    assert [m.name for m in drift.modules] == ["normalize", "stem", "head", "mask"] or [
        m.name for m in drift.modules
    ] == ["normalize", "stem", "mask"]
    assert {u.name for u in drift.unmatched} >= {"branches.0", "branches.1", "branches.2"}
    assert "3 nodes of the file could be" in drift.unmatched[0].reason
    assert drift.first is None


def test_values_that_are_no_numbers_are_past_any_tolerance(
    network: U2Net, images: np.ndarray, as_file: AsFile
) -> None:
    def spoil(module: str, values: np.ndarray) -> np.ndarray:
        return values * np.float32("nan") if module.endswith("stage2.rebnconv3") else values

    drift = drift_of(network, as_file(prepare(network, SPEC), edit=spoil), images)
    assert drift.first is not None
    assert drift.first.name == "stage2.rebnconv3"
    plain = drift.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False))["first_past_tolerance"]
    assert next(m for m in plain["modules"] if m["name"] == drift.first.name)["own"] is None


def test_another_networks_file_is_refused(
    network: U2Net, images: np.ndarray, branches: Callable[..., nn.Module]
) -> None:
    def nothing(image: np.ndarray) -> Iterator[tuple[NodeInfo, np.ndarray]]:
        yield NodeInfo("", "input", (), "x", 0, image.shape), image
        yield NodeInfo("a", "Erf", ("x",), "y", 0, image.shape), image

    with pytest.raises(UsageError, match="could be matched"):
        drift_of(network, nothing, images)


def test_a_file_that_changes_its_graph_is_an_error(
    network: U2Net, images: np.ndarray, as_file: AsFile
) -> None:
    whole = as_file(prepare(network, SPEC))
    times = []

    def fading(image: np.ndarray) -> Iterator[tuple[NodeInfo, np.ndarray]]:
        times.append(1)
        for number, item in enumerate(whole(image)):
            if len(times) == 1 or number < 20:
                yield item

    with pytest.raises(RunnerError, match="that it gave before"):
        drift_of(network, fading, images)
