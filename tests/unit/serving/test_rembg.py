"""Clients that were written for rembg's server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from .conftest import HEIGHT, WIDTH, decoded

Client = Callable[..., Any]


def removed(client: Any, photo: bytes, query: str = "", **fields: str) -> Any:
    """As its README posts: ``curl -F file=@… /api/remove``, options as fields of the form."""
    return client.post(f"/api/remove{query}", files={"file": ("a.png", photo)}, data=fields)


def test_a_photo_comes_back_as_a_png_without_its_background(client: Client, photo: bytes) -> None:
    response = removed(client(), photo)
    image = decoded(response.content)
    assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (WIDTH, HEIGHT))
    assert image.getpixel((0, 0))[3] == 0


@pytest.mark.parametrize("as_query", [False, True])
def test_parameters_are_taken_from_the_form_and_from_the_query(
    client: Client, photo: bytes, as_query: bool
) -> None:
    asked = client()
    answer = removed(asked, photo, "?om=true") if as_query else removed(asked, photo, om="true")
    assert decoded(answer.content).mode == "L"


def test_all_of_rembg_s_parameters_are_taken(client: Client, photo: bytes) -> None:
    fields = {"model": "u2net", "a": "false", "af": "240", "ab": "10", "ae": "10"}
    response = removed(
        client(), photo, "?bgc=0,0,255,255&extras={}", **fields, om="false", ppm="true"
    )
    pixels = np.asarray(decoded(response.content))
    # u2net is the network of `dark`, whose object is the left half.
    assert tuple(pixels[0, 0]) == (0, 0, 0, 255)
    assert tuple(pixels[0, -1]) == (0, 0, 255, 255)


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"model": "isnet-anime"}, 404, "not served"),
        ({"af": "256"}, 422, "af:"),
        ({"bgc": "1,2,3"}, 422, "four numbers"),
    ],
)
def test_what_it_refuses_is_refused(
    client: Client, photo: bytes, fields: dict[str, str], status: int, words: str
) -> None:
    response = removed(client(), photo, **fields)
    assert response.status_code == status
    assert words in response.json()["error"]


def test_nothing_is_fetched_from_the_network(client: Client) -> None:
    response = client().get("/api/remove", params={"url": "http://169.254.169.254/"})
    assert response.status_code == 400
    assert "fetches no addresses" in response.json()["error"]
    assert response.json()["remedy"]
