"""The Kconfig files of a tree: which options there are, and what each depends on.

Grammar: Documentation/kbuild/kconfig-language.rst (Linux 6.12; `transitional` of 6.18). It is read to explain
why an option did not stick, never to decide a value: that is the tree's own `conf`. Help texts, macros'
definitions and what they expand to are passed over.

kconfiglib, which reads these files too, has had no release since 2020 and stops at the macros, choices and
keywords that came since.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import define, field, frozen

from bootwright.foundation.errors import Missing
from bootwright.workshop.configuring.expression import All, Atom, Expression, NotRead, parse, symbols

_MOST_BYTES = 4 << 20
_MOST_FILES = 20_000
_MOST_DEPTH = 64
_TYPES = ("bool", "tristate", "string", "int", "hex")


@frozen
class Place:
    """A line of a Kconfig file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@frozen
class Selection:
    """`select` of an option by another."""

    by: str
    condition: Expression | None
    """Of the selection itself; the selecting option's own value counts too."""
    place: Place


@define
class Choice:
    """Options of which one is on."""

    prompt: str
    place: Place
    members: list[str] = field(factory=list)


@define
class Definition:
    """One place where an option is defined."""

    place: Place
    depends: list[Expression]
    """Its own conditions, and those of every menu, `if` and choice around it."""
    prompt: str | None = None
    visible: list[Expression] = field(factory=list)
    """Conditions of the prompt alone."""
    choice: Choice | None = None
    macros: bool = False
    """Whether a default hangs on a macro, such as what the compiler can do."""
    defaults: list[Expression] = field(factory=list)
    """What defaults are, and their conditions."""
    range: tuple[str, str] | None = None


@define
class Option:
    """An option, by its name without `CONFIG_`."""

    name: str
    type: str = ""
    """`bool`, `tristate`, `string`, `int`, `hex`; empty where no line says."""
    definitions: list[Definition] = field(factory=list)
    selected: list[Selection] = field(factory=list)

    @property
    def has_prompt(self) -> bool:
        """Whether somebody can ask for it; else only defaults and selections set it."""
        return any(definition.prompt is not None for definition in self.definitions)

    @property
    def by_machine(self) -> bool:
        """Whether the programs of the machine that builds decide it, rather than who configures."""
        return not self.has_prompt and any(definition.macros for definition in self.definitions)


@frozen
class Options:
    """All options of a tree for one architecture."""

    by_name: Mapping[str, Option]
    unread: tuple[Place, ...]
    """Lines that are of no known form: what they say is missing from every explanation."""

    def decided_by_machine(self, name: str) -> bool:
        """Whether programs decide an option that nobody can ask for: itself, or by what its defaults name."""
        waiting, seen = [name], set()
        while waiting:
            option = self.by_name.get(waiting.pop())
            if option is None or option.name in seen or option.has_prompt:
                continue
            if option.by_machine:
                return True
            seen.add(option.name)
            for definition in option.definitions:
                for expression in definition.defaults:
                    waiting += symbols(expression)
        return False


def read_kconfig(tree: Path, architecture: str = "arm64") -> Options:
    """The options of the kernel tree in a folder; raises `Missing` where it has no Kconfig."""
    if not (tree / "Kconfig").is_file():
        raise Missing(f"{tree} has no Kconfig", hint="give a whole kernel tree")
    reader = _Reader(tree.resolve(), architecture)
    reader.read("Kconfig", _Block([], []), 0)
    return Options(reader.options, tuple(reader.unread))


@define
class _Block:
    """What is around the lines being read."""

    depends: list[Expression]
    visible: list[Expression]
    choice: Choice | None = None


