"""Which definitions of a driver's sources serve one device, and which only others.

A driver serves many chips. Its match table says what each of them uses; a definition that nothing but other
chips' entries leads to is not run for ours. The same with PHY drivers, told apart by their ids, and with
system calls, which are where everything begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import define, frozen

from bootwright.upstream.relevance.c_code import (
    Definition,
    Part,
    Token,
    definitions_of,
    macros_of,
    tokens_of,
    uses_of,
)

_WHOLE_MASK = 0xFFFFFFF0
"""What PHY drivers compare: all but the revision (PHY_ID_MATCH_MODEL, include/linux/phy.h, Linux 6.18)."""


@frozen
class Served:
    """What is ours among what a source file may serve."""

    compatibles: frozenset[str] = frozenset()
    phy_ids: frozenset[int] = frozenset()
    calls: frozenset[str] = frozenset()
    """System calls; where there are any, only what they lead to is ours."""


@define
class Source:
    """One file, read."""

    path: str
    tokens: list[Token]
    definitions: list[Definition]

    @classmethod
    def read(cls, path: str, text: str) -> Source:
        """Read a file's text."""
        tokens = tokens_of(text)
        return cls(path, tokens, definitions_of(tokens))


@define
class Reach:
    """Lines of a group of files (a driver's) that serve what is ours."""

    _ours: Mapping[str, list[tuple[int, int]]]
    _others: Mapping[str, list[tuple[int, int]]]

    def touches(self, path: str, lines: Iterable[int]) -> bool:
        """Whether one of these lines is ours: in a definition of ours, or in none."""
        ours, others = self._ours.get(path, []), self._others.get(path, [])
        return any(_within(line, ours) or not _within(line, others) for line in lines)


def _within(line: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(first <= line <= last for first, last in spans)


def reach(sources: Sequence[Source], served: Served, macros: Mapping[str, str] | None = None) -> Reach:
    """Follow uses from the roots, past entries of others. `macros` are further ones, for numbers of ids."""
    known = dict(macros or {})
    for source in sources:
        known |= macros_of(source.definitions)
    named: dict[str, list[tuple[Source, Definition]]] = {}
    for source in sources:
        for definition in source.definitions:
            for name in definition.names:
                named.setdefault(name, []).append((source, definition))
    foreign = {
        id(definition): _foreign(definition, served, known)
        for source in sources
        for definition in source.definitions
    }
    # A driver that no table of ours is in was chosen for another reason: then nothing is left out.
    if not any(own for _, own in foreign.values()):
        foreign = dict.fromkeys(foreign, ((), False))
    uses = {
        id(definition): _uses(definition, foreign[id(definition)][0]) - set(definition.names)
        for source in sources
        for definition in source.definitions
    }
    whole = {
        id(definition): _uses(definition, ()) - set(definition.names)
        for source in sources
        for definition in source.definitions
    }
    used_at_all = frozenset().union(*whole.values()) if whole else frozenset()
    waiting = [
        definition
        for source in sources
        for definition in source.definitions
        if _is_root(definition, used_at_all, served)
    ]
    reached: set[int] = set()
    while waiting:
        definition = waiting.pop()
        if id(definition) in reached:
            continue
        reached.add(id(definition))
        waiting += [other for name in uses[id(definition)] for _, other in named.get(name, ())]
    ours: dict[str, list[tuple[int, int]]] = {}
    others: dict[str, list[tuple[int, int]]] = {}
    for source in sources:
        for definition in source.definitions:
            entries = foreign[id(definition)][0]
            if id(definition) not in reached:
                others.setdefault(source.path, []).append((definition.first, definition.last))
                continue
            taken = {line for entry in entries for line in range(entry.first, entry.last + 1)}
            shared = _shared_lines(definition, entries)
            for entry in entries:
                others.setdefault(source.path, []).append((entry.first, entry.last))
            ours.setdefault(source.path, []).extend(
                (line, line)
                for line in range(definition.first, definition.last + 1)
                if line not in taken or line in shared
            )
    return Reach(ours, others)


def _shared_lines(definition: Definition, entries: Sequence[Part]) -> set[int]:
    """Lines on which an entry of ours stands beside one of others, as `}, {` is."""
    own = [entry for entry in definition.entries() if entry not in entries]
    edges = {line for entry in entries for line in (entry.first, entry.last)}
    inner = {token.line for entry in own for token in entry.tokens[1:-1]}
    return edges & inner


def _is_root(definition: Definition, used: frozenset[str], served: Served) -> bool:
    if served.calls:
        return any(f"sys:{call}" in definition.names for call in served.calls)
    if not definition.names:
        return True
    return not definition.static or not any(name in used for name in definition.names)


def _uses(definition: Definition, without: Sequence[Part]) -> frozenset[str]:
    if not without:
        return uses_of(definition.tokens)
    dropped = {id(token) for part in without for token in part.tokens}
    return uses_of(token for token in definition.tokens if id(token) not in dropped)


def _foreign(
    definition: Definition, served: Served, macros: Mapping[str, str]
) -> tuple[tuple[Part, ...], bool]:
    """(the entries of others in a table, whether an entry of ours is in it)."""
    others: list[Part] = []
    own = False
    for entry in definition.entries():
        ours = _is_ours(entry, served, macros)
        if ours is False:
            others.append(entry)
        own = own or ours is True
    return tuple(others), own or any(f"sys:{call}" in definition.names for call in served.calls)


def _is_ours(entry: Part, served: Served, macros: Mapping[str, str]) -> bool | None:
    """Whether a table's entry is for one of ours; None where it does not say whom it is for."""
    texts = [token.text for token in entry.tokens]
    compatibles = [
        texts[index + 2].strip('"')
        for index, text in enumerate(texts[:-2])
        if text == "compatible" and texts[index + 1] == "="
    ]
    if compatibles and served.compatibles:
        return any(compatible in served.compatibles for compatible in compatibles)
    if served.phy_ids and (identity := _number_behind(texts, "phy_id", macros)) is not None:
        mask = _number_behind(texts, "phy_id_mask", macros)
        mask = _WHOLE_MASK if mask is None else mask
        return any((identity ^ ours) & mask == 0 for ours in served.phy_ids)
    return None


def _number_behind(texts: Sequence[str], name: str, macros: Mapping[str, str]) -> int | None:
    """The number of `.NAME = VALUE`, where it is one or a macro for one."""
    for index, text in enumerate(texts[:-2]):
        if text == name and texts[index + 1] == "=":
            return _number(macros.get(texts[index + 2], texts[index + 2]))
        if name == "phy_id" and text.startswith("PHY_ID_MATCH_") and texts[index + 1] == "(":
            return _number(macros.get(texts[index + 2], texts[index + 2]))
    return None


def _number(text: str) -> int | None:
    try:
        return int(text.rstrip("uUlL"), 0)
    except ValueError:
        return None
