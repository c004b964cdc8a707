"""Reading tensors by name from PyTorch and safetensors files, without trusting them.

A `.pth` file is a pickle. `torch.load(weights_only=True)` runs a restricted interpreter of it
that knows tensors and plain containers and nothing else; there is no second try without it.
What that interpreter lets through and is still no checkpoint is refused here: archives that
inflate, tensors larger than the memory behind them, tensors without data.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError

__all__ = ["SUFFIXES", "check_is_file", "first_ten", "read_state_dict"]

PICKLES = (".pth", ".pt", ".bin", ".ckpt")
SUFFIXES = (*PICKLES, ".safetensors", ".onnx")

# Where training programs put the state dict inside what they save.
NESTS = ("state_dict", "model_state_dict", "model", "net", "params")
# What DataParallel and torch.compile put before each name.
PREFIXES = ("module.", "_orig_mod.")

SAVE_STATE_DICT = (
    "Save only the weights, where the class of the network is known: "
    "torch.save(network.state_dict(), 'weights.pth')."
)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Tensors by name, on the CPU, floating-point ones as float32.

    Looks inside `state_dict`, `model_state_dict`, `model`, `net` and `params`, and takes
    `module.` and `_orig_mod.` off the names.

    Raises:
        CheckpointError: The file is missing, empty, truncated, of another kind, holds more
            than tensors by name, or could run code.
    """
    check_is_file(path)
    if path.suffix == ".onnx":
        raise CheckpointError(
            f"{path} is an ONNX file: its weights have no names of a network's own.",
            "Load it into its network: load_weights(network, path).",
        )
    entries = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    state = _without_prefixes(_tensors_in(entries, path))
    return {name: _plain(tensor) for name, tensor in state.items()}


def check_is_file(path: Path) -> None:
    """Hold a path against what can be seen before any parser reads it.

    Raises:
        CheckpointError: Missing, a directory, empty, of an unknown suffix, or plainly
            something else: a web page, a Git LFS pointer.
    """
    if path.is_dir():
        raise CheckpointError(f"{path} is a directory.", "Give the weights file in it.")
    try:
        with path.open("rb") as file:
            start = file.read(512).lstrip().lower()
    except FileNotFoundError as exc:
        raise CheckpointError(
            f"There is no file {path}.", "Check the path, or `maskport fetch NAME`."
        ) from exc
    except OSError as exc:
        raise CheckpointError(
            f"{path} can't be read: {exc.strerror}.", "Check its permissions."
        ) from exc
    if not start:
        raise CheckpointError(f"{path} is empty.", "Download or save it again.")
    if start.startswith((b"<!doctype html", b"<html")):
        raise CheckpointError(
            f"{path} is a web page, not weights.",
            "Google Drive gives a page when a file is asked for too often: download it again.",
        )
    if start.startswith(b"version https://git-lfs"):
        raise CheckpointError(
            f"{path} is a Git LFS pointer, not the file itself.", "Fetch it: git lfs pull."
        )
    if path.suffix not in SUFFIXES:
        raise CheckpointError(
            f"{path} has the suffix {path.suffix!r}; weights are read from {', '.join(SUFFIXES)}.",
            "Rename the file if it is one of these.",
        )


def first_ten(lines: list[str]) -> str:
    """An indented list, cut after ten."""
    shown = [f"  {line}" for line in lines[:10]]
    if len(lines) > 10:
        shown.append(f"  and {len(lines) - 10} more")
    return "\n".join(shown)


def _read_pickle(path: Path) -> Any:
    _check_archive(path)
    try:
        with warnings.catch_warnings():  # about the pickle protocol
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    # A damaged file makes torch and pickle raise nearly anything.
    except Exception as exc:
        asked = re.search(r"GLOBAL (\S+)", str(exc))
        if isinstance(exc, pickle.UnpicklingError) and asked:
            raise CheckpointError(
                f"{path} asks for {asked[1]} to be called while it is read. That can be any "
                "program, so the file is not read.",
                SAVE_STATE_DICT,
            ) from exc
        reason = _first_line(exc) if isinstance(exc, RuntimeError) else "no pickle of tensors"
        raise CheckpointError(
            f"{path} is damaged, incomplete or no PyTorch file ({reason}).",
            "Download or save it again, and compare its checksum.",
        ) from exc


