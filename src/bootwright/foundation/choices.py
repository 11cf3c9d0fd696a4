"""Names that a user gives: what to say of one that does not exist, and which one was probably meant."""

from __future__ import annotations

from collections.abc import Iterable

from bootwright.foundation.errors import Missing, Refused

_ALIKE = 2 / 3
"""difflib's ratio from which a name may have been meant: one letter in three may be another one."""
_AS_GOOD = 0.05
"""Names whose ratio is this close to the best one's are as likely to be meant."""
_MOST_LISTED = 24
"""Names that a hint lists; more than that is no help."""


def near(given: str, known: Iterable[str], *, most: int = 3, alike: float | None = None) -> tuple[str, ...]:
    """The known names most like the one given, the best first; upper and lower case do not count.

    A short name is often part of a longer one (`d` for `d0`, `rpi5` for `rpi5-rev-1.0`), which a ratio does
    not see: where nothing is alike, names that begin with what was given are, or that hold it but for
    punctuation (`pi 5`, `pi5` for `raspberrypi-5`); else those that it shortens (`rpi_5`).
    """
    names = {name.casefold(): name for name in reversed(list(dict.fromkeys(known)))}
    folded = given.strip().casefold()
    if not folded:
        return ()
    if alike is None:  # of two letters, one
        alike = 0.5 if len(folded) == 2 else _ALIKE
    import difflib  # for errors only

    # What was meant has no other letter than one in three, at least one: `nope` is not `open`.
    matcher = difflib.SequenceMatcher(b=folded, autojunk=False)
    ratios: list[tuple[float, str]] = []
    for spelling in reversed(names):
        matcher.set_seq1(spelling)
        if matcher.real_quick_ratio() < alike or matcher.quick_ratio() < alike:
            continue
        if _changes(spelling, folded) <= max(1, round(max(len(spelling), len(folded)) / 3)):
            ratios.append((matcher.ratio(), spelling))
    best = max((ratio for ratio, _ in ratios), default=0.0)
    close = [name for ratio, name in ratios if ratio >= max(alike, best - _AS_GOOD)]
    close.sort(key=lambda candidate: -next(ratio for ratio, name in ratios if name == candidate))
    if not close:
        close = [name for name in reversed(names) if name.startswith(folded)]
    if not close:
        plain = _letters(folded)
        close = [name for name in reversed(names) if len(plain) > 2 and plain in _letters(name)]
        close = close or [
            name for name in reversed(names) if len(plain) > 2 and _shortens(plain, _letters(name))
        ]
    return tuple(names[name] for name in close[:most])


def _changes(text: str, other: str) -> int:
    """How many letters to insert, leave out, exchange or swap with their neighbour make one of the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(text, 1):
        before, last, row = row, before, [at]
        for place, wanted in enumerate(other, 1):
            best = min(before[place] + 1, row[place - 1] + 1, before[place - 1] + (letter != wanted))
            if at > 1 and place > 1 and (letter, text[at - 2]) == (other[place - 2], wanted):
                best = min(best, last[place - 2] + 1)
            row.append(best)
    return row[-1]


def _shortens(short: str, whole: str) -> bool:
    """Whether a name is another one with letters left out, but for its ends: `rpi5` of `raspberrypi5`."""
    left = iter(whole)
    ends = (short[0], short[-1]) == (whole[:1], whole[-1:])
    return ends and all(letter in left for letter in short)


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


def hint_for(given: str, known: Iterable[str], *, kind: str, otherwise: str = "") -> str:
    """`did you mean …?`; where nothing is alike `otherwise`, or what there is, if that is few.

    `kind` names them in the plural: `boards`.
    """
    names = list(dict.fromkeys(known))
    alike = near(given, names)
    if alike:
        return f"did you mean {' or '.join(alike)}?"
    listed = f"{kind}: {', '.join(names)}" if 0 < len(names) <= _MOST_LISTED else ""
    return otherwise or listed or f"there are {len(names) or 'no'} {kind}"


def no_such(message: str, given: str, known: Iterable[str], *, kind: str, otherwise: str = "") -> Refused:
    """The error for a name that does not exist; `message` says what was given and where."""
    return Refused(message, hint=hint_for(given, known, kind=kind, otherwise=otherwise))


def not_there(message: str, given: str, known: Iterable[str], *, kind: str, otherwise: str = "") -> Missing:
    """The same where the name could as well have been a file's."""
    return Missing(message, hint=hint_for(given, known, kind=kind, otherwise=otherwise))


def one_of(given: str, known: Iterable[str], *, what: str, kind: str) -> str:
    """`given`, where it is one of the known names; raises `Refused` with the one that was meant.

    `what` names the thing in the singular (`machine`), `kind` in the plural.
    """
    names = list(known)
    if given in names:
        return given
    raise no_such(f"there is no {what} {given!r}", given, names, kind=kind)
