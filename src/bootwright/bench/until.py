"""When a boot on a board has got where it was wanted: criteria that are looked for in its console."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from attrs import define, field, frozen

from bootwright.diagnose.engine import Diagnoser
from bootwright.diagnose.model import STAGES, Boot, Diagnosis, Severity
from bootwright.foundation.verdict import Verdict
from bootwright.image_boot.goal import Goal, GoalWatch

FINDINGS: Mapping[str, str] = {"link": "link", "dhcp": "dhcp"}
"""Criterion → signature of a log that shows it."""
_LEAST_LOOK = 1.0
_LOOK_SHARE = 10.0
"""Looks take at most so small a part of the time: the diagnosis of a long log takes longer."""


@frozen
class Criterion:
    """One thing that has to be seen."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Criterion:
        """`link`, `dhcp`, a stage such as `ready`, `login`, `ktap`, or a text on the console.

        Raises `Refused` for what cannot be seen there.
        """
        return cls(Goal.parse(text).text)

    @property
    def signature(self) -> str | None:
        """The finding that shows it."""
        return FINDINGS.get(self.text)

    @property
    def stage(self) -> str | None:
        """The stage that has to be reached."""
        return self.text if self.text in STAGES else None


Judge = Callable[[Boot], Mapping[str, Verdict]]
"""What a boot's log proves of a board's goals."""


@define
class Watch:
    """Looks for criteria in a console as it comes, and for what shows that waiting longer is useless."""

    criteria: tuple[Criterion, ...]
    judge: Judge | None = None
    wanted: tuple[str, ...] = ()
    """Goals that are to be decided, where `judge` can."""
    reached: dict[str, float] = field(factory=dict)
    """Criterion → seconds when it was seen."""
    stages: dict[str, float] = field(factory=dict)
    """Label of a stage → seconds when it was first seen."""
    outcomes: dict[str, Verdict] = field(factory=dict)
    """Goal → what the log proves by now."""
    is_fatal: bool = False
    """Whether there is a failure that the board has not recovered from: of the last boot, or of an earlier
    one where another had failed before it. A board that has restarted once may come up yet."""
    has_restarted: bool = False
    """Whether a boot runs of which nothing is known yet, after the only one that failed."""
    _texts: list[tuple[Criterion, GoalWatch]] = field(factory=list)
    _ends: GoalWatch = field(factory=lambda: GoalWatch(None))
    _diagnoser: Diagnoser = field(factory=lambda: Diagnoser("console", watched=True))
    _next_look: float = 0.0

    def __attrs_post_init__(self) -> None:
        self._texts = [
            (criterion, GoalWatch(Goal(criterion.text)))
            for criterion in self.criteria
            if criterion.signature is None and criterion.stage is None
        ]

    @property
    def is_reached(self) -> bool:
        """Whether all criteria were seen."""
        return bool(self.criteria) and len(self.reached) == len({item.text for item in self.criteria})

    @property
    def is_decided(self) -> bool:
        """Whether every goal that was asked for is known."""
        known = {goal for goal, verdict in self.outcomes.items() if verdict is not Verdict.UNKNOWN}
        return bool(self.wanted) and set(self.wanted) <= known

    @property
    def dead_end(self) -> str | None:
        """Where the boot waits for a person, or has ended; None where it does not."""
        return self._ends.dead_end

    @property
    def is_panicked(self) -> bool:
        """Whether the kernel gave up, without saying that it will reboot."""
        return self._ends.panicked

    def feed(self, data: bytes, seconds: float) -> None:
        """The next bytes, and when they came."""
        for criterion, watch in self._texts:
            if criterion.text not in self.reached and watch.feed(data) and watch.reached:
                self.reached[criterion.text] = seconds
        self._ends.feed(data)
        self._diagnoser.feed(data)

    def look(
        self, seconds: float, clock: Callable[[], float], *, now: bool = False, over: bool = False
    ) -> Sequence[str]:
        """Diagnose what has come, where that is due; labels of stages that are new.

        Silence after the last line says something only where it is `over`.
        """
        before = clock()
        if before < self._next_look and not now:
            return ()
        diagnosis = self._diagnoser.snapshot(live=not over)
        labels = self._take(diagnosis, seconds)
        self._next_look = before + max(_LEAST_LOOK, _LOOK_SHARE * (clock() - before))
        return labels

    def _take(self, diagnosis: Diagnosis, seconds: float) -> list[str]:
        labels: list[str] = []
        for boot in diagnosis.boots:
            for stage in boot.stages:
                if stage.label not in self.stages:
                    self.stages[stage.label] = seconds
                    labels.append(stage.label)
        if not diagnosis.boots:
            return labels
        signatures = {finding.signature for boot in diagnosis.boots for finding in boot.findings}
        names = {stage.name for boot in diagnosis.boots for stage in boot.stages}
        for criterion in self.criteria:
            if criterion.signature in signatures or criterion.stage in names:
                self.reached.setdefault(criterion.text, seconds)
        # A board that restarts after a failure prints its firmware's lines again: they prove nothing.
        last = diagnosis.boots[-1]
        telling = diagnosis.telling() or last
        if self.judge is not None:
            self.outcomes = dict(self.judge(telling))
        failed = [boot for boot in diagnosis.boots if _is_fatal(boot)]
        self.is_fatal = last in failed or (len(failed) > 1 and telling in failed)
        self.has_restarted = telling is not last and len(failed) < 2
        return labels


def _is_fatal(boot: Boot) -> bool:
    return any(finding.severity is Severity.FATAL for finding in boot.findings)
