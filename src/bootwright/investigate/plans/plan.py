"""Plans: the reports, the beliefs drawn from them, and what can be run to tell the causes apart.

A plan is one TOML file (`data/plans/`, or a path of the user's own); docs/plans.md describes every key.
These are its shapes; `plan_file` reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from attrs import field, frozen

from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.analysis.observations import Observation, Source, Values
from bootwright.investigate.plans.table import row_values
from bootwright.investigate.plans.tasks import DecisionPoint, Task
from bootwright.kernels.releases import RELEASES, Releases
from bootwright.kernels.releases import Release as ReleaseRow


@frozen
class PlanFactor:
    """A factor as the plan declares it. `fact` names what of a kernel that is booted gives its level:
    `version` or `page_size`."""

    label: str = ""
    levels: list[str] = field(factory=list)
    fact: Literal["", "version", "page_size"] = ""
    given: list[str] = field(factory=list)
    """The levels that a person may have and cannot choose (a board, its revision, what is plugged in); naming
    them makes the factor a given one. The others, such as a machine that stands in, are nobody's."""
    words: dict[str, str] = field(factory=dict)
    """Level → what a person is told to use, where the level stands for more than itself."""


@frozen
class PlanOutcome:
    """Something that works or fails. Goals are pursued until their cause is found; a side question is
    looked at where a run of its own is offered; the others are told along the way."""

    label: str = ""
    goal: bool = False
    side: bool = False
    mends: str = ""
    """The goal that would work if this were done instead."""
    note: str = ""


@frozen
class PlanReport:
    """What somebody saw."""

    id: str
    factors: dict[str, str | list[str]]
    outcomes: dict[str, str]
    found_at: str = ""
    note: str = ""


@frozen
class Proxy:
    """A belief's narrower claim on another outcome, which can be tested where the belief itself cannot."""

    outcome: str
    cause: dict[str, str]
    claim: str
    limit: str


@frozen
class Belief:
    """What somebody concluded: that `outcome` fails because of `cause`."""

    id: str
    says: str
    outcome: str = ""
    cause: dict[str, str] = field(factory=dict)
    proxy: list[Proxy] = field(factory=list)
    set_aside: str = ""
    """Why the report's author already gave it up."""


@frozen
class Yield:
    """An observation that one run makes: `outcome` works when all `tests` are ok."""

    outcome: str
    tests: list[str]
    set: dict[str, str] = field(factory=dict)


@frozen
class Impossible:
    """Levels that cannot go together, and why."""

    factors: dict[str, str | list[str]]
    because: str

    def covers(self, values: Values) -> bool:
        """Whether a cell has these levels; a level that is not known exactly is not covered."""
        return covers(self.factors, values)


@frozen
class Dearer:
    """Levels that take a person longer to try than the experiment's `hours`, by `hours` more."""

    hours: float
    because: str
    factors: dict[str, str | list[str]] = field(factory=dict)
    """Empty for every cell."""
    unreleased: bool = False
    """Only cells that no release of the plan has, and that nothing makes."""


@frozen
class Release:
    """Something ready made, and the levels that it comes with; other factors are chosen beside it."""

    name: str
    factors: dict[str, str]
    source: str = ""
    get: str = ""
    """The command that gets it; empty where none is known. BOARD and STEPPING in it stand for the board's."""
    to_be_had: bool = True
    """Whether there is one for the plan's boards: what was only reported is never advised."""

    def has(self, values: Values) -> bool:
        """Whether a cell has all its levels."""
        return covers(self.factors, values)


@frozen
class Released:
    """Releases of a system of `data/releases/`, each of which is one of the plan's."""

    system: str
    since: Version
    before: Version
    told: dict[str, Literal["kernel", "page_size", "kernel_tree", "devicetrees"]]
    """Factor → what the table tells of it."""
    levels: dict[str, str] = field(factory=dict)
    """What the table tells → the level that it is, where that has another name."""
    overlay: str = ""
    """The board overlay that the releases are had with: `devicetrees` are the ones that it has."""
    dtb: str = ""
    """The name of the boards' devicetree, for that."""
    factors: dict[str, str] = field(factory=dict)
    """The levels that all of them have."""
    get: str = ""
    """The command that gets one, with `{version}` in it, and BOARD and STEPPING for the board's."""
    to_be_had_since: Version | None = None
    """The first that there is for the plan's boards; None for all."""

    def covers(self, version: Version) -> bool:
        """Whether a version is one of those."""
        return self.since <= version < self.before

    def releases(self) -> list[Release]:
        """They, in their order; raises `Refused` for a system that is not known."""
        known = RELEASES.get(self.system)
        return [
            release for row in known.releases for release in [self.of(row.version)] if release is not None
        ]

    def of(self, version: Version) -> Release | None:
        """The release of that version; None where it is not one of those, or not known."""
        known = RELEASES.get(self.system)
        release = known.of(version)
        if release is None or not self.covers(version):
            return None
        return Release(
            f"{known.title.removesuffix(' Linux')} {release.version}",
            self.factors | {factor: text for factor, text in self._tell(known, release) if text},
            known.tag.format(version=release.version),
            self.get.replace("{version}", str(release.version)),
            self.to_be_had_since is None or release.version >= self.to_be_had_since,
        )

    def _tell(self, known: Releases, release: ReleaseRow) -> Iterator[tuple[str, str]]:
        """(factor, its level) as the table has it; empty where it does not say."""
        for factor, what in self.told.items():
            if what == "devicetrees":
                trees = known.trees_in(release, self.overlay, self.dtb)
                text = str(trees.of) if trees is not None else ""
            else:
                text = known.tells(release, what)
            yield factor, self.levels.get(text, text)


