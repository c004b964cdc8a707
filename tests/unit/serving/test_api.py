"""What the server's addresses give, and what they refuse."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from maskport.errors import LostError, MissingToolError, RunnerError

from .conftest import HEIGHT, WIDTH, Network, decoded, encoded, half_white

Client = Callable[..., Any]


def sent(client: Any, address: str, photo: bytes, **more: Any) -> Any:
    return client.post(address, files={"file": ("me.png", photo), **more})


def problem(response: Any, status: int) -> str:
    assert response.status_code == status, response.text
    said = response.json()
    assert said.keys() == {"error", "remedy"}
    assert "/" not in said["error"], "a path of the server's"
    return str(said["error"])


def test_a_cutout_is_the_object_on_nothing(client: Client, photo: bytes) -> None:
    response = sent(client(), "/cutout", photo)
    assert response.headers["content-type"] == "image/png"
    image = decoded(response.content)
    assert (image.mode, image.size) == ("RGBA", (WIDTH, HEIGHT))
    alpha = np.asarray(image)[..., 3]
    assert (alpha[:, :20] == 0).all()
    assert (alpha[:, 28:] == 255).all()


def test_another_artifact_is_chosen_by_its_name(client: Client, photo: bytes) -> None:
    alpha = np.asarray(decoded(sent(client(), "/mask?artifact=dark", photo).content))
    assert alpha[0, 0] == 255
    assert alpha[0, -1] == 0


@pytest.mark.parametrize(
    ("address", "kind", "mode"),
    [
        ("/cutout?format=webp", "WEBP", "RGBA"),
        ("/cutout?mask_only=true", "PNG", "L"),
        ("/cutout?refine=1&clean=0", "PNG", "RGBA"),
        ("/background?color=red", "JPEG", "RGB"),
        ("/background?blur=2&format=png", "PNG", "RGB"),
        ("/highlight", "JPEG", "RGB"),
        ("/highlight?style=heat&format=webp", "WEBP", "RGB"),
        ("/boxes?format=png", "PNG", "RGB"),
        ("/crop", "JPEG", "RGB"),
        ("/mask", "PNG", "L"),
        ("/mask?class=0", "PNG", "L"),
    ],
)
def test_each_application_gives_a_picture(
    client: Client, photo: bytes, address: str, kind: str, mode: str
) -> None:
    response = sent(client(), address, photo)
    assert response.status_code == 200, response.text
    image = decoded(response.content)
    assert (image.format, image.mode) == (kind, mode)


def test_a_background_can_be_a_picture(client: Client, photo: bytes) -> None:
    green = encoded(np.full((10, 10, 3), (0, 255, 0), np.uint8))
    response = sent(client(), "/background?format=png", photo, picture=("b.png", green))
    pixels = np.asarray(decoded(response.content))
    assert tuple(pixels[0, 0]) == (0, 255, 0)
    assert tuple(pixels[0, -1]) == (255, 255, 255)


def test_boxes_are_numbers(client: Client, photo: bytes) -> None:
    response = sent(client(), "/boxes", photo)
    said = response.json()
    assert (said["width"], said["height"]) == (WIDTH, HEIGHT)
    (box,) = said["boxes"]
    assert (box["left"], box["top"], box["height"]) == (WIDTH // 2, 0, HEIGHT)


def test_a_crop_has_the_aspect_that_is_asked_for(client: Client, photo: bytes) -> None:
    image = decoded(sent(client(), "/crop?aspect=0.5&margin=0", photo).content)
    assert abs(image.width / image.height - 0.5) < 0.3  # the photo ends where it ends
    assert image.width < WIDTH


def test_a_response_says_what_took_how_long(client: Client, photo: bytes) -> None:
    timing = sent(client(), "/cutout", photo).headers["server-timing"]
    assert [lap.split(";")[0] for lap in timing.split(", ")] == [
        *("wait", "read", "apply", "draw", "write")
    ]


def test_what_is_served_can_be_asked_for(client: Client) -> None:
    said = client().get("/artifacts").json()
    assert [row["name"] for row in said["artifacts"]] == ["bright", "dark"]
    assert said["max_upload_bytes"] == 1_000_000
    assert client().get("/health").json() == {"requests": 0, "max_requests": 8}


def test_the_schema_has_every_parameter_with_its_type(client: Client) -> None:
    paths = client().get("/openapi.json").json()["paths"]
    assert {"/cutout", "/background", "/highlight", "/boxes", "/crop", "/mask"} <= paths.keys()
    rows = {row["name"]: row["schema"] for row in paths["/background"]["post"]["parameters"]}
    assert rows["blur"]["maximum"] == 20
    assert rows["format"]["enum"] == ["png", "webp", "jpeg"]
    assert rows["class"]["anyOf"][0]["minimum"] == 0
    assert {"413", "429", "504"} <= paths["/cutout"]["post"]["responses"].keys()


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/cutout?artifact=nothing", 404, "not served"),
        ("/cutout?artifact=../../etc/passwd", 404, None),
        ("/cutout?colour=red", 422, "colour: Extra"),
        ("/background", 422, "not one new background"),
        ("/background?color=red&blur=1", 422, "not one new background"),
        ("/background?color=nocolor", 422, "no color"),
        ("/boxes?color=nocolor", 422, "no color"),
        ("/background?blur=21", 422, "blur: Input should be less"),
        ("/mask?class=3", 422, "no class 3"),
        ("/mask?format=tiff", 422, "format: Input should be"),
        ("/nothing", 404, "nothing here"),
    ],
)
def test_what_can_t_be_done_is_refused_with_a_reason(
    client: Client, photo: bytes, address: str, status: int, words: str | None
) -> None:
    response = sent(client(), address, photo)
    if words is None:  # names are told as they were given, and escaped
        assert response.status_code == status
    else:
        assert words in problem(response, status)


def test_a_name_comes_back_as_text(client: Client, photo: bytes) -> None:
    response = sent(client(), "/cutout?artifact=<script>alert(1)</script>", photo)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image"),
        (b"P6 1 1 255 abc", "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (encoded(half_white())[:60], "The photo"),
    ],
    ids=["empty", "PostScript", "PPM", "SVG", "truncated"],
)
def test_what_is_no_photo_is_refused(client: Client, body: bytes, words: str) -> None:
    said = problem(sent(client(), "/cutout", body), 422)
    assert words in said


def test_a_request_without_a_photo_is_refused(client: Client) -> None:
    assert "file" in problem(client().post("/cutout"), 422)
    assert "file" in problem(client().post("/cutout", data={"file": "/etc/passwd"}), 422)


def test_a_photo_of_too_many_pixels_is_refused_before_it_is_decoded(client: Client) -> None:
    bomb = encoded(np.zeros((2000, 3000, 3), np.uint8))
    assert "3000 x 2000" in problem(sent(client(), "/cutout", bomb), 422)


def test_an_upload_that_says_it_is_too_large_is_refused(client: Client, network: Network) -> None:
    said = problem(sent(client(upload=1000), "/cutout", bytes(2000)), 413)
    assert "0.001 MB" in said
    assert network.opened == 0


def test_an_upload_that_turns_out_too_large_is_refused(client: Client, photo: bytes) -> None:
    read = 0

    def pieces() -> Any:
        nonlocal read
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(100):
            read += 1
            yield bytes(1000)

    headers = {"content-type": "multipart/form-data; boundary=x"}
    problem(client(upload=5000).post("/cutout", content=pieces(), headers=headers), 413)


def test_more_than_may_wait_are_refused(client: Client, photo: bytes, network: Network) -> None:
    network.go_on.clear()
    asked = client(workers=1, waiting=3)
    with asked, ThreadPoolExecutor(3) as threads:
        first = [threads.submit(sent, asked, "/cutout", photo) for _ in range(3)]
        wait_until(lambda: asked.get("/health").json()["requests"] == 3)
        refused = sent(asked, "/cutout", photo)
        assert "Too many" in problem(refused, 429)
        assert refused.headers["retry-after"] == "1"
        network.go_on.set()
        assert [one.result().status_code for one in first] == [200] * 3
    assert network.drawn == 3


def test_what_a_client_no_longer_waits_for_is_not_begun(
    client: Client, photo: bytes, network: Network
) -> None:
    network.go_on.clear()
    asked = client(workers=1)
    with asked, ThreadPoolExecutor(1) as threads:
        busy = threads.submit(sent, asked, "/cutout", photo)
        assert network.begun.acquire(timeout=10)
        assert posted_and_gone(asked.app, photo) == 499
        network.go_on.set()
        assert busy.result().status_code == 200
    assert network.drawn == 1


def test_a_slow_upload_is_given_up(client: Client) -> None:
    asked = client(upload_seconds=0.2)
    assert posted_and_gone(asked.app, b"", stall=True) == 408


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (LostError("timed-out", "/srv/secret.onnx took too long.", ""), 504),
        (LostError("out-of-memory", "/srv/secret.onnx took too much.", ""), 503),
        (RunnerError("/srv/secret.onnx is broken", ""), 503),
    ],
)
def test_what_fails_here_is_told_without_our_paths(
    client: Client, photo: bytes, network: Network, error: Exception, status: int, caplog: Any
) -> None:
    network.errors.append(error)
    asked = client()
    response = sent(asked, "/cutout", photo)
    problem(response, status)
    assert "secret" not in response.text
    assert "secret" in caplog.text, "the server's log says why"
    assert sent(asked, "/cutout", photo).status_code == 200, "and goes on"


def test_an_artifact_that_can_t_be_opened_costs_no_other(
    client: Client, photo: bytes, network: Network
) -> None:
    network.refusal = MissingToolError("onnxruntime", "onnx", "/srv/secret.onnx")
    asked = client()
    response = sent(asked, "/cutout", photo)
    problem(response, 503)
    assert "secret" not in response.text
    assert sent(asked, "/cutout?artifact=dark", photo).status_code == 200


def test_a_bug_of_ours_is_told_as_one(client: Client, photo: bytes, network: Network) -> None:
    network.errors.append(KeyError("/srv/secret"))
    response = sent(client(), "/cutout", photo)
    assert "broke" in problem(response, 500)
    assert "secret" not in response.text


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil", "", "[", "a@b"]
)
def test_another_name_for_this_machine_is_refused(client: Client, host: str) -> None:
    assert client().get("/artifacts", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:8765"])
def test_this_machine_s_own_names_are_known(client: Client, host: str) -> None:
    assert client().get("/artifacts", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_pages_of_other_sites_may_not_ask(client: Client, photo: bytes, origin: str) -> None:
    asked = client()
    asked.headers["origin"] = origin
    problem(sent(asked, "/cutout", photo), 403)
    assert "access-control-allow-origin" not in asked.get("/artifacts").headers


def test_its_own_page_may(client: Client, photo: bytes) -> None:
    asked = client()
    asked.headers["origin"] = "http://127.0.0.1:8765"
    assert sent(asked, "/cutout", photo).status_code == 200


def test_everything_has_the_headers_that_browsers_go_by(client: Client, photo: bytes) -> None:
    asked = client()
    for response in (asked.get("/"), asked.get("/nothing"), sent(asked, "/cutout", photo)):
        assert "default-src 'self'" in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "server" not in response.headers


def test_the_page_asks_no_other_host(client: Client) -> None:
    asked = client()
    for path in ("/", "/page.js", "/style.css"):
        text = asked.get(path).text
        assert "http://" not in text
        assert "https://" not in text


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def posted_and_gone(app: Any, photo: bytes, stall: bool = False) -> int:
    """The status of a request whose client goes away once it has sent all; or sends no more."""
    import asyncio

    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = head + photo + b"\r\n--x--\r\n"
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/cutout",
        "raw_path": b"/cutout",
        "root_path": "",
        "query_string": b"",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"multipart/form-data; boundary=x"),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8765),
        "app": app,
    }
    statuses: list[int] = []
    messages = [{"type": "http.request", "body": body, "more_body": stall}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await asyncio.sleep(5 if stall else 0.1)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    thread = threading.Thread(target=lambda: asyncio.run(app(scope, receive, send)))
    thread.start()
    thread.join(10)
    return statuses[0]
