"""Candidates from kernels of the catalogue: their devicetrees, their modules, and themselves.

A kernel brings its own devicetrees of the board and, beside the modules that take the place of the image's,
those on the way to the board's goals: what one kernel has built in is a module in another.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, cached_property, partial
from pathlib import Path

from attrs import evolve, frozen

from bootwright.evidence.needed_modules import needed_modules
from bootwright.foundation.cache import KERNELS
from bootwright.foundation.errors import BootwrightError, Missing, Refused
from bootwright.foundation.progress import Progress
from bootwright.images.change.changes import Changes
from bootwright.kernels.catalogue import Library, open_library, variant_of
from bootwright.kernels.model import Kernel, Listed
from bootwright.kernels.store import Store
from bootwright.prepare.board_image import BoardImage, by_firmware, is_for, with_tree
from bootwright.prepare.mends.costs import cost_of, distance
from bootwright.prepare.model import Mend, MendKind, Setup


@frozen
class Trees:
    """The devicetrees of a board from one place."""

    origin: str
    """`debian-6.18.15-4k`, or the file or folder that was named."""
    files: tuple[tuple[str, Path, str], ...]
    """(the name the firmware picks it by, the file, its path in the folder of its kernel's)."""
    named: bool = False
    """Whether the user named it."""

    @property
    def content(self) -> str:
        """The same for the same devicetrees."""
        digest = hashlib.sha256()
        for name, path, _ in self.files:
            digest.update(name.encode() + hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()


@frozen(eq=False, slots=False)
class Catalogue:
    """The kernels that may take the place of an image's, and where devicetrees are."""

    named_trees: tuple[Path, ...] = ()
    """Devicetrees, or folders of them, that the user named."""
    named_kernel: Listed | None = None
    """The kernel that the image is to have, where the user names one."""
    max_download: int = 0
    """Bytes that may be fetched, all kernels together."""
    archive: str | None = None
    offline: bool = False

    @property
    def only_kernel(self) -> str | None:
        """The one kernel that anything is taken from; None for all."""
        return self.named_kernel.name if self.named_kernel is not None else None

    def is_named(self, kernel: Kernel | None) -> bool:
        """Whether an image's kernel is of the version and page size of the one that was named, if one was."""
        named = self.named_kernel
        if named is None:
            return True
        return kernel is not None and (kernel.version, kernel.page_size) == (named.version, named.page_size)

    @cached_property
    def here(self) -> tuple[Kernel, ...]:
        """The kernels on this machine; some came without their modules or devicetrees."""
        store = Store(KERNELS.folder())
        manifests = [manifest for name in store.names() if (manifest := store.manifest(name)) is not None]
        return tuple(store.kernel(manifest) for manifest in manifests if manifest.modules or manifest.dtbs)

    def library(self, progress: Progress) -> Library:
        """The kernels that can be had."""
        return open_library(archive=self.archive, offline=self.offline, progress=progress)


def trees_of(image: BoardImage, kernel: Kernel) -> Trees | None:
    """A kernel's own devicetrees of the board's steppings; None where it has not all of them."""
    return _trees_in(image, kernel.dtbs, kernel.name) if kernel.dtbs is not None else None


def _trees_in(image: BoardImage, place: Path, origin: str, *, named: bool = False) -> Trees | None:
    files: list[tuple[str, Path, str]] = []
    for stepping in image.target.steppings:
        folder = place.parent if place.is_file() else place
        if place.is_file():
            paths = [place] if place.name == stepping.dtb or len(image.target.steppings) == 1 else []
        else:
            paths = sorted(place.rglob(stepping.dtb))
        path = next((path for path in paths if is_for(image.target.board, path)), None)
        if path is None:
            return None
        files.append((stepping.dtb, path, path.relative_to(folder).as_posix()))
    return Trees(origin, tuple(files), named)


def named_trees(image: BoardImage, catalogue: Catalogue) -> Iterator[Trees]:
    """Those the user named; raises `Refused` for one that is not the board's, `Missing`."""
    for path in catalogue.named_trees:
        if not path.exists():
            raise Missing(f"there is no {path}", hint="give a .dtb, or a folder with some")
        trees = _trees_in(image, path, str(path), named=True)
        if trees is None:
            wanted = " and ".join(stepping.dtb for stepping in image.target.steppings)
            raise Refused(
                f"{path} has no devicetree of {image.target.title}", hint=f"it should have {wanted}"
            )
        yield trees


def devicetree_changes(image: BoardImage, setup: Setup, catalogue: Catalogue) -> Iterator[Mend]:
    """The board's devicetrees of each kernel here, of the image's own version first; and those named."""
    own = setup.gathered.kernel
    if by_firmware(setup.gathered):
        return  # what the firmware brings, the image does not decide
    sources: list[tuple[float, bool, Trees]] = [
        (cost_of(MendKind.DEVICETREE), False, trees) for trees in named_trees(image, catalogue)
    ]
    for kernel in catalogue.here:
        if catalogue.only_kernel not in {None, kernel.name}:
            continue
        trees = trees_of(image, kernel)
        if trees is not None:
            before = own.version if own is not None else None
            cost = cost_of(MendKind.DEVICETREE, before=before, after=kernel.version)
            other_pages = own is not None and own.page_size != kernel.page_size
            sources.append((cost, other_pages, trees))
    contents: set[str] = set()
    for cost, _, trees in sorted(sources, key=lambda source: (*source[:2], source[2].origin)):
        if trees.content in contents:
            continue  # the flavours of one version have the same
        contents.add(trees.content)
        placed = tree_changes(image, trees)
        if placed is None:
            continue
        because = "it was named" if trees.named else f"{trees.origin} is on this machine"
        yield Mend(
            MendKind.DEVICETREE,
            f"devicetree {' and '.join(name for name, _, _ in trees.files)} of {trees.origin}",
            because,
            cost,
            partial(evolve, placed),
            _with_trees(image, trees),
            kernel="" if trees.named else trees.origin,
        )


def tree_changes(image: BoardImage, trees: Trees) -> Changes | None:
    """Put devicetrees where the image has them; None where nothing in the image would read them."""
    replaced: list[Path] = []
    placed: list[tuple[str, Path]] = []
    handed_over = image.hands_over()
    for name, path, relative in trees.files:
        if handed_over is not None:
            placed.append((handed_over, path))
        elif image.tree_places(name) and path.name == name:
            replaced.append(path)
        else:
            new = image.place_for(name, relative)
            places = image.tree_places(name) or ([new] if new is not None else [])
            if not places:
                return None
            placed += [(place, path) for place in places]
    return Changes(trees=tuple(replaced), files=tuple(placed))


def _with_trees(image: BoardImage, trees: Trees) -> Callable[[Setup], Setup]:
    def apply(before: Setup) -> Setup:
        for name, path, _ in trees.files:
            before = with_tree(before, name, path, handed_over=image.hands_over() is not None)
        return before

    return apply


def kernel_change(image: BoardImage, setup: Setup, kernel: Kernel) -> Mend | None:
    """Another kernel with its modules and devicetrees; None where it has not all of them for the board.

    Which modules the goals need besides is found out when it is tried.
    """
    own = setup.gathered.kernel
    firmware = by_firmware(setup.gathered)
    trees = Trees("the firmware", ()) if firmware else trees_of(image, kernel)
    placed = tree_changes(image, trees) if trees is not None else None
    if trees is None or placed is None or kernel.modules is None:
        return None
    with_trees = _with_trees(image, trees)

    @cache
    def needed() -> tuple[tuple[str, ...], frozenset[str] | None]:
        return _needed(image, setup, with_trees(_with_kernel(setup, kernel, None)))

    cost = cost_of(
        MendKind.KERNEL,
        before=own.version if own is not None else None,
        after=kernel.version,
        other_pages=own is not None and bool(own.page_size) and own.page_size != kernel.page_size,
    )
    return Mend(
        MendKind.KERNEL,
        f"kernel {kernel.name} with its modules" + (" and devicetrees" if trees.files else ""),
        f"{kernel.name} is on this machine",
        cost,
        lambda: evolve(placed, kernel=kernel.name, added_modules=needed()[0]),
        lambda before: with_trees(_with_kernel(before, kernel, needed()[1])),
        kernel=kernel.name,
    )


def modules_change(image: BoardImage, setup: Setup, kernel: Kernel) -> Mend | None:
    """Modules of the image's own kernel that it lacks; None where there is none to add.

    Raises what judging raises.
    """
    if kernel.modules is None:
        return None
    added, names = _needed(image, setup, _with_kernel(setup, kernel, None))
    if not added:
        return None
    return Mend(
        MendKind.MODULES,
        f"modules {_listed(added)} of {kernel.name}",
        f"{kernel.name} is the same build, and on this machine",
        cost_of(MendKind.MODULES),
        partial(Changes, modules=str(kernel.modules), added_modules=added),
        lambda before: _with_kernel(before, kernel, names),
        kernel=kernel.name,
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _with_kernel(setup: Setup, kernel: Kernel, modules: frozenset[str] | None) -> Setup:
    """The image with another kernel; `modules` are those in its initramfs, None for all there are."""
    return evolve(setup, gathered=evolve(setup.gathered, kernel=kernel, initramfs_modules=modules))


def _needed(image: BoardImage, setup: Setup, whole: Setup) -> tuple[tuple[str, ...], frozenset[str] | None]:
    """The modules to add for the board's goals, and all that are then in the initramfs.

    Nothing, and None, where the image keeps no modules in its initramfs.
    """
    before = setup.gathered.initramfs_modules
    if not before:
        return (), before
    facts = whole.gathered.facts()
    index = facts.modules
    if index is None:
        return (), before
    judged = image.target.judge(whole.gathered)
    goals = (goal for board_verdicts in judged.boards for goal in board_verdicts.goals.values())
    return needed_modules(index, goals, before)


def fetchable(setup: Setup, catalogue: Catalogue, listed: Sequence[Listed]) -> list[Listed]:
    """Kernels that are not here and may be fetched, in the order to try them.

    The newest of the image's own series first, whose devicetrees and modules may be all that is needed; then
    the newest of its page size, which has the most drivers and the most mended devicetrees; then what is
    nearest.
    """
    own = setup.gathered.kernel
    pages = own.page_size if own is not None and own.page_size else 4096
    fitting = [
        kernel
        for kernel in listed
        if kernel.modules_bytes
        and not kernel.modules_cached
        and (
            kernel.name == catalogue.only_kernel
            if catalogue.only_kernel is not None
            else kernel.page_size == pages and variant_of(kernel.name) is None
        )
    ]
    fitting.sort(key=lambda kernel: kernel.version, reverse=True)
    if own is None:
        return fitting
    series = [kernel for kernel in fitting if kernel.version.series() == own.version.series()][:1]
    rest = sorted(fitting, key=lambda kernel: distance(own.version, kernel.version))
    return list({kernel.name: kernel for kernel in (*series, *fitting[:1], *rest)}.values())


def usable(kernels: Iterable[Kernel], only: str | None) -> Iterator[Kernel]:
    """The kernels to try: one for each version and page size, or the one that was named."""
    for kernel in kernels:
        if only is not None:
            if kernel.name == only:
                yield kernel
        elif variant_of(kernel.name) is None:
            yield kernel


def kernel_changes(
    image: BoardImage, setup: Setup, catalogue: Catalogue, *, modules_only: bool
) -> Iterator[Mend]:
    """Every kernel here that could take the place of the image's, or lend it modules."""
    own = setup.gathered.kernel
    for kernel in usable(catalogue.here, catalogue.only_kernel):
        mend = None
        if own is not None and kernel.release == own.release:
            with contextlib.suppress(BootwrightError):  # a kernel that cannot be read lends nothing
                mend = modules_change(image, setup, kernel)
        elif not modules_only:
            mend = kernel_change(image, setup, kernel)
        if mend is not None:
            yield mend
