"""TFLite's metadata is what its readers know: MediaPipe's own schema reads the same of it."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskport.artifacts.metadata.card import Card
from maskport.artifacts.metadata.flatbuffer import Schema
from maskport.artifacts.metadata.tflite import SCHEMA, metadata_of, read_metadata, with_labels

pytestmark = pytest.mark.sdk

flatbuffers = pytest.importorskip("flatbuffers", reason="needs maskport[tflite]")

CARD = Card("sky", "the author", "Apache-2.0", "0123456789ab", "Finds the sky – by day.")


@pytest.fixture(scope="module")
def theirs() -> Path:
    """The folder of MediaPipe's schemas; nothing of MediaPipe is imported."""
    found = importlib.util.find_spec("mediapipe")
    if found is None or found.origin is None:
        pytest.skip("needs maskport[mediapipe]")
    return Path(found.origin).parent / "tasks" / "metadata"


def generated(folder: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}_py_generated.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_schema_is_a_part_of_mediapipes(theirs: Path) -> None:
    names = ("metadata_schema.fbs", "image_segmenter_metadata_schema.fbs")
    whole = Schema("\n".join((theirs / name).read_text(encoding="utf-8") for name in names))
    for ours, known in (
        (SCHEMA.tables, whole.tables),
        (SCHEMA.unions, whole.unions),
        (SCHEMA.enums, whole.enums),
    ):
        for name, entries in ours.items():
            assert entries == known[name][: len(entries)], name


def test_mediapipes_schema_reads_what_was_written(theirs: Path) -> None:
    schema = generated(theirs, "metadata_schema")
    data = metadata_of(CARD, largest=1.0)
    assert schema.ModelMetadata.ModelMetadataBufferHasIdentifier(data, 0)
    model = schema.ModelMetadataT.InitFromPackedBuf(data, 0)
    texts = (model.name, model.author, model.license, model.version, model.description)
    assert [text.decode() for text in texts] == [
        *(CARD.name, CARD.author, CARD.license, CARD.version, CARD.description)
    ]
    assert model.minParserVersion == b"1.5.0"
    (graph,) = model.subgraphMetadata
    (image,), (mask,) = graph.inputTensorMetadata, graph.outputTensorMetadata
    assert image.content.contentProperties.colorSpace == schema.ColorSpaceType.RGB
    (unit,) = image.processUnits
    assert unit.optionsType == schema.ProcessUnitOptions.NormalizationOptions
    assert (list(unit.options.mean), list(unit.options.std)) == ([0.0], [255.0])
    assert (list(image.stats.min), list(image.stats.max)) == ([0.0], [1.0])
    assert mask.content.contentProperties.colorSpace == schema.ColorSpaceType.GRAYSCALE
    assert (mask.content.range.min, mask.content.range.max) == (1, 2)
    (labels,) = mask.associatedFiles
    assert labels.name == b"labels.txt"
    assert labels.type == schema.AssociatedFileType.TENSOR_AXIS_LABELS
    (custom,) = graph.customMetadata
    assert custom.name == b"SEGMENTER_METADATA"
    segmenter = generated(theirs, "image_segmenter_metadata_schema")
    options = bytes(custom.data)
    known = segmenter.ImageSegmenterOptions
    assert known.ImageSegmenterOptionsBufferHasIdentifier(options, 0)
    assert segmenter.ImageSegmenterOptionsT.InitFromPackedBuf(options, 0).activation == 0


def test_what_was_written_is_read_back() -> None:
    found = read_metadata(metadata_of(CARD, largest=255.0))
    assert found["description"] == CARD.description
    (graph,) = found["subgraph_metadata"]
    (image,) = graph["input_tensor_metadata"]
    assert image["process_units"] == [
        {"options": ("NormalizationOptions", {"mean": [0.0], "std": [255.0]})}
    ]
    assert image["stats"] == {"max": [255.0], "min": [0.0]}
    options = SCHEMA.read("ImageSegmenterOptions", graph["custom_metadata"][0]["data"])
    assert options["min_parser_version"] == "1.0.0"


def test_files_of_planes_are_none_of_mediapipes() -> None:
    (graph,) = read_metadata(metadata_of(CARD, largest=1.0, planes=True))["subgraph_metadata"]
    assert not graph.get("custom_metadata")
    (mask,) = graph["output_tensor_metadata"]
    assert mask["content"]["range"] == {"min": 2, "max": 3}


def test_equal_texts_give_equal_bytes() -> None:
    assert metadata_of(CARD, largest=1.0) == metadata_of(CARD, largest=1.0)
    assert with_labels(b"TFL3", ("mask",)) == with_labels(b"TFL3", ("mask",))


def test_labels_are_an_archive_behind_the_file() -> None:
    # The end of an archive, as weights may have it by chance: it is none of ours.
    model = bytes(64) + struct.pack("<4s18x", b"PK\x05\x06")
    packed = with_labels(model, ("upper body", "Hose", "robe à volants"))
    assert packed.startswith(model)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        (entry,) = archive.infolist()
        assert entry.compress_type == zipfile.ZIP_STORED
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        # Readers of TFLite's metadata count from the file's begin.
        assert packed[entry.header_offset :].startswith(b"PK\x03\x04")
        assert archive.read("labels.txt").decode() == "upper body\nHose\nrobe à volants"


def test_a_field_that_the_schema_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="Stats has no mean"):
        SCHEMA.write("Stats", {"mean": [1.0]}, b"M001")


def test_what_newer_writers_add_is_passed_over() -> None:
    newer = Schema("""
        enum ColorSpaceType : byte { UNKNOWN, RGB, GRAYSCALE, CMYK }
        table ImageSize { width:uint; height:uint; }
        table ImageProperties { color_space:ColorSpaceType; default_size:ImageSize; }
        table AudioProperties { }
        union ContentProperties { A, ImageProperties, C, AudioProperties }
        table Content { content_properties:ContentProperties; }
    """)
    size = {"width": 3, "height": 4}
    image = ("ImageProperties", {"color_space": "CMYK", "default_size": size})
    data = newer.write("Content", {"content_properties": image}, b"M001")
    assert newer.read("Content", data) == {"content_properties": image}
    found = SCHEMA.read("Content", data)
    assert found == {"content_properties": ("ImageProperties", {"color_space": 3})}
    data = newer.write("Content", {"content_properties": ("AudioProperties", {})}, b"M001")
    assert SCHEMA.read("Content", data) == {}


def test_damaged_metadata_is_an_error_that_is_known() -> None:
    data = np.frombuffer(metadata_of(CARD, largest=1.0), np.uint8)
    chance = np.random.default_rng(0)
    for _ in range(500):
        damaged = data.copy()
        damaged[chance.integers(0, data.size, 4)] = chance.integers(0, 256, 4)
        with contextlib.suppress(ValueError):
            read_metadata(damaged.tobytes())
