"""What GRUB starts: the entries of its grub.cfg, with the volumes its paths are on."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator, Sequence

from attrs import evolve

from bootwright.bootchain.boot_config import read_grub_config
from bootwright.bootchain.boot_entries import BootEntry, BootMenu
from bootwright.bootchain.efi.loader_entries import loader_entry_chains
from bootwright.bootchain.efi.program import Program, identify
from bootwright.bootchain.efi.uki import uki_chains
from bootwright.bootchain.model import Chain, Part, Stage
from bootwright.bootchain.volumes import (
    Volume,
    absolute,
    entry_at,
    file_at,
    holders,
    numbered,
    open_at,
    place,
    text_at,
    text_or_none,
)
from bootwright.formats.filesystems.filesystem import EntryKind

CONFIGS = ("/grub/grub.cfg", "/grub2/grub.cfg", "/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")
_VENDORS = "/EFI"
_DEVICE = re.compile(r"\(hd\d+,(?:gpt|msdos)?(\d+)\)")


def grub_configs(volume: Volume) -> Iterator[str]:
    """The paths of the grub.cfg files of a volume, in the order in which their menus count."""
    for path in CONFIGS:
        entry = file_at(volume, path)
        if entry is not None:
            yield entry.path
    vendors = entry_at(volume, _VENDORS)
    if vendors is not None and vendors.kind is EntryKind.DIRECTORY:
        for folder in sorted(volume.files.children(vendors), key=lambda child: child.path):
            entry = file_at(volume, f"{folder.path}/grub.cfg")
            if entry is not None:
                yield entry.path


def grub_chains(volumes: Sequence[Volume], stages: Sequence[Stage]) -> list[Chain]:
    """The entries of the first menu that has any, the one that starts by itself first.

    Raises `Malformed` for a grub.cfg that cannot be read.
    """
    for volume in volumes:
        for path in grub_configs(volume):
            menu = _menu(volume, path)
            grub_stages = [*stages, Stage("GRUB", place(volume, path))]
            chains = list(_chains(volumes, volume, path, menu, grub_stages))
            if menu.loader_entries and not chains:
                chains = _blscfg(volumes, menu, grub_stages)
            if chains:
                return chains
    return []


def _menu(volume: Volume, path: str) -> BootMenu:
    return read_grub_config(
        text_at(volume, path) or b"",
        place(volume, path),
        load=lambda name: text_or_none(volume, name),
        folder=posixpath.dirname(path),
    )


def _chains(
    volumes: Sequence[Volume], volume: Volume, path: str, menu: BootMenu, stages: Sequence[Stage]
) -> Iterator[Chain]:
    first = menu.started()
    entries = [
        candidate
        for candidate in (first, *(boot_entry for boot_entry in menu.entries if boot_entry is not first))
        if candidate
    ]
    for number, entry in enumerate(candidate for candidate in entries if candidate.kernel):
        chain = _chain(volumes, volume, path, entry, stages)
        yield evolve(chain, unsure=menu.unsure if number == 0 else entry.condition)


def _blscfg(volumes: Sequence[Volume], menu: BootMenu, stages: Sequence[Stage]) -> list[Chain]:
    """`blscfg` makes the menu of the loader entries; `default` is an id, or a number in their order."""
    chains = [chain for chain in loader_entry_chains(volumes, stages) if chain.entry is not None]
    wanted = (menu.default or "0").removesuffix(".conf")
    by_number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 9 else None
    for number, candidate in enumerate(chains):
        stem = candidate.id.removesuffix(".conf")
        if number == by_number or fnmatch.fnmatchcase(stem, wanted) or wanted == candidate.title:
            chains.insert(0, chains.pop(number))
            break
    if chains and menu.unsure:
        chains[0] = evolve(chains[0], unsure=menu.unsure)
    return chains


def _chain(
    volumes: Sequence[Volume], volume: Volume, path: str, entry: BootEntry, stages: Sequence[Stage]
) -> Chain:
    where = place(volume, path)
    unknown: list[str] = []

    def part(name: str, home: Volume | None = None) -> Part:
        resolved = _resolved(volumes, home or volume, name)
        line = entry.lines.get(name, entry.line)
        if "$" in name.rpartition(")")[2]:
            unknown.append(f"{where}, line {line}: {name} holds a variable whose value is not known")
        return Part(*resolved, f"{where}, line {line}")

    kernel = part(entry.kernel or "")
    if entry.chained:
        chain = _chainloaded(kernel, stages)
        if chain is not None:
            return evolve(chain, title=entry.title or chain.title, id=entry.id or chain.id, entry=entry)
    return Chain(
        kind="grub",
        stages=tuple(stages),
        title=entry.title,
        id=entry.id,
        kernel=kernel,
        initramfs=tuple(part(initrd, kernel.volume) for initrd in entry.initrds),
        devicetree=part(entry.devicetree, kernel.volume) if entry.devicetree else None,
        arguments=entry.arguments,
        config=(volume, path),
        entry=entry,
        unknown=tuple(unknown),
    )


def _chainloaded(program: Part, stages: Sequence[Stage]) -> Chain | None:
    """What `chainloader` starts: a UKI, or a program of which it is not known what it starts."""
    source = open_at(program.volume, program.path)
    kind = identify(source) if source is not None else Program.KERNEL
    if kind is Program.UKI:
        return next(iter(uki_chains(program.volume, program.path, stages)), None)
    if kind is Program.KERNEL:
        return None
    reason = f"{program.by} starts {program.place}, and what that starts is not followed"
    return Chain(kind="grub", stages=(*stages, Stage(str(kind), program.place)), unknown=(reason,))


def _resolved(volumes: Sequence[Volume], volume: Volume, name: str) -> tuple[Volume, str]:
    """(volume, path) of a path in GRUB's language.

    `(hd0,gpt3)/x` says the partition; `($root)/x` and `/x` are on the disk that `search` found, for which
    the volume of the configuration is taken where it has the file, else the first that has it.
    """
    device, closed, rest = name.partition(")") if name.startswith("(") else ("", "", name)
    path = absolute(rest)
    match = _DEVICE.fullmatch(device + closed)
    if match is not None and len(match[1]) < 6:
        exact = numbered(volumes, int(match[1]))
        if exact is not None:
            return exact, path
    if file_at(volume, path) is not None:
        return volume, path
    return next(holders(volumes, path), volume), path
