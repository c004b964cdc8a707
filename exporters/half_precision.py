"""What a network draws where every value is a half, as on phones' GPUs and Neural Engines.

ONNX Runtime and LiteRT run float16 files in float32 on CPUs, and so does everything that is at hand
on Linux. A network whose values pass 65504 draws nothing on a phone, and the right mask here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from ..artifacts.manifest import HalfPrecision
from ..models.devices import full_precision
from ..models.prepared import copied
from .failures import reason_of

__all__ = ["LARGEST", "InHalves", "draw_in_halves", "tried_in_halves"]

LARGEST: Final = 65504.0
"""What a half can hold."""
# Of it, on the few photos that are looked at. Others are brighter, and of more contrast.
THIN: Final = 0.5


@dataclass(frozen=True, slots=True)
class InHalves:
    """Masks of halves, and how near the network's values come to the end of their range.

    Attributes:
        masks: (N, C, H, W); NaN and infinity where values overflowed.
        largest: The largest magnitude of any value, weights included; where one passes `LARGEST`,
            the first that does, as it was before.
        module: Path of the module that gives it.
    """

    masks: NDArray[np.float32]
    largest: float
    module: str

    @property
    def overflows(self) -> bool:
        """A value is beyond what a half can hold, or no number."""
        return not self.largest <= LARGEST

    @property
    def warning(self) -> str:
        """What is to be said of it in the manifest; empty where there is room."""
        if self.overflows or self.largest <= THIN * LARGEST:
            return ""
        return (
            f"{self.module or 'the network'} reaches {self.largest:,.0f} of the {LARGEST:,.0f} "
            "that a half can hold, so another photo may pass it: float16 files then draw nothing "
            "on a GPU or a Neural Engine; take the float32 files where that matters"
        )

    @property
    def overflow(self) -> str:
        """Where it happens, as a clause; empty where it doesn't."""
        if not self.overflows:
            return ""
        value = f"{self.largest:,.0f}" if np.isfinite(self.largest) else "no number"
        return (
            f"{self.module or 'the network'} is the first whose values ({value}) pass the "
            f"{LARGEST:,.0f} that a half can hold"
        )


def draw_in_halves(view: nn.Module, images: NDArray[np.float32]) -> InHalves:
    """Draw masks with weights and the result of every operation rounded to halves.

    Sums inside an operation stay float32, as GPUs keep them. It is what the Core ML executor does
    with a float16 program.

    Args:
        view: The prepared view; it stays as it is.
        images: (N, 3, H, W) in [0, 1].
    """
    halves = _Halves()
    rounded = copied(view).eval()
    for name, tensor in rounded.state_dict().items():
        if tensor.is_floating_point():
            halves.module = name.rpartition(".")[0]
            tensor.copy_(halves.rounded(tensor))
    masks = []
    with torch.no_grad(), full_precision(), _told_apart(rounded, halves):
        for image in images:
            photo = torch.from_numpy(np.ascontiguousarray(image))[None].half().float()
            with halves:
                mask = rounded(photo)
            masks.append(mask[0].numpy())
    return InHalves(np.stack(masks), halves.largest, _own_name(halves.at))


def tried_in_halves(
    view: nn.Module, images: NDArray[np.float32]
) -> tuple[dict[str, NDArray[Any]], HalfPrecision]:
    """What files in half precision are judged by (their masks, ``halves``, and ``overflow``, where
    values pass their range), and what the manifest says of it.

    A network that can't be drawn so is no failure: nothing is judged, and that is said.
    """
    try:
        found = draw_in_halves(view, images)
    except Exception as exc:  # of the network's own code, under a mode that it may not know
        warning = f"what half precision makes of the network could not be tried: {reason_of(exc)}"
        return {}, HalfPrecision(largest=None, module="", warning=warning)
    largest = found.largest if np.isfinite(found.largest) else None
    drawn = {"halves": found.masks, "overflow": np.array(found.overflow)}
    return drawn, HalfPrecision(largest=largest, module=found.module, warning=found.warning)


class _Halves(TorchDispatchMode):
    """Rounds what each operation gives, and notes where the largest value was.

    Attributes:
        module: Path of the module that runs.
        largest: See `InHalves`.
        at: Likewise, its ``module``.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.module, self.largest, self.at = "", 0.0, ""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func._schema.is_mutable:
            pytree.tree_map_only(Tensor, self._round_in_place, result)
            return result
        if any(value.alias_info is not None for value in func._schema.returns):
            return result  # a view of what was rounded
        return pytree.tree_map_only(Tensor, self.rounded, result)

    def rounded(self, value: Tensor) -> Tensor:
        """The nearest halves, as float32; what passes them is infinite."""
        if not value.is_floating_point():
            return value
        halves = value.half().to(value.dtype)
        if self.largest <= LARGEST and value.numel():
            largest = float(halves.abs().max())
            if not largest <= LARGEST:
                largest = float(value.abs().max())
            # NaN compares as false: what has become one is beyond everything.
            if not largest <= self.largest:
                self.largest, self.at = largest, self.module
        return halves

    def _round_in_place(self, value: Tensor) -> Tensor:
        return value.copy_(self.rounded(value)) if value.is_floating_point() else value


def _own_name(path: str) -> str:
    """A module as its author calls it: the view keeps the network as its own `body.network`."""
    return path.removeprefix("body.network").removeprefix(".")


@contextlib.contextmanager
def _told_apart(network: nn.Module, halves: _Halves) -> Iterator[None]:
    """Tell ``halves`` which module runs, while the block lasts."""
    running: list[str] = []
    hooks = []

    def enter(name: str) -> None:
        running.append(name)
        halves.module = name

    def leave() -> None:
        running.pop()
        halves.module = running[-1] if running else ""

    for name, module in network.named_modules():
        hooks.append(module.register_forward_pre_hook(lambda *_, name=name: enter(name)))
        hooks.append(module.register_forward_hook(lambda *_: leave()))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
