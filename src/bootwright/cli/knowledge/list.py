"""`bootwright knowledge list`: the knowledge files in use, and where each comes from."""

from __future__ import annotations

import json

import click

from bootwright.cli._parts.values import OneOf
from bootwright.cli.knowledge._kinds import KINDS, kind_of


@click.command("list", epilog="Exit status: 0, or 2 for a kind that does not exist.")
@click.argument("kind", required=False, type=OneOf(lambda: KINDS, "kind of knowledge", "kinds"))
@click.option("as_json", "--json", is_flag=True, help="The files as JSON on stdout.")
def command(kind: str | None, *, as_json: bool) -> int:
    """List the files of one KIND, or of all, that are in use.

    Each comes with bootwright, from the user's configuration folder, or from `.bootwright` in the current
    folder; a later one replaces an earlier one of the same name.

    \b
    Examples:
      bootwright knowledge list boards
      bootwright knowledge list --json | jq '.files[] | select(.origin != "bootwright")'
    """
    rows = [
        {"kind": folder, "name": name, "origin": kind_of(folder).origin(path), "path": str(path)}
        for folder in ([kind] if kind else KINDS)
        for name, path in kind_of(folder).files().items()
    ]
    if as_json:
        click.echo(json.dumps({"format": "bootwright.knowledge/1", "files": rows}, indent=1))
        return 0
    width = max((len(row["name"]) for row in rows), default=0)
    for folder in dict.fromkeys(row["kind"] for row in rows):
        click.echo(folder)
        for row in rows:
            if row["kind"] == folder:
                place = "" if row["origin"] == "bootwright" else f"  {row['path']}"
                click.echo(f"  {row['name']:{width}}  {row['origin']}{place}")
    return 0
