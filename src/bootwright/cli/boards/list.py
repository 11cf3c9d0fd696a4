"""`bootwright boards list`: the boards that are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import cleandoc
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bootwright.api import KnownBoard

_MOST_NAME = 24
"""Columns for the name for --board; a longer one has a line of its own."""
_EXAMPLES = """
\b
Examples:
  bootwright boards list
  bootwright boards list --kernel debian-7.3.4-4k | grep -i nanopi
"""


@click.command(name="list", epilog="Exit status: 0, or 2 for a kernel that is not there.")
@click.option(
    "--kernel", metavar="K", help="Every board that this kernel has a devicetree for, with a file or without."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/boards.schema.json).")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(*, kernel: str | None, as_json: bool, quiet: bool) -> int:
    """List the boards: the name for --board, where it is from, its name, and its devicetrees."""
    from bootwright.api import list_boards
    from bootwright.cli._parts.values import printable
    from bootwright.foundation.progress import Lines, Silent
    from bootwright.foundation.screen import screen_size

    listed = list_boards(kernel=kernel, progress=Silent() if quiet else Lines())
    if as_json:
        import json

        document = {"schema": "bootwright/boards/1", "boards": [board.as_json() for board in listed]}
        click.echo(json.dumps(document, indent=1))
        return 0
    columns, _ = screen_size()
    for line in _for_a_screen(listed) if columns else _for_a_program(listed):
        click.echo(printable(line))
    return 0


def _for_a_screen(listed: Sequence[KnownBoard]) -> Iterator[str]:
    """A paragraph a board, as wide as the screen: names of devicetrees are long."""
    from bootwright.report.words import wrapped

    width = min(max((len(board.id) for board in listed), default=0), _MOST_NAME)
    for board in listed:
        origin = "" if board.origin == "bootwright" else f" ({board.origin})"
        text = f"{board.name}{origin}: {', '.join(board.dtbs)}"
        yield from (
            wrapped(f"{board.id:{width}}  ", text)
            if len(board.id) <= width
            else (
                board.id,
                *wrapped(" " * width, text),
            )
        )


def _for_a_program(listed: Sequence[KnownBoard]) -> Iterator[str]:
    """A line a board, in columns."""
    rows = [("BOARD", "FROM", "NAME", "DEVICETREES")]
    rows += [(board.id, board.origin, board.name, ", ".join(board.dtbs)) for board in listed]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *row, last in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"{'  '.join(cells)}  {last}"


command.help = f"{cleandoc(command.help or '')}\n{_EXAMPLES}"
