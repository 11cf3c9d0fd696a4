"""A source of kernels: one file of `data/kernels/`, read strictly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import field, frozen

from bootwright.foundation.errors import Malformed
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.versions import Version

PAGE_NAMES = {4096: "4k", 16384: "16k", 65536: "64k"}


@frozen
class Snapshot:
    """An archive of archives: every state the archive ever had, by date."""

    base: str
    """Address with `{date}` in it."""
    date: str
    """The pinned date, `YYYYMMDDTHHMMSSZ`."""

    @property
    def address(self) -> str:
        """The archive as it was at the pinned date."""
        return self.base.format(date=self.date)


@frozen
class Layout:
    """How kernels of a range of versions are cut into packages."""

    boot: tuple[str, ...]
    """Packages needed to boot; the first holds the image, the others describe it and may have left the
    archive."""
    modules: tuple[str, ...]
    """Packages that together hold everything, modules included."""
    since: str = "0.0"
    before: str | None = None
    front_share: float | None = None
    """Set where image and config lie at the front of one large package, so that reading stops once they
    are out: about how much of it that takes, for showing only."""

    def holds(self, version: Version) -> bool:
        """Whether kernels of this version are packaged so."""
        since = Version.parse(self.since)
        before = Version.parse(self.before) if self.before else None
        return since is not None and since <= version and (before is None or version < before)


@frozen
class Paths:
    """Where things lie inside the packages, with `{release}` for `uname -r`; folders end in `/`."""

    image: tuple[str, ...]
    config: tuple[str, ...]
    dtbs: tuple[str, ...]
    modules: tuple[str, ...]


@frozen
class Source:
    """A Debian-style archive with kernels in it."""

    name: str
    title: str
    source: str
    origins: tuple[str, ...]
    keyrings: tuple[str, ...]
    keyring_package: str
    suites: tuple[str, ...]
    component: str
    architecture: str
    release: str
    flavours: dict[str, int] = field(hash=False)
    layout: tuple[Layout, ...]
    paths: Paths
    snapshot: Snapshot | None = None

    def kernel_name(self, version: Version, flavour: str) -> str:
        """The catalogue name, such as `debian-6.12.107-16k`."""
        return f"{self.name}-{version}-{PAGE_NAMES[self.flavours[flavour]]}"

    def pattern(self, package: str) -> re.Pattern[str]:
        """Package name → groups `release`, `version` and `flavour`; `package` has `{release}` in it."""
        flavours = "|".join(sorted(map(re.escape, self.flavours), key=len, reverse=True))
        release = (
            re.escape(self.release)
            .replace(r"\{version\}", r"(?P<version>\d+(?:\.\d+)+)")
            .replace(r"\{flavour\}", f"(?P<flavour>{flavours})")
            .replace(r"\*", "[^-]*")
        )
        return re.compile(re.escape(package).replace(r"\{release\}", f"(?P<release>{release})"))


SOURCES = Kind("kernels", "a kernel source", Source)


def load_sources(files: Sequence[Path] | None = None) -> tuple[Source, ...]:
    """All kernel sources, or those of `files`; raises `Malformed` for a file that is not right."""
    return tuple(load_source(path) for path in (SOURCES.files().values() if files is None else files))


def load_source(path: Path) -> Source:
    """The source in one file; an unknown key or a wrong value is an error naming it."""
    source = SOURCES.load(path)
    for problem in _problems(source):
        raise Malformed(str(path), None, "a kernel source", problem)
    return source


def _problems(source: Source) -> Iterator[str]:
    if not source.suites or not source.layout or not source.layout[0].boot:
        yield "no suites, no layout or no packages in it"
    for flavour, size in source.flavours.items():
        if size not in PAGE_NAMES:
            yield f"flavour {flavour} with pages of {size} bytes"
    if not {"{version}", "{flavour}"} <= set(re.findall(r"\{\w+\}", source.release)):
        yield f"release = {source.release!r} without {{version}} and {{flavour}}"
    for layout in source.layout:
        for version in (layout.since, layout.before):
            if version is not None and Version.parse(version) is None:
                yield f"a version {version!r}"
        for part in (*layout.boot, *layout.modules):
            if re.findall(r"\{\w*\}", part) != ["{release}"]:
                yield f"a package name {part!r} without {{release}}"
