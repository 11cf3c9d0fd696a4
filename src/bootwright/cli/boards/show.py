"""`bootwright boards show`: what is known of a board."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bootwright.api import ShownBoard

_EXAMPLES = """
\b
Examples:
  bootwright boards show raspberrypi-5
  bootwright boards show raspberrypi-5 --kernel debian-6.18-4k
  bootwright boards show rk3588s-nanopi-r6c.dtb
  bootwright boards show friendlyarm,nanopi-r6c --kernel debian-7.3.4-4k --json
"""


@click.command(name="show", epilog="Exit status: 0, or 2 for a board, file or kernel that is not there.")
@click.argument("board", metavar="BOARD|DTB|COMPATIBLE")
@click.option("--kernel", metavar="K", help="Whose match tables and devicetrees [the newest one here].")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/boards.schema.json).")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(board: str, *, kernel: str | None, as_json: bool, quiet: bool) -> int:
    """Show a board: its devicetrees, its goals and where their devices are, its console, what is not checked.

    Of a devicetree that no board's file is for, the goals are made of what its nodes are for.
    """
    from bootwright.api import show_board
    from bootwright.cli._parts.values import printable
    from bootwright.foundation.progress import Lines, Silent

    shown = show_board(board, kernel=kernel, progress=Silent() if quiet else Lines())
    if as_json:
        import json

        click.echo(json.dumps(shown.as_json(), indent=1))
        return 0
    for line in _lines(shown):
        click.echo(printable(line))
    return 0


def _lines(shown: ShownBoard) -> Iterator[str]:
    board = shown.board
    known = "made of the devicetree" if shown.origin == "devicetree" else f"--board {board.id}"
    origin = "" if shown.origin in {"bootwright", "devicetree"} else f", {shown.origin}"
    yield f"{board.name} ({known}{origin})"
    yield f"  compatible:   {', '.join(board.compatible)}"
    for stepping in board.steppings:
        note = f"  {stepping.note}" if stepping.note else ""
        word = stepping.name if len(board.steppings) > 1 else "devicetree"
        yield f"  {word + ':':13} {stepping.dtb}{note}"
    if board.revision is not None:
        yield f"  revision:     its code says the stepping ({board.revision.source})"
    for function in board.functions:
        where = function.id
        yield f"  PCI:          {where.vendor:04x}:{where.device:04x} {function.title}"
    nodes = dict(shown.nodes())
    width = max(len(goal.name) for goal in board.goals)
    yield "  goals:"
    for goal in board.goals:
        boots = " (may hold the root file system)" if goal.boots_from else ""
        node = nodes.get(goal.name)
        place = f"  {node}" if node else "" if not nodes else "  not in this devicetree"
        yield f"    {goal.name:{width}}{place}  {goal.note or goal.kind}{boots}".rstrip()
    if shown.console is not None:
        yield f"  console:      console={shown.console.console} earlycon={shown.console.earlycon}"
        if shown.console.firmware:
            yield f"  firmware:     {shown.console.firmware} makes it print"
    for remark in board.not_checked:
        yield f"  not checked:  {remark}"
    if shown.origin != "devicetree":
        yield f"  source:       {board.source}"
    else:
        yield f"  a file for it, to edit: bootwright boards add {board.steppings[0].dtb}"


command.help = f"{cleandoc(command.help or '')}\n{_EXAMPLES}"
