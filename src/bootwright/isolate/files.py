"""One file that two images hold in different form, as pieces that can be taken from either."""

from __future__ import annotations

import re
from typing import Protocol

from attrs import define, field, frozen

from bootwright.formats.devicetree.fdt import parse_fdt
from bootwright.formats.programs.pe import open_section, read_pe
from bootwright.formats.programs.uki import labeled_sections
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import BootwrightError, Refused
from bootwright.images.change.edits import EDITORS, ArgumentEdit
from bootwright.images.opened import argument_names
from bootwright.images.write import uki
from bootwright.isolate.dtb import TreeMix
from bootwright.isolate.hunks import Mix, mix_arguments, mix_lines
from bootwright.isolate.initramfs import InitramfsMix

WHOLE = ""
"""The name of the piece of a file that cannot be taken apart."""


@frozen
class Piece:
    """A difference within a file."""

    kind: str
    """The part of an image it belongs to: `command line`, `config.txt`, `dtb`, …"""
    name: str
    """Unique within its kind and file; `WHOLE` where it is all of that kind."""
    needs: frozenset[str] = field(default=frozenset(), eq=False)
    """Names of others of its kind and file that come along with it."""
    with_kernel: bool = field(default=False, eq=False)
    """Whether it must change together with the kernel: modules of another release."""


class Mixed(Protocol):
    """A file of both images."""

    def pieces(self) -> list[Piece]:
        """What differs, at the finest."""
        ...

    def content(self, from_bad: frozenset[Piece]) -> bytes | None:
        """The file with these pieces of the bad image; None where it is not there then.

        Raises `Refused` for a choice that cannot be made.
        """
        ...


@define
class WholeFile:
    """A file that is taken as it is, or is only in one of the images."""

    kind: str
    good: bytes | None
    bad: bytes | None

    def pieces(self) -> list[Piece]:
        """See `Mixed`."""
        return [Piece(self.kind, WHOLE)]

    def content(self, from_bad: frozenset[Piece]) -> bytes | None:
        """See `Mixed`."""
        return self.bad if from_bad else self.good


@define
class TextFile:
    """config.txt, line by line."""

    kind: str
    good: bytes
    bad: bytes
    _mix: Mix = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._mix = mix_lines(_lines(self.good), _lines(self.bad))

    def pieces(self) -> list[Piece]:
        """See `Mixed`."""
        return [Piece(self.kind, hunk.name) for hunk in self._mix.hunks]

    def content(self, from_bad: frozenset[Piece]) -> bytes:
        """See `Mixed`."""
        if len(from_bad) == len(self._mix.hunks):
            return self.bad
        lines = self._mix.choose(frozenset(piece.name for piece in from_bad))
        return "\n".join(lines).encode("utf-8", "surrogateescape")


@define
class LoaderConfig:
    """A boot loader's configuration: the kernel's arguments one by one, and the rest of it."""

    chain: str
    """The kind of boot chain, as `images.opened` tells it."""
    good: bytes
    bad: bytes
    good_arguments: str
    bad_arguments: str
    where: str
    _mix: Mix = field(init=False)
    _rest: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._mix = mix_arguments(argument_names(self.good_arguments), argument_names(self.bad_arguments))
        # The rest differs where the good file with the bad one's arguments is not yet the bad file.
        try:
            self._rest = _squeezed(self._edited(self.good, self._mix.choose(self._all()))) != _squeezed(
                self._edited(self.bad, self._mix.choose(self._all()))
            )
        except BootwrightError:
            self._rest = True

    def _all(self) -> frozenset[str]:
        return frozenset(hunk.name for hunk in self._mix.hunks)

    def pieces(self) -> list[Piece]:
        """See `Mixed`."""
        hunks = [Piece("command line", hunk.name) for hunk in self._mix.hunks]
        return [*hunks, Piece("boot menu", WHOLE)] if self._rest or not hunks else hunks

    def content(self, from_bad: frozenset[Piece]) -> bytes:
        """See `Mixed`."""
        names = frozenset(piece.name for piece in from_bad if piece.kind == "command line")
        menu = any(piece.kind == "boot menu" for piece in from_bad)
        if menu and names == self._all():
            return self.bad
        if not menu and not names:
            return self.good
        return self._edited(self.bad if menu else self.good, self._mix.choose(names))

    def _edited(self, data: bytes, wanted: list[str]) -> bytes:
        have = argument_names(self.bad_arguments if data is self.bad else self.good_arguments)
        if have == wanted:
            return data
        edits = [ArgumentEdit(False, argument) for argument in _removable(have)]
        edits += [ArgumentEdit(True, argument) for argument in wanted]
        return EDITORS[self.chain](data, edits, self.where)


def _removable(arguments: list[str]) -> list[str]:
    """Each name once: taking `console` away takes every `console=…`."""
    return list(dict.fromkeys(argument.partition("=")[0] for argument in arguments))


def _squeezed(data: bytes) -> bytes:
    return re.sub(rb"\s+", b" ", data).strip()


@define
class TreeFile:
    """A devicetree blob, property by property."""

    kind: str
    good: bytes
    bad: bytes
    _mix: TreeMix

    def pieces(self) -> list[Piece]:
        """See `Mixed`."""
        return [Piece(self.kind, name) for name in self._mix.names]

    def content(self, from_bad: frozenset[Piece]) -> bytes:
        """See `Mixed`."""
        if not from_bad:
            return self.good
        if len(from_bad) == len(self._mix.names):
            return self.bad
        return self._mix.blob(frozenset(piece.name for piece in from_bad))