def _check_archive(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return  # PyTorch's format before 1.6, a foreign file, or a truncated archive
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as exc:
        raise CheckpointError(
            f"{path} is a damaged archive ({_first_line(exc)}).", "Download or save it again."
        ) from exc
    names = {Path(member.filename).name for member in members}
    if "data.pkl" not in names:
        raise CheckpointError(
            f"{path} is a ZIP archive, but not one that PyTorch wrote.",
            "Give the weights file itself; it may be inside.",
        )
    if "constants.pkl" in names:
        raise CheckpointError(
            f"{path} is a TorchScript archive: a program with its weights, not weights alone.",
            "Take them out where you trust the file: "
            "torch.save(torch.jit.load(path).state_dict(), 'weights.pth').",
        )
    # PyTorch stores its members as they are; only somebody else compresses them, and all of
    # them together then say more bytes than the file has.
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise CheckpointError(
            f"{path} would inflate to more than its own size, which PyTorch's files never do.",
            SAVE_STATE_DICT,
        )


def _read_safetensors(path: Path) -> Any:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as exc:  # its Rust error type is not part of the stable interface
        raise CheckpointError(
            f"{path} is damaged, incomplete or no safetensors file ({_first_line(exc)}).",
            "Download or save it again, and compare its checksum.",
        ) from exc


def _tensors_in(entries: Any, path: Path) -> dict[str, Tensor]:
    while isinstance(entries, Mapping):
        nests = [key for key in NESTS if isinstance(entries.get(key), Mapping)]
        if not nests:
            break
        if len(nests) > 1:
            raise CheckpointError(
                f"{path} holds several sets of weights: {', '.join(nests)}.",
                "Save the one that is meant to a file of its own.",
            )
        entries = entries[nests[0]]
    if not isinstance(entries, Mapping) or not entries:
        raise CheckpointError(
            f"{path} holds {_described(entries)}, not tensors by name.", SAVE_STATE_DICT
        )
    wrong = [
        f"{name}: {problem}"
        for name, value in entries.items()
        if (problem := _problem(name, value))
    ]
    if wrong:
        raise CheckpointError(
            f"{path} holds more than tensors by name:\n{first_ten(wrong)}", SAVE_STATE_DICT
        )
    # Names of one and the same data cost nothing in the file, and memory for each here.
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in entries.values())
    if claimed > 4 * path.stat().st_size:
        raise CheckpointError(
            f"{path} holds tensors of {claimed:,} bytes in a file of {path.stat().st_size:,}.",
            SAVE_STATE_DICT,
        )
    return dict(entries)


def _problem(name: Any, value: Any) -> str:
    if not isinstance(name, str):
        return "its name is not a string"
    if not isinstance(value, Tensor):
        return f"not a tensor but {type(value).__name__}"
    if value.layout != torch.strided or value.is_quantized:
        return "a sparse or quantised tensor"
    if value.is_meta:
        return "a tensor without data"
    # A few bytes can claim a shape of terabytes with strides of 0.
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return f"shape {tuple(value.shape)} is larger than the data behind it"
    return ""


def _without_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    while prefix := next((p for p in PREFIXES if all(n.startswith(p) for n in state)), ""):
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def _plain(tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    return tensor.float() if tensor.is_floating_point() else tensor


def _described(entries: Any) -> str:
    return "nothing" if isinstance(entries, Mapping) else f"a {type(entries).__name__}"


def _first_line(exc: Exception) -> str:
    text = str(exc).strip() or type(exc).__name__
    return text.splitlines()[0].partition(". ")[0].rstrip(".")[:200]
