"""Errors of devices that carry a goal, by who prints a line and at which level, whatever its words.

A line of `DRIVER DEVICE: ` has the form of an error; the formats of the kernel (`diagnose.messages`) say
whether its level is error, and which source file it is from; the file's folder says what the device is for.
The device is failing where errors come again and again, or one is the last that it says, without success
afterwards. An error line alone is no finding: healthy boots carry up to nine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from attrs import define, field

from bootwright.diagnose.judging.device_roles import DeviceRole, device_roles, is_sign, role_of, role_of_name
from bootwright.diagnose.judging.order.kept_lines import Occurrence
from bootwright.diagnose.judging.shapes import WAITS, looks_wrong
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.messages.speaker import Speaker, speaker
from bootwright.diagnose.model import STAGES
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.levels import level_of
from bootwright.diagnose.reading.patterns import Facts, printable
from bootwright.formats.messages.model import ERROR, Owner

FAILING: Final = "@device/failing"
_AGAIN: Final = 3
"""Errors without success that are `again and again`."""
_ONE_ATTEMPT: Final = 0.5
_LINES_OF_AN_ATTEMPT: Final = 4
"""Seconds, or lines where there are no times, within which errors are of one attempt."""
_NEXT_SECOND: Final = 1.0
"""Seconds between times that are whole ones: what is further apart is no one moment."""
_STILL: Final = 20
"""Lines of the same boot that must follow before an error counts as the last word of a device."""
_AT_END: Final = 2
"""Lines that follow at most where an unknown driver's error is the last word of the log."""
_CORES: Final = (
    "/core.c",
    "/clk.c",
    "/dd.c",
    "/of.c",
    "/common.c",
    "/domain.c",
    "/platform.c",
    "/firmware_loader/main.c",
)
_WORDS: Final = re.compile(r"[a-z0-9]+")
_BARE: Final = re.compile(r"\b[a-z]{3,}(?=\d+\b)")
"""The letters of a name that ends in a number: `mmc` of `mmc0`."""
_FAMILY: Final = 4
"""Letters that the chips of one driver have in common: `mv88e6085` is driven by mv88e6xxx."""
_KEPT: Final = 4
_INIT: Final = STAGES.index("init")
DEVICE: Final = re.compile(
    rb"(?P<driver>[\w.+-]{2,40}) (?P<device>[\w.:@,+-]{1,60}[\w.@,+-])"
    rb"(?: (?P<netdev>[\w.@-]{2,15})(?: \([\w -]{1,40}\))?)?: "
)
_SEVERITIES: Final = frozenset({b"error", b"err", b"critical", b"warning"})
"""What stands where others name their device: `b43-phy0 ERROR: ` (b43/main.c b43err, Linux 6.12)."""
_OF_ITS_BUS: Final = re.compile(rb"[A-Z]{2,8}: ")
"""The bus speaks of the device with its driver's prefix: `AER: ` (drivers/pci/pcie/aer.c, Linux 6.12)."""
_REFUSED: Final = re.compile(
    rb"\bprobe of (?P<old>\S+) failed with error (?P<error>-\d+)"
    rb"|^\S+ (?P<new>\S+): probe with driver \S+ failed with error (?P<error2>-\d+)"
)
"""drivers/base/dd.c really_probe (Linux 5.10, 6.12)."""
_SET: Final = re.compile(rb"\b[Ss]et(?:ting)? (?P<name>\w{3,40}) (?:to|as) \S")
"""A property that is not there has a value all the same (stmicro/stmmac/dwmac-rk.c, Linux 6.12)."""
_HOST: Final = re.compile(rb"(?P<name>mmc\d+): .{3,60} on (?P<device>[\w.:@-]{3,60}) \[")
"""The card host of a controller (drivers/mmc/host/sdhci.c sdhci_add_host, Linux 6.12)."""


@define
class _Errors:
    """What one device complained of since it last worked."""

    role: DeviceRole
    facts: Facts
    occurrences: list[Occurrence]
    names: set[bytes]
    """The device's own, and those of what it makes."""
    by_name: bool
    """What its driver means by the message, and at which level it says it, is not known."""
    of_core: bool
    """A core said it on the driver's behalf, which goes on or gives the device up."""
    count: int = 1
    last: int = 0
    gave_up: bool = False
    """With words that are known its driver gave it up."""


