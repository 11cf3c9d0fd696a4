"""`bootwright investigate`: from contradictory reports to the cause, proved by boots."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.booting import cold_option
from bootwright.cli._parts.values import OneOf, refuse_given

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress

_HELP = """Find which one thing is to blame, by running the cell that tells most, again and again.

PLAN is the name of a plan that comes with bootwright (talos-rpi5) or the path of one of your own. It holds
the reports, the beliefs drawn from them, what can be run, and what somebody set out to do. What can be run
here is run; what needs a board is prepared and waits for `bootwright observe CELL`, and `bootwright status`
shows where it all is. A run that was interrupted goes on where it stopped.

\b
Examples:
  bootwright investigate talos-rpi5
  bootwright investigate talos-rpi5 --board raspberrypi-5 --revision e04171
  bootwright investigate talos-rpi5 --have board=rpi5-rev-1.0 --dry-run
  bootwright investigate talos-rpi5 --devicetrees firmware=/boot/firmware
  bootwright investigate my-plan.toml --out out/mine --repeat 3
  bootwright investigate talos-rpi5 --assume-no-board
  bootwright investigate talos-rpi5 --image metal-arm64.raw.xz
  bootwright investigate talos-rpi5 --cluster tcp://lab:8786 --repeat 5
  bootwright investigate talos-rpi5 --image metal-arm64.raw.xz --on bench --env bench.yaml
  bootwright investigate --observations seen.csv --json
