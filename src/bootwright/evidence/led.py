"""What a board's status LED shows, as a boot of a diagnosis: its firmware blinks a code where it gives up."""

from __future__ import annotations

from attrs import evolve

from bootwright.boards.lights import Blink, Lights, led_answer, lights_of
from bootwright.boards.model import Board
from bootwright.diagnose.model import STAGES, Boot, Diagnosis, Finding, Gap, Outcome, Severity

SIGNATURE = "led-code"
_GAP = Gap("what happened: the LED alone does not say it", "give a log of the serial console as well")
_SHOWS = {
    "off": "the status LED stays off: no power, a supply that gives up, or an EEPROM that does not start",
    "steady": "the status LED is steady: the firmware has started, and reads no card; it says no more",
    "activity": "the status LED flickers irregularly: something is read from the card; it says no more",
}


def of_led(board: Board, text: str) -> Diagnosis:
    """What the LED says: a code is the firmware's own word for why it stopped.

    `text` is `LONG+SHORT` of one round, `off`, `steady` or `activity`. Raises `Refused` for what is none of
    these, and for a code that the board does not have.
    """
    answer = led_answer(board, text, option="--led")
    lights = lights_of(board.id)
    blink = lights.blink_of(board.id, answer) if lights is not None else None
    findings = (_finding(board, lights, blink),) if lights is not None and blink is not None else ()
    failed = blink is not None and blink.fails
    boot = Boot(
        source=f"the LED of {board.name}",
        first_line=1,
        last_line=0,
        outcome=Outcome.FAILED if failed else Outcome.UNKNOWN,
        stage="firmware" if failed else "unknown",
        stages=(),
        findings=findings,
        gaps=() if failed else (Gap(_SHOWS.get(answer, _GAP.missing), _GAP.get_it),),
        restarted=False,
        told=(("led", answer),),
    )
    return Diagnosis(boot.outcome, (boot,), 0, 0)


def _finding(board: Board, lights: Lights, blink: Blink) -> Finding:
    return Finding(
        signature=SIGNATURE,
        title=f"the firmware blinks {_flashes(blink)}",
        severity=Severity.FATAL if blink.fails else Severity.INFO,
        area="firmware",
        cause=f"{blink.means[:1].upper()}{blink.means[1:]}.",
        lines=(),
        count=0,
        facts=(("code", blink.code), ("led", lights.led_of(board.id))),
        explains=(),
        caused_by=None,
        breaks="No kernel is started." if blink.fails else "",
        remedy=f"{blink.next[:1].upper()}{blink.next[1:]}.",
        kernel_arguments="",
        sources=(lights.source,),
        limits="Codes are miscounted easily: count one round, between two long pauses, twice.",
    )


def _flashes(blink: Blink) -> str:
    """`2 long, 1 short`."""
    counted = ((blink.long, "long"), (blink.short, "short"))
    return ", ".join(f"{number} {name}" for number, name in counted if number)


def beside(led: Diagnosis, log: Diagnosis) -> Diagnosis:
    """The LED's diagnosis where there is a log too: a code comes before any kernel, so that a log that goes
    on to one is of another start of the board."""
    last = log.boots[-1] if log.boots else None
    if last is None or last.stage not in STAGES or STAGES.index(last.stage) < STAGES.index("kernel"):
        return led
    other = Gap(
        f"why {last.source} gets as far as {last.stage} and the LED shows a code of the firmware: they are "
        "of two starts of the board",
        "both of one start: power off, begin the capture, power on, and count the flashes",
    )
    (boot,) = led.boots
    return evolve(led, boots=(evolve(boot, gaps=(*boot.gaps, other)),)) if boot.findings else led
