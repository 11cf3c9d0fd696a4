"""`bootwright kernel bisect`: since which release a goal is missed, or reached."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.booting import machine_option, timeout_option
from bootwright.cli._parts.values import printable

if TYPE_CHECKING:
    from bootwright.api.workshop.bisecting import Bisected

_EPILOG = """\b
Examples:
  bootwright kernel bisect --releases debian-6.12-4k..debian-7.3-4k --goal boot --out out/bisect
  bootwright kernel bisect --releases debian-6.18-4k..debian-6.12-4k \\
      --goal mounts:talos-1.12-etc-hosts --out out/bisect
  bootwright kernel bisect --releases debian-6.18-16k..debian-6.12-16k --offline \\
      --goal clone-detached-root --noise 0.05 --out out/bisect

GOOD reaches the goal, BAD does not; where GOOD is the newer one, what mended it is looked for. A goal is boot
(init runs), a probe (every step ok), one of its steps, a step with the error that is wanted
(mounts:STEP=EINVAL), or console:TEXT.

Exit status: 0 found, 2 usage or bad input (an end is not as it has to be), 3 several are left.
"""


@click.command(name="bisect", epilog=_EPILOG)
@click.argument("span", metavar="GOOD..BAD")
@click.option("--goal", required=True, help="boot, a probe, PROBE:STEP, PROBE:STEP=ERRNO, or console:TEXT.")
@click.option(
    "--releases", is_flag=True, required=True, help="GOOD and BAD are kernels of `bootwright kernels list`."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the run: resumes what is there.",
)
@click.option(
    "--noise",
    default="0",
    show_default=True,
    metavar="SHARE",
    help="How often a boot is wrong, such as 0.05.",
)
@machine_option
@timeout_option
@click.option("--offline", is_flag=True, help="Only kernels that are on this machine.")
@click.option("--fresh", is_flag=True, help="Forget what the folder holds and start over.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/kernel-bisect.schema.json).")
def command(
    *,
    span: str,
    goal: str,
    releases: bool,  # noqa: ARG001 - commits come with builds
    out: Path,
    noise: str,
    machine: str,
    timeout: float | None,
    offline: bool,
    fresh: bool,
    as_json: bool,
) -> int:
    """Find the kernel between GOOD and BAD since which the goal is missed, or reached.

    Each boot is made where it tells most. Interrupted, the same command goes on where it stopped.
    """
    from bootwright import api
    from bootwright.foundation.progress import Lines

    found = api.bisect_releases(
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
    if as_json:
        import json

        click.echo(json.dumps(found.as_json(), indent=1, ensure_ascii=False))
    else:
        _print(found)
    return found.verdict.exit_status


def _print(found: Bisected) -> None:
    word = "reached" if found.fix_wanted else "missed"
    turn = found.turn
    if turn.contradicted:
        click.echo(f"unknown: {found.goal} turned more than once; try a shorter range, or --noise")
    elif turn.found is not None:
        first = found.suspects[0]
        sure = "" if first.probability > 0.9999 else f" ({first.probability:.1%} sure)"
        what = f"{first.name}  {printable(first.subject)}".rstrip()
        click.echo(f"{found.goal} is {word} since {what}{sure}")
        if first.before:
            click.echo(f"  the last before it: {first.before}")
    else:
        click.echo(
            f"unknown: {found.goal} is {word} since one of these; what lies between could not be tried"
        )
        for suspect in found.suspects:
            click.echo(f"  {suspect.probability:6.1%}  {suspect.name}  {printable(suspect.subject)}".rstrip())
    for tried in turn.tried:
        outcome = f"{tried.passes} of {tried.passes + tried.fails} boots reach it"
        if tried.skipped:
            outcome = f"skipped: {tried.skipped}"
        elif tried.passes + tried.fails == 1:
            outcome = "reaches it" if tried.passes else "does not reach it"
        click.echo(f"  {tried.title}: {printable(outcome)}")
    boots = found.boots + found.kept_boots
    kept = f", {found.kept_boots} of them kept from before" if found.kept_boots else ""
    click.echo(f"{boots} boot{'' if boots == 1 else 's'} for {found.candidates} {found.kind}{kept}")
