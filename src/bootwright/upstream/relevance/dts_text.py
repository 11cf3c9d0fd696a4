"""Devicetree sources as far as a change needs them: which node a line is in, and what refers to what.

The form: Devicetree Specification v0.4, chapter 6 (DTS), with the preprocessor's lines passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import define, field, frozen

_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|/\*.*?(?:\*/|\Z)|//[^\n]*', re.DOTALL)
_HEAD = re.compile(
    r"^(?:/omit-if-no-ref/\s*)?(?P<labels>(?:[A-Za-z_]\w*\s*:\s*)*)"
    r"(?P<name>&\{[^}]*\}|&?[A-Za-z0-9,._+\-@#?/]+)$"
)
_INCLUDE = re.compile(r'^\s*(?:#\s*include|/include/)\s*(?:"([^"\n]+)"|<([^>\n]+)>)', re.MULTILINE)
_DIRECTIVE = re.compile(
    r"^[ \t]*#[ \t]*(?:include|define|undef|if|ifdef|ifndef|else|elif|endif|error)\b(?:\\\n|[^\n])*",
    re.MULTILINE,
)
_REFERENCE = re.compile(r"&(?:\{(/[^}\s]*)\}|([A-Za-z_]\w*))")
_COMPATIBLE = re.compile(r'"([^"]*)"')
_PIECE = re.compile(r'"(?:\\.|[^"\\])*"|[{};]|[^{};"]+')


@define
class DtsNode:
    """A node as it stands in one file."""

    name: str
    """`ethernet@40100000`; `&label` where it adds to one that stands elsewhere; `/` of the root."""
    labels: tuple[str, ...]
    parent: int | None
    first: int
    last: int
    own_lines: set[int] = field(factory=set)
    """Lines of its own properties, and its first and last one."""
    references: set[str] = field(factory=set)
    """Labels that its own properties refer to."""
    compatibles: tuple[str, ...] = ()
    properties: dict[str, str] = field(factory=dict)
    """Its own properties in this place → their values as written, spaces made one."""


@frozen
class DtsFile:
    """One file."""

    path: str
    nodes: tuple[DtsNode, ...]
    includes: tuple[tuple[int, str], ...]
    """(line, name) of what it includes."""
    code_lines: frozenset[int]
    """Lines with anything but comments and spaces."""

    def innermost(self, line: int) -> int | None:
        """The index of the node that a line is in; None outside of all."""
        best: int | None = None
        for index, node in enumerate(self.nodes):
            if node.first <= line <= node.last and (best is None or node.first >= self.nodes[best].first):
                best = index
        return best


def without_comments(text: str) -> str:
    """The text with comments made empty, line for line."""
    return _COMMENT.sub(
        lambda match: match[0] if match[0].startswith('"') else "\n" * match[0].count("\n") or " ", text
    )


def read_dts(path: str, text: str) -> DtsFile:
    """Read one file, or a part of one: brackets that are closed without being opened are passed over."""
    text = without_comments(text)
    code = frozenset(number for number, line in enumerate(text.split("\n"), 1) if line.strip())
    includes = tuple(
        (
            text.count("\n", 0, match.start(0) + len(match[0]) - len(match[0].lstrip())) + 1,
            match[1] or match[2],
        )
        for match in _INCLUDE.finditer(text)
    )
    text = _DIRECTIVE.sub(lambda match: "\n" * match[0].count("\n"), text)
    nodes: list[DtsNode] = []
    stack: list[int] = []
    statement, begun, line = "", 1, 1
    for match in _PIECE.finditer(text):
        piece = match[0]
        if piece == "{":
            head = _HEAD.match(" ".join(statement.split()))
            labels = (
                tuple(label.strip() for label in head["labels"].split(":") if label.strip()) if head else ()
            )
            node = DtsNode(head["name"] if head else "", labels, stack[-1] if stack else None, begun, line)
            node.own_lines |= {begun, line}
            nodes.append(node)
            stack.append(len(nodes) - 1)
            statement = ""
        elif piece == "}":
            if stack:
                nodes[stack[-1]].last = line
                nodes[stack.pop()].own_lines.add(line)
            statement = ""
        elif piece == ";":
            if stack and statement.strip():
                _property(nodes[stack[-1]], statement, begun, line)
            statement = ""
        else:
            if not statement.strip():
                blank = len(piece) - len(piece.lstrip()) if not piece.startswith('"') else 0
                begun = line + piece[:blank].count("\n")
                statement = ""
            statement += piece
        line += piece.count("\n")
    last = text.count("\n") + 1
    for index in stack:
        nodes[index].last = last
    return DtsFile(path, tuple(nodes), includes, code)


def _property(node: DtsNode, statement: str, first: int, last: int) -> None:
    node.own_lines |= set(range(first, last + 1))
    name, sign, value = (part.strip() for part in statement.partition("="))
    deleted = name.removeprefix("/delete-property/").strip()
    node.properties[deleted] = " ".join(value.split()) if sign else "deleted" if deleted != name else "set"
    if name == "compatible":
        node.compatibles = tuple(_COMPATIBLE.findall(statement))
    elif name not in {"interrupt-parent"}:
        node.references |= {match[2] for match in _REFERENCE.finditer(statement) if match[2]}


@define
class DtsGroup:
    """A board's devicetree source with all that it includes."""

    files: Mapping[str, DtsFile]
    _ours: dict[tuple[str, int], str] = field(factory=dict, init=False)

    def ours(
        self,
        names: frozenset[str],
        goal_names: frozenset[str],
        labels: frozenset[str],
        compatibles: frozenset[str],
    ) -> Mapping[tuple[str, int], str]:
        """(file, index of a node) → why it is one of ours.

        `names` are of the nodes on the way, `goal_names` of the devices themselves. Where no node of a
        compatible has such a name or label, every node with it is meant: trees differ in their addresses.
        """
        if self._ours:
            return self._ours
        every = {
            (path, index): node for path, file in self.files.items() for index, node in enumerate(file.nodes)
        }
        defined = {label: place for place, node in every.items() for label in node.labels}
        chosen: dict[tuple[str, int], str] = {}
        for place, node in every.items():
            if node.name in names:
                chosen[place] = node.name
            elif named := labels.intersection(node.labels):
                chosen[place] = f"&{min(named)}"
        for compatible in compatibles:
            having = [place for place, node in every.items() if compatible in node.compatibles]
            if having and not any(place in chosen for place in having):
                chosen |= dict.fromkeys(having, compatible)
        self._grow(every, defined, chosen, goal_names)
        self._ours = chosen
        return chosen

    def _grow(
        self,
        every: Mapping[tuple[str, int], DtsNode],
        defined: Mapping[str, tuple[str, int]],
        chosen: dict[tuple[str, int], str],
        goal_names: frozenset[str],
    ) -> None:
        """Add what adds to these, what is above them, below the goal, and what they refer to."""

        def same(place: tuple[str, int]) -> list[tuple[str, int]]:
            labels = set(every[place].labels)
            if every[place].name.startswith("&"):
                labels.add(every[place].name[1:])
            return [
                other
                for other, node in every.items()
                if labels.intersection(node.labels) or (node.name.startswith("&") and node.name[1:] in labels)
            ]

        first = dict(chosen)
        waiting = list(first)
        while waiting:  # what adds to them and what is above
            place = waiting.pop()
            path, node = place[0], every[place]
            above = [(path, node.parent)] if node.parent is not None else self._around(path)
            for other in [*same(place), *above]:
                if other not in chosen and every[other].name != "/":
                    chosen[other] = f"{every[other].name.strip('&')}, with {chosen[place]}"
                    waiting.append(other)
        goals = {place for place, why in chosen.items() if why in goal_names}
        goals |= {other for place in goals for other in same(place)}
        for place, node in every.items():
            parent = (place[0], node.parent) if node.parent is not None else None
            if parent in goals:
                goals.add(place)
                chosen.setdefault(place, f"{node.name}, in {every[parent].name}")
        references = {
            label: why for place, why in list(chosen.items()) if place in first or place in goals or
            every[place].name.startswith("&") for label in every[place].references
        }  # fmt: skip
        for label, why in references.items():
            target = defined.get(label)
            if target is not None and target not in chosen:
                for other in [target, *same(target)]:
                    chosen.setdefault(other, f"&{label}, of {why}")

    def _around(self, path: str) -> list[tuple[str, int]]:
        """The nodes in whose braces a file is included: its outermost nodes are below them."""
        base = path.rpartition("/")[2]
        return [
            (other, index)
            for other, file in self.files.items()
            for line, name in file.includes
            if other != path
            and name.rpartition("/")[2] == base
            and (index := file.innermost(line)) is not None
        ]
