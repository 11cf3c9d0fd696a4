"""No text of a plan, a table or a guest's console gets out of where it is put."""

from __future__ import annotations

import io
import re
from functools import cache

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from made_up import as_known, investigate, spoiled, with_texts
from page_reader import Page
from rich.console import Console

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.decision.decide import decide
from bootwright.investigate.plans.plan_file import load_plan
from bootwright.investigate.running.investigation import Investigation, study
from bootwright.report import html, markdown, terminal

PIECES = st.sampled_from(
    [
        *"<>\"'&/{}%#`=()[]|\\!-_*~$@:;\x00\x07\x08\t\r\n\x1b\x7f\x85\x9b\u2028\u202e\ufeff",
        "<script>alert(1)</script>",
        "</style><script>",
        "--><svg onload=alert(1)>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7*7 }}",
        "{% raw %}",
        "&lt;b&gt;",
        "javascript:alert(1)",
        "[link](javascript:alert(1))",
        "[red]markup[/red]",
        "\x1b[31m",
        "\x1b]0;owned\x07",
        "\x1b]8;;http://evil/\x1b\\",
        "</td></tr></table>",
        "<!--",
        "]]>",
        "```",
    ]
)
HOSTILE = st.lists(PIECES | st.text(max_size=5), max_size=8).map(lambda parts: "x" + "".join(parts))
SLOW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NASTY = "x<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x1b[31m[red]`|{{7*7}}</style>"


def hostile_investigation(text: str) -> Investigation:
    return investigate(with_texts(load_plan("talos-rpi5"), text), as_known, spoiled(text))


@cache
def harmless_tags() -> list[str]:
    investigation = hostile_investigation("x")
    return Page(html.page(investigation, decide(investigation), generated_at="x")).tags


def check_text(text: str) -> None:
    """No control character but the newline, and nothing that turns the direction of text."""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", text)


@SLOW
@given(HOSTILE)
@example(NASTY)
def test_nothing_gets_out_of_a_report_of_a_plan(text: str) -> None:
    investigation = hostile_investigation(text)
    check_page(investigation, text)
    check_markdown(investigation)
    check_terminal(investigation)


def check_page(investigation: Investigation, text: str) -> None:
    """The same tags, whatever the texts say."""
    source = html.page(investigation, decide(investigation), generated_at=text)
    page = Page(source)
    assert page.problems == []
    # The console's extra lines may add rows to an excerpt, nothing else.
    assert outside_consoles(page.tags) == outside_consoles(harmless_tags())
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "style"]
    links = [value or "" for tag, name, value in page.attributes if tag == "a" and name == "href"]
    assert all(value.startswith(("#", "https://git.kernel.org/")) for value in links)
    check_text(source)


def outside_consoles(tags: list[str]) -> list[str]:
    """The tags without table rows: an excerpt has as many as its console has lines."""
    return [tag for tag in tags if tag not in {"tr", "td", "code"}]


@SLOW
@given(HOSTILE)
@example(NASTY)
def test_levels_ids_and_outcomes_of_a_table_stay_where_they_are(text: str) -> None:
    rows = [
        Observation(text, {text: (text,), "b": ("1",)}, {text + "o": Verdict.FAILS}, Source.REPORTED),
        Observation(
            text + "2",
            {text: (text + "3",), "b": ("2",)},
            {text + "o": Verdict.WORKS},
            Source.BENCH,
            {"note": text},
        ),
    ]
    investigation = study(rows, text)
    source = html.page(investigation, decide(investigation), generated_at="")
    page = Page(source)
    assert page.problems == []
    assert not {"script", "img", "iframe"} & set(page.tags)
    assert page.tags.count("svg") == source.count("<svg")
    check_text(source)


def check_markdown(investigation: Investigation) -> None:
    """No HTML, and no link, of anybody else's."""
    source = markdown.page(investigation, decide(investigation))
    check_text(source)
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", re.sub(r"\\[\\`<>\[\]]", "", source))
    tags = set(re.findall(r"<[^>\n]*>?", outside))
    allowed = {"<details>", "</details>", "<summary>", "</summary>"}
    assert {tag for tag in tags if not tag.startswith("<https://")} <= allowed
    assert "](" not in outside


def check_terminal(investigation: Investigation) -> None:
    """No control sequence of anybody else's."""
    out = io.StringIO()
    console = Console(file=out, width=100, no_color=True, highlight=False, color_system=None)
    terminal.summary(investigation, decide(investigation), console)
    terminal.ahead(investigation, decide(investigation), console)
    check_text(out.getvalue())