"""


@click.command(
    name="investigate",
    help=_HELP,
    epilog="Exit status: 0 decided, 1 what is wanted fails, 2 bad input, 3 unknown.",
)
@click.argument("plan", required=False)
@click.option(
    "--observations",
    type=click.Path(path_type=Path),
    help="A table of what you saw: CSV with columns factor:NAME and outcome:NAME, or TOML. "
    "Without PLAN it is analysed alone.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run and its reports [out/PLAN].")
@click.option(
    "--dry-run", is_flag=True, help="Print the analysis and the cells it would run, with their cost."
)
@click.option("--json", "as_json", is_flag=True, help="Print result.json on stdout.")
@click.option(
    "--repeat", default=1, show_default=True, type=click.IntRange(1, 20), help="Run each cell N times."
)
@click.option("--jobs", type=click.IntRange(1, 64), help="Boots side by side [2, or 1 on one processor].")
@click.option(
    "--max-download",
    default=400,
    show_default=True,
    type=click.IntRange(0, 100_000),
    metavar="MB",
    help="Kernels to fetch at most, reckoned as if none were here.",
)
@click.option(
    "--have",
    multiple=True,
    metavar="FACTOR=LEVEL",
    help="Answer only for what you have and cannot change, such as board=rpi5-rev-1.1. May be repeated.",
)
@click.option("--board", help="The board you have, by its board file's name: another way to say --have.")
@click.option("--revision", metavar="CODE", help="Its revision code (/proc/cpuinfo), such as e04171.")
@click.option(
    "--devicetrees",
    multiple=True,
    metavar="LEVEL=FOLDER",
    help="Real devicetrees for the plan's cells of that level, such as firmware=/boot/firmware "
    "[those fetched with bootwright devicetrees, else the plan's stand-in]. May be repeated.",
)
@click.option(
    "--assume-no-board", is_flag=True, help="Nobody will try anything on a board: the best answer without."
)
@click.option(
    "--noise",
    default=0.0,
    show_default=True,
    type=float,
    metavar="SHARE",
    help="How often an outcome is wrong, such as 0.05: boots are repeated where that tells most.",
)
@click.option(
    "--image", type=click.Path(path_type=Path), help="An image of the system, to make those for boards of."
)
@click.option(
    "--cards",
    default=2,
    show_default=True,
    type=click.IntRange(0, 100),
    help="Make N images, the best first.",
)
@click.option(
    "--repository", type=click.Path(path_type=Path), help="A git tree of kernels, for tasks that need one."
)
@click.option(
    "--on", "where", type=OneOf(["qemu", "bench"], "place"), default="qemu", show_default=True,
    help="bench: cells that wait for a board are booted on one, too.",
)  # fmt: skip
@click.option(
    "--env", "environment", type=click.Path(path_type=Path),
    help="With --on bench: labgrid's environment file of a board, several, or a coordinator's.",
)  # fmt: skip
@click.option("--target", metavar="NAME", help="With --env: which of its targets [all that fit].")
@click.option(
    "--coordinator",
    metavar="HOST:PORT",
    help="With --env: any fitting place of this labgrid coordinator [as the file says].",
)
@click.option(
    "--patience",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="How long cells wait for a place while nothing is being booted [300].",
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Boot on the workers of a Dask scheduler, such as tcp://lab:8786 [processes of this machine].",
)
@click.option("--retry", is_flag=True, help="Try again what was given up after repeated failure of workers.")
@click.option("--fresh", is_flag=True, help="Forget what was run and start over; what people told stays.")
@click.option("--archive", help="Address of the package archive [the system's own apt configuration].")
@click.option("--offline", is_flag=True, help="Use kernels that are here already; no network.")
@cold_option
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(
    plan: str | None,
    observations: Path | None,
    out: Path | None,
    *,
    dry_run: bool,
    as_json: bool,
    repeat: int,
    jobs: int | None,
    max_download: int,
    have: tuple[str, ...],
    board: str | None,
    revision: str | None,
    devicetrees: tuple[str, ...],
    fresh: bool,
    archive: str | None,
    offline: bool,
    cold: bool,
    quiet: bool,
    assume_no_board: bool,
    noise: float,
    retry: bool,
    cluster: str | None,
    where: str,
    environment: Path | None,
    target: str | None,
    coordinator: str | None,
    patience: float | None,
    image: Path | None,
    cards: int,
    repository: Path | None,
) -> int:
    """See `_HELP`."""
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    if plan is None and observations is None:
        raise click.UsageError(
            "give a PLAN, such as talos-rpi5, or a table of what you saw with --observations, or both"
        )
    if plan is None:
        nothing_runs = {
            "repeat",
            "jobs",
            "max_download",
            "have",
            "board",
            "revision",
            "devicetrees",
            "fresh",
            "archive",
            "offline",
            "cold",
            "assume_no_board",
            "noise",
            "retry",
            "cluster",
            "where",
            "environment",
            "target",
            "coordinator",
            "patience",
            "image",
            "cards",
            "repository",
        }
        refuse_given(nothing_runs, "needs a PLAN: a table alone runs nothing")
    if (environment is None) != (where != "bench"):
        raise click.UsageError("--on bench and --env go together")
    if environment is None:
        refuse_given({"target", "coordinator", "patience"}, "is for boards: give --on bench and --env")
    if dry_run and where == "bench":
        raise click.UsageError("--dry-run boots nothing, also on no board")
    progress: Progress = Silent() if quiet else Lines()
    investigated = api.investigate(
        plan,
        observations=observations,
        out=out,
        dry_run=dry_run,
        repeat=repeat,
        jobs=jobs,
        max_download=max_download,
        have=have,
        board=board,
        revision=revision,
        devicetrees=devicetrees,
        fresh=fresh,
        archive=archive,
        offline=offline,
        cold=cold,
        assume_no_board=assume_no_board,
        noise=noise,
        retry=retry,
        cluster=cluster,
        environment=environment,
        target=target,
        coordinator=coordinator,
        patience=patience,
        image=image,
        cards=cards,
        repository=repository,
        progress=progress,
    )
    investigation, decision = investigated.investigation, investigated.decision
    named = str(out) if out is not None else ""
    if plan is not None and out is None:
        from bootwright.api.investigation import run_folder

        out = run_folder(plan, None)
    if out is not None and not dry_run:
        from bootwright.report.files import write

        paths = write(investigation, decision, out)
        if investigated.campaign is not None:
            from bootwright.foundation.atomic import write_text
            from bootwright.report.campaign_picture import picture

            write_text(out / "plan.svg", picture(investigated.campaign))
        progress.note(f"written: {', '.join(str(path) for path in paths)}")
    if as_json:
        json.dump(investigated.as_json(), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        from bootwright.report.terminal import show

        show(investigation, decision, dry_run=dry_run, runs=list(investigated.runs))
        if investigated.campaign is not None:
            from bootwright.cli._parts.values import printable
            from bootwright.report.campaign_text import in_short

            for line in in_short(investigated.campaign, named):
                click.echo(printable(line))
    return 0 if dry_run else investigated.verdict.exit_status
