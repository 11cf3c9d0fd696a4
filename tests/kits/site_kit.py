"""The page as `make site` makes it, on loopback, in a real headless browser.

The npm packages come from the cache; where they are not there and no registry can be reached, or the browser
is not installed, the tests that need them are skipped with the reason.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bootwright.foundation.errors import BootwrightError
from bootwright.serving.folder import Server
from site_parts import npm
from site_parts.build import build

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "site" / "package-lock.json"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NEEDS_A_BROWSER = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="chromium or its driver is missing",
)


def package(name: str) -> dict[str, bytes]:
    """The files of a pinned npm package; skips the test where it cannot be had."""
    try:
        return npm.files_of(npm.pins(LOCK)[name])
    except BootwrightError as error:
        pytest.skip(f"{error.message} ({error.hint})")


def made(folder: Path, *kernels: str) -> Path:
    """The site, built with the facts of some kernels of the catalogue that are here."""
    package("pyodide")
    build(ROOT, folder, kernels=kernels)
    return folder


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder on loopback."""
    with Server(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.address
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def chromium(profile: Path, *flags: str) -> Iterator[Any]:
    """A selenium driver of a headless browser with a profile of its own."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*FLAGS, *flags, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.set_script_timeout(120)
    try:
        yield driver
    finally:
        driver.quit()


def shown_as(browser: Any, width: int, scheme: str, height: int = 900) -> None:  # noqa: ANN401
    """Set the width in pixels and the colour scheme, `light` or `dark`."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def wait_for(browser: Any, script: str, *, seconds: float = 90) -> Any:  # noqa: ANN401
    """What an expression in the page gives, as soon as it is true; `script` may return an element."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, seconds, poll_frequency=0.05).until(
        lambda driver: driver.execute_script(f"return {script}")
    )


READY = "document.getElementById('engine').dataset.state === 'ready'"

_ASK = """
const [entry, request, files, done] = [arguments[0], arguments[1], arguments[2], arguments[3]];
const blob = text => new Blob([Uint8Array.from(atob(text), letter => letter.charCodeAt(0))]);
(async () => {
  const {Engine} = await import('./engine.js');
  window.asked ??= new Engine();
  return window.asked.ask(entry, request, {files: files.map(([path, text]) => ({path, file: blob(text)}))});
})().then(answer => done({answer}),
  error => done({error: {message: error.message, hint: error.hint ?? null}}));
"""


def ask(browser: Any, entry: str, request: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:  # noqa: ANN401
    """What a tab would be answered: `{"answer"}`, or `{"error": {"message", "hint"}}`.

    The page that is shown must be the site's; its Python is one more, started at the first request.
    """
    given = [[path, base64.b64encode(data).decode()] for path, data in files.items()]
    answered: dict[str, Any] = browser.execute_async_script(_ASK, entry, request, given)
    return answered
