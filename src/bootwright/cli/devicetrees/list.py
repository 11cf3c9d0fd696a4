"""`bootwright devicetrees list`: the sources of devicetrees, and which are here."""

from __future__ import annotations

from inspect import cleandoc

import click

_EXAMPLES = """
\b
Example:
  bootwright devicetrees list
"""


@click.command(name="list", epilog="Exit status: 0, or 2 for a source that is not right.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def command(*, as_json: bool) -> int:
    """List the sources of devicetrees: name, commit, how many files are here, and what it is."""
    from bootwright.api import list_devicetrees

    listed = list_devicetrees()
    if as_json:
        import json

        document = {
            "schema": "bootwright/devicetrees/1",
            "sources": [held.as_json() for held in listed],
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return 0
    rows = [("NAME", "COMMIT", "HERE", "WHAT")]
    rows += [
        (
            held.source.name,
            held.source.commit[:12],
            f"{len(held.here.sha256)} files" if held.here is not None else "",
            held.source.title,
        )
        for held in listed
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *row, what in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(f"{'  '.join(cells)}  {what}")
    return 0


command.help = f"{cleandoc(command.help or '')}\n{_EXAMPLES}"
