"""The view of a network that is exported: one mask out, everything constant in the graph.

`prepare` copies a network and rewrites the copy; the original stays the reference. In exact
arithmetic both draw the same mask, and `tests` hold the difference on photos to 1e-5, borders
included: normalisation is computed before the zero padding of the first convolution, never
folded into it.
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..errors import NetworkError
from ..specs import ImageSpec, MaskSpec, ModelSpec
from ..texts import first_line
from .adaptive_pools import constant_pools
from .devices import full_precision
from .families import family_of
from .inputs import Gray, refused_channels, refused_inputs
from .outputs import as_planes, check_channel, check_numbers, select_output

__all__ = [
    "Activate",
    "Normalize",
    "PreparedMask",
    "Reference",
    "check_output",
    "check_range",
    "copied",
    "count_macs",
    "fold_batch_norms",
    "prepare",
    "select_output",
]


class Normalize(nn.Module):
    """(N, 3, H, W) RGB in [0, 1] to what the network was trained on, as one 1x1 convolution.

    One operation for scale, mean, std and colour order: a depthwise convolution, or a dense one
    where the network wants BGR. Quantised per channel it loses nothing, where a multiplication
    and an addition would each round.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, spec: ImageSpec) -> None:
        super().__init__()
        low, high = spec.value_range
        mean, std = (torch.tensor(v, dtype=torch.float64) for v in (spec.mean, spec.std))
        scale = ((high - low) / std).float()
        flipped = spec.color_order == "BGR"
        self.groups = 1 if flipped else 3
        weight = torch.diag(scale).flip(1) if flipped else scale
        self.register_buffer("weight", weight.reshape(3, -1, 1, 1))
        self.register_buffer("bias", ((low - mean) / std).float())

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, groups=self.groups)


def _normalizing(spec: ImageSpec) -> nn.Module:
    return Gray(spec) if spec.color_order == "GRAY" else Normalize(spec)


class Activate(nn.Module):
    """A network's output to a mask in [0, 1], as its `MaskSpec` says."""

    def __init__(self, spec: MaskSpec) -> None:
        super().__init__()
        self.activation, self.inverted = spec.activation, spec.inverted
        self.channel = spec.channel

    def forward(self, x: Tensor) -> Tensor:
        if self.activation == "sigmoid":
            x = torch.sigmoid(x)
        elif self.activation == "softmax":
            x = torch.softmax(x, 1)
        if self.channel is not None:
            x = x[:, self.channel : self.channel + 1]
        return 1 - x if self.inverted else x


