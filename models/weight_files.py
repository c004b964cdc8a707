"""What a weights file holds, read without trusting it.

A `.pth` file is a pickle. `torch.load(weights_only=True)` runs a restricted interpreter of it
that knows tensors and plain containers and nothing else; there is no second try without it, and
classes of training programs are `stand_ins`. What that interpreter lets through and is still no
checkpoint is refused: here archives that inflate or are damaged, in `state_dicts` tensors larger
than the memory behind them, and tensors without data.
"""

from __future__ import annotations

import io
import pickle
import re
import threading
import warnings
import zipfile
from pathlib import Path
from typing import Any, Literal

import torch

from ..errors import CheckpointError
from ..outside.archives import has_checksums, wrong_member
from ..outside.files import CHECKPOINT, opened
from ..texts import first_line
from .stand_ins import (
    MOST_OPERATIONS,
    CalledError,
    Kind,
    TooLongError,
    names_asked_for,
    stand_ins,
)

__all__ = ["SAVE_STATE_DICT", "FileKind", "check_is_file", "kind_of", "read_entries"]

FileKind = Literal["pytorch", "safetensors", "onnx"]

PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".tar", ".pkl", ".pickle")
KINDS: dict[str, FileKind] = {
    **dict.fromkeys(PICKLES, "pytorch"),
    ".safetensors": "safetensors",
    ".onnx": "onnx",
}

# An archive, or a pickle of a protocol that PyTorch has written.
PYTORCH = (b"PK\x03\x04", *(bytes((0x80, protocol)) for protocol in (2, 3, 4, 5)))

SAVE_STATE_DICT = (
    "Save only the weights, where the class of the network is known: "
    "torch.save(network.state_dict(), 'weights.pth')."
)

# PyTorch's format before 1.6: a magic number, a version, facts of the system, and the object.
OLD_FORMATS_PICKLES = 4

# Of what is beside the tensors, in bytes.
LARGEST_PICKLE = 64 << 20

# The blanks are known to all of the process while a file is read.
_READING = threading.Lock()


def read_entries(path: Path) -> Any:
    """What was saved, on the CPU: usually a dict, of tensors or of a training program's parts.

    Args:
        path: A file of PyTorch's or safetensors, by its content and not by its name.

    Raises:
        CheckpointError: The file is missing, empty, truncated, damaged, of another kind, or
            calls programs.
    """
    check_is_file(path)
    return _read_safetensors(path) if kind_of(path) == "safetensors" else _read_pickle(path)


def check_is_file(path: Path) -> None:
    """Hold a path against what can be seen before any parser reads it.

    Raises:
        CheckpointError: Missing, a directory, empty, of no kind that is known, or plainly
            something else: a web page, a Git LFS pointer.
    """
    if path.is_dir():
        raise CheckpointError(f"{path} is a directory.", "Give the weights file in it.")
    try:
        with opened(path, CHECKPOINT, error=CheckpointError) as file:
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
    if kind_of(path) is None:
        raise CheckpointError(
            f"{path} holds nothing that weights are read from, and its suffix "
            f"{path.suffix!r} is none of {', '.join(KINDS)}.",
            "Give the weights as PyTorch, safetensors or ONNX saved them.",
        )


def kind_of(path: Path) -> FileKind | None:
    """What a file is by its content; where that says nothing, what its name promises."""
    size = path.stat().st_size
    with opened(path, CHECKPOINT, error=CheckpointError) as file:
        start = file.read(9)
    # A length, and a JSON object of that length.
    if start[8:] == b"{" and int.from_bytes(start[:8], "little") <= size - 8:
        return "safetensors"
    named = KINDS.get(path.suffix.lower())
    # Whoever was given a .safetensors trusts that it is no pickle.
    if start.startswith(PYTORCH) and named != "safetensors":
        return "pytorch"
    # The first field of an ONNX file is a small number, its version; that alone would be a guess.
    if named is None and not path.suffix and start[:1] == b"\x08" and 0 < start[1] < 32:
        return "onnx"
    return named


