"""The run itself: steps, scorings, and what is kept of them.

Exactness: sample and position are one (`samples`), PyTorch's generator is seeded by each step,
and weights and moments are kept bit by bit; so on one machine, with one number of threads and
processes, the losses after ``--resume`` are those of an uninterrupted run. On GPUs that holds as
far as their kernels repeat themselves; the gradient of the bilinear resize does not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from ..errors import NetworkError, UsageError
from ..models.families import SupervisedNetwork
from ..models.prepared import Normalize
from .checkpoint import (
    BEST,
    LAST,
    RESUME,
    RunState,
    facts_of,
    load_state,
    save_state,
    save_weights,
    write_atomically,
)
from .clock import Clock
from .config import TrainingConfig
from .distributed import Processes, average, joined, with_whole_batch_norms
from .failures import Interruption, alone, ignore_in_worker, loading, named_failures, writing
from .log import RunLog
from .losses import deep_supervision
from .optimizer import learning_rate, optimizer_of
from .samples import Batches
from .scoring import StoppedError, is_better, score
from .start import Data, build_network, chosen_device, chosen_precision, chosen_workers, data_of

__all__ = ["CONFIG", "Finished", "TrainingEvent", "train"]

CONFIG = "config.json"

# A run that is killed loses at most so many seconds of work.
SAVE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class TrainingEvent:
    """Something that a watcher may show.

    Attributes:
        kind: ``"preparing"`` and ``"stopping"`` have a text; ``"step"`` its numbers;
            ``"scoring"`` photos done and in all; ``"scored"`` its numbers.
        text: For people.
        step: Steps done.
        steps: Of the whole run.
        done: Photos scored.
        total: Photos to score.
        numbers: By name. Of a step: ``loss``, ``fused``, ``rate``, ``images_per_second``,
            ``steps_per_second``, ``waited`` (share of time without a batch at hand).
        best: These scores are the best so far.
    """

    kind: Literal["preparing", "step", "scoring", "scored", "stopping"]
    text: str = ""
    step: int = 0
    steps: int = 0
    done: int = 0
    total: int = 0
    numbers: dict[str, float] = field(default_factory=dict)
    best: bool = False


Watch = Callable[[TrainingEvent], None]


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a run.

    Attributes:
        step: Steps done.
        steps: Of the whole run.
        complete: All are done and scored; not where it was interrupted.
        best: Scores of the best weights: ``loss``, ``step``, and with held-out photos ``mae``
            and ``max_f``.
        seconds: Spent on steps and scorings, over all sittings.
        writes: Whether this process wrote the files: the first of several.
    """

    step: int
    steps: int
    complete: bool
    best: dict[str, float]
    seconds: float
    writes: bool


