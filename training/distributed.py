"""Several processes as one: what `torchrun` starts computes what one process would.

Gradients are averaged by PyTorch's DistributedDataParallel. Batch norms take mean and variance
over the whole batch, not over each process's share (Ioffe and Szegedy, 2015, section 3.1, with
the batch spread over processes), so the result does not depend on the number of processes but
for rounding. PyTorch's own SyncBatchNorm does that on GPUs only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn

from ..errors import UsageError

__all__ = ["Processes", "WholeBatchNorm", "average", "joined", "with_whole_batch_norms"]


# Of every batch norm of the family, PyTorch's default.
MOMENTUM = 0.1


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among all.

    Attributes:
        rank: Its number; 0 writes the files.
        count: How many there are.
        local_rank: Its number on this machine, and of its GPU.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    def share(self, batch: int) -> int:
        """This process's samples of a batch.

        Raises:
            UsageError: It can't be split evenly.
        """
        if batch % self.count:
            raise UsageError(
                f"A batch of {batch} can't be split over {self.count} processes.",
                f"Give a --batch that is a multiple of {self.count}.",
            )
        return batch // self.count


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """Join the processes that ``torchrun`` started, by its environment; alone without it.

    Args:
        device: ``"cuda"`` talks over NCCL, all others over gloo.
    """
    if "WORLD_SIZE" not in os.environ or int(os.environ["WORLD_SIZE"]) == 1:
        yield Processes()
        return
    found = Processes(
        int(os.environ["RANK"]),
        int(os.environ["WORLD_SIZE"]),
        int(os.environ.get("LOCAL_RANK", "0")),
    )
    if device == "cuda":
        torch.cuda.set_device(found.local_rank)
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield found
    finally:
        distributed.destroy_process_group()


def average(values: Tensor, processes: Processes) -> Tensor:
    """The mean over all processes, in place; as it is with one."""
    if processes.count > 1:
        distributed.all_reduce(values)
        values /= processes.count
    return values


class WholeBatchNorm(nn.BatchNorm2d):
    """A batch norm over the batches of all processes, which must have equal shapes."""

    @property
    def statistics(self) -> dict[str, Tensor]:
        """The running ones, by name."""
        return dict(self.named_buffers())

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W), one process's share, to the same."""
        if not self.training:
            return super().forward(x)
        apply: Any = _Normalized.apply
        normalized, mean, variance = apply(x, self.weight, self.bias, self.eps)
        with torch.no_grad():
            count = x.numel() // x.shape[1] * distributed.get_world_size()
            unbiased = variance * (count / max(count - 1, 1))
            self.statistics["num_batches_tracked"] += 1
            self.statistics["running_mean"].lerp_(mean, MOMENTUM)
            self.statistics["running_var"].lerp_(unbiased, MOMENTUM)
        result: Tensor = normalized
        return result


def with_whole_batch_norms(network: nn.Module) -> nn.Module:
    """Replace a network's batch norms, in place; names in its state dict stay."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.BatchNorm2d:
                whole = WholeBatchNorm(child.num_features, child.eps, MOMENTUM)
                whole.load_state_dict(child.state_dict())
                setattr(module, name, whole.to(child.weight.device).train(child.training))
    return network


class _Normalized(torch.autograd.Function):
    """x to γ·x̂ + β by statistics over all processes, and its derivative likewise."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Any:
        variance, mean = torch.var_mean(_wide(x), (0, 2, 3), correction=0)
        mine = torch.stack((mean, variance))
        gathered = [torch.empty_like(mine) for _ in range(distributed.get_world_size())]
        distributed.all_gather(gathered, mine)
        means, variances = torch.stack(gathered).unbind(1)
        mean = means.mean(0)
        # Of the parts around the whole's mean: no difference of two large squares.
        variance = (variances + (means - mean) ** 2).mean(0)
        scale = torch.rsqrt(variance + eps)
        ctx.save_for_backward(x, weight, mean, scale)
        ctx.mark_non_differentiable(mean, variance)
        factor = weight * scale
        y = x * _planes(factor) + _planes(bias - mean * factor)
        return y.to(x.dtype), mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, weight, mean, scale = ctx.saved_tensors
        gradient = _wide(gradients[0])
        centered = (_wide(x) - _planes(mean)) * _planes(scale)
        of_bias = gradient.sum((0, 2, 3))
        of_weight = (gradient * centered).sum((0, 2, 3))
        both = torch.stack((of_bias, of_weight))
        distributed.all_reduce(both)
        count = x.numel() // x.shape[1] * distributed.get_world_size()
        mean_gradient, mean_product = (both / count).unbind()
        inner = gradient - _planes(mean_gradient) - centered * _planes(mean_product)
        of_x = inner * _planes(weight * scale)
        return of_x.to(x.dtype), of_weight, of_bias, None


def _wide(x: Tensor) -> Tensor:
    """In float32 at least."""
    return x if x.dtype == torch.float64 else x.float()


def _planes(values: Tensor) -> Tensor:
    return values.reshape(1, -1, 1, 1)
