"""The link from a board to a devicetree that is not, or may not be, its own; it comes before all others."""

from __future__ import annotations

from attrs import evolve

from bootwright.boards.fit import Fit, described, fit
from bootwright.boards.model import Board
from bootwright.predict.model import Answer, Evidence, GoalVerdict, Link, first_broken, fold


def misfit(board: Board, dtb: str, name: str, compatible: tuple[str, ...], how: str = "") -> Link | None:
    """What is wrong with a devicetree for a board, by its root compatible; None where it is the board's.

    `dtb` is the file name of the one that the board should get, `name` that of the one it does get, and
    `how` says how that comes about.
    """
    fitness = fit(board, compatible)
    if fitness is Fit.OWN:
        return None
    is_other = fitness is Fit.OTHER
    whose = "another board's" if is_other else "of a board with the same SoC, not known to be this one"
    return Link(
        "/",
        f"devicetree of {board.compatible[0]}",
        Answer.NO if is_other else Answer.UNKNOWN,
        Evidence(f"{name}: compatible of /", "Devicetree Specification 0.4, 2.3.1"),
        f"{name} is {whose}: it is for {described(compatible)}" + (f" ({how})" if how else ""),
        remedy=f"hand over {dtb}, the devicetree of {board.name}",
    )


def headed(goal: GoalVerdict, link: Link) -> GoalVerdict:
    """The verdict with a link before all others; one that is broken for certain is the first broken one."""
    chain = (link, *goal.chain)
    broken = link if link.answer is Answer.NO else first_broken(chain)
    return evolve(goal, chain=chain, verdict=fold(chain).verdict, first_broken=broken)
