"""Each part's own loss, and the share of the work that it would be in float."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from maskport.cli.main import cli
from maskport.errors import UsageError
from maskport.models.prepared import Reference, count_macs, prepare
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.quantization.encodings import Encoding
from maskport.quantization.graph import NetworkGraph, capture
from maskport.quantization.pricing import BORDER_PRICE, FLOAT_PRICE, added_time, multiplications
from maskport.quantization.sensitivity import fidelity, finer_parts, parts_of, sensitivity
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

SPEC = ModelSpec("nano", ImageSpec(32, 48), MaskSpec(), output=0)


@pytest.fixture(scope="module")
def captured(nano: Callable[..., U2Net]) -> tuple[NetworkGraph, dict[str, torch.Tensor]]:
    network = nano()
    seeded(network, 0, (32, 48))
    view = prepare(network, SPEC)
    return capture(view, (1, 3, 32, 48)), dict(view.state_dict())


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    return np.stack([scene(seed, 32, 48).photo.transpose(2, 0, 1) for seed in range(3)])


def test_parts_cover_every_tensor_of_a_module_once(captured) -> None:
    graph, _ = captured
    parts = parts_of(graph)
    named = [name for names in parts.values() for name in names]
    assert len(named) == len(set(named))
    assert set(named) == {p.name for p in graph.points.values() if p.module}
    assert any(part.endswith("stage1") for part in parts)


def test_multiplications_are_those_of_the_view_that_is_exported(captured, nano) -> None:
    """Counted by PyTorch's own hooks for the manifest, by shapes here; the view has no outconv."""
    graph, weights = captured
    network = nano()
    whole = count_macs(Reference(network, SPEC), SPEC.image)
    outconv = 32 * 48 * network.levels
    assert sum(multiplications(graph, weights).values()) == whole - outconv


def test_time_in_float_is_that_of_multiplications_and_of_borders(captured) -> None:
    graph, weights = captured
    macs = multiplications(graph, weights)
    assert added_time(graph, macs, []) == 0
    assert added_time(graph, macs, graph.points) == pytest.approx(FLOAT_PRICE - 1)
    inside = next(name for name in macs if ".stage1d.rebnconv1d" in graph.points[name].module)
    (source,) = graph.sources(inside)
    # Dequantised before, quantised after.
    crossing = sum(math.prod(graph.shape_of(name)) for name in (source, inside))
    wanted = (FLOAT_PRICE - 1) * macs[inside] + BORDER_PRICE * crossing
    found = added_time(graph, macs, {inside})
    assert found == pytest.approx(wanted / sum(macs.values()))


def test_large_parts_are_divided_and_none_is_lost(captured) -> None:
    graph, weights = captured
    parts = parts_of(graph, most=3)
    macs = multiplications(graph, weights)
    finer = finer_parts(graph, macs, parts, 0.1)
    named = [name for names in finer.values() for name in names]
    assert sorted(named) == sorted(name for names in parts.values() for name in names)
    whole = sum(macs.values())
    for names in finer.values():
        assert sum(macs.get(n, 0) for n in names) <= 0.1 * whole or len(names & macs.keys()) == 1
    assert finer_parts(graph, macs, parts, 1.0) == parts


def test_rounding_a_part_alone_costs_it_alone(captured, photos) -> None:
    graph, weights = captured
    peaks: dict[str, float] = {}

    def look(name: str, value: torch.Tensor) -> torch.Tensor:
        group = graph.points[name].group
        peaks[group] = max(peaks.get(group, 0.0), float(value.abs().max()))
        return value

    for photo in photos:
        graph.run(torch.from_numpy(photo)[None].float() / 255, look, weights)
    fine = {group: Encoding.of_range(-peak, peak) for group, peak in peaks.items()}
    coarse = dict(fine)
    guilty = next(part for part in parts_of(graph) if part.endswith("stage2"))
    for name in parts_of(graph)[guilty]:
        group = graph.points[name].group
        if all(p.module.startswith(guilty) for p in graph.groups[group]):
            coarse[group] = Encoding.of_range(-100 * peaks[group], 100 * peaks[group])
    seen: list[tuple[int, int]] = []
    rows = sensitivity(
        graph, weights, coarse, photos, 0.5, watch=lambda _, done, total: seen.append((done, total))
    )
    worst = max(rows, key=lambda row: row.alone.mae)
    assert worst.module == guilty
    assert seen[0][0] == 0  # before the first mask
    assert seen[-1][0] == seen[-1][1] == len(seen) - 1 == len(photos) * (len(rows) + 1)


