"""What a node's boot partition holds after an upgrade: what stays, what the board's overlay replaces.

`talosctl upgrade` leaves the partitions as they are and writes kernel and initramfs anew; what is on the EFI
system partition besides is changed only by the overlay's installer, which copies its files over those of the
same name [siderolabs/talos v1.12 cmd/installer/pkg/install/install.go (ModeUpgrade, ExtraInstallStep);
siderolabs/sbc-raspberrypi installers/rpi_5/src/main.go]. So devicetrees of an older overlay stay where the
new installer has none.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import field, frozen

from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.prepare.upgrading.disks import Disk, merged, read_disks
from bootwright.prepare.upgrading.listing import read_listing

_HANDED_ON = frozenset({".txt", ".dtb", ".dtbo"})
_MOST_TEXT = 64 << 20
_MOST_FILES = 2000
_MOST_BYTES = 1 << 30
_BANNER = re.compile(rb"Linux version (\S{1,64})")
_MODEL = re.compile(rb"\bMachine model: ([^\r\n\0]{3,120})")
"""Linux 6.12, drivers/of/fdt.c setup_machine_fdt."""
_TAG = re.compile(rb"^\s*Tag:\s*(v\d{1,4}(?:\.\d{1,4}){2})\s*$", re.MULTILINE)
_ARGUMENTS = re.compile(rb"\A[^\n\0]*\btalos\.platform=\S[^\n\0]*\n?\Z")


@frozen
class Node:
    """What is known of a running node from files that were saved of it."""

    partition: Path | None
    """A copy of its EFI system partition; None where only a listing was given."""
    release: str = ""
    """Of the running kernel; empty where no file says it."""
    version: str = ""
    """Talos's, as its server says it."""
    model: str = ""
    """Of the machine, as its kernel's log says it."""
    arguments: str = ""
    disks: tuple[Disk, ...] = ()
    """Its disks, by the lists of partitions."""
    listed: tuple[str, ...] | None = None
    """The files of its EFI system partition by a listing; None where none was given."""


@frozen
class Change:
    """One file of the EFI system partition."""

    path: str
    what: str
    """`stays`, `replaced`, `the same` (replaced by equal bytes), `new`, `unseen` (it stays, and what is in it
    is not known)."""


@frozen
class Partition:
    """The EFI system partition after the upgrade."""

    changes: tuple[Change, ...] = field(factory=tuple)

    def of(self, what: str) -> tuple[str, ...]:
        """The paths of one kind of change."""
        return tuple(change.path for change in self.changes if change.what == what)


def read_node(files: Sequence[Path]) -> Node:
    """Sort what was saved of a node by its content.

    Raises `Refused` for a file that says nothing of a node and for two of a kind, `Missing` where the copy of
    its EFI system partition nor a listing of it is among them, and `Malformed` for one that is damaged or
    too large.
    """
    settings: dict[str, str] = {}
    partition: Path | None = None
    lists: list[tuple[Disk, ...]] = []
    listed: tuple[str, ...] | None = None
    for path in files:
        if path.is_dir():
            if partition is not None:
                raise Refused(f"two copies of a partition: {partition} and {path}", hint="give one")
            partition = path
            continue
        data = _bytes_of(path)
        disks = read_disks(data, str(path))
        if disks is not None:
            lists.append(disks)
            continue
        facts = dict(_facts(data))
        names = read_listing(data) if not facts else None
        if names is not None:
            listed = (*(listed or ()), *names)
            continue
        if not facts:
            raise Refused(
                f"{path} is neither a kernel's log, /proc/cmdline, what talosctl version prints, a list of "
                "partitions, nor a listing of the EFI system partition",
                hint="bootwright upgrade-check --help has how each is saved",
            )
        for name, value in facts.items():
            if settings.setdefault(name, value) != value:
                both = f"{path} says {name} {value[:60]}, another file {settings[name][:60]}"
                raise Refused(both, hint="give the files of one node, of one boot")
    if partition is None and listed is None:
        raise Missing(
            "no copy of the node's EFI system partition was given, and no listing of it",
            hint="copy it from the card (mcopy -s, or a mounted partition) and give the folder with --node",
        )
    if partition is not None and not any(partition.iterdir()):
        raise Missing(f"{partition} is empty", hint="give the folder with config.txt and the devicetrees")
    return Node(
        partition,
        settings.get("kernel", ""),
        settings.get("Talos", ""),
        settings.get("machine", ""),
        settings.get("arguments", ""),
        merged(lists),
        listed,
    )


def _facts(data: bytes) -> Iterator[tuple[str, str]]:
    if _ARGUMENTS.match(data):
        yield "arguments", data.decode("utf-8", "replace").strip()
        return
    banner = _BANNER.search(data)
    if banner is not None:
        yield "kernel", banner[1].decode("utf-8", "replace")
    model = _MODEL.search(data)
    if model is not None:
        yield "machine", model[1].decode("utf-8", "replace").strip()
    tags = _TAG.findall(data)
    if tags:  # the client's comes first
        yield "Talos", tags[-1].decode()


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_TEXT + 1)
    except OSError as error:
        raise Missing(f"cannot read {path}: {error.strerror}", hint="check the name") from error
    if len(data) > _MOST_TEXT:
        raise Malformed(str(path), _MOST_TEXT, f"at most {_MOST_TEXT >> 20} MiB of text", "more")
    return data


def after(node: Node, overlay: Path | None, target: Path) -> Partition:
    """What becomes of each file; `overlay` has what the overlay installs.

    In `target`, an empty folder, is made what the firmware hands on to a kernel: config.txt, devicetrees and
    their overlays, as they will be. The boot loader is left out: which kernel it starts is not asked here.

    Raises `Missing` for what cannot be read and `Refused` for more than a boot partition holds.
    """
    old = _files(node.partition) if node.partition is not None else {}
    new = _files(overlay) if overlay is not None else {}
    # FAT keeps names in any case and compares them in none.
    by_name = {path.casefold(): path for path in new}
    changes = []
    for path, file in old.items():
        other = by_name.pop(path.casefold(), None)
        if other is None:
            what = "stays"
            _copy(file, target / path)
        else:
            what = "the same" if file.read_bytes() == new[other].read_bytes() else "replaced"
            _copy(new[other], target / path)
        changes.append(Change(path, what))
    here = {path.casefold() for path in old}
    for path in node.listed or ():  # what a listing alone has
        if path.casefold() in here:
            continue
        other = by_name.pop(path.casefold(), None)
        if other is not None:
            _copy(new[other], target / other)
        changes.append(Change(path, "replaced" if other is not None else "unseen"))
    for path in by_name.values():
        _copy(new[path], target / path)
        changes.append(Change(path, "new"))
    return Partition(tuple(sorted(changes, key=lambda change: change.path)))


def _files(folder: Path) -> dict[str, Path]:
    """Path from the folder → file; links are not followed."""
    if not folder.is_dir():
        raise Missing(f"there is no folder {folder}", hint="check the name")
    files = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
    if len(files) > _MOST_FILES or sum(path.stat().st_size for path in files.values()) > _MOST_BYTES:
        raise Refused(f"{folder} is more than a boot partition holds", hint="give the copy of the ESP alone")
    return files


def _copy(source: Path, target: Path) -> None:
    if source.suffix.lower() not in _HANDED_ON:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
