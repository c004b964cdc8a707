"""The summary for a pull request: what it says, and that names can't change how it reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from maskport.validation.maps import MapStore
from maskport.validation.reports import write_markdown
from maskport.validation.results import Results

HOSTILE = "a|b `c` **d** <img src=x onerror=alert(1)> [e](http://f) @someone\n# g ``` \\| &lt;"


@pytest.fixture
def results(sample_run: tuple[Results, MapStore]) -> Results:
    return sample_run[0]


def markdown(results: Results, folder: Path) -> str:
    write_markdown(results, folder / "r.md")
    return (folder / "r.md").read_text(encoding="utf-8")


def html(results: Results, folder: Path) -> str:
    """As a reader of GitHub's Markdown shows it: tables, and HTML that is written as HTML."""
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    return str(reader.render(markdown(results, folder)))


def test_the_verdict_comes_first(results: Results, tmp_path: Path) -> None:
    lines = markdown(results, tmp_path).splitlines()
    assert lines[0] == "## ❌ maskport: sky failed"
    assert lines[2].startswith(
        "10 of 15 artifacts passed: 2 failed, 1 crashed, 1 timed out, 1 unavailable. 7 photos"
    )


def test_everything_that_didnt_pass_is_named_with_its_cause(
    results: Results, tmp_path: Path
) -> None:
    page = html(results, tmp_path)
    for artifact in results.failures():
        assert f"<li><code>{artifact.target}</code> <strong>" in page
    assert "signal 11 (SIGSEGV)" in page
    gate = next(g for g in results.artifacts["tflite-int8"].gates if not g.passed)
    assert f"{gate.photo}: IoU" in page


def test_the_table_has_a_row_for_each_artifact_and_the_network(
    results: Results, tmp_path: Path
) -> None:
    table = html(results, tmp_path).split("</table>")[0]
    rows = re.findall(r"<tr>\s*<td>(.*?)</td>", table, re.DOTALL)
    assert len(rows) == len(results.artifacts) + len(results.pytorch)


def test_the_worst_photo_stands_beside_the_worst_iou(results: Results, tmp_path: Path) -> None:
    artifact = results.artifacts["tflite-int8"]
    worst = min(artifact.photos, key=lambda photo: photo.metrics["iou"])
    row = next(
        line
        for line in markdown(results, tmp_path).splitlines()
        if line.startswith("| `tflite-int8`")
    )
    assert f"`{worst.photo}`" in row


def test_what_was_compared_with_the_baseline_is_said(results: Results, tmp_path: Path) -> None:
    assert "**Compared with `last-week.json`**: nothing is worse." in markdown(results, tmp_path)


def test_what_differs_from_the_baselines_run_stands_under_it(
    results: Results, tmp_path: Path
) -> None:
    page = html(results, tmp_path)
    assert "<li>another kind of processor: &lt;b&gt;arm64" in page


def test_the_kind_of_processor_stands_behind_its_name(results: Results, tmp_path: Path) -> None:
    assert "AMD EPYC 7763 (x86_64, avx2), " in html(results, tmp_path)


def test_no_baseline_no_word_of_it(results: Results, tmp_path: Path) -> None:
    bare = {
        target: artifact.model_copy(update={"gates": []})
        for target, artifact in results.artifacts.items()
    }
    alone = results.model_copy(update={"baseline": "", "artifacts": bare})
    assert "Compared" not in markdown(alone, tmp_path)


def test_names_and_reasons_are_text_whatever_they_hold(results: Results, tmp_path: Path) -> None:
    artifact = results.artifacts["keras"].model_copy(update={"target": HOSTILE, "reason": HOSTILE})
    hostile = results.model_copy(update={"bundle": HOSTILE, "artifacts": {"x": artifact}})
    page = html(hostile, tmp_path)
    assert "<img" not in page
    assert "<a " not in page
    # Nobody is notified: what follows the sign is not a name, outside of code.
    outside = re.sub(r"<code>.*?</code>", "", page, flags=re.DOTALL)
    assert not re.search(r"@\w", outside)
    # The one heading of the summary, and as many cells as the table's header has.
    assert len(re.findall(r"<h\d", page)) == 1
    table = page.split("</table>")[0]
    rows = [row for row in table.split("<tr>") if "<td" in row]
    assert {row.count("<td") for row in rows} == {table.count("<th>") + table.count("<th ")}
    # In code a pipe is a pipe, and the words are those of the name.
    assert "a|b `c` **d** &lt;img src=x onerror=alert(1)&gt;" in page