@define
class DeviceErrors:
    """Reads the lines of one boot in order."""

    _errors: dict[bytes, _Errors] = field(factory=dict)
    _hosts: dict[bytes, bytes] = field(factory=dict)
    _works: set[str] = field(factory=set)
    """Roles of which something works."""
    _made: set[str] = field(factory=set)
    """Roles of which something is there for programs to use."""
    _would_show: set[str] = field(factory=set)
    """Roles of which nothing is made without a word in this log."""
    _refused: dict[bytes, bytes] = field(factory=dict)
    """Devices that a driver gave up → the error with which."""
    _before: list[bytes] = field(factory=list)
    """Messages before the first error."""
    _last_line: int = 0

    def pass_over(self, number: int) -> None:
        """A further line of somebody else."""
        self._last_line = number

    @property
    def any(self) -> bool:
        """Whether a device complained and did not work afterwards."""
        return bool(self._errors)

    def tell(self, state: BootState) -> None:
        """Let the state know which devices fail."""
        state.tallies.pop(FAILING, None)
        for errors in self._errors.values():
            if precedes_kernel(state, errors.last):
                continue
            again = errors.count >= _AGAIN
            silent = self._last_line - errors.last
            final = silent <= _AT_END if errors.by_name else silent >= _STILL or state.rank >= _INIT
            final |= errors.gave_up
            made = self._is_made(errors)
            if (again or final) and (errors.role.works or made == "no"):
                works = errors.role.name in self._works or (
                    errors.role.name == "storage" and "no-root/mounted" in state.tallies
                )
                refused = errors.names & self._refused.keys()
                facts = (
                    *errors.facts,
                    ("others", "work" if works else "none"),
                    ("final", "yes" if final else "no"),
                    ("made", made),
                    *(("refused", self._refused[name].decode()) for name in sorted(refused)),
                )
                state.count_all(FAILING, facts, errors.occurrences, errors.count)

    def _is_made(self, errors: _Errors) -> str:
        """Whether programs have anything of its role to use: `yes`, `no`, or `unknown`."""
        if errors.role.name in self._made:
            return "yes"
        if not errors.names.isdisjoint(self._refused):
            return "no"
        return "no" if errors.role.name in self._would_show and not errors.of_core else "unknown"

    def read(
        self, number: int, raw: bytes, text: bytes, match: re.Match[bytes] | None, *, wrong: bool
    ) -> None:
        """Look at a further message, which is not known to be a program's.

        `match`: of `DEVICE` in it; `wrong`: it looks wrong.
        """
        self._last_line = number
        host = _HOST.match(text) if text.startswith(b"mmc") else None
        if host is not None:
            self._hosts[host["device"]] = host["name"]
        refused = _REFUSED.search(text) if b"probe " in text else None
        if refused is not None:
            self._refused[refused["old"] or refused["new"]] = refused["error"] or refused["error2"]
        if match is not None and wrong and WAITS.search(text) is None:
            level = level_of(raw)
            if level is None or level <= ERROR:
                self._complaint(number, raw, match, level)
                self._signs_in(text)
                self._may_be_given_up(device_of(match), text)
                return
        if not self._errors:
            self._before.append(text)
            return
        device = match["device"] if match is not None else b""
        errors = self._errors.get(device)
        if errors is not None and any(pattern.search(text) for pattern in errors.role.would_show):
            # With these words its driver gives it up.
            errors.occurrences[_KEPT - 1 :] = [Occurrence(number, raw)]
            errors.gave_up = True
        self._success(text, device)

    def _may_be_given_up(self, device: bytes, text: bytes) -> None:
        """An error may itself be the word with which a driver gives its device up."""
        errors = self._errors.get(device)
        if errors is not None and any(pattern.search(text) for pattern in errors.role.would_show):
            errors.gave_up = True

    def _complaint(self, number: int, raw: bytes, match: re.Match[bytes], level: int | None) -> None:
        said = speaker(match.string)
        if said is None and _OF_ITS_BUS.match(match.string, match.end()) is not None:
            return
        if said is None:
            self._error(number, raw, match, Speaker(()))
        elif self._is_error(said, level):
            self._error(number, raw, match, said)

    @staticmethod
    def _is_error(said: Speaker, level: int | None) -> bool:
        if level is not None:
            return True
        return bool(said.levels) and said.levels[-1] <= ERROR

    def _error(self, number: int, raw: bytes, match: re.Match[bytes], said: Speaker) -> None:
        owners = said.likely_owners
        by_name = not said.formats
        role = role_of_name(match[0]) if by_name else role_of({owner.file for owner in owners})
        of_core = role is None and not by_name and _of_core(owners)
        if of_core:
            # A core says in a driver's name what became of its device: pins, clocks, supplies.
            role = role_of_name(match["driver"])
        if role is None or not (role.works or role.made):
            return  # what nothing shows to work is not told to fail by any error: `closer.unanswered`
        if not self._errors:
            for text in self._before:
                self._success(text, b"")
            self._before.clear()
        device = device_of(match)
        errors = self._errors.get(device)
        if errors is None:
            facts = facts_of(match, device, role.name, owners)
            names = {name for name in (device, match["netdev"], self._hosts.get(device)) if name}
            self._errors[device] = _Errors(
                role, facts, [Occurrence(number, raw)], names, by_name, of_core, last=number
            )
            return
        if are_apart(errors.occurrences[-1], Occurrence(number, raw)):
            errors.count += 1
        errors.last = number
        if len(errors.occurrences) < _KEPT:
            errors.occurrences.append(Occurrence(number, raw))

    def _success(self, text: bytes, device: bytes) -> None:
        """A message that is no error: of the device itself, or of something of its role that works."""
        for role in self._signs_in(text):
            if any(pattern.search(text) is not None for pattern in role.made):
                self._made.add(role.name)
            if any(pattern.search(text) is not None for pattern in role.works):
                self._works.add(role.name)
                for key, errors in list(self._errors.items()):
                    if errors.role is role and any(name in text for name in errors.names):
                        del self._errors[key]
        if device in self._errors and not looks_wrong(text):
            said = speaker(text)
            goes_on = said is not None and bool(said.levels) and said.levels[0] > ERROR + 1
            goes_on = goes_on or _is_set_instead(text, self._errors[device])
            # Then a single error before is not its last word.
            if goes_on and self._errors[device].count < _AGAIN:
                del self._errors[device]

    def _signs_in(self, text: bytes) -> Sequence[DeviceRole]:
        """The roles that a message may be a sign of; kept is which of them it would show as made."""
        roles = device_roles() if is_sign(text) else ()
        for role in roles:
            if any(pattern.search(text) is not None for pattern in role.would_show):
                self._would_show.add(role.name)
        return roles


