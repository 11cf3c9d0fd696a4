"""`bootwright kernels remove`: delete kernels from this machine."""

from __future__ import annotations

from inspect import cleandoc

import click

from bootwright.cli._parts.documents import print_json
from bootwright.cli.kernels._common import library, megabytes, shared_options

_EXAMPLES = """
\b
Example:
  bootwright kernels remove debian-6.18.5-4k
"""


@click.command(name="remove", epilog="Exit status: 0, or 2 when one is not here.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@shared_options
def command(names: tuple[str, ...], *, archive: str | None, offline: bool, as_json: bool, quiet: bool) -> int:
    """Delete kernels and what only they needed. Those of the archive can be fetched again."""
    kernels, _ = library(archive, offline=offline, quiet=quiet)
    freed = {name: kernels.remove(name) for name in names}
    if as_json:
        print_json({"schema": "bootwright/removed/1", "freed_bytes": freed})
        return 0
    for name, size in freed.items():
        click.echo(f"{name} is gone ({megabytes(size)} freed)")
    return 0


command.help = f"{cleandoc(command.help or '')}\n{_EXAMPLES}"
