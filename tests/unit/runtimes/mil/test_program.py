"""How programs are executed: types, life times, errors, and whole networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from maskport.errors import RunnerError
from maskport.models.u2net import FLAT, Stage, U2Net
from maskport.runtimes.mil import program as program_module
from maskport.runtimes.mil.arguments import Uncovered, integers, round_to_half, to_torch
from maskport.runtimes.mil.operations import _TABLES, EXACT, OPERATIONS
from maskport.runtimes.mil.program import Program

pytestmark = pytest.mark.sdk

NANO = (
    Stage("stage1", 4, 3, 4, 8),
    Stage("stage2", 4, 8, 4, 8),
    Stage("stage3", FLAT, 8, 4, 8),
    Stage("stage2d", 4, 16, 4, 8),
    Stage("stage1d", 4, 16, 4, 8),
)


class Plus(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + 1.0) * 3.0


def test_float16_is_rounded_after_every_operation(run_mil: Callable[..., Any]) -> None:
    # 2048 + 1 needs 12 bits; float16 has 11, ties go to even.
    x = torch.tensor([[2048.0, 2050.0, 1.0]])
    (given,) = run_mil(Plus(), (x,), precision="fp16")
    assert given.tolist() == [[2048.0 * 3, 2052.0 * 3, 6.0]]


def test_float16_overflows_to_infinity(run_mil: Callable[..., Any]) -> None:
    (given,) = run_mil(Plus(), (torch.tensor([[30000.0]]),), precision="fp16")
    assert given.tolist() == [[float("inf")]]


def test_float32_programs_are_not_rounded(run_mil: Callable[..., Any]) -> None:
    (given,) = run_mil(Plus(), (torch.tensor([[2048.0, 30000.0]]),), precision="fp32")
    assert given.tolist() == [[2049.0 * 3, 30001.0 * 3]]


@pytest.mark.parametrize(
    ("precision", "tolerance"),
    # float32: sums in another order. float16: 11 bits through some 60 layers.
    [("fp32", 1e-6), ("fp16", 5e-3)],
)
def test_a_whole_small_u2net_draws_its_mask(
    precision: str, tolerance: float, run_mil: Callable[..., Any]
) -> None:
    torch.manual_seed(0)
    net = U2Net(NANO).eval()
    # 30 x 26 is odd from the second level on: ceil-mode pools and fractional resizes.
    x = torch.rand(1, 3, 30, 26)
    with torch.no_grad():
        expected = net(x)
    given = run_mil(net, (x,), precision=precision)
    assert len(given) == len(expected) == 4
    for mine, wanted in zip(given, expected, strict=True):
        torch.testing.assert_close(mine.float(), wanted, atol=tolerance, rtol=0)


def test_a_program_runs_again_with_the_same_result(
    save: Callable[..., Path], load: Callable[[Path], Program]
) -> None:
    x = torch.rand(1, 3, 16, 16)
    program = load(save(nn.Conv2d(3, 4, 3), (x,)))
    first = program.run({"x0": x})
    program.run({"x0": 1 - x})
    torch.testing.assert_close(program.run({"x0": x}), first, atol=0, rtol=0)


def test_values_are_let_go_after_their_last_reader(
    save: Callable[..., Path], load: Callable[[Path], Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.rand(1, 4, 16, 16)
    net = nn.Sequential(*[nn.Conv2d(4, 4, 3, padding=1) for _ in range(6)])
    program = load(save(net, (x,)))
    alive: list[int] = []
    original = Program._run_step

    def watched(step: Any, registers: list[Any]) -> None:
        original(step, registers)
        shapes = [v.shape for v in registers if isinstance(v, Tensor)]
        alive.append(shapes.count(x.shape))

    monkeypatch.setattr(program_module.Program, "_run_step", staticmethod(watched))
    program.run({"x0": x})
    # what the last step made and, at the most, what it read
    assert max(alive) <= 2


def test_an_operation_that_fails_is_named(save: Callable[..., Path], load: Any) -> None:
    x = torch.rand(1, 3, 16, 16)
    program = load(save(nn.Conv2d(3, 4, 3), (x,)))
    with pytest.raises(RunnerError, match="conv") as caught:
        program.run({"x0": torch.rand(1, 2, 16, 16)})
    assert caught.value.__cause__ is not None


def test_no_operation_is_in_two_tables() -> None:
    assert sum(len(table.OPERATIONS) for table in _TABLES) == len(OPERATIONS)
    assert OPERATIONS.keys() >= EXACT


def test_constants_become_what_operations_expect() -> None:
    assert to_torch("same") == "same"
    assert to_torch(np.int32(3)) == 3
    assert to_torch(np.bool_(True)) is True
    assert to_torch(np.float16(0.1)).dtype == torch.float32
    assert integers(to_torch(np.array([1, 2], np.uint32))) == [1, 2]
    assert to_torch(np.zeros((2, 3, 4, 4), np.float16)).is_contiguous(
        memory_format=torch.channels_last
    )


def test_rounding_to_half_keeps_not_a_number() -> None:
    assert torch.isnan(round_to_half(torch.tensor([float("nan")]))).all()


def test_uncovered_variants_are_our_own_exception() -> None:
    with pytest.raises(Uncovered, match="mirror"):
        OPERATIONS["pad"](torch.zeros(1, 2), torch.tensor([1, 1]), mode="mirror")
