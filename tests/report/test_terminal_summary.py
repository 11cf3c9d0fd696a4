from __future__ import annotations

import io
import shlex

import pytest
from made_up import KERNELS, a_loop, made_up, made_up_with_boards
from rich.console import Console

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.decision.decide import decide
from bootwright.investigate.plans.plan_file import load_plan
from bootwright.investigate.running.investigation import study
from bootwright.investigate.running.loop import Limits
from bootwright.report import terminal
from bootwright.report.words import command_lines


def plain(width: int = 110) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=width, color_system=None, highlight=False), out


def words(out: io.StringIO) -> str:
    return " ".join(out.getvalue().split())


def test_what_to_do_comes_first_then_answers_then_cells() -> None:
    console, out = plain()
    terminal.summary(*made_up(), console)
    text = words(out)
    parts = [
        "Not known for rpi5-rev-1.0 and rpi5-rev-1.1.",
        "What to do now",
        "rpi5-rev-1.0: unknown",
        "rpi5-rev-1.1: unknown",
        "Works with kernel version 6.16.3 or later.",
        "B2 refuted:",
        "So B1, B2, B3 and B4 do not follow from the reports.",
        "report-1 reported 16K 6.12.25",
        "one cause is left: kernel version is too old (fails with",
        "What would tell most about the causes, on the board",
        "In short",
    ]
    places = [text.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (110, 24)])
def test_what_to_do_on_each_board_is_on_the_first_screen_and_on_the_last(width: int, height: int) -> None:
    console, out = plain(width)
    terminal.summary(*made_up_with_boards(), console)
    lines = out.getvalue().splitlines()
    first = (
        "bootwright prepare talos --version 1.12.8 --board",
        "bootwright prepare talos --version 1.12.8 --board",
    )
    last = tuple(f"kernel version {kernel}" for kernel in KERNELS)
    for screen, wanted in ((lines[:height], first), (lines[-height:], last), (lines[-height:], first)):
        text = " ".join(" ".join(screen).split())
        places = []
        for board, part in zip(("rpi5-rev-1.0", "rpi5-rev-1.1"), wanted, strict=True):
            places.append(text.find(f"{board}: works (predicted)"))
            places.append(text.find(part, places[-1]))
        assert -1 not in places
        assert places == sorted(places)


def test_a_command_is_broken_as_a_shell_takes_it() -> None:
    command = (
        "bootwright prepare 'my image.raw' --board raspberrypi-5 --stepping d0 --kernel debian-7.3-4k -o x"
    )
    for width in (40, 60, 80, 200):
        lines = command_lines(command, width)
        assert max(map(len, lines)) <= width
        joined = "\n".join(lines).replace("\\\n", "")
        assert shlex.split(joined) == shlex.split(command)
        assert not any(line.strip().startswith("raspberrypi-5") for line in lines)
    assert len(command_lines(command, 200)) == 1


def test_it_is_plain_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show(*made_up())
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= terminal.PLAIN_WIDTH


def test_it_is_coloured_where_there_is_one() -> None:
    out = io.StringIO()
    terminal.summary(
        *made_up(),
        Console(file=out, width=100, force_terminal=True, color_system="standard", legacy_windows=False),
    )
    assert "\x1b[1;32mworks" in out.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_it_fits_the_width(width: int) -> None:
    console, out = plain(width)
    terminal.summary(*made_up(), console)
    assert max(map(len, out.getvalue().splitlines())) <= width


def test_a_long_list_of_causes_is_grouped_by_factor() -> None:
    studied, decision = made_up()
    console, out = plain()
    terminal.summary(studied, decision, console)
    total = len(studied.judgements["ethernet"].causes)
    assert f"{total} causes still fit" in words(out)
    assert "page size alone" in words(out)
    assert out.getvalue().count("such as:") == terminal.MOST_GROUPS


def test_a_dry_run_tells_what_it_would_run_and_what_that_costs() -> None:
    loop = a_loop(load_plan("talos-rpi5"))
    studied = loop.look(loop.began)
    console, out = plain()
    terminal.ahead(studied, decide(studied), console, loop.runs)
    text = words(out)
    assert "What it would run here" in text
    first = studied.offered[0].trial
    assert first.id.split("/")[1] in text
    assert "12 MB" in text
    assert f"{first.cost:.1f} s" in text
    assert "causes still fit" in text


def test_a_dry_run_lists_no_run_that_is_more_to_fetch_than_is_allowed() -> None:
    loop = a_loop(load_plan("talos-rpi5"))
    studied = loop.look(loop.began, limits=Limits(download=0))
    assert studied.offered == ()
    console, out = plain()
    terminal.ahead(studied, decide(studied), console, loop.runs)
    assert "needs 12 MB more: --max-download 50." in words(out)


def test_a_table_without_a_plan() -> None:
    rows = [
        Observation("a", {"pages": ("4K",), "kernel": ("6.12",)}, {"net": Verdict.FAILS}, Source.REPORTED),
        Observation("b", {"pages": ("4K",), "kernel": ("6.18",)}, {"net": Verdict.WORKS}, Source.REPORTED),
    ]
    investigation = study(rows, "seen.csv")
    console, out = plain()
    terminal.summary(investigation, decide(investigation), console)
    assert "fails where kernel is too old (fails with" in words(out)
    assert "Beliefs" not in out.getvalue()
    assert "Configuration" not in out.getvalue()
