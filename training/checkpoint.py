"""What a run leaves behind: weights for `maskport export`, and the state to go on from.

| file | what it holds |
|---|---|
| `best.safetensors`, `last.safetensors` | float32 weights under the authors' names |
| `resume.safetensors` | weights, the optimizer's moments, and the run's counters, in one file |

Each is written beside its place, flushed, and renamed, so a run that is killed at any moment
leaves whole files; and the state is one file, so its parts are always of the same step. No
generator's state is among them, because no draw depends on one (`samples`, `loop`). Nothing here
can run code when it is read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..errors import CheckpointError
from ..outputs import replaced
from ..texts import first_line
from .failures import writing

__all__ = ["BEST", "LAST", "RESUME", "RunState", "load_state", "save_state", "save_weights"]

BEST, LAST, RESUME = "best.safetensors", "last.safetensors", "resume.safetensors"

VERSION = "1"
WEIGHT, MOMENT = "network.", "optimizer."


@dataclass(slots=True)
class RunState:
    """A run's counters.

    Attributes:
        step: Steps done.
        seconds: Spent on them, over all sittings.
        scored: Step of the last scoring.
        best: Scores of `best.safetensors` by name, and its step; empty before there is one.
        loss_sum: Of the steps since the last scoring.
        loss_count: How many these are.
        data: Fingerprint of the pairs on disk.
    """

    step: int = 0
    seconds: float = 0.0
    scored: int = 0
    best: dict[str, float] = field(default_factory=dict)
    loss_sum: float = 0.0
    loss_count: int = 0
    data: str = ""


def save_weights(network: nn.Module, file: Path, facts: Mapping[str, str]) -> None:
    """Write a network's weights as `models.checkpoints.load_weights` reads them, atomically.

    Args:
        network: On any device.
        file: `.safetensors`.
        facts: For the file's header.
    """
    tensors = {name: _plain(tensor) for name, tensor in network.state_dict().items()}
    _write(tensors, file, {"format": "pt", **facts})


def save_state(network: nn.Module, optimizer: Optimizer, state: RunState, file: Path) -> None:
    """Write everything that `load_state` needs, atomically."""
    tensors = {f"{WEIGHT}{name}": _plain(t) for name, t in network.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        for name, tensor in moments.items():
            tensors[f"{MOMENT}{index}.{name}"] = _plain(tensor)
    _write(tensors, file, {"version": VERSION, "run": json.dumps(asdict(state))})


def load_state(network: nn.Module, optimizer: Optimizer, file: Path) -> RunState:
    """Put a run's weights and moments back, in place.

    Raises:
        CheckpointError: The file is missing, damaged, of another version, or of another run.
    """
    from safetensors import safe_open

    if not file.is_file():
        raise CheckpointError(
            f"{file.parent} holds no run to go on with: there is no {file.name}.",
            "Start one without --resume.",
        )
    try:
        with safe_open(file, framework="pt") as opened:
            facts = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        state = RunState(**json.loads(facts["run"]))
        if facts["version"] != VERSION:
            raise ValueError(f"version {facts['version']}")
        network.load_state_dict(
            {n.removeprefix(WEIGHT): t for n, t in tensors.items() if n.startswith(WEIGHT)}
        )
        _restore(optimizer, tensors)
    except Exception as exc:  # safetensors' Rust error type is not part of its interface
        raise CheckpointError(
            f"{file} does not hold a state of this run ({first_line(exc)}).",
            f"Start anew from the weights: --init {file.with_name(LAST)}, with another --out.",
        ) from exc
    return state


def _restore(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith(MOMENT):
            index, _, name = key.removeprefix(MOMENT).partition(".")
            parameter = parameters[int(index)]
            # Laid out in memory as the parameter is; the optimizer's kernels ask for that.
            like = torch.empty_like(parameter) if tensor.shape == parameter.shape else tensor
            moments.setdefault(int(index), {})[name] = like.detach().copy_(tensor)
    optimizer.load_state_dict(
        {"state": moments, "param_groups": optimizer.state_dict()["param_groups"]}
    )


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()


def _write(tensors: Mapping[str, Tensor], file: Path, facts: Mapping[str, str]) -> None:
    from safetensors.torch import save

    write_atomically(file, save(dict(tensors), dict(facts)))


def write_atomically(file: Path, content: bytes) -> None:
    """Replace a file as a whole: whoever reads sees the old one or the new one.

    Raises:
        ToolError: It can't be written; the old one is still there.
    """
    with writing(file), replaced(file) as partial, partial.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def facts_of(state: RunState, network: str, scores: Mapping[str, Any]) -> dict[str, str]:
    """What the header of a weights file says."""
    numbers = {name: f"{value:.6g}" for name, value in scores.items()}
    return {"network": network, **numbers, "step": str(state.step)}
