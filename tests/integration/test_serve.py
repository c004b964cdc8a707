"""`maskport serve` as people start it, on a bundle: its page in Chromium, rembg's clients, a file
that dies, and its end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import requests
from numpy.typing import NDArray
from PIL import Image

from maskport import export
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

from ..chromium import DESK, PHONE, chromium, first, needs_chromium, sized
from ..sdks import needed

needed("onnxsim", "onnx")
needed("fastapi", "serve")
needed("uvicorn", "serve")
pytestmark = [pytest.mark.sdk, pytest.mark.slow]

SIZE = (48, 64)
SPEC = ModelSpec("nano", ImageSpec(*SIZE), MaskSpec(normalization="min-max"), output=0)


@dataclass(frozen=True)
class Server:
    """One that runs."""

    process: subprocess.Popen[str]
    address: str

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture(scope="module")
def bundle(nano: Callable[..., U2Net], tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = nano()
    seeded(network, 0, SIZE)
    folder = tmp_path_factory.mktemp("serve") / "bundle"
    return export(network, spec=SPEC, targets=["onnx-fp32", "onnx-fp16"], out=folder).path


def started(*arguments: str) -> Server:
    process = subprocess.Popen(
        [sys.executable, "-m", "maskport", "serve", *arguments, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if match := re.search(r"on (http://\S+)", line):
            return Server(process, match[1])
    process.wait()
    raise AssertionError(said)


@pytest.fixture(scope="module")
def server(bundle: Path) -> Iterator[Server]:
    running = started(str(bundle), "--workers", "2")
    yield running
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(20) == 0


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "it's a <b>photo<b>.png"
    Image.fromarray(scene(13, 96, 128).photo).save(path)
    return path


def cutout(server: Server, photo: Path, path: str = "cutout", **fields: str) -> requests.Response:
    with photo.open("rb") as file:
        return requests.post(server.address + path, files={"file": file}, data=fields, timeout=60)


def test_a_file_of_the_bundle_draws(server: Server, photo: Path) -> None:
    names = [row["name"] for row in requests.get(server.address + "artifacts").json()["artifacts"]]
    assert names == ["nano-onnx-fp32", "nano-onnx-fp16"]
    for name in names:
        response = cutout(server, photo, f"cutout?artifact={name}")
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "image/png"


def test_a_client_of_rembg_finds_what_it_knows(server: Server, photo: Path) -> None:
    response = cutout(server, photo, "api/remove", model="nano", om="true")
    assert response.headers["content-type"] == "image/png"


def test_a_large_upload_is_refused_while_it_is_sent(server: Server) -> None:
    def endless() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(60):
            yield bytes(1_000_000)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = requests.post(server.address + "cutout", data=endless(), headers=headers, timeout=60)
    assert response.status_code == 413


def test_a_file_whose_process_dies_is_opened_again(server: Server, photo: Path) -> None:
    assert cutout(server, photo).status_code == 200
    before = server.children()
    assert before
    for child in before:
        child.kill()
    assert cutout(server, photo).status_code == 200


def test_ctrl_c_ends_it_and_its_children(bundle: Path) -> None:
    running = started(str(bundle), "--workers", "1", "--targets", "onnx-fp32")
    children = running.children()
    assert children
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(20) == 0
    _, alive = psutil.wait_procs(children, 5)
    assert alive == []


def test_others_are_warned_of_when_they_can_reach_it(bundle: Path) -> None:
    running = started(str(bundle), "--host", "0.0.0.0", "--workers", "1", "--targets", "onnx-fp32")
    try:
        # The name by which others call it is not known here: any will do.
        port = running.address.rpartition(":")[2]
        found = requests.get(f"http://127.0.0.1:{port}health", headers={"Host": "box"}, timeout=9)
        assert found.status_code == 200
    finally:
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(20) == 0


# The page.


@pytest.fixture
def page(server: Server, tmp_path: Path) -> Iterator[Page]:
    pytest.importorskip("selenium", reason="selenium is not installed")
    with chromium(tmp_path / "profile") as browser:
        sized(browser, DESK)
        yield Page(browser, server.address)


class Page:
    """The page in a browser."""

    def __init__(self, browser: Any, address: str) -> None:
        self.browser = browser
        browser.get(address)
        self.until(lambda: first(browser, "#left option"))

    def until(self, condition: Callable[[], Any], seconds: float = 30) -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if found := condition():
                    return found
            except Exception as exc:
                if "NoSuchElement" not in type(exc).__name__:
                    raise
            time.sleep(0.1)
        raise AssertionError("it did not come true")

    def drop(self, photo: Path) -> None:
        """Let go of a photo over the page."""
        field = self.browser.execute_script(
            """const field = document.createElement("input");
            field.type = "file";
            document.body.append(field);
            return field;"""
        )
        field.send_keys(str(photo))
        self.browser.execute_script(
            """const [field] = arguments, dataTransfer = new DataTransfer();
            dataTransfer.items.add(field.files[0]);
            field.remove();
            for (const type of ["dragover", "drop"]) {
              document.body.dispatchEvent(
                new DragEvent(type, {dataTransfer, bubbles: true, cancelable: true}));
            }""",
            field,
        )

    def select(self, selector: str, value: str) -> None:
        self.browser.execute_script(
            """const list = document.querySelector(arguments[0]);
            list.value = arguments[1];
            list.dispatchEvent(new Event("input", {bubbles: true}));
            list.dispatchEvent(new Event("change", {bubbles: true}));""",
            selector,
            value,
        )

    def said(self, side: str) -> str:
        """What stands under a side's list once its result is there."""

        def done() -> str:
            text: str = first(self.browser, f"#{side} .said").text
            return text if re.search(r"\bms\b|\d s\b", text) else ""

        return str(self.until(done))

    def shown(self, side: str) -> NDArray[np.uint8]:
        """The pixels of a side's result, (H, W, 4)."""
        self.until(
            lambda: self.browser.execute_script(
                "const i = document.querySelector(arguments[0]);"
                "return i.complete && i.naturalWidth && !i.classList.contains('old')",
                f".of-{side}",
            )
        )
        shape, values = self.browser.execute_script(
            """const {naturalWidth: width, naturalHeight: height} =
              document.querySelector(arguments[0]);
            const context = new OffscreenCanvas(width, height).getContext("2d");
            context.drawImage(document.querySelector(arguments[0]), 0, 0);
            return [[height, width, 4], [...context.getImageData(0, 0, width, height).data]];""",
            f".of-{side}",
        )
        return np.array(values, np.uint8).reshape(shape)

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.browser.get_log("browser")]


