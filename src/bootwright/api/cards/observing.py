"""What a board showed after it was booted: told, judged, kept, and handed to an investigation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import paths

if TYPE_CHECKING:
    from bootwright.diagnose.model import Diagnosis
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.investigate.plans.plan import Plan
    from bootwright.investigate.plans.table import Table
    from bootwright.prepare.seen.observe import Differs, Observed
    from bootwright.prepare.seen.record import Record, SeenOutcome

OBSERVE_SCHEMA = "bootwright/observe/1"
_MOST_LOG = 256 << 20
"""Bytes of a log that is kept beside the image."""
_HEAD = 1 << 20
"""Bytes by which a larger file is told from a log."""


@frozen
class ObservedCard:
    """What was seen on a board, what it means, and where it is kept."""

    observed: Observed
    record: Path | None
    """The record that it was added to; None where there is none."""
    read: tuple[str, ...] = ()
    """What was put right in the text of photos, in words."""

    @property
    def verdict(self) -> Verdict:
        """Of what was seen: `fails` where a goal was seen to fail, `works` where all that was seen works."""
        return self.observed.verdict

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/observe.schema.json."""
        observed, seen = self.observed, self.observed.seen
        missed, blink = observed.came.missed, observed.came.blink
        return {
            "schema": OBSERVE_SCHEMA,
            "verdict": self.verdict.value,
            "id": seen.id,
            "taken_at": seen.taken_at,
            "outcomes": {goal: verdict.value for goal, verdict in seen.outcomes.items()},
            "counts": seen.counts,
            "answers": dict(seen.answers),
            "reached": list(observed.came.reached),
            "missed": missed.as_json() if missed is not None else None,
            "blink": None
            if blink is None
            else {"code": blink.code, "means": blink.means, "next": blink.next},
            "cause": None
            if observed.cause is None
            else {
                "signature": observed.cause.signature,
                "title": observed.cause.title,
                "cause": observed.cause.cause,
                "lines": [{"number": line.number, "text": line.text} for line in observed.lines],
            },
            "says": list(seen.says),
            "next": seen.next,
            "against_prediction": list(observed.against),
            "logs": list(seen.logs),
            "record": str(self.record) if self.record is not None else None,
            "observations": len(observed.record.observations) if observed.record is not None else None,
        }


def observe(
    image: str | Path | None = None,
    *,
    prepared: str | Path | None = None,
    board: str | None = None,
    revision: str | None = None,
    logs: str | Path | Sequence[str | Path] = (),
    texts_of_photos: str | Path | Sequence[str | Path] = (),
    led: str | None = None,
    lights: str | None = None,
    address: str | None = None,
    service: str | None = None,
    outcomes: Mapping[str, str] | None = None,
    note: str = "",
    watched: bool = False,
    system: str | None = None,
    differs: Differs | None = None,
    keep: bool = True,
    progress: Progress | None = None,
) -> ObservedCard:
    """Tell what a board showed after it was booted: what it means, and what to do next.

    `image` is a prepared image, or `prepared` the record beside it: what was seen is added to that, unless
    `keep` is false. Without either, `board` or `revision` (its code, such as `e04171`) says which one it
    was, and nothing is kept. `logs` are consoles or dmesg, `texts_of_photos` what was typed off a screen or
    read by OCR. The answers: `led` is `off`, `steady`, `activity` or a code `LONG+SHORT`, `lights` (of the
    Ethernet socket) `on` or `off`, `address` the address in the router's list or `none`, `service`
    `answers` or `silent`. `outcomes` maps goals to `works` or `fails`. `watched`: somebody waited and
    nothing more came than the logs show. `system` (`talos`) says what ran,
    where there is no record that does. `differs` tells of a boot in a log why it is not the one that is
    asked about: such a log does not count.

    Returns an `ObservedCard`: `.verdict`, `.observed`, `.as_json()`. Raises `Refused` for an answer that does
    not exist and where nothing is told, `Missing` and `Malformed` for files and records.

        observe("pi5.raw", lights="off", address="none").observed.seen.next
    """
    from bootwright.api.asked import asked_boards
    from bootwright.boards.model import BOARDS
    from bootwright.boards.model import board as board_named
    from bootwright.foundation.errors import Refused
    from bootwright.prepare.knowledge import ANY, PREPARATIONS
    from bootwright.prepare.seen.answers import given_answers, given_outcomes
    from bootwright.prepare.seen.observe import Given
    from bootwright.prepare.seen.observe import observe as observe_given
    from bootwright.prepare.seen.record import find_record, read_record

    image_path = Path(image) if image is not None else None
    place = find_record(image_path, Path(prepared) if prepared is not None else None)
    record = read_record(place) if place is not None else None
    name = board if board is not None else record.board if record is not None else None
    if record is not None and board is None and record.board not in BOARDS.names():
        raise Refused(
            f"the record is of the board {record.board}, which is not known here",
            hint="name its file: --board FILE",
        )
    chosen = board_named(name) if name is not None else None
    if record is not None and chosen is not None and record.board != chosen.id:
        raise Refused(f"the record is of {record.board}, not {chosen.id}", hint="leave --board out")
    if revision is not None:
        if chosen is None:
            (chosen,), _ = asked_boards((), revision=revision)
            name = chosen.id
        chosen.stepping_of(revision)
    answers = given_answers(chosen, led=led, lights=lights, address=address, service=service)
    outcomes_given = given_outcomes(chosen, outcomes or {})
    contents, changed = told_contents(logs, texts_of_photos)
    if not (answers or outcomes_given or contents):
        raise Refused(
            "nothing was told", hint="give --log, --text, --led, --lights, --address, --service or --outcome"
        )
    known_address = (address or "").strip() if answers.get("address") == "given" else ""
    given = Given(answers, known_address, outcomes_given, revision or "", tuple(contents), note, watched)
    diagnosis = _diagnosis(contents, place, record, name, progress, watched=watched)
    ran = record.system if record is not None else system or _system_in(diagnosis) or ANY
    observed = observe_given(
        given, diagnosis, PREPARATIONS.get(ran), chosen, record, differs=differs or (lambda _: ())
    )
    if place is not None and keep:
        from attrs import evolve

        from bootwright.prepare.seen.observe import store

        observed = evolve(observed, record=store(observed, place, contents))
    return ObservedCard(observed, place if keep else None, changed)


