"""What U-Boot starts by extlinux.conf (doc/README.pxe and boot/pxe_utils.c, U-Boot 2024.10)."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from bootwright.bootchain.boot_config import read_extlinux
from bootwright.bootchain.boot_entries import BootEntry
from bootwright.bootchain.model import Chain, Part, Stage
from bootwright.bootchain.volumes import Volume, below, entry_at, place, text_at


def extlinux_chains(volume: Volume, path: str, stages: Sequence[Stage]) -> list[Chain]:
    """The labels of an extlinux.conf: the default first, then the others as U-Boot tries them when it fails.

    Raises `Malformed` where the file cannot be read.
    """
    menu = read_extlinux(text_at(volume, path) or b"", place(volume, path))
    first = menu.started()
    labels = [entry for entry in (first, *(entry for entry in menu.entries if entry is not first)) if entry]
    extlinux_stages = [*stages, Stage("extlinux", place(volume, path))]
    return [_chain(volume, path, label, extlinux_stages) for label in labels if label.kernel]


def _chain(volume: Volume, path: str, entry: BootEntry, stages: Sequence[Stage]) -> Chain:
    """U-Boot loads everything from the partition that holds the file; relative paths are beside it."""
    where, folder = place(volume, path), posixpath.dirname(path)
    kernel_name, _, configuration = (entry.kernel or "").partition("#")

    def part(name: str) -> Part:
        number = entry.lines.get(name)
        return Part(volume, below(folder, name), f"{where}, line {number or entry.line}")

    unknown = []
    if configuration:
        unknown.append(f"{where}: the configuration {configuration} of a FIT image is not looked into")
    named = entry.devicetree if entry.devicetree != "-" else None
    tree = part(named) if named else None
    directory = part(entry.devicetree_directory) if entry.devicetree_directory and tree is None else None
    if directory is not None and entry_at(volume, directory.path) is None:
        unknown.append(f"{directory.by} names the folder {directory.place}, which is not there")
    return Chain(
        kind="extlinux",
        stages=tuple(stages),
        title=entry.title,
        id=entry.id,
        kernel=Part(volume, below(folder, kernel_name), part(entry.kernel or "").by),
        initramfs=tuple(part(initrd) for initrd in entry.initrds if initrd),
        devicetree=tree,
        devicetree_directory=directory,
        overlays=tuple(part(overlay) for overlay in entry.overlays) if tree or directory else (),
        arguments=entry.arguments,
        config=(volume, path),
        entry=entry,
        unknown=tuple(unknown),
    )