class TestPage:
    pytestmark = needs_chromium

    def test_a_dropped_photo_is_cut_out_beside_itself(
        self, page: Page, server: Server, photo: Path
    ) -> None:
        page.drop(photo)
        assert "for the mask" in page.said("left")
        drawn = page.shown("left")
        expected = np.asarray(Image.open(photo_of(cutout(server, photo, "cutout?refine=false"))))
        assert drawn.shape == expected.shape == (96, 128, 4)
        assert np.abs(drawn[..., 3].astype(int) - expected[..., 3]).max() <= 1
        assert (page.shown("right")[..., 3] == 255).all()
        assert first(page.browser, "#right .said").text == "as it was given"
        assert page.complaints() == []

    def test_two_artifacts_are_compared_under_a_slider(self, page: Page, photo: Path) -> None:
        from selenium.webdriver.common.keys import Keys

        page.drop(photo)
        page.said("left")
        page.select("#right select", "nano-onnx-fp16")
        page.said("right")
        left, right = page.shown("left"), page.shown("right")
        assert np.abs(left[..., 3].astype(int) - right[..., 3]).mean() < 2  # float16's rounding
        slider = first(page.browser, "#at")
        slider.send_keys(Keys.HOME)
        clip = "return getComputedStyle(document.querySelector('.of-left')).clipPath"
        assert "100%" in page.browser.execute_script(clip)
        slider.send_keys(Keys.END)
        assert "100%" not in page.browser.execute_script(clip)
        assert page.complaints() == []

    @pytest.mark.parametrize("application", ["background", "highlight", "boxes", "crop", "mask"])
    def test_each_application_can_be_chosen(
        self, page: Page, photo: Path, application: str
    ) -> None:
        page.browser.execute_script(f"document.querySelector('[value={application}]').click()")
        page.drop(photo)
        page.said("left")
        assert (page.shown("left")[..., 3] == 255).all()
        assert page.complaints() == []

    def test_what_is_no_photo_is_told_of(self, page: Page, tmp_path: Path) -> None:
        path = tmp_path / "<img src=x onerror=alert(1)>.txt"
        path.write_text("no photo")
        page.drop(path)
        said = page.until(lambda: first(page.browser, "#left .said.bad").text)
        assert "not an image" in said
        assert page.browser.execute_script("return document.querySelectorAll('p img').length") == 0

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_it_fits_a_phone(self, page: Page, photo: Path, scheme: str) -> None:
        sized(page.browser, PHONE, scheme)
        page.drop(photo)
        page.said("left")
        page.browser.execute_script("document.querySelector('[value=background]').click()")
        wide = page.browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= PHONE[0]


def photo_of(response: requests.Response) -> Any:
    import io

    assert response.status_code == 200, response.text
    return io.BytesIO(response.content)