def train(
    config: TrainingConfig, out: Path, *, resume: bool = False, watch: Watch = lambda _event: None
) -> Finished:
    """Train a network; the weights are in ``out/best.safetensors`` and ``out/last.safetensors``.

    The best are those of the highest max-F (ties: lowest MAE) on the held-out photos; without
    any, of the lowest mean training loss between two scorings. Once photos are read, the first
    Ctrl-C ends the run after the step at hand, with its state kept. Under ``torchrun`` it is one
    of several processes, all called alike.

    Args:
        config: What to do.
        out: Folder for everything; made if it isn't there.
        resume: Go on with the run in it. ``config`` is then that run's, as
            `config.resumed` gives it.
        watch: Called with each event; of several processes, in the first.

    Raises:
        UsageError: ``out`` holds a run and ``resume`` is false, or is a file; or options that
            don't fit.
        ImageError: As `start.data_of`.
        CheckpointError: Weights or state can't be read or don't fit.
        NetworkError: The network can't be trained here, or its loss became not finite.
        ToolError: A process that loads samples was killed, the memory is too small, or a file
            can't be written.
    """
    device = chosen_device(config.device)
    with _threads(config.threads), joined(device) as processes:
        if not resume and (out / RESUME).exists():
            raise UsageError(
                f"{out} holds a run already.",
                f"Go on with it (--resume --out {out}), or give another --out.",
            )
        if out.exists() and not out.is_dir():
            raise UsageError(f"{out} is a file.", "Give a folder as --out.")
        quiet: Watch = watch if processes.writes else lambda _event: None
        interruption = Interruption()
        with alone(out) if processes.writes else nullcontext():
            run = _Run(config, out, device, processes, interruption, quiet, resume)
            try:
                with (
                    named_failures(config.batch, config.crop, out / RESUME),
                    interruption,
                    loading(run.loader()) as batches,
                ):
                    return run.finish(batches)
            finally:
                run.close()


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Run:
    """One sitting of a run."""

    def __init__(
        self,
        config: TrainingConfig,
        out: Path,
        device: str,
        processes: Processes,
        interruption: Interruption,
        watch: Watch,
        resume: bool,
    ) -> None:
        self.log: RunLog | None = None
        self.out, self.processes, self.watch = out, processes, watch
        self.interruption = interruption
        self.share = processes.share(config.batch)
        self.device = f"cuda:{processes.local_rank}" if device == "cuda" else device
        self.config = replace(config, precision=self._precision(config))
        self.workers = chosen_workers(config.workers)
        watch(TrainingEvent("preparing", "building the network"))

        def say(text: str) -> None:
            watch(TrainingEvent("preparing", text))

        start = replace(config, init="random", weights_key=None) if resume else config
        network, self.spec = build_network(start, say)
        self.data: Data = data_of(config, self.spec, say)
        self.network = _channels_last(network.to(self.device))
        self.normalize = Normalize(self.spec.image).to(self.device)
        if processes.count > 1:
            with_whole_batch_norms(self.network)
        self.optimizer = optimizer_of(self.network, config)
        self.state = RunState(data=self.data.fingerprint)
        if resume:
            self.state = load_state(self.network, self.optimizer, out / RESUME)
            self._check_data()
        self.trained: nn.Module = self.network
        if processes.count > 1:
            self.trained = DistributedDataParallel(
                self.network, device_ids=[processes.local_rank] if device == "cuda" else None
            )
        epoch = self.data.stream.epoch_length
        self.steps = config.steps or math.ceil((config.epochs or 0) * epoch / config.batch)
        self.every = config.every or max(1, math.ceil(epoch / config.batch))
        if processes.writes:
            with writing(out):
                out.mkdir(parents=True, exist_ok=True)
            write_atomically(out / CONFIG, self.config.to_json().encode())
            self.log = RunLog(out, self.state.step, self.state.scored, say)

    def close(self) -> None:
        if self.log is not None:
            self.log.close()

    def finish(self, batches: Iterator[list[Tensor]]) -> Finished:
        """Run to the end, or until asked to stop."""
        state, saved = self.state, time.monotonic()
        stop = False
        clock = Clock(state.seconds)
        while True:
            due = state.step and (state.step % self.every == 0 or state.step >= self.steps)
            if due and state.scored < state.step:
                try:
                    self._score(clock)
                except StoppedError:
                    stop = True
                else:
                    self._save(clock)
                    saved = time.monotonic()
            if stop or state.step >= self.steps:
                break
            clock.waits()
            batch = next(batches)
            clock.works()
            stop = self._step(batch, clock)
            if time.monotonic() - saved > SAVE_SECONDS:
                self._save(clock)
                saved = time.monotonic()
        if stop:
            self.watch(TrainingEvent("stopping", "keeping the state", state.step, self.steps))
            self._save(clock)
        return Finished(
            state.step,
            self.steps,
            state.scored == state.step >= self.steps,
            state.best,
            clock.seconds(),
            self.processes.writes,
        )

    def loader(self) -> DataLoader[Any]:
        """The steps' batches from here on, loaded ahead by worker processes."""
        order = Batches(
            self.state.step,
            self.steps,
            self.config.batch,
            process=self.processes.rank,
            processes=self.processes.count,
        )
        return DataLoader(
            self.data.stream,
            batch_sampler=order,
            num_workers=self.workers,
            worker_init_fn=ignore_in_worker,
            pin_memory=self.device.startswith("cuda"),
            prefetch_factor=4 if self.workers else None,
        )

    def _step(self, batch: list[Tensor], clock: Clock) -> bool:
        """One step; whether some process was asked to stop."""
        config, state = self.config, self.state
        rate = learning_rate(config, state.step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        # For networks that draw something themselves (dropout); U²-Net does not.
        torch.manual_seed(config.seed * 2_147_483_647 + state.step)
        photos, truth = (part.to(self.device, non_blocking=True) for part in batch)
        photos = self.normalize(photos).contiguous(memory_format=torch.channels_last)
        with torch.autocast(
            self.device.partition(":")[0], torch.bfloat16, enabled=config.precision == "bf16"
        ):
            maps = self.trained(photos)
        loss = deep_supervision(maps, truth, config.loss)
        self.optimizer.zero_grad()
        loss.total.backward()
        told = torch.stack(
            (loss.total.detach(), loss.fused, loss.fused.new_tensor(self.interruption.asked))
        )
        total, fused, asked = average(told, self.processes).tolist()
        if not math.isfinite(total):
            raise NetworkError(
                f"The loss became {total} at step {state.step + 1}.",
                f"{self.out / LAST} is from before, if a scoring came before. Start again from it "
                "(--init) with a lower --learning-rate, or with --precision fp32.",
            )
        self.optimizer.step()
        state.step += 1
        state.loss_sum += total
        state.loss_count += 1
        clock.stepped()
        numbers = {"loss": total, "fused": fused, "rate": rate}
        if self.log is not None:
            self.log.add("train", state.step, {**numbers, "seconds": clock.seconds()})
        numbers |= {
            "images_per_second": config.batch * clock.steps_per_second(),
            "steps_per_second": clock.steps_per_second(),
            "waited": clock.waited(),
        }
        self.watch(TrainingEvent("step", step=state.step, steps=self.steps, numbers=numbers))
        return bool(asked > 0)

    def _score(self, clock: Clock) -> None:
        """Score the network as it is, and keep its weights if they are the best so far."""
        state = self.state
        numbers: dict[str, float] = {"loss": state.loss_sum / max(state.loss_count, 1)}
        if len(self.data.held_out):

            def tell(done: int, total: int) -> None:
                event = TrainingEvent(
                    "scoring", step=state.step, steps=self.steps, done=done, total=total
                )
                self.watch(event)

            found = score(
                self.network,
                self.spec,
                self.data.held_out,
                device=self.device,
                batch=self.share,
                workers=self.workers,
                processes=self.processes,
                interruption=self.interruption,
                watch=tell,
            )
            numbers |= found._asdict()
        best = is_better(numbers, state.best)
        if best:
            state.best = {**numbers, "step": state.step}
            if self.processes.writes:
                facts = facts_of(state, self.config.network, numbers)
                save_weights(self.network, self.out / BEST, facts)
        state.scored, state.loss_sum, state.loss_count = state.step, 0.0, 0
        if self.log is not None:
            self.log.add("validation", state.step, {**numbers, "seconds": clock.seconds()})
        self.watch(
            TrainingEvent("scored", step=state.step, steps=self.steps, numbers=numbers, best=best)
        )
        clock.forget()

    def _save(self, clock: Clock) -> None:
        if self.processes.writes:
            self.state.seconds = clock.seconds()
            facts = facts_of(self.state, self.config.network, {})
            save_weights(self.network, self.out / LAST, facts)
            save_state(self.network, self.optimizer, self.state, self.out / RESUME)

    def _precision(self, config: TrainingConfig) -> Literal["fp32", "bf16"]:
        chosen = chosen_precision(config.precision, self.device)
        # Timings differ between processes, and all must do alike: one that wants fp32 is enough.
        flag = torch.tensor(float(chosen == "bf16"), device=self.device)
        return "bf16" if average(flag, self.processes).item() == 1 else "fp32"

    def _check_data(self) -> None:
        if self.state.data != self.data.fingerprint:
            raise UsageError(
                "The photos or masks are others than those that the run began with.",
                f"Put them back, or start anew from its weights: --init {self.out / LAST}.",
            )


def _channels_last(network: SupervisedNetwork) -> SupervisedNetwork:
    """Weights laid out as the convolutions read them fastest, in place."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            # Not contiguous(), which leaves 1x1 kernels as they are: both layouts are one there,
            # but DistributedDataParallel wants a gradient's strides to be its parameter's.
            laid_out = torch.empty_like(parameter, memory_format=torch.channels_last)
            parameter.data = laid_out.detach().copy_(parameter.detach())
    return network