def told_contents(
    logs: str | Path | Sequence[str | Path], texts_of_photos: str | Path | Sequence[str | Path]
) -> tuple[list[bytes], tuple[str, ...]]:
    """The bytes of logs and of photos' texts as logs, and what was put right in the latter, in words."""
    from bootwright.prepare.seen.photo_text import photo_text

    photos = [photo_text(_bytes_of(path), str(path)) for path in paths(texts_of_photos)]
    contents = [*(_log_of(path) for path in paths(logs)), *(photo.data for photo in photos)]
    return contents, tuple(dict.fromkeys(word for photo in photos for word in photo.changed))


def _diagnosis(
    logs: Sequence[bytes],
    place: Path | None,
    record: Record | None,
    board: str | None,
    progress: Progress | None,
    *,
    watched: bool = False,
) -> Diagnosis | None:
    """What the logs say, held against the prepared image where it is here; None where none was given."""
    from bootwright.api.diagnosis import diagnose
    from bootwright.prepare.seen.record import image_of

    if not logs:
        return None
    image = image_of(place, record) if place is not None and record is not None else None
    artifacts = (image,) if image is not None else ()
    return diagnose(logs, artifacts=artifacts, board=board, watched=watched, progress=progress).diagnosis


def _system_in(diagnosis: Diagnosis | None) -> str:
    """The system whose own words are in the log, of those that are known; empty where none is told."""
    from bootwright.prepare.knowledge import PREPARATIONS

    boot = diagnosis.telling() if diagnosis is not None else None
    if boot is None:
        return ""
    areas = {finding.area for finding in boot.findings}
    return next((name for name in PREPARATIONS.names() if name in areas or boot.fact(name) is not None), "")


def _log_of(path: Path) -> bytes:
    """A log's bytes as `_bytes_of`; raises `Refused`, by the file's name, for what is no log."""
    import io

    from bootwright.diagnose.incoming import log_text

    data = _bytes_of(path)
    log_text(io.BytesIO(data).read, str(path))
    return data


