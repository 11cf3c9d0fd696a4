"""`bootwright probe export`: one step of a probe as a C program of its own."""

from __future__ import annotations

from pathlib import Path

import click

_EPILOG = """\b
Examples:
  bootwright probe export --call talos-1.12-etc-hosts -o etc-hosts.c
  cc -o etc-hosts etc-hosts.c && ./etc-hosts
  aarch64-linux-gnu-gcc -static -o init etc-hosts.c     (for a board, or as a guest's init)

The steps are those of `bootwright probe list`.

Exit status: 0, or 2 for a step that there is not, and a FILE that exists (--force replaces it).
"""


@click.command(name="export", epilog=_EPILOG)
@click.option("--call", "step", required=True, metavar="STEP", help="The step, such as talos-1.12-etc-hosts.")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="[stdout]")
@click.option("--force", is_flag=True, help="Replace FILE.")
def command(*, step: str, out: Path | None, force: bool) -> int:
    """Write one step of a probe as one C file that builds alone with any C library.

    The program makes the calls of the step, prints what was expected of each and what was seen, and exits
    with 0 when the step is ok, 1 when it is not. It works in mounts of its own, so that nothing of the
    system it runs on is touched; without root it takes a user namespace.
    """
    from bootwright import api
    from bootwright.foundation.atomic import check_new, write_text

    if out is not None:
        check_new(out, force=force)
    source = api.export_probe(step)
    if out is None:
        click.echo(source, nl=False)
    else:
        write_text(out, source)
    return 0
