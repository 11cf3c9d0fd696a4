"""C source as far as a change needs it: what is code at all, which definition a line is in, what uses what.

It is no parser of C: it splits a file's tokens into top-level definitions by their brackets, and takes an
identifier for a use of the definition of that name. What it cannot read (an unbalanced bracket behind an
`#if`) makes definitions larger, never smaller, so that a change is named rather than missed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import field, frozen

_TOKEN = re.compile(
    r"""
    (?P<comment>/\*.*?(?:\*/|\Z)|//[^\n]*)
  | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`[^`]*`)
  | (?P<directive>^[ \t]*\#(?:\\\r?\n|/\*.*?\*/|[^\n])*)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<number>\.?\d[\w.]*)
  | (?P<mark>->|[^\s\w])
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_OPENING, _CLOSING = "([{", ")]}"
_PRINTING = re.compile(
    r"(?:\w*_)?(?:printk|pr_(?:emerg|alert|crit|err|warn|notice|info|debug|cont|devel)|warn_once|WARN|panic)"
    r"(?:_once|_ratelimited)?"
    r"|(?:dev|netdev|netif|phydev|pci|sdev|drm)_(?:emerg|alert|crit|err|warn|notice|info|dbg|err_probe|warn_probe)"
    r"(?:_once|_ratelimited)?"
    r"|seq_(?:puts|printf)|NL_SET_ERR_MSG\w*|MODULE_(?:DESCRIPTION|AUTHOR|PARM_DESC|LICENSE)"
)
"""Calls whose text is for people: include/linux/printk.h, dev_printk.h, netdevice.h, module.h, Linux 6.18."""
_KEYWORDS = frozenset(
    {
        *("static", "const", "struct", "union", "enum", "unsigned", "signed", "int", "char", "long", "short"),
        *("void", "bool", "inline", "extern", "volatile", "__init", "__exit", "typedef", "u8", "u16", "u32"),
        *("u64", "if", "else", "for", "while", "return", "sizeof", "switch", "case", "break"),
    }
)
_SYSCALL = re.compile(r"(?:COMPAT_)?SYSCALL_DEFINE\d")
_FILE_LIMIT = 4 << 20
"""Characters; larger sources are tables that a program wrote."""


@frozen
class Token:
    """One token that the compiler sees."""

    text: str
    line: int
    """From 1."""
    kind: str


@frozen
class Part:
    """A brace group of an initialiser: an entry of a table, or the one of a structure."""

    first: int
    last: int
    tokens: tuple[Token, ...] = field(repr=False)


@frozen
class Definition:
    """Something at the top level of a file: a function, a variable, a type, a macro."""

    names: tuple[str, ...]
    """What it is called by; empty of a macro's call such as `module_init(x)`. A system call is `sys:NAME`."""
    first: int
    last: int
    """Its lines, from 1."""
    static: bool
    tokens: tuple[Token, ...] = field(repr=False)

    def entries(self) -> tuple[Part, ...]:
        """The brace groups directly inside the initialiser of a table."""
        return tuple(_entries(self.tokens))


def tokens_of(text: str) -> list[Token]:
    """Everything that is no comment and no space, in order; texts that are only printed are left out."""
    tokens: list[Token] = []
    line, at = 1, 0
    printing = 0
    """Depth of brackets inside a call that prints; 0 outside of one."""
    for match in _TOKEN.finditer(text[:_FILE_LIMIT]):
        line += text.count("\n", at, match.start())
        at = match.start()
        kind, body = match.lastgroup or "", match[0]
        if kind == "comment":
            continue
        if printing:
            printing += body in _OPENING
            printing -= body in _CLOSING
            if kind == "string":
                continue
            if printing == 1 and body == ")":
                printing = 0
        elif body == "(" and tokens and _PRINTING.fullmatch(tokens[-1].text):
            printing = 2
        if kind == "directive":
            tokens += _directive(body, line)
            continue
        tokens.append(Token(body, line, kind))
    return tokens


def _directive(body: str, line: int) -> Iterator[Token]:
    """A directive as one token that says what it is, followed by the tokens of its text."""
    words = body.replace("\\\n", " ").strip().lstrip("#").strip()
    name, _, rest = words.partition(" ")
    yield Token(f"#{name}", line, "directive")
    lines = body.count("\n")
    for match in _TOKEN.finditer(rest):
        if match.lastgroup not in {"comment", "directive"}:
            yield Token(match[0], line, f"#{match.lastgroup}")
    yield Token("", line + lines, "directive-end")


def definitions_of(tokens: Sequence[Token]) -> list[Definition]:
    """The file's definitions, in order. Directives other than `#define` belong to none."""
    made: list[Definition] = []
    item: list[Token] = []
    depth = 0
    saved: list[int] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token.kind == "directive":
            end = position + 1
            while tokens[end].kind != "directive-end":
                end += 1
            inside = tokens[position + 1 : end]
            if token.text == "#define" and inside:
                made.append(
                    Definition(
                        (inside[0].text,), token.line, tokens[end].line, static=True, tokens=tuple(inside)
                    )
                )
            elif token.text.startswith("#if"):
                saved.append(depth)
            elif token.text in {"#else", "#elif"} and saved:
                depth = saved[-1]  # of two alternatives one is compiled
            elif token.text == "#endif" and saved:
                saved.pop()
            position = end + 1
            continue
        if token.text in _OPENING:
            depth += 1
        elif token.text in _CLOSING:
            depth = max(0, depth - 1)
        item.append(token)
        position += 1
        if depth == 0 and _ends(item, tokens[position] if position < len(tokens) else None):
            made.append(_definition(item))
            item = []
    if item:
        made.append(_definition(item))
    return made


