"""What is finished is kept to the bit, and read by others as a table."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from maskport.artifacts.store import open_place
from maskport.errors import BundleError
from maskport.sweeps.outcomes import Outcomes
from maskport.validation.machine import this_machine
from maskport.validation.parts import Part
from maskport.validation.results import Photo

from ...sdks import needed

pyarrow = needed("pyarrow")

ABOUT = {
    **{"bundle": "b", "network": "n", "weights": "", "recipe": ""},
    **{"height": 4, "width": 6},
}


def part(*facts: dict[str, Any]) -> Part:
    return Part(
        photos=[Photo(name="a", width=6, height=4)],
        truth_left_out=["b: it has no mask"],
        reference_truth=[],
        reference_rows=["eJw="],
        device="cpu",
        device_name="",
        intact={"onnx-fp32": True},
        machine=this_machine(),
        threads=1,
        views=False,
        facts=list(facts),
        started="2026-11-27T00:00:00+00:00",
        total_s=0.1 + 0.2,
        inference_s=1 / 3,
        load_s=0.0,
    )


PHOTO = {
    "fact": "photo",
    "target": "onnx-fp32",
    "position": 0,
    "result": {
        "photo": "a",
        "metrics": {"mae": 1 / 3, "iou": 0.1 + 0.2},
        "class_iou": None,
        "truth": None,
        "flags": ["flat"],
    },
    "sweep": [1.0, 5e-324],
    "row": None,
}
LOADED = {"fact": "loaded", "target": "onnx-fp32", "runtime": "x", "emulated": False, "load_ms": 1}
ROUND = {"fact": "round", "target": "onnx-fp32", "times": [1.5, 2.5]}


def test_a_part_comes_back_to_the_bit(tmp_path: Path) -> None:
    outcomes = Outcomes(open_place(str(tmp_path)))
    made = part(LOADED, PHOTO)
    assert not outcomes.has_part("k") and outcomes.finished() == set()
    outcomes.keep_part("k", made, ABOUT)
    assert outcomes.part("k") == made
    assert outcomes.has_part("k") and outcomes.finished() == {"k"}


def test_other_tools_read_all_parts_as_one_table(tmp_path: Path) -> None:
    from pyarrow.dataset import dataset

    outcomes = Outcomes(open_place(str(tmp_path)))
    outcomes.keep_part("a", part(LOADED, ROUND), ABOUT)
    outcomes.keep_part("b", part(LOADED, PHOTO), ABOUT)
    table = dataset(tmp_path / "photos").to_table().to_pydict()
    assert table["mae"] == [None, None, None, 1 / 3]
    assert table["photo"] == [None, None, None, "a"]
    assert table["milliseconds"][1] == [1.5, 2.5] and table["flags"][3] == ["flat"]
    assert table["height"] == [4] * 4


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    outcomes = Outcomes(open_place(str(tmp_path)))
    outcomes.keep_part("k", part(PHOTO), ABOUT)
    file = tmp_path / "photos" / "k.parquet"
    whole = file.read_bytes()
    json = whole.index(b"fact") - 8
    flipped = whole[:json] + bytes([whole[json] ^ 1]) + whole[json + 1 :]
    for content in (b"", whole[:-20], b"PAR1" + bytes(40), flipped):
        file.write_bytes(content)
        with pytest.raises(BundleError, match=r"photos/k\.parquet"):
            outcomes.part("k")
    other = io.BytesIO()
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"json": ["{}"]}), other)
    file.write_bytes(other.getvalue())
    with pytest.raises(BundleError, match=r"photos/k\.parquet"):
        outcomes.part("k")


def test_a_bundles_rows_are_those_of_their_key(tmp_path: Path) -> None:
    outcomes = Outcomes(open_place(str(tmp_path)))
    assert outcomes.files("b", "k") is outcomes.files("b") is None
    outcomes.keep_files("b", "k", [{**ABOUT, "target": "t", "iou": 0.5}])
    (row,) = outcomes.files("b", "k") or []
    assert (row["target"], row["iou"], row["mae"]) == ("t", 0.5, None)
    assert outcomes.files("b", "other") is None
