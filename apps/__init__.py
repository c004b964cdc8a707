"""What people do with a mask: functions of a photo and whatever draws its mask."""

from .background import background
from .boxes import Box, boxes, crop
from .cloth import Clothes, cloth
from .cutout import cutout, mask
from .faces import Face, faces
from .highlight import drawn_boxes, heat_map, highlight
from .portrait import composite, portrait
from .segmenter import Segmenter
from .sky import sky, sky_mask

__all__ = [
    "Box",
    "Clothes",
    "Face",
    "Segmenter",
    "background",
    "boxes",
    "cloth",
    "composite",
    "crop",
    "cutout",
    "drawn_boxes",
    "faces",
    "heat_map",
    "highlight",
    "mask",
    "portrait",
    "sky",
    "sky_mask",
]
