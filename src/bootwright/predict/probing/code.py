"""A driver's probe function in the kernel's files, and what a walk through it says.

Read only where no earlier walk had the same answers: `probes` keeps those.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path

from attrs import define, field

from bootwright.formats.code.image_code import ImageCode
from bootwright.formats.code.linked_code import Code, LinkedModules, ModuleCode
from bootwright.formats.code.made_addresses import made_addresses
from bootwright.formats.code.registrations import Registrations
from bootwright.formats.kernel.arm64_image import unwrapped
from bootwright.formats.kernel.built_in import Driver
from bootwright.formats.kernel.builtin_drivers import boot_functions
from bootwright.formats.kernel.kallsyms import read_symbols
from bootwright.formats.kernel.relocations import relocated
from bootwright.formats.modules.module_file import unpack_module
from bootwright.formats.modules.module_index import ModuleIndex
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.errors import BootwrightError
from bootwright.predict.probing.calls import calls
from bootwright.predict.probing.reach import Asking
from bootwright.predict.probing.terms import BOOT_CODE, LACKING, Ask, Ending, Entry, Outcome, There, Walked
from bootwright.predict.probing.walk import Walk

DEVICE_AT = {"platform": 16, "amba": 0, "spi": 0, "i2c": 32}
"""Bus → offset of `struct device` in its device structure: name, id and a flag before it (platform), flags,
address, name and adapter (i2c); include/linux, Linux 6.12."""
_DRIVER_AT = {"platform": 40, "spi": 32, "i2c": 48, "amba": 0}
"""Bus → offset of `struct device_driver` in its driver structure (6.11 and newer)."""
_BUS_TYPE = {
    "platform": "platform_bus_type",
    "amba": "amba_bustype",
    "i2c": "i2c_bus_type",
    "spi": "spi_bus_type",
}
_PROBE_AT = {"platform": 0, "spi": 8, "i2c": 8, "amba": 144}
_TABLE_AT = 40
_MOST_DEPENDENCIES = 8
_LARGEST = 4 << 20
"""Bytes of a module that is read for what it lends to others: a graphics core is no help."""
_MOST_CODES = 24
"""Drivers in modules whose code is kept in memory, of each kernel."""
_MOST_IMAGES = 3
"""Images whose code is kept in memory, some 70 MB each."""


@define(eq=False)
class Examiner:
    """The code of one kernel's drivers."""

    image: Path
    built_in: Callable[[str, str], Driver | None]
    """The built-in driver of a name, with a compatible where one is given."""
    modules: ModuleIndex | None
    tree: Path | None
    """The folder of the modules."""
    of_node: int
    """Offset of `of_node` in this kernel's `struct device`; 0 where it is not known."""
    _image_entries: dict[tuple[str, str, str], Entry | None] = field(factory=dict)
    _module_entries: dict[tuple[str, str, str, str], tuple[Code, Entry, Asking] | None] = field(factory=dict)

    def examine(
        self, driver: str, module: str | None, bus: str, compatible: str, ask: Ask
    ) -> tuple[Walked, Outcome]:
        """What becomes of a driver's probe with these answers, and which of them were asked for."""
        entry = self._entry(driver, module, bus, compatible)
        if entry is None:
            return Walked(Ending.UNDECIDED), Outcome(Ending.UNDECIDED)
        return self._judge(*entry, ask)

    def _judge(self, code: Code, entry: Entry, asking: Asking, ask: Ask) -> tuple[Walked, Outcome]:
        def walk(answers: Mapping[str, There]) -> Walked:
            return Walk(code, calls(), entry, lambda q: answers.get(q) or ask(q), asking, self.of_node).run()

        walked = walk({})
        if walked.ending is not Ending.FAILS:
            return walked, Outcome(walked.ending)
        wrong = [q for q, answer in walked.asked if answer in LACKING]
        # A driver that takes ports or memory asks for both; a devicetree hardly ever gives ports. And what is
        # there and wrong is to blame before what another node would have instead.
        given = dict(walked.asked)
        wrong.sort(key=lambda question: (question.startswith("io|"), given[question] is There.MISSING))
        # Where it fails with all that is asked for, it is not the node that is to blame.
        asked = dict(walked.asked)
        fixed = dict.fromkeys(wrong, There.YES)
        for _ in range(8):
            whole = walk(fixed)
            asked.update(whole.asked)
            more = {q for q, a in whole.asked if a in LACKING} - fixed.keys()
            if whole.ending is not Ending.FAILS or not more:
                break
            fixed |= dict.fromkeys(more, There.YES)
        if whole.ending is Ending.FAILS:
            # Nor does it go with everything there: an option may ask for more. One thing may still be enough.
            alone = (q for q in wrong if walk({q: There.YES}).ending is Ending.MAY_SUCCEED)
            enough = next(alone, None)
            if enough is None:
                return walked, Outcome(Ending.UNDECIDED)
            return walked, Outcome(Ending.FAILS, walked.errors, enough)
        if not wrong:
            return walked, Outcome(Ending.UNDECIDED)
        blamed = next(
            (q for q in wrong if walk({q: There.YES}).ending is not Ending.FAILS),
            None,
        )
        if blamed is None:  # several, each enough: the first that fails by itself
            others = dict.fromkeys(fixed, There.YES)
            blamed = next(
                (
                    q
                    for q in wrong
                    if walk({k: v for k, v in others.items() if k != q}).ending is Ending.FAILS
                ),
                wrong[-1],
            )
        return walked, Outcome(Ending.FAILS, walked.errors, blamed)

    def _entry(
        self, driver: str, module: str | None, bus: str, compatible: str
    ) -> tuple[Code, Entry, Asking] | None:
        if bus == BOOT_CODE:
            return self._at_boot(driver, compatible)
        if module is None:
            return self._in_image(driver, bus, compatible)
        key = (driver, module, bus, compatible)
        if key not in self._module_entries:
            placed = None
            with contextlib.suppress(BootwrightError, OSError):
                placed = self._in_module(driver, module, bus, compatible)
            if len(self._module_entries) >= _MOST_CODES:
                self._module_entries.pop(next(iter(self._module_entries)))
            self._module_entries[key] = (*placed, Asking(placed[0], calls())) if placed is not None else None
        return self._module_entries[key]

    def _at_boot(self, kind: str, compatible: str) -> tuple[Code, Entry, Asking] | None:
        """What an early table calls for a node."""
        with contextlib.suppress(BootwrightError, OSError):
            function = _boot_functions(self.image).get((kind, compatible), 0)
            code, asking = _image_code(self.image), _boot_asking(self.image, kind)
            if code.has_body(function):
                registers = calls().registers.get(kind, frozenset())
                return code, Entry(function, 0, of_node=True, registers=registers), asking
        return None

    def _in_image(self, driver: str, bus: str, compatible: str) -> tuple[Code, Entry, Asking] | None:
        """An Image has much code: `_image_code` and `_image_asking` alone keep it, for few Images."""
        key = (driver, bus, compatible)
        with contextlib.suppress(BootwrightError, OSError):
            if key not in self._image_entries:
                self._image_entries[key] = self._image_entry(driver, bus, compatible)
            entry = self._image_entries[key]
            return (_image_code(self.image), entry, _image_asking(self.image)) if entry is not None else None
        self._image_entries[key] = None
        return None

    def _image_entry(self, driver: str, bus: str, compatible: str) -> Entry | None:
        known_driver = self.built_in(driver, compatible)
        if known_driver is None or not known_driver.probe or known_driver.buses != (bus,):
            return None
        return Entry(
            known_driver.probe,
            DEVICE_AT[bus],
            _bus_types(self.image).get(bus, 0),
            known_driver.table,
            compatible,
        )

    def _in_module(self, driver: str, module: str, bus: str, compatible: str) -> tuple[Code, Entry] | None:
        first = self._module(module, 0)
        if first is None or self.modules is None:
            return None
        entry = entry_of(first, driver, bus, compatible)
        if entry is None:
            return None
        needed = self.modules.closure(module, soft=False)[::-1][:_MOST_DEPENDENCIES]
        code = LinkedModules(first, [partial(self._lent, name) for name in needed])
        code.answered = calls().by_name
        return code, entry

    def _lent(self, name: str, number: int) -> ModuleCode | None:
        return self._module(name, number, lent=True)

    def _module(self, name: str, number: int, *, lent: bool = False) -> ModuleCode | None:
        if self.modules is None or self.tree is None or name not in self.modules:
            return None
        path = self.tree / self.modules.path(name)
        with contextlib.suppress(BootwrightError, OSError):
            elf = unpack_module(path.read_bytes(), str(path))
            if not lent or len(elf) <= _LARGEST:
                return ModuleCode(elf, str(path), number=number)
        return None