class Reference(nn.Module):
    """The untouched network between photo and mask; what every artifact is compared with."""

    def __init__(self, network: nn.Module, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.normalize = _normalizing(spec.image)
        self.network = network
        self.activate = Activate(spec.mask)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] to (N, C, H, W) in [0, 1]."""
        own = next(self.network.parameters(), x).dtype
        given = select_output(self.network(self.normalize(x).to(own)), self.spec)
        check_numbers(given, self.spec)
        check_channel(given, self.spec)
        mask: Tensor = self.activate(as_planes(given, self.spec)).float()
        return mask

    def draw(self, images: NDArray[np.float32], device: str) -> NDArray[np.float32]:
        """The masks (N, C, H, W) of photos (N, 3, H, W), as `drawing` gives them."""
        return np.stack(list(self.drawing(images, device)))

    def drawing(
        self, images: Iterable[NDArray[np.float32]], device: str
    ) -> Iterator[NDArray[np.float32]]:
        """The mask (C, H, W) of each photo (3, H, W), one by one, on a device.

        The network is moved there, and back to the CPU at the end.
        """
        try:
            self.to(device)
            for image in images:
                with torch.no_grad(), full_precision():
                    mask = self(torch.from_numpy(np.ascontiguousarray(image))[None].to(device))
                    drawn: NDArray[np.float32] = mask[0].cpu().numpy()
                yield drawn
        finally:
            self.to("cpu")


class PreparedMask(nn.Module):
    """The exported view: (N, 3, H, W) RGB in [0, 1] to (N, C, H, W) in [0, 1]."""

    def __init__(self, normalize: nn.Module, body: nn.Module) -> None:
        super().__init__()
        self.normalize = normalize
        self.body = body
        self.eval()
        self.requires_grad_(False)

    def forward(self, image: Tensor) -> Tensor:  # by which files call it
        mask: Tensor = self.body(self.normalize(image))
        return mask


class _Selected(nn.Module):
    """Any other network, one output chosen and activated."""

    def __init__(self, network: nn.Module, spec: ModelSpec) -> None:
        super().__init__()
        self.network, self.spec = network, spec
        self.activate = Activate(spec.mask)

    def forward(self, x: Tensor) -> Tensor:
        with constant_pools():
            given = select_output(self.network(x), self.spec)
        mask: Tensor = self.activate(as_planes(given, self.spec))
        # Only where there is something to do: a cast would be an operation of every graph.
        return mask if mask.dtype == torch.float32 else mask.float()


def prepare(network: nn.Module, spec: ModelSpec) -> PreparedMask:
    """The exported view of ``network``, which is left untouched.

    Args:
        network: Normalised photos (N, 3, H, W) to maps.
        spec: How its photo goes in and what its output means.

    Raises:
        NetworkError: The network fails at the specified size, or its output is not the mask
            that the specification describes.
    """
    body = copied(network).cpu().float().eval()
    exported: nn.Module
    family = family_of(body)
    # Families rewrite for their first map.
    if family is not None and spec.output == 0 and spec.mask.channel is None:
        exported = family.rewritten(body, spec.mask)
    else:
        exported = _Selected(fold_batch_norms(body), spec)
    prepared = PreparedMask(_normalizing(spec.image), exported)
    check_output(prepared, spec)
    return prepared


def copied(network: nn.Module) -> nn.Module:
    """A copy that shares nothing with ``network``.

    Raises:
        NetworkError: It can't be copied; weight norms of `torch.nn.utils` are the usual reason.
    """
    try:
        with torch.no_grad():  # a ScriptModule's copy would be a result, not a network
            return copy.deepcopy(network)
    except Exception as exc:  # the user's own attributes may refuse in any way
        # What torch says of tensors that are computed from parameters, as older weight norms are.
        computed = "deepcopy protocol" in str(exc)
        raise NetworkError(
            f"{type(network).__name__} can't be copied: {first_line(exc)}",
            "A tensor in it is computed from its parameters: give it in the form that it is used "
            "in, for example after torch.nn.utils.remove_weight_norm."
            if computed
            else "An attribute of it can't be copied: take out what inference doesn't need (locks, "
            "files, loggers, generators), or give it a __deepcopy__.",
        ) from exc


def check_output(module: nn.Module, spec: ModelSpec) -> None:
    """Run once on a grey photo and hold the shape against the specification.

    Raises:
        NetworkError: It fails, or gives something else than (1, channels, height, width).
    """
    image = spec.image
    gray = torch.full((1, 3, image.height, image.width), 0.5)
    try:
        with torch.no_grad():
            mask = module(gray)
    except NetworkError:
        raise
    except Exception as exc:  # the user's own code may raise anything
        own = module.network if isinstance(module, Reference) else module
        refusal = refused_inputs(own, spec.name) or refused_channels(exc, module, spec)
        raise refusal or NetworkError(
            f"{spec.name} fails on a photo of {image.height}x{image.width}: {exc}",
            "Check --size and the network's own requirements.",
        ) from exc
    expected = (1, spec.mask.channels, image.height, image.width)
    if tuple(mask.shape) != expected:
        raise NetworkError(
            f"{spec.name} gives a mask of shape {tuple(mask.shape)}; its specification says "
            f"{expected}.",
            _remedy(mask.shape, expected),
        )


def _remedy(shape: torch.Size, expected: tuple[int, ...]) -> str:
    if len(shape) != 4:
        return (
            "A mask has four dimensions, photo, channel, row and column: let the network keep "
            "them (no squeeze)."
        )
    if shape[1] != expected[1]:
        return (
            "Say how many planes it has, --channels, or which of them is the mask, --channel; or "
            "choose another output, --output."
        )
    return (
        "To have it brought to the photo's size in the graph: --upsample bilinear."
        if shape[2] <= expected[2] and shape[3] <= expected[3]
        else "Set size or output in the specification to what the network gives."
    )


def check_range(masks: NDArray[np.float32], spec: ModelSpec) -> None:
    """Hold masks that a network drew against the contract: real values in [0, 1].

    Raises:
        NetworkError: Some are not numbers, or lie outside.
    """
    if not np.isfinite(masks).all():
        raise NetworkError(
            f"{spec.name} itself draws values that are not numbers.", "Check its weights."
        )
    low, high = float(masks.min()), float(masks.max())
    if low < -1e-3 or high > 1 + 1e-3:
        raise NetworkError(
            f"{spec.name} draws values from {low:.3g} to {high:.3g}; a mask's are in [0, 1].",
            "Say what turns its output into a mask: --activation sigmoid, or softmax."
            if (masks != np.rint(masks)).any()
            else "If these are class numbers, let the network give them as integers (without "
            f".float()), and say how many there are: --channels {high + 1:.0f} or more.",
        )


def count_macs(module: nn.Module, spec: ImageSpec) -> int:
    """Multiply-accumulates of convolutions and matrix products for one photo."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        module(torch.zeros(1, 3, spec.height, spec.width))
    if "torch._dynamo" in sys.modules:
        # What it compiled for a branch (torch.cond) while operations were counted runs only then.
        torch.compiler.reset()
    return int(counter.get_total_flops()) // 2


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """Fold each batch norm that directly follows a convolution, where tracing can see it, in place.

    A network that torch.fx can't trace keeps its batch norms; converters fold them as well.
    """
    from torch import fx

    modules = dict(network.named_modules())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = fx.symbolic_trace(network).graph
        folded = {
            (conv, norm): fuse_conv_bn_eval(modules[conv], modules[norm])
            for conv, norm in _foldable_pairs(graph, modules)
        }
    except Exception:  # tracing runs the user's own code on proxies; anything may come
        return network
    for (conv, norm), fused in folded.items():
        network.set_submodule(conv, fused)
        network.set_submodule(norm, nn.Identity())
    return network


def _foldable_pairs(graph: Any, modules: dict[str, nn.Module]) -> Iterator[tuple[str, str]]:
    calls: dict[str, int] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            calls[node.target] = calls.get(node.target, 0) + 1
    for node in graph.nodes:
        norm = modules.get(str(node.target)) if node.op == "call_module" else None
        if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None or not node.args:
            continue
        source = node.args[0]
        conv = modules.get(str(source.target))
        if (
            source.op == "call_module"
            and type(conv) is nn.Conv2d
            and not conv._forward_pre_hooks  # older weight norms write the weight there
            and len(source.users) == 1
            and not norm.training  # some networks hold theirs in training for ever
            and calls[source.target] == calls[node.target] == 1
        ):
            yield source.target, node.target
