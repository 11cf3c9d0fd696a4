"""Whether an image works on boards, as checks of a release gate: what the predictor says of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bootwright.boards.model import Board
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.progress import Progress
from bootwright.foundation.verdict import Verdict
from bootwright.images.verify.verify_model import Check, unknown
from bootwright.predict.given.gather import gather
from bootwright.predict.model import GoalVerdict
from bootwright.predict.verdicts import Asked, judge_boards, together


def board_checks(
    image: Path, boards: Sequence[Board], stepping: str | None, asked: Asked, progress: Progress
) -> Iterator[Check]:
    """What `check` predicts for each stepping and goal; `unknown` where it cannot be predicted."""

    try:
        gathered = gather((str(image),), progress, board=boards[0] if len(boards) == 1 else None)
    except BootwrightError as error:
        yield unknown("board", error.message, hint=error.hint)
        return
    for board in boards:
        try:
            own = gather((str(image),), progress, board=board) if gathered.depends_on(board) else gathered
            judged = judge_boards(own, own.facts(), (board,), stepping, asked)
        except BootwrightError as error:
            yield unknown(board.id, error.message, hint=error.hint)
            continue
        for answer in together(judged):
            for verdicts in judged:
                goal = verdicts.goals.get(answer.goal)
                if goal is None:
                    continue
                name, where = (
                    f"{board.id} {verdicts.stepping} {answer.goal}",
                    verdicts.dtb.name if verdicts.dtb else None,
                )
                if answer.split and goal.verdict is not Verdict.WORKS:
                    # What breaks on one stepping only is not known of the board.
                    yield unknown(name, f"{answer.words}. {verdicts.stepping}: {_detail(goal)}", where=where)
                else:
                    yield Check(name, goal.verdict, _detail(goal), where=where)


def _detail(goal: GoalVerdict) -> str:

    broken = goal.first_broken
    if broken is not None:
        return ": ".join(filter(None, (broken.node, broken.needs, broken.reason)))
    return "every link of its chain holds" if goal.verdict is Verdict.WORKS else "not known"
