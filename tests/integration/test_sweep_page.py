"""The sweep's page in Chromium: the script's front is Python's, and filters narrow both."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maskport.sweeps.page import front, page_of
from maskport.sweeps.swept import Failed, Swept
from maskport.validation.assemble import FIDELITY

from ..chromium import DESK, chromium, needs_chromium, sized

pytest.importorskip("selenium", reason="selenium is not installed")
pytestmark = needs_chromium

HOSTILE = "</script><script>alert(1)</script>"


def rows() -> list[dict[str, Any]]:
    numbers = random.Random(1)
    made = []
    for number in range(40):
        row: dict[str, Any] = dict.fromkeys((*FIDELITY, *(f"worst_{name}" for name in FIDELITY)))
        row |= {
            "bundle": f"bundle-{number % 4}",
            "network": HOSTILE if number % 2 else "demo",
            "format": ("onnx", "tflite")[number % 2],
            "target": f"target-{number}",
            "height": 32,
            "recipe": "",
            "status": "failed" if number % 7 == 0 else "passed",
            "anchor": "a-1",
            "processor": "cpu",
            "bytes": numbers.randint(10**6, 10**8),
            "p50_ms": None if number % 11 == 0 else numbers.uniform(1, 100),
            "peak_memory_mb": None,
            "worst_iou": numbers.uniform(0.9, 1),
            "iou": numbers.uniform(0.9, 1),
            "mae": numbers.uniform(1e-6, 1e-2),
        }
        made.append(row)
    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


def shown(browser: Any, what: str) -> set[str]:
    names: list[str] = browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((cell) => cell.textContent)",
        f"#table tbody tr{what}:not([hidden]) .target",
    )
    return set(names)


def choose(browser: Any, form: str, name: str, value: str) -> None:
    browser.execute_script(
        """const field = document.querySelector(`#${arguments[0]} [name="${arguments[1]}"]`);
        field.value = arguments[2];
        field.dispatchEvent(new Event("input", {bubbles: true}));""",
        *(form, name, value),
    )


def test_the_front_on_the_page_is_that_of_the_terminal(browser: Any, tmp_path: Path) -> None:
    files = rows()
    swept = Swept(
        "out", HOSTILE, 4, files, [Failed("export x", HOSTILE, 3)], [f"x: tflite-int8: {HOSTILE}"]
    )
    (tmp_path / "index.html").write_text(page_of(swept), encoding="utf-8")
    sized(browser, DESK, "light")
    browser.get((tmp_path / "index.html").as_uri())

    def best(chosen: list[dict[str, Any]], quality: str = "worst_iou") -> set[str]:
        return {row["target"] for row in front(chosen, quality)}

    assert shown(browser, "") == {row["target"] for row in files}
    assert shown(browser, ".best") == best(files) != set()
    choose(browser, "axes", "quality", "mae")
    assert shown(browser, ".best") == best(files, "mae")
    choose(browser, "filters", "format", "onnx")
    some = [row for row in files if row["format"] == "onnx"]
    assert shown(browser, "") == {row["target"] for row in some}
    assert shown(browser, ".best") == best(some, "mae")
    browser.find_element("css selector", "#filters [name=front]").click()
    assert shown(browser, "") == best(some, "mae")
    browser.find_element("css selector", "[data-key=bytes]").click()
    cells = browser.execute_script(
        """return [...document.querySelectorAll("#table tbody tr:not([hidden])")]
        .map((row) => Number(row.cells[9].textContent))"""
    )
    assert cells == sorted(cells)
    assert len(browser.find_elements("css selector", "#plot circle")) > 0
    assert HOSTILE in browser.find_element("css selector", ".problems").text
    assert not browser.get_log("browser")
