"""Takes image, config, modules and devicetree blobs out of a package, and nothing else.

Only regular files whose path is one of those named by the source are written, into a folder made for it;
links are never made nor followed, and the number and size of files are bounded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field, frozen

from bootwright.formats.archives.deb import DebReader
from bootwright.formats.sources.streams import CHUNK, Limited
from bootwright.foundation import atomic
from bootwright.foundation.errors import Malformed, Refused
from bootwright.kernels.source import Paths, Source

_MOST_IMAGE = 256 << 20
_MOST_CONFIG = 16 << 20
_MOST_TREE = 4 << 30
_MOST_FILES = 100_000


@frozen
class Wanted:
    """What to take. With `front_only`, reading stops once image and config are out."""

    release: str
    paths: Paths
    modules: bool
    """Whether modules are wanted; image, config and blobs are always taken when they come by."""
    front_only: bool

    def place(self, name: str) -> str | None:
        """Where in the work folder the member `name` goes; None when it is not wanted."""
        if name in self._all(self.paths.image):
            return "vmlinuz"
        if name in self._all(self.paths.config):
            return "config"
        for folder in self._all(self.paths.dtbs):
            if name.startswith(folder):
                return f"tree/dtbs/{name.removeprefix(folder)}"
        for folder in self._all(self.paths.modules):
            if name.startswith(folder) and self._is_module_file(name.removeprefix(folder)):
                return f"tree/lib/modules/{self.release}/{name.removeprefix(folder)}"
        return None

    def _is_module_file(self, name: str) -> bool:
        # modules.builtin, modules.order and their kin are small and describe the image too.
        return self.modules or name.startswith("modules.")

    def _all(self, patterns: Sequence[str]) -> list[str]:
        return [pattern.format(release=self.release) for pattern in patterns]


_ANY = Paths(
    image=("boot/vmlinuz-{release}", "usr/lib/modules/{release}/vmlinuz", "lib/modules/{release}/vmlinuz"),
    config=("boot/config-{release}", "usr/lib/modules/{release}/config"),
    dtbs=("usr/lib/linux-image-{release}/", "boot/dtb-{release}/", "usr/lib/modules/{release}/dtb/"),
    modules=("usr/lib/modules/{release}/", "lib/modules/{release}/"),
)
"""Where packages of no known source have things: those of `make bindeb-pkg` (scripts/package/builddeb,
Linux 6.12) and what distributions make with it."""
_IMAGE = re.compile(
    r"(?:boot/vmlinuz-|(?:usr/)?lib/modules/)([A-Za-z0-9][A-Za-z0-9._+~-]{0,100})(?:/vmlinuz)?"
)


def wanted_of(deb: DebReader, sources: Sequence[Source], where: str) -> Wanted:
    """All that a package which somebody has as a file holds: by its source's names, else by its own list.

    Raises `Refused` for one of another architecture, `Malformed` for one whose list names no kernel.
    """
    package, architecture = deb.field("Package"), deb.field("Architecture")
    if architecture not in {"", "arm64", "all"}:
        raise Refused(f"{where} is a package for {architecture}", hint="kernels for arm64 are looked at here")
    for source in sources:
        named = source.given(package)
        if named is not None:
            return Wanted(named.release, source.paths, modules=True, front_only=False)
    releases = {
        match[1]
        for name in deb.md5sums
        if (match := _IMAGE.fullmatch(name)) and (name.startswith("boot/") or name.endswith("/vmlinuz"))
    }
    if len(releases) != 1:
        held = f"those of {', '.join(sorted(releases))}" if releases else "none"
        raise Malformed(
            where,
            None,
            f"one kernel in the package {package}",
            held,
            hint="its image is in boot/vmlinuz-RELEASE; a folder that dpkg-deb -x made can be given too",
        )
    return Wanted(releases.pop(), _ANY, modules=True, front_only=False)


@define
class Taken:
    """What came out."""

    package: str
    version: str
    ended: bool = False
    """Whether the package was read to its end."""
    files: dict[str, str] = field(factory=dict)
    """Place in the work folder → `same` when its MD5 is the one in the package's list, else `unlisted`."""

    @property
    def has_front(self) -> bool:
        """Whether image and config are both out."""
        return "vmlinuz" in self.files and "config" in self.files


def extract(deb: DebReader, wanted: Wanted, work: Path, where: str) -> Taken:
    """Write the wanted members below `work`.

    Raises `Malformed` when a file's MD5 differs from the package's list, or a bound is passed.
    """
    taken = Taken(package=deb.field("Package"), version=deb.field("Version"))
    total = 0
    for member, content in deb.files():
        place = wanted.place(member.name) if member.kind == "file" else None
        if place is None:
            continue
        total += member.size
        limit = {"vmlinuz": _MOST_IMAGE, "config": _MOST_CONFIG}.get(place, _MOST_TREE)
        if member.size > limit or total > _MOST_TREE or len(taken.files) >= _MOST_FILES:
            raise Malformed(
                f"{where}:{member.name}",
                None,
                f"at most {limit} bytes, {_MOST_TREE} and {_MOST_FILES} files in all",
                f"{member.size} bytes, {total} and {len(taken.files)} files so far",
                hint="no kernel is as large; do not trust this package",
            )
        digest = _write(content, work / place)
        listed = deb.md5sums.get(member.name)
        if listed is not None and listed != digest:
            raise Malformed(
                f"{where}:{member.name}",
                None,
                f"MD5 {listed} as in the package's md5sums",
                digest,
                hint="the package is damaged; fetch it again",
            )
        taken.files[place] = "same" if listed is not None else "unlisted"
        if wanted.front_only and taken.has_front:
            return taken
    taken.ended = True
    return taken


def _write(content: Limited, path: Path) -> str:
    # MD5 is what md5sums(5) of a package holds; authenticity is the index's SHA256's matter.
    digest = hashlib.md5(usedforsecurity=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            while piece := content.read(CHUNK):
                digest.update(piece)
                file.write(piece)
    except OSError as error:
        raise atomic.explained(error, path) from error
    return digest.hexdigest()
