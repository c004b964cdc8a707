"""The result of quantising a network, which every exporter of integers starts from.

It holds numbers only: float weights that already lie on their integer grids, the grids' scales,
and for each tensor its scale and zero point, by the node names of `graph.capture`. A converter
that takes a channel's scale from its largest weight would find other grids where rounding has
made that weight smaller; so exporters hand the scales over, too.

Exporters run in other processes and have neither the network's class nor torch.export, so each
tensor also carries what it can be recognised by in another format's graph: its module, its
shape, its sources, and statistics of its float values on one photo.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import ExportError
from .recipe import Recipe
from .weight_grids import across

__all__ = ["Encoding", "QuantizedNetwork", "QuantizedTensor", "Statistics", "statistics_of"]

_KEY = "maskport.quantized"


@dataclass(frozen=True, slots=True)
class Encoding:
    """Integers for real values: real = (integer - zero_point) * scale.

    Attributes:
        scale: Of one step.
        zero_point: The integer of the real value 0, of signed integers: -128 to 127 for 8 bits.
        bits: Of the integers.
    """

    scale: float
    zero_point: int
    bits: int = 8

    @property
    def lowest(self) -> int:
        """The smallest integer."""
        return -(1 << (self.bits - 1))

    @property
    def highest(self) -> int:
        """The largest integer."""
        return (1 << (self.bits - 1)) - 1

    @property
    def low(self) -> float:
        """Real value of the smallest integer."""
        return (self.lowest - self.zero_point) * self.scale

    @property
    def high(self) -> float:
        """Real value of the largest integer."""
        return (self.highest - self.zero_point) * self.scale

    @classmethod
    def of_range(cls, low: float, high: float, bits: int = 8) -> Encoding:
        """The encoding that covers [low, high] and 0, whose zero is exact.

        TFLite's quantisation specification; 16 bits are symmetric there.
        """
        low, high = min(low, 0.0), max(high, 0.0)
        if bits == 16:
            return cls(max(-low, high, 1e-9) / 32767, 0, 16)
        scale = max(high - low, 1e-9) / 255
        return cls(scale, int(min(max(round(-128 - low / scale), -128), 127)), bits)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of a tensor's float values on the probe photo; the same in any layout."""

    minimum: float
    maximum: float
    mean: float
    rms: float

    def distance(self, other: Statistics, step: float = 0.0) -> float:
        """How far two are apart, relative to the first's root mean square, or to a step of its
        integers where that is more: what a channel that is next to dead gives is the rounding of
        the sums behind it.
        """
        size = max(self.rms, step, 1e-6)
        pairs = zip(self.as_tuple(), other.as_tuple(), strict=True)
        return max(abs(a - b) for a, b in pairs) / size

    def as_tuple(self) -> tuple[float, float, float, float]:
        """Minimum, maximum, mean, root mean square."""
        return self.minimum, self.maximum, self.mean, self.rms


@dataclass(frozen=True, slots=True)
class QuantizedTensor:
    """One tensor of the network.

    Attributes:
        name: Of its `graph.Point`.
        kind: Of the point.
        operation: ATen's name of what computes it, ``conv2d`` or ``cat``; of a convolution
            where a ReLU follows.
        module: Path of the module that computes it.
        shape: (N, C, H, W) for one photo.
        encoding: None where it stays in float (or as wide as the format can).
        statistics: Of its values in float.
        weight: Path of the weight it is computed with, or empty.
        bias: Path of the bias, or empty.
        outputs: Dimension of the weight that its output channels lie along.
        sources: Names of the tensors that it is computed from.
        tail: It lies between the last convolutions and the mask.
        rectified: It has no negative values, by construction.
        in_float: It is computed in float, and rounded only for what reads it in integers.
    """

    name: str
    kind: str
    operation: str
    module: str
    shape: tuple[int, ...]
    encoding: Encoding | None
    statistics: Statistics
    weight: str = ""
    bias: str = ""
    outputs: int = 0
    sources: tuple[str, ...] = ()
    tail: bool = False
    rectified: bool = False
    in_float: bool = False


