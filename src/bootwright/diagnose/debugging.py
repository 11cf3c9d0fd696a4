"""Kernel arguments that make the next log say more, as far as that kernel can take them.

`dyndbg=` does nothing in a kernel without CONFIG_DYNAMIC_DEBUG. What every kernel has is `initcall_debug`: it
prints each driver's initialisation and the result of every probe at the debug level (drivers/base/dd.c
really_probe_debug, Linux 5.10 to 7.3), which is seen with `ignore_loglevel`.

Whether the kernel has it is known from its configuration, from a log in which it refused the argument,
or from what is known of the system's kernels (one file each in `data/systems/`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal

from attrs import evolve, frozen

from bootwright.diagnose.model import Boot, Diagnosis, Finding, Gap
from bootwright.foundation.knowledge import Kind

_DYNDBG = re.compile(r'\s*\bdyndbg="[^"]*"')
_SENTENCE = re.compile(r"(?:`[^`]*`|[^.!?`]|[.!?](?!\s|$))+(?:[.!?]\s*|$)")
"""One of a text, with what stands between backticks whole."""
_ANY_KERNEL = ("initcall_debug", "ignore_loglevel")
_SYMBOL = "DYNAMIC_DEBUG"

Option = Callable[[str], str | None]
"""Configuration symbol, without CONFIG_, → its value (`n` for off), or None where it is not known."""


@frozen
class System:
    """A file of `data/systems/`."""

    name: str
    release: re.Pattern[str]
    source: str
    options: Mapping[str, Literal["y", "m", "n"]]
    stage: str | None = None
    """How the labels of its own stages begin."""

    def is_of(self, boot: Boot) -> bool:
        """Whether the log is of a kernel of this system."""
        release = boot.fact("release")
        if release is not None:
            return self.release.search(release) is not None
        return self.stage is not None and any(stage.label.startswith(self.stage) for stage in boot.stages)


SYSTEMS = Kind("systems", "a system", System)


def systems() -> tuple[System, ...]:
    """All that are known; raises `Malformed`."""
    return tuple(SYSTEMS.all().values())


def has_dynamic_debug(boot: Boot, option: Option | None = None) -> bool | None:
    """Whether the boot's kernel obeys `dyndbg=`; None where not known. `option` is its configuration."""
    value = option(_SYMBOL) if option is not None else None
    if value is not None:
        return value == "y"
    if "dyndbg=" in (boot.fact("refused") or ""):
        return False
    system = next((candidate for candidate in systems() if candidate.is_of(boot)), None)
    setting = system.options.get(_SYMBOL) if system is not None else None
    return None if setting is None else setting == "y"


def suited(diagnosis: Diagnosis, option: Option | None = None) -> Diagnosis:
    """The diagnosis with advice that each boot's kernel can follow."""
    return evolve(diagnosis, boots=tuple(_suited(boot, option) for boot in diagnosis.boots))


def _suited(boot: Boot, option: Option | None) -> Boot:
    able = has_dynamic_debug(boot, option)
    if able:
        return boot
    return evolve(
        boot,
        findings=tuple(_finding(finding, able=able) for finding in boot.findings),
        gaps=tuple(_gap(gap, able=able) for gap in boot.gaps),
    )


def _finding(finding: Finding, *, able: bool | None) -> Finding:
    if able is None:  # to be copied as it is; the gap says on what it depends
        return finding
    return evolve(
        finding,
        kernel_arguments=without_dynamic_debug(finding.kernel_arguments),
        remedy=_SENTENCE.sub(_unless_dynamic_debug, finding.remedy).strip(),
    )


def _unless_dynamic_debug(sentence: re.Match[str]) -> str:
    return "" if "dyndbg=" in sentence[0] else sentence[0]


def _gap(gap: Gap, *, able: bool | None) -> Gap:
    if able is False:
        return evolve(gap, get_it=without_dynamic_debug(gap.get_it))
    return evolve(gap, get_it=_conditional(gap.get_it))


def without_dynamic_debug(text: str) -> str:
    """The same advice for a kernel that ignores `dyndbg=`."""
    if not _DYNDBG.search(text):
        return text
    remaining = _DYNDBG.sub("", text).strip()
    return " ".join(
        [remaining, *(argument for argument in _ANY_KERNEL if argument not in remaining.split())]
    ).strip()


def _conditional(text: str) -> str:
    """The same advice for a kernel of which it is not known whether it ignores `dyndbg=`."""
    if not _DYNDBG.search(text):
        return text
    return f"{text} (without CONFIG_DYNAMIC_DEBUG that does nothing: {' '.join(_ANY_KERNEL)} instead)"
