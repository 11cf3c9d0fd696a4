"""What boot loaders' configurations have in common: entries to start, and which one is started by itself."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen


@frozen
class BootEntry:
    """One thing that a boot loader can start."""

    title: str
    kernel: str | None
    initrds: tuple[str, ...]
    devicetree: str | None
    arguments: str
    """The kernel's command line as the loader would pass it."""
    line: int
    """Where the entry begins, from 1."""
    overlays: tuple[str, ...] = ()
    devicetree_directory: str | None = None
    """extlinux: the folder in which the board's firmware looks for its DTB."""
    version: str | None = None
    id: str = ""
    """GRUB's `--id`; the file's name of a loader entry."""
    place: tuple[int, ...] = ()
    """GRUB: its number in the menu, after that of each submenu it is in."""
    condition: str = ""
    """GRUB: what decides whether the entry is in the menu, where the files do not say."""
    sort_key: str | None = None
    """Of a loader entry: what groups it with others of its system."""
    machine_id: str | None = None
    """Of a loader entry: the installation it belongs to."""
    architecture: str | None = None
    """Of a loader entry: the only architecture it is for."""
    lines: Mapping[str, int] = field(factory=dict, hash=False)
    """The line on which each path is named, from 1, as far as the reader tells."""
    chained: bool = False
    """GRUB: the kernel is an EFI program that `chainloader` starts."""


@frozen
class Submenu:
    """A menu within GRUB's menu."""

    title: str
    id: str
    place: tuple[int, ...]


@frozen
class BootMenu:
    """A boot loader's configuration."""

    entries: tuple[BootEntry, ...]
    default: str | None
    """Title, label, id or number of what is started unless someone chooses; GRUB: `1>2` within submenus."""
    timeout: str | None
    submenus: tuple[Submenu, ...] = ()
    unsure: str = ""
    """Why the files do not settle what is started; empty where they do."""
    loader_entries: bool = False
    """GRUB's `blscfg`: the entries are the files in `/loader/entries`."""

    def started(self) -> BootEntry | None:
        """The entry that is started unless someone chooses, as far as the files say.

        As GRUB does it (grub-core/normal/menu.c get_entry_number, 2.12): a number, title or id; for each
        submenu one, joined by `>`; the first where nothing is of that name.
        """
        able = [entry for entry in self.entries if entry.kernel]
        if not able:
            return None
        at: tuple[int, ...] = ()
        for part in (self.default or "0").split(">"):
            number = self._number(at, part)
            if number is None:
                break
            at = (*at, number)
        for candidate in able:
            if candidate.place[: len(at)] == at and at:
                return candidate
        named = next(
            (boot_entry for boot_entry in able if self.default in {boot_entry.title, boot_entry.id or None}),
            None,
        )
        if named is not None:
            return named
        if (self.default or "").isascii() and (self.default or "").isdigit() and not able[0].place:
            number = int(self.default or "0")
            return able[number] if number < len(able) else able[0]
        return able[0]

    def _number(self, at: tuple[int, ...], name: str) -> int | None:
        every: tuple[BootEntry | Submenu, ...] = (*self.entries, *self.submenus)
        inside = [entry for entry in every if entry.place and entry.place[:-1] == at]
        if name.isascii() and name.isdigit():
            number = int(name)
            return number if any(entry.place[-1] == number for entry in inside) else None
        return next((entry.place[-1] for entry in inside if name in {entry.title, entry.id or None}), None)
