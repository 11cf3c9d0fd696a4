"""Boot many cells of a campaign on the boards of a labgrid coordinator."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter, texts

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.investigate.campaign.model import Campaign
    from bootwright.lab.workers.engine import Answer, Engine, Work
    from bootwright.lab.workers.queue import QueuedCell

PATIENCE = 300.0
"""Seconds that cells wait for a place while nothing is being booted: somebody may be using the boards."""
LEASE = 3600.0
"""Seconds after which a boot that never answers is ended: images take long to write, and boots 600 s."""


@frozen
class BenchAll:
    """What became of the cells."""

    booted: tuple[dict[str, Any], ...]
    """A document of docs/schemas/bench.schema.json for each boot of this call, in the order they ended."""
    given_up: tuple[QueuedCell, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all; unknown where a cell was given up, or nothing was booted."""
        from bootwright.foundation.verdict import Verdict, worst

        verdicts = [Verdict(document["verdict"]) for document in self.booted]
        return worst([*verdicts, *([Verdict.UNKNOWN] if self.given_up or not verdicts else [])])

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/bench-all.schema.json."""
        return {
            "schema": "bootwright/bench-all/1",
            "verdict": self.verdict.value,
            "booted": list(self.booted),
            "given_up": [cell.as_json() for cell in self.given_up],
        }


def bench_all(
    *,
    environment: str | Path,
    target: str | None = None,
    run: str | Path | None = None,
    cells: str | Sequence[str] = (),
    coordinator: str | None = None,
    repeat: int = 1,
    patience: float = PATIENCE,
    retry: bool = False,
    progress: Progress | None = None,
) -> BenchAll:
    """Boot cells of a campaign [all that wait and have an image] on boards of a labgrid coordinator.

    A cell goes to any free place whose tags say what the cell's given factors say, such as
    `board=rpi5-rev-1.1`; it is reserved there, and booted as `bench_run` does by a process of its own. The
    `environment` file names its place as `!template "$LG_PLACE"`; one that names none, but several targets
    with their `levels`, has these for boards. `coordinator` is `HOST:PORT` [the file's
    `coordinator_address`, else `$LG_COORDINATOR`]. `repeat` boots each cell so many times; what is done
    already is not booted again. A boot that is lost is tried again, after five tries given up until
    `retry`. `patience` is in seconds.

    Returns a `BenchAll`. Raises `Missing` where no place comes and for a named cell without an image,
    `Refused` and `Malformed` for cells and environments.

        bench_all(environment="bench.yaml", run="talos-rpi5").given_up
    """
    from bootwright.api.campaigning import campaign_folder
    from bootwright.foundation.processes.signals import ending_in_order
    from bootwright.foundation.run_folder import Store
    from bootwright.investigate.campaign.model import read_status
    from bootwright.investigate.plans.plan_file import load_plan
    from bootwright.lab.workers.dispatch import Dispatcher
    from bootwright.lab.workers.queue import Queue

    progress = reporter(progress)
    folder = campaign_folder(run)
    campaign = read_status(folder)
    given = load_plan(campaign.plan_from).given
    wanted = _wanted(campaign, texts(cells), folder)
    booted: list[dict[str, Any]] = []

    def keep(cell: QueuedCell, answer: Answer) -> None:
        booted.append(dict(answer.facts))
        progress.note(f"{cell.work['cell']}: {answer.facts['verdict']} on {cell.worker}")

    boards = open_boards(Path(environment), target, coordinator, given, progress)
    engine = boards.engine
    with ending_in_order():
        try:
            with Store(folder), Queue(folder) as queue:
                if retry:
                    queue.release()
                names = []
                for number in range(1, repeat + 1):
                    for cell, factors in wanted.items():
                        names.append(name_in_queue(cell, number))
                        queue.add(names[-1], boards.work(cell, factors, folder), boards.wants(factors))
                dispatcher = Dispatcher(
                    queue, engine, keep, lease_seconds=LEASE, patience=patience, progress=progress
                )
                given_up = dispatcher.run(names)
        finally:
            engine.close()
    return BenchAll(tuple(booted), tuple(given_up))


@frozen
class Boards:
    """The boards that an environment file has, or the coordinator that it names."""

    engine: Engine
    environment: Path
    target: str
    """Whose place is any of the coordinator; empty where the file's targets are the boards."""
    given: tuple[str, ...]
    """Factors of the plan that say which board a cell is for."""

    def work(self, cell: str, factors: Mapping[str, str], folder: Path) -> Work:
        """What is sent to the worker of a board."""
        return {
            "cell": cell,
            "factors": dict(factors),
            "run": str(folder.resolve()),
            "environment": str(self.environment.resolve()),
            "target": self.target,
        }

    def wants(self, factors: Mapping[str, str]) -> dict[str, str]:
        """What a board has to be for a cell."""
        return {factor: factors[factor] for factor in self.given}


