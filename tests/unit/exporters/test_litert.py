"""What a program is given before litert-torch sees it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from maskport.exporters import litert
from maskport.exporters.run import Options


class Gated(nn.Module):
    """A gate of one value a channel, expanded to the map's size as squeeze-and-excite has it."""

    def forward(self, x: Tensor) -> Tensor:
        gate = x.mean((2, 3), keepdim=True).sigmoid()
        return gate.expand_as(x) * x


class BothExpanded(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        across, down = x.mean(2, keepdim=True), x.mean(3, keepdim=True)
        return across.expand_as(x) + down.expand(x.shape)


class Shown(nn.Module):
    """Nothing but the expansion gives the result its size."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True).expand_as(x) * 2


def module_of(network: nn.Module) -> Any:
    loaded = torch.export.export(network, (torch.rand(1, 3, 4, 5),)).module(check_guards=False)
    return torch.fx.GraphModule(loaded, loaded.graph)


@pytest.mark.parametrize(
    ("network", "left"), [(Gated(), 0), (BothExpanded(), 2), (Shown(), 1)], ids=lambda v: str(v)
)
def test_only_what_broadcasts_by_itself_is_no_longer_expanded(
    network: nn.Module, left: int
) -> None:
    module, photo = module_of(network), torch.rand(1, 3, 4, 5)
    litert._drop_expansions(module)
    assert sum("expand" in str(node.target) for node in module.graph.nodes) == left
    assert torch.equal(module(photo), network(photo))


def test_channels_come_last_at_both_ends() -> None:
    module, photo = module_of(Gated()), torch.rand(1, 3, 4, 5)
    litert._channels_last(module)
    drawn = module(photo.permute(0, 2, 3, 1))
    assert torch.equal(drawn.permute(0, 3, 1, 2), Gated()(photo))


@pytest.mark.sdk
@pytest.mark.parametrize(
    ("size", "align"), [((9, 7), False), ((9, 7), True), ((2, 2), False)], ids=str
)
def test_a_resize_is_one_operation_and_draws_what_torch_draws(
    size: tuple[int, int], align: bool, tmp_path: Path
) -> None:
    class Resized(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return functional.interpolate(x.sin(), size, mode="bilinear", align_corners=align).cos()

    assert_drawn_as_by_torch(Resized(), tmp_path)


@pytest.mark.sdk
def test_a_resize_that_the_converter_takes_apart_keeps_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another release of it might: the operation that it has no name for is what it is made
    of."""
    passes = pytest.importorskip("litert_torch._convert.fx_passes.build_aten_composite_pass")
    monkeypatch.delitem(passes._composite_builders, torch.ops.aten.upsample_bilinear2d.vec)

    class Resized(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return functional.interpolate(x.sin(), (9, 7), mode="bilinear").cos()

    assert_drawn_as_by_torch(Resized(), tmp_path)


def assert_drawn_as_by_torch(network: nn.Module, folder: Path) -> None:
    pytest.importorskip("litert_torch")
    from ai_edge_litert.interpreter import Interpreter

    photo = torch.rand(1, 3, 4, 5)
    program = folder / "program.pt2"
    torch.export.save(torch.export.export(network.eval(), (photo,)), program)
    run = SimpleNamespace(
        program=program,
        step=lambda text: None,
        image_shape=(1, 3, 4, 5),
        spec=SimpleNamespace(name="resized"),
        options=Options(),
    )
    interpreter = Interpreter(model_content=litert.convert(run))  # type: ignore[arg-type]
    drawn = interpreter.get_signature_runner()
    (values,) = drawn(**{next(iter(drawn.get_input_details())): channels_last(photo)}).values()
    np.testing.assert_allclose(values, channels_last(network(photo)), atol=1e-5)


def channels_last(values: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values.permute(0, 2, 3, 1))
