"""From an artifact to its tree of facts: what it is, what it holds, and what that holds in turn.

    disk image → partition → file system → kernel, initramfs → squashfs → os-release, modules, …

Every step is bounded: how deep things may be nested, how many are described, how far anything may expand.
What cannot be read inside an artifact is a problem in the tree; only an artifact that itself cannot be
read is an error.
"""

from __future__ import annotations

from pathlib import Path

from bootwright.formats.filesystems.directory import Directory
from bootwright.formats.filesystems.filesystem import FileSystem
from bootwright.formats.sources.address import REGISTRY
from bootwright.formats.sources.bytesource import ByteSource, FileBytes
from bootwright.formats.sources.compressed import Growth
from bootwright.formats.sources.transport import Transport
from bootwright.foundation.errors import CUT_SHORT, BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.progress import Progress, Silent
from bootwright.inspect import registry
from bootwright.inspect.containers import directory, of_registry
from bootwright.inspect.facts import Item, ItemKind, Origin, Problem
from bootwright.inspect.format import Format, Limits
from bootwright.inspect.mistaken import refuse_mistaken


class Explorer:
    """Describes artifacts within limits; one explorer for one artifact."""

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        progress: Progress | None = None,
        growth: Growth | None = None,
        transport: Transport | None = None,
    ) -> None:
        """`growth` may have begun with the artifact already; `transport` is what registries are asked by."""
        self.transport = transport
        self.limits = limits or Limits()
        self.progress = progress or Silent()
        self._growth = growth
        self.growth: Growth | None = None
        """What is being expanded meanwhile; only within `artifact`, which waits for it in the end."""
        self._left = self.limits.items
        self.entries_left = self.limits.entries
        self.bytes_left = self.limits.expanded

    def artifact(self, what: str) -> Item:
        """Describe a file, a directory, an http(s) URL or an image of a registry (`oci://HOST/NAME:TAG`).

        Raises `Missing` when it is not there, `Malformed` or `Refused` when its format is not recognised.
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
            return self._url(what)
        if what.startswith(REGISTRY):
            return of_registry(self, what)
        path = Path(what)
        if path.is_dir():
            return directory(self, Directory(path), what)
        if not path.exists():
            raise Missing(
                f"there is no {what}", hint="give a file, a directory, an http(s) URL or oci://HOST/NAME:TAG"
            )
        return self.source(FileBytes(path), what)

    def _url(self, what: str) -> Item:
        from bootwright.formats.sources.url import UrlBytes, open_url

        source = open_url(what, progress=self.progress, transport=self.transport)
        item = self.source(source, what)
        if isinstance(source, UrlBytes):
            share = f"{source.received / 1e6:.1f} of {source.size / 1e6:.1f} MB"
            self.progress.note(f"{what}: {share} fetched; it is held to no hash")
        return item

    def source(self, source: ByteSource, name: str) -> Item:
        """Describe the bytes of an artifact; raises as `artifact` does."""
        if not source.size:
            raise Malformed(source.name, 0, "an artifact", "an empty file", hint=CUT_SHORT)
        path = "/" + name.replace("\\", "/").lstrip("/")
        role = registry.role_of(path) or registry.role_of(f"/{path.rpartition('/')[2]}")
        format_ = registry.format_of(source) or registry.text_format(role or "") or registry.alone(source)
        if format_ is None:
            refuse_mistaken(source.read(0, min(1 << 16, source.size)), source.name)
            start = source.read(0, min(8, source.size)).hex(" ")
            raise Refused(
                f"{source.name}: unrecognised format (it begins with {start})",
                hint="give a disk image, partition, kernel, UKI, initramfs, devicetree, package or directory",
            )
        return format_.describe(self, source, name, 0)

    def follow(self, source: ByteSource, name: str, depth: int, *, role: str | None = None) -> Item | None:
        """See `Context`."""
        if self._left <= 0 or depth > self.limits.depth:
            return None
        self._left -= 1
        origin = Origin(source.name, 0, source.size)
        kind = role
        try:
            format_ = registry.text_format(role or "") or registry.format_of(source)
            if format_ is None:
                return None
            kind = format_.name
            return format_.describe(self, source, name, depth)
        except BootwrightError as error:
            problem = Problem.of(error, source.name)
            return Item(ItemKind(role or kind or "unknown"), name, origin, problems=(problem,), source=source)

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

    def format_of(self, source: ByteSource) -> Format | None:
        """See `Context`."""
        return registry.format_of(source)

    def role_of(self, path: str) -> str | None:
        """See `Context`."""
        return registry.role_of(path)

    def fits(self, role: str, kind: ItemKind) -> bool:
        """See `Context`."""
        format_ = registry.named(role)
        return format_ is None or not format_.fits or kind in format_.fits

    def describe_file(self, role: str, files: FileSystem, source: ByteSource, path: str) -> Item | None:
        """See `Context`."""
        format_ = registry.text_format(role)
        if format_ is None or format_.describe_file is None:
            return None
        return format_.describe_file(files, source, path)

    @property
    def exhausted(self) -> bool:
        """Whether the number of items has been used up."""
        return self._left <= 0
