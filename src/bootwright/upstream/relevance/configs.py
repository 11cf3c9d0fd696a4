"""Kconfig, Makefiles and configurations as far as a change needs them: options and objects it is about.

The forms: Documentation/kbuild/kconfig-language.rst and makefiles.rst;
scripts/kconfig/confdata.c, Linux 6.18.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_ENTRY = re.compile(r"^\s*(?:menu)?config\s+(\w+)\s*$")
_TOP = re.compile(r"^\s*(?:(?:menu)?config|choice|endchoice|menu|endmenu|if|endif|source|comment|mainmenu)\b")
_HELP = re.compile(r"^\s*(?:---)?help(?:---)?\s*$")
_TEXT = re.compile(r'"(?:\\.|[^"\\])*"')
_SET = re.compile(r"^(?:(CONFIG_\w+)=(.*)|# (CONFIG_\w+) is not set)\s*$")
_DEPENDS = re.compile(r"^\s*(?:depends on|select|imply)\s+(.*)")
_WORD = re.compile(r"[A-Z][A-Z0-9_]+")
_HEAD = re.compile(r"^# Linux/(\S+) \S+ Kernel Configuration", re.MULTILINE)
_ASSIGNED = re.compile(r"^\s*([\w$()./-]+?)\s*[:+?]?=\s*(.*)$")
_OBJECT = re.compile(r"[\w./-]+\.(?:dtbo\.)?o\b")
_CONDITION = re.compile(r"\$\(CONFIG_(\w+)\)")


def kconfig_lines(text: str) -> Mapping[int, str]:
    """Line → the option it is about, of lines that decide something: no help, no comments."""
    decided: dict[int, str] = {}
    option, helps, indent = "", False, 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        expanded = line.expandtabs(8)
        here = len(expanded) - len(expanded.lstrip())
        if helps and here > indent:
            continue
        helps = False
        entry = _ENTRY.match(line)
        if entry:
            option = f"CONFIG_{entry[1]}"
        elif _TOP.match(line):
            option = ""
        elif _HELP.match(line):
            helps, indent = True, here
            continue
        if option:
            decided[number] = option
    return decided


def without_texts(line: str) -> str:
    """A line of Kconfig without what is only shown to people."""
    return " ".join(_TEXT.sub('""', line).split())


def needed_options(text: str, options: Iterable[str]) -> set[str]:
    """The options that entries of `options` in a Kconfig file depend on or select."""
    wanted, needed = set(options), set[str]()
    lines = text.split("\n")
    for number, option in kconfig_lines(text).items():
        line = lines[number - 1]
        while line.endswith("\\") and number < len(lines):
            line, number = line[:-1] + lines[number], number + 1
        match = _DEPENDS.match(line)
        if match and option in wanted:
            needed |= {f"CONFIG_{word}" for word in _WORD.findall(match[1])}
    return needed


def configuration(text: str, options: Iterable[str]) -> Mapping[str, str]:
    """What a configuration says of these options: its value, or `n` where it says that it is not set."""
    wanted = set(options)
    values: dict[str, str] = {}
    for line in text.splitlines():
        match = _SET.match(line)
        if match and (match[1] or match[3]) in wanted:
            values[match[1] or match[3]] = match[2] if match[1] else "n"
    return values


def is_setting(line: str) -> bool:
    """Whether a line is one of a configuration."""
    return _SET.match(line) is not None


def architecture(path: str, text: str) -> str | None:
    """The architecture a configuration is for, where its head or its path says it."""
    head = _HEAD.search(text[:4096])
    if head:
        return head[1]
    parts = path.split("/")
    return parts[parts.index("arch") + 1] if "arch" in parts[:-1] else None


def objects_of(makefile: str) -> tuple[Mapping[str, frozenset[str]], Mapping[str, frozenset[str]]]:
    """(object → options that it is built by, composite object → its parts), names without `.o`."""
    options: dict[str, set[str]] = {}
    parts: dict[str, set[str]] = {}
    for line in makefile.replace("\\\n", " ").splitlines():
        match = _ASSIGNED.match(line.partition("#")[0])
        if not match:
            continue
        target, names = match[1], [name[: -len(".o")] for name in _OBJECT.findall(match[2])]
        condition = _CONDITION.search(target)
        if target.startswith("obj-"):
            for name in names:
                options.setdefault(name, set()).update({f"CONFIG_{condition[1]}"} if condition else ())
        elif names and "-" in target:
            parts.setdefault(
                target.rpartition("-")[0] if not condition else target[: target.index("-$")], set()
            ).update(names)
    return (
        {name: frozenset(conditions) for name, conditions in options.items()},
        {name: frozenset(members) for name, members in parts.items()},
    )
