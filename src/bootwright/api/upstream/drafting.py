"""A report or a cover letter for upstream, written from what a run has seen. Nothing is sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from bootwright.api._common import reporter

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.investigate.plans.plan import Plan
    from bootwright.upstream.draft.maintainers import Recipient
    from bootwright.upstream.draft.report import History, Report
    from bootwright.upstream.draft.run_facts import RunFacts
    from bootwright.upstream.presets import Upstream
    from bootwright.upstream.relevance.ground import Ground
    from bootwright.upstream.relevance.past import Past
    from bootwright.upstream.relevance.subject import Subject
    from bootwright.workshop.repository import Repository

SCHEMA = "bootwright/upstream-draft/1"


@frozen
class Draft:
    """What `draft_report` wrote."""

    target: str
    outcome: str
    form: str
    """`mail`, `issue` or `cover`."""
    text: str
    """Empty where nothing was seen to fail."""
    report: Report | None
    notes: tuple[str, ...]
    """For whoever sends it: what is missing, and what to look at first."""

    @property
    def exit_status(self) -> int:
        """0 written, 3 nothing was seen to fail."""
        return 0 if self.report is not None else 3

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/upstream-draft.schema.json."""
        report = self.report
        return {
            "schema": SCHEMA,
            "target": self.target,
            "outcome": self.outcome,
            "form": self.form,
            "subject": report.subject if report is not None else None,
            "recipients": [to.address for to in report.recipients] if report is not None else [],
            "introduced": (report.introduced or None) if report is not None else None,
            "text": self.text or None,
            "program": {"name": report.program_name, "text": report.program}
            if report is not None and report.program
            else None,
            "history": [judged.commit.as_json() for judged in report.history.commits]
            if report is not None and report.history is not None
            else [],
            "pasts": [
                {
                    "what": str(past.concern),
                    "kind": past.concern.kind,
                    "paths": list(past.paths),
                    "whole": past.is_whole,
                    "changes": [
                        {
                            "commit": change.commit.name,
                            "subject": change.commit.subject,
                            "date": change.commit.date,
                            "what": change.what,
                            "since": change.since or None,
                        }
                        for change in past.changes
                    ],
                }
                for past in (report.pasts if report is not None else ())
            ],
            "notes": list(self.notes),
        }


def draft_report(
    target: str,
    plan: str | Path,
    *,
    run: str | Path | None = None,
    outcome: str | None = None,
    repository: str | Path | None = None,
    series: str | Path | None = None,
    base: str = "",
    progress: Progress | None = None,
) -> Draft:
    """A report to an upstream (`data/upstreams/`) on an outcome of a plan's run, or a series' cover letter.

    `run` is the plan's run, `out/PLAN` without; `outcome` the one that failed, without it the plan's first
    goal that did. `repository` is a git tree of the target's: who looks after the files, and which commits
    between the release that works and the one that fails touched what it is about. `series` is a folder of
    patches, `base` the commit they are made on.

    Returns a `Draft`, without text where nothing was seen to fail. Raises `Missing` without a result,
    `Refused` for an unknown name.

        draft_report("linux", "talos-rpi5", outcome="talos-mounts").text
    """
    from bootwright.api.investigation import run_folder
    from bootwright.foundation.choices import one_of
    from bootwright.foundation.errors import Refused
    from bootwright.investigate.plans.plan_file import load_plan
    from bootwright.upstream.draft.cover import cover, read_series
    from bootwright.upstream.draft.issue import issue
    from bootwright.upstream.draft.mail import mail
    from bootwright.upstream.draft.report import compose
    from bootwright.upstream.presets import UPSTREAMS

    progress = reporter(progress)
    upstream = UPSTREAMS.get(target)
    if upstream.report is None:
        raise Refused(f"it is not known how to report to {target}", hint=f"give {target}.toml a [report]")
    loaded = load_plan(str(plan))
    if outcome is not None:
        one_of(outcome, list(loaded.outcome), what="outcome of the plan", kind="outcomes")
    patches = read_series(Path(series)) if series is not None else []
    form = "cover" if patches else upstream.report.form
    folder = run_folder(plan, run)
    facts = _facts(loaded, folder, outcome)
    labels = {name: declared.label for name, declared in loaded.outcome.items()}
    report = compose(facts, upstream, labels, steps=_tests(loaded, facts), program_of=_programs(facts))
    if report is None:
        note = f"nothing was seen to fail of {facts.outcome}: there is nothing to report"
        return Draft(target, facts.outcome, form, "", None, (note,))
    if repository is not None:
        report = _with_tree(report, facts, loaded, Path(repository), progress)
    elif upstream.report.form == "mail":
        report = evolve(report, notes=(*report.notes, "who to write to: give the tree with --repository"))
    text = issue(report)
    if form != "issue":
        text = cover(report, patches, base) if patches else mail(report)
    return Draft(target, facts.outcome, form, text, report, report.notes)


