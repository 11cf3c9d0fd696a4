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
    from bootwright.images.verify_model import Check


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
    from bootwright.images.verify import verify
    from bootwright.images.verify_expect import Expectation

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
    from bootwright.images.verify_model import Check, unknown
    from bootwright.predict.api import facts_of, judge, predict, read_tree
    from bootwright.predict.gather import blob_for, gather

    boards = [board_named(name) for name in names]
    wanted = {board.id: [board.goal(name) for name in goals] or list(board.goals) for board in boards}
    try:
        found = gather((str(image),), progress)
    except BootwrightError as error:
        yield unknown("board", error.message, hint=error.hint)
        return
    assert found.kernel is not None  # noqa: S101 - gather() refuses otherwise
    facts = facts_of(found.kernel, found.initramfs_modules())
    for board in boards:
        for stepping in board.steppings:
            title = f"{board.id} {stepping.name}"
            try:
                path = blob_for(found, stepping.dtb)
            except BootwrightError as error:
                yield unknown(title, error.message, hint=error.hint)
                continue
            tree = read_tree(path, ())
            solved = predict(facts, tree, board=board, stepping=stepping.name, os=found.os or None)
            for goal in wanted[board.id]:
                verdict = judge(solved, board, goal)
                broken = verdict.first_broken
                detail = "every link of its chain holds" if verdict.verdict is Verdict.WORKS else "not known"
                if broken is not None:
                    detail = f"{broken.node}: {broken.needs}: {broken.reason}"
                yield Check(f"{title} {goal.name}", verdict.verdict, detail, where=path.name)
