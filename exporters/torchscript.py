"""TorchScript for the lite interpreter of PyTorch Mobile."""

from __future__ import annotations

from pathlib import Path

from .run import Exported, Run

__all__ = ["export"]


def export(run: Run, path: Path) -> Exported:
    """Write the ``.ptl`` file.

    The trace is frozen, not put through ``optimize_for_mobile``: TorchScript's XNNPACK is gone
    from torch 2.13 and that call asserts. The bytecode version and the operators that the
    file needs are recorded, because mobile runtimes are built with a selection of them.
    """
    import torch
    from torch.jit import mobile

    run.step("freezing")
    frozen = torch.jit.freeze(torch.jit.load(str(run.trace)).eval())
    run.step("saving")
    frozen._save_for_lite_interpreter(str(path))
    loaded = mobile._load_for_lite_interpreter(str(path))
    inputs, outputs = run.float_tensors("NCHW")
    return Exported(
        inputs,
        outputs,
        properties={
            "bytecode_version": mobile._get_model_bytecode_version(str(path)),
            "operators": sorted(mobile._export_operator_list(loaded)),
        },
    )
