"""C source as a list of top-level definitions, of which a program takes those that it needs.

Written for the sources in `probes/`, which hold plain C: no macros that open or close braces, no conditional
compilation outside a function, no definitions in K&R form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from attrs import frozen

_COMMENT_OR_STRING = re.compile(
    r"""(?P<comment>/\*.*?\*/)|(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""", re.DOTALL
)
_TOKEN = re.compile(
    _COMMENT_OR_STRING.pattern + r"""|(?P<directive>(?<![^\n])\#(?:\\\n|/\*.*?\*/|[^\n])*)|(?P<mark>[{};])""",
    re.DOTALL,
)
_REST_OF_LINE = re.compile(r"[ \t]*(?:/\*[^\n]*?\*/)?[ \t]*(?:\n|\Z)")
_WORD = re.compile(r"[A-Za-z_]\w*")


@frozen
class Definition:
    """One thing that a file defines at its top level."""

    text: str
    """As it stands in the file, with the comment before it."""
    names: frozenset[str]
    """What it defines: a function, variables, a structure (as `struct NAME`), a macro, an enum's names."""
    uses: frozenset[str]
    """Every name in it, structures also as `struct NAME`."""


def definitions(source: str) -> list[Definition]:
    """What a file defines, in its order. Includes and declarations of functions are left out."""
    definitions: list[Definition] = []
    depth = start = 0
    text_end = 0
    for token in _TOKEN.finditer(source):
        if token.start() < text_end:
            continue
        if token["directive"] and depth == 0:
            end = token.end()
        elif token["mark"] == "{":
            depth += 1
            continue
        elif token["mark"] == "}" and depth:
            depth -= 1
            if depth or not _is_function(source[start : token.end()]):
                continue
            end = token.end()
        elif token["mark"] == ";" and depth == 0:
            end = token.end()
        else:
            continue
        rest = _REST_OF_LINE.match(source, end)
        text_end = rest.end() if rest else end
        definition = _definition(source[start:text_end])
        start = text_end
        if definition is not None:
            definitions.append(definition)
    return definitions


def needed(wanted: Iterable[str], available: Sequence[Definition]) -> list[Definition]:
    """Those that define the wanted names, and what these need in turn, in the order given."""
    by_name = {name: definition for definition in available for name in definition.names}
    taken: set[Definition] = set()
    open_names = list(wanted)
    while open_names:
        definition = by_name.get(open_names.pop())
        if definition is not None and definition not in taken:
            taken.add(definition)
            open_names += definition.uses
    return [definition for definition in available if definition in taken]


def file_comment(source: str) -> str:
    """The text of the comment that a file begins with, without its frame."""
    match = re.match(r"\s*/\*(.*?)\*/", source, re.DOTALL)
    lines = [line.strip().removeprefix("*").strip() for line in (match[1] if match else "").splitlines()]
    return "\n".join(line for line in lines if not line.startswith("SPDX-")).strip()


def _definition(text: str) -> Definition | None:
    # A comment that a blank line follows is about the file, not about what comes next.
    text = re.sub(r"\A(?:\s*/\*(?:(?!\*/).)*\*/[ \t]*\n[ \t]*\n)+", "", text, flags=re.DOTALL).strip("\n")
    bare = _bare(text)
    uses = {*_WORD.findall(bare), *(f"struct {name}" for name in re.findall(r"\bstruct (\w+)", bare))}
    names = _names(bare.strip())
    return Definition(text, frozenset(names), frozenset(uses - names)) if names else None


def _bare(text: str) -> str:
    """Without comments, and with empty strings."""

    def instead(token: re.Match[str]) -> str:
        return " " if token["comment"] else '""' if token["string"] else token[0]

    return _COMMENT_OR_STRING.sub(instead, text)


def _is_function(text: str) -> bool:
    return _outside_braces(_bare(text)).rstrip().endswith(")")


def _outside_braces(bare: str) -> str:
    kept, depth = [], 0
    for char in bare:
        depth += (char == "{") - (char == "}")
        if depth == 0 and char != "}":
            kept.append(char)
    return "".join(kept)


def _names(bare: str) -> set[str]:
    if bare.startswith("#"):
        macro = re.match(r"#\s*define\s+(\w+)", bare)
        return {macro[1]} if macro else set()
    outside = _outside_braces(bare)
    if match := re.match(r"enum\b\s*\w*\s*\{(.*)\}", bare, re.DOTALL):
        return set(re.findall(r"(\w+)\s*(?:=[^,]*)?(?:,|\Z)", match[1].strip()))
    if match := re.match(r"struct (\w+)\s*;?\s*\Z", outside):
        return {f"struct {match[1]}"} if "{" in bare else set()
    if _is_function(bare):
        function = re.search(r"(\w+)\s*\(", re.sub(r"__attribute__\s*\(\(.*?\)\)", "", outside))
        return {function[1]} if function else set()
    if "(" in outside.partition("=")[0]:  # declares a function
        return set()
    return set(re.findall(r"(\w+)\s*(?:\[[^\]]*\]\s*)*(?:[=;,]|\Z)", outside))