@lru_cache(maxsize=_MOST_IMAGES)
def _image_code(image: Path) -> ImageCode:
    source = unwrapped(FileBytes(image))[0]
    data = relocated(source.read(0, source.size)).image
    return ImageCode(data, read_symbols(data, str(image)))


@lru_cache(maxsize=4)
def _bus_types(image: Path) -> dict[str, int]:
    """Bus → the address of its `struct bus_type`, where its registering function shows it."""
    return {name: bus.type for name, bus in Registrations(_image_code(image)).buses().items()}


@lru_cache(maxsize=_MOST_IMAGES)
def _image_asking(image: Path) -> Asking:
    """An Image's functions are looked at once for all drivers in it."""
    return Asking(_image_code(image), calls())


@lru_cache(maxsize=2 * _MOST_IMAGES)
def _boot_asking(image: Path, kind: str) -> Asking:
    """Apart from the others: what registers counts here."""
    return Asking(_image_code(image), calls(), calls().registers.get(kind, frozenset()))


@lru_cache(maxsize=_MOST_IMAGES)
def _boot_functions(image: Path) -> dict[tuple[str, str], int]:
    """(kind of early table, compatible) → the setup function."""
    source = unwrapped(FileBytes(image))[0]
    data = relocated(source.read(0, source.size)).image
    return boot_functions(data, str(image))


