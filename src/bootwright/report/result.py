"""`result.json`: the whole answer for a program (docs/schemas/result.schema.json).

Only `recorded_at` differs between two runs that saw the same.
"""

from __future__ import annotations

from typing import Any

import cattrs

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.causes import Bracket
from bootwright.investigate.analysis.observations import Observation
from bootwright.investigate.decision.decide import Decision
from bootwright.investigate.running.investigation import Investigation

SCHEMA = "bootwright/result/2"


def result(investigation: Investigation, decision: Decision) -> dict[str, Any]:
    """The document, of JSON types only."""
    return {
        "schema": SCHEMA,
        "plan": investigation.plan.name if investigation.plan else None,
        "title": investigation.title,
        "factors": {
            factor.name: {
                "label": factor.title,
                "levels": list(factor.levels),
                "ordered": factor.ordered,
                "given": list(investigation.plan.factor[factor.name].given) if investigation.plan else [],
            }
            for factor in investigation.factors
        },
        "cells": [_cell(investigation, observation) for observation in investigation.observations],
        "aliases": [list(group) for group in investigation.aliases.groups],
        "aliases_left": [list(group) for group in investigation.aliases_left.groups],
        "never_varied": list(investigation.aliases.never_varied),
        "not_known": list(investigation.aliases.not_known),
        "outcomes": {name: _outcome(investigation, name) for name in investigation.outcomes},
        "steps": [
            {
                "run": step.run.id,
                "purpose": step.purpose,
                "bits": {name: round(bits, 4) for name, bits in step.choice.worth.items()},
                "causes_left": dict(step.left),
            }
            for step in investigation.steps
        ],
        "offered": [
            {"run": choice.trial.id, "bits": round(choice.bits, 4), "seconds": choice.trial.cost}
            for choice in investigation.offered
        ],
        "decision": cattrs.unstructure(decision) | {"verdict": decision.verdict.value},
        "notes": list(investigation.notes),
    }


def _cell(investigation: Investigation, observation: Observation) -> dict[str, Any]:
    outweighed = {
        name: by
        for name in observation.outcomes
        if (by := investigation.judgements[name].outweighed.get(observation.id))
    }
    return ({"outweighed": outweighed} if outweighed else {}) | {
        "id": observation.id,
        "factors": {
            name: levels[0] if len(levels) == 1 else list(levels)
            for name, levels in observation.values.items()
        },
        "source": observation.source.word,
        "outcomes": {name: verdict.value for name, verdict in observation.outcomes.items()},
        "repeat": observation.repeat,
        "evidence": dict(observation.evidence),
    }


def _outcome(investigation: Investigation, name: str) -> dict[str, Any]:
    judgement = investigation.judgements[name]
    return {
        "goal": name in investigation.goals,
        "causes": [{"factors": cause.factors} for cause in judgement.causes],
        "refuted": [
            {"factor": refutation.factor, "by": list(refutation.by), "reason": refutation.reason}
            for refutation in judgement.refuted
        ],
        "settled": judgement.settled,
        "brackets": [_bracket(bracket) for bracket in judgement.brackets],
        "seen": {Verdict.WORKS.value: judgement.works, Verdict.FAILS.value: judgement.fails},
        "flaky": [
            {"cells": list(flaky.ids), "works": flaky.works, "fails": flaky.fails}
            for flaky in judgement.flaky
        ],
        "set_aside": list(judgement.set_aside),
        "either": [
            {
                "cells": list(part.cells),
                "causes": [{"factors": cause.factors} for cause in part.causes],
                "brackets": [
                    _bracket(bracket)
                    for cause in part.causes[:1]
                    for bracket in judgement.spans(cause, investigation.space)
                ],
            }
            for part in judgement.either
        ],
        "note": judgement.note,
    }


def _bracket(bracket: Bracket) -> dict[str, Any]:
    return {
        "factor": bracket.factor,
        "fails": bracket.fails,
        "works": bracket.works,
        "fails_by": bracket.fails_by.word if bracket.fails_by is not None else None,
        "works_by": bracket.works_by.word if bracket.works_by is not None else None,
    }
