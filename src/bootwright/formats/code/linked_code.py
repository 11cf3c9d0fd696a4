"""Machine code with its addresses filled in: a kernel module laid out as if loaded.

A `.ko` is relocatable (ELF for the Arm 64-bit architecture, 2024Q3, section 5.7): its calls and addresses
are relocations. Sections get addresses of their own here, and symbols that the module imports get one each,
so that a walk through the code meets numbers as in a running kernel.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Container, Iterable
from functools import cached_property

from bootwright.formats.code.a64_state import MASK64, Symbol, Value, signed
from bootwright.formats.modules.module_file import read_sections
from bootwright.foundation.errors import Malformed

MODULES = 0xFFFF_0006_0000_0000
"""Where modules are laid out; each `_ROOM` bytes after the one before."""
_ROOM = 1 << 32
_IMPORTS = 1 << 31
"""Imported symbols' addresses begin this far into a module's room."""
OWN = 0xFFFF_0001_0000_0000
"""The device that is probed."""
OWN_SIZE = 0x2000
_MAX_STRING = 200
_LAST = 4096
"""Bytes that the last function is taken to have."""

_ABS64, _ADR_PREL_PG_HI21, _ADR_PREL_PG_HI21_NC = 257, 275, 276
_ADR_PREL_LO21, _ADD_LO12 = 274, 277
_LDST_LO12 = frozenset({278, 284, 285, 286, 299})
_JUMP26, _CALL26, _CONDBR19, _TSTBR14, _PREL32 = 282, 283, 280, 279, 261
_SHT_RELA, _SHT_NOBITS = 4, 8
_SHF_WRITE, _SHF_ALLOC = 1, 2
_FUNC = 2
_SYMBOL = struct.Struct("<I2BH2Q")
_RELOCATION = struct.Struct("<2Qq")
_MOST_RELOCATIONS = 2_000_000


class Code:
    """Code and constant data at addresses. Missing bytes are unknown, never an error."""

    def __init__(self) -> None:
        self.functions: dict[int, str] = {}
        """Address → name of each function here, imported ones included."""

    is_large: bool = False
    """Whether it holds much more than one driver."""

    def name(self, address: int) -> str | None:
        """The name of the function that begins at an address."""
        return self.functions.get(address)

    def word(self, address: int) -> int | None:
        """The instruction at an address, or None where there is no code."""
        raise NotImplementedError

    def has_body(self, address: int) -> bool:
        """Whether the function at an address is here to be walked into."""
        raise NotImplementedError

    @cached_property
    def starts(self) -> list[int]:
        """Addresses of the functions whose code is here, in order."""
        return sorted(address for address in self.functions if self.has_body(address))

    def end(self, function: int) -> int:
        """Where the next function begins."""
        index = bisect_right(self.starts, function)
        return self.starts[index] if index < len(self.starts) else function + _LAST

    def target(self, pc: int, word: int) -> int:
        """Where a B or BL leads."""
        return pc + signed(word & 0x3FFFFFF, 26) * 4

    def page(self, pc: int, computed: int) -> int:
        """The address that an ADRP or ADR makes."""
        del pc
        return computed

    def low(self, pc: int, immediate: int) -> int:
        """The low part of an address that an instruction adds."""
        del pc
        return immediate

    def load(self, address: int, size: int) -> Value:
        """Constant data; of the device that is probed, a symbol for what is in its structure."""
        if OWN <= address < OWN + OWN_SIZE:
            return Symbol(("field", address - OWN))
        data = self.constant(address, size)
        return None if data is None else int.from_bytes(data, "little")

    def constant(self, address: int, size: int) -> bytes | None:
        """Bytes that are the same in a running kernel, or None."""
        raise NotImplementedError

    def is_zeroed(self, address: int) -> bool:  # noqa: ARG002 - of an Image it is not known
        """Whether a variable is there that is 0 when the code is loaded (.bss)."""
        return False

    def string(self, address: Value) -> str | None:
        """The C string at an address, or None where that is not known or no text."""
        if not isinstance(address, int):
            return None
        text = bytearray()
        for at in range(address, address + _MAX_STRING):
            byte = self.constant(at, 1)
            if byte is None:
                return None
            if byte == b"\0":
                return text.decode("ascii") if text.isascii() else None
            text += byte
        return None


class ModuleCode(Code):
    """A kernel module, laid out at addresses of its own."""

    def __init__(self, elf: bytes, where: str, *, number: int = 0) -> None:
        """Raises `Malformed` where it is no ELF64 relocatable for arm64 with a symbol table."""
        super().__init__()
        self._elf = elf
        self._where = where
        self._base = MODULES + number * _ROOM
        self._sections, self._names = read_sections(elf, where)
        if struct.unpack_from("<H", elf, 18)[0] != 183 or b".symtab" not in self._names:
            raise Malformed(where, 18, "an arm64 module with a symbol table", "another")
        self._place: list[int] = []
        at = self._base
        for section in self._sections:
            self._place.append(at)
            if section[2] & _SHF_ALLOC:
                at += (section[5] + 0x1FFF) & ~0xFFF
        if at - self._base > _IMPORTS:
            raise Malformed(where, None, "sections of at most 2 GB", f"{at - self._base} bytes")
        self._order = sorted(
            (place, index)
            for index, (place, section) in enumerate(zip(self._place, self._sections, strict=True))
            if section[2] & _SHF_ALLOC and section[1] != _SHT_NOBITS and section[5]
        )
        self._order_at = [place for place, _ in self._order]
        self.exports: dict[str, int] = {}
        self.imports: dict[int, str] = {}
        self._symbols = self._read_symbols()
        self._bodies = frozenset(address for address in self.functions if address not in self.imports)

    def _read_symbols(self) -> list[int | None]:
        """Address of each symbol by its number; fills in functions, exports and imports."""
        index = self._names.index(b".symtab")
        table = self._sections[index]
        linked = table[6]
        strings = self._sections[linked] if linked < len(self._sections) else None
        if strings is None or strings[1] == _SHT_NOBITS or table[1] == _SHT_NOBITS:
            raise Malformed(self._where, None, "a symbol table with its strings", "none")
        text = self._elf[strings[4] : strings[4] + strings[5]]
        raw = self._elf[table[4] : table[4] + table[5] // 24 * 24]
        addresses: list[int | None] = []
        for number, (name_at, info, _, section, value, _) in enumerate(_SYMBOL.iter_unpack(raw)):
            address: int | None = None
            end = text.find(b"\0", name_at, name_at + 256)
            name = text[name_at:end].decode("ascii", "replace") if 0 <= name_at < end else ""
            if section == 0:
                address = self._base + _IMPORTS + number * 16
                self.imports[address] = self.functions[address] = name
            elif section < len(self._sections) and value < _IMPORTS:
                address = self._place[section] + value
                if info & 15 == _FUNC:
                    if address not in self.functions or info >> 4:
                        self.functions[address] = name
                    if info >> 4:
                        self.exports[name] = address
            addresses.append(address)
        return addresses

    @cached_property
    def _relocations(self) -> dict[int, tuple[int, int]]:
        """Address → (type, what it refers to) of each relocation in code and constants."""
        relocations: dict[int, tuple[int, int]] = {}
        for section in self._sections:
            target = section[7]
            if section[1] != _SHT_RELA or target >= len(self._sections):
                continue
            if not self._sections[target][2] & _SHF_ALLOC:
                continue
            name = self._names[target]
            if not name.startswith(
                (b".text", b".init.text", b".rodata", b".data", b".init.rodata", b".exit.text")
            ):
                continue
            base = self._place[target]
            raw = self._elf[section[4] : section[4] + section[5] // 24 * 24]
            for offset, info, addend in _RELOCATION.iter_unpack(raw):
                number = info >> 32
                address = self._symbols[number] if number < len(self._symbols) else None
                if address is not None and len(relocations) < _MOST_RELOCATIONS:
                    relocations[base + offset] = (info & 0xFFFFFFFF, address + addend)
        return relocations

    def _bytes(self, address: int, size: int, *, writable: bool) -> bytes | None:
        index = bisect_right(self._order_at, address) - 1
        if index < 0:
            return None
        place, number = self._order[index]
        section = self._sections[number]
        at = address - place
        if at + size > section[5] or (section[2] & _SHF_WRITE and not writable):
            return None
        return self._elf[section[4] + at : section[4] + at + size]

    def word(self, address: int) -> int | None:
        """The instruction at an address, or None where there is no code."""
        word = self._bytes(address, 4, writable=False)
        return None if word is None or len(word) < 4 else int.from_bytes(word, "little")

    def has_body(self, address: int) -> bool:
        """Whether the function at an address is here to be walked into."""
        return address in self._bodies

    def target(self, pc: int, word: int) -> int:
        """Where a B or BL leads."""
        kind, address = self._relocations.get(pc, (None, 0))
        return address if kind in {_CALL26, _JUMP26} else super().target(pc, word)

    def page(self, pc: int, computed: int) -> int:
        """The address that an ADRP or ADR makes."""
        relocation = self._relocations.get(pc)
        if relocation is None:
            return computed
        return relocation[1] if relocation[0] == _ADR_PREL_LO21 else relocation[1] & ~0xFFF

    def low(self, pc: int, immediate: int) -> int:
        """The low part of an address that an instruction adds."""
        relocation = self._relocations.get(pc)
        if relocation is not None and (relocation[0] == _ADD_LO12 or relocation[0] in _LDST_LO12):
            return relocation[1] & 0xFFF
        return immediate

    def constant(self, address: int, size: int) -> bytes | None:
        """Bytes that are the same in a running kernel, or None."""
        return self._data(address, size, writable=False)

    def data(self, address: int, size: int) -> bytes | None:
        """Bytes of any section, pointers filled in."""
        return self._data(address, size, writable=True)

    def _data(self, address: int, size: int, *, writable: bool) -> bytes | None:
        if size == 8:
            relocation = self._relocations.get(address)
            if relocation is not None and relocation[0] == _ABS64:
                index = bisect_right(self._order_at, address) - 1
                constant = index >= 0 and not self._sections[self._order[index][1]][2] & _SHF_WRITE
                constant = constant or self._names[self._order[index][1]].startswith(b".data.rel.ro")
                return (relocation[1] & MASK64).to_bytes(8, "little") if constant or writable else None
        return self._bytes(address, size, writable=writable)

    def is_zeroed(self, address: int) -> bool:
        """Whether a variable is there that is 0 when the code is loaded (.bss)."""
        return self._sections[bisect_right(self._place, address) - 1][1] == _SHT_NOBITS

    def object(self, name: str) -> int:
        """The address that stands for an imported variable; 0 where it imports none of that name."""
        return next((address for address, imported in self.imports.items() if imported == name), 0)

    def pointers(self) -> dict[int, int]:
        """Address of each pointer in writable data → what it points to."""
        return {at: to for at, (kind, to) in self._relocations.items() if kind == _ABS64}


class LinkedModules(Code):
    """A module with the modules it depends on, which are read when it first calls something in them."""

    def __init__(self, first: ModuleCode, others: Iterable[Callable[[int], ModuleCode | None]]) -> None:
        """`others` give each a module that is laid out as the number it is asked with."""
        super().__init__()
        self._modules = [first]
        self._others = list(others)
        self._found: dict[str, int | None] = {}

    def _of(self, address: int) -> ModuleCode | None:
        number = (address - MODULES) // _ROOM
        return self._modules[number] if 0 <= number < len(self._modules) else None

    def name(self, address: int) -> str | None:
        """The name of the function that begins at an address."""
        module = self._of(address)
        return module.functions.get(address) if module is not None else None

    def target(self, pc: int, word: int) -> int:
        """Where a B or BL leads."""
        module = self._of(pc)
        if module is None:
            return super().target(pc, word)
        target = module.target(pc, word)
        name = module.imports.get(target)
        if name is None or name in self.answered:
            return target
        exported = self._exported(name)
        return target if exported is None else exported

    answered: Container[str] = frozenset()
    """Functions that need no code: what they return is known."""

    def _exported(self, name: str) -> int | None:
        if name not in self._found:
            self._found[name] = next((m.exports[name] for m in self._modules if name in m.exports), None)
            while self._found[name] is None and self._others:
                module = self._others.pop(0)(len(self._modules))
                if module is not None:
                    self._modules.append(module)
                    self._found[name] = module.exports.get(name)
        return self._found[name]

    def end(self, function: int) -> int:
        """Where the next function begins."""
        module = self._of(function)
        return module.end(function) if module is not None else function

    def word(self, address: int) -> int | None:
        """The instruction at an address, or None where there is no code."""
        module = self._of(address)
        return module.word(address) if module is not None else None

    def has_body(self, address: int) -> bool:
        """Whether the function at an address is here to be walked into."""
        module = self._of(address)
        return module is not None and module.has_body(address)

    def page(self, pc: int, computed: int) -> int:
        """The address that an ADRP or ADR makes."""
        module = self._of(pc)
        return module.page(pc, computed) if module is not None else computed

    def low(self, pc: int, immediate: int) -> int:
        """The low part of an address that an instruction adds."""
        module = self._of(pc)
        return module.low(pc, immediate) if module is not None else immediate

    def constant(self, address: int, size: int) -> bytes | None:
        """Bytes that are the same in a running kernel, or None."""
        module = self._of(address)
        return module.constant(address, size) if module is not None else None

    def is_zeroed(self, address: int) -> bool:
        """Whether a variable is there that is 0 when the code is loaded (.bss)."""
        module = self._of(address)
        return module is not None and module.is_zeroed(address)
