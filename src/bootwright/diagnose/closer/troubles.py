"""What drivers complain of, device by device: the whole story of one device in one finding.

A message is a complaint where it has the form of an error and its driver means it as one: by the level in the
line, by that of its format in known kernels, or, of a driver that no known kernel has, by the device's name
before it. One complaint means little: healthy boots carry up to nine. Worth knowing is a device whose driver
complains again and again, or when the machine had long been up, or as the last thing that it says of a device
that a machine is there for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from attrs import define, field

from bootwright.diagnose.closer.devices import DEVICE, are_apart, device_of, facts_of, precedes_kernel
from bootwright.diagnose.closer.excerpts.complaints import known_shapes
from bootwright.diagnose.closer.noted import Noted
from bootwright.diagnose.judging.device_roles import role_of, role_of_name
from bootwright.diagnose.judging.gravity import WARNING, is_drivers_error
from bootwright.diagnose.judging.order.kept_lines import Occurrence
from bootwright.diagnose.judging.shapes import WAITS, is_dump, is_taken_back, shape_of, warns_of_error
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.messages.speaker import speaker
from bootwright.diagnose.model import RANKS
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.levels import level_of
from bootwright.diagnose.signatures.model import BESIDE, COMPLAINED, TROUBLED
from bootwright.formats.messages.model import ERROR, Owner

_AGAIN: Final = 3
"""Complaints apart that are `again and again`."""
_MOST_DEVICES: Final = 64
_MOST_FORMS: Final = 12
"""Different messages of one device that are shown."""
_SEVERAL: Final = 2
"""Different errors that are more than one complaint."""
_SUBSYSTEM: Final = re.compile(
    rb"\[(?P<driver>\w{2,20})(?::\w+)?(?: \[(?P<module>\w{2,30})\])?[^\]]{0,40}\]{1,2} "
)
"""What speaks for a device without its name: `[drm:FUNCTION [MODULE]] *ERROR* ` (drm_print.c, Linux 4.19)."""
_NAMED: Final = re.compile(rb"(?:[A-Z]\w{2,15}: )?(?P<driver>[\w.-]{2,40}): ")
_FILE: Final = re.compile(rb"(?i)\bfirmware\b.{0,60}(?:-2\b|not found|\bload)")
"""A firmware file that is not there (drivers/base/firmware_loader, Linux 6.12): many drivers go on."""
_SILENCE: Final = 30.0
"""Seconds in which the kernel says nothing once a boot is over, where only it speaks."""
_MOST_SILENCES: Final = 256
_PROMPT: Final = re.compile(rb"\[ *\d+\.\d+\]")
"""A message that begins where a program had left a line open: `HOST login: [    8.4] DRIVER DEVICE: `."""
_CORE: Final = "drivers/base/"
_DRIVERS: Final = ("drivers/", "sound/", "net/bluetooth/", "net/mac80211/", "net/wireless/")
_NUMBERED: Final = re.compile(rb"[a-z]\d+\Z")
"""`hci0`, `mmc1`."""
_MADE_UP: Final = re.compile(rb"[\d.:_-]")
"""In the name of a device; words have none."""


@define
class _Story:
    match: re.Match[bytes]
    """Of the first complaint."""
    role: str
    owners: Sequence[Owner]
    first: dict[bytes, Occurrence]
    """Of each form of message."""
    latest: dict[bytes, Occurrence]
    """Of those that came again."""
    times: dict[bytes, int]
    """How often each came, attempts apart."""
    last: Occurrence
    errors: set[bytes] = field(factory=set)
    """Forms that its driver means as errors, and not as warnings."""
    final: bool = True
    """It said nothing afterwards that is no complaint."""

    @property
    def places(self) -> list[Occurrence]:
        """The first of each form, the one that came most once more, and the last of all."""
        often = self.latest.get(max(self.times, key=self.times.__getitem__))
        return sorted({*self.first.values(), *([often] if often is not None else []), self.last})


@define
class DeviceTroubles:
    """Reads the kernel's messages of one boot in order."""

    _stories: dict[bytes, _Story] = field(factory=dict)
    _seconds: float | None = None
    """On the kernel's clock, of the last message."""
    _repeated: dict[bytes, list[Occurrence]] = field(factory=dict)
    """Messages of drivers that do not look wrong, where they were said."""
    _errors_in_other_words: set[bytes] = field(factory=set)
    """Those of them that their drivers mean as errors."""
    _silences: list[int] = field(factory=list)
    """Lines with which the kernel spoke again after long."""

    @property
    def any(self) -> bool:
        """Whether a driver complained."""
        return bool(self._stories)

    def tell(self, state: BootState) -> None:
        """Let the state know of devices in trouble."""
        for event in BESIDE:
            state.tallies.pop(event, None)
        if not self._stories:
            return
        known = known_shapes(state)
        for device, story in self._stories.items():
            if precedes_kernel(state, story.last.line):
                continue
            unknown = [shape for shape in story.times if shape not in known]
            if unknown:
                self._tell_one(state, device, story, unknown)

    def _is_late(self, state: BootState, place: Occurrence) -> bool:
        """Whether the machine was up: its boot done, or programs started and the kernel silent since then.

        Nothing of a boot need be seen in the log, but the kernel's clock does not begin again.
        """
        seconds = prefix.split(place.raw).seconds
        if seconds is not None and seconds < _SILENCE:
            return False
        if state.was_up(place.line, seconds):
            return True
        programs = [first for stage, (first, _) in state.stage_lines.items() if RANKS[stage] >= RANKS["init"]]
        return bool(programs) and any(min(programs) < silence <= place.line for silence in self._silences)

    def _tell_one(self, state: BootState, device: bytes, story: _Story, unknown: Sequence[bytes]) -> None:
        shape = max(unknown, key=lambda form: (form in story.errors, story.times[form]))
        again = story.times[shape] >= _AGAIN
        late = self._is_late(state, story.last)
        several = story.final and bool(story.role) and len(story.errors.intersection(unknown)) >= _SEVERAL
        if not (again or late or several or (story.final and story.role and shape in story.errors)):
            return
        what = prefix.split(story.first[shape].raw).text
        named = DEVICE.match(what) or _SUBSYSTEM.match(what) or _NAMED.match(what)
        values = dict(
            facts_of(story.match, device, story.role or "other", story.owners, named or story.match)
        )
        if "device" not in story.match.groupdict():
            values["driver"] = values.get("module", values["device"])
        facts, count = tuple(values.items()), sum(story.times.values())
        if not (again or late or several):
            state.count_all(COMPLAINED, facts, story.places, count, chosen=True)
            return
        kinds = {"again": again, "late": late, "final": story.final, "error": shape in story.errors}
        how = tuple((name, "yes" if holds else "no") for name, holds in kinds.items())
        state.count_all(TROUBLED, (*facts, *how), story.places, count, chosen=True)

    def read(self, number: int, raw: bytes, text: bytes, noted: Noted, *, kernels: bool) -> None:
        """Look at a further message, as `DeviceErrors` does; `kernels`: it is stamped as the kernel's."""
        if noted.wrong or (noted.unanswered and not is_taken_back(text)):
            if not is_dump(text) and WAITS.search(text) is None:
                self._complaint(Occurrence(number, raw), text, noted.device, kernels=kernels)
        elif noted.device is not None and self._is_repeated(text, Occurrence(number, raw)):
            for place in self._repeated[text]:
                self._complaint(place, text, noted.device, kernels=kernels)
            self._repeated[text].clear()
        elif self._stories and noted.device is not None:
            story = self._stories.get(device_of(noted.device))
            if story is not None:
                story.final = False

    def _is_repeated(self, text: bytes, place: Occurrence) -> bool:
        """Whether a message comes again and again that does not look wrong and is meant as an error.

        Or as a warning, by its level or its words: once it is none that a device would be in trouble for.
        The places that were not told yet are kept in `_repeated`.
        """
        places = self._repeated.setdefault(text, [])
        places.append(place)
        if len(places) < _AGAIN and text not in self._errors_in_other_words:
            return False
        if is_drivers_error(text, least=WARNING) or warns_of_error(text):
            self._errors_in_other_words.add(text)
            return True
        places.clear()
        return False

    def passes(self, number: int, seconds: float | None) -> None:
        """The clock of a message of the kernel."""
        if seconds is None:
            return
        silence = self._seconds is not None and seconds - self._seconds >= _SILENCE
        if silence and len(self._silences) < _MOST_SILENCES:
            self._silences.append(number)
        self._seconds = seconds

    def _complaint(
        self, place: Occurrence, text: bytes, match: re.Match[bytes] | None, *, kernels: bool
    ) -> None:
        said = speaker(text)
        level = level_of(place.raw)
        if level is None and said is not None and said.levels:
            level = said.levels[0]
        if level is not None and level > WARNING:
            return
        if match is not None and _PROMPT.match(text, match.end()) is not None:
            return
        if match is None or (said is not None and not said.driver):
            match = _SUBSYSTEM.match(text) or _NAMED.match(text)
        if match is None:
            return
        owners = said.likely_owners if said is not None else ()
        files = {owner.file for owner in owners}
        role = role_of(files) or role_of_name(match[0])
        named = "device" in match.groupdict()
        if not _is_drivers(match, files, named=named, kernels=kernels, has_role=role is not None):
            return
        shape = shape_of(text)
        key = device_of(match) if named else _speaker_of(match, owners)
        story = self._stories.get(key)
        if story is None:
            if len(self._stories) >= _MOST_DEVICES:
                return
            name = role.name if role is not None else ""
            story = self._stories[key] = _Story(match, name, owners, {shape: place}, {}, {shape: 1}, place)
        elif shape not in story.first:
            if len(story.first) < _MOST_FORMS:
                story.first[shape], story.times[shape] = place, 1
        elif are_apart(story.latest.get(shape, story.first[shape]), place):
            story.times[shape] += 1
            story.latest[shape] = place
        story.last, story.final = place, True
        if level is not None and level <= ERROR and shape in story.first and _FILE.search(text) is None:
            story.errors.add(shape)


def _is_drivers(
    match: re.Match[bytes], files: set[str], *, named: bool, kernels: bool, has_role: bool
) -> bool:
    """Whether a message is a driver's own: by its source file, or by its form and stamp.

    `named`: it names its device. What the core of all drivers says of one, as of a firmware file that is not
    there, is no driver's word: some devices work without.
    """
    if not (named or kernels) or (files and all(file.startswith(_CORE) for file in files)):
        return False
    if has_role:
        return True
    if not files:
        return named and kernels and _MADE_UP.search(match["device"]) is not None
    return all(file.startswith(_DRIVERS) for file in files)


def _speaker_of(match: re.Match[bytes], owners: Sequence[Owner]) -> bytes:
    """What a message without a driver and its device is about: a device by its number, else the driver.

    A driver's functions may speak under names of their own.
    """
    if _NUMBERED.search(match["driver"]) is not None:
        return match["driver"]
    modules = {owner.module for owner in owners}
    return (modules.pop().encode() if len(modules) == 1 else b"") or match["driver"]
