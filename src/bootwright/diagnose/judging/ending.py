"""How a log ends, and so what its last state is: the part of the state machine that no single line decides.

A boot loader hands over, waits at a prompt or a countdown, or it has failed; where nothing shows which of
these it is, the log was cut off. The same block of lines over and over is a loop, whatever it says. The
kernel and a system write their logs at their own pace: of those only a repeated error is judged here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import takewhile
from typing import Final

from attrs import evolve, frozen

from bootwright.diagnose.judging.boot_needs import names_need
from bootwright.diagnose.judging.dumps import dump_at_end
from bootwright.diagnose.judging.end_forms import EndForms, informs, was_typed
from bootwright.diagnose.judging.ends.silence import (
    STARTED,
    is_done_alone,
    is_silent,
    programs_speak,
    starts_alone,
)
from bootwright.diagnose.judging.ends.unread import is_linux, is_up
from bootwright.diagnose.judging.ends.written import is_text
from bootwright.diagnose.judging.first_program import among_first_units, gave_up, said_fatal
from bootwright.diagnose.judging.gravity import part_of, weighs
from bootwright.diagnose.judging.shapes import (
    begin_of_run,
    last_repetition,
    looks_wrong,
    makes_progress,
    named_shape_of,
    repeated_block,
    shape_of,
    speaks_of_error,
)
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.model import STAGES
from bootwright.diagnose.reading.patterns import Facts, printable
from bootwright.diagnose.reading.tail import LastLine
from bootwright.diagnose.reading.voice import KERNEL, OWN_CLOCK, PROGRAM, XEN
from bootwright.diagnose.signatures.model import Knowledge

_KERNEL: Final = STAGES.index("kernel")
_ROOT: Final = STAGES.index("root")
_INIT: Final = STAGES.index("init")
_SERVICES: Final = STAGES.index("services")

_LAST_WORDS: Final = 3
"""Lines at the end among which a word of stopping is the last word."""
_AFTER_HANDOVER: Final = 2
"""Lines at the end among which a hand-over was followed by silence."""
_BEFORE: Final = 14
"""Lines before a prompt or a word of stopping in which its reason stands."""
_FEW: Final = 6
_WORDS_OF_A_REASON: Final = 2
"""Lines at the end among which the error that says most is looked for; words that say something."""
_AROUND_SHELL: Final = 24
"""Lines at the end among which a rescue shell, and what led there, stand."""
_REASONS_SHOWN: Final = 4

_SHORT: Final = 30
"""Lines of a loader's log that is an excerpt: its last error is why it was cut out."""

_LOOP_OF_LOADER: Final = 4
_LOOP_OF_LINE: Final = 8
_LOOP_OF_ERROR: Final = 4
_LOOP_OF_SYSTEM: Final = 20
"""Repetitions that make a loop: of a block of a loader's lines, of one line, of a block with an error; of one
in a system without times, whose scripts try many things in a moment."""
_LOOP_TAKES: Final = 5.0
"""Seconds, where there are times: several devices may say the same at once, and drivers try again."""


@frozen
class Ending:
    """What the last lines show."""

    event: str = ""
    """One of `@end/…` in `signatures.model.PSEUDO_EVENTS`; empty where they show nothing wrong."""
    proof: tuple[LastLine, ...] = ()
    facts: Facts = ()
    seconds: float | None = None
    """On the kernel's clock, of the last line that has a time."""
    wall: float | None = None
    """The same in seconds of wall-clock time."""
    cut: str = ""
    """Why nothing can be said of what came after; empty where the log ends where a boot may end."""


@lru_cache(maxsize=4)
def endings_of(knowledge: Knowledge, *, use_re2: bool = True) -> Endings:
    """The judge of ends by that knowledge."""
    return Endings(knowledge, use_re2=use_re2)