def name_in_queue(cell: str, number: int) -> str:
    """The name of a cell's boot in the run's queue, counted from 1."""
    return f"board/{cell}#{number}"


def is_for_many(environment: Path, target: str | None) -> bool:
    """Whether an environment file has more than one board; raises as `read_settings`."""
    from bootwright.bench.powered import PLACE
    from bootwright.bench.settings import read_settings, read_shared

    _, targets = read_settings(environment)
    shared = read_shared(environment) if not os.environ.get(PLACE) else ()
    return target in shared if target is not None else bool(shared) or len(targets) > 1


def open_boards(
    environment: Path, target: str | None, coordinator: str | None, given: Sequence[str], progress: Progress
) -> Boards:
    """The boards to be used; close the engine in the end.

    Where a target's place is named by `$LG_PLACE`, every place of the coordinator is one; else every target
    of the file. Raises `Refused` where it is not known which board a target is.
    """
    from bootwright.bench.many.places import Places
    from bootwright.bench.many.targets import Targets
    from bootwright.bench.powered import switch_off_left_on
    from bootwright.bench.session import reach_left_on
    from bootwright.bench.settings import BoardSettings, chosen_target, read_settings, read_shared
    from bootwright.foundation.errors import Refused

    known, targets = read_settings(environment)
    shared = read_shared(environment)

    def on_lost() -> None:
        switch_off_left_on(reach_left_on, progress)

    if shared or len(targets) == 1 or target is not None:
        name = chosen_target(shared or targets, target, str(environment))
        address = coordinator or _coordinator(environment)
        return Boards(Places(perform, address, on_lost=on_lost), environment, name, tuple(given))
    for name in targets:
        missing = set(given) - set(known.get(name, BoardSettings()).levels)
        if missing:
            raise Refused(
                f"{environment}: target {name} does not say its {', '.join(sorted(missing))}",
                hint=f"bootwright: {{{name}: {{levels: {{{min(missing)}: …}}}}}}, or name one with --target",
            )
    settings = {name: known.get(name, BoardSettings()) for name in targets}
    engine = Targets(perform, settings, str(environment), on_lost=on_lost)
    return Boards(engine, environment, "", tuple(given))


def perform(work: Work) -> Answer:
    """Boot one cell on one board; raises `ToolFailed` for whatever may be otherwise at another."""
    from contextlib import nullcontext

    from bootwright.api.bench.running import bench_run
    from bootwright.bench.powered import meaning_place
    from bootwright.foundation.errors import BootwrightError, Malformed, ToolFailed
    from bootwright.lab.workers.engine import Answer

    place = work.get("place", "")
    try:
        with meaning_place(place) if place else nullcontext():
            booted = bench_run(
                work["cell"], environment=work["environment"], target=work["target"], run=work["run"]
            )
    except Malformed:
        raise
    except BootwrightError as error:
        where = f"place {place}" if place else f"target {work['target']}"
        raise ToolFailed(where, error.message) from error
    return Answer(booted.as_json(), b"")


def _wanted(campaign: Campaign, names: Sequence[str], folder: Path) -> dict[str, dict[str, str]]:
    """Cell → its factors; raises `Refused` for a name that there is not, and where there is no cell.

    Raises `Missing` for a cell that was named and has no image.
    """
    from bootwright.api.campaigning import campaign_cell, no_cell, no_image
    from bootwright.foundation.errors import Refused

    known = {**campaign.names, **{row.name: row.factors for row in campaign.cells}}
    for name in names:
        if name not in known:
            raise no_cell(campaign, name, known)
    chosen = list(names) or [row.name for row in campaign.cells if row.image]
    if not chosen:
        raise Refused(
            "no cell that waits has an image",
            hint="bootwright investigate PLAN --image FILE --cards N makes them",
        )
    for name in names:
        shown = campaign_cell(folder, name)
        if not shown.image or not Path(shown.image).is_file():
            raise no_image(name, shown)
    return {name: known[name] for name in chosen}


def _coordinator(environment: Path) -> str:
    from importlib import import_module

    from bootwright.bench.powered import meaning_place
    from bootwright.foundation.errors import Malformed, Missing

    usual = os.environ.get("LG_COORDINATOR", "127.0.0.1:20408")
    try:
        with meaning_place(""):
            config = import_module("labgrid.config").Config(str(environment))
    except ImportError as error:
        raise Missing("labgrid is not installed", hint="pip install 'bootwright[bench]'") from error
    except Exception as error:  # labgrid's own, of several kinds
        raise Malformed(str(environment), None, "an environment file of labgrid", str(error)[:200]) from error
    return str(config.get_option("coordinator_address", usual))