def entry_of(module: ModuleCode, driver: str, bus: str, compatible: str) -> Entry | None:
    """Where a driver of a module has its probe function; None where its structure is not found."""
    pointers = module.pointers()
    for at, place in pointers.items():
        start = at - _DRIVER_AT[bus]
        probe = pointers.get(start + _PROBE_AT[bus])
        if module.string(place) != driver:
            continue
        if probe is None and bus == "platform":
            probe = _registered_probe(module)
        if probe is None or not module.has_body(probe):
            continue
        table = pointers.get(at + _TABLE_AT, 0)
        if bus == "amba" or not compatible or _lists(module, table, compatible):
            return Entry(probe, DEVICE_AT[bus], module.object(_BUS_TYPE[bus]), table, compatible)
    return None


def _registered_probe(module: ModuleCode) -> int | None:
    """The probe function that the init function hands over with the driver, and not in its structure.

    `__platform_driver_probe(driver, probe, owner)`, drivers/base/platform.c, Linux 6.12: for drivers whose
    devices are there from the start.
    """
    init = next((address for address, name in module.functions.items() if name == "init_module"), None)
    if init is None:
        return None
    made = [address for address in made_addresses(module, init) if module.name(address) is not None]
    bodies = [address for address in made if module.has_body(address)]
    return bodies[0] if len(bodies) == 1 else None


def _lists(module: ModuleCode, table: int, compatible: str) -> bool:
    place = table
    for _ in range(1024):
        text = module.string(place + 64)
        if not text:
            return False
        if text == compatible:
            return True
        place += 200
    return False
