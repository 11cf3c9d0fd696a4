"""One step of a probe as a C program of its own, for whoever is to see what the probe saw.

The program is cut out of the very sources that the guest's init is made of: the step's function and what it
needs, the same calls with the same flags. It links with any C library, runs as a process of its own or as a
guest's init, and prints what was expected and what was seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from attrs import frozen

from bootwright.foundation.errors import Missing
from bootwright.foundation.guest import CARRIED
from bootwright.foundation.places import source_tree
from bootwright.lab.probes.c_source import Definition, definitions, file_comment, needed

GROUPS = ("mounts", "overlays")
"""Probes whose steps need nothing but the kernel: no file systems, devices or answers from outside."""

_SHARED = ("text.c", "system.c")
_OF_GUEST = frozenset({"COUNT", "TEXT", "struct text", "struct outcome", "OPEN", "OK", "NOT_OK", "SKIPPED"})
"""What of guest.h the program takes; the rest is the C library's there."""
_OF_LIBRARY = frozenset({"memset", "memcpy", "memcmp"})
_ROW = re.compile(r'\{ "(?P<name>[\w.-]+)", (?P<function>\w+), (?P<argument>NULL|"[^"]*") \}')
_PROBE = re.compile(r'^PROBE \w+ = \{ "(?P<name>[\w-]+)", \w+, \w+, (?P<seconds>\d+), \d \};', re.MULTILINE)


@frozen
class Step:
    """One step of a probe."""

    group: str
    name: str
    function: str
    """The C function that makes it."""
    argument: str
    """What it is given, as C: text in quotes, or NULL."""
    seconds: int
    """After which it is ended."""


def steps() -> list[Step]:
    """Every step that can be exported; raises `Missing` where the probes' sources are not here."""
    calls = []
    for group in GROUPS:
        probe = _PROBE.search(_read(f"{group}.c"))
        seconds = int(probe["seconds"]) if probe else 0
        calls += [Step(group, row["name"], row["function"], row["argument"], seconds) for row in rows(group)]
    return calls


def rows(group: str) -> Iterator[re.Match[str]]:
    """The rows of a probe's table of steps, with the groups `name`, `function`, `argument` (C text)."""
    return _ROW.finditer(_read(f"{group}.c"))


def program(step: Step) -> str:
    """The C program that makes `step`."""
    main = _read("export/main.c")
    library = [
        definition
        for name in ("guest.h", *_SHARED)
        for definition in definitions(_read(name))
        if not definition.names & _OF_LIBRARY and (name != "guest.h" or definition.names & _OF_GUEST)
    ]
    own = ("export/results.c", "mounts.h", "tree.c", f"{step.group}.c")
    calls = [definition for name in own for definition in definitions(_read(name))]
    used_by_main = {name for definition in definitions(main) for name in definition.uses}
    taken = needed({step.function, *used_by_main}, [*library, *calls])
    called = f"{step.function}(outcome, {step.argument})"
    parts = [
        _introduction(step, file_comment(_read(f"{step.group}.c"))),
        _read("export/start.c").strip(),
        *_texts(taken),
        f'#define STEP_NAME "{step.name}"\n#define STEP_SECONDS {step.seconds}',
        f"static void step(struct outcome *outcome)\n{{\n\t{called};\n}}",
        main.strip(),
    ]
    return "\n\n".join(parts) + "\n"


def _texts(taken: Sequence[Definition]) -> list[str]:
    """One part for each; lines that belong together, such as macros, in one."""
    parts: list[str] = []
    for definition in taken:
        single = "\n" not in definition.text
        if parts and single and "\n}" not in parts[-1]:
            parts[-1] += f"\n{definition.text}"
        else:
            parts.append(definition.text)
    return parts


def _introduction(step: Step, about: str) -> str:
    lines = [
        f"{step.name}: one step of bootwright's probe `{step.group}`.",
        "",
        *about.splitlines(),
        "",
        "Build and run on 64-bit Linux; root is not needed where user namespaces are allowed:",
        f"    cc -o {step.name} {step.name}.c && ./{step.name}",
        "For another machine, or as the init of a guest (which it then powers off):",
        f"    aarch64-linux-gnu-gcc -static -o init {step.name}.c",
        "Prints every call with what was expected and seen. Exit status: 0 ok, 1 not ok, 3 not known.",
    ]
    framed = "\n".join(f" * {line}".rstrip() for line in lines)
    return f"/* SPDX-License-Identifier: Apache-2.0\n *\n{framed}\n */"


def _read(name: str) -> str:
    tree = source_tree()
    path = (tree / "probes" if tree else CARRIED / "sources") / name
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Missing(
            f"the probes' source {name} is not here: {error.strerror}",
            hint="install bootwright again, or run it from a checkout of its sources",
        ) from error
