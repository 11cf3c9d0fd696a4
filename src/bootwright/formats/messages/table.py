"""Formats by the words that tell most, so that a line finds its format by looking up its own words."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate, pairwise

from attrs import define, field, frozen

from bootwright.formats.messages.model import Call, Format, Owner
from bootwright.formats.messages.printf import (
    beginning,
    edges,
    letters,
    printed_by,
    tells,
    tells_begun,
    words,
)

MOST_KERNELS = 16
CALLS = tuple(Call)
NO_LEVEL = 15
_GOES_ON = 0x80
_OPEN = b"% \t\n\r\v\f"
"""With what a format begins that does not tell by its first byte how its lines begin."""


@frozen
class Names:
    """Who holds the formats of a table."""

    owners: Sequence[bytes]
    """`MODULE TAB FILE TAB FUNCTION`."""
    owner_sets: Sequence[bytes]
    """Numbers of owners, with blanks between."""


@frozen
class Group:
    """Formats of anchors that follow each other."""

    anchors: Sequence[bytes]
    """Words, or two with a blank between, by which formats are looked up, sorted."""
    texts: Sequence[bytes]
    """Formats, those of each anchor together."""
    sizes: Sequence[int]
    """How many formats each anchor has."""
    codes: bytes
    """Of each format its level (lower four bits, `NO_LEVEL` for none), its call, and whether it goes on."""
    masks: Sequence[int]
    """Of each format the kernels that have it, a bit each."""
    set_numbers: Sequence[int]
    """Of each format its set of owners."""

    def bounds(self) -> list[int]:
        """Where the formats of each anchor begin, and where the last ones end."""
        return list(accumulate(self.sizes, initial=0))


@define(eq=False, slots=False)
class MessageTable:
    """Formats of one or several kernels. A question opens the few groups that its words are in."""

    kernels: tuple[str, ...]
    firsts: Sequence[bytes]
    """Of each group its first anchor."""
    counts: Sequence[int]
    """Of each group how many formats it has."""
    open_group: Callable[[int], Group] = field(repr=False)
    """The group of that number; may raise `Malformed`."""
    open_names: Callable[[], Names] = field(repr=False)
    """May raise `Malformed`."""
    _open: dict[int, tuple[Group, list[int]]] = field(factory=dict, init=False, repr=False)
    """Groups with their bounds."""

    def __len__(self) -> int:
        return sum(self.counts)

    def formats(self) -> Iterator[Format]:
        """All of them. Raises `Malformed` where the table's file does not fit itself."""
        for number, count in enumerate(self.counts):
            group = self.open_group(number)
            for place in range(count):
                yield self._format(group, place)

    def printing(self, line: bytes) -> tuple[Format, ...]:
        """The formats that can have printed a line (without stamps and device prefix), most literal only.

        Raises `Malformed` where the table's file does not fit itself.
        """
        best: list[tuple[Group, int]] = []
        most = 0
        line = line.strip()
        first = line[:1]
        split = line.split()
        pairs = [before + b" " + after for before, after in pairwise(split)]
        for word in dict.fromkeys((*split, *pairs)):
            group, bounds = self._group_of(word)
            # Its words open many groups: looking in each costs less than a dictionary of each.
            number = bisect_left(group.anchors, word)
            if number == len(group.anchors) or group.anchors[number] != word:
                continue
            for place in range(bounds[number], bounds[number + 1]):
                text = group.texts[place]
                # Most formats of a word begin otherwise: told without taking them apart.
                if (text[:1] != first and text[:1] not in _OPEN) or not line.startswith(beginning(text)):
                    continue
                if printed_by(line, text, more=bool(group.codes[place] & _GOES_ON) and tells_begun(text)):
                    known = letters(text)
                    if known > most:
                        best, most = [], known
                    if known == most:
                        best.append((group, place))
        return tuple(self._format(group, place) for group, place in best)

    def modules(self) -> Mapping[str, frozenset[str]]:
        """Modules that hold formats → their source files. Raises `Malformed` where the table is damaged."""
        files: dict[str, set[str]] = {}
        for owner in self._names.owners:
            name, _, rest = owner.decode("utf-8", "replace").partition("\t")
            if name:
                files.setdefault(name, set()).add(rest.partition("\t")[0])
        return {name: frozenset(of_module) for name, of_module in files.items()}

    def _group_of(self, word: bytes) -> tuple[Group, list[int]]:
        """The only group that may have an anchor, and its bounds."""
        number = max(bisect_right(self.firsts, word) - 1, 0)
        if number not in self._open:
            group = self.open_group(number)
            self._open[number] = group, group.bounds()
        return self._open[number]

    @cached_property
    def _names(self) -> Names:
        return self.open_names()

    def _format(self, group: Group, place: int) -> Format:
        code, mask = group.codes[place], group.masks[place]
        level = code & 15
        owners = (
            Owner(*self._names.owners[int(index)].decode("utf-8", "replace").split("\t"))
            for index in self._names.owner_sets[group.set_numbers[place]].split()
        )
        return Format(
            group.texts[place].decode("utf-8", "replace"),
            call_of(code),
            None if level == NO_LEVEL else level,
            tuple(owners),
            tuple(kernel for bit, kernel in enumerate(self.kernels) if mask >> bit & 1),
            bool(code & _GOES_ON),
        )


