from __future__ import annotations

import json
import re
from itertools import pairwise

from attrs import evolve
from made_up import a_loop, made_up
from page_reader import Page

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.decision.decide import decide
from bootwright.investigate.plans.plan_file import load_plan
from bootwright.investigate.running.investigation import study
from bootwright.report import html, markdown
from bootwright.report.result import result


def written() -> Page:
    return Page(html.page(*made_up(), generated_at="2026-01-02 03:04 UTC"))


def test_it_is_whole_and_stands_alone() -> None:
    text = html.page(*made_up(), generated_at="")
    page = Page(text)
    assert page.problems == []
    assert page.open == []
    assert "script" not in page.tags
    assert "url(" not in text
    assert "@import" not in text
    fetched = {"src", "srcset", "poster", "data", "action", "background"}
    assert [name for _, name, _ in page.attributes if name in fetched] == []
    outside = [value for _, name, value in page.attributes if name == "href" and value and value[0] != "#"]
    assert outside == []
    assert not re.search(r"[\U0001F300-\U0001FAFF\u2600-\u27BF]", text), "no emoji"


def test_every_link_inside_the_page_leads_somewhere() -> None:
    page = written()
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    targets = {
        value[1:] for _, name, value in page.attributes if name == "href" and value and value[0] == "#"
    }
    named = {
        part
        for _, name, value in page.attributes
        if name in {"aria-labelledby", "for"} and value
        for part in value.split()
    }
    assert targets | named <= set(ids)


