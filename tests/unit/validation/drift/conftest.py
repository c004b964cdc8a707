"""Files that are none: a network's own tape, told as a runtime would tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import nn

from maskport.models.prepared import PreparedMask
from maskport.runtimes.intermediates.nodes import INPUT, NodeInfo
from maskport.validation.drift.graph import graph_of_tape
from maskport.validation.drift.measure import TensorSource
from maskport.validation.drift.tape import IMAGE, Call, record

Edit = Callable[[str, np.ndarray], np.ndarray]


def _late_first(calls: list[Call]) -> list[Call]:
    """Another order in which the same calls can run: of those that can, always the last."""
    waiting, known, order = list(calls), {IMAGE}, []
    while waiting:
        ready = [c for c in waiting if known.issuperset(c.reads)]
        chosen = ready[-1]
        waiting.remove(chosen)
        known.update(chosen.results.values())
        order.append(chosen)
    return order


@pytest.fixture
def as_file() -> Callable[..., TensorSource]:
    """`as_file(exported, order=..., edit=...)`: a source without any of the network's names."""

    def make(
        exported: PreparedMask,
        order: Callable[[list[Call]], list[Call]] = list,
        edit: Edit = lambda module, values: values,
    ) -> TensorSource:
        def stream(image: np.ndarray) -> Iterator[tuple[NodeInfo, np.ndarray]]:
            tape = record(exported, torch.from_numpy(image))
            seen = {op.makes: op for op in graph_of_tape(tape).operations}
            values = {IMAGE: torch.from_numpy(image)}
            yield NodeInfo("", INPUT, (), "t0", 0, image.shape), image
            with torch.no_grad():
                for number, call in enumerate(order(tape.calls)):
                    for made, value in call.run(values):
                        values[made] = torch.from_numpy(edit(call.module, value.numpy()))
                        operation = seen.get(made)
                        node = NodeInfo(
                            f"node_{number}",
                            call.name,
                            tuple(f"t{n}" for n in call.reads),
                            f"t{made}",
                            next(p for p, n in call.results.items() if n == made),
                            tuple(value.shape),
                            kernel=operation.kernel if operation else (),
                            sketch=operation.sketch if operation else (),
                        )
                        if value.is_floating_point():
                            yield node, values[made].numpy()

        return stream

    return make


@pytest.fixture
def late_first() -> Callable[[list[Call]], list[Call]]:
    """An order for `as_file`."""
    return _late_first


@pytest.fixture
def branches() -> Callable[..., nn.Module]:
    """`branches(equal=...)`: a network whose parallel branches have equal weights, or not."""
    return lambda equal: Branches(equal=equal).eval()


class Branches(nn.Module):
    """Three convolutions of one shape on one tensor, as in a pyramid of dilations."""

    def __init__(self, *, equal: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.branches = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=d, dilation=d) for d in (1, 2, 3))
        if equal:
            for branch in self.branches:
                branch.load_state_dict(self.branches[0].state_dict())
        self.head = nn.Conv2d(12, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        x = torch.cat([torch.relu(branch(x)) for branch in self.branches], 1)
        return torch.sigmoid(self.head(x))
