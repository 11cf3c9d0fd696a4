"""Boot one image on a real board, and keep what was seen of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter, texts

if TYPE_CHECKING:
    from bootwright.api.campaigning import ToldCell
    from bootwright.bench.board import Board
    from bootwright.bench.powered import LeftOn
    from bootwright.bench.record import BenchRecord
    from bootwright.bench.run import Limits
    from bootwright.bench.settings import BoardSettings
    from bootwright.bench.until import Criterion, Watch
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict

_FOLDER = "bench"
_ODD = re.compile(r"[^A-Za-z0-9._+-]+")
_DEFAULT = "ready"
"""What a boot has to reach where nothing else is asked of it."""


@frozen
class BenchRun:
    """A boot on a board: what was recorded, and what was told to the campaign."""

    record: BenchRecord
    folder: Path
    """With `bench.json`, `console.bin`, `console.times` and `console.events`."""
    told: ToldCell | None
    """None without a cell, and where the console tells nothing."""
    left_on: tuple[str, ...] = ()
    """Boards that a killed run had left powered on, and that were switched off first."""

    @property
    def verdict(self) -> Verdict:
        """Fails where a criterion or an outcome does, works where all that was asked for does."""
        from bootwright.foundation.verdict import Verdict

        if self.told is not None and Verdict.FAILS in self.told.told.outcomes.values():
            return Verdict.FAILS
        return self.record.verdict

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/bench.schema.json."""
        import cattrs

        document: dict[str, Any] = cattrs.unstructure(self.record)
        return document | {
            "verdict": self.verdict.value,
            "folder": str(self.folder),
            "told": self.told.as_json() if self.told is not None else None,
            "left_on": list(self.left_on),
        }


@frozen
class _Asked:
    """What a user asks of a boot."""

    cell: str | None
    run: str | Path | None
    image: str | Path | None
    until: Sequence[str]
    proves: Sequence[str]
    keep: str | Path | None


@frozen
class _Wanted:
    """What is to be booted, where what is seen goes, and how it is judged."""

    image: Path
    folder: Path
    watch: Watch
    cell: str | None
    run: Path | None
    outcomes: tuple[str, ...]
    """Outcomes of the plan that the criteria prove."""


def bench_run(
    cell: str | None = None,
    *,
    environment: str | Path,
    target: str | None = None,
    run: str | Path | None = None,
    image: str | Path | None = None,
    until: str | Sequence[str] = (),
    proves: str | Sequence[str] = (),
    timeout: float | None = None,
    silence: float | None = None,
    keep: str | Path | None = None,
    progress: Progress | None = None,
) -> BenchRun:
    """Boot one cell of a campaign, or just an image, on one board of a labgrid environment file.

    `cell` is a name of `status`, its campaign found by `run` as there; its image is the one that was made for
    it, or `image`. Without a cell `image` is booted, and `keep` says where the recording goes
    [out/bench/…]. `target` names the environment's target where it has several.

    `until` are criteria that all have to be seen: `link`, `dhcp`, a stage such as `ready`, `login`, `ktap`,
    or a text; `proves` are outcomes of the plan that these decide. Without `until` a cell is followed until
    the console proves its plan's goals, an image until `ready`. `timeout` and `silence` are in seconds.

    A board that a killed run left powered on is switched off first. This one is off in the end, however it
    ends. A labgrid environment is for one thread of a process at a time.

    Returns a `BenchRun`. Raises `Refused`, `Missing` and `Malformed` for cells, images and environments, and
    where another process uses the board; `ToolFailed` where labgrid or one of its drivers fails.

        bench_run("rpi5-rev-1.1_4K_6.18.15", environment="bench.yaml").verdict
    """
    from bootwright.bench.labgrid_board import LabgridBoard
    from bootwright.bench.powered import LeftOn, claimed, switch_off_left_on
    from bootwright.bench.settings import BoardSettings, chosen_target, read_settings

    progress = reporter(progress)
    path = Path(environment)
    known, targets = read_settings(path)
    name = chosen_target(targets, target, str(path))
    settings = known.get(name, BoardSettings())
    wanted = _wanted(_Asked(cell, run, image, texts(until), texts(proves), keep), settings)
    limits = _limits(settings, timeout, silence)
    left_on = switch_off_left_on(reach_left_on, progress)
    board = LabgridBoard(path, name, settings)
    try:
        board.check()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        noted = LeftOn(board.name, str(path.resolve()), name, now, acquired=board.is_acquired)
        with claimed(board.key, noted) as claim:
            record = _boot(board, wanted, limits, progress, claim)
    finally:
        board.close()
    return BenchRun(record, wanted.folder, _tell(wanted, record), tuple(left_on))


def reach_left_on(left_on: LeftOn) -> Board:
    """A board that a killed run left on; raises as `LabgridBoard`."""
    from bootwright.bench.labgrid_board import LabgridBoard
    from bootwright.bench.settings import BoardSettings, read_settings

    path = Path(left_on.environment)
    known, _ = read_settings(path)
    settings = known.get(left_on.target, BoardSettings())
    return LabgridBoard(path, left_on.target, settings, release=left_on.acquired)


def _boot(board: Board, wanted: _Wanted, limits: Limits, progress: Progress, claim: Any) -> BenchRecord:  # noqa: ANN401
    from bootwright.bench.run import run_on_board
    from bootwright.image_boot.boot import on_disk

    raw, digest = on_disk(wanted.image, progress)
    return run_on_board(
        board, raw, digest, wanted.watch, wanted.folder, claim=claim, limits=limits, progress=progress
    )