def call_of(code: int) -> Call:
    """The call in a code of `Group.codes`. Raises IndexError for one that is none."""
    return CALLS[code >> 4 & 7]


def table_of(formats: Iterable[Format]) -> MessageTable:
    """A table of formats; the same format at the same level, of several kernels, becomes one."""
    joined: dict[tuple[bytes, int], tuple[dict[Owner, None], dict[str, None]]] = {}
    for entry in formats:
        level = NO_LEVEL if entry.level is None else entry.level
        code = CALLS.index(entry.call) << 4 | level | (_GOES_ON if entry.goes_on else 0)
        row = (" ".join(entry.text.split("\n")).encode(), code)
        owners, kernels = joined.setdefault(row, ({}, {}))
        owners.update(dict.fromkeys(entry.owners))
        kernels.update(dict.fromkeys(entry.kernels))
    names = tuple(dict.fromkeys(kernel for _, kernels in joined.values() for kernel in kernels))
    if len(names) > MOST_KERNELS:
        raise ValueError(f"at most {MOST_KERNELS} kernels, not {len(names)}")
    counts = Counter(word for text, _ in joined for word in set(words(text)))
    groups: dict[bytes, list[tuple[bytes, int]]] = {}
    for row in sorted(joined):
        groups.setdefault(_anchor(*row, counts), []).append(row)
    anchors = sorted(groups)
    rows = [row for anchor in anchors for row in groups[anchor]]
    holders = [_without_vague(joined[row][0]) for row in rows]
    owner_number = {
        owner: number for number, owner in enumerate(sorted({owner for held in holders for owner in held}))
    }
    sets = [" ".join(map(str, sorted(owner_number[owner] for owner in held))).encode() for held in holders]
    set_number = {text: number for number, text in enumerate(dict.fromkeys(sets))}
    made_names = Names(
        owners=[f"{owner.module}\t{owner.file}\t{owner.function}".encode() for owner in owner_number],
        owner_sets=list(set_number),
    )
    group = Group(
        anchors=anchors,
        texts=[text for text, _ in rows],
        sizes=[len(groups[anchor]) for anchor in anchors],
        codes=bytes(code for _, code in rows),
        masks=[sum(1 << names.index(kernel) for kernel in joined[row][1]) for row in rows],
        set_numbers=[set_number[text] for text in sets],
    )
    return MessageTable(names, [b""], [len(rows)], lambda _: group, lambda: made_names)


def _anchor(text: bytes, code: int, counts: Counter[bytes]) -> bytes:
    candidates = words(text) or edges(text)
    after_device = call_of(code) in {Call.DEVICE, Call.NETWORK}
    if not candidates or not tells(text, after_device=after_device):
        return b""
    # A single word where it is as rare: it is shorter to keep.
    return min(candidates, key=lambda word: (counts[word], word.count(b" "), -len(word), word))


def _without_vague(owners: dict[Owner, None]) -> list[Owner]:
    """Without those known by their function alone, where another kernel's bytes tell the file."""
    exact = [owner for owner in owners if owner.file]
    return exact or list(owners)
