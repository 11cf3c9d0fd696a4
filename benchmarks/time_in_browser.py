"""How long the page takes: first paint, Python ready, the first verdict on a pasted log, and the next ones.

usage: benchmarks/time_in_browser.py [--runs N]

Cold is a browser with an empty profile that loads the page from loopback, and a log pasted as soon as the
form is there; warm is another log in the same page; again is the page loaded anew, from what its service
worker keeps. Times are from the page's own clock. Other work on the machine counts into them, so its load is
printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "kits"), str(ROOT / "tools")]

from site_kit import READY, chromium, made, served, wait_for  # noqa: E402

from bootwright.foundation.places import DATA  # noqa: E402

LOGS = sorted((DATA / "signatures").glob("*/golden/*/console.log"))[5::40]
MARKS = {"first paint": 1.0, "first verdict, cold": 6.0, "verdict, warm": 1.0}
"""Seconds, on a quiet machine of two processors."""
# The form listens once its module has started; asking again until then is what a user's click would do.
PASTE = """
const [text, done] = arguments;
const started = performance.now();
const result = () => document.querySelector('#diagnose-result');
const submit = () => {
  if (document.getElementById('engine')?.dataset.state === undefined) return setTimeout(submit, 10);
  document.getElementById('diagnose-text').value = text;
  result().replaceChildren();
  new MutationObserver((_, observer) => {
    if (!result().querySelector('.beside')) return;
    observer.disconnect();
    requestAnimationFrame(() => done([started, performance.now()]));
  }).observe(result(), {childList: true, subtree: true});
  document.getElementById('diagnose-form').requestSubmit();
};
submit();
"""
PAINT = "return performance.getEntriesByType('paint').map(entry => entry.startTime)"


def main(runs: int) -> int:
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as temporary, served(made(Path(temporary) / "site")) as address:
        for run in range(runs):
            with chromium(Path(temporary) / f"profile-{run}") as browser:
                browser.get("about:blank")
                for name, value in measured(browser, address):
                    seconds.setdefault(name, []).append(value)
    for name, values in seconds.items():
        mark = f", mark {MARKS[name]:.0f} s" if name in MARKS else ""
        print(f"{name}: {statistics.median(values):.2f} s in the median, {max(values):.2f} s at most{mark}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors, {runs} runs")
    return 0


def measured(browser: Any, address: str) -> list[tuple[str, float]]:  # noqa: ANN401 - a selenium driver
    texts = [log.read_text(errors="replace") for log in LOGS]
    browser.execute_cdp_cmd("Page.enable", {})
    browser.get(address)
    _, first = browser.execute_async_script(PASTE, texts[0])
    rows = [("first paint", min(browser.execute_script(PAINT)) / 1000), ("first verdict, cold", first / 1000)]
    for text in texts[1:]:
        begun, ended = browser.execute_async_script(PASTE, text)
        rows.append(("verdict, warm", (ended - begun) / 1000))
    browser.execute_async_script("navigator.serviceWorker.ready.then(() => arguments[0]())")
    browser.get(address)
    _, again = browser.execute_async_script(PASTE, texts[0])
    wait_for(browser, READY)
    return [*rows, ("first verdict, page loaded again", again / 1000)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    sys.exit(main(parser.parse_args().runs))
