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
                "name": format_entry.name,
                "title": format_entry.title,
                "documentation": format_entry.documentation,
                "limits": format_entry.limits,
            }
            for format_entry in formats
        ]
        click.echo(json.dumps({"format": "bootwright.formats/1", "formats": rows}, indent=1))
        return 0
    for format_entry in formats:
        click.echo(f"{format_entry.name:14} {format_entry.title}")
        click.echo(f"{'':14}   by {format_entry.documentation}")
        if format_entry.limits:
            click.echo(f"{'':14}   limits: {format_entry.limits}")
    return 0
