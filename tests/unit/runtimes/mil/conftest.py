"""Converts small torch modules to Core ML packages and reads them back."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ....sdks import needed

needed("coremltools", "coreml")

from maskport.runtimes.mil.package import read_package  # noqa: E402
from maskport.runtimes.mil.program import Program  # noqa: E402
from maskport.sdks.quiet import quiet  # noqa: E402
from maskport.sdks.slim import coremltools  # noqa: E402

COUNT = itertools.count()


@pytest.fixture(scope="session")
def ct() -> Any:
    with quiet():
        return coremltools()


@pytest.fixture(scope="session")
def save(ct: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`save(module, inputs, precision="fp32")`: the module as a package on disk.

    `change` is applied to the converted model before it is saved; further options are
    `coremltools.convert`'s.
    """

    def build(
        module: nn.Module,
        inputs: tuple[Tensor, ...],
        *,
        precision: str = "fp32",
        change: Callable[[Any], Any] = lambda model: model,
        **options: Any,
    ) -> Path:
        path = tmp_path_factory.mktemp("mil") / f"{next(COUNT)}.mlpackage"
        features = [ct.TensorType(name=f"x{i}", shape=x.shape) for i, x in enumerate(inputs)]
        settings = {
            "inputs": features,
            "compute_precision": {"fp32": ct.precision.FLOAT32, "fp16": ct.precision.FLOAT16}[
                precision
            ],
            "minimum_deployment_target": ct.target.iOS16,
            **options,
        }
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            # Frozen: coremltools 9 fails on sizes taken from tensors under NumPy 2.4 otherwise.
            traced = torch.jit.freeze(torch.jit.trace(module.eval(), inputs, check_trace=False))
            model = ct.convert(traced, convert_to="mlprogram", skip_model_load=True, **settings)
            change(model).save(str(path))
        return path

    return build


@pytest.fixture(scope="session")
def load() -> Callable[[Path], Program]:
    return lambda path: Program(read_package(path).function)


@pytest.fixture(scope="session")
def run_mil(
    save: Callable[..., Path], load: Callable[[Path], Program]
) -> Callable[..., tuple[Tensor, ...]]:
    """What the executor makes of a module, converted, saved and read back."""

    def run(module: nn.Module, inputs: tuple[Tensor, ...], **options: Any) -> tuple[Tensor, ...]:
        program = load(save(module, inputs, **options))
        return tuple(program.run({f"x{i}": x for i, x in enumerate(inputs)}).values())

    return run