def _read_pickle(path: Path) -> Any:
    names = _checked_names(path)
    kinds: dict[str, Kind] = {}
    while True:
        try:
            with (
                _READING,
                torch.serialization.safe_globals(stand_ins(names, kinds)),
                warnings.catch_warnings(),  # about the pickle protocol
            ):
                warnings.simplefilter("ignore")
                return torch.load(path, map_location="cpu", weights_only=True)
        except CalledError as exc:
            raise _refusal(path, exc.name) from exc
        # A damaged file makes torch and pickle raise nearly anything.
        except Exception as exc:
            # A dict or list of the training program's own shows as one when it is filled.
            filled = _filled(exc)
            if filled is not None and filled[0] in names and filled[0] not in kinds:
                kinds[filled[0]] = filled[1]
                continue
            if "Only persistent_load of storage" in str(exc):  # how the old format has modules
                raise CheckpointError(
                    f"{path} holds a network as a whole, not tensors by name.", SAVE_STATE_DICT
                ) from exc
            asked = re.search(r"GLOBAL (\S+)", str(exc))
            if isinstance(exc, pickle.UnpicklingError) and asked:
                raise _refusal(path, asked[1]) from exc
            reason = (
                _first_sentence(exc) if isinstance(exc, RuntimeError) else "no pickle of tensors"
            )
            raise CheckpointError(
                f"{path} is damaged, incomplete or no PyTorch file ({reason}).",
                "Download or save it again, and compare its checksum.",
            ) from exc


def _filled(exc: Exception) -> tuple[str, Kind] | None:
    found = re.search(r"Can only (SETITEM|append|extend).* but got <class '([^']+)'>", str(exc))
    if found is None:
        return None
    return found[2], "mapping" if found[1] == "SETITEM" else "sequence"


def _refusal(path: Path, name: str) -> CheckpointError:
    return CheckpointError(
        f"{path} asks for {name} to be called while it is read. That can be any program, so the "
        "file is not read.",
        SAVE_STATE_DICT,
    )


def _checked_names(path: Path) -> set[str]:
    """The classes and functions that a file asks for; its archive is checked on the way."""
    try:
        if not zipfile.is_zipfile(path):  # PyTorch's old format, a foreign file, or a truncated one
            with opened(path, CHECKPOINT, error=CheckpointError) as file:
                # The tensors' values lie behind the pickles.
                return _names(io.BytesIO(file.read(LARGEST_PICKLE)), OLD_FORMATS_PICKLES, path)
        with zipfile.ZipFile(path) as archive:
            pickled = archive.read(_check_archive(archive, path))
    except CheckpointError:
        raise
    except Exception as exc:  # a damaged archive makes zipfile raise nearly anything
        raise CheckpointError(
            f"{path} is a damaged archive ({_first_sentence(exc)}).", "Download or save it again."
        ) from exc
    return _names(io.BytesIO(pickled), 1, path)


def _names(file: io.BytesIO, pickles: int, path: Path) -> set[str]:
    try:
        return names_asked_for(file, pickles)
    except TooLongError as exc:
        raise CheckpointError(
            f"{path} takes more than {MOST_OPERATIONS:,} operations to be read, which tensors by "
            "name never do.",
            SAVE_STATE_DICT,
        ) from exc
    except Exception as exc:
        if file.tell() >= LARGEST_PICKLE:
            raise _too_much(path) from exc
        return set()  # no pickle, or one of far too many names: torch says what is wrong with it


def _too_much(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path} has more than {LARGEST_PICKLE:,} bytes beside its tensors.", SAVE_STATE_DICT
    )


def _check_archive(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    """The member that is the pickle, of an archive that PyTorch wrote and that is whole."""
    members = archive.infolist()
    by_name = {Path(member.filename).name: member for member in members}
    if "data.pkl" not in by_name:
        raise CheckpointError(
            f"{path} is a ZIP archive, but not one that PyTorch wrote.",
            "Give the weights file itself; it may be inside.",
        )
    if "constants.pkl" in by_name:
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
    if by_name["data.pkl"].file_size > LARGEST_PICKLE:
        raise _too_much(path)
    if (wrong := wrong_member(archive)) is not None:
        raise CheckpointError(f"{path} is damaged: {wrong}.", "Copy, download or save it again.")
    if not has_checksums(archive):
        by_name["data.pkl"].CRC = None  # type: ignore[assignment]  # zipfile then compares nothing
    return by_name["data.pkl"]


def _read_safetensors(path: Path) -> Any:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as exc:  # its Rust error type is not part of the stable interface
        raise CheckpointError(
            f"{path} is damaged, incomplete or no safetensors file ({_first_sentence(exc)}).",
            "Download or save it again, and compare its checksum.",
        ) from exc


def _first_sentence(exc: Exception) -> str:
    return first_line(exc).partition(". ")[0].rstrip(".")[:200]
