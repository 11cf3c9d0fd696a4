"""`bootwright probe list`: the steps that can be exported."""

from __future__ import annotations

import json

import click

_EPILOG = """\b
Example:
  bootwright probe list

Exit status: 0, or 2 where the probes' sources are not here.
"""


@click.command(name="list", epilog=_EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the group and name of each step.")
def command(*, as_json: bool) -> int:
    """List the steps that `bootwright probe export` makes a program of, with their group."""
    from bootwright import api

    steps = api.list_probe_steps()
    if as_json:
        click.echo(json.dumps([{"group": step.group, "name": step.name} for step in steps], indent=1))
        return 0
    for step in steps:
        click.echo(f"{step.group:8}  {step.name}")
    return 0
