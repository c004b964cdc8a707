"""Which release of PyTorch has which operator, with how many arguments: writes
`torch_mobile_releases.json`.

    python benchmarks/torch_mobile_releases.py /envs/torch-1.12.0/bin/python \
        /envs/torch-2.1.0/bin/python

PyTorch Mobile ended with 2.1.0, and 1.12 is the first that reads the bytecode that torch writes
today. Each interpreter has one of both; this one has the torch that writes files. What is listed
are the operators of today that one of them lacks or has with fewer arguments: the others run
everywhere. Gradients and what writes into a given tensor are left out, as no file has them.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

OUT = Path(__file__).parents[1] / "artifacts" / "inspect" / "torch_mobile_releases.json"
# Runs in the interpreter of a release.
PROBE = """
import json, torch
schemas = torch._C._jit_get_all_schemas()
overloads = {s.name + ("." + s.overload_name if s.overload_name else ""): s for s in schemas}
print(json.dumps({name: len(schema.arguments) for name, schema in overloads.items()}))
print(torch.__version__.partition("+")[0])
"""
SPACES = ("aten::", "prim::", "quantized::")
LEFT_OUT = re.compile("backward|out|foreach|test|sparse|cudnn|miopen|mkldnn|fused_|symint")


def known(python: str) -> tuple[str, dict[str, int]]:
    """A release, and how many arguments each operator has there."""
    done = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, check=True)
    operators, release = done.stdout.splitlines()[-2:]
    return release, json.loads(operators)


def table(
    releases: list[tuple[str, dict[str, int]]], today: dict[str, int]
) -> dict[str, dict[str, int | None]]:
    """By operator, how many arguments each release takes; null where it lacks it."""
    listed = {}
    for name in sorted(today):
        if not name.startswith(SPACES) or LEFT_OUT.search(name):
            continue
        taken = {release: has.get(name) for release, has in releases}
        if any(count is None or count < today[name] for count in taken.values()):
            listed[name] = taken
    return listed


def write(releases: list[tuple[str, dict[str, int]]], today: dict[str, int]) -> None:
    rows = [
        f'  "{name}": {json.dumps(list(taken.values()))}'
        for name, taken in table(releases, today).items()
    ]
    head = json.dumps([release for release, _ in releases])
    body = ",\n".join(rows)
    OUT.write_text(f'{{\n "releases": {head},\n "operators": {{\n{body}\n }}\n}}\n')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pythons", nargs="+")
    given = parser.parse_args()
    write([known(python) for python in given.pythons], known(sys.executable)[1])


if __name__ == "__main__":
    main()
