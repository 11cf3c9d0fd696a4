"""The documentation as pages of the site: docs/, the README and its kin, one page each, and every schema.

Markdown (CommonMark with tables) becomes HTML by markdown-it-py; HTML in it stays text. A link to another
page or file of the repository must lead to one that is here; a file that is no page goes along as text.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import jinja2
from attrs import define, field, frozen
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from bootwright import __version__
from bootwright.foundation.errors import Malformed
from bootwright.serving.folder import POLICY
from site_parts.api_page import TITLE, api_markdown
from site_parts.schema_page import schema_page

_GROUPS: Mapping[str, tuple[str, ...]] = {
    "Start": ("README.md", "docs/site.md", "docs/talos.md", "docs/prepare.md", "docs/bare-machine.md"),
    "Check": (
        *("docs/check.md", "docs/boards.md", "docs/prediction.md", "docs/firmware.md", "docs/boot-chain.md"),
        *("docs/truth.md", "docs/devicetrees.md"),
    ),
    "Diagnose": ("docs/diagnose.md", "docs/diagnose-scores.md", "docs/signatures.md", "docs/messages.md"),
    "Investigate": (
        *("docs/investigate.md", "docs/campaign.md", "docs/plans.md", "docs/theory.md", "docs/reports.md"),
    ),
    "Images": (
        *("docs/images.md", "docs/image-boot.md", "docs/inspect.md", "docs/diff.md", "docs/isolate.md"),
        *("docs/flash.md", "docs/formats.md"),
    ),
    "Kernels": ("docs/kernels.md", "docs/boot.md"),
    "Develop": (*("docs/api.md", "docs/knowledge.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"),),
}
"""Where the pages stand in the navigation; those that no group names follow in the group of their beginning,
or in the last."""
_BEGINNINGS = {"docs/kernel-": "Kernels", "docs/reference/": "Reference", "docs/schemas/": "Schemas"}
_ORDER = ("Start", "Check", "Diagnose", "Investigate", "Images", "Kernels", "Reference", "Schemas", "Develop")
_API = "docs/reference/api.md"
"""Made here, of the code: no file of the repository."""
_SCROLL = '<div class="scroll" role="group" tabindex="0" aria-label="Table">'
_COMMENT = re.compile(r"^<!--.*?-->\n?", re.MULTILINE | re.DOTALL)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


@frozen
class Page:
    """One page before it is written."""

    source: str
    """Path of its Markdown or schema, relative to the repository."""
    target: str
    """Path of its HTML, relative to the site."""
    title: str
    group: str


@define
class _Writer:
    root: Path
    pages: dict[str, Page]
    extra: dict[str, bytes] = field(factory=dict)
    """Files that pages lead to, by target."""

    def link(self, page: Page, address: str) -> str:
        """The address as the page's HTML has it; raises `Malformed` where it leads nowhere."""
        if _ADDRESS.match(address) or address.startswith("#"):
            return address
        path, _, fragment = address.partition("#")
        place = PurePosixPath(page.source).parent / unquote(path)
        source = os.path.normpath(place)
        if (self.root / source / "README.md").is_file():
            source = f"{source}/README.md"
        known = self.pages.get(source)
        if known is not None:
            target = known.target
        elif (self.root / source).is_file() and not source.startswith(".."):
            target = f"docs/files/{source}"
            # Read, not downloaded, whatever its name: a server knows what text is.
            if PurePosixPath(source).suffix not in {".png", ".svg"}:
                target += ".txt"
            self.extra[target] = (self.root / source).read_bytes()
        elif (self.root / source).is_dir() and not source.startswith(".."):
            target = f"docs/files/{source}.txt"
            names = sorted(path.name for path in (self.root / source).iterdir() if path.name[0] not in "._")
            self.extra[target] = ("\n".join(names) + "\n").encode()
        else:
            raise Malformed(page.source, None, "a link to something that is there", address)
        relative = os.path.relpath(target, PurePosixPath(page.target).parent)
        return f"{relative}#{fragment}" if fragment else relative


@frozen
class Documentation:
    """The files of the documentation."""

    files: Mapping[str, bytes]
    pages: tuple[Page, ...]


