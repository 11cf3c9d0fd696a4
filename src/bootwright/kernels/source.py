"""A source of kernels: one file of `data/kernels/`, read strictly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias, TypeVar

from attrs import field, frozen

from bootwright.foundation.errors import Malformed
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.versions import Version

_UPSTREAM = re.compile(r"^\d+:|-[^-]*$")
"""What a Debian package's version has around the upstream one (deb-version(7)): epoch and revision."""
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
    also: tuple[str, ...] = ()
    """Packages with more modules, which not every kernel has."""

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
    release: tuple[str, ...]
    """Forms of `uname -r`, with `{flavour}`, and `{version}` or `{abi}` (whose version the package says)."""
    flavours: dict[str, int] = field(hash=False)
    layout: tuple[Layout, ...]
    paths: Paths
    variants: dict[str, str] = field(hash=False, factory=dict)
    """Flavour → what follows the page size in a catalogue name; the others have nothing there."""
    endings: tuple[str, ...] = ()
    """What a package's name may end in beside: the same kernel, in a file that somebody has. Not listed."""
    snapshot: Snapshot | None = None
    always: bool = False
    """Whether its kernels are listed without its being named."""
    archives: tuple[str, ...] = ()
    """Addresses to go to where the system's apt knows none."""
    keys: tuple[str, ...] = ()
    """Fingerprints of the keys that sign, 40 hexadecimal digits. Empty: any key of the keyring counts."""
    key_address: str | None = None
    """Where the public key is to be had when no keyring is installed; trusted by its fingerprint only."""

    def kernel_name(self, version: Version, flavour: str) -> str:
        """The catalogue name, such as `debian-6.12.107-16k` or `debian-6.1.176-4k-cloud`."""
        variant = f"-{self.variants[flavour]}" if flavour in self.variants else ""
        return f"{self.name}-{version}-{PAGE_NAMES[self.flavours[flavour]]}{variant}"

    def named(self, part: str, package: str, package_version: str = "") -> Named | None:
        """What a package is of, if its name fits `part` (with `{release}` in it, if it is a kernel's)."""
        if not package.startswith(part.partition("{")[0]):  # nearly all of an archive's 60,000
            return None
        for pattern in _patterns(self.release, tuple(self.flavours), part):
            match = pattern.fullmatch(package)
            if match is not None:
                groups = match.groupdict()
                version = groups.get("version") or _UPSTREAM.sub("", package_version)
                return Named(
                    groups.get("release", package), groups.get("flavour", ""), Version.parse(version)
                )
        return None

    def given(self, package: str) -> Named | None:
        """The same for a package of any layout that somebody has as a file, `endings` included."""
        for ending in ("", *self.endings):
            if package.endswith(ending):
                for part in self.parts:
                    named = self.named(part, package.removesuffix(ending))
                    if named is not None:
                        return named
        return None

    @property
    def holder(self) -> str:
        """Where its kernels are, for messages."""
        return ", ".join(self.suites)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of packages in every layout."""
        named = ((*layout.boot, *layout.modules, *layout.also) for layout in self.layout)
        return tuple(dict.fromkeys(part for parts in named for part in parts))


@frozen
class Named:
    """What the name of a kernel package says."""

    release: str
    flavour: str
    version: Version | None
    """None where neither the name nor the package's version says."""


@cache
def _patterns(releases: tuple[str, ...], flavours: tuple[str, ...], part: str) -> list[re.Pattern[str]]:
    kinds = "|".join(sorted(map(re.escape, flavours), key=len, reverse=True))
    made = []
    for form in releases:
        release = (
            re.escape(form)
            .replace(r"\{version\}", r"(?P<version>\d+(?:\.\d+)+)")
            .replace(r"\{abi\}", r"\d+(?:\.\d+)+-\d[^-]*")
            .replace(r"\{flavour\}", f"(?P<flavour>{kinds})")
            .replace(r"\*", "[^-]*")
        )
        made.append(re.compile(re.escape(part).replace(r"\{release\}", f"(?P<release>{release})")))
    return made


@frozen
class RegistrySource:
    """Container images that hold kernels, a tag for each version."""

    name: str
    title: str
    source: str
    image: str
    """The repository, as `oci://HOST/NAME`."""
    tags: tuple[str, ...]
    """Forms of the tags that count, with `{version}`; `*` stands for anything but a dash."""
    page_size: int
    """Bytes, of every kernel there."""
    front: tuple[str, ...] = ()
    """Paths of the kernel and of what a boot needs beside it, where they come early in their layer: then no
    more than that is read unless modules are asked for. The kernel's is the first."""
    always: bool = False
    """Whether its kernels are listed without its being named."""

    @property
    def holder(self) -> str:
        """Where its kernels are, for messages."""
        return self.image

    def version_of(self, tag: str) -> Version | None:
        """The version that a tag names; None for a tag that is none of the forms."""
        for form in self.tags:
            pattern = re.escape(form).replace(r"\{version\}", r"(?P<version>\d+(?:\.\d+)+)")
            match = re.fullmatch(pattern.replace(r"\*", "[^-]*"), tag)
            if match is not None:
                return Version.parse(match["version"])
        return None


