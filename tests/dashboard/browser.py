"""A real Chromium over the site."""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
WAIT = 20.0

SCREENSHOTS = "BUILDER_CONTRACTS_SCREENSHOTS"
"""Names a folder in which screenshots are kept; without it they go with the session's temporary files."""


class Browser:
    """One browser with an empty profile."""

    def __init__(self, driver: webdriver.Chrome, shots: Path) -> None:
        self.driver = driver
        self._shots = shots

    def look(self, *, width: int = 1400, height: int = 900, scheme: str = "light", media: str = "") -> None:
        """Change the window, the colour scheme, and the medium (``print``)."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})

    def open(self, page: Path, place: str = "") -> None:
        """Open a page from its file, and wait for the grid where it is one."""
        # A change of the hash alone would not load anything.
        self.driver.get("about:blank")
        self.driver.get(page.as_uri() + place)
        if page.name == "grid.html":
            self.settle()

    def settle(self, turn: int = 1) -> None:
        """Wait until the grid has drawn at least ``turn`` times."""
        WebDriverWait(self.driver, WAIT).until(
            lambda driver: int(driver.execute_script("return document.body.dataset.ready || 0")) >= turn
        )

    def turn(self) -> int:
        return int(self.script("return document.body.dataset.ready || 0"))

    def wait(self, condition: Callable[[], object]) -> None:
        WebDriverWait(self.driver, WAIT).until(lambda _: condition())

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def element(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def shown(self, selector: str) -> list[WebElement]:
        return [element for element in self.all(selector) if element.is_displayed()]

    def script(self, code: str, *arguments: object) -> Any:
        return self.driver.execute_script(code, *arguments)

    def complaints(self) -> list[str]:
        """Errors and warnings of the console since the last call."""
        log: list[dict[str, str]] = self.driver.execute("getLog", {"type": "browser"})["value"]
        return [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]

    def shot(self, name: str) -> Path:
        """Keep a picture of the whole page."""
        picture = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "format": "png"}
        )
        path = self._shots / f"{name}.png"
        path.write_bytes(base64.b64decode(picture["data"]))
        return path

    def violations(self, axe: str) -> list[str]:
        """What axe-core finds serious or critical on the page."""
        self.script(axe)
        violations = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {resultTypes: ['violations']}).then(r => done(JSON.stringify(r.violations)));"
        )
        return [
            f"{violation['id']} ({violation['impact']}): {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
            for violation in json.loads(violations)
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]


@contextmanager
def chromium(shots: Path) -> Iterator[Browser]:
    """A browser; skips, saying why, where there is none."""
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip(
            f"no {'Chromium' if binary is None else 'chromedriver'} on this machine: "
            "apt-get install chromium chromium-driver"
        )
    # Its own driver is named, so that nothing is fetched.
    os.environ["SE_OFFLINE"] = "true"
    with tempfile.TemporaryDirectory(prefix="builder-contracts-chromium-") as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        try:
            started = webdriver.Chrome(options=options, service=Service(driver))
        except WebDriverException as error:
            pytest.skip(f"Chromium does not start on this machine: {error.msg}")
        try:
            started.set_script_timeout(WAIT * 3)
            yield Browser(started, shots)
        finally:
            started.quit()
