"""`bootwright serve`: the page in the browser, from this machine."""

from __future__ import annotations

from pathlib import Path

import click

_HELP = """Serve the page that runs bootwright in a browser, to this machine only (docs/site.md).

FOLDER is what `make site` wrote [out/site of the source tree]. Ctrl-C ends it. What is given to the page is
read by the browser and stays there: this server only hands out the page's own files.

\b
Examples:
  bootwright serve
  bootwright serve /srv/www/bootwright --port 8080
"""


@click.command("serve", help=_HELP, epilog="Exit status: 0 ended by Ctrl-C, 2 no page or no port.")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port; 0 takes any that is free.",
)
def command(folder: Path | None, *, port: int) -> int:
    """See `_HELP`."""
    from bootwright import api

    api.serve(folder, port=port, on_ready=lambda address: click.echo(f"{address} (Ctrl-C ends it)"))
    return 0
