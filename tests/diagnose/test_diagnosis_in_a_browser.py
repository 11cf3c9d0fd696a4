"""The page in a real headless browser: narrow and wide, light and dark, with text that would like to act."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from bootwright.diagnose.engine import diagnose_bytes, joined
from bootwright.diagnose.model import Evidence, Stance
from bootwright.diagnose.page import as_html
from bootwright.foundation.places import DATA

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="chromium or its driver is missing",
    ),
]
HOSTILE = (
    b"[    0.000000] Booting Linux on physical CPU 0x0\n"
    b"[    3.0] Kernel panic - not syncing: </pre><script>document.title='owned'</script><img src=x "
    b"onerror=\"document.title='owned'\">" + b"A" * 300 + b"\x1b]0;x\x07\0\xff\n"
)
# Relative luminance of text against the page, as in WCAG 2.2, success criterion 1.4.3.
CONTRAST = """
const bytes = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
const light = rgb => rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const dark = matchMedia('(prefers-color-scheme: dark)').matches;
const page = dark ? [18, 18, 18] : [255, 255, 255];
return [...document.querySelectorAll('h1 span, h2 span, h3 span, li span, li b, p')].map(one => {
  const [a, b] = [light(bytes(getComputedStyle(one).color)), light(page)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); });
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    golden = DATA / "signatures" / "rp1-endpoint" / "golden" / "firmware-devicetree" / "console.log"
    diagnosis = joined([diagnose_bytes(HOSTILE, "<b>hostile</b>"), diagnose_bytes(golden.read_bytes(), "pi")])
    evidence = tuple(Evidence(stance, f"<i>{stance}</i> said", "image.raw:/x" * 20) for stance in Stance)
    boots = [
        evolve(
            boot,
            evidence=evidence,
            findings=tuple(evolve(finding, evidence=evidence) for finding in boot.findings),
        )
        for boot in diagnosis.boots
    ]
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(as_html(evolve(diagnosis, boots=tuple(boots)), title="<u>log</u>"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"):
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1400, "dark")])
def test_it_fits_can_be_read_and_does_nothing(browser: Any, page: Path, width: int, scheme: str) -> None:  # noqa: ANN401
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get_log("performance")
    browser.get(page.as_uri())
    assert browser.title.startswith("<u>log</u>")
    assert browser.execute_script("return document.querySelectorAll('script, img, b i, u').length") == 0
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    ratios = browser.execute_script(CONTRAST)
    assert len(ratios) > 10
    assert min(ratios) >= 4.5
    assert browser.execute_script("return document.querySelectorAll('.evidence .confirms').length") >= 4
    assert browser.get_log("browser") == []
    asked = [
        row["message"] for row in browser.get_log("performance") if 'requestWillBeSent"' in row["message"]
    ]
    assert len([message for message in asked if "favicon" not in message]) == 1
