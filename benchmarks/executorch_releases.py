"""Which release of ExecuTorch has which parts of XNNPACK's graphs and which operator: writes
`executorch_releases.json`.

    pip download --no-deps -d wheels executorch==0.6.0    # and so on
    python benchmarks/executorch_releases.py wheels/*.whl

Nothing is run: a wheel holds the schema of its XNNPACK back end, and the names of the operators
that are registered stand in its runtime. Give the oldest first.
"""

from __future__ import annotations

import argparse
import json
import re
import zipfile
from pathlib import Path

OUT = Path(__file__).parents[1] / "artifacts" / "inspect" / "executorch_releases.json"
# One library up to 1.4, several since.
RUNTIME = re.compile(
    r"/_portable_lib[^/]*\.so$|/libquantized_ops_aot_lib\.so$|/libexecutorch_kernels_\w+\.so$"
)
KINDS = ("nodes", "types", "fields", "operators")
OPERATOR = re.compile(rb"\b((?:aten|dim_order_ops|quantized_decomposed)::\w+(?:\.\w+)?)\0")


def names(wheel: Path) -> dict[str, set[str]]:
    """What a release knows, by kind."""
    with zipfile.ZipFile(wheel) as archive:
        members = archive.namelist()
        schema = next(m for m in members if m.endswith("xnnpack/serialization/schema.fbs"))
        text = archive.read(schema).decode()
        code = b"".join(archive.read(m) for m in members if RUNTIME.search(m))
    union = re.search(r"union XNodeUnion \{(.*?)\}", text, re.DOTALL)
    assert union is not None and code, wheel
    scales = re.findall(r"^table (Per\w+) \{(.*?)^\}", text, re.DOTALL | re.MULTILINE)
    fields = {
        f"{table}.{field}"
        for table, body in scales
        for field in re.findall(r"^\s*(\w+)\s*:", body, re.MULTILINE)
    }
    return {
        "nodes": set(re.findall(r"^\s*(\w+)", union[1], re.MULTILINE)),
        "types": set(re.findall(r"\bxnn_datatype_\w+", text)),
        "fields": fields,
        "operators": {found.decode() for found in OPERATOR.findall(code)},
    }


def table(wheels: list[Path]) -> dict[str, object]:
    """The first release that has each."""
    since: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
    for number, wheel in enumerate(wheels):
        for kind, known in names(wheel).items():
            for name in sorted(known):
                since[kind].setdefault(name, number)
    return {"releases": [wheel.name.split("-")[1] for wheel in wheels], **since}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheels", nargs="+", type=Path)
    found = table(parser.parse_args().wheels)
    kinds = [f' "{kind}": {json.dumps(found[kind], sort_keys=True)}' for kind in found]
    OUT.write_text("{\n" + ",\n".join(kinds) + "\n}\n")


if __name__ == "__main__":
    main()
