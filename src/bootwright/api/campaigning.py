"""Where a campaign is: its tasks, the cells that wait for a board, and what people tell of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

if TYPE_CHECKING:
    from bootwright.api.cards.observing import ObservedCard
    from bootwright.diagnose.model import Boot
    from bootwright.foundation.errors import Missing, Refused
    from bootwright.foundation.verdict import Verdict
    from bootwright.investigate.campaign.model import Campaign
    from bootwright.investigate.campaign.told import Told
    from bootwright.investigate.plans.plan import Experiment, Plan
    from bootwright.lab.workers.queue import QueuedCell

_OUT = "out"


@frozen
class CampaignStatus:
    """A campaign as its folder has it."""

    folder: Path
    campaign: Campaign
    process: str
    """The process that works on it now; empty where none does."""
    doing: str
    """What that process does."""
    not_weighed: tuple[Told, ...]
    """What people told since it was assessed."""
    queue: tuple[QueuedCell, ...] = ()
    """What was given to workers, and what became of it."""

    @property
    def verdict(self) -> Verdict:
        """Of what is wanted."""
        return self.campaign.verdict

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/status.schema.json."""
        import cattrs

        document: dict[str, Any] = cattrs.unstructure(self.campaign)
        return document | {
            "folder": str(self.folder),
            "process": self.process or None,
            "doing": self.doing or None,
            "not_weighed": [answer.id for answer in self.not_weighed],
            "queue": [cell.as_json() for cell in self.queue],
        }


def status(run: str | Path | None = None) -> CampaignStatus:
    """Where a campaign is, without running anything.

    `run` is the folder of a run, or the name of a plan whose run is in `out/`; without it the one that was
    assessed last there. Returns a `CampaignStatus`. Raises `Missing` where there is none, `Malformed` for a
    damaged one.

        status("talos-rpi5").campaign.tasks[0].state
    """
    from bootwright.foundation.run_folder import working_in
    from bootwright.investigate.campaign.announce import doing
    from bootwright.investigate.campaign.model import read_status
    from bootwright.investigate.campaign.told import read_told
    from bootwright.lab.workers.queue import read_queue

    folder = campaign_folder(run)
    campaign = read_status(folder)
    process = working_in(folder) or ""
    known = set(campaign.told)
    return CampaignStatus(
        folder,
        campaign,
        process,
        doing(folder) if process else "",
        tuple(answer for answer in read_told(folder) if answer.id not in known),
        tuple(read_queue(folder)),
    )


def campaign_folder(run: str | Path | None) -> Path:
    """The folder of a run; raises `Missing` where there is none."""
    from bootwright.foundation.documents import list_kept
    from bootwright.foundation.errors import Missing
    from bootwright.investigate.campaign.model import STATUS

    hint = (
        "bootwright investigate PLAN begins one, such as talos-rpi5; name its folder where it is not in out/"
    )
    if run is None:
        known = [folder / STATUS for folder in list_kept(Path(_OUT)) if (folder / STATUS).is_file()]
        paths = sorted(known, key=lambda path: path.stat().st_mtime)
        if not paths:
            raise Missing(f"there is no campaign in {_OUT}/", hint=hint)
        return paths[-1].parent
    for folder in (Path(run), Path(_OUT) / Path(run).stem):
        if (folder / STATUS).is_file():
            return folder
    raise Missing(f"there is no campaign {run}", hint=hint)


@frozen
class CampaignCell:
    """A cell of a campaign that somebody could try: on a board, or emulated."""

    plan: Plan
    factors: dict[str, str]
    image: str
    """The image that was made for it; empty where there is none."""
    commands: tuple[str, ...]
    """What to do for it, in order."""
    experiment: Experiment | None = None
    """What is booted where it is an emulated one; None for a board's."""
    kernel: str = ""
    """The catalogue's name of an emulated cell's kernel."""
    others: dict[str, dict[str, str]] = field(factory=dict)
    """The campaign's cells of boards, by name, with their levels."""


def campaign_cell(folder: Path, cell: str) -> CampaignCell:
    """A cell of the campaign in a folder, by its name; raises `Refused` where there is none of that name.

    An emulated one is `EXPERIMENT/KERNEL`, whether it was booted here or not.
    """
    from bootwright.investigate.campaign.model import read_status
    from bootwright.investigate.campaign.walk import CARDS
    from bootwright.investigate.plans.plan_file import load_plan
    from bootwright.investigate.plans.runs import emulated_cell

    campaign = read_status(folder)
    rows = {row.name: row for row in campaign.cells}
    names = {*rows, *campaign.names, *campaign.emulated}
    plan = load_plan(campaign.plan_from)
    if cell not in {*rows, *campaign.names} and (emulated := emulated_cell(plan, cell)) is not None:
        experiment, kernel = emulated
        return CampaignCell(plan, dict(experiment.set), "", (), experiment, kernel)
    if cell not in names:
        raise no_cell(campaign, cell, sorted(names))
    row = rows.get(cell)
    factors = campaign.names.get(cell) or (row.factors if row is not None else {})
    card = folder / CARDS / f"{cell}.raw"
    image = row.image if row is not None and row.image else str(card) if card.is_file() else ""
    commands = tuple(row.commands) if row is not None else ()
    others = {name: row.factors for name, row in rows.items()} | campaign.names
    return CampaignCell(plan, dict(factors), image, commands, others=others)


