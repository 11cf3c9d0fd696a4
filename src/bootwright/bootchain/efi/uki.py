"""Unified kernel images as things to boot: what they hand over and how a loader sorts them.

UKI specification (UAPI.5), systemd-stub(7) and the Boot Loader Specification's type #2 entries. Each profile
of an image is an entry; the first is what starts by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from bootwright.bootchain.model import Chain, Part, Stage
from bootwright.bootchain.volumes import Volume, open_at, place
from bootwright.formats.os_release import read_os_release
from bootwright.formats.programs.pe import PeFile, read_pe
from bootwright.formats.programs.uki import Profile, read_profiles, read_text
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError, Malformed


@frozen
class Uki:
    """What a UKI says of itself."""

    headers: PeFile
    release: dict[str, str]
    """os-release, from `.osrel`; empty without it."""
    profiles: tuple[Profile, ...]

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
    """A UKI's headers, release and profiles; None for another PE file. Raises `Malformed`."""
    headers = read_pe(source)
    if not headers.is_uki:
        return None
    profiles = read_profiles(source, headers)
    try:
        text = read_text(source, profiles[0].section(".osrel"))
        release = read_os_release(text.encode(), f"{source.name}:.osrel")
    except Malformed:
        release = {}
    return Uki(headers, release, profiles)


def uki_chains(volume: Volume, path: str, stages: Sequence[Stage], *, arguments: str = "") -> list[Chain]:
    """A chain for each profile of a UKI at a path, the first what starts by itself; none where it is no UKI.

    `arguments` are those of a loader's entry, which take the place of the image's own where there are any.
    Raises `Malformed`.
    """
    source = open_at(volume, path)
    uki = read_uki(source) if source is not None else None
    if uki is None or source is None:
        return []
    chains: list[Chain] = []
    for profile in uki.profiles:
        labels = {labeled.section.name: labeled.label for labeled in reversed(profile.sections)}
        parts = {name: Part(volume, path, place(volume, path), label) for name, label in labels.items()}
        # src/boot/stub.c and devicetree.c, systemd 257: the first that matches goes before .dtb.
        choices = tuple(
            Part(volume, path, place(volume, path), labeled.label)
            for labeled in profile.sections
            if labeled.section.name == ".dtbauto"
        )
        unknown = []
        if choices:
            unknown.append("the stub picks a devicetree of .dtbauto by the board's firmware")
        name = path.rpartition("/")[2]
        chains.append(
            Chain(
                kind="uki",
                stages=tuple(stages),
                title=profile_title(uki, profile) or name,
                id=profile_id(name, profile),
                kernel=parts.get(".linux"),
                initramfs=tuple(parts[section] for section in (".ucode", ".initrd") if section in parts),
                devicetree=parts.get(".dtb"),
                devicetree_choices=choices,
                arguments=arguments or read_text(source, profile.section(".cmdline")),
                uki=Part(volume, path, place(volume, path)),
                profile=profile.number,
                unknown=tuple(unknown),
            )
        )
    return chains


def profile_id(name: str, profile: Profile) -> str:
    """The entry's name: `talos.efi`, `talos.efi@reset`; `talos.efi@1` where the profile has no id.

    src/boot/boot.c, boot_entry_add_unified, systemd 257; seen in boots with 257.13.
    """
    return f"{name}@{profile.id or profile.number}" if profile.number else name


def profile_title(uki: Uki, profile: Profile) -> str:
    """As systemd-boot shows it: with the profile's title in parentheses, else the id of any but the first."""
    shown = profile.title
    if not shown and profile.number:
        shown = profile.id or f"Profile #{profile.number + 1}"
    return f"{uki.title} ({shown})" if uki.title and shown else uki.title


def is_uki(source: ByteSource) -> bool:
    """Whether it is one; False for what cannot be read."""
    try:
        return read_pe(source).is_uki
    except BootwrightError:
        return False


def _first(values: dict[str, str], keys: Sequence[str]) -> str:
    return next((values[key] for key in keys if values.get(key)), "")
