"""Adaptive pools of any size are rewritten exactly, and only where they must be."""

from __future__ import annotations

import io

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskport.models.adaptive_pools import constant_pools
from maskport.models.prepared import prepare
from maskport.quantization.graph import capture
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

pytestmark = pytest.mark.kernels

# Pyramids' bins, sizes that divide one side or none, sizes beyond the input's.
SIZES = [(1, 1), (2, 2), (3, 3), (6, 6), (3, 5), (None, 4), (7, None), (13, 9), (16, 12)]


def values(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["adaptive_avg_pool2d", "adaptive_max_pool2d"])
@pytest.mark.parametrize("size", SIZES)
def test_a_pool_of_any_size_is_the_same(size: tuple[int | None, int | None], name: str) -> None:
    x = values(2, 3, 13, 10)
    with constant_pools():
        rewritten = getattr(F, name)(x, size)
    # Sums of up to 130 values in another order; a maximum has no sum.
    tolerance = 0.0 if "max" in name else 1e-6
    torch.testing.assert_close(rewritten, getattr(F, name)(x, size), atol=tolerance, rtol=0)


@pytest.mark.parametrize("pool", [nn.AdaptiveAvgPool1d(3), nn.AdaptiveMaxPool1d(3)])
def test_so_it_is_along_one_axis_and_without_a_batch(pool: nn.Module) -> None:
    x = values(4, 10)
    with constant_pools():
        rewritten = pool(x)
    torch.testing.assert_close(rewritten, pool(x), atol=1e-6, rtol=0)


def test_the_positions_of_maxima_are_still_given() -> None:
    pool = nn.AdaptiveMaxPool2d(3, return_indices=True)
    x = values(1, 2, 8, 8)
    with constant_pools():
        given = pool(x)
    assert all(torch.equal(a, b) for a, b in zip(given, pool(x), strict=True))


def test_torch_is_left_as_it_was() -> None:
    before = dict(vars(F))
    with pytest.raises(ValueError, match="of the network's"), constant_pools():
        raise ValueError("of the network's")
    assert dict(vars(F)) == before


class Pyramid(nn.Module):
    """Pyramid pooling as the networks that have it write it: as modules, as functions, by names
    of arguments."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 4, 3, 2, 1)
        self.bins = nn.ModuleList([nn.AdaptiveAvgPool2d(size) for size in (1, 2, 3, 6)])
        self.last = nn.Conv2d(4 * 7, 1, 1)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.first(x), inplace=True)
        pooled = [pool(y) for pool in self.bins]
        pooled.append(F.adaptive_max_pool2d(y, 5))
        pooled.append(F.adaptive_avg_pool2d(input=y, output_size=(3, 7)))
        size = (y.shape[2], y.shape[3])
        maps = [y, *(F.interpolate(p, size, mode="bilinear") for p in pooled)]
        mask: Tensor = F.interpolate(self.last(torch.cat(maps, 1)), x.shape[2:], mode="bilinear")
        return mask


SPEC = ModelSpec("pyramid", ImageSpec(32, 40), MaskSpec(activation="sigmoid"))


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:torch.jit.TracerWarning")
def test_pyramid_pooling_is_exported_by_tracing() -> None:
    pytest.importorskip("onnx", reason="needs maskport[onnx]")
    runtime = pytest.importorskip("onnxruntime", reason="needs maskport[onnx]")
    image = values(1, 3, 32, 40).sigmoid()
    view, file = prepare(Pyramid(), SPEC), io.BytesIO()
    torch.onnx.export(view, (image,), file, dynamo=False, opset_version=17, input_names=["image"])
    (drawn,) = runtime.InferenceSession(file.getvalue()).run(None, {"image": image.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(drawn), view(image), atol=1e-6, rtol=0)


def test_a_captured_graph_has_pools_of_constants_and_those_that_divide_as_they_were() -> None:
    graph = capture(prepare(Pyramid(), SPEC), (1, 3, 32, 40))
    kinds = [graph.operation(name) for name in graph.points]
    assert kinds.count("adaptive_avg_pool2d") == 2  # the bins of 1 and 2
    assert "adaptive_max_pool2d" not in kinds
    # Rows and columns of the two bins left and of 3 x 7; 5 of 20 columns are one pool.
    assert kinds.count("avg_pool2d") == (3 + 3) + (6 + 6) + (3 + 7)
    assert kinds.count("max_pool2d") == 5 + 1
