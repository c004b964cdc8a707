"""Deterministic random weights: for trying the tool, never for masks that mean something.

`seeded` makes a network whose masks have light and dark, so that converters and comparisons
have something to work on where no trained weights are at hand. The same seed gives the same
weights on every machine.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import NetworkError
from ..specs import ImageSpec
from .families import ancestor_of
from .prepared import Normalize

__all__ = ["draw", "picture", "seeded", "spread"]


def seeded(network: nn.Module, seed: int, size: tuple[int, int] = (320, 320)) -> None:
    """Draw weights for ``network`` in place; one of a family is also spread at ``size``.

    Args:
        network: Any network.
        seed: From 0 to 2³² - 1.
        size: Height and width at which the mask shall have contrast.
    """
    draw(network, seed)
    if ancestor_of(network) is not None:
        spread(network, size, seed)


def draw(network: nn.Module, seed: int) -> None:
    """Weights from NumPy's RandomState, whose stream is frozen across versions, in place.

    For each name of the state dict in sorted order, with r standard normal in float32: running
    variances 1 + 0.1·|r|, running means and biases 0.1·r, other one-dimensional tensors (batch
    norms' weights) 1 + 0.1·r, all others r·√(2 / fan-in) (He et al., "Delving Deep into
    Rectifiers", ICCV 2015, section 2.2).
    """
    if not 0 <= seed < 2**32:
        raise NetworkError(f"Seed {seed} is out of range.", "Give a number from 0 to 2³² - 1.")
    stream = np.random.RandomState(seed)
    with torch.no_grad():
        for name, tensor in sorted(network.state_dict().items()):
            if not tensor.is_floating_point():
                continue  # num_batches_tracked
            r = stream.standard_normal(tuple(tensor.shape)).astype(np.float32)
            values: NDArray[np.floating]
            if name.endswith("running_var"):
                values = 1 + 0.1 * np.abs(r)
            elif name.endswith(("running_mean", "bias")):
                values = 0.1 * r
            elif r.ndim < 2:
                values = 1 + 0.1 * r
            else:
                values = r * math.sqrt(2 / math.prod(r.shape[1:]))
            tensor.copy_(torch.from_numpy(np.asarray(values, np.float32)))


def spread(network: nn.Module, size: tuple[int, int], seed: int = 0) -> None:
    """Shift and scale what gives the logits, so that they have median 0 and some deviation.

    As drawn, a deep network's logits lie far on one side of 0 and its mask is flat. Its family
    says which convolutions give them, and with which deviation. Measured on
    `picture(seed, size)`, per channel; any other photo comes out similar, not equal.

    Raises:
        NetworkError: The network is of no family; or the logits don't vary over the picture, or
            are not finite.
    """
    family = ancestor_of(network)
    if family is None:
        raise NetworkError(
            f"{type(network).__name__} is of no family, so nothing tells what gives its logits.",
            "Draw its weights (seeding.draw), or train them.",
        )
    for name, deviation in family.logits.items():
        _spread(network, cast(nn.Conv2d, network.get_submodule(name)), deviation, size, seed)


def _spread(
    network: nn.Module, convolution: nn.Conv2d, wanted: float, size: tuple[int, int], seed: int
) -> None:
    logits: list[Tensor] = []
    hook = convolution.register_forward_hook(lambda _m, _i, output: logits.append(output))
    was_training = network.training
    try:
        with torch.no_grad():
            photo = torch.from_numpy(picture(seed, size))[None]
            network.eval()(Normalize(ImageSpec(*size))(photo))
    finally:
        hook.remove()
        network.train(was_training)
    planes = logits[0][0].flatten(1).double()
    deviation, median = planes.std(1, correction=0), planes.median(1).values
    if not (deviation > 0).all() or not planes.isfinite().all():
        raise NetworkError(
            f"The network's output does not vary over a picture of {size[0]}x{size[1]}.",
            "Give a size of at least 32x32.",
        )
    scale = wanted / deviation
    with torch.no_grad():
        convolution.weight.mul_(scale.reshape(-1, 1, 1, 1))
        if convolution.bias is not None:
            convolution.bias.copy_((convolution.bias.double() - median) * scale)


def picture(seed: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """A smooth picture: a gradient with six blobs of strong colours.

    Of its own, and not `scenes`, because the weights of a seed depend on every value
    in it: it must not change when scenes become prettier.

    Returns:
        (3, height, width) RGB in [0, 1].
    """
    stream = np.random.RandomState(seed)
    y, x = np.meshgrid(*(np.linspace(0, 1, length) for length in size), indexing="ij")
    slopes = stream.uniform(-0.4, 0.4, (3, 2))
    canvas = 0.5 + slopes[:, :1, None] * (y - 0.5) + slopes[:, 1:, None] * (x - 0.5)
    for _ in range(6):
        center, radius = stream.uniform(0.1, 0.9, 2), stream.uniform(0.05, 0.25)
        distance = (y - center[0]) ** 2 + (x - center[1]) ** 2
        blob = np.exp(-distance / (2 * radius**2))
        color = stream.choice((0.05, 0.95), (3, 1, 1))
        canvas = canvas + blob * (color - canvas)
    return np.clip(canvas, 0, 1).astype(np.float32)
