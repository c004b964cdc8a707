"""The cache by content: what exports have made, by what it depended on.

``docs/cache.md`` has what is kept, what a key is made of, and what is never taken from it.
"""

from __future__ import annotations

from .entries import CacheEntry, Damaged, Parts, changed, key_of
from .limits import age_of, chosen_limit, default_limit, size_of
from .store import Cache, Kept

__all__ = [
    "Cache",
    "CacheEntry",
    "Damaged",
    "Kept",
    "Parts",
    "age_of",
    "changed",
    "chosen_limit",
    "default_limit",
    "key_of",
    "size_of",
]
