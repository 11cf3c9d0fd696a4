"""Which built-in drivers a function of the kernel registers, by the structures that its code refers to."""

from __future__ import annotations

import contextlib
from collections.abc import Set as AbstractSet
from pathlib import Path

from bootwright.formats.code.linked_code import ImageCode
from bootwright.formats.code.made_addresses import made_addresses
from bootwright.formats.kernel.arm64_image import unwrapped
from bootwright.formats.kernel.kallsyms import read_symbols
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.errors import BootwrightError


def registered(image: Path, functions: AbstractSet[str], drivers: AbstractSet[str]) -> dict[str, str]:
    """Symbol of a driver's structure → the function, of these, that makes its address.

    Empty where the image cannot be read or none of the functions is in it.
    """
    with contextlib.suppress(BootwrightError, OSError):
        source = unwrapped(FileBytes(image))[0]
        data = source.read(0, len(source))
        symbols = read_symbols(data, str(image))
        starts = {address: name for address, _, name in symbols if name in functions}
        if not starts:
            return {}
        structures = {address: name for address, _, name in symbols if name in drivers}
        code = ImageCode(data, symbols)
        return {
            structures[made]: name
            for start, name in starts.items()
            for made in made_addresses(code, start)
            if made in structures
        }
    return {}
