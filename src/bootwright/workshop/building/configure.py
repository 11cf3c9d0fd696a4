"""The configuration of a build: base, presets and fragments through the tree's own Kconfig, and checked."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

from bootwright.foundation import atomic
from bootwright.foundation.errors import Missing, Refused, ToolFailed
from bootwright.foundation.progress import Progress
from bootwright.workshop.building.make import Make, no_space
from bootwright.workshop.configuring.explain import Lost, lost_options, same
from bootwright.workshop.configuring.kconfig import read_kconfig
from bootwright.workshop.configuring.options import Asked, Fragment, parse_fragment, written
from bootwright.workshop.configuring.presets import Preset

PAGE_SIZES: Mapping[str, int] = {"4k": 4096, "16k": 16384, "64k": 65536}
_STAMP = "configured.json"
_MOST_TOLD = 12
_LEAST_FREE = 64 << 20
"""Bytes. On a full disk Kconfig's questions to the compiler fail without a word, and options are lost."""


@frozen
class Wanted:
    """The configuration that is asked for."""

    base: str
    """A target of the kernel's own (`allnoconfig`), or the text of a whole configuration."""
    options: Mapping[str, Asked]
    """By name, without `CONFIG_`: what must be so in the end."""
    overridden: tuple[str, ...]
    """Where a later fragment took back what an earlier one asked for, in words."""

    @property
    def digest(self) -> str:
        """SHA256 of all of it, without who asked."""
        return hashlib.sha256(f"{self.base}\0{written(self.options)}".encode()).hexdigest()


def wanted_options(
    presets: Sequence[Preset], fragments: Sequence[Fragment], pages: str, version: str
) -> tuple[dict[str, Asked], tuple[str, ...]]:
    """The options of all of them, the later before the earlier, and what fragments took back of each other.

    The page size comes last: a fragment that asks for another one is refused.
    """
    options: dict[str, Asked] = {"64BIT": Asked("y", "arm64")}
    for preset in presets:
        options |= preset.asked(version)
    overridden: list[str] = []
    asked_before: dict[str, Asked] = {}
    for fragment in fragments:
        for name, asked in fragment.options.items():
            before = asked_before.get(name)
            if before is not None and not same(before.value, asked.value):
                overridden.append(
                    f"CONFIG_{name}={asked.value} ({asked.by}) in place of {before.value} ({before.by})"
                )
        asked_before |= fragment.options
    options |= asked_before
    for other, size in PAGE_SIZES.items():
        name = f"ARM64_{other.upper()}_PAGES"
        rival = asked_before.get(name)
        if rival is not None and rival.value == "y" and other != pages:
            raise Refused(
                f"{rival.by} asks for {other.upper()} pages, and --page-size for {pages.upper()}",
                hint=f"leave CONFIG_{name} out, or ask for --page-size {other}",
            )
        options.pop(name, None)
        if size == PAGE_SIZES[pages]:
            options[name] = Asked("y", f"--page-size {pages}")
    return options, tuple(overridden)


def configure(make: Make, wanted: Wanted, state: str, progress: Progress) -> bool:
    """Make `.config` in the output folder, and hold it against what was asked for.

    `state` says what of the tree decides it: configured once, a tree that is as it was is not again. Returns
    whether it was. Raises `Refused` where an option did not stick, naming what took it, `Unequipped` where
    the disk is full.
    """
    stamp = make.output / _STAMP
    config = make.output / ".config"
    identity = f"{wanted.digest} {state} {make.toolchain.version}"
    if config.is_file() and _stamped(stamp) == [identity, _digest(config)]:
        return False
    stamp.unlink(missing_ok=True)
    with progress.step("configure"):
        _run(make, wanted)
        if shutil.disk_usage(make.output).free < _LEAST_FREE:
            raise no_space(make.output)
        values = read_values(config)
        lost = (
            lost_options(wanted.options, values, read_kconfig(make.tree)) if _differs(wanted, values) else ()
        )
    if lost:
        raise not_as_asked(lost, progress)
    atomic.write_text(stamp, json.dumps([identity, _digest(config)]))
    return True


def _differs(wanted: Wanted, values: Mapping[str, str]) -> bool:
    return any(not same(values.get(name, "n"), asked.value) for name, asked in wanted.options.items())


def _run(make: Make, wanted: Wanted) -> None:
    """From the base and the options to a whole `.config`, by the tree's own rules."""
    text = written(wanted.options)
    config = make.output / ".config"
    quiet = {"KCONFIG_WARN_UNKNOWN_SYMBOLS": ""}
    try:
        if wanted.base == "allnoconfig":
            # With the options beside it what nobody asked for stays off, also where they make it visible.
            asked = make.output / "asked.config"
            atomic.write_text(asked, text)
            make.build(["allnoconfig"], "allnoconfig", {**quiet, "KCONFIG_ALLCONFIG": str(asked)})
            return
        if re.fullmatch(r"\w+config", wanted.base):
            make.build([wanted.base], wanted.base)
            base = config.read_text(encoding="utf-8", errors="replace")
        else:
            base = wanted.base
        # Of an option that is there twice the last line counts (confdata.c conf_read_simple).
        atomic.write_text(config, f"{base}\n{text}")
        make.build(["olddefconfig"], "olddefconfig", quiet)
    except ToolFailed as error:
        raise Refused(f"the source cannot be configured: {error.message}", hint=error.hint) from error


def read_values(config: Path) -> dict[str, str]:
    """The options that are set in a whole `.config`, by name without `CONFIG_`, as they stand there."""
    try:
        data = config.read_bytes()
    except OSError as error:
        raise Missing(f"there is no {config}", hint="the source's make wrote none") from error
    fragment = parse_fragment(data, str(config))
    return {name: asked.value for name, asked in fragment.options.items() if asked.value != "n"}


def not_as_asked(lost: Sequence[Lost], progress: Progress) -> Refused:
    """The error for options that did not stick; where there are several, a line for each goes before it."""
    if len(lost) == 1:
        return Refused(str(lost[0]), hint=lost[0].remedy)
    for lost_option in lost[:_MOST_TOLD]:
        progress.note(f"{lost_option}{f' ({lost_option.remedy})' if lost_option.remedy else ''}")
    names = [f"CONFIG_{lost_option.name}" for lost_option in lost]
    more = f" and {len(names) - _MOST_TOLD} more" if len(names) > _MOST_TOLD else ""
    listed = f"{', '.join(names[:_MOST_TOLD])}{more}"
    return Refused(
        f"{len(lost)} options are not as asked for: {listed}; the first: {lost[0]}",
        hint=lost[0].remedy,
    )


def _stamped(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
