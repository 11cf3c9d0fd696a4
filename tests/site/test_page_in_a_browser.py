"""The page in a real headless browser: Python starts there, and a pasted log gets an answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from site_kit import NEEDS_A_BROWSER, READY, chromium, made, served, wait_for

pytestmark = [pytest.mark.browser, NEEDS_A_BROWSER]
PANIC = b"[    1.2] VFS: Unable to mount root fs on unknown-block(0,0)\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(made(tmp_path_factory.mktemp("made") / "site")) as address:
        yield address


@pytest.fixture(scope="module")
def browser(site: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        driver.get("about:blank")  # the browser's own first page has much to load
        driver.get_log("performance")
        driver.get(site)
        wait_for(driver, READY)
        yield driver


def paste(browser: Any, text: str) -> None:  # noqa: ANN401
    browser.execute_script(
        "document.getElementById('diagnose-text').value = arguments[0];"
        "document.getElementById('diagnose-result').replaceChildren();"
        "document.getElementById('diagnose-form').requestSubmit();",
        text,
    )


def test_a_pasted_log_is_diagnosed(browser: Any) -> None:  # noqa: ANN401
    paste(browser, PANIC.decode())
    shown = wait_for(browser, "document.getElementById('diagnose-result').innerText")
    assert "failed" in shown


def test_nothing_leaves_the_origin_and_the_policy_holds(browser: Any, site: str) -> None:  # noqa: ANN401
    asked = set()
    for row in browser.get_log("performance"):
        message = json.loads(row["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.add(message["params"]["request"]["url"])
    assert {urlsplit(address).netloc for address in asked} == {urlsplit(site).netloc}
    assert browser.get_log("browser") == []


def test_the_folder_is_whole(site: str, tmp_path: Path) -> None:
    import httpx

    with httpx.Client(base_url=site) as client:
        page = client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        rows = client.get("/bootwright-site.json").json()["files"]
        assert {client.head(f"/{name}").status_code for name in rows} == {200}
        assert client.get("/../pyproject.toml").status_code == 404