def no_cell(campaign: Campaign, name: str, known: Iterable[str]) -> Refused:
    """The error for a cell that a campaign does not have: the nearest, and where else it can be told."""
    from bootwright.foundation.choices import hint_for
    from bootwright.foundation.errors import Refused

    return Refused(
        f"campaign {campaign.plan} has no cell {name!r}",
        hint=f"{hint_for(name, known, kind='cells').rstrip('?')}; `bootwright status` names those that wait, "
        "and what else was booted can be told by `bootwright investigate --observations FILE`",
    )


def no_image(name: str, shown: CampaignCell) -> Missing:
    """The error for a cell of a board that cannot be booted, with what makes its image."""
    from bootwright.foundation.errors import Missing

    making = next((command for command in shown.commands if " observe " not in command), "")
    where = f": {shown.image} is not there" if shown.image else ""
    return Missing(
        f"no image was made for {name}{where}",
        hint=f"give --image, or make it: {making}" if making else "give --image",
    )


def observe_cell(
    cell: str,
    *,
    run: str | Path | None = None,
    logs: Sequence[str | Path] = (),
    texts_of_photos: Sequence[str | Path] = (),
    led: str | None = None,
    lights: str | None = None,
    address: str | None = None,
    service: str | None = None,
    outcomes: Mapping[str, str] | None = None,
    results: str | Path | None = None,
    note: str = "",
    by: str = "",
    minutes: float = 0.0,
    keep: bool = True,
) -> ToldCell:
    """Tell what was seen in a cell of a campaign; it is taken in by the next `investigate`.

    `cell` is a name of `status`; the campaign is found as there, by `run`. `outcomes` are the plan's; logs,
    answers and codes are judged as `observe` does, and what they show of the board's goals is kept as the
    plan's outcomes; a log of another kernel, page size, release or board than the cell's is refused.
    `results` is what came back from another laboratory, refused likewise: a console with the KTAP of probes,
    a LAVA job's log, a pull lab's callback, or a report for KernelCI's database. Tests decide the outcomes
    that the plan's experiments say they do; a log of a board without tests is judged as one of `logs`. An
    emulated cell takes `results` alone. `by` says who, or which board; `minutes` what it took. The
    same log counts once.

    Returns a `ToldCell`. Raises `Refused` for a cell, an outcome or an answer that there is not, and
    `OfAnotherCell`, which is one, for a log or results of something else.
    """
    from bootwright.api.bench.handed import outcomes_of_tests, read_file, told_of_emulated
    from bootwright.api.bench.of_cell import differences, refuse_another, said_by_results
    from bootwright.foundation.choices import one_of
    from bootwright.foundation.errors import Refused
    from bootwright.foundation.processes.work_folder import temporary_folder
    from bootwright.foundation.verdict import Verdict
    from bootwright.investigate.campaign.told import is_told, keep_told, make_told, read_told
    from bootwright.investigate.plans.ways import still_to_tell
    from bootwright.lab.jobs.results import read_results

    folder = campaign_folder(run)
    shown = campaign_cell(folder, cell)
    plan = shown.plan
    verdicts: dict[str, Verdict] = {}
    for outcome, word in (outcomes or {}).items():
        one_of(outcome, plan.outcome, what="outcome", kind="outcomes")
        verdicts[outcome] = Verdict(one_of(word, [v.value for v in Verdict], what="verdict", kind="verdicts"))
    looked = logs or texts_of_photos or led or lights or address or service
    if shown.experiment is not None:
        if looked or verdicts or results is None:
            raise Refused(f"{cell} is an emulated cell", hint="--results takes what its job printed")
        answers, data = told_of_emulated(
            cell, plan, (shown.experiment, shown.kernel), Path(results), by=by, note=note, minutes=minutes
        )
        is_new = [not is_told(folder, answer) for answer in answers]
        for answer in answers if keep else ():
            keep_told(folder, answer, (data,))
        return ToldCell(folder, answers[0], any(is_new), None, answers[1:], keep)
    with temporary_folder() as temporary:
        if results is not None:
            data, handed = read_file(Path(results))
            if handed.result is None and handed.is_wrapped and handed.console is not None:
                console = temporary / "console.log"
                console.write_bytes(handed.console)
                logs = (*logs, console)
            else:
                result = read_results(data, str(results)) if handed.result is None else handed.result
                said = said_by_results(result, handed.console, plan)
                refuse_another(str(results), differences(plan, shown.factors, said), plan, shown.others, said)
                for outcome, verdict in outcomes_of_tests(plan, shown.factors, result, str(results)).items():
                    verdicts.setdefault(outcome, verdict)
        seen, contents, against = _looked(
            shown,
            verdicts,
            logs=logs,
            texts_of_photos=texts_of_photos,
            led=led,
            lights=lights,
            address=address,
            service=service,
        )
    if results is not None and handed.result is not None:
        contents = [*contents, data]
    if not verdicts and seen is None:
        raise Refused(
            "nothing was told",
            hint="give --outcome, --log, --results, --text, --led, --lights, --address or --service",
        )
    cause = seen.observed.cause if seen is not None else None
    answer = make_told(
        cell,
        shown.factors,
        verdicts,
        by=by,
        note=note,
        says=(*against, *(seen.observed.seen.says if seen is not None else ())),
        cause=cause.title if cause is not None else "",
        logs=contents,
        minutes=minutes,
    )
    new = keep_told(folder, answer, contents) if keep else not is_told(folder, answer)
    values = {name: (level,) for name, level in shown.factors.items()}
    known = {
        outcome
        for other in (answer, *read_told(folder))
        for outcome, verdict in other.outcomes.items()
        if other.cell == cell and verdict is not Verdict.UNKNOWN
    }
    is_over = Verdict.FAILS in verdicts.values()
    missing = [goal for goal in plan.goals if goal not in known and not is_over]
    still = still_to_tell(plan, values, missing)
    return ToldCell(folder, answer, new, seen, is_kept=keep, still=tuple(still))


