"""Every network of the zoo to every target: docs/networks.json and docs/networks.md.

    python -m tests.zoo.matrix                        # what is not in docs/networks.json yet
    python -m tests.zoo.matrix unet --targets keras --again
    python -m tests.zoo.matrix --page                 # the page alone, from the figures

Run from the repository's root, by hand. Each network has a process of its own with a time limit;
what is known is kept after each, so an interrupted run goes on where it ended.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from maskport.models.factory import build

from .exporting import Outcome, exported
from .page import write_page
from .table import ZOO, Row, row_of
from .training import iou_of, trained

TARGETS = (
    "onnx-fp32",
    "onnx-int8",
    "tflite-fp32",
    "tflite-fp16",
    "tflite-int8",
    "keras",
    "savedmodel",
    "coreml-fp16",
    "coreml-w8a8",
    "torchscript-lite",
    "executorch",
    "executorch-int8",
)
FIGURES = Path("docs/networks.json")
PAGE = Path("docs/networks.md")
TIME_LIMIT = 1200.0

Figures = dict[str, Any]


def main() -> None:
    """Run what is asked for, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("networks", nargs="*", help="of the zoo; all where left out")
    parser.add_argument("--targets", default=",".join(TARGETS))
    parser.add_argument("--again", action="store_true", help="what is known, too")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--time-limit", type=float, default=TIME_LIMIT, help="seconds a network")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    rows = [row_of(name) for name in given.networks] or list(ZOO)
    targets = given.targets.split(",")
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs ignore Ctrl-C
        signal.signal(number, signal.default_int_handler)
    if given.child is not None:
        _one(rows[0], targets, given.child)
        return
    figures = _read()
    try:
        for row in rows if not given.page else ():
            known = figures.get(row.name, {}).get("targets", {})
            wanted = [name for name in targets if given.again or name not in known]
            if wanted:
                _run(row, wanted, given.time_limit, figures)
    except KeyboardInterrupt:
        print(f"\ninterrupted; what is known is in {FIGURES}, run it again to go on")
    finally:
        write_page(PAGE, figures, TARGETS)


def _read() -> Figures:
    return json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}


def _run(row: Row, targets: list[str], limit: float, figures: Figures) -> None:
    """One network in a process of its own; what it found goes into the figures."""
    with tempfile.TemporaryDirectory(prefix="maskport-zoo-") as name:
        result = Path(name) / "result.json"
        command = [sys.executable, "-m", "tests.zoo.matrix", row.name]
        command += ["--targets", ",".join(targets), "--child", str(result)]
        began = time.perf_counter()
        child = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        late = ""
        try:
            _, said = child.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            late = f"not done within {limit:.0f} s"
        finally:
            _end(child)
        found = json.loads(result.read_text(encoding="utf-8")) if result.exists() else {}
        if not late and child.returncode:
            late = said.decode(errors="replace").strip().rpartition("\n")[2] or "it crashed"
        outcomes = found.pop("targets", {})
        outcomes |= {name: {"reason": late} for name in targets if name not in outcomes}
        own = figures.setdefault(row.name, {})
        own |= found
        own["targets"] = own.get("targets", {}) | outcomes
        partial = FIGURES.with_suffix(".partial")
        partial.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(FIGURES)
        made = [name for name in targets if not outcomes[name].get("reason")]
        print(
            f"{row.name:16} {time.perf_counter() - began:6.0f} s  {len(made)} of {len(targets)}"
            + "".join(f"\n    {n}: {outcomes[n]['reason']}" for n in targets if n not in made),
            flush=True,
        )


def _end(child: subprocess.Popen[bytes]) -> None:
    """The process and all that it started; nothing where it has ended by itself."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _one(row: Row, targets: list[str], result: Path) -> None:
    """In the child: everything about one network, written as it becomes known."""
    network = build(row.reference)
    from maskport.models.checkpoints import load_weights

    load_weights(network, trained(row))
    found: Figures = {
        "parameters": sum(p.numel() for p in network.parameters()),
        "size": f"{row.spec.image.height}x{row.spec.image.width}",
        "iou_with_truth": round(iou_of(network, row), 3),
        "targets": {},
    }

    def keep(target: str, outcome: Outcome) -> None:
        found["targets"][target] = {k: v for k, v in asdict(outcome).items() if v not in ("", None)}
        partial = result.with_suffix(".partial")
        partial.write_text(json.dumps(found), encoding="utf-8")
        partial.replace(result)

    with tempfile.TemporaryDirectory(prefix="maskport-zoo-") as name:
        exported(row, targets, Path(name), tell=keep)


if __name__ == "__main__":
    main()
