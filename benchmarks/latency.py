"""README's table of latencies: every file of a bundle that runs here, in turns, in one run.

    python benchmarks/latency.py exports/sky            # prints the table
    python benchmarks/latency.py exports/sky --readme   # and puts it into README.md

Files and PyTorch take turns (`maskport bench`), so that their ratios hold where the machine's
speed changes; the processor is named, because INT8 gains most where it has VNNI or dot products.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from maskport import bench
from maskport.validation.results import ArtifactResult, Results

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- latency: benchmarks/latency.py writes this -->", "<!-- end of latency -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--images", type=Path, help="a photo; a generated scene where left out")
    parser.add_argument("--readme", action="store_true", help="replace the table in README.md")
    parser.add_argument("--release", action="store_true", help="1,024 runs and 60 s of each")
    arguments = parser.parse_args()
    results = bench(
        arguments.bundle,
        images=arguments.images,
        latency="release" if arguments.release else "standard",
    )
    made = table(results)
    print(made)
    if arguments.readme:
        text = README.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        README.write_text(f"{before}{BEGIN}\n{made}{END}{after}", encoding="utf-8")


def table(results: Results) -> str:
    """Markdown, the fastest first, and the line that says where it was measured."""
    timed = {
        name: found
        for name, found in {**results.pytorch, **results.artifacts}.items()
        if found.latency_ms is not None and name != "pytorch-prepared"
    }
    rows = sorted(timed.items(), key=lambda item: item[1].latency_ms.p50)
    machine, threads = results.machine, rows[0][1].timing.threads
    lines = [
        "",
        "| | median | to PyTorch | to its format's fp32 | |",
        "|---|---|---|---|---|",
        *(row(name, found) for name, found in rows),
        "",
        f"{results.network} at {results.input_height}x{results.input_width}, {threads} threads of "
        f"{machine.processor} ({', '.join(machine.features or ())}), by "
        "`python benchmarks/latency.py`: one photo at a time, medians of runs in turns. Ratios "
        "hold on machines of this kind; on others INT8's differ most.",
        "",
    ]
    return "\n".join(lines)


def row(name: str, found: ArtifactResult) -> str:
    timing, latency = found.timing, found.latency_ms
    ratios = (timing.ratio_to_pytorch, timing.ratio_to_fp32)
    texts = ["" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
    label = "PyTorch, eager" if name == "pytorch" else f"`{name}`"
    noisy = "noisy" if timing.noisy else ""
    return f"| {label} | {latency.p50:.3g} ms | {texts[0]} | {texts[1]} | {noisy} |"


if __name__ == "__main__":
    main()