def _looked(
    shown: CampaignCell,
    verdicts: dict[str, Verdict],
    *,
    logs: Sequence[str | Path],
    texts_of_photos: Sequence[str | Path],
    **answers: Any,  # noqa: ANN401 - as `observe` takes them
) -> tuple[ObservedCard | None, list[bytes], list[str]]:
    """(what logs and answers mean, the logs' bytes, what they contradict of what was told, in words).

    Adds the outcomes that they show to `verdicts`.

    Raises `OfAnotherCell` for logs that are of something else than the cell.
    """
    from bootwright.api.bench.of_cell import Said, differences, refuse_another, said_by_boot
    from bootwright.api.cards.observing import observe, outcomes_of_goals, told_contents
    from bootwright.foundation.verdict import Verdict
    from bootwright.investigate.plans.given import silicon

    if not (logs or texts_of_photos or any(answers.values())):
        return None, [], []
    plan, factors = shown.plan, shown.factors
    part = silicon(plan, {name: factors[name] for name in plan.given if name in factors})
    contents, _ = told_contents(logs, texts_of_photos)
    said = Said()

    def differs(boot: Boot) -> list[str]:
        nonlocal said
        said = said_by_boot(boot, contents, plan)  # of the boot that counts at last
        return list(differences(plan, factors, said))

    seen = observe(
        board=part.board.id if part is not None else None,
        logs=logs,
        texts_of_photos=texts_of_photos,
        system=plan.released.system if plan.released is not None else None,
        differs=differs,
        keep=False,
        **answers,
    )
    if not seen.observed.seen.counts:
        against = list(differences(plan, factors, said)) or seen.observed.seen.says
        refuse_another(str([*logs, *texts_of_photos][0]), against, plan, shown.others, said)
    names_of_goals = outcomes_of_goals(plan)
    shows = {
        outcome: verdict
        for goal, verdict in seen.observed.seen.outcomes.items()
        for outcome in names_of_goals.get(goal, ())
    }
    says = [
        f"{outcome} is told as {verdicts[outcome]}, which is kept; what was seen {verdict}"
        for outcome, verdict in shows.items()
        if verdicts.get(outcome, verdict) is not verdict is not Verdict.UNKNOWN
    ]
    verdicts.update({outcome: verdict for outcome, verdict in shows.items() if outcome not in verdicts})
    return seen, contents, says


@frozen
class ToldCell:
    """What was told of a cell."""

    folder: Path
    told: Told
    is_new: bool
    """False where the same was told before."""
    seen: ObservedCard | None
    """What logs and answers mean; None where outcomes alone were told."""
    also: tuple[Told, ...] = ()
    """Further cells that one boot of an emulated one tells of, with other levels of the plan's factors."""
    is_kept: bool = True
    """False where it was only asked what it means."""
    still: tuple[str, ...] = ()
    """What nobody has told yet of the cell's goals, and how it is seen."""

    @property
    def stopped_by(self) -> str:
        """What ended the boot before it could show any outcome, in a few words; empty where nothing did."""
        from bootwright.foundation.verdict import Verdict

        is_open = not set(self.told.outcomes.values()) - {Verdict.UNKNOWN}
        return self.seen.observed.stopped_by if self.seen is not None and is_open else ""

    @property
    def verdict(self) -> Verdict:
        """Of what was told: fails where an outcome does, or where the boot was seen to stop."""
        from bootwright.foundation.verdict import Verdict, worst

        if self.stopped_by:
            return Verdict.FAILS
        return worst(self.told.outcomes.values()) if self.told.outcomes else Verdict.UNKNOWN

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/told.schema.json."""
        import cattrs

        document: dict[str, Any] = cattrs.unstructure(self.told)
        return document | {
            "folder": str(self.folder),
            "verdict": self.verdict.value,
            "is_new": self.is_new,
            "is_kept": self.is_kept,
            "next": self.seen.observed.seen.next if self.seen is not None else "",
            "also": [cattrs.unstructure(answer) for answer in self.also],
        }
