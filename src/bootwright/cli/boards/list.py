"""`bootwright boards list`: the boards that are known."""

from __future__ import annotations

from inspect import cleandoc

import click

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

    listed = list_boards(kernel=kernel, progress=Silent() if quiet else Lines())
    if as_json:
        import json

        document = {"schema": "bootwright/boards/1", "boards": [board.as_json() for board in listed]}
        click.echo(json.dumps(document, indent=1))
        return 0
    rows = [("BOARD", "FROM", "NAME", "DEVICETREES")]
    rows += [(board.id, board.origin, board.name, ", ".join(board.dtbs)) for board in listed]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *row, last in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(printable(f"{'  '.join(cells)}  {last}"))
    return 0


command.help = f"{cleandoc(command.help or '')}\n{_EXAMPLES}"
