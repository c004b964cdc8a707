"""Chromium for tests of pages: headless, without a network, with its console kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["DESK", "PHONE", "chromium", "first", "needs_chromium", "sized"]

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

DESK, PHONE = (1360, 900), (360, 780)
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    # A page that asks another host for something gets nothing.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

needs_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="there is no chromium or chromedriver: apt-get install chromium chromium-driver",
    ),
]


@contextmanager
def chromium(profile: Path, *options: str) -> Iterator[Any]:
    """A browser; without a GPU, unless options ask for one.

    Args:
        profile: An empty folder.
        options: More of Chromium's own.
    """
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    chosen = webdriver.ChromeOptions()
    chosen.binary_location = CHROMIUM or ""
    for option in (*OPTIONS, *(options or ("--disable-gpu",)), f"--user-data-dir={profile}"):
        chosen.add_argument(option)
    chosen.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # With the driver named, selenium looks for none, and asks nobody.
    driver = webdriver.Chrome(options=chosen, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def sized(browser: Any, size: tuple[int, int], scheme: str = "light") -> None:
    """A window of this size, with a phone's manners where it is one's, in the light or dark."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {
            "features": [
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ]
        },
    )


def first(browser: Any, selector: str) -> Any:
    """The first element that a selector finds."""
    from selenium.webdriver.common.by import By

    return browser.find_element(By.CSS_SELECTOR, selector)
