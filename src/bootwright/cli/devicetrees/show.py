"""`bootwright devicetrees show`: where devicetrees come from, and the files that are here."""

from __future__ import annotations

from inspect import cleandoc

import click

_EXAMPLES = """
\b
Examples:
  bootwright devicetrees show raspberrypi-firmware
  bootwright devicetrees show ./mine.toml --json
"""


@click.command(name="show", epilog="Exit status: 0, or 2 where there is no such source.")
@click.argument("name", metavar="NAME|FILE")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def command(name: str, *, as_json: bool) -> int:
    """Show a source: its repository and commit, where they are told, and the files here with their hashes."""
    from bootwright.api import get_devicetrees

    listed = get_devicetrees(name)
    if as_json:
        import json

        click.echo(
            json.dumps({"schema": "bootwright/devicetrees/1", "sources": [listed.as_json()]}, indent=2)
        )
        return 0
    source, here = listed.source, listed.here
    click.echo(source.name)
    rows = [
        ("what", source.title),
        ("repository", source.repository),
        ("commit", source.commit),
        ("folder", source.folder or "/"),
        ("files", ", ".join(source.files)),
        *(("told at", address) for address in source.found_at),
        ("note", source.note),
        ("here", str(here.folder) if here is not None else f"no: bootwright devicetrees fetch {name}"),
    ]
    for label, text in rows:
        if text:
            click.echo(f"  {label:10}  {text}")
    for path, digest in (here.sha256 if here is not None else source.sha256).items():
        click.echo(f"  {digest}  {path}")
    return 0


command.help = f"{cleandoc(command.help or '')}\n{_EXAMPLES}"