@frozen
class Pinned:
    """One kernel at an address."""

    version: str
    """In its name; a distribution's own where that is what people know it by."""
    page_size: int
    url: str
    """Of a kernel, a package, or an image that boots one."""
    sha256: str
    """Of the whole file, 64 hexadecimal digits."""


@frozen
class AddressSource:
    """Kernels at addresses of their own, each known by its hash."""

    name: str
    title: str
    source: str
    kernel: tuple[Pinned, ...]
    always: bool = False
    """Whether its kernels are listed without its being named."""

    @property
    def holder(self) -> str:
        """Where its kernels are, for messages."""
        return self.title


AnySource: TypeAlias = Source | RegistrySource | AddressSource
"""A source of any kind."""

SOURCES = Kind("kernels", "a kernel source", Source)
REGISTRIES = Kind("kernels/registries", "a registry of kernels", RegistrySource)
ADDRESSES = Kind("kernels/addresses", "a list of kernels' addresses", AddressSource)


def load_sources(files: Sequence[Path] | None = None) -> tuple[Source, ...]:
    """All archives of packages, or those of `files`; raises `Malformed` for a file that is not right."""
    return tuple(load_source(path) for path in (SOURCES.files().values() if files is None else files))


def all_sources() -> tuple[AnySource, ...]:
    """The sources of every kind; raises `Malformed` for a file that is not right, or a name used twice."""
    sources: list[AnySource] = [
        *load_sources(),
        *(_checked(REGISTRIES.load(path), path) for path in REGISTRIES.files().values()),
        *(_checked(ADDRESSES.load(path), path) for path in ADDRESSES.files().values()),
    ]
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise Malformed("kernel sources", None, "a name of its own for each", f"{name} twice")
    return tuple(sources)


_Elsewhere = TypeVar("_Elsewhere", RegistrySource, AddressSource)


def _checked(source: _Elsewhere, path: Path) -> _Elsewhere:
    for problem in _elsewhere_problems(source):
        raise Malformed(str(path), None, "a kernel source", problem)
    return source


def _elsewhere_problems(source: RegistrySource | AddressSource) -> Iterator[str]:
    if not re.fullmatch("[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*", source.name):
        yield f"name = {source.name!r}, which is not of lower case letters, digits and dashes"
    if isinstance(source, RegistrySource):
        if not re.fullmatch("oci://[^:@]+(:[0-9]+)?/[^:@]+", source.image):
            yield f"image = {source.image!r}, which is not oci://HOST/NAME"
        for path in source.front:
            if path.startswith("/") or ".." in path.split("/"):
                yield f"front = {path!r}, which is no path below the image's root"
        for form in source.tags:
            if re.findall(r"\{\w*\}", form) != ["{version}"]:
                yield f"tags = {form!r} without {{version}}"
        sizes = [source.page_size]
    else:
        for kernel in source.kernel:
            if Version.parse(kernel.version) is None:
                yield f"a version {kernel.version!r}"
            if not re.fullmatch("[0-9a-f]{64}", kernel.sha256):
                yield f"a sha256 {kernel.sha256!r} of {kernel.version}"
            if not kernel.url.startswith(("https://", "http://")):
                yield f"an address {kernel.url!r}"
        sizes = [kernel.page_size for kernel in source.kernel]
    for size in sizes:
        if size not in PAGE_NAMES:
            yield f"pages of {size} bytes"


def load_source(path: Path) -> Source:
    """The source in one file; an unknown key or a wrong value is an error naming it."""
    source = SOURCES.load(path)
    for problem in _problems(source):
        raise Malformed(str(path), None, "a kernel source", problem)
    return source


def _problems(source: Source) -> Iterator[str]:
    if not source.release or not source.suites or not source.layout or not source.layout[0].boot:
        yield "no release, no suites, no layout or no packages in it"
    for flavour, size in source.flavours.items():
        if size not in PAGE_NAMES:
            yield f"flavour {flavour} with pages of {size} bytes"
    for key in source.keys:
        if not re.fullmatch("[0-9A-F]{40}", key):
            yield f"keys = {key!r}, which is no fingerprint of 40 digits"
    if source.key_address and not source.keys:
        yield "key_address without keys, so that any key would do"
    for form in source.release:
        if set(re.findall(r"\{\w+\}", form)) not in ({"{version}", "{flavour}"}, {"{abi}", "{flavour}"}):
            yield f"release = {form!r} without {{flavour}} and either {{version}} or {{abi}}"
    for flavour, variant in source.variants.items():
        if flavour not in source.flavours or not re.fullmatch("[a-z][a-z0-9]*", variant):
            yield f"a variant {variant!r} of {flavour}, which is no word or no flavour"
    yield from _layout_problems(source)


def _layout_problems(source: Source) -> Iterator[str]:
    for layout in source.layout:
        for version in (layout.since, layout.before):
            if version is not None and Version.parse(version) is None:
                yield f"a version {version!r}"
        for part in (*layout.boot, *layout.modules, *layout.also):
            if re.findall(r"\{\w*\}", part) != ["{release}"]:
                yield f"a package name {part!r} without {{release}}"