def documentation(root: Path, environment: jinja2.Environment) -> Documentation:
    """Path → content of every page, by the template `docs.html.j2`; raises `Malformed` for a dead link."""
    sources = [*sorted((root / "docs").rglob("*.md")), *(root / name for name in _beside())]
    sources += sorted((root / "docs" / "schemas").glob("*.schema.json"))
    pages: dict[str, Page] = {}
    for path in sources:
        source = path.relative_to(root).as_posix()
        pages[source] = Page(source, _target(source), _title(path), _group(source))
    pages[_API] = Page(_API, "docs/reference/api.html", TITLE, "Reference")
    writer = _Writer(root, pages)
    navigation = _navigation(pages)
    template = environment.get_template("docs.html.j2")
    files: dict[str, bytes] = {}
    contents: list[tuple[str, str]]
    for page in pages.values():
        if page.source.endswith(".json"):
            body, contents = schema_page(json.loads((root / page.source).read_text("utf-8")), page.source), []
            files[f"docs/schemas/{Path(page.source).name}"] = (root / page.source).read_bytes()
        else:
            text = api_markdown() if page.source == _API else (root / page.source).read_text("utf-8")
            body, contents = _rendered(writer, page, text)
        up = "../" * page.target.count("/")
        files[page.target] = template.render(
            version=__version__,
            policy=POLICY,
            up=up,
            page=page,
            body=Markup(body),  # noqa: S704 - made here: what the sources hold is escaped
            contents=contents,
            navigation=[
                (group, [(os.path.relpath(o.target, PurePosixPath(page.target).parent), o) for o in members])
                for group, members in navigation
            ],
        ).encode()
    return Documentation({**files, **writer.extra}, tuple(pages.values()))


def _beside() -> tuple[str, ...]:
    return tuple(name for names in _GROUPS.values() for name in names if not name.startswith("docs/"))


def _target(source: str) -> str:
    if source == "README.md":
        return "docs/index.html"
    if source.endswith(".schema.json"):
        return source.removesuffix(".schema.json") + ".html"
    inside = source if source.startswith("docs/") else f"docs/{source.lower()}"
    return inside.removesuffix(".md") + ".html"


def _title(path: Path) -> str:
    if path.suffix == ".json":
        return path.name.removesuffix(".schema.json")
    text = path.read_text(encoding="utf-8")
    heading = re.search(r"^# +(.+)$", text, re.MULTILINE)
    return heading[1].replace("`", "").strip() if heading else path.stem


def _group(source: str) -> str:
    named = next((group for group, names in _GROUPS.items() if source in names), None)
    begun = next((group for start, group in _BEGINNINGS.items() if source.startswith(start)), None)
    return named or begun or _ORDER[-1]


def _navigation(pages: Mapping[str, Page]) -> list[tuple[str, list[Page]]]:
    """Every page once, in groups."""
    groups: dict[str, list[Page]] = {group: [] for group in _ORDER}
    for group, names in _GROUPS.items():
        groups[group] += [pages[name] for name in names]
    placed = {page.source for members in groups.values() for page in members}
    for page in pages.values():
        if page.source not in placed:
            groups[page.group].append(page)
    return [(group, members) for group, members in groups.items() if members]


def _rendered(writer: _Writer, page: Page, text: str) -> tuple[str, list[tuple[str, str]]]:
    """(HTML, [(id, heading of the second level)])."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(_COMMENT.sub("", text))
    contents: list[tuple[str, str]] = []
    for heading, inline in _headings(tokens):
        if heading.tag == "h2":
            contents.append((str(heading.attrs["id"]), inline))
    for token in _walk(tokens):
        for name in ("href", "src"):
            if name in token.attrs:
                token.attrs[name] = writer.link(page, str(token.attrs[name]))
        if str(token.attrs.get("href", "")).startswith(("http://", "https://")):
            token.attrs["rel"] = "noreferrer"
    rendered: str = markdown.renderer.render(tokens, markdown.options, {})
    # What may be wider than the page scrolls by itself, and by keyboard.
    rendered = rendered.replace(
        "<table>", '<div class="scroll" role="group" tabindex="0" aria-label="Table"><table>'
    )
    rendered = rendered.replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">')
    rendered = rendered.replace("<th></th>", "<td></td>")  # a corner is no heading
    return rendered, contents


def _headings(tokens: Sequence[Token]) -> Iterator[tuple[Token, str]]:
    """Headings and their text; each is given an id, as code hosts make them."""
    taken: dict[str, int] = {}
    for token, inline in itertools.pairwise(tokens):
        if token.type != "heading_open":
            continue
        text = "".join(child.content for child in inline.children or ())
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        number = taken.get(slug, 0)
        taken[slug] = number + 1
        token.attrs["id"] = f"{slug}-{number}" if number else slug
        yield token, text


def _walk(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _walk(token.children or ())
