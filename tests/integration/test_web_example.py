"""The web example in Chromium: built from a bundle as its README says, given a photo, and its mask
held against PyTorch's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from maskport import export
from maskport.artifacts.bundle import Bundle
from maskport.imaging.convert import mask_for_photo, photo_to_input
from maskport.models.prepared import Reference
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.runtimes.runners import runner_for
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

from ..chromium import DESK, PHONE, chromium, first, needs_chromium, sized
from ..sdks import needed
from ..web_example import EXAMPLES, SOFTWARE_GPU, Page, RegistryUnreachable, built, serving

needed("onnxsim", "onnx")
selenium = pytest.importorskip("selenium", reason="selenium is not installed")
pytestmark = [*needs_chromium, pytest.mark.sdk, pytest.mark.slow]

SIZE = (48, 64)
SPEC = ModelSpec(
    "nano",
    ImageSpec(*SIZE, divide_by="image-maximum"),
    MaskSpec(normalization="min-max"),
    output=0,
)
TARGETS = ["onnx-fp32", "onnx-int8"]
# Of the mean difference, as bytes of a canvas say it.
LIMIT = 1e-3


@dataclass(frozen=True)
class Made:
    """A bundle, the app that was filled from it, a photo of the network's size, and its mask."""

    bundle: Bundle
    address: str
    photo: Path
    pixels: NDArray[np.uint8]
    mask: NDArray[np.float32]


