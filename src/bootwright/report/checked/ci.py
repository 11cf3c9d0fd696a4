"""The verdicts of `bootwright check` for continuous integration: JUnit XML and SARIF 2.1.0."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as Xml

from bootwright import __version__
from bootwright.foundation.verdict import Verdict
from bootwright.predict.model import GoalVerdict

Verdicts = Mapping[str, Mapping[str, GoalVerdict]]
"""Board with its stepping → goal → verdict."""
Open = Mapping[tuple[str, str], str]
"""(board with its stepping, goal) → why it is not known of the board: it depends on the stepping."""
Names = Mapping[str, str]
"""Board with its stepping, as a title → the name that does not change with kernel or devicetree."""
_NONE: Open = {}
_AS_TITLED: Names = {}


def junit(boards: Verdicts, open_questions: Open = _NONE, names: Names = _AS_TITLED) -> str:
    """A test suite for each board and a test case for each goal; unknown is an error, fails a failure.

    The class of a test case is the board's lasting name, so that its history goes on with the next image.

    What fails on one stepping and not on another is unknown of the board, and so an error.
    """
    suites = Xml.Element("testsuites", name="bootwright check")
    for board, goals in boards.items():
        board_verdicts = {
            name: _board_verdict(goal, open_questions.get((board, name))) for name, goal in goals.items()
        }
        counts = {
            verdict: sum(goal_verdict is verdict for goal_verdict in board_verdicts.values())
            for verdict in Verdict
        }
        suite = Xml.SubElement(
            suites,
            "testsuite",
            name=_clean(board),
            tests=str(len(goals)),
            failures=str(counts[Verdict.FAILS]),
            errors=str(counts[Verdict.UNKNOWN]),
        )
        for name, goal in goals.items():
            case = Xml.SubElement(
                suite, "testcase", classname=_clean(names.get(board, board)), name=_clean(name)
            )
            broken = goal.first_broken
            if goal.verdict is not Verdict.WORKS:
                kind = "failure" if board_verdicts[name] is Verdict.FAILS else "error"
                message = "" if broken is None else f"{broken.node}: {broken.reason}"
                if (board, name) in open_questions:
                    message = f"{open_questions[board, name]}. {message}"
                entry = Xml.SubElement(case, kind, message=_clean(message))
                entry.text = _clean("" if broken is None else broken.remedy)
            if goal.hazards:
                Xml.SubElement(case, "system-out").text = _clean(
                    "\n".join(f"hazard {hazard.name}: {hazard.title}" for hazard in goal.hazards)
                )
    Xml.indent(suites)
    return Xml.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def sarif(boards: Verdicts, artifact: str, open_questions: Open = _NONE, names: Names = _AS_TITLED) -> str:
    """One result for each goal that does not work and each hazard; the location is the artifact.

    What fails on one stepping and not on another is a warning.
    """
    results: list[dict[str, Any]] = []
    rules: dict[str, dict[str, Any]] = {}

    def add(rule: str, text: str, level: str, where: str) -> None:
        rules.setdefault(rule, {"id": rule, "shortDescription": {"text": rule}})
        results.append(
            {
                "ruleId": rule,
                "level": level,
                "message": {"text": text},
                "locations": [
                    {
                        "physicalLocation": {"artifactLocation": {"uri": artifact}},
                        "logicalLocations": [{"fullyQualifiedName": where}],
                    }
                ],
            }
        )

    for board, goals in boards.items():
        for name, goal in goals.items():
            broken = goal.first_broken
            if goal.verdict is not Verdict.WORKS:
                question = open_questions.get((board, name))
                level = "error" if _board_verdict(goal, question) is Verdict.FAILS else "warning"
                reason = "" if broken is None else f"{broken.node}: {broken.reason}. {broken.remedy}"
                if question is not None:
                    reason = f"{reason} ({question})"
                add(
                    f"goal/{name}",
                    f"{board}: {name} {goal.verdict.value}. {reason}",
                    level,
                    f"{names.get(board, board)}/{name}",
                )
            for hazard in goal.hazards:
                if hazard.effect is Verdict.UNKNOWN:
                    text = f"{board}: {hazard.title}. {hazard.reason}. {hazard.remedy}"
                    add(f"hazard/{hazard.name}", text, "note", f"{names.get(board, board)}/{name}")
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "bootwright",
                        "semanticVersion": __version__,
                        "rules": list(rules.values()),
                    }
                },
                "results": results,
            }
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def _board_verdict(goal: GoalVerdict, question: str | None) -> Verdict:
    """The verdict, as far as it is one of the board and not of one stepping alone."""
    return goal.verdict if question is None or goal.verdict is Verdict.WORKS else Verdict.UNKNOWN


def _clean(text: str) -> str:
    """XML 1.0 has no way to write most control characters."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)
