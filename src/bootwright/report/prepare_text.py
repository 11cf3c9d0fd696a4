"""What `prepare` says for a person: one screen, the answer first."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from bootwright.foundation.processes.program import as_root
from bootwright.foundation.screen import line_width
from bootwright.foundation.verdict import Verdict
from bootwright.predict.model import Link
from bootwright.prepare.looking import ADDRESS, signs
from bootwright.prepare.model import Judged, Trial
from bootwright.prepare.newer import Newer, command_of
from bootwright.prepare.request import Outcome, Prepared, cautions
from bootwright.report.words import command_lines, wrapped

_MOST_TRIALS = 4
"""Rejected changes that are printed; --explain prints all."""
_ON_CONDITION = ", on the condition below"
_CARD = "/dev/sdX"
"""Stands for the card, which only the user knows."""


def lines(prepared: Prepared, *, explain: bool = False) -> Iterator[str]:
    """The answer, why, what was changed, how to flash it, and what to look for."""
    record = prepared.record
    system = f"{prepared.preparation.title} {record.version.removeprefix('v')}".strip()
    yield f"{system} on {prepared.target.title}"
    yield from wrapped("  ", f"{record.source}: {_kernel(prepared)}")
    yield ""
    yield from _answer(prepared)
    yield from _beside(prepared)
    yield from _trials(prepared, explain=explain)
    for note in prepared.notes if explain or prepared.answer is None else ():
        yield from wrapped("  ", f"note: {note}")
    if prepared.outcome.verdict is Verdict.WORKS:
        yield ""
        yield from _flash(prepared, explain=explain)


def _kernel(prepared: Prepared) -> str:
    """Kernel and devicetree of the image that was given, in words."""
    kernel = prepared.kernel
    words = "no kernel"
    if kernel is not None:
        pages = f" ({kernel.page_size // 1024}K pages)" if kernel.page_size else ""
        words = f"Linux {kernel.release}{pages}"
    boards = prepared.before.boards
    trees = dict.fromkeys(verdicts.dtb.name for verdicts in boards if verdicts.dtb is not None)
    return f"{words}, {' and '.join(trees) or 'no devicetree'}"


def _answer(prepared: Prepared) -> Iterator[str]:
    wanted = ", ".join(prepared.target.wanted)
    as_it_is = f"works as it is{_ON_CONDITION if prepared.condition else ''}: {wanted}"
    if prepared.outcome is Outcome.WORKS:
        yield from wrapped("", as_it_is)
        yield from _condition(prepared)
        return
    first = prepared.before.first
    if prepared.outcome is Outcome.MENDED and prepared.before.verdict is Verdict.WORKS:
        yield from wrapped("", as_it_is)
        yield from _made(prepared, "as was asked, made", wanted)
        return
    word = "unknown" if prepared.outcome is Outcome.UNKNOWN else "fails because of"
    if first is None:
        yield from wrapped("", f"unknown: {_goals(prepared.before)}")
        return
    for steppings, link in _links(prepared.before):
        on = f"on {steppings} " if steppings else ""
        yield from wrapped("", f"{on}{word} {link.node}: {link.needs}")
        if link.reason:
            yield from wrapped("  ", link.reason)
    yield from wrapped("  ", _goals(prepared.before))
    if prepared.newer is not None:
        yield ""
        yield from _newer(prepared.newer, unsure=prepared.target.stepping is None)
    if prepared.outcome is Outcome.MENDED:
        yield ""
        beside = "without a newer one, " if prepared.newer is not None else ""
        yield from _made(prepared, f"{beside}mended", wanted)
        return
    for link in {link.remedy: link for _, link in _links(prepared.before) if link.remedy}.values():
        yield from wrapped("  ", f"what would help: {link.remedy}")


def _made(prepared: Prepared, how: str, wanted: str) -> Iterator[str]:
    """What was changed, and where the image is."""
    yield from wrapped("", f"{how} with {' and '.join(prepared.record.changes)}")
    done = "made before, and checked again" if prepared.again else "made, verified and checked"
    on = _ON_CONDITION if prepared.condition else ""
    yield from wrapped("  ", f"{prepared.image}: {done}; works now{on}: {wanted}")
    yield from _condition(prepared)


def _condition(prepared: Prepared) -> Iterator[str]:
    if prepared.condition:
        yield from wrapped("  condition: ", prepared.condition)


def _newer(newer: Newer, *, unsure: bool) -> Iterator[str]:
    """A release that is without what fails, what is known of it, and the command that prepares it."""
    on = f"for stepping {' and '.join(newer.steppings)}: " if newer.steppings else ""
    yield from wrapped("", f"{on}{newer.which} is without it: Linux {newer.kernel}; {newer.because}")
    for text in newer.known:
        yield from wrapped("  but: ", text)
    if newer.steppings and unsure:
        yield from wrapped(
            "  ", "which one yours is: Revision in /proc/cpuinfo on any Linux there; give it with --revision"
        )
    yield from wrapped("  ", "it is checked before it is flashed:")
    yield from command_lines(command_of(newer), line_width())


def _links(judged: Judged) -> list[tuple[str, Link]]:
    """What is broken first, on which steppings; they are named where it is not the same on all."""
    by_link: dict[tuple[str, str, str], tuple[list[str], Link]] = {}
    for verdicts in judged.boards:
        first = Judged((verdicts,), judged.wanted).first
        if first is not None:
            stepping, _, link = first
            key = (link.node, link.needs, link.reason)
            by_link.setdefault(key, ([], link))[0].append(stepping)
    alike = len(by_link) == 1 and len(next(iter(by_link.values()))[0]) == len(judged.boards)
    return [("" if alike else " and ".join(steppings), link) for steppings, link in by_link.values()]


def _goals(judged: Judged) -> str:
    """`ethernet fails on all; storage works on c0 and fails on d0`."""
    by_goal: dict[str, dict[Verdict, list[str]]] = {}
    for (stepping, name), goal in judged.goals.items():
        by_goal.setdefault(name, {}).setdefault(goal.verdict, []).append(stepping)
    several = len(judged.boards) > 1

    def where(steppings: list[str]) -> str:
        if not several:
            return ""
        return " on all" if len(steppings) == len(judged.boards) else f" on {', '.join(steppings)}"

    return "; ".join(
        f"{name} " + " and ".join(f"{verdict}{where(steppings)}" for verdict, steppings in verdicts.items())
        for name, verdicts in by_goal.items()
    )


def _trials(prepared: Prepared, *, explain: bool) -> Iterator[str]:
    rejected = [trial for trial in prepared.trials if trial.rejected]
    if not rejected:
        return
    shown = rejected if explain else _telling(rejected)
    left = len(rejected) - len(shown)
    more = f" ({left} more with --explain)" if left else ""
    yield ""
    what = "smaller changes" if prepared.outcome is Outcome.MENDED else "tried, and"
    yield f"{what} not enough{more}:"
    for trial in shown:
        text = f"{trial.title}: {trial.rejected}"
        yield from wrapped("  - ", text) if explain else [_cut(f"  - {text}")]


def _cut(text: str) -> str:
    width = line_width()
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _telling(trials: Sequence[Trial]) -> list[Trial]:
    """Single changes before several at once, each reason once, as many as fit the screen."""
    by_reason: dict[str, Trial] = {}
    for trial in sorted(trials, key=lambda trial: len(trial.mends)):
        by_reason.setdefault(trial.rejected, trial)
    return list(by_reason.values())[:_MOST_TRIALS]


def _beside(prepared: Prepared) -> Iterator[str]:
    """What does not decide and does not work either."""
    judged = prepared.after or prepared.before
    others = {
        name: verdict
        for (_, name), verdict in judged.all_goals().items()
        if name not in prepared.target.wanted and verdict is not Verdict.WORKS
    }
    if prepared.outcome.verdict is Verdict.WORKS:
        for text in cautions(prepared)[1 if prepared.condition else 0 :]:
            yield from wrapped("  beware: ", text)
    if others and prepared.outcome.verdict is Verdict.WORKS:
        words = ", ".join(f"{name} {verdict}" for name, verdict in others.items())
        yield from wrapped("  ", f"not asked for: {words} (bootwright check says why)")


def _flash(prepared: Prepared, *, explain: bool) -> Iterator[str]:
    yield "flash it (bootwright flash --list names the card):"
    yield from command_lines(shlex.join([*as_root(), "flash", str(prepared.image), _CARD]), line_width())
    yield "then look, after power-on, in this order:"
    for number, sign in enumerate(signs(prepared.preparation, prepared.target.board), 1):
        yield from wrapped(f"  {number}. ", f"{sign.see} ({sign.seconds} s)")
        if explain:
            yield from wrapped("     ", f"if not: {sign.means}")
    if prepared.preparation.then:
        yield from wrapped("     ", prepared.preparation.then.replace("{address}", ADDRESS))
    if prepared.record_path is not None:
        yield "whatever comes:"
        words = ["bootwright", "observe", "--prepared", str(prepared.record_path)]
        yield from command_lines(shlex.join(words), line_width())
