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

SCHEMA = "bootwright/result/1"


def result(found: Investigation, decision: Decision) -> dict[str, Any]:
    """The document, of JSON types only."""
    return {
        "schema": SCHEMA,
        "plan": found.plan.name if found.plan else None,
        "title": found.title,
        "factors": {
            factor.name: {"label": factor.title, "levels": list(factor.levels), "ordered": factor.ordered}
            for factor in found.factors
        },
        "cells": [_cell(found, seen) for seen in found.observations],
        "aliases": [list(group) for group in found.aliases.groups],
        "aliases_left": [list(group) for group in found.aliases_left.groups],
        "never_varied": list(found.aliases.never_varied),
        "not_known": list(found.aliases.not_known),
        "outcomes": {name: _outcome(found, name) for name in found.outcomes},
        "steps": [
            {
                "run": step.run.id,
                "purpose": step.purpose,
                "bits": {name: round(bits, 4) for name, bits in step.choice.worth.items()},
                "causes_left": dict(step.left),
            }
            for step in found.steps
        ],
        "offered": [
            {"run": choice.trial.id, "bits": round(choice.bits, 4), "seconds": choice.trial.cost}
            for choice in found.offered
        ],
        "decision": cattrs.unstructure(decision) | {"verdict": decision.verdict.value},
        "notes": list(found.notes),
    }


def _cell(found: Investigation, seen: Observation) -> dict[str, Any]:
    outweighed = {
        name: by for name in seen.outcomes if (by := found.judgements[name].outweighed.get(seen.id))
    }
    return ({"outweighed": outweighed} if outweighed else {}) | {
        "id": seen.id,
        "factors": {
            name: levels[0] if len(levels) == 1 else list(levels) for name, levels in seen.values.items()
        },
        "source": seen.source.word,
        "outcomes": {name: verdict.value for name, verdict in seen.outcomes.items()},
        "repeat": seen.repeat,
        "evidence": dict(seen.evidence),
    }


def _outcome(found: Investigation, name: str) -> dict[str, Any]:
    judgement = found.judgements[name]
    return {
        "goal": name in found.goals,
        "causes": [{"factors": cause.factors} for cause in judgement.causes],
        "refuted": [
            {"factor": one.factor, "by": list(one.by), "reason": one.reason} for one in judgement.refuted
        ],
        "settled": judgement.settled,
        "brackets": [_bracket(one) for one in judgement.brackets],
        "seen": {Verdict.WORKS.value: judgement.works, Verdict.FAILS.value: judgement.fails},
        "flaky": [
            {"cells": list(one.ids), "works": one.works, "fails": one.fails} for one in judgement.flaky
        ],
        "set_aside": list(judgement.set_aside),
        "either": [
            {
                "cells": list(part.cells),
                "causes": [{"factors": cause.factors} for cause in part.causes],
                "brackets": [
                    _bracket(one) for cause in part.causes[:1] for one in judgement.spans(cause, found.space)
                ],
            }
            for part in judgement.either
        ],
        "note": judgement.note,
    }


def _bracket(one: Bracket) -> dict[str, Any]:
    return {
        "factor": one.factor,
        "fails": one.fails,
        "works": one.works,
        "fails_by": one.fails_by.word if one.fails_by is not None else None,
        "works_by": one.works_by.word if one.works_by is not None else None,
    }
