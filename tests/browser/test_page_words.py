"""The command line's words as the page says them: fields and tabs, and nothing to type that is not marked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.boards.lights import LIGHTS
from bootwright.browser import words
from bootwright.browser.words import COMMANDS, reworded, worded
from bootwright.cli.main import main
from bootwright.diagnose.signatures.knowledge import load
from bootwright.investigate.plans.plan import Release
from bootwright.investigate.plans.plan_file import PLANS, load_plan
from bootwright.predict.rules.knowledge import HAZARDS
from bootwright.prepare.knowledge import PREPARATIONS
from site_parts import build

ON_LINUX = re.compile(r"`[^`]*` \(on Linux\)")
TO_TYPE = re.compile(
    rf"\bbootwright (?:{'|'.join(COMMANDS)})\b|(?<![\w-])--(?:board|revision|led|lights|log|text)\b"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("give a log (--log FILE): it says why", "give a log (“Diagnose a log”): it says why"),
        ("give them: --led LONG+SHORT", "give them: “Status LED” LONG+SHORT"),
        ("there is no answer 'x' to --led", "there is no answer 'x' to “Status LED”"),
        ("give that board with --board", "give that board with “Board”"),
        (
            "hold it against the board: bootwright prepare IMAGE --board beagleplay --check-only",
            "hold it against the board: the tab “Check an image”",
        ),
        ("write the card again: bootwright flash", "write the card again: `bootwright flash` (on Linux)"),
        (
            "Look; `bootwright kernels messages --line 'LINE'` says which.",
            "Look; `bootwright kernels messages --line 'LINE'` (on Linux) says which.",
        ),
        ("Linux 6.18 (bootwright kernels fetch x-4k --modules, or --kernel) and", "Linux 6.18 and"),
        (
            "bootwright image swap --kernel does. bootwright check says",
            "`bootwright image swap --kernel` (on Linux) does. the tab “Check an image” says",
        ),
        (
            "install bootwright again; `mdadm --detail`, `--led`",
            "install bootwright again; `mdadm --detail`, `--led`",
        ),
        (
            "talosctl apply-config --insecure --nodes A --file F",
            "talosctl apply-config --insecure --nodes A --file F",
        ),
        (
            "give --revision CODE (of /proc/cpuinfo) or --stepping",
            "give “Revision code or stepping” (of /proc/cpuinfo)",
        ),
        (
            "bootwright check --entry chooses another",
            "“Boot entry” in the tab “Check an image” chooses another",
        ),
        ("tell it: --outcome ethernet=works", "tell it: `--outcome ethernet=works` (on Linux)"),
        ("bootwright prepare talos --board NAME", "`bootwright prepare talos --board NAME` (on Linux)"),
        # What the tab cannot be given stays the command's.
        (
            "bootwright observe --text a.log --board NAME puts that right",
            "`bootwright observe --text a.log --board NAME` (on Linux) puts that right",
        ),
        ("the lights show: bootwright observe --help", "the lights show: the tab “Ask about a board”"),
    ],
)
def test_options_are_fields_and_commands_are_tabs(text: str, said: str) -> None:
    assert worded(text, {}) == said
    assert worded(said, {}) == said


@pytest.mark.parametrize(
    ("revision", "option"),
    [
        ("e04171", " --revision e04171"),
        ("Revision : e04171", " --revision e04171"),
        ("D0", " --stepping d0"),
        ("", ""),
    ],
)
def test_what_was_given_is_filled_in(revision: str, option: str) -> None:
    get = "bootwright prepare talos --version 1.12.8 --board raspberrypi-5 --revision CODE"
    said = worded(f"Get it: `{get}`", {"board": "raspberrypi-5", "revision": revision})
    assert said == (
        "Get it: ask for the version 1.12.8 above, or `bootwright prepare talos --version 1.12.8 "
        f"--board raspberrypi-5{option}` (on Linux)"
    )


def test_every_command_is_known() -> None:
    assert tuple(sorted(main.list_commands(click.Context(main)))) == COMMANDS
    assert [title for _, title in build._TABS] == [words.DIAGNOSE, words.CHECK, words.ASK]


def _releases(plan: str) -> list[Release]:
    return load_plan(plan).release


def _knowledge() -> Iterator[str]:
    for signature in load().signatures:
        yield from (signature.remedy, signature.limits)
    for lights in LIGHTS.all().values():
        yield from (text for blink in lights.blinks for text in (blink.means, blink.next))
    for preparation in PREPARATIONS.all().values():
        for look in preparation.look:
            yield from filter(None, (look.means, look.next, look.means_alone, look.next_alone))
    for hazard in HAZARDS.all().values():
        yield from (hazard.reason, hazard.remedy)
    for name in PLANS.names():
        yield from (f"`{release.get}`" for release in _releases(name) if release.get)


def test_no_text_of_the_knowledge_tells_to_type_what_is_not_marked() -> None:
    texts = list(_knowledge())
    assert sum(bool(TO_TYPE.search(text)) for text in texts) > 10
    for text in texts:
        assert not TO_TYPE.search(ON_LINUX.sub("", worded(text, {}))), text


def test_logs_and_pictures_are_left_as_they_are() -> None:
    line = "bootwright flash --led"
    answer = {"logs": [{"lines": [[1, line]]}], "finding": {"lines": [{"text": line}], "remedy": line}}
    assert reworded(answer, {}) == {line: "`bootwright flash --led` (on Linux)"}
    assert reworded({"logs": [line]}, {}) == {}


@given(st.text(alphabet="bo`( )-=leditwrghNAME 1'", max_size=80), st.text(max_size=20))
def test_any_text_is_said(text: str, revision: str) -> None:
    request: dict[str, Any] = {"revision": revision}
    assert isinstance(worded(text, request), str)
    json.dumps(reworded({"text": text}, request))
