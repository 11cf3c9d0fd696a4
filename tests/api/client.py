"""A small program against the public interface, as a user may write it; mypy checks it with --strict."""

from pathlib import Path

from bootwright.api import (
    AwaitedReport,
    BootwrightError,
    Checked,
    Isolation,
    Verdict,
    check,
    diagnose,
    isolate,
    verify_image,
)


def failing_goals(kernel: str, board: str) -> list[str]:
    checked: Checked = check(kernel, boards=board)
    return [answer.goal for answer in checked.answers if answer.verdict is Verdict.FAILS]


def causes(log: Path) -> list[str]:
    return [finding.cause for boot in diagnose(log).diagnosis.boots for finding in boot.findings]


def culprit(good: Path, bad: Path) -> frozenset[str]:
    result: Isolation | AwaitedReport = isolate(good, bad, until="login", out="out")
    return result.found.culprit if isinstance(result, Isolation) else result.from_bad


def releasable(image: Path) -> bool:
    try:
        return verify_image(image, boards=["raspberrypi-5"]).verdict is Verdict.WORKS
    except BootwrightError as error:
        print(error.message, error.hint)
        return False
