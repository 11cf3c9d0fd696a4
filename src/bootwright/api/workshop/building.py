"""A kernel built from source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bootwright.api._common import reporter, texts

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.kernels.catalogue import Library
    from bootwright.workshop.building.model import BuiltKernel, Order
    from bootwright.workshop.configuring.presets import Preset

SCHEMA = "bootwright/kernel-build/1"


def build_kernel(
    source: str | Path,
    *,
    page_size: str = "4k",
    fragments: str | Path | Sequence[str | Path] = (),
    patches: str | Path | Sequence[str | Path] | None = None,
    presets: str | Sequence[str] = ("probe",),
    name: str | None = None,
    toolchain: str = "gcc",
    devicetrees: bool | None = None,
    jobs: int | None = None,
    archive: str | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> BuiltKernel:
    """Build an arm64 kernel, and put it into the catalogue under a name that every command takes.

    `source` is a folder, `FOLDER@REF` of git, a tarball or its address, or a package such as
    `linux-source-6.12`. `page_size` is `4k`, `16k` or `64k`. `fragments` are files with lines
    `CONFIG_NAME=value`. `patches` are files, folders (with quilt's `series`, else `*.patch` in order of their
    names) or ranges of commits `[FOLDER@]A..B`; None builds the source as it is, and any series, `()` too, in
    a tree of its own, where another series compiles again only what differs. `presets` name where the
    configuration begins and what it adds (`data/kernel-presets/`). `devicetrees` builds those of the tree
    (None: where a preset says so). `jobs` compilers run at once (None: one a processor).

    Returns a `BuiltKernel`; what was built of the very same before is returned at once. Killed, the same call
    goes on where it stopped. Raises `Missing` for what is not there (a program, a source, room on the disk),
    `Refused` for what cannot be built as asked (a patch that does not apply, an option that does not stick,
    with the dependency that took it), `Malformed` for input that is damaged, `ToolFailed` with the first
    error where the build fails; the log is kept.

        build_kernel("linux-source-6.12", page_size="16k").name
    """
    from bootwright.kernels.catalogue import open_library
    from bootwright.workshop.building.build import build

    progress = reporter(progress)
    order = order_of(
        source,
        page_size=page_size,
        fragments=fragments,
        patches=patches,
        presets=presets,
        name=name,
        toolchain=toolchain,
        devicetrees=devicetrees,
        jobs=jobs,
        archive=archive,
        offline=offline,
        progress=progress,
    )
    library = open_library(archive=archive, offline=offline, progress=progress)
    return build(order, library.store, progress)


def configure_kernel(
    source: str | Path,
    *,
    page_size: str = "4k",
    fragments: str | Path | Sequence[str | Path] = (),
    patches: str | Path | Sequence[str | Path] | None = None,
    presets: str | Sequence[str] = ("probe",),
    toolchain: str = "gcc",
    archive: str | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Only configure, and check that every option that is asked for is as asked.

    The arguments are those of `build_kernel`. Returns the whole `.config` that a build would have. Raises
    what `build_kernel` raises before it compiles.

        configure_kernel("linux-source-6.12", fragments="mine.config").read_text()
    """
    from bootwright.workshop.building.build import check_configuration

    progress = reporter(progress)
    order = order_of(
        source,
        page_size=page_size,
        fragments=fragments,
        patches=patches,
        presets=presets,
        name=None,
        toolchain=toolchain,
        devicetrees=None,
        jobs=None,
        archive=archive,
        offline=offline,
        progress=progress,
    )
    return check_configuration(order, progress)


def order_of(
    source: str | Path,
    *,
    page_size: str,
    fragments: str | Path | Sequence[str | Path],
    patches: str | Path | Sequence[str | Path] | None,
    presets: str | Sequence[str],
    name: str | None,
    toolchain: str,
    devicetrees: bool | None,
    jobs: int | None,
    archive: str | None,
    offline: bool,
    progress: Progress,
) -> Order:
    """What `build_kernel` is asked for, checked, its source taken; raises what that does before it builds."""
    from bootwright.foundation.choices import one_of
    from bootwright.foundation.errors import Refused
    from bootwright.kernels.catalogue import open_library
    from bootwright.workshop.building.configure import PAGE_SIZES
    from bootwright.workshop.building.keep import slug
    from bootwright.workshop.building.model import Order
    from bootwright.workshop.building.toolchain import find_toolchain
    from bootwright.workshop.configuring.options import read_fragment
    from bootwright.workshop.configuring.presets import chosen
    from bootwright.workshop.trees.given import open_tree
    from bootwright.workshop.trees.packages import Archive
    from bootwright.workshop.trees.series import read_patches

    one_of(page_size, PAGE_SIZES, what="page size", kind="page sizes")
    if name is not None and slug(name) != name:
        raise Refused(f"{name!r} cannot be a name", hint="use letters, digits and . _ + - only")
    if jobs is not None and jobs < 1:
        raise Refused(f"{jobs} jobs build nothing", hint="one or more")
    read = tuple(read_fragment(Path(path)) for path in texts(fragments))
    starts = chosen(texts(presets))
    given = None if patches is None else read_patches(texts(patches), _repository(str(source)))
    find_toolchain(toolchain)  # before anything long begins
    tree = open_tree(str(source), Archive(archive, offline, progress))
    return Order(
        tree=tree,
        patches=given,
        presets=starts,
        base_config=_base_config(
            starts[0],
            tree.series,
            page_size,
            open_library(archive=archive, offline=offline, progress=progress),
        ),
        fragments=read,
        pages=page_size,
        toolchain=toolchain,
        jobs=jobs,
        devicetrees=any(start.devicetrees for start in starts) if devicetrees is None else devicetrees,
        name=name,
    )


def _repository(source: str) -> Path | None:
    """The folder that a range of commits is of, where SOURCE has one."""
    for text in (source, source.rpartition("@")[0]):
        if text and Path(text).expanduser().is_dir():
            return Path(text).expanduser()
    return None


def _base_config(preset: Preset, series: str, pages: str, library: Library) -> str | None:
    """The configuration of the kernel that a preset begins with, where it names one."""
    from bootwright.foundation.errors import Missing

    if preset.base_kernel is None:
        return None
    name = preset.base_kernel.format(series=series, pages=pages)
    kernel = library.get(name)
    if kernel.config is None:
        raise Missing(f"{kernel.name} came without its configuration", hint="begin with another preset")
    return kernel.config.read_text(encoding="utf-8", errors="replace")
