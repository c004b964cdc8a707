"""A manifest that says something else than its file is told so, thing by thing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maskport.artifacts.inspect.declared import Declared, Port, differences
from maskport.artifacts.manifest import Tensor, TensorQuantization

BYTE = TensorQuantization(scale=1 / 255, zero_point=0)
IMAGE = Tensor(name="image", shape=[1, 3, 4, 5], dtype="float32", layout="NCHW")
MASK = Tensor(name="mask", shape=[1, 1, 4, 5], dtype="float32", layout="NCHW")
FILE = Declared(
    inputs=(Port("image", (1, 3, 4, 5), "float32"),),
    outputs=(Port("mask", (1, 1, 4, 5), "float32"),),
    operators=("Conv",),
)


def told(port: Port, tensor: Tensor = MASK) -> list[str]:
    return differences([IMAGE], [tensor], replace(FILE, outputs=(port,)))


def test_a_file_that_is_as_the_manifest_says_is_fine() -> None:
    assert differences([IMAGE], [MASK], FILE) == []


def test_another_type_is_named_with_both() -> None:
    assert told(Port("mask", (1, 1, 4, 5), "bool")) == [
        "the manifest says mask float32, the file gives bool"
    ]


def test_another_name_is_what_an_app_would_look_for_in_vain() -> None:
    assert told(Port("output_0", (1, 1, 4, 5), "float32")) == [
        "the manifest calls what it gives mask, the file output_0"
    ]


@pytest.mark.parametrize(
    ("shape", "text"), [((1, 4, 5, 1), "1x4x5x1"), ((1, 1, None, 5), "1x1x?x5"), ((), "one number")]
)
def test_another_or_an_open_size_is_named(shape: tuple[int | None, ...], text: str) -> None:
    assert told(Port("mask", shape, "float32")) == [
        f"the manifest says mask 1x1x4x5, the file gives {text}"
    ]


def test_an_image_is_no_array() -> None:
    assert told(Port("mask", (1, 1, 4, 5), "float32", image=True)) == [
        "the manifest says mask an array, the file gives an image"
    ]


def test_what_the_format_doesnt_say_is_not_compared() -> None:
    assert told(Port()) == []


def test_a_scale_is_compared_as_files_keep_it() -> None:
    mask = MASK.model_copy(update={"dtype": "uint8", "quantization": BYTE})
    # 1/255 in float32
    kept = TensorQuantization(scale=0.003921568859368563, zero_point=0)
    assert told(Port("mask", (1, 1, 4, 5), "uint8", quantization=kept), mask) == []
    other = TensorQuantization(scale=1 / 256, zero_point=0)
    (text,) = told(Port("mask", (1, 1, 4, 5), "uint8", quantization=other), mask)
    assert "scale 0.00392156863" in text and "scale 0.00390625" in text
    (text,) = told(Port("mask", (1, 1, 4, 5), "uint8"), mask)
    assert text.endswith("the file gives no scale")


def test_another_number_of_tensors_is_told_before_all_else() -> None:
    assert differences([IMAGE], [MASK], replace(FILE, outputs=())) == [
        "the manifest says that it gives 1 tensors, the file gives 0"
    ]
