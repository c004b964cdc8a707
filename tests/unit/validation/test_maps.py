"""What a run keeps for its report is what was drawn, also where that is no mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from maskport.validation.maps import MapStore


def test_masks_errors_and_photos_come_back(tmp_path: Path) -> None:
    maps = MapStore(tmp_path)
    mask = np.linspace(0, 1, 12, dtype=np.float32).reshape(1, 3, 4)
    maps.save_reference(0, mask)
    maps.save("onnx-fp32", 0, mask, np.full((3, 4), 0.25, np.float32))
    drawn, reference = maps.drawn("onnx-fp32", 0), maps.reference(0)
    assert drawn is not None and reference is not None
    np.testing.assert_array_equal(drawn.mask, np.rint(mask * 255).astype(np.uint8))
    np.testing.assert_array_equal(reference, drawn.mask)
    assert (drawn.error == np.float16(0.25)).all()
    assert maps.drawn("onnx-fp32", 1) is None and maps.photo(0) is None
    maps.save_photo(0, np.zeros((2000, 1000, 3), np.uint8))
    photo = maps.photo(0)
    assert photo is not None and photo[:2] == b"\xff\xd8"


@pytest.mark.filterwarnings("error")
def test_no_number_stays_none_and_a_huge_one_stays_huge(tmp_path: Path) -> None:
    maps = MapStore(tmp_path)
    error = np.array([[np.nan, 1e6], [0.5, 0.0]], np.float32)
    maps.save("x", 0, np.zeros((1, 2, 2), np.float32), error)
    drawn = maps.drawn("x", 0)
    assert drawn is not None
    assert np.isnan(drawn.error[0, 0])
    assert np.isfinite(drawn.error[0, 1]) and drawn.error[0, 1] > 1e4


def test_a_targets_name_cant_lead_out_of_the_folder(tmp_path: Path) -> None:
    maps = MapStore(tmp_path / "maps")
    maps.save("../../evil", 0, np.zeros((1, 2, 2), np.float32), np.zeros((2, 2), np.float32))
    assert [path.parent for path in tmp_path.rglob("*.npz")] == [tmp_path / "maps"]
