"""Boot one image on a real board, and keep what was seen of it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from bootwright.api._common import reporter, texts
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.verdict import Verdict

if TYPE_CHECKING:
    from bootwright.api.campaigning import ToldCell
    from bootwright.api.cards.observing import ObservedCard
    from bootwright.bench.by_hand import Person
    from bootwright.bench.record import BenchRecord
    from bootwright.bench.run import Limits
    from bootwright.bench.session import Bench
    from bootwright.bench.settings import BoardSettings
    from bootwright.bench.until import Criterion, Watch
    from bootwright.foundation.progress import Progress

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
    not_told: str = ""
    """Why it was not told to the campaign: what ran on the board was not of the cell."""

    @property
    def verdict(self) -> Verdict:
        """Fails where a criterion or an outcome does, works where all that was asked for does; unknown where
        something else ran than the cell.
        """
        if self.not_told:
            return Verdict.UNKNOWN
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
            "not_told": self.not_told or None,
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
    progress: Progress | None = None


@frozen
class _Wanted:
    """What is to be booted, where what is seen goes, and how it is judged."""

    image: Path
    folder: Path
    watch: Watch
    cell: str | None
    run: Path | None
    outcomes: tuple[str, ...] = ()
    """Outcomes of the plan that the criteria prove."""
    factors: Mapping[str, str] = field(factory=dict)
    """The cell's levels."""


def bench_run(
    cell: str | None = None,
    *,
    environment: str | Path | None = None,
    target: str | None = None,
    by_hand: Person | None = None,
    serial: str | None = None,
    baud: int = 115200,
    run: str | Path | None = None,
    image: str | Path | None = None,
    until: str | Sequence[str] = (),
    proves: str | Sequence[str] = (),
    timeout: float | None = None,
    silence: float | None = None,
    keep: str | Path | None = None,
    progress: Progress | None = None,
) -> BenchRun:
    """Boot one cell of a campaign, or just an image, on one board.

    `environment` is a labgrid environment file, and `target` names its target where it has several. Without
    one `by_hand` is asked to handle the board; `serial` is then the device of a serial adapter, `baud` its
    speed, and without an adapter the person is asked what the board shows.

    `cell` is a name of `status`, its campaign found by `run` as there; its image is the one that was made for
    it, or `image`. Without a cell `image` is booted, and `keep` says where the recording goes
    [out/bench/…].

    `until` are criteria that all have to be seen: `link`, `dhcp`, a stage such as `ready`, `login`, `ktap`,
    or a text; `proves` are outcomes of the plan that these decide. Without `until` a cell is followed until
    the console proves its plan's goals, an image until `ready`. `timeout` and `silence` are in seconds.

    A board that a killed run left powered on is switched off first. This one is off in the end, however it
    ends. A labgrid environment is for one thread of a process at a time.

    Returns a `BenchRun`. Raises `Refused`, `Missing` and `Malformed` for cells, images and environments, and
    where another process uses the board; `ToolFailed` where labgrid or one of its drivers fails.

        bench_run("rpi5-rev-1.1_4K_6.18.15", environment="bench.yaml").verdict
    """
    from bootwright.bench.by_hand import open_by_hand
    from bootwright.bench.session import open_bench

    progress = reporter(progress)
    wanted = _wanted(_Asked(cell, run, image, texts(until), texts(proves), keep, progress))
    if environment is not None:
        opened = open_bench(Path(environment), target, progress)
    elif by_hand is not None:
        opened = open_by_hand(by_hand, serial, baud, progress)
    else:
        raise Refused("no board is named", hint="give a labgrid environment file: --env, or --by-hand")
    with opened as bench:
        _check_levels(wanted, bench.settings)
        if bench.board.console() is None and by_hand is not None:
            return _look_by_hand(bench, wanted, by_hand)
        return _booted(bench, wanted, bench.limits(timeout, silence))


