"""A server that offers networks which take the brightness of a photo for its mask."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from maskport.apps.segmenter import Map, Segmenter
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

HEIGHT, WIDTH = 32, 48


def half_white(height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """Black, with a white right half."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, width // 2 :] = 255
    return pixels


@pytest.fixture
def photo() -> bytes:
    return encoded(half_white())


def encoded(pixels: NDArray[np.uint8], kind: str = "PNG", **options: Any) -> bytes:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, kind, **options)
    return written.getvalue()


def decoded(body: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(body))
    image.load()
    return image


class Network:
    """Something to offer; counts how often it is open, and can be held up or made to fail."""

    def __init__(self, negative: bool = False) -> None:
        self.negative = negative
        self.opened = self.closed = self.drawn = 0
        self.go_on = threading.Event()
        self.go_on.set()
        self.begun = threading.Semaphore(0)
        self.errors: list[Exception] = []
        self.refusal: Exception | None = None

    @contextmanager
    def open(self) -> Iterator[Segmenter]:
        if self.refusal is not None:
            raise self.refusal
        self.opened += 1
        spec = ModelSpec("bright", ImageSpec(HEIGHT, WIDTH), MaskSpec(), output=0)
        try:
            yield Segmenter(spec, self._draw, "bright.onnx (a runtime)")
        finally:
            self.closed += 1

    def _draw(self, image: Map) -> Map:
        self.begun.release()
        assert self.go_on.wait(20)
        if self.errors:
            raise self.errors.pop(0)
        self.drawn += 1
        mask: Map = image.mean(1, keepdims=True)
        return 1 - mask if self.negative else mask


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network()
    yield made
    made.go_on.set()


@pytest.fixture
def client(network: Network) -> Iterator[Callable[..., Any]]:
    """Makes a client of a server of two networks, ``bright`` and ``dark``."""
    pytest.importorskip("fastapi", reason="needs maskport[serve]")
    pytest.importorskip("python_multipart", reason="needs maskport[serve]")
    from starlette.testclient import TestClient

    from maskport.serving.app import make_app
    from maskport.serving.guard import LOOPBACK, Limits
    from maskport.serving.offers import Offer, Offers
    from maskport.serving.pool import Pool

    pools = []

    def make(workers: int = 2, **limits: Any) -> Any:
        offers = Offers(
            [
                Offer("bright", "u2netp", "onnx-fp32", 7, ("mask",), network.open),
                Offer("dark", "u2net", "onnx-int8", 5, ("mask",), Network(negative=True).open),
            ]
        )
        pool = Pool(workers)
        pools.append(pool)
        chosen = {"upload": 1_000_000, "pixels": 1_000_000, "waiting": 8, **limits}
        app = make_app(offers, pool, Limits(**chosen), LOOPBACK)
        return TestClient(app, base_url="http://127.0.0.1:8765", raise_server_exceptions=False)

    yield make
    network.go_on.set()
    for pool in pools:
        pool.close()
