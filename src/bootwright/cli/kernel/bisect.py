"""`bootwright kernel bisect`: since which commit or release a goal is missed, or reached."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.building import build_options, trial_options
from bootwright.cli._parts.documents import print_json
from bootwright.cli._parts.values import printable, refuse_given

if TYPE_CHECKING:
    from bootwright.api.workshop.bisecting import Bisected

_EPILOG = """\b
Examples:
  bootwright kernel bisect --releases debian-6.12-4k..debian-7.3-4k --goal boot --out out/bisect
  bootwright kernel bisect --releases debian-6.18-4k..debian-6.12-4k \\
      --goal mounts:talos-1.12-etc-hosts --out out/bisect
  bootwright kernel bisect v6.15..v6.14 --repository ~/linux --paths fs \\
      --goal clone-detached-root --page-size 16k --out out/bisect
  bootwright kernel bisect v6.14..HEAD --goal boot --noise 0.05 --out out/bisect

GOOD reaches the goal, BAD does not; where GOOD is the newer one, what mended it is looked for. They are two
commits of a git repository, of which each kernel is built, or with --releases two kernels of `bootwright
kernels list`. A goal is boot (init runs), a probe (every step ok), one of its steps, a step with the error
that is wanted (mounts:STEP=EINVAL), or console:TEXT.

Exit status: 0 found, 2 usage or bad input (an end is not as it has to be), 3 several are left.
"""
_OF_COMMITS = {
    "repository",
    "paths",
    "first_parents",
    "page_size",
    "presets",
    "fragments",
    "toolchain",
    "jobs",
}


@click.command(name="bisect", epilog=_EPILOG)
@click.argument("span", metavar="GOOD..BAD")
@click.option("--releases", is_flag=True, help="GOOD and BAD are kernels of `bootwright kernels list`.")
@click.option(
    "--repository",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The git repository; the current folder without.",
)
@click.option("--paths", multiple=True, metavar="PATH", help="Only commits that touch it. May be repeated.")
@click.option("--first-parents", is_flag=True, help="Only merges and commits of the main line.")
@trial_options
@build_options
@click.option("--offline", is_flag=True, help="Of releases only those that are on this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/kernel-bisect.schema.json).")
def command(
    *,
    span: str,
    releases: bool,
    repository: Path,
    paths: tuple[str, ...],
    first_parents: bool,
    goal: str,
    out: Path,
    noise: str,
    machine: str,
    timeout: float | None,
    fresh: bool,
    page_size: str,
    presets: tuple[str, ...],
    fragments: tuple[Path, ...],
    toolchain: str,
    jobs: int | None,
    offline: bool,
    as_json: bool,
) -> int:
    """Find the commit, or the release, between GOOD and BAD since which the goal is missed, or reached.

    Each boot is made where it tells most; what does not build is passed over. Interrupted, the same command
    goes on where it stopped.
    """
    from bootwright import api
    from bootwright.foundation.progress import Lines

    if releases:
        refuse_given(_OF_COMMITS, "is for commits, not for --releases")
        bisected = api.bisect_releases(
            span,
            goal=goal,
            out=out,
            noise=noise,
            machine=machine,
            timeout=timeout,
            offline=offline,
            fresh=fresh,
            progress=Lines(),
        )
    else:
        refuse_given({"offline"}, "is for --releases")
        bisected = api.bisect_commits(
            span,
            goal=goal,
            out=out,
            repository=repository,
            paths=paths,
            first_parents=first_parents,
            page_size=page_size,
            fragments=fragments,
            presets=presets,
            toolchain=toolchain,
            jobs=jobs,
            machine=machine,
            noise=noise,
            timeout=timeout,
            fresh=fresh,
            progress=Lines(),
        )
    if as_json:
        print_json(bisected.as_json())
    else:
        _print(bisected)
    return bisected.verdict.exit_status


def _print(bisected: Bisected) -> None:
    word = "reached" if bisected.fix_wanted else "missed"
    turn = bisected.turn
    if turn.contradicted:
        click.echo(f"unknown: {bisected.goal} turned more than once; try a shorter range, or --noise")
    elif turn.found is not None:
        first = bisected.suspects[0]
        sure = "" if first.probability > 0.9999 else f" ({first.probability:.1%} sure)"
        what = f"{first.name}  {printable(first.subject)}".rstrip()
        click.echo(f"{bisected.goal} is {word} since {what}{sure}")
        if first.before:
            click.echo(f"  the last before it: {first.before}")
    else:
        click.echo(
            f"unknown: {bisected.goal} is {word} since one of these; what lies between could not be tried"
        )
        for suspect in bisected.suspects:
            click.echo(f"  {suspect.probability:6.1%}  {suspect.name}  {printable(suspect.subject)}".rstrip())
    for tried in turn.tried:
        outcome = f"{tried.passes} of {tried.passes + tried.fails} boots reach it"
        if tried.skipped:
            outcome = f"skipped: {tried.skipped}"
        elif tried.passes + tried.fails == 1:
            outcome = "reaches it" if tried.passes else "does not reach it"
        click.echo(f"  {tried.title}: {printable(outcome)}")
    for note in bisected.notes:
        click.echo(f"note: {note}")
    built = f"{bisected.builds} kernel{'' if bisected.builds == 1 else 's'}, " if bisected.builds else ""
    boots = bisected.boots + bisected.kept_boots
    kept = f", {bisected.kept_boots} of them kept from before" if bisected.kept_boots else ""
    click.echo(
        f"{built}{boots} boot{'' if boots == 1 else 's'} for {bisected.candidates} {bisected.kind}{kept}"
    )
