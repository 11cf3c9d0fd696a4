"""`bootwright upstream watch`: what is new upstream that touches an open question."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.documents import print_json
from bootwright.cli._parts.values import OneOf, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bootwright.api.upstream.watching import Watched
    from bootwright.foundation.progress import Progress
    from bootwright.upstream.relevance.model import Judged

_EPILOG = """\b
Examples:
  bootwright upstream watch talos-rpi5
  bootwright upstream watch talos-rpi5 --repository linux=~/linux --since linux=v6.18
  bootwright upstream watch talos-rpi5 --upstream talos --upstream pkgs --run out/talos-rpi5
  bootwright upstream watch talos-rpi5 --repository mine=https://example.org/mine.git
  bootwright upstream watch talos-rpi5 --fetch linux --fetch raspberrypi-linux
  bootwright upstream watch talos-rpi5 --investigate
  bootwright upstream watch talos-rpi5 --peek --json

The first look remembers where each branch is, and has nothing new. Large repositories (bootwright upstream
list) are looked at where a copy is given, or with --fetch. Nothing is printed where nothing is new.

Exit status: 0 nothing new, 1 something new touches an open question, 2 usage or bad input, 3 nothing new, but
not everything could be looked at.
"""


def _upstreams() -> list[str]:
    from bootwright.upstream.presets import UPSTREAMS

    return UPSTREAMS.names()


@click.command(name="watch", epilog=_EPILOG)
@click.argument("plan")
@click.option(
    "--upstream",
    "upstreams",
    multiple=True,
    type=OneOf(_upstreams, "upstream"),
    help="Look at this one only. May be repeated.",
)
@click.option(
    "--repository",
    "repositories",
    multiple=True,
    metavar="NAME=WHERE",
    help="A folder or an address for an upstream, known or your own. May be repeated.",
)
@click.option(
    "--since",
    multiple=True,
    metavar="NAME=COMMIT",
    help="Look at what came after it, not after the last look. May be repeated.",
)
@click.option("--outcome", "outcomes", multiple=True, help="Only this question of the plan. May be repeated.")
@click.option("--run", type=click.Path(path_type=Path), help="Folder of the plan's run [out/PLAN].")
@click.option("--peek", is_flag=True, help="Remember nothing: the next look finds the same.")
@click.option("--investigate", is_flag=True, help="Run what new kernels and releases make possible.")
@click.option(
    "--fetch",
    multiple=True,
    type=OneOf(_upstreams, "upstream"),
    help="Fetch the newest commits of this large one into the cache, now and by every later look.",
)
@click.option(
    "--max-fetch",
    default=1000,
    show_default=True,
    type=click.IntRange(1, 100_000),
    metavar="MB",
    help="At most so much of a large one at once.",
)
@click.option("--archive", help="Address of the package archive [the system's own apt configuration].")
@click.option("--offline", is_flag=True, help="Look at what is on this machine; no network.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/upstream-watch.schema.json).")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(
    plan: str,
    *,
    upstreams: tuple[str, ...],
    repositories: tuple[str, ...],
    since: tuple[str, ...],
    outcomes: tuple[str, ...],
    run: Path | None,
    peek: bool,
    investigate: bool,
    fetch: tuple[str, ...],
    max_fetch: int,
    archive: str | None,
    offline: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Say which new commits, kernels and releases touch an open question of PLAN, and by what.

    A commit touches it by code of a driver on the way to the device, by the devicetree's nodes on that way,
    by an option that it needs, a patch, the kernel's version, a file of the board, a system call, or by
    mending one that does. Cells that new kernels and releases make possible are added to the plan's run.
    """
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    if peek and investigate:
        raise click.UsageError("--peek adds nothing that --investigate could run: give one of them")
    progress: Progress = Silent() if quiet else Lines()
    watched = api.watch_upstream(
        plan,
        upstreams=upstreams,
        repositories=_pairs(repositories, "linux=~/linux"),
        since=_pairs(since, "linux=v6.18"),
        outcomes=outcomes,
        run=run,
        remember=not peek,
        investigate=investigate,
        fetch=fetch,
        max_fetch=max_fetch,
        archive=archive,
        offline=offline,
        progress=progress,
    )
    if watched.investigated is not None:
        from bootwright.report.files import write

        investigated = watched.investigated
        paths = write(investigated.investigation, investigated.decision, watched.folder)
        progress.note(f"written: {', '.join(str(path) for path in paths)}")
    if as_json:
        print_json(watched.as_json())
    else:
        for line in _lines(watched):
            click.echo(printable(line))
        for name, reason in watched.unread.items():
            click.echo(printable(f"not looked at: {name}: {reason}"), err=True)
    return watched.exit_status


def _pairs(texts: tuple[str, ...], example: str) -> dict[str, str]:
    from bootwright.foundation.errors import Refused

    pairs: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name or not value:
            raise Refused(f"{text!r} names no upstream and value", hint=f"it looks like {example}")
        if name in pairs:
            raise Refused(f"{name} is given twice", hint="leave one out")
        pairs[name] = value
    return pairs


def _lines(watched: Watched) -> Iterator[str]:
    for look in watched.looks:
        for branch in look.branches:
            named = [judged for judged in branch.judged if not judged.sweeping]
            sweeping = len(branch.judged) - len(named)
            if named:
                yield f"{look.upstream.id} {branch.branch}: {len(named)} of {branch.count} new commits"
            for judged in named:
                yield from _commit_lines(judged)
            if named and sweeping:
                yield f"  and {sweeping} that change files of all kinds alike (--json)"
        for name in look.lost:
            yield f"{look.upstream.id} {name}: what was there at the last look is gone; looked at anew"
    for kernel in watched.kernels:
        yield f"kernel {kernel.name}: cells with it are possible now"
    for new in watched.releases:
        runs = f", Linux {new.release.kernel}" if new.release.kernel else ""
        adds = "cells with it are possible now" if new.further is not None else "not taken in"
        yield f"release {new.release.version}{runs}: {adds}: {new.because}"
    if watched.verdict is not None:
        yield f"{watched.verdict.value}: what is wanted, with these ({watched.folder}/report.md)"


def _commit_lines(judged: Judged) -> Iterator[str]:
    yield f"  {judged.commit.name[:12]} {judged.commit.date[:10]} {judged.commit.subject}"
    for touch in judged.touches:
        yield f"      {touch.outcome}: {touch}"