def tree_file(kind: str, good: bytes, bad: bytes, where: str) -> Mixed:
    """A blob that can be mixed, or one taken whole where it cannot."""
    try:
        mix = TreeMix(parse_fdt(good, where), parse_fdt(bad, where))
    except BootwrightError:
        return WholeFile(kind, good, bad)
    if not mix.names or not mix.comparable:
        return WholeFile(kind, good, bad)
    return TreeFile(kind, good, bad, mix)


@define
class InitramfsFile:
    """An initramfs, member by member, its squashfs roots file by file."""

    mix: InitramfsMix

    def pieces(self) -> list[Piece]:
        """See `Mixed`."""
        if not self.mix.names:
            return [Piece("initramfs", WHOLE)]
        return [
            Piece("initramfs", name, self.mix.needs.get(name, frozenset()), name in self.mix.with_kernel)
            for name in self.mix.names
        ]

    def content(self, from_bad: frozenset[Piece]) -> bytes:
        """See `Mixed`."""
        if not self.mix.names:
            return self.mix.bad if from_bad else self.mix.good
        return self.mix.content(frozenset(piece.name for piece in from_bad))


def initramfs_file(good: bytes, bad: bytes, where: str) -> tuple[Mixed, str | None]:
    """An initramfs taken apart, or taken whole and why."""
    try:
        return InitramfsFile(InitramfsMix(good, bad, where)), None
    except BootwrightError as error:
        return WholeFile("initramfs", good, bad), error.message


_SECTIONS = {".linux": "kernel", ".uname": "kernel", ".initrd": "initramfs", ".dtb": "dtb"}


@define
class UkiFile:
    """A unified kernel image, section by section; command line, initramfs and devicetree taken apart."""

    good: bytes
    bad: bytes
    where: str
    remarks: list[str] = field(factory=list)
    """What is taken whole, and why."""
    _good: dict[str, bytes] = field(init=False)
    _bad: dict[str, bytes] = field(init=False)
    _mix: Mix = field(init=False)
    _inner: dict[str, Mixed] = field(init=False, factory=dict)
    """Sections that are taken apart."""

    def __attrs_post_init__(self) -> None:
        self._good, self._bad = _sections(self.good, self.where), _sections(self.bad, self.where)
        self._mix = mix_arguments(_arguments(self._good), _arguments(self._bad))
        for name in (".initrd", ".dtb"):
            ours, theirs = self._good.get(name), self._bad.get(name)
            if not ours or not theirs or ours == theirs:
                continue
            if name == ".dtb":
                self._inner[name] = tree_file("dtb", ours, theirs, self.where)
                continue
            self._inner[name], reason = initramfs_file(ours, theirs, self.where)
            if reason is not None:
                self.remarks.append(reason)

    def pieces(self) -> list[Piece]:
        """See `Mixed`."""
        differing: dict[Piece, None] = {Piece("command line", hunk.name): None for hunk in self._mix.hunks}
        for name in (*self._good, *self._bad):
            if name == ".cmdline" or self._good.get(name) == self._bad.get(name):
                continue
            if name in self._inner:
                differing |= dict.fromkeys(self._inner[name].pieces())
            else:
                differing[Piece(_SECTIONS.get(name, "boot loader"), WHOLE)] = None
        return list(differing)

    def content(self, from_bad: frozenset[Piece]) -> bytes:
        """See `Mixed`: the bad image's stub where `boot loader` is chosen, the good one's otherwise."""
        if not from_bad:
            return self.good
        if len(from_bad) == len(self.pieces()):
            return self.bad
        base, sections, other = (
            (self.bad, self._bad, self._good)
            if any(piece.kind == "boot loader" for piece in from_bad)
            else (self.good, self._good, self._bad)
        )
        changes: dict[str, bytes] = {}
        for name in _SECTIONS:
            wanted = self._section(name, from_bad)
            if wanted is None and name in sections:
                raise Refused(f"{self.where}: section {name} is in one of the images only")
            if wanted is not None and sections.get(name) != wanted:
                changes[name] = wanted
        names = frozenset(piece.name for piece in from_bad if piece.kind == "command line")
        text = " ".join(self._mix.choose(names)).encode("utf-8", "surrogateescape")
        if ".cmdline" in sections or ".cmdline" in other:
            changes[".cmdline"] = text
        return uki.replace_sections(base, changes, self.where)

    def _section(self, name: str, from_bad: frozenset[Piece]) -> bytes | None:
        chosen = frozenset(piece for piece in from_bad if piece.kind == _SECTIONS[name])
        if name in self._inner:
            return self._inner[name].content(chosen)
        return (self._bad if chosen else self._good).get(name)


def uki_file(good: bytes, bad: bytes, where: str) -> Mixed:
    """A UKI that can be mixed; `boot loader` as a whole where it cannot be read."""
    try:
        return UkiFile(good, bad, where)
    except BootwrightError:
        return WholeFile("boot loader", good, bad)


def _sections(data: bytes, where: str) -> dict[str, bytes]:
    """Label → content. The stub's own code and data, and what describes it, belong to the boot loader."""
    source = Bytes(data, where)
    return {
        labeled.label: open_section(source, labeled.section).read(0, labeled.section.size)
        for labeled in labeled_sections(read_pe(source))
    }


def _arguments(sections: dict[str, bytes]) -> list[str]:
    return argument_names(sections.get(".cmdline", b"").rstrip(b"\0\n").decode("utf-8", "replace"))


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "surrogateescape").split("\n")
