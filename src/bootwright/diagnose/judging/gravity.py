"""How grave a kernel message is: by the level before it, else by that of its format in known kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bootwright.diagnose.judging.device_roles import is_extra_driver, role_in, role_of
from bootwright.diagnose.judging.shapes import is_taken_back
from bootwright.diagnose.messages.speaker import is_of_a_device, speaker
from bootwright.diagnose.reading import levels, prefix
from bootwright.diagnose.reading.tail import LastLine
from bootwright.diagnose.reading.voice import KERNEL
from bootwright.formats.messages.model import ERROR
from bootwright.formats.messages.printf import tells

WARNING: Final = 4
_RECOGNISED: Final = 60
"""Lines at the end that are compared with the kernel's formats where nothing else tells who speaks."""
_FEWEST: Final = 2


def level_of(raw: bytes) -> int | None:
    """0 (emergency) to 7 (debug) of a line as it stands in the log; None where nothing tells."""
    written = levels.level_of(raw)
    if written is not None:
        return written
    said_by = speaker(prefix.split(raw).text)
    if said_by is None or not said_by.levels:
        return None
    gravest, mildest = said_by.levels[0], said_by.levels[-1]
    # What others mean as an error a driver that says it in the same words may mean as information.
    differ = gravest <= WARNING < mildest and said_by.driver and not said_by.names_owner
    return None if differ else gravest


def is_grave(raw: bytes, *, least: int = WARNING) -> bool:
    """Whether it is of level `least` or worse, as far as anything tells."""
    level = level_of(raw)
    return level is None or level <= least


def is_kernels(text: bytes) -> bool:
    """Whether a line without stamp has a format of a kernel, or names a device as the kernel does."""
    return is_of_a_device(text) or speaker(text) is not None


def recognises_kernel(lines: Sequence[LastLine], *, whole: bool) -> bool:
    """Whether lines without any stamp are a kernel's, by the formats of kernels: two, or the only one.

    `whole`: they are all there is of the log.
    """
    kinds = [kind for line in lines[-_RECOGNISED:] if (kind := _kind(line.text)) is not None]
    # After a loader one format over and over may be its own: loaders have drivers from kernels.
    known = len(kinds) if whole else len(set(kinds))
    return known >= (1 if whole and len(lines) == 1 else _FEWEST)


def _kind(text: bytes) -> object:
    """What lines have in common that one place of a kernel prints; None of a line that is not a kernel's."""
    said = speaker(text)
    if said is not None:
        return said.formats
    return text if is_of_a_device(text) else None


def weighs(raw: bytes, voice: str, *, running: bool) -> bool:
    """Whether a line's speaker means it gravely enough for a repetition to count; programs give no level.

    In a system that runs, what the kernel itself calls a warning may come for ever.
    """
    return voice != KERNEL or is_grave(raw, least=ERROR if running else WARNING)


def part_of(text: bytes) -> str:
    """What part a line's device has in what a machine is there for, by formats of kernels and by names.

    `extra`: it does its work without; `none`: it has no role. Empty: it has one, or nobody knows the driver.
    """
    said_by = speaker(text)
    if said_by is None or not said_by.likely_owners:
        return ""
    files = {owner.file for owner in said_by.likely_owners}
    if is_extra_driver(files):
        return "extra"
    roles = role_of(files), role_in(text)
    return "none" if is_of_a_device(text) and roles == (None, None) else ""


def is_drivers_error(text: bytes, *, least: int = ERROR) -> bool:
    """Whether a driver says it of its device as an error, in any words: in every kernel of known formats.

    `least`: the mildest level that counts as one.
    """
    said_by = speaker(text)
    return (
        said_by is not None
        and said_by.names_owner
        and bool(said_by.levels)
        and said_by.levels[-1] <= least
        and all(tells(entry.text.encode()) for entry in said_by.formats)
        and not is_taken_back(text)
    )
