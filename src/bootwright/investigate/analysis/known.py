"""What is known of one outcome in one cell: it was seen there, or the causes left say it."""

from __future__ import annotations

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.causes import CauseSpace
from bootwright.investigate.analysis.judge import Judgement
from bootwright.investigate.analysis.observations import Observation, Source, Values


@frozen
class Known:
    """The verdict of one outcome in one cell."""

    verdict: Verdict
    by: Observation | None = None
    """What was seen there, by more than a report; None where a cause says it, or nothing does."""
    reported: Observation | None = None
    """The report of just this cell, where nothing better was seen there."""


NOTHING = Known(Verdict.UNKNOWN)


def known_at(space: CauseSpace, judgement: Judgement, values: Values) -> Known:
    """What holds in a cell whose levels are all known.

    That it works follows from an observation, or from the one cause left that does not hold there. That it
    fails follows from an observation, or from every cause left (or every cause of a part, where several
    act) predicting it. All else is unknown: that no cause left predicts failure is no proof while there are
    several. Nothing is known of a cell about which boards contradict each other.
    """
    cell = dict(values)
    if any(dict(dispute.values) == cell for dispute in judgement.disputed):
        return NOTHING
    seen = [observation for observation in judgement.kept if dict(observation.values) == cell]
    better = [observation for observation in seen if observation.source > Source.REPORTED]
    if better:
        best = max(better, key=lambda observation: observation.source)
        return Known(best.outcomes[judgement.outcome], by=best)
    reported = {seen[0].outcomes[judgement.outcome]: seen[0]} if seen else {}
    failing, _ = space.failing(values)
    if judgement.cause is not None:
        holds = failing & space.mask([judgement.cause])
        verdict = Verdict.FAILS if holds else Verdict.WORKS
        return Known(verdict, reported=reported.get(verdict))
    alternatives = [judgement.causes, *(part.causes for part in judgement.either)]
    if any(causes and not space.mask(causes) & ~failing for causes in alternatives):
        return Known(Verdict.FAILS, reported=reported.get(Verdict.FAILS))
    return next((Known(verdict, reported=report) for verdict, report in reported.items()), NOTHING)


def source_of(known: Known, judgement: Judgement) -> Source:
    """How a verdict is known: by what was seen, or by the weakest kind that settled the cause."""
    seen = known.by or known.reported
    if seen is not None:
        return seen.source
    telling = [observation.source for observation in judgement.kept if observation.source > Source.REPORTED]
    return min(telling, default=Source.REPORTED)
