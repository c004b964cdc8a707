"""The docs' pictures of applications: what the notebook of the examples shows, on generated photos.

    pip install -c constraints.txt '.[all,video]' --group test
    python docs/pictures.py

A cell's picture is called after the cell: that of ``cutout`` is ``docs/apply-cutout.jpg``.
"""

from __future__ import annotations

import base64
import io
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

DOCS = Path(__file__).resolve().parent
NOTEBOOK = DOCS.parent / "examples" / "walkthrough.ipynb"


def main() -> None:
    notebook = nbformat.read(NOTEBOOK, 4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, resources={"metadata": {"path": folder}}).execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if png := output.get("data", {}).get("image/png"):
                picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
                picture.save(DOCS / f"apply-{cell.id}.jpg", quality=85, optimize=True)
                print(f"apply-{cell.id}.jpg: {picture.width} x {picture.height}")


if __name__ == "__main__":
    main()
