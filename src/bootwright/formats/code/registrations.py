"""Which drivers an Image registers, and with which bus: read from the calls that do it.

A built-in driver is registered by an initcall, which hands the driver's structure to a function of its bus
(`__platform_driver_register`, drivers/base/platform.c, Linux 6.12). Those functions are exported, so that
their names are in every symbol table, while the structure has a name with CONFIG_KALLSYMS_ALL only. Such a
function also writes the bus into the structure: that tells where the `struct device_driver` is in it, for
this very kernel.

Code is followed in a straight line, branches not taken: a structure that is chosen by a condition, or one
of an array that a loop goes through, is not found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType

from attrs import frozen

from bootwright.formats.code.a64_state import State, Value
from bootwright.formats.code.a64_step import step
from bootwright.formats.code.image_code import ImageCode

_STACK = 0xFFFF_0400_0000_0000
_GIVEN = 0xFFFF_0410_0000_0000
"""Stands for the structure that a registering function is given."""
_LARGEST = 1024
"""Bytes of a driver's structure before and with its `struct device_driver`."""
_BUS = 8
"""Offset of `bus` in `struct device_driver`: include/linux/device/driver.h, Linux 5.10 to 7.3."""
_LONGEST = 4096
"""Bytes of a function that is followed."""
_MOST_IN_ARRAY = 64
_MOST = 20_000
"""Registrations in one Image; Debian's 7.3 has 700."""


@frozen
class Registrar:
    """A function that registers a driver. Numbers of arguments are those of registers."""

    bus: str
    driver: int = 0
    probe: int | None = None
    """The argument with the probe function, where it is not taken from the structure."""
    count: int | None = None
    """The argument with the number of drivers, where an array of pointers to them is given."""


REGISTRARS: Mapping[str, Registrar] = MappingProxyType(
    {
        "__platform_driver_register": Registrar("platform"),
        "__platform_driver_probe": Registrar("platform", probe=1),
        "__platform_create_bundle": Registrar("platform", probe=1),
        "__platform_register_drivers": Registrar("platform", count=1),
        "i2c_register_driver": Registrar("i2c", driver=1),
        "__spi_register_driver": Registrar("spi", driver=1),
        "__amba_driver_register": Registrar("amba"),
        "amba_driver_register": Registrar("amba"),
        "__pci_register_driver": Registrar("pci"),
    }
)
"""include/linux/platform_device.h, i2c.h, spi/spi.h, amba/bus.h, pci.h: Linux 5.10 to 7.3."""


@frozen
class Bus:
    """How one kernel's drivers of a bus are laid out."""

    type: int
    """Address of its `struct bus_type`."""
    driver_at: int
    """Offset of `struct device_driver` in the bus's driver structure."""


@frozen
class Registration:
    """One call."""

    bus: str
    driver: int
    """Address of the bus's driver structure."""
    function: str
    """The function that calls, as initcall_blacklist= would name it."""
    probe: int = 0
    """Address of a probe function that is not in the structure; 0 where there is none."""


class Registrations:
    """The registering calls of one Image."""

    def __init__(self, code: ImageCode) -> None:
        self._code = code
        self._registrars = {
            address: REGISTRARS[name] for address, name in code.functions.items() if name in REGISTRARS
        }

    def buses(self) -> dict[str, Bus]:
        """Bus → its layout, of those whose registering function writes it where that can be seen."""
        buses: dict[str, Bus] = {}
        for address, registrar in self._registrars.items():
            if registrar.probe is None and registrar.count is None:
                bus = self._bus(address, registrar)
                if bus is not None:
                    buses[registrar.bus] = bus
        return buses

    def _bus(self, function: int, registrar: Registrar) -> Bus | None:
        state = _fresh(function)
        state.x[registrar.driver] = _GIVEN
        code = self._code
        for _ in _straight(state, code, min(code.end(function), function + _LONGEST)):
            pass
        for place, (size, value) in sorted(state.memory.items()):
            offset = place - _GIVEN - _BUS
            if size == 8 and 0 <= offset < _LARGEST and isinstance(value, int) and code.holds_data(value):
                return Bus(value, offset)
        return None

    def all(self) -> Iterator[Registration]:
        """Every call that can be followed, in the order of the functions that make them."""
        registrations = (
            registration
            for function in self._code.calling(self._registrars)
            for registration in self._of(function)
        )
        return islice(registrations, _MOST)

    def _of(self, function: int) -> Iterator[Registration]:
        code, state = self._code, _fresh(function)
        name = code.name(function) or ""
        for target in _straight(state, code, min(code.end(function), function + _LONGEST)):
            registrar = self._registrars.get(target)
            if registrar is None:
                continue
            driver = state.x[registrar.driver]
            if registrar.count is not None:
                yield from self._of_array(registrar.bus, driver, state.x[registrar.count], name)
            elif isinstance(driver, int):
                probe = state.x[registrar.probe] if registrar.probe is not None else 0
                yield Registration(registrar.bus, driver, name, probe if isinstance(probe, int) else 0)

    def _of_array(self, bus: str, array: Value, count: Value, name: str) -> Iterator[Registration]:
        if not isinstance(array, int) or not isinstance(count, int):
            return
        for position in range(min(count & 0xFFFFFFFF, _MOST_IN_ARRAY)):
            data = self._code.data(array + 8 * position, 8)
            if data is not None:
                yield Registration(bus, int.from_bytes(data, "little"), name)


def _fresh(function: int) -> State:
    state = State(function)
    state.x[31] = _STACK
    return state


def _straight(state: State, code: ImageCode, end: int) -> Iterator[int]:
    """Follow a function in a straight line; gives the target of each call before it is made."""
    while state.pc < end:
        pc = state.pc
        word = code.word(pc)
        if word is None:
            return
        if word & 0x7C000000 == 0x14000000:  # B, BL: a B out of the function is a call at its end
            target = code.target(pc, word)
            linked = bool(word >> 31)
            if linked or code.name(target) is not None:
                yield target
            if linked:
                _called(state)
        elif word & 0xFE000000 == 0xD6000000:  # BR, BLR, RET
            _called(state)
        elif word & 0x7C000000 != 0x34000000 and word & 0xFF000000 != 0x54000000:  # no CBZ, TBZ, B.cond
            step(state, word, code)
        state.pc = pc + 4


def _called(state: State) -> None:
    """What a callee may change is not known any more (AAPCS64, section 6.1.1)."""
    for register in range(19):
        state.x[register] = None
