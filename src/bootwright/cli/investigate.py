"""`bootwright investigate`: from contradictory reports to the cause, proved by boots."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootwright.cli._values import refuse_given
from bootwright.foundation.errors import Refused

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.investigate.analysis.observations import Observation
    from bootwright.investigate.plans.runs import Run
    from bootwright.investigate.running.investigation import Investigation
    from bootwright.investigate.running.loop import Limits

_EXAMPLES = """
\b
Examples:
  bootwright investigate talos-rpi5
  bootwright investigate talos-rpi5 --dry-run
  bootwright investigate my-plan.toml --out out/mine --repeat 3
  bootwright investigate --observations seen.csv --json
"""


@click.command(
    name="investigate", epilog="Exit status: 0 decided, 1 what is wanted fails, 2 bad input, 3 unknown."
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
    default=250,
    show_default=True,
    type=click.IntRange(0, 100_000),
    metavar="MB",
    help="Kernels to fetch at most, reckoned as if none were here.",
)
@click.option("--fresh", is_flag=True, help="Forget what the folder holds and start over.")
@click.option("--archive", help="Address of the package archive [the system's own apt configuration].")
@click.option("--offline", is_flag=True, help="Use kernels that are here already; no network.")
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
    fresh: bool,
    archive: str | None,
    offline: bool,
    quiet: bool,
) -> int:
    """Find which one thing is to blame, by running the cell that tells most, again and again.

    PLAN is the name of a plan that comes with bootwright (talos-rpi5) or the path of one of your own. It
    holds the reports, the beliefs drawn from them and what can be run. A run that was interrupted goes on
    where it stopped.
    """
    from bootwright.foundation.progress import Lines, Silent
    from bootwright.investigate.decision.decide import decide
    from bootwright.investigate.plans.table import read_table

    if plan is None and observations is None:
        raise click.UsageError("give a PLAN, or a table with --observations, or both")
    if plan is None:
        nothing_runs = {"repeat", "jobs", "max_download", "fresh", "archive", "offline"}
        refuse_given(nothing_runs, "needs a PLAN: a table alone runs nothing")
    progress: Progress = Silent() if quiet else Lines()
    table = read_table(observations) if observations else None
    seen = table.observations if table else ()
    runs: list[Run] = []
    if plan is None:
        from bootwright.investigate.running.investigation import study

        found = study(seen, title=observations.name if observations else "")
    else:
        from bootwright.investigate.running.loop import Limits

        out = out or Path("out") / Path(plan).stem
        found, runs = _run(
            plan,
            list(seen),
            out,
            progress,
            dry_run=dry_run,
            fresh=fresh,
            archive=archive,
            offline=offline,
            table=observations,
            limits=Limits(
                repeat=repeat, jobs=jobs or min(2, os.cpu_count() or 1), download=max_download * 10**6
            ),
        )
    decision = decide(found)
    if out is not None and not dry_run:
        from bootwright.report.files import write

        paths = write(found, decision, out)
        progress.note(f"written: {', '.join(str(path) for path in paths)}")
    if as_json:
        from bootwright.report.result import result

        json.dump(result(found, decision), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        from bootwright.report.terminal import show

        show(found, decision, dry_run=dry_run, runs=runs)
    return 0 if dry_run else decision.verdict.exit_status


def _run(
    plan_name: str,
    seen: list[Observation],
    out: Path,
    progress: Progress,
    *,
    dry_run: bool,
    fresh: bool,
    archive: str | None,
    offline: bool,
    table: Path | None,
    limits: Limits,
) -> tuple[Investigation, list[Run]]:
    from bootwright.foundation.run_folder import Store
    from bootwright.investigate.plans.plan_file import load_plan
    from bootwright.investigate.plans.values import check_observations
    from bootwright.investigate.running.execute import Executor
    from bootwright.investigate.running.loop import Loop, candidates, list_candidates
    from bootwright.kernels.catalogue import open_library

    chosen = load_plan(plan_name)
    check_observations(chosen, seen, str(table))
    names = {report.id for report in chosen.report}
    for one in seen:
        if one.id in names:
            raise Refused(
                f"an observation of the table is called {one.id}, as a report of the plan", hint="rename it"
            )
    library = open_library(archive=archive, offline=offline, progress=progress)
    if dry_run:
        loop = Loop(chosen, seen, list_candidates(chosen, library))
        return loop.look(loop.began), loop.runs
    with Store(out, fresh=fresh) as store:
        loop = Loop(chosen, seen, candidates(store, library, chosen))
        return loop.perform(Executor(library, store, progress), progress, limits), loop.runs