@define
class _Reader:
    tree: Path
    architecture: str
    options: dict[str, Option] = field(factory=dict)
    unread: list[Place] = field(factory=list)
    _files: int = 0

    def read(self, name: str, block: _Block, depth: int) -> None:
        """Read a file in the place of the line that names it."""
        if "\0" in name:
            return
        path = (self.tree / name).resolve()
        self._files += 1
        if depth > _MOST_DEPTH or self._files > _MOST_FILES or not path.is_relative_to(self.tree):
            return
        try:
            with path.open("rb") as file:
                text = file.read(_MOST_BYTES).decode("utf-8", "replace")
        except OSError:
            return  # Kbuild's own parser stops there; what is missing is missing from explanations too
        self._lines(_Lines(name, text), block, depth)

    def _lines(self, lines: _Lines, outermost: _Block, depth: int) -> None:
        blocks = [outermost]
        entry: Definition | None = None
        option: Option | None = None
        for place, word, rest in lines:
            block = blocks[-1]
            if word in {"config", "menuconfig"}:
                option = self.options.setdefault(rest, Option(rest))
                entry = Definition(place, [*block.depends], visible=[*block.visible], choice=block.choice)
                option.definitions.append(entry)
                if block.choice is not None:
                    block.choice.members.append(rest)
            elif word in {"menu", "choice", "if"}:
                blocks.append(self._opened(word, rest, place, block))
                entry = option = None
            elif word in {"endmenu", "endchoice", "endif"}:
                if len(blocks) > 1:
                    blocks.pop()
                entry = option = None
            elif word in {"source", "rsource", "osource", "orsource"}:
                self._source(word, rest, lines.name, block, depth)
                entry = option = None
            elif word in {"comment", "mainmenu"}:
                # What follows a comment is its own, and says nothing of an option.
                entry, option = Definition(place, []), None
            elif entry is not None and option is not None:
                self._attribute(option, entry, place, word, rest)
            elif entry is None:
                self._of_block(block, place, word, rest)

    def _opened(self, word: str, rest: str, place: Place, block: _Block) -> _Block:
        inner = _Block([*block.depends], [*block.visible], block.choice)
        if word == "if":
            inner.depends += self._conditions(rest, place)
        elif word == "choice":
            inner.choice = Choice("", place)
        return inner

    def _source(self, word: str, rest: str, here: str, block: _Block, depth: int) -> None:
        name = rest.strip("\"'")
        for variable in ("$(SRCARCH)", "$SRCARCH", "${SRCARCH}"):
            name = name.replace(variable, self.architecture)
        name = name.replace("$(srctree)/", "")
        if word.startswith(("r", "or")) and word != "osource":
            name = str(Path(here).parent / name)
        self.read(name, block, depth + 1)

    def _of_block(self, block: _Block, place: Place, word: str, rest: str) -> None:
        """A line of a menu or choice itself, before its first option."""
        if word == "depends":
            block.depends += self._conditions(rest.removeprefix("on").strip(), place)
        elif word == "visible":
            block.visible += self._conditions(rest.removeprefix("if").strip(), place)
        elif word in {"prompt", "bool", "tristate"} and block.choice is not None:
            prompt, condition = _prompt(rest)
            block.choice.prompt = block.choice.prompt or prompt or ""
            if condition:
                block.visible += self._conditions(condition, place)
        elif word not in _PASSED:
            self.unread.append(place)

    def _attribute(self, option: Option, entry: Definition, place: Place, word: str, rest: str) -> None:
        if word in _TYPES or word == "prompt":
            option.type = option.type or (word if word in _TYPES else "")
            prompt, condition = _prompt(rest)
            if prompt is not None:
                entry.prompt = prompt
                if condition:
                    entry.visible += self._conditions(condition, place)
        elif word in {"def_bool", "def_tristate", "default"}:
            if word != "default":
                option.type = option.type or word.removeprefix("def_")
            entry.macros = entry.macros or "$(" in rest
            for part in rest.split(" if "):
                entry.defaults += self._conditions(part, place)
        elif word == "depends":
            conditions = self._conditions(rest.removeprefix("on").strip(), place)
            entry.depends += conditions
            entry.macros = entry.macros or "$(" in rest
        elif word == "select":
            target, _, condition = rest.partition(" if ")
            conditions = self._conditions(condition, place) if condition else []
            chosen = self.options.setdefault(target.strip(), Option(target.strip()))
            chosen.selected.append(Selection(option.name, conditions[0] if conditions else None, place))
        elif word == "range":
            bounds = rest.partition(" if ")[0].split()
            if len(bounds) == 2:
                entry.range = (bounds[0], bounds[1])
        elif word not in _PASSED:
            self.unread.append(place)

    def _conditions(self, text: str, place: Place) -> list[Expression]:
        try:
            return list(_flat(parse(text)))
        except NotRead:
            self.unread.append(place)
            return []


# Words that say nothing of why an option can or cannot be on.
_PASSED = frozenset(
    {"help", "default", "imply", "optional", "option", "modules", "transitional", "range", "select"}
)


def _flat(expression: Expression) -> Iterator[Expression]:
    if isinstance(expression, All):
        for part in expression.of:
            yield from _flat(part)
    elif expression != Atom("y"):
        yield expression


_PROMPT = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*(?:if\s+(.*))?""")


def _prompt(rest: str) -> tuple[str | None, str]:
    match = _PROMPT.fullmatch(rest)
    return (match[1][1:-1], match[2] or "") if match is not None else (None, "")


class _Lines:
    """The lines of a file that mean something: place, first word, rest. Help texts are left out."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = text.split("\n")

    def __iter__(self) -> Iterator[tuple[Place, str, str]]:
        at = 0
        while at < len(self._lines):
            first = at
            line = self._lines[at]
            at += 1
            while line.endswith("\\") and at < len(self._lines):
                line = f"{line[:-1]} {self._lines[at].strip()}"
                at += 1
            words = _without_comment(line).split(None, 1)
            if not words:
                continue
            word, rest = words[0], words[1].strip() if len(words) > 1 else ""
            if word in {"help", "---help---"}:
                at = self._behind_help(at)
                continue
            if re.match(r"[\w-]+\s*(:=|\+=|=)", line.strip()) or line.lstrip().startswith("$("):
                continue  # a macro
            yield Place(self.name, first + 1), word, rest

    def _behind_help(self, at: int) -> int:
        """A help text ends at the first line that is indented less than its first one."""
        indent: int | None = None
        while at < len(self._lines):
            line = self._lines[at].expandtabs(8)
            if line.strip():
                depth = len(line) - len(line.lstrip())
                if indent is None:
                    if depth == 0:
                        return at
                    indent = depth
                elif depth < indent:
                    return at
            at += 1
        return at


def _without_comment(line: str) -> str:
    quote = ""
    for at, char in enumerate(line):
        if quote:
            quote = "" if char == quote and line[at - 1] != "\\" else quote
        elif char in "\"'":
            quote = char
        elif char == "#":
            return line[:at]
    return line
