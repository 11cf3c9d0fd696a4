"""`bootwright cache clear`: remove what can be fetched or made again."""

from __future__ import annotations

import click


@click.command("clear")
@click.argument("parts", nargs=-1, metavar="[PART]...")
@click.option("everything", "--all", is_flag=True, help="Every part, kernels included.")
def command(parts: tuple[str, ...], *, everything: bool) -> int:
    """Remove PARTs of the cache; without one, every part that has a limit.

    Kernels, boot loaders and the state of interrupted flashes are removed only when they are named, or with
    --all.

    \b
    Examples:
      bootwright cache clear
      bootwright cache clear expanded fetched
      bootwright cache clear --all
    """
    from bootwright.foundation.cache import ALL_PARTS
    from bootwright.foundation.choices import one_of

    known = {part.name: part for part in ALL_PARTS}
    for name in parts:
        one_of(name, known, what="part of the cache", kind="parts")
    if parts:
        chosen = [known[name] for name in parts]
    else:
        chosen = [part for part in ALL_PARTS if everything or part.limit is not None]
    for part in chosen:
        size = part.size()
        part.clear()
        if size:
            click.echo(f"{part.name}: {size / 1e6:,.1f} MB removed")
    return 0
