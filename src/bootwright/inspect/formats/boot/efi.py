"""EFI programs that are no kernel, such as boot loaders."""

from __future__ import annotations

from bootwright.formats.programs.pe import is_pe, read_pe
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Item, ItemKind, Origin, Value, facts_at
from bootwright.inspect.format import Context, Format


def efi(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """Any other EFI program, such as a boot loader."""
    headers = read_pe(source)
    origin = Origin(source.name, 0, source.size)
    sbat = headers.section(".sbat")
    values: dict[str, Value] = {
        "machine": headers.machine,
        "efi_application": headers.is_efi_application,
        "signed": headers.signed,
        "size": source.size,
        "sections": [section.name for section in headers.sections],
    }
    if sbat is not None and sbat.size <= 65536:
        raw = source.read(sbat.offset, sbat.size).rstrip(b"\0\n")
        values["sbat"] = raw.decode("utf-8", "replace")
    return Item(ItemKind.EFI, name, origin, facts_at(origin, values), detail=headers, source=source)


def _matches(source: ByteSource, head: bytes) -> bool:  # noqa: ARG001
    return is_pe(source)


FORMAT = Format(
    name="efi",
    title="EFI program",
    documentation="Microsoft PE format (2024), sections 2-4",
    limits="code is not looked at",
    describe=efi,
    matches=_matches,
    order=70,
    names=(r".*\.efi",),
    name_order=130,
    fits=frozenset({ItemKind.UKI, ItemKind.KERNEL, ItemKind.EFI}),
)
