"""The process that reads damaged files: "our process", of which a crash or hang would be a fault.

Its arguments are a folder, and CLASS:FIRST:COUNT for each class. It says a line of JSON for each
try. Whoever started it sees its end, and its silence.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import traceback
from pathlib import Path
from random import Random

from maskport.errors import MaskportError

from .subjects import SUBJECTS, Broke, Died, Refused, Subject

__all__ = ["CURRENT", "KEPT", "main"]

# The file that is being read, and those at which something went wrong.
CURRENT, KEPT = "current", "kept"
# Beside what the process has, in bytes: a photo takes 1.2 GB at most.
MOST_MEMORY = 2 << 30
# Nobody reads an error to its end that has more characters.
LONGEST = 10_000


def main() -> None:
    folder = Path(sys.argv[1])
    # What SDKs and commands print goes elsewhere.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    for job in sys.argv[2:]:
        name, first, count = job.split(":")
        sound = folder / f"{name}-{first}"
        sound.mkdir()
        with SUBJECTS[name].ready(sound):
            wholes = {path: SUBJECTS[name].attempt(path) for path in SUBJECTS[name].sound}
            replies.write("{}\n")
            for number in range(int(first), int(first) + int(count)):
                replies.write(json.dumps(_tried(SUBJECTS[name], number, folder, wholes)) + "\n")
        shutil.rmtree(sound)


def _tried(
    subject: Subject, number: int, folder: Path, wholes: dict[Path, object]
) -> dict[str, object]:
    current = folder / CURRENT
    shutil.rmtree(current, ignore_errors=True)
    current.mkdir()
    path, source, mended = subject.mutate(current, Random(f"{subject.seed} {number}"))
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    began = time.monotonic()
    outcome, what = "accepted", ""
    try:
        found = subject.attempt(path)
        # A sound file may have become another.
        silent = subject.holds_checksums(source) and found not in wholes.values()
        if silent and not mended:
            outcome, what = "unexpected", "Read as something else, and no checksum was missed."
    except Died as exc:
        outcome, what = f"refused, {exc.args[0]}", str(exc.args[1])
    except Refused as exc:
        outcome, what = "refused", str(exc)
    except Broke as exc:
        outcome, what = "unexpected", str(exc)
    except MaskportError as exc:
        outcome, what = "refused" if exc.exit_code == 2 else "unexpected", str(exc)
    except Exception:
        outcome, what = "unexpected", traceback.format_exc()
    if outcome.startswith("refused") and not 0 < len(what) < LONGEST:
        outcome, what = "unexpected", f"An error of {len(what):,} characters: {what[:300]}…"
    seconds = time.monotonic() - began
    memory = max(0, _memory("VmHWM") - before)
    if memory > MOST_MEMORY:
        outcome, what = "unexpected", f"It took {memory / 1e9:.1f} GB. {what}"
    if outcome == "unexpected":
        kept = folder / KEPT / f"{subject.name}-{number}-{path.name}"
        kept.parent.mkdir(exist_ok=True)
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, kept)
    return {
        "outcome": outcome,
        "what": what[-2000:],
        "seconds": seconds,
        "memory": memory,
    }


def _memory(kind: str) -> int:
    """Of this process, in bytes; ``VmHWM`` is the most since it was last set back."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) * 1024
    return 0