def boot_cell(bench: Bench, cell: str, folder: Path) -> BenchRun:
    """Boot a cell of the campaign in a folder on a board that is open; raises as `bench_run`."""
    wanted = _wanted(_Asked(cell, folder, None, (), (), None, bench.progress))
    _check_levels(wanted, bench.settings)
    return _booted(bench, wanted, bench.limits())


def boots_of(folder: Path, cell: str) -> int:
    """How often a cell of the campaign in a folder was booted on boards."""
    from bootwright.bench.record import list_records

    ending = _ending(cell)
    return sum(path.name.endswith(ending) for path in list_records(folder / _FOLDER))


def _booted(bench: Bench, wanted: _Wanted, limits: Limits) -> BenchRun:
    if wanted.run is not None:
        tell_untold(wanted.run)
    record = bench.boot(
        wanted.image, wanted.watch, wanted.folder, limits, cell=wanted.cell or "", proves=wanted.outcomes
    )
    if wanted.run is None:
        return BenchRun(record, wanted.folder, None, bench.left_on)
    answer, not_told = _tell(wanted.run, wanted.folder, record)
    return BenchRun(record, wanted.folder, answer, bench.left_on, not_told)


def tell_untold(run: Path) -> None:
    """Tell a campaign what boots recorded that were killed before they could.

    Raises `Malformed` for a damaged recording.
    """
    from bootwright.bench.record import list_records, read_record
    from bootwright.investigate.campaign.told import read_told

    logs = {digest for answer in read_told(run) for digest in answer.logs}
    for path in list_records(run / _FOLDER):
        record = read_record(path)
        if record.cell and record.console_bytes and record.console_sha256 not in logs:
            _tell(run, path, record)


def _look_by_hand(bench: Bench, wanted: _Wanted, person: Person) -> BenchRun:
    """A boot that a person watches: what they see is all that is known of it."""
    from bootwright.api.bench.of_cell import OfAnotherCell
    from bootwright.api.campaigning import observe_cell
    from bootwright.api.cards.observing import observe
    from bootwright.bench.by_hand import look
    from bootwright.bench.record import BenchRecord, write_record
    from bootwright.image_boot.boot import on_disk

    raw, digest = on_disk(wanted.image, bench.progress)
    bench.board.deploy(raw)
    bench.board.power_on()
    started, began = datetime.now(UTC), time.monotonic()
    answers = look(person, with_led=wanted.cell is not None)
    seconds = time.monotonic() - began
    logs = (answers.log,) if answers.log else ()
    seen: ObservedCard | None = None
    answer: ToldCell | None = None
    not_told = ""
    if answers.given or logs:
        if wanted.cell is None:
            seen = observe(logs=logs, lights=answers.lights, address=answers.address, keep=False)
        else:
            try:
                answer = observe_cell(
                    wanted.cell,
                    run=wanted.run,
                    logs=logs,
                    led=answers.led,
                    lights=answers.lights,
                    address=answers.address,
                    by=bench.board.name,
                    minutes=round(seconds / 60, 2),
                )
                seen = answer.seen
            except OfAnotherCell as error:
                not_told = error.message
    observed = seen.observed if seen is not None else None
    record = BenchRecord(
        board=bench.board.name,
        image=str(raw),
        image_sha256=digest,
        started_at=started.isoformat(timespec="seconds"),
        verdict=observed.verdict if observed is not None else Verdict.UNKNOWN,
        reason="; ".join(observed.seen.says) if observed is not None else not_told or "nothing was told",
        ended="by hand",
        seconds=round(seconds, 3),
        switched_on=0.0,
        criteria={},
        outcomes=dict(observed.seen.outcomes) if observed is not None else {},
        milestones=[],
        steps=[],
        line=[],
        console_bytes=0,
        console_sha256="",
        facts={**bench.board.facts(), "answers": answers.given},
    )
    wanted.folder.mkdir(parents=True, exist_ok=True)
    write_record(wanted.folder, record)
    bench.board.power_off()
    return BenchRun(record, wanted.folder, answer, not_told=not_told)


