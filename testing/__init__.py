"""For tests of your own: an exported file must draw the mask that PyTorch draws.

    from maskport.testing import assert_same_mask

    def test_the_app_gets_the_mask(assert_same_mask):  # or as a fixture, which needs no import
        assert_same_mask("exports/sky/sky-tflite-int8.tflite", photos="tests/photos", iou=0.99)

pytest finds the fixture by itself where maskport is installed; it costs no import until used.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from ..validation.results import Results

__all__ = ["assert_same_mask"]


def assert_same_mask(
    artifact: str | os.PathLike[str],
    reference: nn.Module | str | None = None,
    photos: str | os.PathLike[str] | None = None,
    *,
    iou: float | None = None,
    worst_iou: float | None = None,
    mae: float | None = None,
    worst_mae: float | None = None,
    gates: Sequence[str] = (),
    weights: str | os.PathLike[str] | None = None,
    html: str | os.PathLike[str] | None = None,
) -> Results:
    """Fail a test unless a file draws the mask of the PyTorch network on the same photos.

    What is measured, and how, is what ``maskport validate`` does; latency is left out.

    Args:
        artifact: A file (or a folder that its format calls a file) in a bundle, or a bundle, all
            of whose files are then meant. ``maskport adopt`` makes a bundle of other tools' files.
        reference: The untouched network, or ``"package.module:factory"``; where None, what the
            bundle was exported from.
        photos: Folder or list file; generated scenes where None.
        iou: The least mean intersection over union, in [0, 1].
        worst_iou: The least of any photo.
        mae: The most mean absolute error of masks in [0, 1].
        worst_mae: The most of any photo.
        gates: Others, as ``--gate`` takes them. Where neither these nor numbers are given for a
            quantity, the precision's own default holds.
        weights: A checkpoint, instead of the weights that the bundle holds.
        html: Where to write the report page, whatever comes of it.

    Returns:
        The results, for further assertions.

    Raises:
        AssertionError: A file fails, with what it reached, on which photo, and what was asked.
        InputError: Something given can't be used, which is no failure of the file.
    """
    __tracebackhide__ = True
    from ..validation.gates import assemble
    from ..validation.validate import validate

    bundle, targets = _in_bundle(Path(artifact))
    numbers = {"iou": iou, "worst_iou": worst_iou, "mae": mae, "worst_mae": worst_mae}
    asked = [
        f"{name} {'>=' if name.endswith('iou') else '<='} {float(value)!r}"
        for name, value in numbers.items()
        if value is not None
    ]
    results = validate(
        bundle,
        images=photos,
        targets=targets,
        network=reference,
        weights=weights,
        gates=assemble(None, [*asked, *gates]),
        latency="none",
        html=html,
    )
    failed = [found for found in results.artifacts.values() if found.status != "passed"]
    if failed:
        told = "\n".join(f"{found.target}: {found.reason}" for found in failed)
        page = f"\nSee {Path(html)}." if html is not None else ""
        raise AssertionError(f"not the mask that PyTorch draws\n{told}{page}")
    return results


def _in_bundle(path: Path) -> tuple[Path, list[str]]:
    """The bundle that a file is in, and its target; of a bundle, all of them.

    Raises:
        UsageError: The file is in none.
    """
    from ..artifacts.bundle import MANIFEST, load_bundle
    from ..errors import UsageError

    if (path / MANIFEST).is_file():
        return path, ["all"]
    for folder in path.absolute().parents:
        if (folder / MANIFEST).is_file():
            name = path.absolute().relative_to(folder).as_posix()
            for artifact in load_bundle(folder).manifest.artifacts:
                if artifact.path == name:
                    return folder, [artifact.target]
            break
    raise UsageError(
        f"{path} is no file of a bundle, so nothing says what it should draw.",
        "Give a file that `maskport export` made, or adopt it: maskport adopt.",
    )