def test_fidelity_is_that_of_each_photo() -> None:
    truth = torch.zeros(2, 1, 2, 2)
    truth[:, :, 0] = 1
    mask = truth.clone()
    mask[1, 0, 1, 0] = 1  # one pixel too much: 2 of 3
    found = fidelity(mask, truth, 0.5)
    assert found.iou == pytest.approx((1 + 2 / 3) / 2) and found.worst_iou == pytest.approx(2 / 3)
    assert found.mae == pytest.approx(1 / 8) and found.worst_mae == pytest.approx(1 / 4)
    assert found.mse == pytest.approx(1 / 8)


def test_classes_are_compared_by_the_highest() -> None:
    truth = torch.tensor([[[[0.9, 0.1]], [[0.1, 0.9]], [[0.0, 0.0]]]])
    assert fidelity(truth * 0.5, truth, 0.5).iou == 1
    assert fidelity(truth.flip(3), truth, 0.5).iou == 0


def test_a_few_pixels_of_a_nearly_empty_mask_decide_nothing() -> None:
    truth = torch.zeros(2, 1, 40, 40)
    truth[0, :, :20] = 1
    mask = truth.clone()
    mask[1, :, 0, :3] = 1  # 3 of 1600 pixels
    found = fidelity(mask, truth, 0.5)
    assert (found.iou, found.worst_iou) == (1, 1)
    assert found.worst_mae == pytest.approx(3 / 1600)


@pytest.mark.parametrize(("gray", "left_out"), [(1, 1), (2, 0), (3, 0)])
def test_photos_that_the_network_is_unsure_of_decide_no_iou_where_they_are_few(
    gray: int, left_out: int
) -> None:
    truth = torch.zeros(3, 1, 40, 40)
    truth[:, :, :20] = 1
    truth[:gray] = 0.51
    mask = truth.clone()
    mask[:gray] = 0.49
    found = fidelity(mask, truth, 0.5)
    assert found.left_out == left_out
    assert found.worst_iou == (1 if left_out else 0)
    assert found.worst_mae == pytest.approx(0.02)


def test_empty_masks_do_not_make_unsure_ones_few() -> None:
    truth = torch.zeros(3, 1, 40, 40)
    truth[0] = 0.51
    found = fidelity(truth - 0.02, truth, 0.5)
    assert (found.left_out, found.iou) == (2, 0)


def test_the_command_prints_a_line_a_part_and_draws_it(tmp_path: Path) -> None:
    arguments = ["sensitivity", "demo", "--size", "48", "--calibration", "scenes:3"]
    arguments += ["--photos", "scenes:2", "--json", str(tmp_path / "s.json")]
    arguments += ["--plot", str(tmp_path / "s.svg")]
    ended = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert ended.exception is None
    assert "all of them" in ended.output and "2 photos" in ended.output
    saved = json.loads((tmp_path / "s.json").read_text())
    modules = [part["module"] for part in saved["parts"]]
    assert any(module.endswith("stage1d") for module in modules)
    assert all(0 <= part["iou"] <= 1 for part in saved["parts"])
    drawn = ElementTree.fromstring((tmp_path / "s.svg").read_text())  # our own
    assert len(list(drawn)) > 2 * len(modules)


def test_a_network_without_photos_to_calibrate_on_is_refused() -> None:
    ended = CliRunner().invoke(cli, ["sensitivity", "u2netp"], standalone_mode=False)
    assert isinstance(ended.exception, UsageError)
