"""The report's page in Chromium: from a file, without a network, on desks and phones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from maskport.validation.maps import MapStore
from maskport.validation.reports import write_html
from maskport.validation.results import Results

from ..chromium import DESK, PHONE, chromium, first, needs_chromium, sized

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
pytestmark = needs_chromium

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def page(sample_run: tuple[Results, MapStore], tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_html(*sample_run, tmp_path_factory.mktemp("report")).as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture
def show(browser: Any, page: str) -> Iterator[Open]:
    """Opens the page; at the end of the test the browser must not have complained."""

    def opened(size: tuple[int, int] = DESK, scheme: str = "light") -> Any:
        sized(browser, size, scheme)
        browser.get(page)
        return browser

    yield opened
    assert not browser.get_log("browser")
    # Each test starts with nothing remembered.
    browser.execute_script("localStorage.clear()")


def column(browser: Any, key: str) -> list[str]:
    """The texts of a column of the table, as they stand."""
    texts: list[str] = browser.execute_script(
        """const table = document.querySelector("#table");
        const at = [...table.tHead.rows[0].cells].findIndex((c) => c.dataset.key === arguments[0]);
        return [...table.tBodies[0].rows].map((row) => row.cells[at].textContent.trim());""",
        key,
    )
    return texts


def choose(browser: Any, selector: str, value: str) -> None:
    browser.execute_script(
        """const chosen = document.querySelector(arguments[0]);
        chosen.value = arguments[1];
        chosen.dispatchEvent(new Event("change"));""",
        selector,
        value,
    )


def test_nothing_is_fetched(show: Open) -> None:
    browser = show()
    fetched = browser.execute_script(
        """return performance.getEntriesByType("resource").map((entry) => entry.name)
            .filter((name) => !name.startsWith("data:"))"""
    )
    assert fetched == []


def test_every_picture_is_drawn(show: Open) -> None:
    browser = show()
    broken = browser.execute_async_script(
        """const done = arguments[0];
        const images = [...document.querySelectorAll("#cards img[src]")];
        Promise.all(images.map((image) => image.decode().then(() => true, () => false)))
            .then((drawn) => done([images.length, drawn.filter((d) => !d).length]));"""
    )
    # Six cards of a photo twice, a heat map and its scale.
    assert broken == [24, 0]


def test_the_table_sorts_by_click_and_by_key_and_back(show: Open) -> None:
    from selenium.webdriver.common.keys import Keys

    browser = show()
    as_bundled = column(browser, "target")
    heading = first(browser, "th[data-key='p50']")
    button = first(browser, "th[data-key='p50'] button")

    def numbers() -> list[float]:
        return [float(text) for text in column(browser, "p50") if text != "–"]

    button.click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert numbers() == sorted(numbers())
    # What has no number is last, whichever way it is sorted.
    assert column(browser, "p50")[-1] == "–"
    button.send_keys(Keys.ENTER)
    assert heading.get_attribute("aria-sort") == "descending"
    assert numbers() == sorted(numbers(), reverse=True)
    assert column(browser, "p50")[-1] == "–"
    button.click()
    assert heading.get_attribute("aria-sort") == "none"
    assert column(browser, "target") == as_bundled


def test_the_table_is_filtered_by_name_and_status(show: Open) -> None:
    browser = show()
    first(browser, "#filter-name").send_keys("COREML")
    choose(browser, "#filter-status", "failed")
    left = browser.execute_script(
        """return [...document.querySelectorAll("#table tbody tr:not([hidden])")]
            .map((row) => row.dataset.target)"""
    )
    assert left == ["coreml-palette4"]
    first(browser, "#filter-name").send_keys("no such thing")
    assert first(browser, "#none-left").is_displayed()


def split(browser: Any) -> tuple[int, str]:
    """Where the first card's line says that it is, and where the reference's mask ends."""
    handle = first(browser, ".handle")
    clip = browser.execute_script(
        "return getComputedStyle(document.querySelector('.side.left')).clipPath"
    )
    return int(handle.get_attribute("aria-valuenow")), clip


def test_the_line_moves_by_dragging(show: Open) -> None:
    from selenium.webdriver import ActionChains

    browser = show()
    assert split(browser) == (50, "inset(0px 50% 0px 0px)")
    stage = first(browser, ".stage")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", stage)
    quarter = round(stage.size["width"] / 4)
    ActionChains(browser).move_to_element(stage).click_and_hold().move_by_offset(
        -quarter, 20
    ).release().perform()
    # To a percent: pixels are whole.
    now, clip = split(browser)
    assert now == pytest.approx(25, abs=1)
    assert clip == f"inset(0px {100 - now}% 0px 0px)"
    ActionChains(browser).move_by_offset(30, 0).perform()
    assert split(browser)[0] == now


def test_the_line_moves_by_keys(show: Open) -> None:
    from selenium.webdriver.common.keys import Keys

    browser = show()
    handle = first(browser, ".handle")
    assert handle.get_attribute("role") == "slider"
    assert handle.get_attribute("aria-label")
    for key, expected in (
        (Keys.ARROW_RIGHT, 52),
        (Keys.PAGE_DOWN, 42),
        (Keys.END, 100),
        (Keys.ARROW_RIGHT, 100),
        (Keys.HOME, 0),
    ):
        handle.send_keys(key)
        assert split(browser)[0] == expected
    assert handle.get_attribute("aria-valuetext").startswith("reference 0 %")


@pytest.mark.parametrize(
    ("view", "photo_shown", "stencil_of_photo"),
    [("overlay", True, False), ("cutout", False, True), ("mask", False, False)],
)
def test_masks_are_shown_in_three_ways(
    show: Open, view: str, photo_shown: bool, stencil_of_photo: bool
) -> None:
    browser = show()
    browser.execute_script(f"document.querySelector('#view input[value={view}]').click()")
    assert first(browser, ".stage .under").is_displayed() is photo_shown
    style = browser.execute_script(
        """const style = getComputedStyle(document.querySelector(".right .ink"));
        return [style.backgroundImage, style.maskImage]"""
    )
    assert style[0].startswith('url("data:image/jpeg') is stencil_of_photo
    assert style[1].startswith('url("data:image/webp')


def test_what_a_mask_covers_is_what_is_drawn(show: Open) -> None:
    """The colours of a screenshot: sky white and land black, where the mask says so."""
    import io

    from PIL import Image

    browser = show()
    choose(browser, "#show-target", "onnx-fp32")
    choose(browser, "#show-photo", "0")
    browser.execute_script("document.querySelector('#view input[value=mask]').click()")
    stage = first(browser, ".stage")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", stage)
    picture = Image.open(io.BytesIO(stage.screenshot_as_png)).convert("L")
    width, height = picture.size
    # The sample's ridges stay between a tenth and nine tenths of the height.
    for x in (0.2, 0.8):
        assert picture.getpixel((round(x * width), round(0.03 * height))) > 250
        assert picture.getpixel((round(x * width), round(0.97 * height))) < 5


def test_photos_are_filtered_and_more_are_shown_on_demand(show: Open) -> None:
    browser = show()

    def cards() -> int:
        count: int = browser.execute_script("return document.querySelectorAll('.card').length")
        return count

    assert cards() == 6
    first(browser, "#more").click()
    assert cards() == 18
    choose(browser, "#show-target", "tflite-int8")
    choose(browser, "#show-photo", "2")
    assert cards() == 1
    assert first(browser, ".card h3").text == "panorama.jpg\ntflite-int8"
    assert first(browser, "#shown").text.startswith("1 of 1 ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_the_systems_until_it_is_chosen(show: Open, scheme: str) -> None:
    browser = show(scheme=scheme)

    def is_dark() -> bool:
        ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        return (
            max(int(part) for part in ground.removeprefix("rgb(").removesuffix(")").split(",")) < 64
        )

    button = first(browser, "#theme")
    assert is_dark() is (scheme == "dark")
    button.click()
    assert button.text == "Theme: light"
    assert not is_dark()
    button.click()
    assert is_dark()
    button.click()
    assert is_dark() is (scheme == "dark")


def test_a_link_opens_the_details_that_it_leads_to(show: Open) -> None:
    browser = show()
    details = first(browser, "details[data-artifact='tflite-int8']")
    assert details.get_attribute("open") is None
    first(browser, ".problems a").click()
    assert details.get_attribute("open") is not None


@pytest.mark.parametrize("size", [PHONE, (390, 844), (768, 1024), DESK], ids=str)
def test_nothing_sticks_out_to_the_side(show: Open, size: tuple[int, int]) -> None:
    browser = show(size)
    browser.execute_script(
        "document.querySelectorAll('details').forEach((details) => { details.open = true; })"
    )
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width == size[0]


def test_a_phone_sees_the_columns_that_matter_and_the_rest_on_demand(show: Open) -> None:
    browser = show(PHONE)
    assert first(browser, "th[data-key='worst_iou']").is_displayed()
    assert not first(browser, "th[data-key='macs']").is_displayed()
    # Without a sideways scroll inside of the table.
    assert browser.execute_script(
        "const box = document.querySelector('.scroll'); return box.scrollWidth <= box.clientWidth"
    )
    first(browser, "#all-columns").click()
    assert first(browser, "th[data-key='macs']").is_displayed()


def test_everything_that_can_be_operated_has_a_name(show: Open) -> None:
    browser = show()
    nameless = browser.execute_script(
        """return [...document.querySelectorAll("button, select, input, a, [role], img")]
            .filter((element) => !element.closest("template") && !element.closest("[hidden]"))
            .filter((element) => !(element.textContent.trim() || element.labels?.length
                || element.hasAttribute("aria-label") || element.hasAttribute("aria-labelledby")
                || element.hasAttribute("alt") || element.getAttribute("role") === "status"))
            .map((element) => element.outerHTML.slice(0, 200))"""
    )
    assert nameless == []


def test_it_prints_without_controls_and_with_the_details_open(show: Open) -> None:
    browser = show(scheme="dark")
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not first(browser, "#theme").is_displayed()
    assert not first(browser, ".tools").is_displayed()
    assert first(browser, "details[data-artifact='keras'] dl").is_displayed()
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