def _bytes_of(path: Path) -> bytes:
    """A log's bytes; raises `Missing`, and `Malformed` for one that is empty or too large to keep."""
    import io

    from bootwright.diagnose.incoming import log_text
    from bootwright.foundation.errors import Malformed, Missing

    try:
        with path.open("rb") as file:
            data = file.read(_MOST_LOG + 1)
    except OSError as error:
        raise Missing(f"cannot read {path}: {error.strerror}", hint="check the name") from error
    if len(data) > _MOST_LOG:
        log_text(io.BytesIO(data[:_HEAD]).read, str(path))  # a disk image is no long log
        expected = f"a log of at most {_MOST_LOG >> 20} MiB"
        raise Malformed(str(path), _MOST_LOG, expected, "more", hint="bootwright diagnose takes larger ones")
    if not data.strip(b" \t\r\n\0"):
        hint = "capture the console from power-on; without one tell the lights: --lights, --address, --led"
        raise Malformed(str(path), 0, "a log", "an empty file", hint=hint)
    return data


def read_seen(observations: str | Path | None, plan: str | Path | None) -> Table | None:
    """A user's table, or what was seen of a prepared image by its record; None where neither is given.

    Raises what `read_table` and `table_of_record` raise.
    """
    from bootwright.prepare.seen.record import ENDING

    if observations is None:
        return None
    path = Path(observations)
    if path.name.endswith(ENDING):
        from bootwright.investigate.plans.plan_file import load_plan

        return table_of_record(path, load_plan(str(plan)) if plan is not None else None)
    from bootwright.investigate.plans.table import read_table

    return read_table(path)


def table_of_record(path: Path, plan: Plan | None) -> Table:
    """The observations of a record that count, in the plan's words, or in plain ones without a plan.

    What the plan has no factor, level or outcome for is left open. Raises `Missing` and `Malformed` for the
    record, and `Refused` where nothing was seen that counts.
    """
    from bootwright.foundation.errors import Refused
    from bootwright.investigate.analysis.observations import Observation, Source
    from bootwright.investigate.plans.table import make_table
    from bootwright.prepare.seen.record import read_record

    record = read_record(path)
    names = outcomes_of_goals(plan) if plan is not None else None
    observations: list[Observation] = []
    for seen in record.observations:
        outcomes = {
            name: verdict
            for goal, verdict in seen.outcomes.items()
            for name in ((goal,) if names is None else names.get(goal, ()))
        }
        if not seen.counts or not outcomes:
            continue
        observations.append(
            Observation(
                id=f"{record.image}-{seen.id}",
                values={name: (level,) for name, level in _levels(record, seen, plan).items()},
                outcomes=outcomes,
                source=Source.BENCH,
                evidence={"note": seen.note or "; ".join(seen.says)[:200], "found-at": str(path)},
                repeat=len(observations),
            )
        )
    if not observations:
        raise Refused(
            f"{path}: nothing was seen of it that counts here", hint="bootwright observe adds what was seen"
        )
    return make_table(str(path), observations)


def outcomes_of_goals(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Goal of a board → outcomes of the plan, by the goals that its experiments name."""
    names: dict[str, tuple[str, ...]] = {}
    for experiment in plan.experiment:
        for outcome, goal in experiment.goals.items():
            names[goal] = tuple(dict.fromkeys((*names.get(goal, ()), outcome)))
    return names


def _levels(record: Record, seen: SeenOutcome, plan: Plan | None) -> dict[str, str]:
    """Factor → level of the cell that was seen, as far as the plan has it."""
    from bootwright.investigate.plans.values import is_level

    pages = f"{record.page_size // 1024}K" if record.page_size else ""
    version = record.version.removeprefix("v")
    stepping = seen.stepping or record.stepping
    plain = {"kernel": record.kernel_version, "page_size": pages, record.system: version}
    if plan is None:
        plain |= {"board": record.board, "stepping": stepping}
        return {name: level for name, level in plain.items() if level}
    levels = {
        name: plain["page_size"] if factor.fact == "page_size" else record.kernel_version
        for name, factor in plan.factor.items()
        if factor.fact in {"page_size", "version"}
    }
    levels |= {name: level for name, level in plain.items() if name in plan.factor}
    # The board's level is what every devicetree of the plan that is for its stepping has in common.
    sets = [
        set(tree.set.items())
        for experiment in plan.experiment
        for tree in experiment.devicetree
        if tree.board == record.board and tree.stepping == stepping
    ]
    levels |= dict(set.intersection(*sets)) if sets else {}
    return {name: level for name, level in levels.items() if level and is_level(plan, name, level)}
