"""Entries of the Boot Loader Specification, in the order systemd-boot lists and tries them.

Type #1: `/loader/entries/*.conf`; type #2: UKIs in `/EFI/Linux`; both on the EFI system partition and on the
extended boot loader partition (UAPI.1). Ordered as systemd-boot does (src/boot/boot.c boot_entry_compare,
systemd 257): entries without boot attempts left come last, then sort key, machine id, the newest version, the
last id; `default` of loader.conf is a pattern for ids.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Sequence
from functools import cmp_to_key
from typing import TypeVar

from attrs import Factory, evolve, field, frozen

from bootwright.bootchain.boot_config import read_loader_config, read_loader_entry
from bootwright.bootchain.boot_entries import BootEntry, BootMenu
from bootwright.bootchain.efi.program import Program, identify
from bootwright.bootchain.efi.uki import profile_id, read_uki, uki_chains
from bootwright.bootchain.efi.version_order import compare
from bootwright.bootchain.model import Chain, Part, Stage
from bootwright.bootchain.volumes import (
    Volume,
    absolute,
    file_at,
    files_in,
    is_xbootldr,
    open_at,
    place,
    text_at,
    text_or_none,
)
from bootwright.formats.filesystems.filesystem import Entry

ENTRIES = "/loader/entries"
UKIS = "/EFI/Linux"
LOADER_CONFIG = "/loader/loader.conf"
_TRIES = re.compile(r"(.+)\+(\d+)(?:-(\d+))?\Z")
_ARCHITECTURES = {"aa64", "arm64", "aarch64"}


@frozen
class _Listed:
    chain: Chain
    id: str
    """The file's name in lower case, without its boot counter."""
    sort_key: str
    machine_id: str
    version: str
    left: int | None
    """Boot attempts left; None where they are not counted."""
    done: int = 0
    skipped: str = ""
    """Why systemd-boot leaves it out of its menu."""
    file_id: str = field(default=Factory(lambda listed: listed.id, takes_self=True))
    """The id without the profile, by which entries are ordered."""
    profile: int = 0


def loader_entry_chains(
    volumes: Sequence[Volume], stages: Sequence[Stage], esp: Volume | None = None
) -> list[Chain]:
    """The entries in order, the one that starts by itself first; raises `Malformed`.

    `esp` is the volume systemd-boot was started from; without it, every volume with entries counts.
    """
    looked = [
        volume
        for volume in volumes
        if esp is None or volume is esp or (is_xbootldr(volume) and esp.partition is not None)
    ]
    looked.sort(key=lambda volume: volume is not esp)
    listed = [candidate for volume in looked for candidate in _listed(volume, stages)]
    listed.sort(key=cmp_to_key(_compared))
    menu, named_by = _menu(looked, esp)
    return _with_default(listed, menu, named_by)


def _with_default(listed: list[_Listed], menu: BootMenu | None, named_by: str) -> list[Chain]:
    able = [candidate for candidate in listed if not candidate.skipped]
    left_out = [
        evolve(candidate.chain, unsure=candidate.skipped) for candidate in listed if candidate.skipped
    ]
    pattern = menu.default.lower() if menu is not None and menu.default else ""
    unsure = ""
    if pattern == "@saved":
        unsure = f"{named_by} has the entry chosen last, which an EFI variable keeps"
    elif pattern and not pattern.startswith("@"):
        exact = [candidate for candidate in able if fnmatch.fnmatchcase(candidate.id, pattern)]
        if not exact:
            exact = [
                candidate
                for candidate in able
                if fnmatch.fnmatchcase(candidate.id.rpartition(".")[0], pattern)
            ]
            unsure = f"{named_by} names {pattern} without its suffix, as only systemd-boot before 247 has it"
        if exact:
            able.remove(exact[0])
            able.insert(0, exact[0])
        else:
            unsure = ""
    chains = [candidate.chain for candidate in able]
    if chains and unsure:
        chains[0] = evolve(chains[0], unsure=unsure)
    return [*chains, *left_out]


def _menu(looked: Sequence[Volume], esp: Volume | None) -> tuple[BootMenu | None, str]:
    """loader.conf of the volume systemd-boot was started from, and its place."""
    for volume in looked if esp is None else [esp]:
        data = text_or_none(volume, LOADER_CONFIG)
        if data is not None:
            where = place(volume, LOADER_CONFIG)
            return read_loader_config(data, where), where
    return None, ""