def _is_set_instead(text: bytes, errors: _Errors) -> bool:
    """Whether a driver gives the setting that it complained of last a value of its own."""
    match = _SET.search(text)
    return match is not None and match["name"] in dict(errors.facts)["what"].encode()


def _of_core(owners: Sequence[Owner]) -> bool:
    """Whether all of them are a subsystem's own: built in, and no driver of a device of its own."""
    return bool(owners) and all(not owner.module and owner.file.endswith(_CORES) for owner in owners)


def device_of(match: re.Match[bytes]) -> bytes:
    """The device that a match of `DEVICE` names."""
    return match["driver"] if match["device"].lower() in _SEVERITIES else match["device"]


def facts_of(
    match: re.Match[bytes],
    device: bytes,
    role: str,
    owners: Sequence[Owner],
    said: re.Match[bytes] | None = None,
) -> Facts:
    """What a complaint tells: `match` is of who speaks in it, by `driver` and perhaps `netdev`.

    `said` is of the message that is told, where that is another one of the same device.
    """
    said = said or match
    netdev = match.groupdict().get("netdev")
    driver = match["driver"]
    if driver == device:
        driver = owners[0].module.encode() if owners and owners[0].module else driver
    else:
        owners = [owner for owner in owners if _may_be(owner, driver)]
    return (
        ("device", device.decode()),
        ("driver", driver.decode()),
        ("role", role),
        ("what", printable(said.string[said.end() :])[:160].rstrip(".")),
        *((("file", owners[0].file),) if owners else ()),
        *((("netdev", netdev.decode()),) if netdev else ()),
        *((("module", owners[0].module),) if owners and owners[0].module else ()),
    )


def _may_be(owner: Owner, driver: bytes) -> bool:
    """Whether a module or file has a word, also of a folder, in common with the driver that a line names.

    A core of drivers speaks in the name of any. Words that fit many formats (`failed to read register: %d`)
    are found in drivers of other things too.
    """
    names = _WORDS.findall(f"{owner.file} {owner.module}".lower())
    own = driver.decode().lower()
    return _of_core((owner,)) or any(
        word in names or (len(word) >= _FAMILY and any(name.startswith(word[:_FAMILY]) for name in names))
        for word in (*_WORDS.findall(own), *_BARE.findall(own))
        if len(word) > 1
    )


def precedes_kernel(state: BootState, line: int) -> bool:
    """Whether a line comes before the kernel's start in the log: a loader's, and of no driver's."""
    begun, _ = state.stage_lines.get("kernel", (0, 0))
    return line < begun


def are_apart(before: Occurrence, after: Occurrence) -> bool:
    """Whether two errors of a device are of different attempts."""
    first, second = prefix.split(before.raw), prefix.split(after.raw)
    if first.seconds is not None and second.seconds is not None:
        return second.seconds - first.seconds >= _ONE_ATTEMPT
    if after.line - before.line > _LINES_OF_AN_ATTEMPT:
        return True
    # A journal has seconds of wall-clock time: the next one may be the same moment.
    return first.wall is not None and second.wall is not None and second.wall - first.wall > _NEXT_SECOND
