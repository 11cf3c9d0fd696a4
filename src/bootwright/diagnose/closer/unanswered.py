"""Devices that do not do what their drivers tell them, of roles whose drivers call much else an error.

The driver of a display, or of what a machine does its work without, says at error level what means nothing.
What it says of hardware that does not answer, is stuck or faults is another matter: `unanswered` in
`data/device-roles/*.toml`. Once may be a start that was slow; a second attempt in vain is a finding.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import define, field

from bootwright.diagnose.closer.devices import are_apart, facts_of
from bootwright.diagnose.judging.device_roles import (
    DeviceRole,
    may_be_lost,
    role_of,
    role_of_name,
    support_of,
)
from bootwright.diagnose.judging.gravity import WARNING
from bootwright.diagnose.judging.order.kept_lines import Occurrence, span
from bootwright.diagnose.judging.shapes import is_taken_back
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.messages.speaker import speaker
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.levels import level_of
from bootwright.diagnose.reading.patterns import Facts
from bootwright.formats.messages.model import ERROR

UNANSWERED: Final = "@device/unanswered"
_ATTEMPTS: Final = 2
_WORN: Final = 3
_LONG: Final = 10.0
"""Attempts, and seconds from the first to the last, of what others hang on."""
_KEPT: Final = 6
_AT_WORK: Final = 8
"""Messages of information in a row with which a driver shows that its device does what it is told again."""
_WELL: Final = re.compile(rb"(?<!not )\b(?:OK|[Ss]ucce(?:eded|ss|ssful|ssfully))\b")
"""With which it says so in one."""
_RECOVERIES: Final = 3
"""A device that has to be brought back so often fails again and again."""
_INFORMATION: Final = 6
_OF_A_PROGRAM: Final = re.compile(rb"\bpasid ?[:=] ?\d")
"""The fault of a program in its own address space (drivers/gpu/drm/amd/amdgpu/gmc_v10_0.c, Linux 6.12)."""
_DEVICE: Final = re.compile(rb"(?P<driver>[\w.+-]{2,40}) (?P<device>[\w.:@,+-]{1,60}[\w.@,+-]): ")
_SUBSYSTEM: Final = re.compile(rb"\[(?P<driver>\w{2,20})[^\]]{0,80}\]{1,2} ")
"""What speaks for a device without its name: `[drm:FUNCTION [MODULE]] *ERROR* ` (drm_print.c, Linux 4.19)."""
_LAYER: Final = re.compile(rb"(?P<driver>[A-Z]\w{2,20}): (?P<device>[a-z]{2,12}\d{1,3}): ")
"""`Bluetooth: hci0: ` (include/net/bluetooth/bluetooth.h, Linux 6.12)."""
_DRIVER: Final = re.compile(rb"(?P<driver>[\w.-]{3,40}): ")
_SPEAKERS: Final = (_DEVICE, _SUBSYSTEM, _LAYER, _DRIVER)


@define
class _Attempts:
    role: DeviceRole
    facts: Facts
    occurrences: list[Occurrence]
    last: Occurrence
    count: int = 1
    """Since the driver was last at work."""
    total: int = 1
    at_work: int = 0
    """Messages of information since the last one."""
    recoveries: int = 0
    """How often the driver was at work again after them."""


@define
class UnansweredCommands:
    """Reads the kernel's messages of one boot in order."""

    _devices: dict[bytes, _Attempts] = field(factory=dict)

    @property
    def any(self) -> bool:
        """Whether some device did not answer."""
        return bool(self._devices)

    def tell(self, state: BootState) -> None:
        """Let the state know which devices did not answer again and again."""
        state.tallies.pop(UNANSWERED, None)
        for attempts in self._devices.values():
            if attempts.role.supports and not _is_worn(state, attempts):
                continue
            if attempts.count >= _ATTEMPTS or attempts.recoveries >= _RECOVERIES:
                places = attempts.occurrences
                shown = places if attempts.last in places else [*places, attempts.last]
                state.count_all(UNANSWERED, attempts.facts, shown, attempts.total)

    def _success(self, text: bytes) -> None:
        """A message that may show that a device of a role works after all."""
        for role in {attempts.role.name: attempts.role for attempts in self._devices.values()}.values():
            if any(pattern.search(text) is not None for pattern in role.works):
                self._devices = {
                    device: attempts
                    for device, attempts in self._devices.items()
                    if attempts.role is not role
                }

    def _goes_on(self, text: bytes) -> None:
        """A message that may be one of a driver that is at work again, as after a reset or a resume."""
        match = _DEVICE.match(text)
        attempts = self._devices.get(match["device"]) if match is not None else None
        said = speaker(text) if attempts is not None else None
        if match is None or attempts is None or said is None or not said.levels:
            return
        informs = said.levels[0] >= _INFORMATION
        attempts.at_work += informs
        if informs and _WELL.search(text) is not None:
            attempts.count = 0
        if attempts.count and attempts.at_work >= _AT_WORK:
            attempts.recoveries += 1
            attempts.count = 0

    def passes(self, text: bytes) -> None:
        """A further message that tells of no device that does not answer."""
        if self._devices:
            self._success(text)
            self._goes_on(text)

    def read(self, number: int, raw: bytes, text: bytes) -> None:
        """A further message that may tell of one (`may_be_unanswered`), and is not a program's."""
        if is_taken_back(text) or _OF_A_PROGRAM.search(text) is not None:
            return
        match = next((match for form in _SPEAKERS if (match := form.match(text)) is not None), None)
        if match is None:
            return
        said = speaker(text)
        level = level_of(raw)
        named = "device" in match.groupdict()
        # Of a driver that is in no known kernel the words fit formats of others, whose level tells nothing.
        if level is None and said is not None and said.levels and (said.names_owner or not named):
            level = said.levels[-1]
        lost = may_be_lost(text)
        if level is not None and level > (WARNING if lost else ERROR):
            return
        owners = said.likely_owners if said is not None else ()
        # A driver's messages may be its subsystem's: its own name says more.
        files = {owner.file for owner in owners}
        roles = [role_of_name(match[0]) or role_of(files)]
        if named:
            roles.append(support_of(files if said is not None and said.names_owner else (), match[0]))
        role = next((role for role in roles if role is not None and _is_told(role, text, lost=lost)), None)
        if role is None:
            return
        place = Occurrence(number, raw)
        device = match.groupdict().get("device") or match["driver"]
        attempts = self._devices.get(device)
        if attempts is None:
            facts = facts_of(match, device, role.name, owners)
            attempts = self._devices[device] = _Attempts(role, facts, [place], place)
            attempts.count += lost
            return
        further = attempts.count == 0 or are_apart(attempts.last, place)
        attempts.count += max(further, lost)
        attempts.total += further
        attempts.last, attempts.at_work = place, 0
        if len(attempts.occurrences) < _KEPT:
            attempts.occurrences.append(place)


def _is_told(role: DeviceRole, text: bytes, *, lost: bool) -> bool:
    """Whether a message tells of a device of this role that it does not do what it is told."""
    if role.unanswered is None:
        return False
    return (lost and not role.supports) or any(pattern.search(text) for pattern in role.unanswered)


def _is_worn(state: BootState, attempts: _Attempts) -> bool:
    """Whether something that others hang on fails again and again of a machine that was up.

    What fails while the machine starts may not be there at all: a devicetree names parts of all boards of
    a kind. A bus that is held for some seconds is let go again.
    """
    first, last = attempts.occurrences[0], attempts.last
    return (
        attempts.count >= _WORN
        and (span((first.raw, last.raw)) or 0.0) >= _LONG
        and state.was_up(last.line, prefix.split(last.raw).seconds)
    )
