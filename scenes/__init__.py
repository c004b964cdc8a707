"""Generated photos with masks: an endless source from seeds, and a small fixed set."""

from .builtin import NamedPhoto, builtin_photos
from .seeded import Scene, scene

__all__ = ["NamedPhoto", "Scene", "builtin_photos", "scene"]
