"""Generated photos with masks: an endless source from seeds, and a small fixed set."""

from .seeded import NamedPhoto, Scene, builtin_photos, scene

__all__ = ["NamedPhoto", "Scene", "builtin_photos", "scene"]