def _check_levels(wanted: _Wanted, settings: BoardSettings) -> None:
    """Raises `Refused` for a cell of another board than this one."""
    for factor, level in settings.levels.items():
        if wanted.factors.get(factor, level) != level:
            message = f"the cell is for {factor} {wanted.factors[factor]}, and this board is {level}"
            raise Refused(message, hint="see `levels` in the environment file")


def _wanted(asked: _Asked) -> _Wanted:
    from bootwright.bench.until import Criterion, Watch

    criteria = tuple(Criterion.parse(text) for text in dict.fromkeys(asked.until))
    if asked.cell is not None:
        return _wanted_of_cell(asked, asked.cell, criteria)
    if asked.image is None:
        raise Refused("there is nothing to boot", hint="name a cell of a campaign, or give --image")
    if asked.proves or asked.run is not None:
        raise Refused("outcomes and a run are a cell's", hint="name the cell too")
    path = _image(asked.image, asked.progress)
    folder = Path(asked.keep) if asked.keep is not None else _new_folder(Path("out") / _FOLDER, path.stem)
    watch = Watch(criteria or (Criterion.parse(_DEFAULT),))
    return _Wanted(path, folder, watch, None, None)


def _wanted_of_cell(asked: _Asked, cell: str, criteria: tuple[Criterion, ...]) -> _Wanted:
    from bootwright.api.campaigning import campaign_cell, campaign_folder, no_image
    from bootwright.api.cards.observing import outcomes_of_goals
    from bootwright.bench.until import Criterion, Watch
    from bootwright.diagnose.model import Boot
    from bootwright.foundation.choices import one_of
    from bootwright.prepare.knowledge import ANY, PREPARATIONS, proofs
    from bootwright.prepare.seen.observe import proved_by_log

    folder = campaign_folder(asked.run)
    shown = campaign_cell(folder, cell)
    if shown.experiment is not None:
        raise Refused(f"{cell} is an emulated cell", hint="bootwright investigate runs it")
    for outcome in asked.proves:
        one_of(outcome, shown.plan.outcome, what="outcome", kind="outcomes")
    if asked.proves and not criteria:
        raise Refused("nothing is said that would prove it", hint="give --until too")
    path = asked.image or shown.image
    if not path:
        raise no_image(cell, shown)
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
    return _Wanted(
        _image(path, asked.progress), kept, watch, cell, folder, tuple(asked.proves), shown.factors
    )


def _tell(run: Path, folder: Path, record: BenchRecord) -> tuple[ToldCell | None, str]:
    """(what a campaign was told of a cell, None where nothing was seen; why not, if something else ran)."""
    from bootwright.api.bench.of_cell import OfAnotherCell
    from bootwright.api.campaigning import observe_cell
    from bootwright.bench.recorder import CONSOLE

    proved = record.verdict is not Verdict.UNKNOWN
    outcomes = dict.fromkeys(record.proves, record.verdict.value) if proved else {}

    def tell(logs: tuple[Path, ...]) -> ToldCell:
        return observe_cell(
            record.cell,
            run=run,
            logs=logs,
            outcomes=outcomes,
            by=record.board,
            note=f"bench: {folder.name}: {record.reason or record.ended}",
            minutes=round((record.seconds + sum(step.seconds for step in record.steps)) / 60, 2),
        )

    if record.console_bytes:
        try:
            return tell((folder / CONSOLE,)), ""
        except OfAnotherCell as error:
            return None, error.message
        except (Refused, Malformed):
            pass  # a console of garbage is no log; it is kept, and says nothing
    return tell(()) if outcomes else None, ""


def _new_folder(parent: Path, name: str) -> Path:
    """A folder that is not there yet, for one boot; names sort by time."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return parent / f"{stamp}{_ending(name)}"


def _ending(name: str) -> str:
    return f"-{_ODD.sub('-', name)[:120]}"


def _image(image: str | Path, progress: Progress | None) -> Path:
    """The file of a disk's image; raises `Missing`, and `Malformed` for what no board can start from."""
    from bootwright.images.opened import open_image

    path = Path(image)
    if not path.is_file():
        raise Missing(f"there is no image {image}", hint="check the name")
    open_image(path, progress)
    return path
