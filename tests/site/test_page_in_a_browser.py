"""The page in a real headless browser: Python starts there, logs get the command line's answers."""

from __future__ import annotations

import gzip
import json
import lzma
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import zstandard
from site_kit import NEEDS_A_BROWSER, READY, ask, chromium, made, package, served, shown_as, wait_for

from bootwright.api import diagnose
from bootwright.diagnose.page import as_html
from bootwright.foundation.places import DATA

pytestmark = [pytest.mark.browser, NEEDS_A_BROWSER]
PANIC = "[    1.2] VFS: Unable to mount root fs on unknown-block(0,0)\n"
HOSTILE = (
    "[    1.0] Kernel panic - not syncing: </code><img src=x onerror=\"document.title='owned'\">\x1b]0;\n"
)

ANSWERED = "document.querySelector('#diagnose-result .beside') !== null"
SHOWN = "return document.getElementById('diagnose-result').innerText"
LOGS = sorted((DATA / "signatures").glob("*/golden/*/console.log"))[::60]
AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ['violations']}).then(({violations}) => done(violations.map(
  rule => [rule.id, rule.nodes.map(node => node.target.join(' ') + ': ' + node.failureSummary)])));
"""
TOO_WIDE = """
return [...document.querySelectorAll('body *')].filter(element => !element.closest('.log, pre, textarea')
  && element.checkVisibility() && !element.classList.contains('skip')
  && element.getBoundingClientRect().right > innerWidth + 1).map(element => element.outerHTML.slice(0, 80));
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("made") / "site")


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    with served(folder) as address:
        yield address


