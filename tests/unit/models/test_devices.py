"""The reference runs where it is fastest, and never in less than float32."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from maskport.models.devices import best_device, full_precision
from maskport.models.prepared import Reference
from maskport.specs import ImageSpec, MaskSpec, ModelSpec


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_a_gpu_is_taken_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, chosen: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert best_device() == chosen


def test_tf32_is_off_while_the_reference_draws_and_back_afterwards() -> None:
    torch.backends.cudnn.allow_tf32 = True

    class Watched(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert not torch.backends.cudnn.allow_tf32
            assert not torch.backends.cuda.matmul.allow_tf32
            return x[:, :1]

    spec = ModelSpec("watched", ImageSpec(4, 5), MaskSpec())
    masks = Reference(Watched(), spec).draw(np.zeros((3, 3, 4, 5), np.float32), "cpu")
    assert masks.shape == (3, 1, 4, 5)
    assert torch.backends.cudnn.allow_tf32


def test_the_settings_come_back_after_an_error_too() -> None:
    before = torch.backends.cudnn.allow_tf32
    with pytest.raises(KeyboardInterrupt), full_precision():
        raise KeyboardInterrupt
    assert torch.backends.cudnn.allow_tf32 == before
