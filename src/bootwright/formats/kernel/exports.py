"""What a kernel image says to modules: its vermagic, and the symbols it exports with their CRCs.

The tables lie between symbols that the linker script sets (include/asm-generic/vmlinux.lds.h, Linux 6.12):
`__start___ksymtab`, `__start___kcrctab` and their `_gpl` twins, which Linux 7.0 joined into one table. An
entry is a `struct kernel_symbol` with three 32-bit offsets, each relative to its own place
(include/linux/export.h).
The vermagic is the text that `check_modinfo()` compares (include/linux/vermagic.h, VERMAGIC_STRING).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping

from attrs import field, frozen

from bootwright.formats.kernel.kallsyms import Symbols, read_symbols

_ENTRY = struct.Struct("<3i")
_MOST = 200_000
"""Entries; Debian's kernels have some 20,000."""
_MOST_NAME = 512


@frozen
class KernelExports:
    """What modules of a kernel must fit."""

    vermagic: str | None
    """`6.18.15+deb13-arm64 SMP preempt mod_unload aarch64`; None where the image does not hold it once."""
    symbols: Mapping[str, int | None] = field(repr=False)
    """Exported symbol → its CRC, None without CONFIG_MODVERSIONS."""


def read_exports(image: bytes, release: str, name: str) -> KernelExports:
    """Read a bare arm64 Image. Raises `Malformed` where it has no symbol table."""
    symbols = read_symbols(image, name)
    wanted = {
        f"__{side}___{table}{kind}"
        for side in ("start", "stop")
        for table in ("ksymtab", "kcrctab")
        for kind in ("", "_gpl")
    }
    places = {symbol: address for address, _, symbol in symbols if symbol in wanted}
    exports: dict[str, int | None] = {}
    for kind in ("", "_gpl"):
        _table(image, symbols, places, kind, exports)
    return KernelExports(vermagic_of(image, release), exports)


def vermagic_of(image: bytes, release: str) -> str | None:
    """The only text in the image that is the release with what a vermagic has behind it; None else."""
    pattern = re.escape(release.encode()) + rb" ((?:[\w-]+ )*aarch64)\0"
    releases = {match[0][:-1].decode() for match in re.finditer(pattern, image)}
    return releases.pop() if len(releases) == 1 else None


def _table(
    image: bytes, symbols: Symbols, places: Mapping[str, int], kind: str, exports: dict[str, int | None]
) -> None:
    start, stop = places.get(f"__start___ksymtab{kind}"), places.get(f"__stop___ksymtab{kind}")
    if start is None or stop is None:
        return
    base = symbols.base
    crcs_at = places.get(f"__start___kcrctab{kind}", 0) - base
    crcs_end = places.get(f"__stop___kcrctab{kind}", 0) - base
    for index in range(min((stop - start) // _ENTRY.size, _MOST)):
        at = start - base + index * _ENTRY.size
        if not 0 <= at <= len(image) - _ENTRY.size:
            return
        place = at + 4 + _ENTRY.unpack_from(image, at)[1]
        end = image.find(b"\0", place, place + _MOST_NAME) if 0 <= place < len(image) else -1
        if end <= place:
            continue
        crc_at = crcs_at + 4 * index
        has = crc_at >= 0 and crc_at + 4 <= min(crcs_end, len(image))
        exports[image[place:end].decode("utf-8", "replace")] = (
            struct.unpack_from("<I", image, crc_at)[0] if has else None
        )