@frozen
class Devicetree:
    """A devicetree to predict with: the kernel's own for a board's stepping, or another tree's."""

    board: str
    """A file of `data/boards/`."""
    stepping: str
    set: dict[str, str]
    """The levels it stands for."""
    source: str = ""
    """A source of `data/devicetrees/`, used where it was fetched."""
    file: str = ""
    """A devicetree source text of `data/devicetrees/`, the stand-in where there is no real one; with neither,
    it is the kernel package's own."""
    limit: str = ""
    """What a prediction with `file`, or with the kernel's own, is limited by."""


@frozen
class Making:
    """How the image for a cell of the bench is made, from one that the user has."""

    step: str
    """A command of this program; IMAGE, KERNEL (the catalogue's name), BOARD, STEPPING and CELL (the new
    image) stand for what differs."""
    factors: dict[str, str | list[str]] = field(factory=dict)
    """The cells it is for; empty for every cell."""
    note: str = ""
    """What a person should know of such an image."""


@frozen
class Experiment:
    """A kind of run. Emulated: every kernel of `kernels` that fits, on `machine`. Predicted: every kernel
    with every one of `devicetree`, from the bytes. Bench: every combination of `levels`, on a real board,
    by a person."""

    name: str
    source: Literal["emulated", "predicted", "bench"]
    yields: list[Yield] = field(factory=list)
    set: dict[str, str] = field(factory=dict)
    machine: str = "virt"
    probe: list[str] = field(factory=list)
    kernels: str = ""
    """Kernel source (`debian`)."""
    only: list[str] = field(factory=list)
    """Catalogue names, short ones too, that the experiment is limited to; empty for all."""
    modules: bool = False
    seconds: float = 3.0
    hours: float = 1.0
    levels: dict[str, list[str]] = field(factory=dict)
    outcomes: list[str] = field(factory=list)
    devicetree: list[Devicetree] = field(factory=list)
    goals: dict[str, str] = field(factory=dict)
    """Outcome → goal of the board, for predictions."""
    dearer: list[Dearer] = field(factory=list)
    making: list[Making] = field(factory=list)
    tell: dict[str, str] = field(factory=dict)
    """Outcome → how a person sees it, for what nobody has told yet of a cell."""
    how: str = ""
    limit: str = ""


@frozen
class Touches:
    """What an outcome touches beyond the devices that predictions go through, for `upstream watch`."""

    outcome: str
    calls: list[str] = field(factory=list)
    """System calls that it is about."""
    paths: dict[str, list[str]] = field(factory=dict)
    """Upstream (a file of `data/upstreams/`, or a name of the user's) → patterns of paths in it; one that
    ends in `/` stands for everything below."""


@frozen
class Plan:
    """A whole plan."""

    schema: str
    name: str
    title: str
    question: str
    wanted: dict[str, str]
    """The levels that the answer must keep: what the user wants to run."""
    factor: dict[str, PlanFactor]
    outcome: dict[str, PlanOutcome]
    report: list[PlanReport] = field(factory=list)
    belief: list[Belief] = field(factory=list)
    experiment: list[Experiment] = field(factory=list)
    impossible: list[Impossible] = field(factory=list)
    found_at: list[str] = field(factory=list)
    release: list[Release] = field(factory=list)
    released: Released | None = None
    task: list[Task] = field(factory=list)
    decision: list[DecisionPoint] = field(factory=list)
    touches: list[Touches] = field(factory=list)

    @property
    def goals(self) -> tuple[str, ...]:
        """The outcomes the plan is for."""
        return tuple(name for name, outcome in self.outcome.items() if outcome.goal)

    @property
    def given(self) -> tuple[str, ...]:
        """The factors that a person does not choose; all others are free."""
        return tuple(name for name, factor in self.factor.items() if factor.given)

    @property
    def sides(self) -> tuple[str, ...]:
        """The outcomes that runs are spent on besides the goals."""
        return tuple(name for name, outcome in self.outcome.items() if outcome.side and not outcome.goal)

    def reports(self) -> list[Observation]:
        """The reports as observations."""
        return [
            Observation(
                id=report.id,
                values=row_values(report.id, report.factors),
                outcomes={name: Verdict(word) for name, word in report.outcomes.items()},
                source=Source.REPORTED,
                evidence={
                    key: text for key, text in (("found-at", report.found_at), ("note", report.note)) if text
                },
            )
            for report in self.report
        ]

    def release_of(self, values: Values) -> Release | None:
        """The first release that a cell can be had with."""
        had = (release for release in self.release if release.to_be_had and release.has(values))
        return next(had, None)

    def word(self, factor: str, level: str) -> str:
        """What a person reads for a level."""
        known = self.factor.get(factor)
        return known.words.get(level, level) if known is not None else level

    def why_impossible(self, values: Values) -> str | None:
        """The reason why a cell cannot exist, or None where the plan knows of none."""
        return next((rule.because for rule in self.impossible if rule.covers(values)), None)


def covers(wanted: Mapping[str, str | list[str]], values: Values) -> bool:
    """Whether a cell has the wanted level (or one of a list, or one in a bound) of each factor named."""
    for name, given in wanted.items():
        allowed = (given,) if isinstance(given, str) else tuple(given)
        have = values.get(name, ())
        if len(have) != 1 or not any(_fits(have[0], bound) for bound in allowed):
            return False
    return True


def _fits(level: str, wanted: str) -> bool:
    """Whether a level is `wanted`, which may be a bound: `<6.17`, `>=6.19`."""
    for sign in ("<", ">="):
        if wanted.startswith(sign):
            have, bound = Version.parse(level), Version.parse(wanted.removeprefix(sign))
            return have is not None and bound is not None and ((have < bound) == (sign == "<"))
    return level == wanted
