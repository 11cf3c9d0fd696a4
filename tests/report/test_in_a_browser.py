"""The page in a real headless browser: narrow and wide, light and dark, folded and unfolded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_up import KERNELS, made_up, made_up_with_boards

from bootwright.report import html

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="chromium or its driver is missing",
    ),
]
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Contrast as in WCAG 2.2, success criterion 1.4.3: relative luminance of the text against the first
# opaque background behind it. A canvas turns any CSS colour into sRGB bytes.
CONTRAST = """
const context = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const bytes = colour => { context.clearRect(0, 0, 1, 1); context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1); return [...context.getImageData(0, 0, 1, 1).data]; };
const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = element => { for (let at = element; at; at = at.parentElement) {
  const found = bytes(getComputedStyle(at).backgroundColor); if (found[3] === 255) return found; }
  return [255, 255, 255, 255]; };
const worst = {};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
  const [a, b] = [light(bytes(getComputedStyle(element).color)), light(behind(element))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const name = element.tagName + '.' + element.className;
  if (!(name in worst) || ratio < worst[name]) worst[name] = ratio;
}
return worst;
"""
TOO_WIDE = """
return [...document.querySelectorAll('body *')].filter(one => !one.closest('.scroll > *')
  && one.getBoundingClientRect().right > innerWidth + 1).map(one => one.tagName + '.' + one.className);
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html.page(*made_up(), generated_at="2026-01-02 03:04 UTC"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


def show(browser: Any, page: Path, width: int, scheme: str) -> None:  # noqa: ANN401 - a selenium driver
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(page.as_uri())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_it_fits_and_can_be_read(browser: Any, page: Path, width: int, scheme: str) -> None:  # noqa: ANN401
    show(browser, page, width, scheme)
    for opened in (False, True):
        browser.execute_script(
            "document.querySelectorAll('details').forEach(one => one.open = arguments[0])", opened
        )
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert browser.execute_script(TOO_WIDE) == []
        ratios = browser.execute_script(CONTRAST)
        assert len(ratios) > 20
        assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(20, 23, 26)") == (scheme == "dark")
    assert browser.execute_script("return document.querySelectorAll('h1').length") == 1
    assert browser.execute_script("return document.querySelectorAll('h2').length") >= 7
    assert browser.get_log("browser") == []
    asked = [
        row["message"] for row in browser.get_log("performance") if 'requestWillBeSent"' in row["message"]
    ]
    assert [message for message in asked if "file://" not in message] == []
    assert len(asked) == 1


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1400, 900)])
def test_what_to_do_on_each_board_is_on_the_first_screen(
    browser: Any,  # noqa: ANN401 - a selenium driver
    tmp_path: Path,
    width: int,
    height: int,
) -> None:
    path = tmp_path / "report.html"
    path.write_text(html.page(*made_up_with_boards(), generated_at=""), encoding="utf-8")
    show(browser, path, width, "light")
    seen = browser.execute_script(
        "return [...document.querySelectorAll('.now')].map(one => {"
        " const command = one.querySelector('.command');"
        " return [one.querySelector('h3').innerText, one.querySelector('.big').innerText, command.innerText,"
        " command.getBoundingClientRect().bottom + scrollY]; })"
    )
    assert [(name.split()[0], "works" in name) for name, *_ in seen] == [
        ("rpi5-rev-1.0", True),
        ("rpi5-rev-1.1", True),
    ]
    for (_, use, command, _), version in zip(seen, KERNELS, strict=True):
        assert f"kernel version {version}" in use
        assert "bootwright prepare " in command
    # Of the second board the command has to be there at a glance; on a telephone it is below the first one's.
    assert max(bottom for *_, bottom in seen) <= height


def test_the_colours_can_be_chosen_with_the_keyboard_and_without_scripts(browser: Any, page: Path) -> None:  # noqa: ANN401
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    show(browser, page, 1400, "light")
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = browser.execute_script(ground)
    chooser = browser.find_element(By.ID, "theme-auto")
    chooser.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert browser.execute_script("return document.activeElement.id") == "theme-dark"
    assert browser.execute_script(ground) != light
    browser.find_element(By.ID, "theme-dark").send_keys(Keys.ARROW_LEFT)
    assert browser.execute_script(ground) == light


def test_the_first_tab_leads_past_the_contents(browser: Any, page: Path) -> None:  # noqa: ANN401
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    show(browser, page, 360, "dark")
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert browser.execute_script("return document.activeElement.textContent") == "Skip to the answer"
    assert browser.execute_script("return document.activeElement.getBoundingClientRect().width") > 50


def test_it_prints_without_its_controls(browser: Any, page: Path) -> None:  # noqa: ANN401
    show(browser, page, 1400, "dark")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    hidden = "return getComputedStyle(document.querySelector(arguments[0])).display"
    assert [browser.execute_script(hidden, name) for name in (".theme", "nav")] == ["none", "none"]
    assert (
        browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        == "rgb(255, 255, 255)"
    )
