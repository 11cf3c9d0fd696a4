"""Which kernel the releases of a system have, and what comes beside it: `data/releases/SYSTEM.toml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Literal

from attrs import field, frozen

from bootwright.foundation.errors import Refused
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM, key
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version


@frozen
class Release:
    """One release."""

    version: Version
    kernel: Version
    overlays: Mapping[str, str] = field(factory=dict)
    """Board overlay (`sbc-raspberrypi`) → its version; empty where that is not known."""
    source: str = ""


@frozen
class OverlayTrees:
    """Whose devicetrees a board overlay has, from one version of it on."""

    overlay: str
    since: Version
    of: Literal["kernel", "raspberrypi-firmware", "overlay"]
    """The kernel's, those of a source of `data/devicetrees/`, or its own."""
    text: str
    source: str
    dtb: str = "*"
    """Of boards whose devicetree has such a name."""


@frozen
class KnownOfReleases:
    """What is known of some releases on some boards by versions alone; all that is given must hold."""

    boards: tuple[str, ...]
    goals: tuple[str, ...]
    """Names of goals; `*` for all."""
    text: str
    source: str
    verdict: Verdict = Verdict.FAILS
    """`unknown` for what was reported of some boards, `works` for what is reported to work."""
    remedy: str = ""
    """What to do; empty to ask for a release of which nothing such is known."""
    steppings: tuple[str, ...] = ()
    since: Version | None = None
    before: Version | None = None
    kernel_since: Version | None = None
    kernel_before: Version | None = None
    overlay: str = ""
    """With `overlay_since` and `overlay_before`: the board overlay of those versions."""
    overlay_since: Version | None = None
    overlay_before: Version | None = None
    devicetrees: Literal["", "kernel", "raspberrypi-firmware", "overlay"] = ""
    """Whose devicetrees the image has, as in `OverlayTrees`."""

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` for an entry of no board or goal."""
        if not self.boards or not self.goals:
            raise ValueError("boards and goals", "none")

    def is_of(
        self, release: Release, board: str, trees: OverlayTrees | None, overlay: Version | None = None
    ) -> bool:
        """Whether it is about that release on that board, whatever the board's stepping.

        `overlay` is the version of the overlay that it names, in that release.
        """
        return (
            board in self.boards
            and _within(release.version, self.since, self.before)
            and _within(release.kernel, self.kernel_since, self.kernel_before)
            and (not self.overlay or _within(overlay, self.overlay_since, self.overlay_before))
            and (not self.devicetrees or (trees is not None and trees.of == self.devicetrees))
        )


def _within(version: Version | None, since: Version | None, before: Version | None) -> bool:
    return version is not None and not (
        (since is not None and version < since) or (before is not None and version >= before)
    )


@frozen
class Releases:
    """The releases of one system, in order."""

    id: str = field(metadata=STEM)
    title: str
    tag: str
    """The address of a release's sources, with `{version}` in it."""
    source: str
    kernel_tree: str
    page_size: str
    """`4K`, `16K`."""
    releases: tuple[Release, ...] = field(metadata=key("release"))
    kernel_release: str = "{kernel}"
    """What `uname -r` says of such a kernel, with `{kernel}` for its version."""
    devicetrees: tuple[OverlayTrees, ...] = ()
    known: tuple[KnownOfReleases, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` for releases that are out of order or there twice."""
        if "{kernel}" not in self.kernel_release:
            raise ValueError("a release with {kernel} in it", self.kernel_release)
        for before, release in zip(self.releases, self.releases[1:], strict=False):
            if not before.version < release.version:
                raise ValueError("releases in their order", str(release.version))

    @property
    def newest(self) -> Version:
        """The newest version that is known."""
        return self.releases[-1].version

    def tells(self, release: Release, what: Literal["kernel", "page_size", "kernel_tree"]) -> str:
        """One fact of a release, as text."""
        return {"kernel": str(release.kernel), "page_size": self.page_size, "kernel_tree": self.kernel_tree}[
            what
        ]

    def overlay_of(self, release: Release, overlay: str) -> tuple[str, bool]:
        """(the version of an overlay in a release, whether that is known).

        Where it is not, the newest that an earlier release is known to have: none takes an older one.
        """
        own = release.overlays.get(overlay, "")
        if own:
            return own, True
        earlier = [
            version
            for known in self.releases
            if known.version < release.version
            for version in [Version.parse(known.overlays.get(overlay, ""))]
            if version is not None
        ]
        return (str(max(earlier)) if earlier else ""), False

    def trees_in(self, release: Release, overlay: str, dtb: str) -> OverlayTrees | None:
        """Whose devicetree of that name an overlay has in a release; None where it is not known."""
        return self.trees_of(overlay, self.overlay_of(release, overlay)[0], dtb)

    def known_of(self, release: Release, board: str, trees: OverlayTrees | None) -> Iterator[KnownOfReleases]:
        """What the table knows of a release on a board, whatever the board's stepping."""
        for known in self.known:
            text, sure = self.overlay_of(release, known.overlay)
            overlay = Version.parse(text) if sure or known.overlay_before is None else None
            if known.is_of(release, board, trees, overlay):
                yield known

    def uname(self, release: Release) -> str:
        """What `uname -r` says of a release's own kernel."""
        return self.kernel_release.replace("{kernel}", str(release.kernel))

    def of(self, version: Version) -> Release | None:
        """That release; None where it is not known."""
        return next((release for release in self.releases if release.version == version), None)

    def like(self, version: Version) -> Version:
        """The newest known of that version's series; else the newest of all."""
        series = [
            release.version for release in self.releases if release.version.series() == version.series()
        ]
        return series[-1] if series else self.newest

    def trees_of(self, overlay: str, version: str, dtb: str) -> OverlayTrees | None:
        """Whose devicetree of that name that version of an overlay has; None where it is not known."""
        number = Version.parse(version)
        fitting = [
            trees
            for trees in self.devicetrees
            if trees.overlay == overlay
            and number is not None
            and number >= trees.since
            and fnmatchcase(dtb, trees.dtb)
        ]
        return fitting[-1] if fitting else None


RELEASES = Kind("releases", "a system's releases", Releases)


def version_of(text: str, known: Releases) -> Version:
    """The version of a release that a user names (`1.12.6`, `v1.12.6`); raises `Refused`.

    For a series (`1.12`) the newest known of it is named.
    """
    version = Version.parse(text)
    if version is None or len(version.text.removeprefix("v").split(".")) != 3:
        like = known.like(version) if version is not None else known.newest
        raise Refused(f"{text!r} is no version", hint=f"it looks like {like}")
    return version
