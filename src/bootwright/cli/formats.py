"""`bootwright formats`: what can be read, by which documentation, and with which limits."""

from __future__ import annotations

import json

import click


@click.command("formats")
@click.option("as_json", "--json", is_flag=True, help="The list as JSON on stdout.")
def command(*, as_json: bool) -> int:
    """List every format that artifacts are read in, those of installed packages included.

    \b
    Examples:
      bootwright formats
      bootwright formats --json | jq -r '.formats[].name'
    """
    from bootwright.inspect.registry import all_formats

    formats = all_formats()
    if as_json:
        rows = [
            {
                "name": each.name,
                "title": each.title,
                "documentation": each.documentation,
                "limits": each.limits,
            }
            for each in formats
        ]
        click.echo(json.dumps({"format": "bootwright.formats/1", "formats": rows}, indent=1))
        return 0
    for each in formats:
        click.echo(f"{each.name:14} {each.title}")
        click.echo(f"{'':14}   by {each.documentation}")
        if each.limits:
            click.echo(f"{'':14}   limits: {each.limits}")
    return 0
