"""`bootwright image verify`: is an image sound, complete, and the build one thinks it is?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.images.verify.verify_model import Check


@click.command(
    "verify", epilog="Exit status: 0 all is well, 1 a check failed, 2 bad input, 3 a check could not be made."
)
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--expect", "expected", multiple=True, metavar="PART=FILE", help="The build it must hold.")
@click.option("--board", "boards", multiple=True, metavar="NAME", help="It must work on this board too.")
@click.option("--goal", "goals", multiple=True, metavar="NAME", help="Only this goal of the boards.")
@click.option("--json", "as_json", is_flag=True, help="The checks as JSON on stdout.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    image: Path,
    *,
    expected: tuple[str, ...],
    boards: tuple[str, ...],
    goals: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> int:
    """Check IMAGE before it is released.

    Structure: both copies of the partition table, file systems (every file is read, and their own checkers
    run), UKIs, initramfs, squashfs roots, devicetrees. Boot chain: every file that boot loader, config.txt
    and boot entries name is there; modules are the kernel's. --expect proves that a part is the very build
    you think it is: by hash, and by release, banner and build id where that differs. --board adds what
    `bootwright check` says of the image, for each stepping and goal of the board.

    \b
    Examples:
      bootwright image verify talos.raw
      bootwright image verify talos.raw --expect kernel=build/Image --expect dtb=build/dtbs
      bootwright image verify talos.raw --expect modules=build/lib/modules/6.18.6 --expect cmdline=pti=on
      bootwright image verify talos.raw --expect EFI:/u-boot.bin=u-boot.bin --json
      bootwright image verify talos.raw --board raspberrypi-5 --goal ethernet
    """
    from attrs import evolve

    from bootwright.foundation.progress import Lines, Silent
    from bootwright.images.verify.verify import verify
    from bootwright.images.verify.verify_expect import Expectation

    progress = Silent() if quiet else Lines()
    if goals and not boards:
        raise click.UsageError("--goal needs a --board")
    result = verify(image, expected=[Expectation.parse(text) for text in expected], progress=progress)
    if boards:
        result = evolve(result, checks=(*result.checks, *_board_checks(image, boards, goals, progress)))
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
    image: Path, names: tuple[str, ...], goals: tuple[str, ...], progress: Progress
) -> Iterator[Check]:
    """What `check` predicts for each stepping and goal."""
    from bootwright.boards.model import board as board_named
    from bootwright.foundation.errors import BootwrightError
    from bootwright.foundation.verdict import Verdict
    from bootwright.images.verify.verify_model import Check, unknown
    from bootwright.predict.api import OS_GOAL
    from bootwright.predict.given.gather import blob_for, gather
    from bootwright.predict.verdicts import Asked, verdicts

    boards = [board_named(name) for name in names]
    for board in boards:
        for name in goals:
            if name != OS_GOAL:
                board.goal(name)
    try:
        found = gather((str(image),), progress)
    except BootwrightError as error:
        yield unknown("board", error.message, hint=error.hint)
        return
    facts = found.facts()
    for board in boards:
        for stepping in board.steppings:
            try:
                path = blob_for(found, stepping.dtb, board)
            except BootwrightError as error:
                yield unknown(f"{board.id} {stepping.name}", error.message, hint=error.hint)
                continue
            told = verdicts(found, facts, (board, stepping.name, path), Asked(goals))
            for name, goal in told.goals.items():
                broken = goal.first_broken
                detail = "every link of its chain holds" if goal.verdict is Verdict.WORKS else "not known"
                if broken is not None:
                    detail = ": ".join(filter(None, (broken.node, broken.needs, broken.reason)))
                yield Check(f"{board.id} {stepping.name} {name}", goal.verdict, detail, where=path.name)
