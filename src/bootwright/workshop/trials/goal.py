"""What a kernel is for: that it boots, that a probe or one of its steps is ok, that it prints a text."""

from __future__ import annotations

import re
from contextlib import suppress

from attrs import frozen

from bootwright.formats.kernel.errnos import errno_name, errno_number
from bootwright.foundation.choices import hint_for, near
from bootwright.foundation.errors import Refused
from bootwright.foundation.verdict import Verdict
from bootwright.image_boot.goal import Goal as ConsoleGoal
from bootwright.image_boot.goal import GoalWatch
from bootwright.lab.machines.recorded import Recording
from bootwright.lab.probes.added import added_probes
from bootwright.lab.probes.boot import PROBES
from bootwright.lab.probes.judge import trouble, verdict
from bootwright.lab.probes.ktap import ProbeResult, read
from bootwright.lab.probes.steps import check_step, known_steps

BOOT = "boot"
_CONSOLE = "console:"
_STEP = re.compile(r"(?:(?P<probe>[\w.-]+):)?(?P<step>[\w.-]+?)(?:=(?P<errno>[\w-]*))?")
FORMS = "boot, a probe (mounts), a step (mounts:STEP, mounts:STEP=EINVAL), or console:TEXT"


@frozen
class TrialGoal:
    """A goal of kernels. Make one with `parse_goal`."""

    text: str
    """As the user gave it."""
    probe: str
    """The probe that the boot runs."""
    step: str | None = None
    """The one step of it that counts."""
    errno: str | None = None
    """The error that the step is wanted to end with: its kernel's name, or digits."""
    console: str | None = None
    """The text that is wanted on the console."""

    def judge(self, recording: Recording) -> tuple[Verdict, str]:
        """Whether a boot reached it, and what says so.

        `unknown` where the boot ended before the step was made: that says nothing of it. Raises `Refused`
        for a step that the probe does not have.
        """
        result = read(recording)
        if self.console is not None:
            watch = GoalWatch(ConsoleGoal(self.console))
            watch.feed(recording.console)
            if watch.reached:
                return Verdict.WORKS, f"the console has {self.console!r}"
            ending = trouble(recording, result) or "the boot went on to its end"
            return Verdict.FAILS, f"the console has no {self.console!r}: {ending}"
        if self.text == BOOT:
            if result.release is not None:
                return Verdict.WORKS, f"init ran on {result.release}"
            return Verdict.FAILS, trouble(recording, result) or "init did not run"
        if self.step is not None:
            return self._judge_step(recording, result)
        reached = verdict(result)
        failed = [test.name for test in result.tests if test.ok is False]
        summary = f"not ok: {', '.join(failed)}" if failed else f"{len(result.tests)} steps ok"
        return reached, trouble(recording, result) or summary

    def _judge_step(self, recording: Recording, result: ProbeResult) -> tuple[Verdict, str]:
        test = next((step for step in result.tests if step.name == self.step), None)
        if test is None:
            if result.complete:
                raise _no_step(
                    f"{self.text}: {self.probe}", self.step or "", [step.name for step in result.tests]
                )
            return Verdict.UNKNOWN, trouble(recording, result) or "the step was not made"
        if test.ok is None:
            return Verdict.UNKNOWN, f"{test.name} was skipped: {test.detail}"
        seen = f"{test.name}: {f'{test.call}: {test.errno}' if test.errno else 'ok' if test.ok else 'not ok'}"
        reached = test.ok if self.errno is None else _same_errno(test.errno, self.errno)
        return Verdict.WORKS if reached else Verdict.FAILS, seen


def parse_goal(text: str) -> TrialGoal:
    """The goal that a user names; raises `Refused` with the one that was probably meant."""
    if text.startswith(_CONSOLE):
        wanted = text.removeprefix(_CONSOLE)
        return TrialGoal(text, "mounts", console=ConsoleGoal.parse(wanted).text)
    if text == BOOT:
        return TrialGoal(text, "mounts")
    probes = (*PROBES, *added_probes())
    if text in probes:
        return TrialGoal(text, text)
    match = _STEP.fullmatch(text)
    known = {step: probe for probe, names in known_steps().items() for step in names}
    if match is None:
        raise _unknown(text, (*probes, BOOT, *known))
    probe, step, errno = match.group("probe", "step", "errno")
    if probe is None:
        probe = known.get(step, "")
        if not probe:
            raise _unknown(text, (*probes, BOOT, *known))
    elif probe not in probes:
        raise Refused(f"{text}: there is no probe {probe!r}", hint=hint_for(probe, probes, kind="probes"))
    check_step(probe, step, where=f"{text}: ", other="{probe}:{step}")
    if errno is not None:
        try:
            errno = errno_name(errno_number(errno))
        except Refused as error:
            raise Refused(f"{text}: {error.message}", hint=error.hint) from error
    return TrialGoal(text, probe, step=step, errno=errno)


def _same_errno(seen: str | None, wanted: str) -> bool:
    """Whether a probe's word for an errno is the wanted one: a C library has names of its own for some."""
    with suppress(Refused):
        return errno_name(errno_number(seen or "")) == wanted
    return False


def _unknown(text: str, known: tuple[str, ...]) -> Refused:
    meant = near(text, known)
    hint = f"did you mean {' or '.join(meant)}?" if meant else f"a goal is {FORMS}"
    return Refused(f"there is no goal {text!r}", hint=hint)


def _no_step(where: str, step: str, known: list[str]) -> Refused:
    return Refused(f"{where} has no step {step!r}", hint=hint_for(step, known, kind="steps"))
