"""The notebook of the examples: every cell runs, and shows what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ..sdks import needed

NOTEBOOK = Path(__file__).parents[2] / "examples" / "walkthrough.ipynb"

pytestmark = [pytest.mark.sdk, pytest.mark.slow]


@pytest.fixture(scope="module")
def notebook() -> Any:
    return pytest.importorskip("nbformat", reason="needs the test group").read(NOTEBOOK, 4)


@pytest.fixture(scope="module")
def executed(notebook: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], Path]:
    """Its cells of code after a run in an empty folder."""
    nbclient = pytest.importorskip("nbclient", reason="needs the test group")
    pytest.importorskip("ipykernel", reason="needs the test group")
    pytest.importorskip("av", reason="needs maskport[video]")
    for module, extra in (
        ("onnx", "onnx"),
        ("ai_edge_litert", "tflite"),
        ("coremltools", "coreml"),
    ):
        needed(module, extra)
    folder = tmp_path_factory.mktemp("walkthrough")
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=600, resources=resources).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"], folder


def pictures_of(cell: Any) -> int:
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def test_it_comes_without_results() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert '"output_type"' not in text
    assert text.count('"execution_count": null') == text.count('"cell_type": "code"')


def test_applications_show_pictures_and_the_rest_says_what_it_made(
    executed: tuple[list[Any], Path],
) -> None:
    cells, folder = executed
    for cell in cells:
        calls = [line for line in cell.source.splitlines() if line.startswith("beside(")]
        assert pictures_of(cell) == len(calls)
    printed = "".join(output.get("text", "") for cell in cells for output in cell.outputs)
    assert printed.count("passed: MAE") == 2
    assert "12 frames, 1 seconds" in printed
    assert (folder / "exports/walkthrough/gallery/index.html").is_file()


def test_it_walks_through_every_application(executed: tuple[list[Any], Path]) -> None:
    import maskport.apps

    functions = {name for name in maskport.apps.__all__ if name[0].islower()}
    source = "\n".join(cell.source for cell in executed[0])
    # Faces need OpenCV, which a setup of its own brings; a sky's mask is a mask.
    assert {name for name in functions if f"{name}(" not in source} == {"faces", "sky_mask"}
