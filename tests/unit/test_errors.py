"""What errors say to do."""

from __future__ import annotations

import pytest

from maskport.errors import InputError, did_you_mean

TARGETS = ("onnx-fp32", "onnx-fp16", "tflite-int8")
PARTS = ("net.stage1.conv", "net.stage2.conv", "net.stage2", "net.head")


@pytest.mark.parametrize(
    ("name", "known", "most", "hint"),
    [
        ("onnx-fp61", TARGETS, 1, "Did you mean onnx-fp16? "),
        ("onnx-fp61", TARGETS, 2, "Did you mean onnx-fp16 or onnx-fp32? "),
        ("keras", TARGETS, 3, ""),
        ("onnx-fp61", (), 1, ""),
        ("head", PARTS, 1, "Did you mean net.head? "),
        ("conv", PARTS, 3, "Did you mean net.stage1.conv or net.stage2.conv? "),
        ("conv", PARTS, 1, "Did you mean net.stage1.conv? "),
    ],
)
def test_near_names_are_suggested(name: str, known: tuple[str, ...], most: int, hint: str) -> None:
    assert did_you_mean(name, iter(known), most) == hint


def test_what_a_file_says_is_cut_in_an_error() -> None:
    error = InputError(f"gates.toml: {'A' * 70_000} is no metric.", "Correct it.")
    assert error.what.startswith("gates.toml: AAA") and error.what.endswith("is no metric.")
    assert len(str(error)) < 5000 and "66,026 characters" in error.what
