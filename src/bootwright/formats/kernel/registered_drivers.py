"""Built-in drivers by the calls that register them: `formats.code.registrations` has where each one is.

A driver's structure holds a `struct device_driver` (include/linux/device/driver.h, Linux 5.10 to 7.3):
name, bus, owner, mod_name, two flags, of_match_table, and 12 or 13 words more. What stands before and
behind it is the bus's:

| bus | before | behind |
|---|---|---|
| platform | probe, remove, shutdown, … | id_table |
| i2c | class, probe, remove, (6.3 and before: probe_new), … | id_table, … |
| spi | id_table, probe, remove, shutdown | |
| amba | | probe, remove, shutdown, id_table |
| pci | (up to 6.2: a list head,) name, id_table, probe, … | |

A driver without a table that devices could be matched by (a platform driver that goes by its name) is left
out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bootwright.formats.code.calls import CallFinder
from bootwright.formats.code.registrations import Bus, Registration
from bootwright.formats.kernel.built_in import Driver
from bootwright.formats.kernel.image_memory import ImageMemory
from bootwright.formats.kernel.match_tables import (
    I2C_STRIDE,
    SPI_STRIDE,
    amba_table,
    name_table,
    pci_table,
)

_TABLE = 5
"""Words from the start of `struct device_driver` to `of_match_table`."""
DRIVER_WORDS = 18
"""Words of `struct device_driver` at least: 18 up to 6.19, 19 in 7.3."""
_LIST_HEAD = 2
"""Words of the list head that a PCI driver begins with up to 6.2."""
_BEHIND = 6
"""Words behind it that are the bus's."""


def registered_drivers(
    registrations: Iterable[Registration], buses: dict[str, Bus], memory: ImageMemory, finder: CallFinder
) -> Iterator[tuple[int, Driver]]:
    """(address of the `struct device_driver`, driver), each structure once; of a PCI driver, of its name."""
    seen: set[int] = set()
    for registration in registrations:
        bus = buses.get(registration.bus)
        if bus is None or registration.driver in seen:
            continue
        seen.add(registration.driver)
        size = bus.driver_at + 8 * (DRIVER_WORDS + _BEHIND)
        words = memory.words(registration.driver, size)
        if words is None:
            continue
        if registration.bus == "pci":
            first = 0 if memory.string(words[0]) else _LIST_HEAD
            driver = _pci(memory, words[first:], registration.function, finder)
            at = registration.driver + 8 * first
        else:
            driver = _other(memory, words, bus.driver_at // 8, registration, finder)
            at = registration.driver + bus.driver_at
        if driver is not None:
            yield at, driver


def _other(
    memory: ImageMemory,
    words: tuple[int, ...],
    first: int,
    registration: Registration,
    finder: CallFinder,
) -> Driver | None:
    """A driver of any bus but PCI; `first` is where its `struct device_driver` begins, in words."""
    name = memory.string(words[first])
    if not name or "/" in name:
        return None
    behind = words[first + DRIVER_WORDS :]
    table = words[first + _TABLE]
    of = (memory.of(table) if table else None) or ()
    ids: tuple[str, ...] = ()
    amba: tuple[tuple[int, int], ...] = ()
    mine = words[: first + DRIVER_WORDS]
    probe = registration.probe or words[0]
    if registration.bus == "spi":
        ids = memory.table(words[0], lambda data, at: name_table(data, at, stride=SPI_STRIDE)) or ()
        probe = words[1]
    elif registration.bus == "amba":
        mine = words
        amba = next((pairs for word in behind if word and (pairs := memory.table(word, amba_table))), ())
        probe = next((word for word in behind if memory.is_code(word)), 0)
    else:
        ids = next((names for word in behind[:2] if word and (names := _names(memory, word))), ())
        if registration.bus == "i2c":
            probe = next((word for word in (words[1], words[3]) if memory.is_code(word)), 0)
    if not (of or ids or amba):
        return None
    return Driver(
        name=name,
        buses=(registration.bus,),
        registered_by=registration.function,
        of=of,
        ids=ids,
        amba=amba,
        calls=finder.calls(word for word in (*mine, probe) if memory.is_code(word)),
        probe=probe if memory.is_code(probe) else 0,
        table=table if of else 0,
    )


def _names(memory: ImageMemory, address: int) -> tuple[str, ...] | None:
    return memory.table(address, lambda data, at: name_table(data, at, stride=I2C_STRIDE))


def _pci(
    memory: ImageMemory, words: tuple[int, ...], registered_by: str, finder: CallFinder
) -> Driver | None:
    """A PCI driver from its name on."""
    name = memory.string(words[0])
    pci = memory.table(words[1], pci_table)
    if not name or not pci:
        return None
    calls = finder.calls(word for word in words if memory.is_code(word))
    return Driver(name=name, buses=("pci",), registered_by=registered_by, pci=pci, calls=calls)