def _limits(settings: BoardSettings, timeout: float | None, silence: float | None) -> Limits:
    from bootwright.bench.run import SILENCE, TIMEOUT, Limits

    chosen_timeout = timeout if timeout is not None else settings.timeout
    chosen_silence = silence if silence is not None else settings.silence
    return Limits(
        timeout=TIMEOUT if chosen_timeout is None else chosen_timeout,
        silence=SILENCE if chosen_silence is None else chosen_silence,
        off=settings.seconds_off,
    )


def _wanted(asked: _Asked, settings: BoardSettings) -> _Wanted:
    from bootwright.bench.until import Criterion, Watch
    from bootwright.foundation.errors import Refused

    criteria = tuple(Criterion.parse(text) for text in dict.fromkeys(asked.until))
    if asked.cell is not None:
        return _wanted_of_cell(asked, asked.cell, criteria, settings)
    if asked.image is None:
        raise Refused("there is nothing to boot", hint="name a cell of a campaign, or give --image")
    if asked.proves or asked.run is not None:
        raise Refused("outcomes and a run are a cell's", hint="name the cell too")
    path = _file(asked.image)
    folder = Path(asked.keep) if asked.keep is not None else _new_folder(Path("out") / _FOLDER, path.stem)
    watch = Watch(criteria or (Criterion.parse(_DEFAULT),))
    return _Wanted(path, folder, watch, None, None, ())


def _wanted_of_cell(
    asked: _Asked, cell: str, criteria: tuple[Criterion, ...], settings: BoardSettings
) -> _Wanted:
    from bootwright.api.campaigning import campaign_cell, campaign_folder
    from bootwright.api.cards.observing import outcomes_of_goals
    from bootwright.bench.until import Criterion, Watch
    from bootwright.diagnose.model import Boot
    from bootwright.foundation.choices import one_of
    from bootwright.foundation.errors import Missing, Refused
    from bootwright.prepare.knowledge import ANY, PREPARATIONS, proofs
    from bootwright.prepare.seen.observe import proved_by_log

    folder = campaign_folder(asked.run)
    shown = campaign_cell(folder, cell)
    for outcome in asked.proves:
        one_of(outcome, shown.plan.outcome, what="outcome", kind="outcomes")
    if asked.proves and not criteria:
        raise Refused("nothing is said that would prove it", hint="give --until too")
    for factor, level in settings.levels.items():
        if shown.factors.get(factor, level) != level:
            message = f"the cell is for {factor} {shown.factors[factor]}, and this board is {level}"
            raise Refused(message, hint="see `levels` in the environment file")
    path = asked.image or shown.image
    if not path:
        hint = f"give --image, or make it: {shown.commands[0]}" if shown.commands else "give --image"
        raise Missing(f"no image was made for {cell}", hint=hint)
    preparation = PREPARATIONS.get(shown.plan.released.system if shown.plan.released is not None else ANY)
    goals = outcomes_of_goals(shown.plan)
    provable = {proof.goal for proof in proofs(preparation) if proof.works or proof.reached}
    wanted = tuple(goal for goal in goals if goal in provable) if not criteria else ()

    def judge(boot: Boot) -> dict[str, Verdict]:
        return {goal: verdict for goal, verdict in proved_by_log(boot, preparation) if goal in goals}

    if not criteria and not wanted:
        criteria = (Criterion.parse(_DEFAULT),)
    watch = Watch(criteria, judge, wanted)
    kept = _new_folder(folder / _FOLDER, cell)
    return _Wanted(_file(path), kept, watch, cell, folder, tuple(asked.proves))


def _tell(wanted: _Wanted, record: BenchRecord) -> ToldCell | None:
    """Tell the campaign what was seen; None where there is none, or nothing was."""
    from bootwright.api.campaigning import observe_cell
    from bootwright.bench.recorder import CONSOLE
    from bootwright.foundation.errors import Malformed, Refused
    from bootwright.foundation.verdict import Verdict

    if wanted.cell is None:
        return None
    proved = record.verdict is not Verdict.UNKNOWN
    outcomes = dict.fromkeys(wanted.outcomes, record.verdict.value) if proved else {}

    def tell(logs: tuple[Path, ...]) -> ToldCell:
        return observe_cell(
            wanted.cell or "",
            run=wanted.run,
            logs=logs,
            outcomes=outcomes,
            by=record.board,
            note=f"bench: {wanted.folder.name}: {record.reason or record.ended}",
            minutes=round((record.seconds + sum(step.seconds for step in record.steps)) / 60, 2),
        )

    if record.console_bytes:
        try:
            return tell((wanted.folder / CONSOLE,))
        except (Refused, Malformed):
            pass  # a console of garbage is no log; it is kept, and says nothing
    return tell(()) if outcomes else None


def _new_folder(parent: Path, name: str) -> Path:
    """A folder that is not there yet, for one boot; names sort by time."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return parent / f"{stamp}-{_ODD.sub('-', name)[:120]}"


def _file(image: str | Path) -> Path:
    from bootwright.foundation.errors import Missing

    path = Path(image)
    if not path.is_file():
        raise Missing(f"there is no image {image}", hint="check the name")
    return path
