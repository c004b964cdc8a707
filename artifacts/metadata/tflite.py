"""TFLite's metadata: what MediaPipe, Android Studio and Netron read of a file besides its graph."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from .card import Card
from .flatbuffer import Schema

__all__ = ["METADATA_NAME", "SCHEMA", "metadata_of", "read_metadata", "with_labels"]

METADATA_NAME = "TFLITE_METADATA"
"""What the entry in the file's own list is called."""

_IDENTIFIER = b"M001"
_LABELS = "labels.txt"
# CustomMetadata came with this version of the schema.
_PARSER = "1.5.0"
# MediaPipe's segmenter looks for its options, a flatbuffer of another schema, under this name.
_SEGMENTER, _SEGMENTER_IDENTIFIER = "SEGMENTER_METADATA", b"V001"

# The part that is used of MediaPipe's metadata_schema.fbs 1.5.0 and of
# image_segmenter_metadata_schema.fbs 1.0.0. Places count, so tables and unions are whole up to the
# last field that is used.
SCHEMA = Schema("""
enum AssociatedFileType : byte { UNKNOWN, DESCRIPTIONS, TENSOR_AXIS_LABELS }
table AssociatedFile { name:string; description:string; type:AssociatedFileType; }
enum ColorSpaceType : byte { UNKNOWN, RGB, GRAYSCALE }
table FeatureProperties { }
table ImageProperties { color_space:ColorSpaceType; }
union ContentProperties { FeatureProperties, ImageProperties }
table ValueRange { min:int; max:int; }
table Content { content_properties:ContentProperties; range:ValueRange; }
table NormalizationOptions { mean:[float]; std:[float]; }
union ProcessUnitOptions { NormalizationOptions }
table ProcessUnit { options:ProcessUnitOptions; }
table Stats { max:[float]; min:[float]; }
table TensorMetadata {
  name:string; description:string; dimension_names:[string]; content:Content;
  process_units:[ProcessUnit]; stats:Stats; associated_files:[AssociatedFile];
}
table TensorGroup { name:string; tensor_names:[string]; }
table CustomMetadata { name:string; data:[ubyte]; }
table SubGraphMetadata {
  name:string; description:string;
  input_tensor_metadata:[TensorMetadata]; output_tensor_metadata:[TensorMetadata];
  associated_files:[AssociatedFile];
  input_process_units:[ProcessUnit]; output_process_units:[ProcessUnit];
  input_tensor_groups:[TensorGroup]; output_tensor_groups:[TensorGroup];
  custom_metadata:[CustomMetadata];
}
table ModelMetadata {
  name:string; description:string; version:string; subgraph_metadata:[SubGraphMetadata];
  author:string; license:string; associated_files:[AssociatedFile]; min_parser_version:string;
}
enum Activation : byte { NONE, SIGMOID, SOFTMAX }
table ImageSegmenterOptions { activation:Activation; min_parser_version:string; }
""")


def metadata_of(card: Card, *, largest: float, planes: bool = False) -> bytes:
    """The metadata of a file that keeps our contract, as a flatbuffer.

    Readers that are given a photo compute (pixel - mean) / std, and quantise that where the file
    takes bytes, or leave bytes as they are; with mean 0 and std 255 both are the contract's.

    Args:
        card: Texts.
        largest: What white is as the file stores it: 1.0, or 255.0 where it takes bytes.
        planes: It is laid out NCHW.
    """
    labels = {"name": _LABELS, "description": "Names of the mask's channels."}
    image = {
        "name": "image",
        "description": "The photo.",
        "content": {"content_properties": ("ImageProperties", {"color_space": "RGB"})},
        "process_units": [{"options": ("NormalizationOptions", {"mean": [0.0], "std": [255.0]})}],
        "stats": {"max": [largest], "min": [0.0]},
    }
    mask = {
        "name": "mask",
        "description": "How surely a pixel belongs to each label, from 0 to 1.",
        "content": {
            "content_properties": ("ImageProperties", {"color_space": "GRAYSCALE"}),
            # The dimensions of rows and columns.
            "range": {"min": 2, "max": 3} if planes else {"min": 1, "max": 2},
        },
        "associated_files": [{**labels, "type": "TENSOR_AXIS_LABELS"}],
    }
    options = {"activation": "NONE", "min_parser_version": "1.0.0"}
    segmenter = SCHEMA.write("ImageSegmenterOptions", options, _SEGMENTER_IDENTIFIER)
    model = {
        "name": card.name,
        "description": card.description,
        "version": card.version,
        "subgraph_metadata": [
            {
                "input_tensor_metadata": [image],
                "output_tensor_metadata": [mask],
                # MediaPipe's, which feeds pixels.
                "custom_metadata": [] if planes else [{"name": _SEGMENTER, "data": segmenter}],
            }
        ],
        "author": card.author,
        "license": card.license,
        "min_parser_version": _PARSER,
    }
    return SCHEMA.write("ModelMetadata", model, _IDENTIFIER)


def with_labels(model: bytes, labels: tuple[str, ...]) -> bytes:
    """A file with the labels that its metadata names: behind the flatbuffer, as a ZIP archive whose
    offsets count from the file's begin.

    Args:
        model: The flatbuffer.
        labels: Names of the mask's channels.
    """
    # Not in mode "a", which looks for an archive in the weights.
    out = io.BytesIO(model)
    out.seek(0, io.SEEK_END)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        entry = zipfile.ZipInfo(_LABELS)  # of 1980, on every day
        entry.create_system = 3  # and Unix, on every system
        archive.writestr(entry, "\n".join(labels))
    return out.getvalue()


def read_metadata(metadata: bytes) -> dict[str, Any]:
    """Metadata as `SCHEMA` has it; of other writers' as much as is in `SCHEMA`.

    Raises:
        ValueError: It is damaged.
    """
    return SCHEMA.read("ModelMetadata", metadata)
