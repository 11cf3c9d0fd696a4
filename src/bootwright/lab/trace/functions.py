"""Where the functions of a kernel's image are, kept for the next trace: reading the table takes longer."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_right
from collections.abc import Sequence

from attrs import frozen

from bootwright.formats.kernel.kallsyms import read_symbols
from bootwright.formats.kernel.relocations import relocated
from bootwright.foundation.cache import FUNCTIONS
from bootwright.foundation.errors import Malformed
from bootwright.kernels.model import Kernel

_END = "_etext"
"""What the code ends with (include/asm-generic/sections.h)."""
_DIGEST = 32
_FORM = "1"
_NEVER_RETURN = frozenset({"__stack_chk_fail", "panic", "__fortify_panic", "do_exit", "make_task_dead"})
"""Of tools/objtool/noreturns.h (Linux 6.12), those that compiled functions call where they would return."""


@frozen
class Functions:
    """The symbols of an image's code in address order: `addresses[i]` belongs to `names[i]`."""

    addresses: Sequence[int]
    names: Sequence[str]

    def address(self, name: str) -> int | None:
        """Where a function begins; None where there is none of that name."""
        return self.addresses[self.names.index(name)] if name in self.names else None

    def at(self, address: int) -> tuple[str, int] | None:
        """(function, bytes into it) of an instruction; None outside the image's code."""
        at = bisect_right(self.addresses, address) - 1
        if at < 0 or at + 1 >= len(self.addresses):
            return None
        return self.names[at], address - self.addresses[at]

    @property
    def never_returning(self) -> frozenset[int]:
        """Addresses of functions behind whose calls nothing runs."""
        return frozenset(self.addresses[at] for at, name in enumerate(self.names) if name in _NEVER_RETURN)


def functions_of(kernel: Kernel) -> Functions:
    """The functions of a kernel's image; raises `Malformed` for one without a symbol table."""
    made: list[Functions] = []

    def make() -> bytes:
        made.append(_read(kernel))
        return as_bytes(made[0])

    path = FUNCTIONS.kept(f"{kernel.image_sha256}-{_FORM}", make)
    if made:
        return made[0]
    try:
        return from_bytes(path.read_bytes())
    except (OSError, ValueError):  # damaged, or removed in this moment
        functions = _read(kernel)
        FUNCTIONS.write(path, as_bytes(functions))
        return functions


def _read(kernel: Kernel) -> Functions:
    try:
        symbols = read_symbols(relocated(kernel.image.read_bytes()).image, kernel.name)
    except Malformed as error:
        raise Malformed(
            kernel.name,
            error.offset,
            f"a symbol table ({error.expected})",
            error.found,
            hint="functions have no names without: take a kernel with CONFIG_KALLSYMS",
        ) from error
    last = symbols.names.index(_END) + 1 if _END in symbols.names else len(symbols)
    return Functions(symbols.addresses[:last], symbols.names[:last])


def as_bytes(functions: Functions) -> bytes:
    """As kept: a digest, how many there are, their addresses, their names."""
    addresses = array("Q", functions.addresses)
    body = len(addresses).to_bytes(8, "little") + addresses.tobytes() + "\n".join(functions.names).encode()
    return hashlib.sha256(body).digest() + body


def from_bytes(data: bytes) -> Functions:
    """What `as_bytes` made; raises `ValueError` for anything else."""
    body = memoryview(data)[_DIGEST:]
    if hashlib.sha256(body).digest() != data[:_DIGEST]:
        message = "the kept functions of a kernel are damaged"
        raise ValueError(message)
    end = 8 + 8 * int.from_bytes(body[:8], "little")
    addresses = array("Q")
    addresses.frombytes(body[8:end])
    return Functions(addresses, str(body[end:], "utf-8").split("\n"))
