"""`bootwright devicetrees fetch`: bring devicetrees to this machine."""

from __future__ import annotations

from inspect import cleandoc

import click

_EXAMPLES = """
\b
Examples:
  bootwright devicetrees fetch raspberrypi-firmware
  bootwright devicetrees fetch raspberrypi-firmware --mirror https://git.example.org/firmware.git
"""


@click.command(name="fetch", epilog="Exit status: 0 all are here, 2 one cannot be had.")
@click.argument("names", nargs=-1, required=True, metavar="NAME|FILE...")
@click.option(
    "--mirror", metavar="URL", help="Another address of the repository; the commit decides what is taken."
)
@click.option("--fresh", is_flag=True, help="Fetch again what is here already.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(names: tuple[str, ...], *, mirror: str | None, fresh: bool, as_json: bool, quiet: bool) -> int:
    """Fetch devicetrees, so that predictions with them need no network.

    Of a repository only the one commit's folders and the files wanted are fetched, with git. The commit's
    name is a hash of all of them: what is received is held to it, and what is kept to its SHA-256.
    """
    from bootwright.api import fetch_devicetrees
    from bootwright.foundation.progress import Lines, Silent

    if mirror is not None and len(names) != 1:
        raise click.UsageError("--mirror is for one source at a time")
    progress = Silent() if quiet else Lines()
    listed = [fetch_devicetrees(name, mirror=mirror, fresh=fresh, progress=progress) for name in names]
    if as_json:
        import json

        document = {
            "schema": "bootwright/devicetrees/1",
            "sources": [held.as_json() for held in listed],
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return 0
    for held in listed:
        if held.here is not None:
            click.echo(f"{held.source.name}: {len(held.here.sha256)} files in {held.here.folder}")
    return 0


command.help = f"{cleandoc(command.help or '')}\n{_EXAMPLES}"
