"""`bootwright image verify`: is an image sound, complete, and the build one thinks it is?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bootwright.boards.model import Board
    from bootwright.foundation.progress import Progress
    from bootwright.images.verify.verify_model import Check
    from bootwright.predict.model import GoalVerdict
    from bootwright.predict.verdicts import Asked


@click.command(
    "verify", epilog="Exit status: 0 all is well, 1 a check failed, 2 bad input, 3 a check could not be made."
)
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--expect", "expected", multiple=True, metavar="PART=FILE", help="The build it must hold.")
@click.option("--board", "boards", multiple=True, metavar="NAME|FILE", help="It must work on this board too.")
@click.option("--revision", metavar="CODE", help="The board's revision code, such as e04171.")
@click.option("--stepping", metavar="NAME", help="The board's stepping, such as d0 [all].")
@click.option("--goal", "goals", multiple=True, metavar="NAME", help="Only this goal of the boards.")
@click.option("--json", "as_json", is_flag=True, help="The checks as JSON on stdout.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    image: Path,
    *,
    expected: tuple[str, ...],
    boards: tuple[str, ...],
    revision: str | None,
    stepping: str | None,
    goals: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> int:
    """Check IMAGE before it is released.

    Structure: both copies of the partition table, file systems (every file is read, and their own checkers
    run), UKIs, initramfs, squashfs roots, devicetrees. Boot chain: every file that boot loader, config.txt
    and boot entries name is there; modules are the kernel's. --expect proves that a part is the very build
    you think it is: by hash, and by release, banner and build id where that differs. --board adds what
    `bootwright check` says of the image, for each goal and stepping of the board; what holds on one stepping
    only is unknown, unless --revision or --stepping says which one it is.

    \b
    Examples:
      bootwright image verify talos.raw
      bootwright image verify talos.raw --expect kernel=build/Image --expect dtb=build/dtbs
      bootwright image verify talos.raw --expect modules=build/lib/modules/6.18.6 --expect cmdline=pti=on
      bootwright image verify talos.raw --expect EFI:/u-boot.bin=u-boot.bin --json
      bootwright image verify talos.raw --board raspberrypi-5 --goal ethernet
    """
    from attrs import evolve

    from bootwright.cli._values import asked_boards
    from bootwright.foundation.progress import Lines, Silent
    from bootwright.images.verify.verify import verify
    from bootwright.images.verify.verify_expect import Expectation
    from bootwright.predict.verdicts import Asked

    progress = Silent() if quiet else Lines()
    if (goals or revision or stepping) and not boards:
        raise click.UsageError("--goal, --revision and --stepping need a --board")
    chosen, stepping = asked_boards(boards, revision=revision, stepping=stepping, goals=goals)
    code = int(revision, 16) if revision is not None else None
    only = chosen[0] if len(chosen) == 1 else None
    wanted = [Expectation.parse(text) for text in expected]
    result = verify(image, expected=wanted, board=only, progress=progress)
    if boards:
        told = _board_checks(image, chosen, stepping, Asked(goals, code=code), progress)
        result = evolve(result, checks=(*result.checks, *told))
    if as_json:
        json.dump(result.as_json(), sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        for check in result.checks:
            place = f" [{check.where}]" if check.where else ""
            click.echo(f"{check.verdict:<8} {check.name}: {check.detail}{place}")
            if check.hint:
                click.echo(f"         hint: {check.hint}")
        click.echo(f"{image}: {result.verdict}")
    return result.verdict.exit_status


def _board_checks(
    image: Path, boards: Sequence[Board], stepping: str | None, asked: Asked, progress: Progress
) -> Iterator[Check]:
    """What `check` predicts for each stepping and goal."""
    from bootwright.foundation.errors import BootwrightError
    from bootwright.foundation.verdict import Verdict
    from bootwright.images.verify.verify_model import Check, unknown
    from bootwright.predict.given.gather import gather
    from bootwright.predict.verdicts import judge_boards, together

    try:
        found = gather((str(image),), progress, board=boards[0] if len(boards) == 1 else None)
    except BootwrightError as error:
        yield unknown("board", error.message, hint=error.hint)
        return
    for board in boards:
        try:
            if found.depends_on_board:
                found = gather((str(image),), progress, board=board)
            judged = judge_boards(found, found.facts(), (board,), stepping, asked)
        except BootwrightError as error:
            yield unknown(board.id, error.message, hint=error.hint)
            continue
        for answer in together(judged):
            for one in judged:
                goal = one.goals.get(answer.goal)
                if goal is None:
                    continue
                name, where = f"{board.id} {one.stepping} {answer.goal}", one.dtb.name if one.dtb else None
                if answer.split and goal.verdict is not Verdict.WORKS:
                    # What breaks on one stepping only is not known of the board.
                    yield unknown(name, f"{answer.words}. {one.stepping}: {_detail(goal)}", where=where)
                else:
                    yield Check(name, goal.verdict, _detail(goal), where=where)


def _detail(goal: GoalVerdict) -> str:
    from bootwright.foundation.verdict import Verdict

    broken = goal.first_broken
    if broken is not None:
        return ": ".join(filter(None, (broken.node, broken.needs, broken.reason)))
    return "every link of its chain holds" if goal.verdict is Verdict.WORKS else "not known"
