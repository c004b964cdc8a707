"""A network whose Python code decides by what a photo shows is refused, by the line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskport.errors import ExportError
from maskport.exporters.intermediates import make
from maskport.exporters.run import Card, Run
from maskport.models.prepared import prepare
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

SPEC = ModelSpec("deciding", ImageSpec(16, 16), MaskSpec(activation="sigmoid"))


class Deciding(nn.Module):
    def __init__(self, decide: Callable[[Deciding, Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.decide = nn.Conv2d(3, 1, 3, padding=1), decide
        self.register_buffer("steps", torch.tensor([1.0, 2.0]))
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        mask: Tensor = self.conv(self.decide(self, x))
        return mask


def by_a_branch(_: Deciding, x: Tensor) -> Tensor:
    if x.mean() > 0:  # culprit
        x = x * 2
    return x


def by_a_branch_on_what_was_written_into_a_part(_: Deciding, x: Tensor) -> Tensor:
    kept = torch.zeros_like(x)
    kept[:, 0] = x[:, 0]
    if kept.sum() > 0:  # culprit
        x = x + 1
    return x


def by_dividing_by_the_maximum(_: Deciding, x: Tensor) -> Tensor:
    return x / float(x.abs().max())  # culprit


def by_subtracting_the_mean(_: Deciding, x: Tensor) -> Tensor:
    return x - x.mean().item()  # culprit


def by_counting(_: Deciding, x: Tensor) -> Tensor:
    for _step in range(int(x.abs().max())):  # culprit
        x = x + 1
    return x


def by_way_of_numpy(_: Deciding, x: Tensor) -> Tensor:
    return x + torch.from_numpy(x.numpy().clip(0, 1))  # culprit


def by_way_of_a_list(_: Deciding, x: Tensor) -> Tensor:
    return x * sum(v > 0 for v in x.flatten().tolist())  # culprit


DECISIONS = [
    by_a_branch,
    by_a_branch_on_what_was_written_into_a_part,
    by_dividing_by_the_maximum,
    by_subtracting_the_mean,
    by_counting,
    by_way_of_numpy,
    by_way_of_a_list,
]


def make_all(function: Callable[[Deciding, Tensor], Tensor], source: str, folder: Path) -> None:
    view = prepare(Deciding(function), SPEC)
    make(source, view, Run(folder, SPEC, Card("deciding", "", "", "", "")))


@pytest.mark.parametrize("source", ["trace", "onnx"])
@pytest.mark.parametrize("function", DECISIONS)
def test_a_value_of_the_photo_that_python_reads_is_refused_by_its_line(
    function: Callable[[Deciding, Tensor], Tensor], source: str, tmp_path: Path
) -> None:
    lines, first = inspect.getsourcelines(function)
    (number,) = [first + i for i, line in enumerate(lines) if "culprit" in line]
    with pytest.raises(ExportError, match="reads a value of the photo") as caught:
        make_all(function, source, tmp_path)
    assert f"{__file__}:{number}: " in caught.value.what
    assert "torch.where" in caught.value.remedy
    assert list(tmp_path.glob("*.onnx")) + list(tmp_path.glob("*.pt")) == []


def by_sizes_and_weights(self: Deciding, x: Tensor) -> Tensor:
    if x.shape[2] % 2 == 0:
        x = x + 1
    half = int(x.size(2) // 2)
    if self.steps[0] > 0:
        x = x * float(self.steps[1])
    for step in self.steps:
        x = x + step
    return F.interpolate(F.interpolate(x, (half, half)), x.shape[2:])


def by_tensors_alone(_: Deciding, x: Tensor) -> Tensor:
    """The remedy that is named for each of the refused ones."""
    x = torch.where(x.mean() > 0, x * 2, x)
    return x / x.abs().max() - x.mean()


def by_checks_that_only_stop(_: Deciding, x: Tensor) -> Tensor:
    assert torch.isfinite(x).all(), "no number"
    torch._assert(x.max() < 1e9, "too bright")
    if torch.isnan(x).any():
        raise ValueError("no number")
    return x


@pytest.mark.parametrize("source", ["trace", "onnx"])
@pytest.mark.parametrize(
    "function", [by_sizes_and_weights, by_tensors_alone, by_checks_that_only_stop]
)
def test_what_is_the_same_for_every_photo_is_taken(
    function: Callable[[Deciding, Tensor], Tensor], source: str, tmp_path: Path
) -> None:
    make_all(function, source, tmp_path)


@pytest.mark.parametrize("function", [by_a_branch, by_sizes_and_weights, by_checks_that_only_stop])
def test_where_an_exported_program_refuses_to_read_values_the_line_is_named(
    function: Callable[[Deciding, Tensor], Tensor], tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="could not turn deciding into an exported") as caught:
        make_all(function, "program", tmp_path)
    lines, first = inspect.getsourcelines(function)
    named = caught.value.what.rpartition(f"{__file__}:")[2]
    assert first < int(named.partition(":")[0]) < first + len(lines)


def test_torchscript_that_tracing_refuses_is_asked_for_as_python(tmp_path: Path) -> None:
    view = prepare(torch.jit.script(nn.Conv2d(3, 1, 1).eval()), SPEC)
    with pytest.raises(ExportError, match="into an ONNX graph") as caught:
        make("onnx", view, Run(tmp_path, SPEC, Card("deciding", "", "", "", "")))
    assert "Python class" in caught.value.remedy
