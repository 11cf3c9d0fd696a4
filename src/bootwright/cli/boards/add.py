"""`bootwright boards add`: write the file of a board that has none."""

from __future__ import annotations

import shlex
from inspect import cleandoc
from pathlib import Path

import click

_EXAMPLES = """
\b
Examples:
  bootwright boards add rk3588s-nanopi-r6c.dtb
  bootwright boards add friendlyarm,nanopi-r6c --kernel debian-7.3.4-4k --name nanopi-r6c
  bootwright boards add board.dtb --out board.toml
"""


@click.command(name="add", epilog="Exit status: 0, or 2 for bad input or a board that has a file.")
@click.argument("devicetree", metavar="DTB|COMPATIBLE")
@click.option("--name", metavar="NAME", help="The board's name for --board [its compatible].")
@click.option("--kernel", metavar="K", help="Whose match tables and devicetrees [the newest one here].")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file [in $XDG_CONFIG_HOME/bootwright/boards/, where every command finds it].",
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    devicetree: str, *, name: str | None, kernel: str | None, out: Path | None, force: bool, quiet: bool
) -> int:
    """Write the file of a board that has none, from its devicetree: its goals, for you to edit."""
    from bootwright.api import add_board
    from bootwright.cli._parts.values import printable
    from bootwright.foundation.progress import Lines, Silent

    added = add_board(
        devicetree,
        name=name,
        kernel=kernel,
        output=out,
        force=force,
        progress=Silent() if quiet else Lines(),
    )
    board = added.board
    click.echo(printable(f"wrote {added.path}: {board.name}, {len(board.goals)} goals"))
    asked = board.id if out is None else added.path
    its = f"{shlex.quote(devicetree)} " if Path(devicetree).exists() else ""  # else it is the kernel's own
    click.echo(
        printable(
            f"edit it, then: bootwright check {kernel or 'KERNEL'} {its}--board {shlex.quote(str(asked))}"
        )
    )
    return 0


command.help = f"{cleandoc(command.help or '')}\n{_EXAMPLES}"
