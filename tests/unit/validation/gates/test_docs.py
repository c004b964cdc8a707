"""docs/gates.md says what the package does: its defaults, its metrics, its examples."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from maskport.formats import TARGETS
from maskport.metrics import SALIENCY
from maskport.precisions import PRECISIONS
from maskport.validation.gates import default_gates, known_names, load_gates, parse_gates, quantity
from maskport.validation.gates.gate_file import DEFAULTS

DOCS = Path(__file__).resolve().parents[4] / "docs" / "gates.md"


@pytest.fixture(scope="module")
def text() -> str:
    return DOCS.read_text(encoding="utf-8")


README = DOCS.parents[1] / "README.md"


def readme_table() -> dict[str, tuple[str, str]]:
    """IoU and MAE by target, as README's table of files has them; those that are measured."""
    found = {}
    for cells in rows(README.read_text(encoding="utf-8"), "What comes out"):
        name, *_, iou, mae, _ = cells
        if iou:
            found[name.strip("`")] = (iou, mae)
    return found


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading."""
    lines = text.split(f"\n## {heading}\n")[1].split("\n## ")[0].splitlines()
    table = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def defaults() -> dict[str, dict[str, str]]:
    """Limits by section and metric, as docs/gates.md names sections."""
    found: dict[str, dict[str, str]] = {}
    for gate in default_gates().layers[0]:
        (name,) = gate.selectors
        section = f"`{name}`" + ", reference on a GPU" * gate.beside_gpu
        section = "`*`, any other" if name == "*" else section
        found.setdefault(section, {})[gate.quantity.name] = written(
            str(gate.bound).split(" ", 1)[1]
        )
    return found


def written(limit: str) -> str:
    """A limit with its number written in one way."""
    sign, number = limit.split()
    return f"{sign} {float(number)}"


def test_the_defaults_are_listed_with_a_reason(text: str) -> None:
    listed = {}
    for name, *limits, reason in rows(text, "The defaults"):
        assert reason
        metrics = ("mae", "worst_mae", "iou", "worst_iou")
        listed[name] = dict(zip(metrics, map(written, limits), strict=True))
    assert listed == defaults()


def test_the_tolerances_are_listed_with_a_reason(text: str) -> None:
    listed = {}
    for name, tolerance, reason in rows(text, "A baseline"):
        assert reason
        listed[name.strip("`")] = tolerance
    shipped = tomllib.loads(DEFAULTS.read_text(encoding="utf-8"))["baseline"]
    assert listed.keys() == shipped.keys()
    for name, tolerance in shipped.items():
        plain = listed[name]
        assert plain == tolerance or float(plain) == tolerance


def test_every_metric_is_listed(text: str) -> None:
    section = text.split("\n## Metrics\n")[1].split("\n## ")[0]
    named = set(re.findall(r"`([\w.]+)`", section))
    plain = {
        name
        for name in known_names()
        if not name.startswith(("worst_", "p5_", "truth", "latency_ms."))
    }
    assert plain <= named
    assert set(SALIENCY) <= named
    assert {f".{n.removeprefix('latency_ms.')}" for n in known_names() if "latency_ms" in n} <= (
        named | {".load"}
    )


def test_the_metrics_directions_are_as_listed(text: str) -> None:
    for names, better, _ in rows(text, "Metrics"):
        if better in {"lower", "higher"}:
            for name in re.findall(r"`(\w+)`", names):
                assert quantity(name).better == better, name


def test_the_file_that_is_shown_is_read(text: str, tmp_path: Path) -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    path = tmp_path / "gates.toml"
    path.write_text(shown)
    gates = load_gates(path)
    assert len(gates.layers[-1]) == 7  # as shown


def test_the_gates_that_are_shown_are_gates(text: str) -> None:
    shown = re.findall(r"--gate '([^']+)'", text)
    assert shown
    for gate in shown:
        assert parse_gates(gate)


def test_readmes_numbers_hold_the_default_gates() -> None:
    targets = {row.name: row for row in TARGETS}
    shown = readme_table()
    assert len(shown) > 15
    for name, (iou, mae) in shown.items():
        bounds = PRECISIONS[targets[name].precision].bounds
        assert float(iou) >= bounds.iou, name
        assert float(mae) <= bounds.mae, name


def test_readme_has_one_number_for_one_thing() -> None:
    """What its validation prints is what its table says, of every target in both."""
    printed = re.findall(
        r"^ ✓   ([\w-]+) +([\d.]+) +[\d.]+ +(\S+)", README.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(printed) > 3
    shown = readme_table()
    assert {name: (iou, mae) for name, iou, mae in printed} == {
        name: shown[name] for name, *_ in printed
    }
