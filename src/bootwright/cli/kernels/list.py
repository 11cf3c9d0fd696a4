"""`bootwright kernels list`: what can be had, and what is here."""

from __future__ import annotations

from inspect import cleandoc
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.documents import print_json
from bootwright.cli.kernels._common import library, megabytes, shared_options

if TYPE_CHECKING:
    from bootwright.kernels.catalogue import Library
    from bootwright.kernels.model import Listed

_EXAMPLES = """
\b
Examples:
  bootwright kernels list
  bootwright kernels list --series 6.18
  bootwright kernels list --source raspberrypi
  bootwright kernels list --all --json
"""


@click.command(name="list", epilog="Exit status: 0, or 2 when there is nothing to list from.")
@click.option(
    "--all", "everything", is_flag=True, help="Every version [the newest of each series, and those here]."
)
@click.option(
    "--source",
    "sources",
    metavar="NAME",
    multiple=True,
    help="Only this source's kernels, such as raspberrypi [those always listed, and those here]; repeatable.",
)
@click.option("--series", metavar="X.Y", help="Only versions that start so, such as 6.18.")
@shared_options
def command(
    *,
    everything: bool,
    sources: tuple[str, ...],
    series: str | None,
    archive: str | None,
    offline: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """List the kernels of the archive and those on this machine, newest first.

    `fetch` is what fetching a kernel to boot it would download, `modules` what all its modules would; for
    kernels that come as one large package the first is an estimate.
    """
    from bootwright.api.kernels import of_series

    kernels, _ = library(archive, offline=offline, quiet=quiet)
    listed = kernels.listed(sources)
    if series is not None:
        listed = of_series(listed, series)
    elif not everything:
        listed = _newest(listed)
    if as_json:
        print_json({"schema": "bootwright/kernels/1", "kernels": [kernel.as_json() for kernel in listed]})
        return 0
    _table(listed, kernels)
    others = [source.name for source in kernels.sources if not source.always]
    if others and not sources:
        click.echo(f"Other sources: {', '.join(others)} (--source NAME)", err=True)
    return 0


def _newest(listed: list[Listed]) -> list[Listed]:
    """The first (newest) of each source, series and flavour, and everything that is here."""
    seen: set[tuple[str, str, int, str]] = set()
    kept: list[Listed] = []
    for kernel in listed:
        key = (kernel.source, kernel.version.series(), kernel.page_size, kernel.flavour)
        if key not in seen or kernel.cached:
            kept.append(kernel)
        seen.add(key)
    return kept


def _table(listed: list[Listed], library: Library) -> None:
    rows = [("NAME", "VERSION", "PAGES", "SUITE", "FETCH", "MODULES", "HERE")]
    rows += [
        (
            kernel.name,
            str(kernel.version),
            f"{kernel.page_size // 1024}K",
            kernel.suite or ("left the archive" if library.has_list(kernel.source) else "-"),
            "-" if kernel.cached else megabytes(kernel.download_bytes),
            "-" if kernel.modules_cached else megabytes(kernel.modules_bytes),
            "with modules" if kernel.modules_cached else "yes" if kernel.cached else "",
        )
        for kernel in listed
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        line = (
            cell.rjust(width) if column in {4, 5} else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join(line).rstrip())


command.help = f"{cleandoc(command.help or '')}\n{_EXAMPLES}"
