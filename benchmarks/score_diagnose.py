"""Diagnose the boot-log corpus beside the checkout and say, case by case, what was right; then the history.

The corpus (../shared/corpus) is not part of the repository; without it only the history is printed. How an
answer is judged is told in diagnose_figures.py. Sets of your own, in the same form:

    python benchmarks/score_diagnose.py --set NAME FOLDER              # case by case
    python benchmarks/score_diagnose.py --set NAME FOLDER --figures    # without the single answers
    python benchmarks/score_diagnose.py --set NAME FOLDER --figures --record "NOTE" --first-try

A set tells most the first time: label it before it is run, score it once, record that.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

from bootwright.diagnose.model import STAGES
from bootwright.diagnose.signatures.knowledge import load
from diagnose_figures import (
    HEADINGS,
    Answer,
    Figures,
    answer,
    figures_of,
    read_history,
    read_labels,
    record,
    share,
)

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--set", nargs=2, action="append", default=[], metavar=("NAME", "FOLDER"))
    parser.add_argument("--figures", action="store_true", help="print no single answers")
    parser.add_argument("--record", metavar="NOTE", help="append the figures to the history")
    parser.add_argument("--first-try", action="store_true", help="nobody had seen the set before")
    given = parser.parse_args()
    sets = {name: Path(folder) for name, folder in given.set}
    if not sets and (CORPUS / "index.jsonl").is_file():
        sets["corpus"] = CORPUS
    knowledge = load()
    current: dict[str, Figures] = {}
    for name, folder in sets.items():
        answers = [answer(label, knowledge) for label in read_labels(folder)]
        if not given.figures:
            print_cases(answers)
        current[name] = figures_of(answers)
        print_summary(name, answers)
        if given.record is not None:
            record(name, current[name], given.record, first_try=given.first_try)
    print_history(current)
    return 0


def print_cases(answers: list[Answer]) -> None:
    print(f"{'case':48} {'stage':11} {'outcome':22} {'cause':5} {'line':5} first finding")
    for judged in answers:
        label, serious = judged.label, judged.serious
        stage = max((boot.stage for boot in judged.diagnosis.boots), key=("unknown", *STAGES).index)
        outcome = judged.diagnosis.outcome.value
        change = outcome if judged.outcome_right else f"{outcome} not {label.outcome}"
        line = "other" if judged.anywhere and not judged.line_right else yes(judged.line_right)
        root = serious[0] if serious else None
        print(
            f"{label.id[:48]:48} {stage:11} {change:22} {yes(judged.cause_right)} {line} "
            f"{root.signature if root else '-'}"
        )
        if root is not None:
            print(f"{'':49}{root.cause[:150]}")
        if not (judged.cause_right and judged.outcome_right):
            print(f"{'':49}wanted ({label.category}): {label.decisive_line[:140]}")
            for finding in serious[1:5]:
                by = f"{finding.severity}, by {finding.caused_by}"
                print(f"{'':49}also {finding.signature} ({by}): {finding.cause[:110]}")


def print_summary(name: str, answers: list[Answer]) -> None:
    figures = figures_of(answers)
    failing = [judged for judged in answers if not judged.label.healthy]
    kinds: dict[str, Figures] = defaultdict(Figures)
    for judged in answers:
        kinds[judged.label.category].add(judged)
    print(f"\n{name:32} {HEADINGS}")
    print(f"{'all':32} {figures.row()}")
    for kind, part in sorted(kinds.items()):
        print(f"  {kind:30} {part.row()}")
    print()
    told(failing, "kind of cause right", [judged.kind_right for judged in failing])
    told(failing, "decisive line proves the first finding", [judged.line_right for judged in failing])
    told(failing, "decisive line proves any finding", [judged.anywhere for judged in failing])
    running = share(figures.told_first_running, figures.may_run)
    print(f"{'told first where boot-ok is right too':40} {running}")


def told(failing: list[Answer], what: str, right: list[bool]) -> None:
    print(f"{what:40} {share(sum(right), len(failing))}")


def print_history(current: dict[str, Figures]) -> None:
    """Every set's first try beside its last scoring, or the one just made."""
    by_set: dict[str, list[tuple[str, Figures]]] = defaultdict(list)
    for scoring in read_history():
        kind = "first try" if scoring.first_try else "later"
        by_set[scoring.set].append(
            (f"{scoring.date} {scoring.commit} {kind}: {scoring.note}", scoring.figures)
        )
    for name, figures in current.items():
        by_set[name].append(("now", figures))
    print("\nHistory (docs/diagnose-scores.md)")
    for name, scorings in by_set.items():
        print(f"\n{name:62} {HEADINGS}")
        for when, figures in scorings:
            print(f"  {when[:60]:60} {figures.row()}")


def yes(right: bool) -> str:
    return "yes  " if right else "NO   "


if __name__ == "__main__":
    sys.exit(main())
