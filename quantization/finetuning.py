"""Fine-tuning a quantised network against its own masks in float: the last resort.

Weights move on their integer grids, and biases with them, while scales and zero points stay. The
gradient passes a rounding as if it were not there (straight-through; Jacob et al., CVPR 2018,
section 3). No labels are needed: each step draws a calibration photo, mirrored and in other light,
and learns from what the float network draws of it.

Every third photo is not learned from (with fewer than three, all are). What it was drawn with is
compared from time to time, and the best is kept, the untouched weights among them: on those photos
the squared error never gets larger.

A run of minutes is written down every few steps, in the cache folder under a name that says what
it is of. The same request goes on from there, on a CPU to the same weights; a finished one is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import InputError
from ..models.download import cache_folder
from ..outputs import write_whole
from .calibration import checksum_of_pixels
from .drawing import Watch, draw
from .encodings import Encoding
from .graph import NetworkGraph
from .measure import Measured
from .simulation import Simulation
from .suitability import LIGHTS, apart, evenly_spaced
from .weight_grids import LARGEST_WEIGHT, across, pair_bounds

__all__ = ["finetuned"]

# Of a step of a weight's grid, and of a step of what a bias is added to. Learning is Adam's, so
# this is about how far each moves in one step at the beginning; at the end it is 0.
RATE = 0.01
BETAS = (0.9, 0.99)
# How often a run is compared on photos that it doesn't learn from, on how many at most.
COMPARISONS, COMPARED = 6, 16
# Steps between two times that it is written down, and how long nobody's files are kept.
SAVED_EVERY = 10
KEPT_SECONDS = 14 * 24 * 3600
# To be counted up when the same request learns other weights than before.
METHOD = 2


def finetuned(
    network: Measured,
    weights: Mapping[str, Tensor],
    scales: Mapping[str, Tensor],
    photos: NDArray[np.uint8],
    watch: Watch = lambda text, done, total: None,
    device: str = "cpu",
) -> dict[str, Tensor]:
    """Weights on the same grids that draw masks nearer to the float network's.

    Args:
        network: In float, with the recipe that says for how many steps.
        weights: By path, on their grids.
        scales: (O,) of each grid, by path; weights without one stay as they are.
        photos: (N, 3, H, W) RGB bytes.
        watch: Told of each step.
        device: Where the network runs.

    Returns:
        All weights, on the CPU.
    """
    graph, recipe = network.graph, network.recipe
    # What lets the photo's bytes pass is exact as it is.
    exact = graph.readers[next(iter(graph.points))] if recipe.pass_bytes else []
    held = {point.weight for point in exact}
    learned = {path: scale for path, scale in scales.items() if path not in held}
    if not learned:
        return dict(weights)
    tuner = _Tuner(graph, weights, learned, network.stored, recipe.largest_pair, device)
    run = _Run(tuner, _place(network, scales, photos))
    run.resume()
    if run.step < recipe.finetune:
        rounding = Simulation(graph, weights, network.stored)
        with torch.enable_grad():
            _learn(run, network, rounding, photos, watch)
    return {path: value.cpu() for path, value in run.best_weights().items()}


def _learn(
    run: _Run,
    network: Measured,
    rounding: Simulation,
    photos: NDArray[np.uint8],
    watch: Watch,
) -> None:
    """All steps that are still to be done."""
    device, recipe = run.tuner.device, network.recipe
    steps = recipe.finetune
    kept = apart(len(photos))
    shown, others = (photos[~kept], photos[kept]) if kept.any() else (photos, photos)
    judged = others[evenly_spaced(len(others), COMPARED)]

    def draw_float(photo: Tensor) -> Tensor:
        return network.graph.run(photo, None, network.weights)

    def tell() -> None:
        watch("fine-tuning", run.step, steps)

    truths = draw(draw_float, judged, tell, device)

    def compare() -> None:
        with torch.no_grad():
            rounding.weights = run.tuner.weights()
        masks = draw(rounding, judged, tell, device)
        run.keep_if_better(float((masks - truths).square().mean()))

    if run.step == 0:
        compare()
    while run.step < steps:
        tell()
        photo = _varied(shown, run.step, recipe.seed, network.relit).to(device)
        with torch.no_grad():
            truth = draw_float(photo)
        rounding.weights = run.tuner.weights()
        run.learn((rounding(photo) - truth).square().mean(), run.step / steps)
        ended = run.step == steps
        if run.step % math.ceil(steps / COMPARISONS) == 0 or ended:
            compare()
        if run.step % SAVED_EVERY == 0 or ended:
            run.save(ended)


class _Tuner(nn.Module):
    """Weights in steps of their grids, and how far biases have moved.

    Args:
        graph: What reads them.
        weights: By path, on their grids.
        scales: Of the grids.
        encodings: By point.
        largest_pair: What two weights of one sign may add up to, in steps.
        device: Where they are to be.
    """

    def __init__(
        self,
        graph: NetworkGraph,
        weights: Mapping[str, Tensor],
        scales: Mapping[str, Tensor],
        encodings: Mapping[str, Encoding | None],
        largest_pair: int,
        device: str,
    ) -> None:
        super().__init__()
        self.device = device
        self.largest_pair = largest_pair
        self.outputs = {p.weight: p.outputs for p in graph.points.values() if p.weight in scales}
        self.fixed = {path: value.to(device) for path, value in weights.items()}
        self.grids = {
            path: across(scale, weights[path], self.outputs[path]).to(device)
            for path, scale in scales.items()
        }
        self.units: dict[str, float] = {}
        for name, point in graph.points.items():
            encoding = encodings[name]
            if point.bias and point.weight in scales and encoding is not None:
                self.units[point.bias] = encoding.scale
        # Names of parameters may not have dots, so they are by position.
        self.steps = nn.ParameterList([self.fixed[p] / grid for p, grid in self.grids.items()])
        self.moves = nn.ParameterList([torch.zeros_like(self.fixed[p]) for p in self.units])

    def weights(self) -> dict[str, Tensor]:
        """All weights by path."""
        found = dict(self.fixed)
        for (path, grid), steps in zip(self.grids.items(), self.steps, strict=True):
            whole = torch.fake_quantize_per_tensor_affine(
                steps, 1.0, 0, -LARGEST_WEIGHT, LARGEST_WEIGHT
            )
            low, high = pair_bounds(whole.detach(), self.outputs[path], self.largest_pair)
            found[path] = torch.maximum(torch.minimum(whole, high), low) * grid
        for (path, unit), moved in zip(self.units.items(), self.moves, strict=True):
            found[path] = self.fixed[path] + moved * unit
        return found


@dataclass
class _Run:
    """How far it is, and the best so far.

    Attributes:
        tuner: What learns.
        file: Where it is written down.
        step: Steps done.
        error: Mean squared error of the best, on photos that are not learned from.
        best: The tuner's state then.
    """

    tuner: _Tuner
    file: Path
    step: int = 0
    error: float = math.inf

    def __post_init__(self) -> None:
        self.best = self._state()
        self.adam = torch.optim.Adam(self.tuner.parameters(), lr=RATE, betas=BETAS)

    def learn(self, loss: Tensor, done: float) -> None:
        """One step down; ``done`` is the share of the run that lies behind it."""
        for group in self.adam.param_groups:
            group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * done))
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        self.step += 1

    def keep_if_better(self, error: float) -> None:
        """The weights as they are now, where they err less."""
        if error < self.error:
            self.error, self.best = error, self._state()

    def best_weights(self) -> dict[str, Tensor]:
        """By path."""
        self.tuner.load_state_dict(self.best)
        with torch.no_grad():
            return self.tuner.weights()

    def save(self, ended: bool) -> None:
        """Write it down, of an ended run the best only; where that can't be, it goes on without."""
        state = {"step": self.step, "error": self.error, "best": self.best}
        if not ended:
            state |= {"tuner": self._state(), "adam": self.adam.state_dict()}
        content = io.BytesIO()
        torch.save(state, content)
        with contextlib.suppress(OSError, InputError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            _forget_old_runs(self.file.parent)
            write_whole(self.file, content.getvalue())

    def resume(self) -> None:
        """From what was written down, where that is there and whole."""
        untouched = self.best
        try:
            state = torch.load(self.file, map_location="cpu", weights_only=True)
            self.tuner.load_state_dict(state.get("tuner", state["best"]))
            if "adam" in state:
                self.adam.load_state_dict(state["adam"])
            self.step, self.error, self.best = state["step"], state["error"], state["best"]
        except OSError:
            return
        except Exception:  # torch raises many kinds for a broken file
            self.tuner.load_state_dict(untouched)
            self.__post_init__()

    def _state(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.tuner.state_dict().items()}


def _varied(photos: NDArray[np.uint8], step: int, seed: int, relit: bool) -> Tensor:
    """(1, 3, H, W) in [0, 1]: each photo once in as many steps, mirrored or not; in other light
    where ranges are of other light, too.
    """
    turn, position = divmod(step, len(photos))
    order = np.random.default_rng((seed, turn)).permutation(len(photos))
    chance = np.random.default_rng((seed, turn, position))
    photo = torch.from_numpy(np.ascontiguousarray(photos[order[position]]))[None].float()
    if chance.random() < 0.5:
        photo = photo.flip(3)
    if relit:
        photo = (photo * chance.uniform(*LIGHTS)).round().clamp(0, 255)
    return (photo / 255).contiguous(memory_format=torch.channels_last)


def _place(
    network: Measured,
    scales: Mapping[str, Tensor],
    photos: NDArray[np.uint8],
) -> Path:
    """A file of the cache folder that no other run has: all that decides is in its name."""
    graph = network.graph
    said = [repr((METHOD, torch.__version__, network.recipe.digest, checksum_of_pixels(photos)))]
    for name in graph.points:
        said.append(repr((name, graph.operation_of_maker(name), graph.arguments(name))))
        said.append(repr((graph.operation(name), network.stored[name])))
    said.append(graph.mask)
    found = hashlib.sha256("\n".join(said).encode())
    for values in (network.weights, scales):
        for path in sorted(values):
            found.update(path.encode())
            found.update(values[path].detach().cpu().contiguous().numpy().tobytes())
    return cache_folder() / "finetuning" / f"{found.hexdigest()[:32]}.pt"


def _forget_old_runs(folder: Path) -> None:
    """Remove what nobody has touched for long."""
    for file in folder.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime > KEPT_SECONDS:
                file.unlink()
