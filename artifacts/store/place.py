"""What a store is written to and read from: a folder, or a file system of fsspec's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from ...errors import BundleError
from ...outside.files import Kind

__all__ = ["BLOCK", "Absent", "Held", "Place"]

BLOCK = 1 << 20


class Absent(Exception):
    """A store holds nothing by that key."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a store says of one thing that it holds; the time where it says one."""

    bytes: int
    changed: datetime | None


class Place(ABC):
    """Keys are relative, with slashes, and never lead out of it.

    Every method raises a `MaskportError` where the store can't be used; none of them holds a
    password or a token.

    Attributes:
        shown: The store's address as it may be printed.
        stages: Whether what was begun to be written can be seen, so that everything is written
            under a key of its own first.
    """

    shown: str
    stages: ClassVar[bool] = True

    @abstractmethod
    def listed(self, under: str) -> dict[str, Held]:
        """Everything below a key; nothing where there is none."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Bytes that it has; none where there is no such thing."""

    @abstractmethod
    def blocks(self, key: str) -> Iterator[bytes]:
        """Its content, as long as whoever asks goes on.

        Raises:
            Absent: There is none.
        """

    @abstractmethod
    def upload(self, file: Path, key: str) -> None:
        """Write a file's content."""

    @abstractmethod
    def move(self, key: str, to: str) -> None:
        """Give something its name; what had it is replaced."""

    @abstractmethod
    def create(self, key: str, content: bytes) -> bool:
        """Write something small whole, if there is none yet.

        Returns:
            Whether there was none; of several at once, one is told so.
        """

    @abstractmethod
    def replace(self, key: str, content: bytes) -> None:
        """Write something small; the last one who does has it."""

    @abstractmethod
    def remove(self, key: str) -> None:
        """Remove something, if it is there and may be removed."""

    def read(self, key: str, kind: Kind) -> bytes:
        """All of something small.

        Raises:
            Absent: There is none.
            BundleError: It is larger than its kind may be.
        """
        content = bytearray()
        for block in self.blocks(key):
            content += block
            if len(content) > kind.most:
                raise BundleError(
                    f"{key} in {self.shown} is larger than {kind.name} may be ({kind.most:,} "
                    "bytes).",
                    "Don't use this store, or publish the bundle again.",
                )
        return bytes(content)
