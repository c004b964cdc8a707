"""TorchScript for the lite interpreter of PyTorch Mobile."""

from __future__ import annotations

from pathlib import Path

from .run import Exported, Run

__all__ = ["export"]


def export(run: Run, path: Path) -> Exported:
    """Write the ``.ptl`` file.

    The trace is frozen, not put through ``optimize_for_mobile``: TorchScript's XNNPACK is gone
    from torch 2.13 and that call asserts.
    """
    import torch

    run.step("freezing")
    frozen = torch.jit.freeze(torch.jit.load(str(run.trace)).eval())
    run.step("saving")
    whole = run.scratch / "whole.ptl"
    frozen._save_for_lite_interpreter(str(whole))
    _drop_sources(whole, path)
    return Exported(*run.float_tensors("NCHW"))


# What the writer makes itself.
_VERSIONS = (".data/version", "version")
_OWN_RECORDS = {".data/serialization_id", "byteorder", *_VERSIONS}


def _drop_sources(whole: Path, path: Path) -> None:
    """Copy a TorchScript archive without the tables that lead back to source files.

    They hold this machine's paths, and nothing on a phone reads them.
    """
    import torch

    reader = torch._C.PyTorchFileReader(str(whole))
    writer = torch._C.PyTorchFileWriter(str(path))
    names = reader.get_all_records()
    version = next(name for name in _VERSIONS if name in names)
    writer.set_min_version(int(reader.get_record(version)))
    for name in names:
        if name not in _OWN_RECORDS and not name.endswith(".debug_pkl"):
            data = reader.get_record(name)
            writer.write_record(name, data, len(data))
    writer.write_end_of_file()
