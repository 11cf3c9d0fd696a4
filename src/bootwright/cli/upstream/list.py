"""`bootwright upstream list`: the upstreams that are known."""

from __future__ import annotations

import click

from bootwright.cli._parts.documents import print_json

_EPILOG = """\b
Examples:
  bootwright upstream list
  bootwright upstream list --json

One of your own is a file in ~/.config/bootwright/upstreams/, or --repository NAME=FOLDER.

Exit status: 0, or 2 for a file that is not right.
"""


@click.command(name="list", epilog=_EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, as_json: bool) -> int:
    """List the upstream repositories that are known, and how one reports to them."""
    from bootwright import api

    upstreams = api.list_upstreams()
    if as_json:
        print_json(
            [
                {
                    "name": upstream.id,
                    "title": upstream.title,
                    "repository": upstream.repository,
                    "branches": list(upstream.branches),
                    "large": upstream.large,
                    "report": upstream.report.to if upstream.report is not None else None,
                }
                for upstream in upstreams
            ]
        )
        return 0
    for upstream in upstreams:
        large = "  (large: watch --fetch, or a copy)" if upstream.large else ""
        click.echo(f"{upstream.id:18} {upstream.title}{large}")
        click.echo(f"{'':18} {upstream.repository}")
    return 0
