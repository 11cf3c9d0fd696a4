"""From contradictory reports to the cause, proved by boots."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter, texts
from bootwright.api.asked import asked_boards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bootwright.api.bench.campaigns import CellsOnBoard, CellsOnBoards
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.investigate.analysis.observations import Observation
    from bootwright.investigate.campaign.model import Campaign
    from bootwright.investigate.decision.decide import Decision
    from bootwright.investigate.plans.plan import Plan
    from bootwright.investigate.plans.runs import Run
    from bootwright.investigate.running.investigation import Investigation


@frozen
class Investigated:
    """What was found, and what is decided by it."""

    investigation: Investigation
    decision: Decision
    runs: tuple[Run, ...]
    """The cells that the plan can run."""
    campaign: Campaign | None = None
    """The plan's tasks; None for a table alone, a dry run, and a plan without tasks."""

    @property
    def verdict(self) -> Verdict:
        """Of what is wanted, by the decision."""
        return self.decision.verdict

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/result.schema.json."""
        from bootwright.report.result import result

        return result(self.investigation, self.decision)


def investigate(
    plan: str | Path | None = None,
    *,
    observations: str | Path | None = None,
    out: str | Path | None = None,
    dry_run: bool = False,
    repeat: int = 1,
    jobs: int | None = None,
    max_download: int = 400,
    have: str | Sequence[str] = (),
    board: str | None = None,
    revision: str | None = None,
    devicetrees: Sequence[str] = (),
    fresh: bool = False,
    archive: str | None = None,
    offline: bool = False,
    cold: bool = False,
    assume_no_board: bool = False,
    image: str | Path | None = None,
    repository: str | Path | None = None,
    cards: int = 2,
    noise: float = 0.0,
    retry: bool = False,
    cluster: str | None = None,
    environment: str | Path | None = None,
    target: str | None = None,
    coordinator: str | None = None,
    patience: float | None = None,
    progress: Progress | None = None,
) -> Investigated:
    """Find which one thing is to blame, by running the cell that tells most, again and again.

    `plan` is the name of a plan that comes with bootwright, or a file; `observations` a table (CSV or TOML)
    of what was seen, or the record of a prepared image (`observe`); without a plan it is analysed alone.
    `out` is the folder of the run [out/PLAN], which resumes what is there unless `fresh`. With `dry_run`
    nothing is booted; with `cold` no boot uses a snapshot. `repeat` boots each cell so many times, `jobs`
    side by side; `max_download` is in MB.

    `have` are texts `factor=level` of what somebody has and cannot change: only for that an answer is looked
    for, where the plan has given factors. `board` (with its `revision` code) is another way to say it.

    `devicetrees` are texts `level=folder`, such as `firmware=~/boot`: real devicetrees for the plan's cells
    of that level; the board gets the one that its firmware would pick there. Without, those that were fetched
    are used, else the plan's stand-in; `.investigation.notes` says which.

    A plan with tasks is walked: what its decision points open is run, with git trees from `repository`, and
    what needs a board is prepared and waits; `observe_cell` tells what was seen there. Of `image` the images
    for the best `cards` cells are made. With `assume_no_board` predictions count as the last word. `noise` is
    the share of outcomes that lie: then boots are repeated where that tells most, and what the likeliest
    cause contradicts is set aside. A boot that no worker could finish in five tries is given up, and tried
    again with `retry`. `cluster` is the address of a Dask scheduler whose workers boot, instead of `jobs`
    processes of this machine. With `environment`, a labgrid environment file, the cells that wait for a board
    and have an image are booted on that of its `target` (`bench_run`), the best first; where it names several
    boards, or any place of a `coordinator`, on all that fit (`bench_all`), for which they wait `patience`
    seconds [300].

    Returns an `Investigated`. Raises `Refused`, `Malformed` and `Missing` for plans, tables and kernels,
    `ToolFailed` when QEMU itself fails.

        investigate(observations="seen.csv").decision.verdict
    """
    from bootwright.api.cards.observing import read_seen
    from bootwright.foundation.errors import Refused
    from bootwright.investigate.decision.decide import decide

    if plan is None and observations is None:
        raise Refused("there is nothing to investigate", hint="give a plan, or a table of observations")
    table = read_seen(observations, plan)
    seen = list(table.observations) if table else []
    if plan is None:
        if have or board or revision:
            raise Refused("a table alone has no given factors", hint="give a plan that names them")
        if devicetrees:
            raise Refused("a table alone predicts nothing", hint="devicetrees are for a plan")
        return _studied(seen, observations)
    from bootwright.foundation.run_folder import Store
    from bootwright.investigate.analysis.noise import check_noise
    from bootwright.investigate.campaign.announce import Announced
    from bootwright.investigate.campaign.walk import Options, Walker
    from bootwright.investigate.plans.further import read_further, with_further
    from bootwright.investigate.plans.given import asked
    from bootwright.investigate.plans.plan_file import load_plan
    from bootwright.investigate.plans.values import check_observations
    from bootwright.investigate.running.candidates import candidates, list_candidates
    from bootwright.investigate.running.execute import Executor, engine_for
    from bootwright.investigate.running.loop import Limits, Loop
    from bootwright.investigate.running.trees import check_folders, folders_of
    from bootwright.kernels.catalogue import open_library

    progress, loaded, further = reporter(progress), load_plan(str(plan)), read_further(run_folder(plan, out))
    chosen = with_further(loaded, further)
    folders = folders_of(devicetrees)
    check_folders(chosen, folders)
    check_observations(chosen, seen, str(observations))
    _check_names(chosen, seen)
    boards, stepping = asked_boards([board] if board is not None else [], revision=revision)
    given = asked(chosen, texts(have), board=boards[0].id if boards else None, stepping=stepping)
    library = open_library(archive=archive, offline=offline, progress=progress)
    if dry_run:
        loop = Loop(chosen, seen, list_candidates(chosen, library), given, noise=check_noise(noise))
        result = loop.look(loop.began, limits=Limits(download=max_download * 10**6))
        return Investigated(result, decide(result), tuple(loop.runs))
    limits = Limits(repeat=repeat, jobs=jobs or min(2, os.cpu_count() or 1), download=max_download * 10**6)
    fetches = f"fetches kernels as needed, {max_download} MB at most beside the package lists"
    progress.note(f"{'fetches nothing' if offline else fetches}; kernels are in {library.store.root}")
    options = Options(
        assume_no_board=assume_no_board,
        image=_image(image, progress),
        repository=_file(repository, "repository"),
        plan_from=str(Path(plan).resolve()) if Path(plan).is_file() else str(plan),
        cards=cards,
        noise=check_noise(noise),
    )
    with ExitStack() as opened:
        store = opened.enter_context(Store(run_folder(plan, out), fresh=fresh))
        announced = Announced(progress, store.folder)
        executor = opened.enter_context(
            Executor(library, store, announced, folders, cold=cold, engine=engine_for(cluster, limits.jobs))
        )
        if retry:
            executor.release()
        walker = Walker(
            plan=chosen,
            kernels=tuple(candidates(store, library, loaded, further)),
            given=given,
            store=store,
            executor=executor,
            progress=announced,
            limits=limits,
            options=options,
            on_board=_on_board(
                opened,
                chosen,
                store.folder,
                _BoardsAsked(environment, target, coordinator, patience),
                progress,
            ),
            publish=partial(_publish, store.folder),
        )
        walked = walker.walk(seen)
    if library.received_bytes:
        progress.note(f"fetched {library.received_bytes / 1e6:.0f} MB in all")
    return Investigated(walked.investigation, walked.decision, tuple(walked.loop.runs), walked.campaign)


@frozen
class _BoardsAsked:
    """What a user says of boards."""

    environment: str | Path | None
    target: str | None
    coordinator: str | None
    patience: float | None


def _on_board(
    opened: ExitStack, plan: Plan, folder: Path, asked: _BoardsAsked, progress: Progress
) -> CellsOnBoard | CellsOnBoards | None:
    """Boards that boot cells until `opened` ends, where any are given; raises as `open_bench`."""
    if asked.environment is None:
        return None
    from bootwright.api.bench.campaigns import CellsOnBoard, CellsOnBoards
    from bootwright.api.bench.many import PATIENCE, is_for_many, open_boards
    from bootwright.bench.powered import switch_off_left_on
    from bootwright.bench.session import open_bench, reach_left_on

    path = Path(asked.environment)
    if asked.coordinator is not None or is_for_many(path, asked.target):
        switch_off_left_on(reach_left_on, progress)
        boards = open_boards(path, asked.target, asked.coordinator, plan.given, progress)
        patience = PATIENCE if asked.patience is None else asked.patience
        return opened.enter_context(CellsOnBoards(boards, folder, progress, patience))
    bench = opened.enter_context(open_bench(path, asked.target, progress))
    return CellsOnBoard(bench, folder, progress)


def decide_recorded(
    plan: str | Path,
    result: str | Path,
    *,
    board: str | None = None,
    revision: str | None = None,
    stepping: str | None = None,
    have: str | Sequence[str] = (),
) -> Investigated:
    """Decide for a board by the cells of an earlier run; nothing is run, fetched or predicted.

    `result` is the `result.json` that a run of `plan` wrote. `board` (with its `revision` code or
    `stepping`) or `have` say for whom, as in `investigate`. Returns an `Investigated` without runs. Raises
    `Refused` for a board that the plan does not have, `Missing` and `Malformed` for the file.

        decide_recorded("talos-rpi5", "result.json", board="raspberrypi-5", revision="e04171").verdict
    """
    import json

    from bootwright.foundation.errors import Malformed, Missing
    from bootwright.investigate.decision.decide import decide
    from bootwright.investigate.plans.given import asked
    from bootwright.investigate.plans.plan_file import load_plan
    from bootwright.investigate.running.recorded import read_cells, weighed

    chosen = load_plan(str(plan))
    try:
        document = json.loads(Path(result).read_bytes())
    except OSError as error:
        raise Missing(f"cannot read {result}: {error.strerror}", hint="give a run's result.json") from error
    except ValueError as error:
        raise Malformed(str(result), None, "JSON", str(error)[:200]) from error
    if not isinstance(document, dict):
        raise Malformed(str(result), None, "a run's result", type(document).__name__)
    boards, named = asked_boards([board] if board is not None else [], revision=revision, stepping=stepping)
    given = asked(chosen, texts(have), board=boards[0].id if boards else None, stepping=named)
    investigation = weighed(chosen, read_cells(document, str(result)), given, str(result))
    return Investigated(investigation, decide(investigation), ())


def _studied(seen: list[Observation], observations: str | Path | None) -> Investigated:
    """A table alone, analysed."""
    from bootwright.investigate.decision.decide import decide
    from bootwright.investigate.running.investigation import study

    studied = study(seen, title=Path(observations).name if observations is not None else "")
    return Investigated(studied, decide(studied), ())


def _publish(folder: Path, investigation: Investigation, decision: Decision) -> None:
    """Write `result.json` as it is by now, for steps that read it."""
    import json

    from bootwright.foundation.atomic import write_text
    from bootwright.report.result import result

    write_text(folder / "result.json", json.dumps(result(investigation, decision), indent=2) + "\n")


def _check_names(plan: Plan, seen: Sequence[Observation]) -> None:
    """Raise `Refused` for an observation of a table that is called as a report of the plan."""
    from bootwright.foundation.errors import Refused

    names = {report.id for report in plan.report}
    for observation in seen:
        if observation.id in names:
            raise Refused(
                f"an observation of the table is called {observation.id}, as a report of the plan",
                hint="rename it",
            )


def _image(path: str | Path | None, progress: Progress) -> str:
    """The whole path of an image; raises as `_file`, and `Malformed` and `Refused` for what is no disk."""
    from bootwright.foundation.errors import Refused
    from bootwright.images.opened import open_image

    name = _file(path, "image")
    if name and not Path(name).is_file():
        raise Refused(f"{path} is no image", hint="name the file of a disk's image, raw or compressed")
    if name:
        open_image(Path(name), progress)
    return name


def _file(path: str | Path | None, what: str) -> str:
    """The whole path of what a user named, as text; raises `Missing` where it is not there."""
    from bootwright.foundation.errors import Missing

    if path is None:
        return ""
    if not Path(path).exists():
        raise Missing(f"there is no {what} {path}", hint="check the name")
    return str(Path(path).resolve())


def run_folder(plan: str | Path, out: str | Path | None) -> Path:
    """The folder of a plan's run: the one that was given, or `out/PLAN`."""
    return Path(out) if out is not None else Path("out") / Path(plan).stem
