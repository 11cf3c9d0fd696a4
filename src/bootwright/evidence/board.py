"""What a board adds to a diagnosis: which one it is, its console's arguments, what to check next.

A board's console is one file in `data/consoles/`, named as the board.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import evolve, field, frozen

from bootwright.boards.model import Board, board_of_model
from bootwright.diagnose.model import SERIOUS, STAGES, Boot, Diagnosis, Evidence, Finding, Gap, Stance
from bootwright.foundation.errors import Refused
from bootwright.foundation.knowledge import Kind

AREAS: Mapping[str, tuple[str, ...]] = {
    "network": ("ethernet",),
    "storage": ("storage", "nvme", "usb"),
    "root": ("storage", "nvme", "usb"),
    "devices": ("ethernet", "storage", "nvme", "usb", "console"),
}
"""Area of a finding → goals of boards it is about."""
_KERNEL = STAGES.index("kernel")


@frozen
class ConsoleFacts:
    """How to see more of a board."""

    console: str
    """`ttyAMA10,115200`."""
    earlycon: str
    source: str
    firmware: str = ""
    """What makes its firmware print; empty where it always does, or never."""
    firmware_source: str = ""
    debug: Mapping[str, str] = field(factory=dict)
    """Goal → dynamic debug queries for the drivers on its chain."""


CONSOLES = Kind("consoles", "a board's console", ConsoleFacts)


def board_of(boot: Boot) -> Board | None:
    """The board that the log says it is of."""
    return board_of_model(boot.fact("model") or "")


def board_in_question(boot: Boot, given: Board | None) -> Board | None:
    """The board that a boot is judged for: the one `given`, unless the log names another machine."""
    announced = board_of(boot)
    return given if given is not None and (announced is None or announced is given) else announced


def stepping_of(board: Board, boot: Boot) -> str | None:
    """The board's stepping by the revision code in the log, else by the model, where that decides it.

    None where the log says neither of this board.
    """
    stepping = _by_code(board, boot)
    if stepping is not None or board.revision is None or board_of(boot) is not board:
        return stepping
    its = board.steppings_of_model(boot.fact("model") or "")
    return next(iter(its)) if len(its) == 1 < len(board.steppings) else None


def _by_code(board: Board, boot: Boot) -> str | None:
    code = boot.fact("revision")
    if code is None or board.revision is None:
        return None
    try:
        return board.stepping_of(code).name
    except Refused:
        return None


def with_board(diagnosis: Diagnosis, board: Board | None, *, checked: bool) -> Diagnosis:
    """The diagnosis with what is known of its board, or of the one that each boot says it is of.

    `checked`: artifacts were given, so that `check` need not be proposed.
    """
    return evolve(
        diagnosis, boots=tuple(_with_board(boot, board, checked=checked) for boot in diagnosis.boots)
    )


def _with_board(boot: Boot, board: Board | None, *, checked: bool) -> Boot:
    announced = board_of(boot)
    chosen = board_in_question(boot, board)
    if chosen is None:
        return boot
    gaps = (*_gaps(boot, chosen, checked=checked and board is not None), *boot.gaps)
    return evolve(
        boot,
        gaps=gaps,
        evidence=(*boot.evidence, *(_identity(boot, board, announced) if board is not None else ())),
    )


def _identity(boot: Boot, board: Board, announced: Board | None) -> Iterator[Evidence]:
    """Whether the log is of that board, and of which stepping."""
    model, code = boot.fact("model"), boot.fact("revision")
    if model is not None and announced is not board:
        says = f"The log is of another machine than {board.name}: {model}."
        yield Evidence(Stance.REFUTES, says, "the log: machine model")
    elif model is None and boot.fact("pc") is not None:
        machine = f": {boot.fact('dmi')}" if boot.fact("dmi") is not None else ""
        says = f"The log is of an x86 machine{machine}, not of {board.name}."
        yield Evidence(Stance.REFUTES, says, f"the log: {boot.fact('pc')}")
    elif model is not None:
        yield Evidence(Stance.TELLS, f"The log is of this board: {model}.", "the log: machine model")
    if code is None or board.revision is None:
        return
    stepping = _by_code(board, boot)
    if stepping is None:
        says = f"The revision code {code} in the log is not one of {board.name}."
        yield Evidence(Stance.REFUTES, says, board.revision.source)
    else:
        dtb = board.stepping(stepping).dtb
        says = f"The revision code {code} means stepping {stepping}, which boots with {dtb}."
        yield Evidence(Stance.TELLS, says, board.revision.source)


def _gaps(boot: Boot, board: Board, *, checked: bool) -> Iterator[Gap]:
    console = CONSOLES.all().get(board.id)
    serious = [finding for finding in boot.findings if finding.severity in SERIOUS]
    goals = _goals(board, serious)
    if console is not None:
        queries = [console.debug[goal] for goal in goals if goal in console.debug]
        line = f"console={console.console} earlycon={console.earlycon} ignore_loglevel printk.devkmsg=on"
        if queries:
            yield Gap(
                f"which driver of the {board.name} stops ({', '.join(goals)})",
                f'boot with {line} dyndbg="{"; ".join(queries)}"',
            )
        elif serious or STAGES.index("boot-loader") <= _rank(boot) < STAGES.index("init"):
            yield Gap(f"more from the {board.name}'s console", f"boot with {line}")
        if (
            console.firmware
            and _rank(boot) <= _KERNEL
            and "firmware" not in {stage_reached.name for stage_reached in boot.stages}
        ):
            yield Gap(
                f"what the firmware of the {board.name} did: it comes before everything in this log",
                f"set {console.firmware} and capture from power-on",
            )
    if goals and not checked:
        revision = boot.fact("revision") if stepping_of(board, boot) is not None else None
        more = f" --revision {revision.removeprefix('0x')}" if revision else ""
        wanted = " ".join(f"--goal {goal}" for goal in goals)
        yield Gap(
            "whether the image could bring up this device at all",
            f"bootwright check IMAGE --board {board.id}{more} {wanted} --explain, or "
            f"bootwright diagnose LOG --board {board.id} --with IMAGE",
        )


def _goals(board: Board, findings: list[Finding]) -> list[str]:
    """The board's goals that root causes are about."""
    known = {goal.name for goal in board.goals}
    areas = [finding.area for finding in findings if finding.caused_by is None and finding.area != "devices"]
    return [name for name in dict.fromkeys(g for area in areas for g in AREAS.get(area, ())) if name in known]


def _rank(boot: Boot) -> int:
    return STAGES.index(boot.stage) if boot.stage in STAGES else -1
