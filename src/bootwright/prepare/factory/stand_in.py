"""What the goals of an image that is not here are foretold with: its own kernel, or one near to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

from bootwright.devicetrees.fetched import fetched
from bootwright.devicetrees.source import SOURCES
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.progress import Silent
from bootwright.foundation.versions import Version
from bootwright.kernels.catalogue import open_library, variant_of
from bootwright.kernels.releases import OverlayTrees
from bootwright.kernels.store import Manifest
from bootwright.predict.by_release.by_version import OwnKernel
from bootwright.predict.given.inputs import kernel_at

_PAGE_SIZE = 4096
"""Of all the systems in `data/releases/`."""


@frozen
class StandIn:
    """A kernel and devicetrees."""

    kernel: str
    """Catalogue name or path; empty where there is none."""
    trees: tuple[str, ...]
    """Files and folders; empty for the kernel's own."""
    own_kernel: bool
    """Whether it is the image's own."""
    own_trees: bool
    like_trees: bool
    """Whether the devicetrees are at least of the image's kind: goals are foretold with no others."""
    whole: bool = False
    """Whether it is the image, or its installer, which brings arguments and config.txt of its own."""
    other: str = ""
    """The release (`uname -r`) of a kernel that the user gave as the image's own, and that cannot be it."""

    @property
    def exact(self) -> bool:
        """Whether all of it is the image's own."""
        return self.own_kernel and self.own_trees

    @property
    def words(self) -> str:
        """For a person; empty where nothing is foretold of goals."""
        if not self.kernel or not self.like_trees:
            return ""
        if self.whole and not self.trees:
            return self.kernel
        trees = " and ".join(self.trees) or "its own devicetrees"
        return f"{self.kernel} with {trees}"


def stand_in(
    exact_name: str, own: OwnKernel | None, trees: OverlayTrees | None, kernel: str, dtbs: Sequence[Path]
) -> StandIn:
    """What the user gives, else the image's own kernel by name, else the nearest of its series here.

    A kernel that the user gives is the image's own only where its release is. Devicetrees of a source that
    was fetched are that commit's: near the image's, and not its own.
    """
    other = _other_release(kernel, own) if kernel and own is not None else ""
    own_kernel = bool(kernel) and not other
    release = own.release if own is not None else None
    if not kernel and release is not None:
        here = list(_kernels())
        own_kernel = any(manifest.name == exact_name for manifest in here)
        kernel = exact_name if own_kernel else _nearest(here, release.kernel)
    given = tuple(str(path) for path in dtbs)
    like = bool(given) or (trees is not None and trees.of == "kernel")
    if not given and trees is not None and trees.of in SOURCES.names():
        place = fetched(SOURCES.get(trees.of))
        given = (str(place.folder),) if place is not None else ()
        like = bool(given)
    return StandIn(kernel, given, own_kernel, bool(dtbs), like, other=other)


def image_itself(image: str, dtbs: Sequence[Path]) -> StandIn:
    """The image, or its installer, where it is at hand."""
    given = tuple(str(path) for path in dtbs)
    return StandIn(image, given, own_kernel=True, own_trees=True, like_trees=True, whole=True)


def _other_release(kernel: str, own: OwnKernel) -> str:
    """The release of a kernel that is not the image's own; empty where it is, or is not said."""
    try:
        release = kernel_at(kernel, Silent()).release
    except BootwrightError:  # `check` says what is wrong with it
        return ""
    return "" if release == own.uname else release


def _kernels() -> Iterator[Manifest]:
    """The kernels on this machine that can stand in: with their modules, of 4K pages, of no variant."""
    store = open_library(offline=True).store
    for name in store.names():
        manifest = store.manifest(name)
        if manifest is None or not manifest.modules or manifest.page_size != _PAGE_SIZE:
            continue
        if variant_of(manifest.name) is None:
            yield manifest


def _nearest(here: Sequence[Manifest], wanted: Version) -> str:
    """The kernel with devicetrees whose version is nearest within the series; empty where there is none."""
    fitting = [
        (abs(_patch(version) - _patch(wanted)), manifest.name)
        for manifest in here
        if manifest.dtbs
        and (version := Version.parse(manifest.version)) is not None
        and version.series() == wanted.series()
    ]
    return min(fitting)[1] if fitting else ""


def _patch(version: Version) -> int:
    return int(version.series(3).rpartition(".")[2])
