"""Stores: bundles in a folder, a bucket or on a hub, by name and version.

``docs/store.md`` has the layout, and what it promises.
"""

from __future__ import annotations

from .listing import Listed, listed
from .opening import open_place
from .place import Place
from .publishing import Published, publish
from .pulling import Pulled, pull

__all__ = ["Listed", "Place", "Published", "Pulled", "listed", "open_place", "publish", "pull"]
