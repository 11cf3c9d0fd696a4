"""Diagnose the boot-log corpus beside the checkout and say, case by case, what was right.

The corpus (../shared/corpus) is not part of the repository; without it there is nothing to score.
Its diagnoses are prose, so a cause counts as right when the corpus's decisive line is among the proof
lines of the first finding (strict) or of any finding (lenient). A boot-ok case is right in cause when
nothing fatal or degrading is reported.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.knowledge import load
from bootwright.diagnose.model import Diagnosis, Finding, Severity

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"


def main() -> int:
    if not (CORPUS / "index.jsonl").is_file():
        print("no corpus beside the checkout: nothing to score")
        return 0
    knowledge = load()
    totals: Counter[str] = Counter()
    for line in (CORPUS / "index.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        data = (CORPUS / "logs" / f"{case['id']}.log").read_bytes()
        diagnosis = diagnose_bytes(data, case["id"], knowledge)
        totals.update(report(case, diagnosis, data))
    cases = totals["cases"]
    print(f"\noutcome right           {totals['outcome']}/{cases} = {totals['outcome'] / cases:.0%}")
    print(f"cause right (strict)    {totals['strict']}/{cases} = {totals['strict'] / cases:.0%}")
    print(f"cause right (lenient)   {totals['lenient']}/{cases} = {totals['lenient'] / cases:.0%}")
    failing = totals["cases"] - totals["healthy"]
    print(
        f"  of {failing} failing cases: strict {totals['failing-strict']},"
        f" lenient {totals['failing-lenient']}"
    )
    print(f"failures reported on {totals['healthy']} boot-ok cases  {totals['false-alarm']}")
    return 0


def report(case: dict[str, str], diagnosis: Diagnosis, data: bytes) -> Counter[str]:
    findings = [finding for boot in diagnosis.boots for finding in boot.findings]
    serious = [each for each in findings if each.severity in {Severity.FATAL, Severity.DEGRADING}]
    root = serious[0] if serious else None
    lines = data.decode(errors="replace").splitlines()
    wanted = {number for number, text in enumerate(lines, 1) if case["decisive_line"].strip() in text}
    healthy = case["outcome"] == "boot-ok"
    outcome = diagnosis.outcome.value == case["outcome"]
    strict = not serious if healthy else root is not None and holds(root, wanted)
    lenient = not serious if healthy else any(holds(each, wanted) for each in serious)
    stage = max((boot.stage for boot in diagnosis.boots), default="unknown")
    marks = f"{'ok ' if outcome else 'NO '}outcome  {'ok' if strict else 'in' if lenient else 'NO'} cause"
    print(
        f"{case['id'][:48]:48} {marks}  {case['outcome']:8} → {diagnosis.outcome:8}"
        f" {stage:11} {case['category']}"
    )
    if root is not None:
        print(f"{'':49}{root.signature}: {root.cause[:150]}")
    if not strict:
        print(f"{'':49}wanted: {case['decisive_line'][:140]}")
        for each in serious[1:5]:
            print(f"{'':49}also {each.signature} ({each.severity}, by {each.caused_by}): {each.cause[:110]}")
    return Counter(
        {
            "cases": 1,
            "healthy": healthy,
            "outcome": outcome,
            "strict": strict,
            "lenient": lenient,
            "failing-strict": strict and not healthy,
            "failing-lenient": lenient and not healthy,
            "false-alarm": healthy and diagnosis.outcome.value in {"failed", "degraded"},
        }
    )


def holds(finding: Finding, wanted: set[int]) -> bool:
    return any(line.number in wanted for line in finding.lines)


if __name__ == "__main__":
    sys.exit(main())
