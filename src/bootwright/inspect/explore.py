"""From an artifact to its tree of facts: what it is, what it holds, and what that holds in turn.

    disk image → partition → file system → kernel, initramfs → squashfs → os-release, modules, …

Every step is bounded: how deep things may be nested, how many are described, how far anything may expand.
What cannot be read inside an artifact is a problem in the tree; only an artifact that itself cannot be
read is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import frozen

from bootwright.formats.filesystems.directory import Directory
from bootwright.formats.sources.bytesource import ByteSource, FileBytes
from bootwright.formats.sources.compressed import DEFAULT_LIMIT, Growth
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.progress import Progress, Silent
from bootwright.inspect import explore_boot, explore_disk, explore_files, explore_package
from bootwright.inspect.detect import detect
from bootwright.inspect.facts import Item, Origin, Problem


@frozen
class Limits:
    """How far an artifact is followed."""

    depth: int = 16
    """Things inside things. A Talos image needs 9."""
    items: int = 20_000
    """Items in the tree."""
    entries: int = 2_000_000
    """Names in all file systems together."""
    expanded: int = DEFAULT_LIMIT
    """Bytes that everything compressed may expand to, and that is read to be taken apart, in all."""


Handler = Callable[["Explorer", ByteSource, str, int], Item]

HANDLERS: Mapping[str, Handler] = {
    "compressed": explore_package.compressed,
    "devicetree": explore_boot.devicetree,
    "disk": explore_disk.disk,
    "efi": explore_boot.efi,
    "ext": explore_disk.ext,
    "initramfs": explore_boot.initramfs,
    "kernel": explore_boot.kernel,
    "package": explore_package.package,
    "squashfs": explore_disk.squashfs,
    "superblock": explore_disk.superblock,
    "tar": explore_package.tar,
    "uki": explore_boot.uki,
    "vfat": explore_disk.fat,
    "xfs": explore_disk.xfs,
}
"""How each format that `detect` names is described."""


class Explorer:
    """Describes artifacts within limits; one explorer for one artifact."""

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        progress: Progress | None = None,
        growth: Growth | None = None,
    ) -> None:
        """`growth` may have begun with the artifact already."""
        self.limits = limits or Limits()
        self.progress = progress or Silent()
        self._growth = growth
        self.growth: Growth | None = None
        """What is being expanded meanwhile; only within `artifact`, which waits for it in the end."""
        self._left = self.limits.items
        self.entries_left = self.limits.entries
        self.bytes_left = self.limits.expanded

    def artifact(self, what: str) -> Item:
        """Describe a file, a directory or an http(s) URL.

        Raises `Missing` when it is not there, `Malformed` or `Refused` when it is nothing that is known.
        """
        self.growth, self._growth = self._growth or Growth(), None
        try:
            with self.growth as growth, self.progress.step(f"reading {what}"):
                item = self._artifact(what)
                growth.finish()
        finally:
            self.growth = None
        return item

    def _artifact(self, what: str) -> Item:
        if what.startswith(("http://", "https://")):
            from bootwright.formats.sources.url import open_url

            return self.source(open_url(what, progress=self.progress), what)
        path = Path(what)
        if path.is_dir():
            return explore_package.directory(self, Directory(path), what)
        if not path.exists():
            raise Missing(f"there is no {what}", hint="give a file, a directory or an http(s) URL")
        return self.source(FileBytes(path), what)

    def source(self, source: ByteSource, name: str) -> Item:
        """Describe the bytes of an artifact; raises as `artifact` does."""
        if not len(source):
            raise Malformed(source.name, 0, "an artifact", "an empty file")
        path = "/" + name.replace("\\", "/").lstrip("/")
        role = explore_files.role_of(path) or explore_files.role_of(f"/{path.rpartition('/')[2]}")
        text = explore_boot.TEXTS.get(role or "")
        kind = detect(source)
        if kind is None and text is not None:
            return text(self, source, name, 0)
        handler = HANDLERS.get(kind or "")
        if handler is None:
            what = kind or f"it begins with {source.read(0, min(8, len(source))).hex(' ')}"
            raise Refused(
                f"{source.name} is nothing that is known here ({what})",
                hint="disk images, partitions, kernels, UKIs, initramfs, DTBs, packages and directories are",
            )
        return handler(self, source, name, 0)

    def follow(self, source: ByteSource, name: str, depth: int, *, role: str | None = None) -> Item | None:
        """Describe something found inside an artifact; None where it is nothing that is known.

        Never raises for what the bytes say: a problem is told in the item.
        """
        if self._left <= 0 or depth > self.limits.depth:
            return None
        self._left -= 1
        origin = Origin(source.name, 0, len(source))
        kind = role
        try:
            if role is not None and role in explore_boot.TEXTS:
                return explore_boot.TEXTS[role](self, source, name, depth)
            kind = detect(source)
            handler = HANDLERS.get(kind or "")
            if handler is None:
                return None
            return handler(self, source, name, depth)
        except BootwrightError as error:
            problem = Problem.of(error, source.name)
            return Item(role or kind or "unknown", name, origin, problems=(problem,), source=source)

    def spend(self, size: int) -> None:
        """Count bytes that were expanded or taken apart; raises `Refused` when they are too many in all.

        Without it an image could name one part a thousand times and keep us busy for days.
        """
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise Refused(
                f"more than {self.limits.expanded} bytes to expand and take apart in all",
                hint="inspect the parts one by one",
            )

    @property
    def exhausted(self) -> bool:
        """Whether the number of items has been used up."""
        return self._left <= 0