class Endings:
    """Judges ends by the forms that the stage files name."""

    def __init__(self, knowledge: Knowledge, *, use_re2: bool = True) -> None:
        self._components = knowledge.components
        self._forms = EndForms(knowledge, use_re2=use_re2)
        self._triggers = tuple(
            event
            for signature in knowledge.signatures
            for event in signature.rule.triggers
            if not event.startswith("@")
        )

    def of(self, state: BootState, lines: Sequence[LastLine]) -> Ending:
        """How the log of the boot ends; its last lines in `lines`."""
        if not lines:
            return Ending()
        ended = [line for line in lines[-_LAST_WORDS:] if self._forms.has("ended", line.text)]
        state.watched |= bool(ended)
        lines = [line for line in lines if line not in ended] or lines
        if state.rank < 0 and is_text(line.raw for line in lines):
            return Ending()
        words = max(
            (place for place, line in enumerate(lines) if not self._forms.has("trailer", line.text)),
            default=0,
        )
        lines = self._forms.until_typed(state, lines[: words + 1])
        seconds = next((line.seconds for line in reversed(lines) if line.seconds is not None), None)
        wall = next((line.wall for line in reversed(lines) if line.wall is not None), None)
        ending = self._last_state(state, lines)
        return evolve(ending, proof=(*ending.proof, *ended), seconds=seconds, wall=wall)

    def _last_state(self, state: BootState, lines: Sequence[LastLine]) -> Ending:
        shell = self._shell(state, lines)
        if shell is not None:
            return shell
        dump = self._dump(state, lines)
        if dump is not None:
            return dump
        if 0 <= state.rank < _KERNEL:
            return self._of_loader(state, lines)
        if state.rank < 0:
            fatal = said_fatal(lines, known=False)
            return self._of_loader(state, lines) if fatal is None else self._fatal(state, fatal)
        left = gave_up(lines) if state.rank < _SERVICES else None
        if left is not None:
            return self._ended("@end/gave-up", state, *left)
        fatal = said_fatal(lines) if _INIT <= state.rank < _SERVICES else None
        if fatal is not None:
            return self._fatal(state, fatal)
        at_shell = state.component == "userspace" and state.milestone >= lines[-1].number
        loop = None if at_shell else self._loop_of_errors(state, lines)
        if loop is None and state.rank < _SERVICES and state.component == "initramfs":
            loop = self._loop_of_words(state, lines)
        if loop is not None:
            return loop
        cut = self._cut(state, lines)
        silent = is_silent(state, lines, cut)
        return self._ended("@end/silent", state, silent) if silent is not None else Ending(cut=cut)

    # -- firmware and boot loaders -------------------------------------------------------------

    def _of_loader(self, state: BootState, lines: Sequence[LastLine]) -> Ending:
        last = lines[-1]
        stopped = next((line for line in lines[-_LAST_WORDS:] if self._forms.stops(state, line)), None)
        if state.handed_over and (stopped is None or stopped.number <= state.milestone):
            return Ending(cut=f"{self._who(state)} handed over with the last lines of the log")
        at_prompt = self._forms.has("prompt", last.text)
        waiting = next((line for line in lines[-2:] if self._forms.waits(line)), None)
        if waiting is not None and not at_prompt:
            return Ending(cut=f"{self._who(state)} waits: `{printable(waiting.text)[:80]}`")
        lately = [line for line in lines[-_BEFORE:] if line.number > state.begun]
        known = state.rank >= 0
        if stopped is not None and was_typed(lines[-_BEFORE:], stopped):
            return Ending(cut=f"{self._who(state)} was told to start again")
        if stopped is not None:
            reasons = self._forms.reasons_of(state, lately, stopped)
            return self._ended("@end/stopped", state, *reasons, stopped)
        prompt = next((line for line in lines[-_LAST_WORDS:] if self._forms.has("prompt", line.text)), None)
        if known and prompt is not None:
            tried = self._since_countdown(lines[-_BEFORE:])
            errors = (
                line for line in tried if line.number > state.begun and self._forms.is_error(state, line)
            )
            error = next(errors, None) or next(filter(_complains, tried), None)
            if error is not None:
                return self._ended("@end/prompt", state, error, prompt)
            return Ending(cut=f"{self._who(state)} waits for a command")
        loop = self._loop_of_loader(state, lines) if known else None
        if loop is not None:
            return loop
        if not known:
            return Ending(cut=self._nobody(lines))
        handover = next(
            (line for line in lines[-_AFTER_HANDOVER:] if self._forms.has("handover", line.text)), None
        )
        refused = handover is not None and handover is not last and self._forms.is_error(state, last)
        if handover is not None and not refused and handover.number >= state.milestone:
            return self._ended("@end/silent", state, handover)
        cut = f"the log ends in {self._who(state)}, after `{printable(last.text)[:80]}`"
        quiet = self._ended("@end/quiet", state, last) if state.watched else Ending(cut=cut)
        return self._last_error(state, lines) or quiet

    def _last_error(self, state: BootState, lines: Sequence[LastLine]) -> Ending | None:
        """The error that a loader ends with, or after which it tries its last resort; None without one."""
        last = lines[-1]
        if self._forms.is_error(state, last) and (len(lines) <= _SHORT or self._matters(state, last)):
            run = self._forms.run_of_errors(state, lines)
            return self._ended("@end/error", state, self._telling(state, lines), *run[:1], *run[1:][-1:])
        before = lines[-2] if len(lines) > 1 else last  # one of somebody else may have come in between
        if self._forms.ends_after(state, before, last):
            return self._ended("@end/error", state, self._telling(state, lines[:-1]), before)
        vain = self._in_vain(state, lines)
        return self._ended("@end/error", state, vain, last) if vain else None

    def _in_vain(self, state: BootState, lines: Sequence[LastLine]) -> LastLine | None:
        """Why the sources before the last resort gave nothing, where the log ends in that; None elsewhere."""
        if not self._forms.has("last-resort", lines[-1].text):
            return None
        tried = (
            line
            for line in reversed(lines)
            if line.number > state.begun and self._forms.is_error(state, line)
        )
        return next((line for line in tried if self._matters(state, line)), None)

    def _matters(self, state: BootState, line: LastLine) -> bool:
        """Whether an error stops a boot: its speaker calls it one, or it is about what a boot needs.

        In a whole log of a loader others are the rule: what is not there is passed over.
        """
        return self._forms.is_labelled(state, line) or names_need(line.text)

    def _telling(self, state: BootState, lines: Sequence[LastLine]) -> LastLine:
        """Of the errors at the end the one that says most: `ERR` alone says nothing."""
        telling = lines[-1]
        for line in reversed(lines[-_FEW:]):
            if not self._forms.is_error(state, line):
                break
            if len(telling.text.split()) < _WORDS_OF_A_REASON <= len(line.text.split()):
                telling = line
        return telling

    def _nobody(self, lines: Sequence[LastLine]) -> str:
        """Why a log without any milestone says nothing of a system; empty where it may be a system's."""
        alone = any(line.voice in OWN_CLOCK or line.voice == XEN for line in lines)
        return "only firmware or a hypervisor speaks in the log" if alone else ""

    def _since_countdown(self, lines: Sequence[LastLine]) -> list[LastLine]:
        """What was said after a countdown, the last first: before it nothing was tried to boot."""
        tried = takewhile(lambda line: not self._forms.has("waits", line.text), reversed(lines))
        return list(tried)

    def _loop_of_loader(self, state: BootState, lines: Sequence[LastLine]) -> Ending | None:
        """Word for word the same, whatever it says; or an error again and again, with other numbers."""
        telling = [(line, shape) for line in lines if (shape := shape_of(line.text))]
        texts = [line.text.strip() for line, _ in telling]
        places = last_repetition(texts, least=_LOOP_OF_LOADER)
        if places is not None and len({texts[place] for place in places}) == 1:
            # One line among others, such as coreboot's `POST: 0x75`, is no loop.
            places = [len(texts) - 1] if repeated_block(texts, least=_LOOP_OF_LINE) is not None else None
        if places is not None:
            block = [telling[place][0] for place in places]
            error = next((line for line in block if self._forms.is_error(state, line)), None)
            shapes = [shape for _, shape in telling]
            # The ports of a chip are started one after the other, and say the same.
            goes_on = informs(block) or makes_progress(texts, shapes, len(block), _LOOP_OF_LOADER)
            if error or (not goes_on and last_repetition(texts, least=_LOOP_OF_LINE) is not None):
                return self._ended("@end/repeats", state, error or block[0], lines[-1])
        return self._loop_of_errors(state, lines)

    # -- kernel and system ---------------------------------------------------------------------

    def _loop_of_errors(self, state: BootState, lines: Sequence[LastLine]) -> Ending | None:
        shapes = [shape_of(line.text) for line in lines]
        places = last_repetition(shapes, least=_LOOP_OF_ERROR, longest=20)
        if places is None:
            return None
        runs = state.rank >= _INIT and not self._only_fails(state, lines, {shapes[place] for place in places})
        error = next(
            (
                lines[place]
                for place in places
                if shapes.count(shapes[place]) > 1
                and self._forms.is_error(state, lines[place])
                and weighs(lines[place].raw, lines[place].voice, running=runs)
            ),
            None,
        )
        begun = max(len(lines) - _LOOP_OF_ERROR * len(places), 0)
        begun = min(begun, begin_of_run(shapes, places)) if state.rank < _INIT else begun
        took = lines[begun].seconds_to(lines[places[-1]])
        if took is None:
            # Without times several devices of a kind are told from one that goes on by number alone, and
            # many things that fail once from one that fails again by their names.
            named = [named_shape_of(line.text) for line in lines]
            least = _LOOP_OF_LINE if state.rank >= _KERNEL else _LOOP_OF_ERROR
            least = _LOOP_OF_SYSTEM if state.rank >= _INIT else least
            if last_repetition(named, least=least, longest=20) is None:
                return None
        elif took < _LOOP_TAKES:
            return None
        if error is None:
            return None
        since = shapes.index(shape_of(error.text), begin_of_run(shapes, places))
        return self._ended("@end/repeats", state, error, lines[since], lines[-1])

    def _only_fails(self, state: BootState, lines: Sequence[LastLine], shapes: set[bytes]) -> bool:
        """Whether the first program does hardly anything but what is said again and again, from its start."""
        since = [line for line in lines if line.number > state.milestone]
        started = next((line.seconds for line in lines if line.number == state.milestone), None)
        first = next((line.seconds for line in since if line.seconds is not None), None)
        if first is not None and started is not None and first - started > STARTED:
            return False
        return len({shape_of(line.text) for line in since} - shapes) <= _FEW

    def _loop_of_words(self, state: BootState, lines: Sequence[LastLine]) -> Ending | None:
        """A script of the initramfs that says the same for ever before anything is started."""
        texts = [line.text for line in lines]
        places = last_repetition(texts, least=_LOOP_OF_LINE, longest=20)
        if places is None or not any(shape_of(texts[place]) for place in places):
            return None
        return self._ended("@end/repeats", state, lines[places[0]], lines[places[-1]])

    def _cut(self, state: BootState, lines: Sequence[LastLine]) -> str:
        """Why the log of a kernel or system says too little; empty where it says enough."""
        for name in state.shown:
            component = self._components.get(name)
            if component is not None and component.unread and not is_linux(state):
                up = is_up(state, lines)
                return "" if up else f"the log is of {component.title}, of which only how it ends is read"
            if component is not None and component.unknown_before:
                wanted = component.unknown_before
                if state.rank < STAGES.index(wanted):
                    return f"{component.title} did not get as far as `{wanted}`"
        loaders = {name for name in state.shown if name not in {"kernel", "journal"}}
        done = is_done_alone(state, lines)
        starts = bool(loaders) and (done or _KERNEL <= state.rank < _INIT)
        starts = starts or (done and "@kernel/init" not in state.tallies)
        starts = starts and lines[-1].voice in {KERNEL, ""}
        if starts and not programs_speak(self._forms, state, lines):
            return "the console goes silent while the kernel starts, or was cut off there"
        if starts_alone(self._forms, state, lines):
            return "the log ends while the kernel starts, before it has looked for its root"
        first_units = state.stage != "ready" and among_first_units(lines)
        return "the log ends while systemd starts its first units" if first_units else ""

    def _dump(self, state: BootState, lines: Sequence[LastLine]) -> Ending | None:
        dump = dump_at_end(lines, self._known_events(state))
        return self._ended("@end/dump", state, dump.head, dump.first, lines[-1]) if dump is not None else None

    def _known_events(self, state: BootState) -> Iterator[int]:
        """Where what signatures know was seen for the last time."""
        for name in self._triggers:
            for tally in state.tallies.get(name, {}).values():
                yield tally.last.line

    def _shell(self, state: BootState, lines: Sequence[LastLine]) -> Ending | None:
        """The shell that a failed boot ends in, with the errors that led there."""
        of_initramfs = state.component == "initramfs"
        last = lines[-_AROUND_SHELL:]
        place = next((place for place, line in enumerate(last) if self._forms.has("shell", line.text)), None)
        if place is None and of_initramfs and self._forms.has("prompt", last[-1].text):
            place = len(last) - 1
        if place is None or (not of_initramfs and state.milestone > last[place].number):
            return None
        shell = last[place]
        begun, _ = state.stage_lines.get("root", (0, 0))
        errors = [
            line
            for line in last[:place]
            if line.number >= begun and line.voice != KERNEL and speaks_of_error(line.text)
        ]
        proof = errors[-_REASONS_SHOWN:] or [shell]
        ended = self._ended("@end/shell", state, proof[-1], *proof[:-1], shell)
        return evolve(ended, proof=tuple(sorted(ended.proof, key=lambda line: line.number)))

    def _fatal(self, state: BootState, fatal: LastLine) -> Ending:
        ended = self._ended("@end/gave-up", state, fatal)
        return evolve(ended, facts=(*ended.facts, ("how", "fatal")))

    # -- words ---------------------------------------------------------------------------------

    def _who(self, state: BootState) -> str:
        component = self._components.get(state.component)
        return component.title if component is not None else "the boot loader"

    def _ended(self, event: str, state: BootState, proof: LastLine, *more: LastLine) -> Ending:
        who = self._components[XEN].title if proof.voice == XEN else self._who(state)
        facts: Facts = (("who", who), ("what", printable(proof.text)[:160]), ("stage", state.stage))
        if proof.voice == PROGRAM:
            facts = (*facts, ("voice", PROGRAM))
        elif part := part_of(proof.text):
            facts = (*facts, ("part", part))
        return Ending(event, (proof, *(line for line in more if line is not proof)), facts)


def _complains(line: LastLine) -> bool:
    """Whether a line says what was tried in vain, be it in harmless words."""
    return looks_wrong(line.text) or line.text.startswith(b"Unknown command '")