def _facts(plan: Plan, folder: Path, outcome: str | None) -> RunFacts:
    """Of the outcome asked for; without, of the first goal that fails somewhere."""
    from bootwright.upstream.draft.run_facts import read_run

    versions = tuple(name for name, factor in plan.factor.items() if factor.fact == "version")
    mending = {name: declared.mends for name, declared in plan.outcome.items() if declared.mends}
    names = [outcome] if outcome is not None else list(plan.goals)
    every = [read_run(folder, name, version_factors=versions, mending=mending) for name in names]
    return next((facts for facts in every if facts.failing()), every[0])


def _tests(plan: Plan, facts: RunFacts) -> list[str]:
    """The tests by which the outcome is told, of those that cells name."""
    from bootwright.investigate.plans.runs import matching

    names = list(dict.fromkeys(str(test["name"]) for cell in facts.cells for test in cell.failed_tests))
    patterns = [
        pattern
        for experiment in plan.experiment
        for part in experiment.yields
        if part.outcome == facts.outcome
        for pattern in part.tests
    ]
    return list(dict.fromkeys(name for pattern in patterns for name in matching(pattern, names)))


def _programs(facts: RunFacts) -> dict[str, str]:
    """Step → its C program, of the failed steps that can be exported."""
    from bootwright.foundation.errors import Missing
    from bootwright.lab.probes.export import program, steps

    failed = {str(test["name"]).partition("/")[2] for cell in facts.failing() for test in cell.failed_tests}
    try:
        return {step.name: program(step) for step in steps() if step.name in failed}
    except Missing:
        return {}


def _with_tree(report: Report, facts: RunFacts, plan: Plan, folder: Path, progress: Progress) -> Report:
    """With who looks after the files, and the history between the ends of the bracket."""
    from bootwright.kernels.catalogue import open_library
    from bootwright.upstream.relevance.ground import Commits, ground_of
    from bootwright.upstream.subjects import subjects_of
    from bootwright.workshop.repository import open_repository

    repository = open_repository(folder)
    subjects = subjects_of(plan, [facts.outcome], open_library(offline=True))
    if not subjects.subjects:
        return evolve(report, notes=(*report.notes, *subjects.lacks))
    [subject] = subjects.subjects
    head = repository.commit("HEAD")
    ground = ground_of(Commits(repository), head, subject)
    recipients = _recipients(repository, head, ground)
    pasts = _pasts(repository, head, ground, facts, progress)
    history, note = _history(repository, report.upstream, facts, subject, progress)
    notes = [*report.notes, *([note] if note else [])]
    if not recipients and report.upstream.report is not None and report.upstream.report.form == "mail":
        notes.append("MAINTAINERS of the tree names nobody for these files")
    return evolve(report, recipients=recipients, history=history, pasts=pasts, notes=tuple(notes))


def _pasts(
    repository: Repository, head: str, ground: Ground, facts: RunFacts, progress: Progress
) -> tuple[Past, ...]:
    """What became of each thing that the failure hangs on, up to `head`."""
    from bootwright.upstream.draft.concerned import concerns_of
    from bootwright.upstream.relevance.past import Historian

    pair = facts.pair()
    concerns = concerns_of(pair[0], facts.outcome) if pair is not None else ()
    historian = Historian(repository, head, ground)
    pasts = []
    for concern in concerns:
        with progress.step(f"look for what changed {concern}"):
            pasts.append(historian.past_of(concern))
    return tuple(past for past in pasts if past is not None)


def _recipients(repository: Repository, head: str, ground: Ground) -> tuple[Recipient, ...]:
    from bootwright.upstream.draft.maintainers import read_maintainers, recipients

    data = repository.file(head, "MAINTAINERS")
    if data is None:
        return ()
    paths = sorted(path for path in {*ground.code_paths, *ground.dts_roots} if path.endswith((".c", ".dts")))
    sections = read_maintainers(data.decode(errors="replace"))
    return recipients(sections, paths)


def _history(
    repository: Repository, upstream: Upstream, facts: RunFacts, subject: Subject, progress: Progress
) -> tuple[History | None, str]:
    """(the commits between the release that works and the one that fails, why there are none)."""
    from bootwright.upstream.draft.report import History
    from bootwright.upstream.relevance.judge import Judge

    for bracket in facts.brackets:
        if bracket.factor not in facts.version_factors:
            continue
        ends = (bracket.works, bracket.fails) if bracket.is_regression else (bracket.fails, bracket.works)
        names = [_tag(repository, version) for version in ends]
        if None in names:
            return None, f"the history of {ends[0]} to {ends[1]} is not told: the tree has no tags of these"
        start, end = (repository.commit(f"refs/tags/{name}") for name in names)
        span = f"{names[0]}..{names[1]}"
        with progress.step(f"look at {span}"):
            looked = Judge(repository, upstream, [subject], [start, end]).look(end, f"^{start}")
        commits = tuple(judged for judged in looked.judged if not judged.sweeping)
        return History(span, commits, looked.count), ""
    return None, ""


def _tag(repository: Repository, version: str) -> str | None:
    """The tag of a release, or of the first of its series where the tree has no stable ones."""
    from bootwright.foundation.versions import Version

    parsed = Version.parse(version)
    names = [f"v{version}", *([f"v{parsed.series()}"] if parsed is not None else [])]
    have = set(repository.lines("for-each-ref", "--format=%(refname:strip=2)", "refs/tags"))
    return next((name for name in names if name in have), None)