def test_headings_are_in_order_and_tables_have_headers() -> None:
    page = written()
    levels = [int(tag[1]) for tag, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert page.tags.count("table") == len(page.tables) > 3
    scopes = sum(name == "scope" for tag, name, _ in page.attributes if tag == "th")
    assert scopes == page.tags.count("th")


def test_the_answer_comes_first_in_words() -> None:
    page = written()
    text = page.text
    assert "Not known for rpi5-rev-1.0 and rpi5-rev-1.1" in text
    assert "Works with kernel version 6.16.3 or later." in text
    assert "It fails where kernel version is too old (fails with 6.12." in text
    assert text.index("Works with kernel version") < text.index("What was seen Each row")
    assert "Nothing between the two was on offer" in text
    assert "Fits the public history, not shown by a boot here" in text
    assert "c5c12f871a30" in text


def test_the_matrix_has_every_cell_and_what_came_of_it() -> None:
    studied, decision = made_up()
    page = written()
    matrix = next(table for table in page.tables if table[0][0] == "Cell")
    cells = result(studied, decision)["cells"]
    assert [row[0] for row in matrix[1:]] == [cell["id"] for cell in cells]
    column = matrix[0].index("Ethernet comes up")
    assert [row[column] for row in matrix[1:3]] == ["works", "fails"]
    for row, cell in zip(matrix[1:], cells, strict=True):
        assert row[1] == cell["source"]
        assert cell["factors"]["kernel"] in row


def test_what_was_refuted_is_shown_by_two_cells() -> None:
    _, decision = made_up()
    page = written()
    belief = next(belief for belief in decision.beliefs if belief.id == "B2")
    assert belief.status == "refuted"
    table = next(
        rows for rows in page.tables if all(any(word in cell for cell in rows[0]) for word in belief.by)
    )
    sizes = next(row for row in table if row[0].startswith("Page size"))
    assert sizes[0].endswith("differs")
    assert set(sizes[1:]) == {"4K", "16K"}
    assert set(table[-1][1:]) == {"fails", "works"}


def test_the_probe_table_says_what_each_result_goes_with() -> None:
    rows = {row[0]: row[-1] for table in written().tables if table[0][0] == "Test" for row in table[1:]}
    assert rows["talos-1.12-etc-hosts"] == "Kernel version"
    assert rows["squashfs-4K"] == "Page size"
    assert rows["classic-bind"] == "no difference"


def test_the_console_lines_that_prove_it_are_there_with_provenance() -> None:
    text = written().text
    assert "not ok 1 talos-1.12-etc-hosts # open_tree: EINVAL" in text
    assert "1.90 s" in text or "0.40 s" in text
    for part in ("a" * 64, "b" * 64, "c" * 64, "QEMU 7.2.22", "qemu-system-aarch64 -machine virt"):
        assert part in text
    assert "signature, index, package" in text


def test_limits_and_next_steps_are_said() -> None:
    _, decision = made_up()
    text = written().text
    assert decision.next is not None
    assert "What would tell most about the causes, on the board" in text
    assert "only reports speak of it; nothing was run here" in text
    assert "not RP1" in text


def test_a_table_without_a_plan_makes_a_page_too() -> None:
    rows = [
        Observation("a", {"pages": ("4K",), "kernel": ("6.12",)}, {"net": Verdict.WORKS}, Source.REPORTED),
        Observation("b", {"pages": ("16K",), "kernel": ("6.18",)}, {"net": Verdict.FAILS}, Source.REPORTED),
    ]
    investigation = study(rows, "seen.csv")
    page = Page(html.page(investigation, decide(investigation), generated_at=""))
    assert page.problems == []
    assert "Pages and kernel changed together every time" in page.text
    assert "How each run was chosen" not in page.text
    assert "Evidence: each boot" not in page.text


def test_nothing_seen_at_all_makes_a_page_too() -> None:
    investigation = study([Observation("a", {"x": ("1",)}, {"net": Verdict.UNKNOWN}, Source.REPORTED)], "")
    page = Page(html.page(investigation, decide(investigation), generated_at=""))
    assert page.problems == []
    assert "No result for it yet." in page.text


def test_the_page_is_the_same_for_the_same_input() -> None:
    studied, decision = made_up()
    assert html.page(studied, decision, generated_at="x") == html.page(studied, decision, generated_at="x")
    json.dumps(result(studied, decision))


def a_prediction(verdict: Verdict) -> Observation:
    """A predicted cell in the form that investigate.foretell gives it; what it says is made up."""
    reason = "rp1_pci finds no node named rp1_nexus"
    broken = {"node": "/axi/pcie@1000120000", "link": "driver", "reason": reason, "remedy": "use other files"}
    hazard = {"title": "MSI-X comes late", "reason": "the host is built in", "remedy": "build it in too"}
    return Observation(
        "cell-90",
        {"page_size": ("4K",), "kernel": ("6.18.5",), "tree": ("mainline",), "dtb": ("firmware",)},
        {"ethernet": verdict},
        Source.PREDICTED,
        {
            "kernel": "debian-6.18.5-4k",
            "kernel_sha256": "d" * 64,
            "limit": "Read, not run.",
            "goals": {
                "ethernet": {
                    "verdict": str(verdict),
                    "first_broken": broken if verdict is Verdict.FAILS else None,
                    "hazards": [hazard, {**hazard, "title": "the same again", "reason": reason}],
                    "not_checked": ["the cable"],
                }
            },
        },
    )


def test_predictions_are_told_as_such_with_their_first_broken_link() -> None:
    loop = a_loop(load_plan("talos-rpi5"))
    studied = loop.look([*loop.began, a_prediction(Verdict.FAILS)])
    page = Page(html.page(studied, decide(studied), generated_at=""))
    assert page.problems == []
    assert "Predictions, without a boot" in page.text
    assert "First broken link: /axi/pcie@1000120000 , driver. rp1_pci finds no node" in page.text
    assert "Remedy: Use other files." in page.text
    assert "MSI-X comes late." in page.text
    assert "the same again" not in page.text, "the hazard that is the broken link is told once"
    assert "Not checked: The cable." in page.text
    assert "only reports and predictions speak of it; nothing was run" in page.text


def test_what_is_predicted_of_several_cells_is_said_once() -> None:
    loop = a_loop(load_plan("talos-rpi5"))
    first = a_prediction(Verdict.FAILS)
    second = evolve(
        first, id="cell-another", values={**first.values, "kernel": ("6.16.3",)}, evidence={**first.evidence}
    )
    third = evolve(a_prediction(Verdict.WORKS), id="cell-third", values={**first.values, "dtb": ("kernel",)})
    studied = loop.look([*loop.began, first, second, third])
    page = Page(html.page(studied, decide(studied), generated_at=""))
    assert page.problems == []
    section = page.text[page.text.index("Predictions, without a boot") :]
    for text in ("rp1_pci finds no node", "MSI-X comes late.", "The cable.", "Read, not run."):
        assert section.count(text) >= 1
    assert section.count("First broken link: /axi/pcie@1000120000") == 1
    assert section.count("MSI-X comes late.") == section.count("Not checked:") == 1
    assert all(cell.id in section for cell in (first, second, third))
    plain = markdown.page(studied, decide(studied)).partition("## Predictions")[2].partition("\n## ")[0]
    assert plain.count("comes late") == plain.count("First broken link") == 1
    assert all(
        cell.id.replace("-", "") in plain.replace("-", "").replace("\\", "")
        for cell in (first, second, third)
    )


def test_what_is_only_predicted_to_work_is_never_said_to_work() -> None:
    loop = a_loop(load_plan("talos-rpi5"))
    seen = evolve(
        a_prediction(Verdict.WORKS),
        values={
            **a_prediction(Verdict.WORKS).values,
            "talos": ("1.12.1",),
            "dtb": ("kernel",),
            "board": ("rpi5-rev-1.0",),
        },
    )
    studied = loop.look([*made_up()[0].observations, seen])
    page = Page(html.page(studied, decide(studied), generated_at=""))
    assert "Works with rpi5-rev-1.0; not known for rpi5-rev-1.1" in page.text
    assert "Predicted to work in cell-90, not run on a board. Not known with rpi5-rev-1.1." in page.text
    assert "Predicted from files; not run on a board yet." in page.text
    assert "This works" not in page.text


def test_failures_with_several_causes_are_told_part_by_part() -> None:
    def cell(name: str, first_level: str, two: str, verdict: Verdict) -> Observation:
        return Observation(name, {"one": (first_level,), "two": (two,)}, {"net": verdict}, Source.BENCH)

    rows = [
        cell("a", "x", "x", Verdict.WORKS),
        cell("b", "bad", "x", Verdict.FAILS),
        cell("c", "x", "bad", Verdict.FAILS),
        cell("d", "y", "y", Verdict.WORKS),
    ]
    investigation = study(rows, "seen.csv")
    assert investigation.judgements["net"].either
    text = Page(html.page(investigation, decide(investigation), generated_at="")).text
    assert "The simplest that together do: one is bad or two is bad." in text
    assert "b: one is bad" in text
    assert "c: two is bad" in text
