"""Which kernels can be had, and one of them on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from bootwright.api._common import reporter

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.kernels.messages import KernelMessages
    from bootwright.kernels.model import Kernel, Listed


def list_kernels(
    *,
    sources: Sequence[str] = (),
    series: str | None = None,
    archive: str | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> tuple[Listed, ...]:
    """The kernels of the archive and those on this machine, newest first.

    `sources` names the sources to list, such as `raspberrypi`; without, those that are always listed.
    `series` keeps one, such as `6.18`. `archive` is the address of a package archive in place of the ones
    apt knows; `offline` forbids any network use and lists what is known here.

    Returns `Listed` entries. Raises `Refused` for a source or series that does not exist, `Missing` where
    there is nothing to list from.

        [kernel.name for kernel in list_kernels(offline=True) if kernel.modules_cached]
    """
    from bootwright.kernels.catalogue import open_library

    library = open_library(archive=archive, offline=offline, progress=reporter(progress))
    listed = library.listed(sources)
    return tuple(listed if series is None else of_series(listed, series))


def of_series(listed: list[Listed], series: str) -> list[Listed]:
    """Those whose version begins with `series` (`6.18`); raises `Refused` where there is none."""
    from bootwright.foundation.choices import no_such

    wanted = series.split(".")
    kept = [kernel for kernel in listed if str(kernel.version).split(".")[: len(wanted)] == wanted]
    if not kept:
        known = dict.fromkeys(kernel.version.series() for kernel in listed)
        raise no_such(f"there is no kernel of series {series!r}", series, known, kind="series")
    return kept


def get_kernel(
    kernel: str | Path,
    *,
    modules: bool = False,
    archive: str | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Kernel:
    """A kernel on this machine: fetched where it is not here yet, or read from a file of yours.

    `kernel` is a catalogue name (an abbreviation such as `debian-6.18-4k` is the newest that fits), an arm64
    Image, a .deb, or an address (`oci://…`, `https://…`) of something that holds a kernel. With `modules` a
    kernel of the catalogue comes with all modules and devicetrees.

    Returns a `Kernel`, whose paths are in the cache and never change content. Raises `Refused` for an
    unknown name, `Missing` for what is neither here nor in the archive, `Malformed` for a file that is no
    arm64 kernel.

        get_kernel("debian-6.18.15-4k", offline=True).release
    """
    from bootwright.formats.sources.address import is_address
    from bootwright.foundation.errors import Missing

    progress = reporter(progress)
    if is_address(kernel):
        from bootwright.predict.given.inputs import kernel_at

        return kernel_at(str(kernel), progress)
    path = Path(kernel)
    if path.is_file():
        return _given(path, progress)
    if "/" in str(kernel):
        lacking = f"{kernel} is a folder" if path.is_dir() else f"there is no file {kernel}"
        raise Missing(lacking, hint="give an arm64 Image or .deb, an address, or a catalogue name")
    from bootwright.kernels.catalogue import open_library

    library = open_library(archive=archive, offline=offline, progress=progress)
    return library.get(str(kernel), modules=modules)


def kernel_messages(
    kernel: str | Path,
    *,
    archive: str | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> KernelMessages:
    """Every message that a kernel can print, read from the bytes of its image and modules.

    `kernel` as for `get_kernel`; a kernel of the catalogue is taken with its modules, which takes some 20 s
    of one core the first time and is kept. Of a file of yours there are the image's messages alone.

    Returns `KernelMessages`: `table.formats()` are the formats with level, kind of call and owners,
    `table.printing(line)` those that can have printed a line. Raises what `get_kernel` raises, and
    `Malformed` for an image without symbol table.

        [entry.text for entry in kernel_messages("debian-6.18.15-4k").table.formats() if entry.level == 3]
    """
    from bootwright.kernels.messages import messages_of

    return messages_of(
        get_kernel(kernel, modules=True, archive=archive, offline=offline, progress=progress),
        progress=reporter(progress),
    )


@frozen
class KernelFactsFile:
    """A file of a kernel's facts."""

    path: Path
    kernel: str
    """Its name."""
    size: int
    """Bytes."""


def write_kernel_facts(
    kernel: str | Path,
    output: str | Path,
    *,
    all_devicetrees: bool = False,
    offline: bool = False,
    progress: Progress | None = None,
) -> KernelFactsFile:
    """Write what prediction reads of a kernel into one small file, which `check` takes in its place.

    `kernel` as for `get_kernel`, with its modules. The file has what is known of its drivers' code so far;
    with `all_devicetrees` the drivers of every devicetree that it comes with are followed first, which takes
    minutes the first time. Drivers whose code is not known count as such that cannot be followed.

    Returns a `KernelFactsFile`. Raises what `get_kernel` raises, `Missing` for a kernel without modules or
    devicetrees, and `Refused` for one that does not take its modules.

        check([write_kernel_facts("debian-7.3-4k", "k.facts").path, "board.dtb"]).verdict
    """
    from bootwright.foundation.atomic import write_bytes
    from bootwright.predict.kernel.facts_file import write_facts

    chosen = get_kernel(kernel, modules=True, offline=offline, progress=progress)
    if all_devicetrees:
        from bootwright.api.checking import check_all_devicetrees

        check_all_devicetrees(chosen.name, progress=progress)
    with reporter(progress).step(f"write the facts of {chosen.name}"):
        content = write_facts(chosen)
        write_bytes(Path(output), content)
    return KernelFactsFile(Path(output), chosen.name, len(content))


def _given(file: Path, progress: Progress) -> Kernel:
    """A kernel file of the user's own, kept by its content; it does not enter the catalogue."""
    import hashlib

    from attrs import evolve

    from bootwright.foundation.places import cache_dir
    from bootwright.kernels.added import add_kernel
    from bootwright.kernels.source import load_sources
    from bootwright.kernels.store import ADDED, Store

    with file.open("rb") as opened:
        name = hashlib.file_digest(opened, "sha256").hexdigest()[:32]
    store = Store(cache_dir() / "given")
    manifest = store.manifest(f"{ADDED}-{name}") or add_kernel(
        store, file, name=name, modules=None, config=None, sources=load_sources(None), progress=progress
    )
    return evolve(store.kernel(manifest), name=str(file))
