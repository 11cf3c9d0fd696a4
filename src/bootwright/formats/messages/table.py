"""Formats by the words that tell most, so that a line finds its format by looking up its own words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

from attrs import define, field, frozen

from bootwright.formats.messages.model import Call, Format, Owner
from bootwright.formats.messages.printf import letters, printed_by, tells, words

MOST_KERNELS = 16
CALLS = tuple(Call)
NO_LEVEL = 15


@frozen
class Columns:
    """The rows of a table, as they stand in its file."""

    kernels: tuple[str, ...]
    owners: Sequence[bytes]
    """`MODULE TAB FILE TAB FUNCTION`."""
    owner_sets: Sequence[bytes]
    """Numbers of owners, with blanks between."""
    anchors: Sequence[bytes]
    """Words, or two with a blank between, by which formats are looked up, sorted."""
    texts: Sequence[bytes]
    """Formats, those of each anchor together."""
    sizes: Sequence[int]
    """How many formats each anchor has."""
    codes: bytes
    """Of each format its call (upper four bits) and its level, `NO_LEVEL` for none."""
    masks: Sequence[int]
    """Of each format the kernels that have it, a bit each."""
    set_numbers: Sequence[int]
    """Of each format its set of owners."""


@define(eq=False, slots=False)
class MessageTable:
    """Formats of one or several kernels."""

    columns: Columns
    _starts: Sequence[int] = field(init=False)
    _groups: dict[bytes, int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Anchors by their text."""
        anchors = self.columns.anchors
        self._starts = list(accumulate(self.columns.sizes, initial=0))
        self._groups = dict(zip(anchors, range(len(anchors)), strict=True))
        # Formats that tell nothing of a line.
        self._groups.pop(b"", None)

    def __len__(self) -> int:
        return len(self.columns.texts)

    def formats(self) -> Iterator[Format]:
        """All of them."""
        return map(self._format, range(len(self)))

    def printing(self, line: bytes) -> tuple[Format, ...]:
        """The formats that can have printed a line (without stamps and device prefix), most literal only."""
        best: list[int] = []
        most = 0
        texts, starts, groups = self.columns.texts, self._starts, self._groups
        split = line.split()
        pairs = [before + b" " + after for before, after in pairwise(split)]
        for word in dict.fromkeys((*split, *pairs)):
            group = groups.get(word)
            if group is None:
                continue
            for number in range(starts[group], starts[group + 1]):
                if printed_by(line, texts[number]):
                    known = letters(texts[number])
                    if known > most:
                        best, most = [], known
                    if known == most:
                        best.append(number)
        return tuple(self._format(number) for number in best)

    def _format(self, number: int) -> Format:
        columns = self.columns
        code, mask = columns.codes[number], columns.masks[number]
        level = code & 15
        owners = (
            Owner(*columns.owners[int(index)].decode("utf-8", "replace").split("\t"))
            for index in columns.owner_sets[columns.set_numbers[number]].split()
        )
        return Format(
            columns.texts[number].decode("utf-8", "replace"),
            CALLS[code >> 4],
            None if level == NO_LEVEL else level,
            tuple(owners),
            tuple(kernel for bit, kernel in enumerate(columns.kernels) if mask >> bit & 1),
        )


def table_of(formats: Iterable[Format]) -> MessageTable:
    """A table of formats; the same format at the same level, of several kernels, becomes one."""
    joined: dict[tuple[bytes, int], tuple[dict[Owner, None], dict[str, None]]] = {}
    for entry in formats:
        level = NO_LEVEL if entry.level is None else entry.level
        row = (" ".join(entry.text.split("\n")).encode(), CALLS.index(entry.call) << 4 | level)
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
    return MessageTable(
        Columns(
            kernels=names,
            owners=[f"{owner.module}\t{owner.file}\t{owner.function}".encode() for owner in owner_number],
            owner_sets=list(set_number),
            anchors=anchors,
            texts=[text for text, _ in rows],
            sizes=[len(groups[anchor]) for anchor in anchors],
            codes=bytes(code for _, code in rows),
            masks=[sum(1 << names.index(kernel) for kernel in joined[row][1]) for row in rows],
            set_numbers=[set_number[text] for text in sets],
        )
    )


def _anchor(text: bytes, code: int, counts: Counter[bytes]) -> bytes:
    candidates = words(text)
    after_device = CALLS[code >> 4] in {Call.DEVICE, Call.NETWORK}
    if not candidates or not tells(text, after_device=after_device):
        return b""
    # A single word where it is as rare: it is shorter to keep.
    return min(candidates, key=lambda word: (counts[word], word.count(b" "), -len(word), word))


def _without_vague(owners: dict[Owner, None]) -> list[Owner]:
    """Without those known by their function alone, where another kernel's bytes tell the file."""
    exact = [owner for owner in owners if owner.file]
    return exact or list(owners)
