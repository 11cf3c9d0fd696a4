"""Why a unit failed, in the words of its own program: systemd tells only that it did.

Whose words they are is told by the tag before them: `dockerd[900]: ` belongs to docker.service, since one
name begins as the other. Where no name fits, the program that complained right before systemd saw the
unit's process end is as good a witness. For a mount the file system speaks in the kernel's log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from bootwright.diagnose.judging.errors.error_kinds import kind_of_error
from bootwright.diagnose.judging.first_program import BY_INIT
from bootwright.diagnose.judging.gravity import is_kernels
from bootwright.diagnose.judging.order.kept_lines import Occurrence
from bootwright.diagnose.judging.shapes import firmware_complains, is_taken_back, looks_wrong
from bootwright.diagnose.messages.speaker import speaker
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.patterns import printable
from bootwright.diagnose.reading.voice import KERNEL, PROGRAM, voice_of
from bootwright.diagnose.signatures.model import PERMANENT

GENERIC: Final = re.compile(
    rb"wrong fs type, bad option|mount\(2\) system call failed|can.t read superblock"
    rb"|fsconfig system call failed"
)
"""What mount says of whatever the kernel refuses (util-linux 2.40 libmount/src/context_mount.c)."""
LOOKED_AT: Final = 40
"""Lines before the one that says that a unit failed."""
_LAST_WORDS: Final = 6
"""Of a program's lines the last ones, of which the first that complains says why."""
_SHOWN: Final = 2
_NEAR: Final = 6
"""Lines in which what belongs together stands: a mount failed and why, one error and what follows."""
FIRST: Final = "init"
"""The name that the kernel has for the first program, whatever it is."""
_SHORTEST: Final = 3
"""Letters by which two names are known to be the same."""
_ENDING: Final = 3
"""Letters by which they may differ at the end: dockerd of docker."""
_TAG: Final = re.compile(rb"\(?(?P<name>[\w.@/:-]{2,64}?)\)?\[(?P<pid>\d{1,10})\]: (?P<words>.*)", re.DOTALL)
_WORD: Final = re.compile(r"[a-z][a-z0-9_-]{3,}")
_AGAIN: Final = re.compile(rb"\b(?:Start(?:ing|ed)|Stopp(?:ing|ed)|Reload(?:ing|ed)) ")
_LEVEL: Final = re.compile(rb"\[(?:emerg|alert|crit|error|fatal)\]|\b(?:FATAL|PANIC|ERROR)\b")
"""With which a program says itself that something is wrong (nginx, Apache, PostgreSQL)."""
_GRAVE: Final = re.compile(
    rb"\[(?:emerg|alert|crit|fatal)\]|\b(?:FATAL|PANIC|crit|fatal|emerg):|-- exiting\b"
)
"""With which it says that it goes no further for that."""
_OF_COURSE: Final = re.compile(
    rb"\S+: (?:Failed with result|Failed to start|Unit entered|Scheduled|Start request|Job |Triggering"
    rb"|(?:[Mm]ain|[Cc]ontrol|Mount) process exited|Consumed|Deactivated|Can't open PID file)"
)
"""What systemd says of every unit that fails (systemd 257 src/core/unit.c, service.c, mount.c)."""
_FILE_SYSTEMS: Final = "fs/"
"""Of the kernel's source."""


