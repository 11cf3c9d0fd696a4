"""The documentation's pages: every one is there and in the navigation, every link leads to something."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import jinja2
import pytest
from site_kit import NEEDS_A_BROWSER, ROOT, chromium, package, served, shown_as

from bootwright import api
from bootwright.foundation.errors import Malformed
from site_parts.documentation import Documentation, documentation

_LOADED = {"link": "href", "script": "src", "img": "src"}
"""Elements whose address the browser fetches by itself."""


class Reader(HTMLParser):
    """Ids, links and what is loaded, of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids += [values["id"]] if "id" in values else []
        assert "style" not in values, "the policy forbids it"
        if tag in _LOADED:
            self.loaded.append(values[_LOADED[tag]])
        elif tag == "a":
            self.links.append(values["href"])


@cache
def made() -> Documentation:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROOT / "site"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return documentation(ROOT, environment)


@cache
def read(target: str) -> Reader:
    reader = Reader()
    reader.feed(made().files[target].decode())
    return reader


def pages() -> list[str]:
    return [target for target in made().files if target.endswith(".html")]


def test_every_document_schema_and_name_of_the_interface_is_there() -> None:
    sources = {page.source for page in made().pages}
    for path in (*(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.schema.json")):
        assert path.relative_to(ROOT).as_posix() in sources
    assert set(api.__all__) <= set(_headings("docs/reference/api.html"))
    shown = made().files["docs/schemas/check.html"].decode()
    for name in json.loads((ROOT / "docs" / "schemas" / "check.schema.json").read_text())["properties"]:
        assert f"<code>{name}</code>" in shown


def _headings(target: str) -> list[str]:
    text = made().files[target].decode()
    return [piece.partition("<")[0] for start in text.split("<h3")[1:] for piece in [start.partition(">")[2]]]


def test_every_page_is_in_the_navigation_of_every_page() -> None:
    targets = {page.target for page in made().pages}
    for target in pages():
        led = {_resolved(target, link) for link in read(target).links if not urlsplit(link).scheme}
        assert targets <= led, target


def test_every_link_leads_to_something_and_nothing_is_loaded_from_outside() -> None:
    dead = []
    outer = {"index.html", "icon.svg", "style.css", "docs.css"}  # beside docs/
    for target in pages():
        page = read(target)
        assert len(set(page.ids)) == len(page.ids), target
        for address in page.loaded:
            assert not urlsplit(address).scheme, (target, address)
            assert _resolved(target, address) in made().files.keys() | outer, (target, address)
        for address in page.links:
            parts = urlsplit(address)
            if parts.scheme:
                assert parts.scheme in {"http", "https", "mailto"}, (target, address)
                continue
            place = _resolved(target, address)
            there = place in made().files or place in outer
            if there and parts.fragment and place.endswith(".html"):
                there = unquote(parts.fragment) in read(place).ids
            if not there:
                dead.append((target, address))
    assert dead == []


def _resolved(target: str, address: str) -> str:
    path = unquote(urlsplit(address).path)
    return os.path.normpath(PurePosixPath(target).parent / path) if path else target


def test_a_link_that_leads_nowhere_stops_the_build(tmp_path: Path) -> None:
    for path in ROOT.iterdir():
        if path.name not in {"SECURITY.md", ".git"}:
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "SECURITY.md").write_text("# Security\n\n[gone](docs/nothing-here.md)\n")
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(ROOT / "site"), autoescape=True)
    with pytest.raises(Malformed, match=r"SECURITY\.md.*nothing-here\.md"):
        documentation(tmp_path, environment)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("documentation")
    for name, data in made().files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    for name in ("style.css", "docs.css", "icon.svg"):
        (folder / name).write_bytes((ROOT / "site" / name).read_bytes())
    (folder / "index.html").write_text("<!DOCTYPE html><title>page</title>")
    with served(folder) as address, chromium(tmp_path_factory.mktemp("profile")) as driver:
        driver.get(f"{address}docs/index.html")
        yield driver


@pytest.mark.browser
@NEEDS_A_BROWSER
@pytest.mark.parametrize("name", ["index", "check", "reference/boards", "reference/api", "schemas/status"])
def test_pages_are_accessible_and_fit_a_telephone(browser: Any, name: str) -> None:  # noqa: ANN401
    axe = package("axe-core")["axe.min.js"].decode()
    base = browser.current_url.partition("/docs/")[0]
    browser.get(f"{base}/docs/{name}.html")
    for width, scheme in ((1280, "light"), (360, "dark")):
        shown_as(browser, width, scheme)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        browser.execute_script(axe)
        violations = browser.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run().then(({ violations }) => done(violations.map((rule) => "
            "[rule.id, rule.nodes[0].html])))"
        )
        assert violations == []