def _listed(volume: Volume, stages: Sequence[Stage]) -> Iterator[_Listed]:
    for entry in files_in(volume, ENTRIES, ".conf"):
        made = _type_one(volume, entry, stages)
        if made is not None:
            yield made
    for entry in _ukis(volume):
        source = open_at(volume, entry.path)
        uki = read_uki(source) if source is not None else None
        if uki is None:
            continue
        file_id, left, done = counted(entry.name)
        skipped = "" if uki.title else "systemd-boot leaves out a UKI whose .osrel has no name"
        for profile, chain in zip(uki.profiles, uki_chains(volume, entry.path, stages), strict=True):
            entry_id = profile_id(file_id, profile)
            yield _Listed(
                evolve(chain, id=entry_id),
                entry_id.lower(),
                uki.sort_key,
                "",
                uki.version,
                left,
                done,
                skipped,
                file_id=file_id.lower(),
                profile=profile.number,
            )


def _ukis(volume: Volume) -> list[Entry]:
    return files_in(volume, UKIS, ".efi")


def _type_one(volume: Volume, file: Entry, stages: Sequence[Stage]) -> _Listed | None:
    where = place(volume, file.path)
    entry = read_loader_entry(text_at(volume, file.path) or b"", where)
    id_, left, done = counted(file.name)
    skipped = ""
    if entry.architecture and entry.architecture.lower() not in _ARCHITECTURES:
        return None
    if not entry.kernel:
        return None  # a memory tester, a firmware update: nothing that starts Linux
    path = absolute(entry.kernel)
    if file_at(volume, path) is None:
        skipped = f"systemd-boot leaves out {where}: {place(volume, path)} is not there"
    chain = evolve(entry_chain(volume, entry, file.path, stages), id=id_)
    machine_id, version = entry.machine_id or "", entry.version or ""
    return _Listed(chain, id_.lower(), entry.sort_key or "", machine_id, version, left, done, skipped)


def entry_chain(volume: Volume, entry: BootEntry, config: str, stages: Sequence[Stage]) -> Chain:
    """The chain of a type #1 entry, read from `config`: paths are those of its own volume."""
    where = place(volume, config)
    path = absolute(entry.kernel or "")

    def part(name: str) -> Part:
        line = entry.lines.get(name)
        return Part(volume, absolute(name), f"{where}, line {line}" if line else where)

    source = open_at(volume, path)
    if source is not None and identify(source) is Program.UKI:
        for made in uki_chains(volume, path, stages, arguments=entry.arguments)[:1]:
            if not entry.arguments:
                return evolve(made, title=entry.title or made.title, id=entry.id, entry=entry)
            # The arguments are the entry's, not the image's own.
            return evolve(
                made,
                kind="loader-entry",
                title=entry.title or made.title,
                id=entry.id,
                entry=entry,
                config=(volume, config),
            )
    return Chain(
        kind="loader-entry",
        stages=tuple(stages),
        title=entry.title,
        id=entry.id,
        kernel=part(entry.kernel or ""),
        initramfs=tuple(part(initrd) for initrd in entry.initrds),
        devicetree=part(entry.devicetree) if entry.devicetree else None,
        overlays=tuple(part(overlay) for overlay in entry.overlays),
        arguments=entry.arguments,
        config=(volume, config),
        entry=entry,
    )


def counted(name: str) -> tuple[str, int | None, int]:
    """(a file's name without its boot counter, attempts left or None, attempts made).

    `a+3-1.conf` → (`a.conf`, 3, 1), as boot_entry_parse_tries of systemd 257 reads it.
    """
    stem, dot, suffix = name.rpartition(".")
    match = _TRIES.fullmatch(stem)
    if match is None or len(match[2]) > 9 or len(match[3] or "") > 9:
        return name, None, 0
    return f"{match[1]}{dot}{suffix}", int(match[2]), int(match[3] or 0)


def _compared(first: _Listed, other: _Listed) -> int:
    order = _less(first.left == 0, other.left == 0) or _less(not first.sort_key, not other.sort_key)
    if order:
        return order
    if first.sort_key:
        order = (
            _less(first.sort_key, other.sort_key)
            or _less(first.machine_id, other.machine_id)
            or -compare(first.version, other.version)
        )
        if order:
            return order
    order = -compare(first.file_id, other.file_id) or _less(first.profile, other.profile)
    if order or first.left is None or other.left is None:
        return order
    return _less(other.left, first.left) or _less(first.done, other.done)


_Ordered = TypeVar("_Ordered", str, int)


def _less(left: _Ordered, other: _Ordered) -> int:
    return (left > other) - (left < other)