def _ends(item: Sequence[Token], following: Token | None) -> bool:
    """Whether a top-level item is complete."""
    last = item[-1].text
    if last == ";":
        return True
    if last == "}":
        texts = [token.text for token in item]
        if following is not None and following.text in {";", ",", "="}:
            return False
        head = texts[: texts.index("{")] if "{" in texts else texts
        is_type = texts[0] in {"struct", "union", "enum", "typedef"} and "(" not in head
        return not ("=" in head or is_type)
    # A macro's call without a semicolon, and then something new at the beginning of a line.
    return (
        last == ")"
        and len(item) > 2
        and item[1].text == "("
        and following is not None
        and following.line > item[-1].line
        and following.text != "{"
        and following.kind == "word"
    )


def _definition(item: Sequence[Token]) -> Definition:
    texts = [token.text for token in item]
    names: list[str] = []
    if _SYSCALL.fullmatch(texts[0]) and len(texts) > 2:
        names.append(f"sys:{texts[2]}")
    elif texts[0] in {"struct", "union", "enum"} and len(texts) > 2 and texts[2] in {"{", ";"}:
        names.append(texts[1])
    else:
        names += _name(item)
    if "enum" in texts[:2] and "{" in texts:
        begin = texts.index("{")
        names += [
            token.text
            for before, token in zip(item[begin:], item[begin + 1 :], strict=False)
            if token.kind == "word" and before.text in {"{", ","}
        ]
    return Definition(tuple(names), item[0].line, item[-1].line, static="static" in texts, tokens=tuple(item))


def _name(item: Sequence[Token]) -> list[str]:
    """The name of a function or variable: the last word before `(`, `=`, `[`, `;` that is no keyword."""
    depth = 0
    last = ""
    for token in item:
        if depth == 0 and token.text in {"(", "=", "[", ";", "{"} and last:
            if token.text == "(" and token is item[1] if len(item) > 1 else False:
                return []  # MODULE_DEVICE_TABLE(of, table);
            return [last]
        if token.text in _OPENING:
            depth += 1
        elif token.text in _CLOSING:
            depth -= 1
        elif depth == 0 and token.kind == "word" and token.text not in _KEYWORDS:
            last = token.text
    return [last] if last else []


def _entries(tokens: Sequence[Token]) -> Iterator[Part]:
    depth = 0
    start: int | None = None
    assigned = False
    for index, token in enumerate(tokens):
        assigned = assigned or (token.text == "=" and depth == 0)
        if token.text in _OPENING:
            depth += 1
            if depth == 2 and token.text == "{" and assigned:
                start = index
        elif token.text in _CLOSING:
            depth -= 1
            if depth == 1 and start is not None and token.text == "}":
                yield Part(tokens[start].line, token.line, tuple(tokens[start : index + 1]))
                start = None


def uses_of(tokens: Iterable[Token]) -> frozenset[str]:
    """The identifiers that may name definitions: not the members behind `.` and `->`."""
    used: set[str] = set()
    before = ""
    for token in tokens:
        if token.kind in {"word", "#word"} and before not in {".", "->"}:
            used.add(token.text)
        before = token.text
    return frozenset(used)


def macros_of(definitions: Iterable[Definition]) -> Mapping[str, str]:
    """Macro → its text, of those without arguments and with one token."""
    return {
        definition.names[0]: definition.tokens[1].text
        for definition in definitions
        if len(definition.tokens) == 2 and definition.tokens[0].kind == "#word"
    }
