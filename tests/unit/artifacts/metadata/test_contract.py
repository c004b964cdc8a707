"""One set of keys says how a file is used, whatever its format."""

from __future__ import annotations

import json

from maskport.artifacts.metadata.card import Card
from maskport.artifacts.metadata.contract import contract
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

CARD = Card("sky", "the author", "the licence", "0123456789ab", "Draws a sky", "its page")


def test_an_app_reads_how_a_photo_goes_in_and_what_comes_out() -> None:
    spec = ModelSpec("sky", ImageSpec(320, 256), MaskSpec(threshold=0.25, labels=("sky",)))
    said = contract(spec, CARD, "NCHW")
    assert json.loads(said.pop("maskport.spec")) == json.loads(json.dumps(spec.to_dict()))
    assert said == {
        "maskport.contract": "1",
        "maskport.name": "sky",
        "maskport.author": "the author",
        "maskport.license": "the licence",
        "maskport.source": "its page",
        "maskport.version": "0123456789ab",
        "maskport.description": "Draws a sky",
        "maskport.size": "320x256",
        "maskport.layout": "NCHW",
        "maskport.color_order": "RGB",
        "maskport.value_range": "0,1",
        "maskport.normalization": "in the graph",
        "maskport.mean": "0.485,0.456,0.406",
        "maskport.std": "0.229,0.224,0.225",
        "maskport.divide_by": "255",
        "maskport.resize_filter": "bilinear",
        "maskport.mask_range": "0,1",
        "maskport.mask_normalization": "none",
        "maskport.labels": '["sky"]',
        "maskport.threshold": "0.25",
    }


def test_the_files_colour_order_is_rgb_whatever_the_network_wants() -> None:
    image = ImageSpec(8, 8, color_order="BGR", value_range=(0, 255), divide_by="image-maximum")
    said = contract(ModelSpec("n", image, MaskSpec()), CARD, "NHWC")
    assert (said["maskport.color_order"], said["maskport.value_range"]) == ("RGB", "0,1")
    assert said["maskport.divide_by"] == "image-maximum"  # that is left to the app


def test_several_classes_have_names_and_no_threshold() -> None:
    labels = ("background", "upper, lower", "größer")
    spec = ModelSpec("cloth", ImageSpec(8, 8), MaskSpec(3, "softmax", labels=labels))
    said = contract(spec, CARD, "image")
    assert tuple(json.loads(said["maskport.labels"])) == labels
    assert "größer" in said["maskport.labels"]  # as people read it
    assert "maskport.threshold" not in said


def test_a_text_that_is_not_known_is_left_out() -> None:
    spec = ModelSpec("n", ImageSpec(8, 8), MaskSpec())
    assert "maskport.source" not in contract(spec, Card("n", "a", "l", "v", "d"), "NCHW")