@pytest.fixture(scope="module")
def made(nano: Callable[..., U2Net], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("web")
    network = nano()
    seeded(network, 0, SIZE)
    calibration = folder / "calibration"
    calibration.mkdir()
    for seed in range(8):
        Image.fromarray(scene(seed, *SIZE).photo).save(calibration / f"{seed}.png")
    bundle = export(
        network, spec=SPEC, targets=TARGETS, calibration=calibration, out=folder / "bundle"
    )
    pixels = (scene(13, *SIZE).photo * 0.9).astype(np.uint8)
    photo = folder / "photo.png"
    Image.fromarray(pixels).save(photo)
    planes = Reference(network, SPEC).draw(photo_to_input(pixels, SPEC.image), "cpu")[0]
    mask = mask_for_photo(planes, SPEC.mask, *SIZE)[0]
    try:
        served = built(bundle.path, folder)
    except RegistryUnreachable as exc:
        pytest.skip(str(exc))
    with serving(served) as address:
        yield Made(bundle, address, photo, pixels, mask)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture
def page(browser: Any, made: Made) -> Iterator[Page]:
    """The app; at the end of the test the browser must not have complained of more than that it
    has no WebGPU."""
    sized(browser, DESK)
    yield Page(browser, made.address)
    assert complaints(browser) == []


@pytest.fixture(scope="module")
def shown(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The app with the photo dropped on it, for tests that leave its choices alone."""
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        sized(browser, DESK)
        page = Page(browser, made.address)
        page.drop(made.photo)
        page.said("right")
        yield page
        assert complaints(browser) == []


def complaints(browser: Any) -> list[str]:
    entries = [str(entry["message"]) for entry in browser.get_log("browser")]
    return [message for message in entries if "No available adapters" not in message]


def apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The mean difference of two masks as bytes: a canvas has nothing finer."""
    return float(np.abs(np.round(255 * one) - np.round(255 * other)).mean() / 255)


def test_the_mask_of_a_dropped_photo_is_pytorchs(shown: Page, made: Made) -> None:
    assert " on WebAssembly" in shown.said("left")
    drawn = shown.mask("left")
    assert drawn.shape == SIZE
    assert made.mask.std() > 0.05  # it is a mask, not a plane
    assert apart(drawn, made.mask) <= LIMIT


def test_the_other_side_runs_the_other_artifact(page: Page, made: Made) -> None:
    page.choose(made.photo)
    page.said("left")
    page.said("right")
    artifact = made.bundle.artifact("onnx-int8")
    with runner_for(artifact, made.bundle.file("onnx-int8")) as runner:
        planes = runner.run(photo_to_input(made.pixels, SPEC.image))[0]
    assert apart(page.mask("right"), mask_for_photo(planes, SPEC.mask, *SIZE)[0]) <= LIMIT
    assert first(page.browser, "#difference").text.startswith("The masks differ by ")
    page.select("#left select", "onnx-int8")
    page.said("left")
    assert first(page.browser, "#difference").text == "The masks are equal."
    page.select("#right select", "photo")
    assert page.mask("right").min() == 1


def test_webgpu_draws_the_same_mask(made: Made, tmp_path: Path) -> None:
    with chromium(tmp_path, *SOFTWARE_GPU) as browser:
        page = Page(browser, made.address)
        if not browser.execute_async_script(
            """const done = arguments[0];
            if (!navigator.gpu) done(false);
            else navigator.gpu.requestAdapter().then((adapter) => done(Boolean(adapter)));"""
        ):
            pytest.skip("this Chromium has no WebGPU")
        page.select("#right select", "photo")
        page.drop(made.photo)
        assert " on WebGPU" in page.said("left")
        assert apart(page.mask("left"), made.mask) <= LIMIT


def test_the_line_is_moved_by_pointer_and_by_keys(shown: Page) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    def split() -> tuple[str, ...]:
        return tuple(
            shown.browser.execute_script(
                """return ["left", "right"].map((side) =>
                    getComputedStyle(document.querySelector(`.of-${side}`)).clipPath)"""
            )
        )

    assert split() == ("inset(0px 50% 0px 0px)", "inset(0px 0px 0px 50%)")
    stage = first(shown.browser, "#stage")
    shown.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", stage)
    quarter = stage.size["width"] // 4
    ActionChains(shown.browser).move_to_element(stage).click_and_hold().move_by_offset(
        -quarter, 20
    ).release().perform()
    at = int(first(shown.browser, "#at").get_attribute("value"))
    assert at == pytest.approx(25, abs=1)
    assert split()[1] == f"inset(0px 0px 0px {at}%)"
    first(shown.browser, "#at").send_keys(Keys.ARROW_RIGHT)
    assert split()[1] == f"inset(0px 0px 0px {at + 1}%)"


def test_the_cut_out_is_saved(shown: Page, made: Made, tmp_path: Path) -> None:
    shown.browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    first(shown.browser, "#left .save").click()
    file = tmp_path / "photo-onnx-fp32.png"
    shown.until(file.exists)
    saved = np.asarray(Image.open(file))
    assert saved.shape == (*SIZE, 4)
    assert apart(saved[..., 3].astype(np.float32) / 255, made.mask) <= LIMIT


def test_what_is_no_photo_is_said(shown: Page, made: Made, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("no photo")
    shown.drop(file)
    problem = first(shown.browser, "#problem")
    assert "can't read notes.txt" in problem.text
    shown.choose(made.photo)
    shown.said("right")
    assert not problem.is_displayed()


def test_a_provider_that_is_not_there_is_said_and_another_can_be_chosen(
    page: Page, made: Made
) -> None:
    page.select("#providers", "webgpu")
    page.drop(made.photo)
    assert page.said("left").startswith("onnx-fp32 can't be run: ")
    page.select("#providers", "wasm")
    assert " on WebAssembly" in page.said("left")
    first(page.browser, "#samples button").click()
    page.until(lambda: page.mask("left").shape == (480, 640))


def test_a_phone_shows_it_without_scrolling_sideways(shown: Page) -> None:
    sized(shown.browser, PHONE, "dark")
    assert shown.browser.execute_script("return document.documentElement.scrollWidth") == PHONE[0]
    assert first(shown.browser, "#right .save").is_displayed()
    sized(shown.browser, DESK)


def test_everything_that_can_be_operated_has_a_name(shown: Page) -> None:
    nameless = shown.browser.execute_script(
        """return [...document.querySelectorAll("button, select, input, img")]
            .filter((element) => !(element.textContent.trim() || element.labels?.length
                || element.ariaLabel || element.alt || element.querySelector("[alt]")))
            .map((element) => element.outerHTML.slice(0, 200))"""
    )
    assert nameless == []


def test_a_bundle_that_the_app_cannot_take_is_said(made: Made, tmp_path: Path) -> None:
    def copied(*arguments: str) -> tuple[int, str]:
        script = [sys.executable, str(EXAMPLES / "copy_bundle.py"), *arguments]
        done = subprocess.run(script, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    bundle, app = str(made.bundle.path), ("--app", str(tmp_path / "app"))
    code, said = copied(bundle, "web", *app, "--targets", "onnx-fp16")
    assert (code, "no target or format 'onnx-fp16'" in said) == (2, True)
    assert copied(str(tmp_path), "web", *app)[0] == 2
    assert not (tmp_path / "app").exists()