def own_words(lines: Iterable[tuple[int, bytes]], unit: str) -> tuple[Occurrence, ...]:
    """What the program of `unit` complained of in `lines`, which end before the one that says it failed.

    `unit` is a name or a description, as systemd gives it. Empty where nothing was said, or nothing wrong.
    """
    own: list[tuple[Occurrence, bytes]] = []
    beside: list[Occurrence] = []
    near: bytes | None = b""
    """The program that speaks right before systemd sees the end, once known; none where others came in."""
    stem = f"{_stem(unit)}.".encode()
    for number, raw in reversed(list(lines)):
        text = prefix.split(raw).text
        tag = _TAG.match(text)
        if tag is None or voice_of(prefix.split(raw)) != PROGRAM:
            near = None
            continue
        words = tag["words"]
        if int(tag["pid"]) == 1:
            if _AGAIN.match(words) is not None and unit.encode() in words:
                break
            if not words.startswith(stem):
                continue
            if _OF_COURSE.match(words) is not None:
                if own and b" exited" in words:
                    # What comes before it was said by the process that ran before.
                    break
                continue
            own.append((Occurrence(number, raw), words))
        elif words.startswith(stem) or _same(tag["name"].decode(), unit):
            own.append((Occurrence(number, raw), words))
        elif near in {b"", tag["name"]}:
            # All that it says there: a parser's complaint stands before the line that it quotes.
            near = tag["name"]
            if _complains(words):
                beside.append(Occurrence(number, raw))
            continue
        near = None
    # All of its processes: a script's last word may be that a command failed, and why is the command's.
    for complains in (_complains, _says_what_stays):
        if wrong := [place for place, words in reversed(own[:_LAST_WORDS]) if complains(words)]:
            grave = [place for place in wrong if _GRAVE.search(place.raw) is not None]
            return tuple(dict.fromkeys((*grave[:1], *wrong)))[:_SHOWN]
    return tuple(dict.fromkeys((*beside[-1:], *beside[:1]))) if not own else ()


def says_no_more(said: Iterable[Occurrence]) -> bool:
    """Whether a mount program only hands on that the kernel refused, which knows why."""
    return all(GENERIC.search(place.raw) is not None for place in said)


def file_systems_words(lines: Iterable[tuple[int, bytes]]) -> tuple[Occurrence, ...]:
    """The last complaint of a file system in the kernel's log in `lines`, right before a mount failed."""
    complaint: tuple[Occurrence, ...] = ()
    for number, raw in list(lines)[-_NEAR:]:
        message = prefix.split(raw)
        if voice_of(message) != KERNEL or not looks_wrong(message.text):
            continue
        said = speaker(message.text)
        files = [owner.file for owner in said.likely_owners] if said is not None else []
        if files and all(file.startswith(_FILE_SYSTEMS) for file in files):
            complaint = (Occurrence(number, raw),)
    return complaint


def first_programs_words(lines: Iterable[tuple[int, bytes]]) -> tuple[Occurrence, ...]:
    """What the first program complained of last in `lines`, to the console or into the kernel's log."""
    complaints: list[Occurrence] = []
    for number, raw in lines:
        text = prefix.split(raw).text
        tag = BY_INIT.match(text)
        if tag is not None and _complains(text[tag.end() :]) and not is_kernels(text):
            complaints.append(Occurrence(number, raw))
    near = [place for place in complaints if complaints[-1].line - place.line <= _NEAR]
    return tuple(near[-_SHOWN:])


def _complains(words: bytes) -> bool:
    wrong = firmware_complains(words) or any(form.search(words) is not None for form in (_LEVEL, _GRAVE))
    return wrong or (not is_taken_back(words) and _says_what_stays(words))


def _says_what_stays(words: bytes) -> bool:
    """Whether it is a reason that stays, though a word in it may be that of somebody who goes on.

    `expected a value, but got "disabled"`: what is quoted takes nothing back.
    """
    return kind_of_error(printable(words)) == PERMANENT


def _stem(unit: str) -> str:
    return unit.removesuffix(".").rpartition(".")[0] or unit


def _same(program: str, unit: str) -> bool:
    """Whether a program is a unit's by their names: one begins as the other."""
    name = program.rpartition("/")[2].partition("@")[0].lower().replace("_", "-")
    if name == "systemd" or len(name) < _SHORTEST:
        return False
    if " " in unit:
        return any(_alike(name, word) for word in _WORD.findall(unit.lower()))
    return _alike(name, _stem(unit).partition("@")[0].lower().replace("_", "-"))


def _alike(program: str, unit: str) -> bool:
    length = min(len(program), len(unit))
    common = next((place for place in range(length) if program[place] != unit[place]), length)
    if common < max(_SHORTEST, length - 1):
        return False
    # postgres of postgresql, k3s of k3s-agent; no networkd-dispatcher of network.
    rest = unit[common:]
    return len(program) - common <= _ENDING and (len(rest) <= _ENDING or rest[0] in "-.")
