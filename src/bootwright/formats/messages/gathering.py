"""The messages of one kernel put together: each format once, with everybody who prints it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import define, field

from bootwright.formats.kernel.kallsyms import read_symbols
from bootwright.formats.kernel.relocations import relocated
from bootwright.formats.messages.in_image import read_image_code
from bootwright.formats.messages.in_module import ModuleCode, read_module_code
from bootwright.formats.messages.mining import Mined, lines_of, mine
from bootwright.formats.messages.model import Call, Format, Owner
from bootwright.formats.messages.places import SourceFiles
from bootwright.formats.messages.printers import Printer, printers
from bootwright.formats.modules.module_facts import module_name

_SPELT = "utf-8", "backslashreplace"


@define
class Gathering:
    """Collects formats of one kernel's image and modules."""

    kernel: str
    calls: int = 0
    """Calls of printing functions."""
    told: int = 0
    """Those whose format is known."""
    _owners: dict[tuple[str, Call, int | None, bool], dict[Owner, None]] = field(factory=dict)
    _printers: dict[str, Printer] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        """Start with the functions that are known to print."""
        self._printers = dict(printers())

    @property
    def printing(self) -> Mapping[str, Printer]:
        """Functions known to print so far: listed ones, and global ones that hand a format on."""
        return self._printers

    def image(self, data: bytes, where: str) -> None:
        """Add a bare arm64 Image. Raises `Malformed` where it has no symbol table."""
        whole = relocated(data).image
        code = read_image_code(whole, read_symbols(whole, where))
        self._add(code, mine(code.codes, self._printers), "", "")

    def module(self, elf: bytes, path: str, known: Mapping[str, Printer] | None = None) -> frozenset[str]:
        """Add an unpacked module; `path` is that below the tree. The names of functions it calls.

        `known` are the printing functions to look for, all that are known by default. Raises `Malformed`
        where it is no arm64 module.
        """
        code = read_module_code(elf, path)
        folder = path.partition("kernel/")[2].partition(".ko")[0]
        self._add(code, mine(code.codes, known or self._printers), module_name(path), folder)
        return frozenset(name for part in code.codes for _, name in part.calls)

    def formats(self) -> Iterator[Format]:
        """Everything gathered."""
        for (text, call, level, goes_on), owners in self._owners.items():
            yield Format(text, call, level, tuple(sorted(owners)), (self.kernel,), goes_on)

    def _add(self, code: ModuleCode, mined: Mined, module: str, folder: str) -> None:
        self.calls += mined.calls
        self.told += mined.told
        for name, printer in mined.handing_on.items():
            if name in code.shared:
                self._printers.setdefault(name, printer)
        files = SourceFiles(code)
        for part, printed in mined.printed:
            file = files.of(part, printed.index) or folder
            function = "" if file else printed.function
            owner = Owner(module, file, function)
            for line in lines_of(printed):
                key = line.text.decode(*_SPELT), line.call, line.level, line.goes_on
                self._owners.setdefault(key, {})[owner] = None
