"""Unified kernel images as things to boot: what they hand over and how a loader sorts them.

UKI specification (UAPI.5), systemd-stub(7) and the Boot Loader Specification's type #2 entries. Of an image
with several profiles (sections after a `.profile`) the first is described, which is what starts by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from bootwright.bootchain.model import Chain, Part, Stage
from bootwright.bootchain.volumes import Volume, open_at, place
from bootwright.formats.os_release import read_os_release
from bootwright.formats.programs.pe import PeFile, open_section, read_pe
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError, Malformed

_MOST_TEXT = 65536


@frozen
class Uki:
    """What a UKI says of itself."""

    headers: PeFile
    release: dict[str, str]
    """os-release, from `.osrel`; empty without it."""
    arguments: str

    @property
    def title(self) -> str:
        """As systemd-boot shows it (src/fundamental/bootspec.c, systemd 256)."""
        return _first(self.release, ("PRETTY_NAME", "IMAGE_ID", "NAME", "ID"))

    @property
    def version(self) -> str:
        """What its entries are ordered by, the newest first."""
        return _first(self.release, ("IMAGE_VERSION", "VERSION", "VERSION_ID", "BUILD_ID"))

    @property
    def sort_key(self) -> str:
        """What groups its entries."""
        return _first(self.release, ("IMAGE_ID", "ID"))


def read_uki(source: ByteSource) -> Uki | None:
    """A UKI's headers, release and arguments; None for another PE file. Raises `Malformed`."""
    headers = read_pe(source)
    if not headers.is_uki:
        return None
    try:
        release = read_os_release(_text(source, headers, ".osrel"), f"{source.name}:.osrel")
    except Malformed:
        release = {}
    arguments = _text(source, headers, ".cmdline").decode("utf-8", "replace").strip("\0\n\r\t ")
    return Uki(headers, release, arguments)


def uki_chain(volume: Volume, path: str, stages: Sequence[Stage], *, arguments: str = "") -> Chain | None:
    """The chain of a UKI at a path; None where it is none, or is not there. Raises `Malformed`.

    `arguments` are those of a loader's entry, which take the place of the image's own where there are any.
    """
    source = open_at(volume, path)
    uki = read_uki(source) if source is not None else None
    if uki is None:
        return None
    by = place(volume, path)

    def section(name: str) -> Part | None:
        return Part(volume, path, by, name) if uki.headers.section(name) is not None else None

    initrd, ucode = section(".initrd"), section(".ucode")
    unknown = []
    if uki.headers.section(".dtbauto") is not None:
        unknown.append("the stub picks a devicetree of .dtbauto by the board's firmware")
    name = path.rpartition("/")[2]
    return Chain(
        kind="uki",
        stages=tuple(stages),
        title=uki.title or name,
        id=name,
        kernel=section(".linux"),
        initramfs=tuple(part for part in (ucode, initrd) if part is not None),
        devicetree=section(".dtb"),
        arguments=arguments or uki.arguments,
        uki=Part(volume, path, by),
        unknown=tuple(unknown),
    )


def is_uki(source: ByteSource) -> bool:
    """Whether it is one; False for what cannot be read."""
    try:
        return read_pe(source).is_uki
    except BootwrightError:
        return False


def _text(source: ByteSource, headers: PeFile, name: str) -> bytes:
    section = headers.section(name)
    if section is None:
        return b""
    if section.size > _MOST_TEXT:
        raise Malformed(
            source.name, section.offset, f"{name} of at most {_MOST_TEXT} bytes", str(section.size)
        )
    return open_section(source, section).read(0, section.size).rstrip(b"\0")


def _first(values: dict[str, str], keys: Sequence[str]) -> str:
    return next((values[key] for key in keys if values.get(key)), "")
