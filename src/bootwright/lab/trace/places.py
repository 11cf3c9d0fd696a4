"""Instructions of a running kernel by name: the function and how far into it, in the image or in a module."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from bootwright.formats.code.module_symbols import TextSymbols, text_symbols
from bootwright.foundation.errors import BootwrightError, Malformed
from bootwright.kernels.modules import ModuleFiles
from bootwright.lab.probes.contents import loadable
from bootwright.lab.trace.assembly import assembly
from bootwright.lab.trace.functions import Functions
from bootwright.lab.trace.running import Run

_MODULE = re.compile(rb": # bootwright: module ([\w-]{1,64}) 0x([0-9a-f]{1,16})\s*$", re.MULTILINE)


@frozen
class Place:
    """An instruction of the running kernel."""

    address: int
    function: str | None
    """None: in no function whose name is known."""
    offset: int
    word: int | None
    """The instruction as it is in the running kernel, where that was looked at."""
    module: str | None = None
    """The module whose code it is; None: the image's own, or unknown."""

    def __str__(self) -> str:
        if self.function is None:
            return f"{self.address:#x}" + (f" [{self.module}]" if self.module else "")
        return f"{self.function}+{self.offset:#x}" + (f" [{self.module}]" if self.module else "")

    @property
    def assembly(self) -> str | None:
        """The instruction as an assembler writes it."""
        return None if self.word is None else assembly(self.word, self.address)


class Places:
    """Names the addresses of one run."""

    def __init__(self, functions: Functions, run: Run, modules: Mapping[str, int], tree: Path | None) -> None:
        """`modules` is the address of each loaded module's `.text`, `tree` the folder that they are from."""
        self._functions, self._run, self._tree = functions, run, tree
        self._modules = modules
        self._starts = sorted((address, name) for name, address in modules.items())
        self._codes: dict[str, bytes | None] = {}
        self._texts: dict[str, TextSymbols | None] = {}

    def of(self, index: int) -> Place:
        """The instruction of a record."""
        address = self._run.log.pcs[index]
        word = self._run.word(address)
        function = self._functions.at(address)
        if function is not None:
            return Place(address, *function, word)
        for start, name in reversed(self._starts):
            if start <= address:
                text = self._text(name)
                symbol = text.find(address - start) if text is not None else None
                if symbol is not None:
                    return Place(address, symbol[0], symbol[1], word, name)
                break
        return Place(address, None, 0, word)

    def code(self, name: str) -> bytes | None:
        """A loaded module's file, without its compression; None where it is not here, or cannot be read."""
        if name not in self._codes:
            self._codes[name] = None
            if self._tree is not None:
                with contextlib.suppress(BootwrightError):  # else its functions stay without names
                    path = ModuleFiles(self._tree).file(name)
                    self._codes[name] = None if path is None else loadable(path)
        return self._codes[name]

    def start(self, name: str) -> int | None:
        """Where a module's `.text` begins; None of one that is not loaded."""
        return self._modules.get(name)

    def _text(self, name: str) -> TextSymbols | None:
        if name not in self._texts:
            self._texts[name] = None
            code = self.code(name)
            if code is not None:
                with contextlib.suppress(Malformed):
                    self._texts[name] = text_symbols(code, name)
        return self._texts[name]


def loaded_modules(console: bytes) -> dict[str, int]:
    """Address of each module's `.text`, as the guest's init told it."""
    return {name.decode(): int(address, 16) for name, address in _MODULE.findall(console.replace(b"\r", b""))}
