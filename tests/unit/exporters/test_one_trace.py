from __future__ import annotations

import operator

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram, default_decompositions, export

from maskport.exporters import one_trace as module
from maskport.exporters.one_trace import one_trace
from maskport.models.u2net import u2netp

PHOTO = torch.rand(1, 3, 32, 48)


class Counting(nn.Module):
    """A buffer that each run changes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("runs", torch.zeros(()))
        self.conv = nn.Conv2d(3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.runs.add_(1)
        mask: Tensor = self.conv(x) * self.runs
        return mask


class Inplace(nn.Module):
    """Operations in place, views, a constant, and a result that is a part of another."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x)).relu_().clamp_(max=1.0)
        y = y.view(1, 2, 2, *y.shape[2:]).transpose(1, 2).reshape(y.shape)
        y.add_(torch.tensor([0.5, 0.25, 0.0, 1.0]).view(1, 4, 1, 1))
        return nn.functional.interpolate(y, scale_factor=2, mode="bilinear")[:, :1]


def operations(program: ExportedProgram) -> list[str]:
    return [str(node.target) for node in program.graph.nodes if node.op == "call_function"]


@pytest.mark.parametrize("table", [None, {}], ids=["core", "none"])
@pytest.mark.parametrize("kind", [Inplace, lambda: u2netp().eval()], ids=["inplace", "u2netp"])
def test_one_trace_is_the_program_that_torch_makes(kind, table, monkeypatch) -> None:
    program = export(kind().eval(), (PHOTO,), strict=False)
    wanted = program.run_decompositions(table)
    monkeypatch.setattr(module, "_torchs_own", None)  # it must do without
    with one_trace():
        found = program.run_decompositions(table)
    assert operations(found) == operations(wanted)
    assert found.graph_signature.user_inputs == wanted.graph_signature.user_inputs
    stacks = [
        [node.meta.get("nn_module_stack") for node in program.graph.nodes]
        for program in (found, wanted)
    ]
    assert stacks[0] == stacks[1]
    given, same = found.module()(PHOTO), wanted.module()(PHOTO)
    assert all(torch.equal(a, b) for a, b in zip(_tensors(given), _tensors(same), strict=True))


def _tensors(value: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (value,) if isinstance(value, Tensor) else tuple(value)


def test_a_program_that_changes_itself_is_left_to_torch(monkeypatch) -> None:
    program = export(Counting().eval(), (PHOTO,), strict=False).run_decompositions({})
    seen = []

    def own(given: ExportedProgram, **options: object) -> ExportedProgram:
        seen.append(given)
        return given

    monkeypatch.setattr(module, "_torchs_own", own)
    with one_trace():
        program.run_decompositions(default_decompositions())
    assert seen == [program]


def test_what_the_trace_stumbles_over_is_left_to_torch(monkeypatch) -> None:
    program = export(Inplace().eval(), (PHOTO,), strict=False)
    monkeypatch.setattr(module, "make_fx", operator.itemgetter("no such"))
    with one_trace():
        assert program.run_decompositions({}).module()(PHOTO).shape == (1, 1, 64, 96)
