"""`bootwright cache list`: the parts of the cache, how large they are and may grow."""

from __future__ import annotations

import json

import click


@click.command("list")
@click.option("as_json", "--json", is_flag=True, help="The parts as JSON on stdout.")
def command(*, as_json: bool) -> int:
    """List the parts of the cache with their sizes and limits.

    BOOTWRIGHT_CACHE or XDG_CACHE_HOME moves the whole cache.

    \b
    Examples:
      bootwright cache list
      bootwright cache list --json | jq '.parts[] | select(.bytes > 1e9) | .name'
    """
    from bootwright.foundation.cache import ALL_PARTS
    from bootwright.foundation.places import cache_dir

    for part in ALL_PARTS:
        part.sweep_unfinished()
    rows = [(part, part.size()) for part in ALL_PARTS]
    if as_json:
        parts = [
            {"name": part.name, "holds": part.holds, "bytes": size, "limit": part.limit}
            for part, size in rows
        ]
        click.echo(json.dumps({"format": "bootwright.cache/1", "folder": str(cache_dir()), "parts": parts}))
        return 0
    click.echo(f"{cache_dir()}")
    for part, size in rows:
        limit = f"of {part.limit / 1e6:,.0f} MB" if part.limit is not None else "no limit"
        click.echo(f"  {part.name:14} {size / 1e6:10,.1f} MB {limit:>16}  {part.holds}")
    return 0