@dataclass(frozen=True)
class QuantizedNetwork:
    """A network, quantised by a recipe.

    Attributes:
        recipe: How.
        calibration: SHA-256 of the calibration photos' pixels.
        tensors: By name, in order of execution; the first is the photo, the last the mask.
        weights: The rewritten view's state dict. Quantised weights are whole multiples of their
            scale, at most 127 of them. Biases are not rounded; files store them in 32 bits, in
            steps of input scale times weight scale.
        weight_scales: By path, one scale for each output channel, float32; weights that are not
            here stay in float.
        logits: Name of the tensor that the last sigmoid or softmax reads.
        probe: (3, H, W) RGB bytes: the photo of all `Statistics`.
        report: What was found on the way, for people: JSON values.
    """

    recipe: Recipe
    calibration: str
    tensors: Mapping[str, QuantizedTensor]
    weights: Mapping[str, Tensor]
    weight_scales: Mapping[str, Tensor]
    logits: str
    probe: NDArray[np.uint8]
    report: Mapping[str, Any]

    def apply_to(self, view: nn.Module) -> nn.Module:
        """Put the rewritten weights into a prepared view, which is changed and returned."""
        view.load_state_dict(dict(self.weights))
        return view

    def integers(self, path: str) -> NDArray[np.int8]:
        """A weight as int8, in torch's layout."""
        weight, scales = self.weights[path], self.weight_scales[path]
        steps = weight / across(scales, weight, self.outputs(path))
        whole: NDArray[np.int8] = steps.round().to(torch.int8).numpy()
        return whole

    def outputs(self, path: str) -> int:
        """The dimension of a weight that its output channels lie along."""
        return next(t.outputs for t in self.tensors.values() if t.weight == path)

    def save(self, path: Path) -> None:
        """Write one safetensors file, the rest as JSON in its metadata."""
        from safetensors.torch import save_file

        parts = {
            f"weight:{k}": v.detach().cpu().contiguous().clone() for k, v in self.weights.items()
        }
        parts |= {f"scale:{k}": v.detach().cpu().clone() for k, v in self.weight_scales.items()}
        parts["probe"] = torch.from_numpy(np.ascontiguousarray(self.probe))
        facts = {
            "recipe": asdict(self.recipe),
            "calibration": self.calibration,
            "tensors": [asdict(tensor) for tensor in self.tensors.values()],
            "logits": self.logits,
            "report": dict(self.report),
        }
        partial = path.with_name(path.name + ".partial")
        save_file(parts, str(partial), metadata={_KEY: json.dumps(facts)})
        partial.rename(path)

    @classmethod
    def load(cls, path: Path) -> QuantizedNetwork:
        """The inverse of `save`.

        Raises:
            ExportError: It is not such a file.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(path), "pt") as file:
                facts = json.loads((file.metadata() or {})[_KEY])
                parts = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, KeyError) as exc:
            raise ExportError(
                f"{path} holds no quantised network: {exc}", "Quantise the network again."
            ) from exc
        return cls(
            recipe=Recipe.from_dict(facts["recipe"]),
            calibration=facts["calibration"],
            tensors={t["name"]: _tensor(t) for t in facts["tensors"]},
            weights=_with_prefix(parts, "weight:"),
            weight_scales=_with_prefix(parts, "scale:"),
            logits=facts["logits"],
            probe=parts["probe"].numpy(),
            report=facts["report"],
        )


def statistics_of(values: Tensor | NDArray[np.float32]) -> Statistics:
    """Of a tensor in any layout."""
    flat = torch.as_tensor(values).detach().cpu().double().reshape(-1)
    return Statistics(
        float(flat.min()), float(flat.max()), float(flat.mean()), float(flat.square().mean().sqrt())
    )


def _with_prefix(parts: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in parts.items() if k.startswith(prefix)}


def _tensor(values: dict[str, Any]) -> QuantizedTensor:
    encoding = values["encoding"]
    return QuantizedTensor(
        **{
            **values,
            "shape": tuple(values["shape"]),
            "sources": tuple(values["sources"]),
            "encoding": None if encoding is None else Encoding(**encoding),
            "statistics": Statistics(**values["statistics"]),
        }
    )
