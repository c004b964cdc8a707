"""What people do with a mask: functions of a photo and whatever draws its mask."""

from .background import background
from .boxes import Box, boxes, crop
from .cutout import cutout, mask
from .highlight import drawn_boxes, heat_map, highlight
from .segmenter import Segmenter

__all__ = [
    "Box",
    "Segmenter",
    "background",
    "boxes",
    "crop",
    "cutout",
    "drawn_boxes",
    "heat_map",
    "highlight",
    "mask",
]