@pytest.fixture(scope="module")
def browser(site: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        driver.get("about:blank")  # the browser's own first page has much to load
        driver.get_log("performance")
        driver.get(site)
        wait_for(driver, READY)
        yield driver


def paste(browser: Any, text: str) -> str:  # noqa: ANN401
    """What is shown for a pasted log."""
    browser.execute_script(
        "document.getElementById('diagnose-text').value = arguments[0];"
        "document.getElementById('diagnose-result').replaceChildren();"
        "document.getElementById('diagnose-form').requestSubmit();",
        text,
    )
    wait_for(browser, ANSWERED)
    shown: str = browser.execute_script(SHOWN)
    return shown


def pick(browser: Any, *paths: Path) -> str:  # noqa: ANN401
    browser.execute_script("document.getElementById('diagnose-result').replaceChildren()")
    browser.find_element("id", "diagnose-files").send_keys("\n".join(map(str, paths)))
    wait_for(browser, "document.getElementById('diagnose-result').innerText !== ''")
    shown: str = browser.execute_script(SHOWN)
    return shown


def test_a_pasted_log_is_diagnosed_and_its_lines_are_marked(browser: Any) -> None:  # noqa: ANN401
    shown = paste(browser, "[    0.1] eth0: link is up\n" + PANIC)
    assert "the boot failed" in shown
    assert "the root file system cannot be mounted" in shown
    assert "Next" in shown
    marked = "return [...document.querySelectorAll('.fatal-line .number')].map(number => number.textContent)"
    assert browser.execute_script(marked) == ["2"]
    # A proof leads to its line of the log.
    browser.execute_script("document.querySelector('.proof .line').click()")
    assert browser.execute_script("return document.activeElement.matches('.row-of-log.now')")


def test_the_answers_are_those_of_the_command(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    assert len(LOGS) > 3
    for log in LOGS:
        there = ask(browser, "diagnose", {}, {log.name: log.read_bytes()})["answer"]["diagnosis"]
        command = [sys.executable, "-m", "bootwright", "diagnose", "--json", log.name]
        done = subprocess.run(command, cwd=log.parent, capture_output=True, check=False)
        assert there == json.loads(done.stdout), log


def test_compressed_files_and_several_at_once(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    data = PANIC.encode()
    packed = {"a.log.gz": gzip.compress(data), "b.xz": lzma.compress(data), "c.zst": zstandard.compress(data)}
    for name, content in packed.items():
        (tmp_path / name).write_bytes(content)
    shown = pick(browser, *(tmp_path / name for name in packed))
    for name in packed:
        assert f"{name}, lines 1–1: failed" in shown


def test_what_is_no_log_is_refused_with_a_hint(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    picture = tmp_path / "screen.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    shown = pick(browser, picture)
    assert "is a PNG picture, not a log" in shown
    assert "Hint: a log is needed as text" in shown


def test_the_logs_beside_what_is_no_log_are_diagnosed(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    (tmp_path / "screen.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (tmp_path / "a").mkdir()
    for path in (tmp_path / "dmesg.log", tmp_path / "a" / "dmesg.log"):
        path.write_text(PANIC)
    shown = pick(browser, tmp_path / "screen.png", tmp_path / "dmesg.log", tmp_path / "a" / "dmesg.log")
    assert "Left out: screen.png is a PNG picture" in shown
    assert "dmesg.log, lines 1–1: failed" in shown
    assert "dmesg (2).log, lines 1–1: failed" in shown


def test_a_folder_is_dropped_without_what_systems_write_into_it(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    for name in ("full", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "dmesg.log").write_text(PANIC)
    (tmp_path / "full" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1" + random.Random(3).randbytes(6000))
    (tmp_path / "full" / "._dmesg.log").write_bytes(b"\0\5\x16\7" + bytes(200))
    browser.execute_script("document.getElementById('diagnose-result').replaceChildren(); scrollTo(0, 0)")
    shown_as(browser, 1200, "light")
    x, y = browser.execute_script(
        "const box = document.getElementById('diagnose-text').getBoundingClientRect();"
        "return [box.x + 9, box.y + 9]"
    )
    for name in ("full", "empty"):
        data = {"items": [], "files": [str(tmp_path / name)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            browser.execute_cdp_cmd("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})
        if name == "full":
            wait_for(browser, ANSWERED)
            shown = browser.execute_script(SHOWN)
            assert "the boot failed" in shown
            assert "Left out" not in shown
    said = "document.getElementById('diagnose-progress').textContent"
    wait_for(browser, f"{said} === 'There is no file in it.'")


def test_a_dropped_file_is_diagnosed(browser: Any) -> None:  # noqa: ANN401
    browser.execute_script(
        "document.getElementById('diagnose-result').replaceChildren();"
        "const held = new DataTransfer(); held.items.add(new File([arguments[0]], 'dropped.log'));"
        "for (const type of ['dragenter', 'dragover', 'drop']) document.getElementById('diagnose')"
        ".dispatchEvent(new DragEvent(type, {dataTransfer: held, bubbles: true, cancelable: true}));",
        PANIC,
    )
    wait_for(browser, ANSWERED)
    assert "dropped.log" in browser.execute_script(SHOWN)


def test_what_a_log_holds_is_text_and_nothing_else(browser: Any) -> None:  # noqa: ANN401
    assert "<img src=x" in paste(browser, HOSTILE)
    assert browser.execute_script("return document.querySelectorAll('main img').length") == 0
    assert browser.title == "bootwright"


def test_the_result_is_a_file_with_or_without_secrets(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    paste(browser, "[    1.0] systemd[1]: Hostname set to <attic-pi>.\n" + PANIC.strip() + " of attic-pi\n")
    reports = []
    for redact in (False, True):
        where = {"behavior": "allow", "downloadPath": str(tmp_path / str(redact))}
        browser.execute_cdp_cmd("Browser.setDownloadBehavior", where)
        box = browser.find_element("id", "diagnose-redact")
        if box.is_selected() != redact:
            box.click()
        browser.execute_script("document.getElementById('diagnose-make').click()")
        wait_for(browser, "document.getElementById('diagnose-save')").click()
        file = tmp_path / str(redact) / "bootwright-diagnosis.html"
        deadline = time.monotonic() + 30
        while not file.is_file() and time.monotonic() < deadline:
            time.sleep(0.05)
        reports.append(file.read_text(encoding="utf-8"))
    plain, struck = reports
    assert "the root file system cannot be mounted" in plain
    assert "attic-pi" in plain
    assert "the root file system cannot be mounted" in struck
    assert "attic-pi" not in struck


def test_findings_are_shown_as_the_report_shows_them(browser: Any) -> None:  # noqa: ANN401
    log = DATA / "signatures/rp1-endpoint/golden/firmware-devicetree/console.log"
    paste(browser, log.read_text())
    # Its style sheet is refused by the policy of the page that reads it here.
    report = as_html(diagnose(log).diagnosis, title="log").partition("</head>")[2]
    both = browser.execute_script(
        "const plain = node => node.textContent.replace(/[\\s`|]/g, '');"
        "const report = new DOMParser().parseFromString(arguments[0], 'text/html');"
        "return [[...report.querySelectorAll('article')].map(plain),"
        " [...document.querySelectorAll('.finding')].map(plain)]",
        report,
    )
    assert len(both[0]) >= 2
    assert both[0] == both[1]


def test_it_can_be_used_with_the_keyboard_alone(browser: Any) -> None:  # noqa: ANN401
    from selenium.webdriver.common.keys import Keys

    focus = "return document.activeElement.outerHTML.slice(0, 60)"
    browser.execute_script("document.getElementById('diagnose-result').replaceChildren(); scrollTo(0, 0)")
    area = browser.find_element("id", "diagnose-text")
    area.clear()
    area.send_keys(PANIC.strip(), Keys.TAB)
    assert "Diagnose" in browser.execute_script("return document.activeElement.innerText")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    wait_for(browser, ANSWERED)
    assert "<h3" in browser.execute_script(focus)
    browser.switch_to.active_element.send_keys(Keys.TAB)
    assert 'class="line"' in browser.execute_script(focus)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert "row-of-log" in browser.execute_script(focus)
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert 'class="line"' in browser.execute_script(focus)


def test_tabs_follow_the_arrow_keys_and_the_address(browser: Any) -> None:  # noqa: ANN401
    from selenium.webdriver.common.keys import Keys

    names = browser.execute_script(
        "return [...document.querySelectorAll('[role=tab]')].map(tab => tab.dataset.tab)"
    )
    shown = "return [...document.querySelectorAll('[role=tabpanel]')].filter(p => !p.hidden).map(p => p.id)"
    browser.find_element("id", f"tab-{names[0]}").send_keys(Keys.END)
    assert browser.execute_script(shown) == [names[-1]]
    assert browser.current_url.endswith(f"#{names[-1]}")
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert browser.execute_script(shown) == [names[0]]


def test_no_state_has_a_fault_of_accessibility_or_is_too_wide(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    browser.execute_script(package("axe-core")["axe.min.js"].decode())
    picture = tmp_path / "screen.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    log = (DATA / "signatures/rp1-endpoint/golden/firmware-devicetree/console.log").read_text()
    for show in (lambda: pick(browser, picture), lambda: paste(browser, log)):
        show()
        for width, scheme in ((360, "light"), (1400, "dark"), (360, "dark"), (1400, "light")):
            shown_as(browser, width, scheme)
            assert browser.execute_async_script(AXE) == []
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
            assert browser.execute_script(TOO_WIDE) == []


def test_a_long_log_can_be_cancelled_and_the_page_never_waits(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    long = tmp_path / "long.log"
    line = "[%5d.%06d] usb 1-1: device descriptor read/64, error -%d\n"
    text = "".join(line % (second, second % 7, 1 + second % 110) for second in range(400_000))
    long.write_text(text)
    browser.execute_script("document.getElementById('diagnose-result').replaceChildren()")
    browser.find_element("id", "diagnose-files").send_keys(str(long))
    wait_for(browser, "!document.getElementById('diagnose-cancel').hidden")
    frames = browser.execute_async_script(
        "const done = arguments[0]; let frames = 0;"
        "const next = () => (frames += 1) < 5 ? requestAnimationFrame(next) : done(frames);"
        "requestAnimationFrame(next)"
    )
    assert frames == 5
    browser.find_element("id", "diagnose-cancel").click()
    said = "document.getElementById('diagnose-progress').textContent"
    wait_for(browser, f"{said} === 'Cancelled.'")
    assert browser.execute_script("return document.getElementById('diagnose-cancel').hidden")
    assert "the boot failed" in paste(browser, PANIC)


def test_nothing_left_the_origin_and_the_policy_held(browser: Any, site: str) -> None:  # noqa: ANN401
    asked = set()
    for row in browser.get_log("performance"):
        message = json.loads(row["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.add(urlsplit(message["params"]["request"]["url"]))
    # A saved result is `blob:` of the page's own.
    assert {url.netloc or url.path.removeprefix("http://").partition("/")[0] for url in asked} == {
        urlsplit(site).netloc
    }
    assert browser.get_log("browser") == []


def test_once_loaded_it_needs_no_server(browser: Any, folder: Path) -> None:  # noqa: ANN401
    kept = (
        "(async done => { await navigator.serviceWorker.ready; const names = await caches.keys();"
        "const kept = await (await caches.open(names[0])).keys(); done(kept.length) })(arguments[0])"
    )
    with served(folder) as address:
        browser.get(address)
        files = json.loads((folder / "bootwright-site.json").read_text())["files"]
        assert browser.execute_async_script(kept) == len(files)
        assert "docs/index.html" in files
    browser.get(address)  # the server is gone
    wait_for(browser, READY)
    assert "the boot failed" in paste(browser, PANIC)
    browser.get(f"{address}docs/index.html")
    assert browser.execute_script("return document.querySelector('h1, h2') !== null"), "the documentation too"
    policy = (
        "fetch('../worker.js').then(answer => arguments[0](answer.headers.get('Content-Security-Policy')))"
    )
    assert "default-src 'none'" in browser.execute_async_script(policy)


def test_the_folder_is_whole(site: str) -> None:
    import httpx

    with httpx.Client(base_url=site) as client:
        page = client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        rows = client.get("/bootwright-site.json").json()["files"]
        assert {client.head(f"/{name}").status_code for name in rows} == {200}
        assert client.get("/../pyproject.toml").status_code == 404
