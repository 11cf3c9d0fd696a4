"""A kernel to put into an image, with what belongs to it: modules, devicetree blobs, configuration.

From the catalogue, a .deb, an arm64 Image, or a folder such as an unpacked package or a build's output.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from bootwright.formats.archives.deb import DebReader
from bootwright.formats.kernel.arm64_image import read_kernel_image, unwrapped
from bootwright.formats.kernel.config import KernelConfig, embedded_config, read_kernel_config
from bootwright.formats.sources.address import is_address
from bootwright.formats.sources.bytesource import Bytes, FileBytes
from bootwright.formats.sources.streams import SourceStream
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.progress import Progress
from bootwright.images.parts.module_gate import ModuleGate, UncheckedGate, enforcement
from bootwright.inspect.local import local_kernel
from bootwright.kernels.catalogue import Library, open_library
from bootwright.kernels.extract import extract, wanted_of
from bootwright.kernels.modules import no_modules_in
from bootwright.kernels.source import load_sources

_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,100}")


@frozen
class KernelFiles:
    """A kernel's files on this machine."""

    image: Path
    release: str
    """`uname -r`, from the banner inside the image."""
    page_size: int | None
    """Bytes, from the image's header; None where it does not say."""
    banner: str
    modules: Path | None
    """`/lib/modules/RELEASE`."""
    dtbs: Path | None
    config: Path | None
    origin: str
    """Where it came from and what was verified, in words."""
    added: tuple[str, ...] = ()
    """Names of modules that an image is to get beside those which take the place of its own."""
    cut_short: bool = False
    """Whether the image lacks its end: what it says to modules is not known then."""

    def module_tree(self) -> Path:
        """`/lib/modules/RELEASE`; raises `Missing` where the kernel came without modules."""
        if self.modules is None:
            raise Missing(
                f"{self.image} comes without modules, which the image needs",
                hint="give a package, or the folder of its modules as well",
            )
        return self.modules

    def configuration(self) -> KernelConfig | None:
        """The kernel's configuration, from its file or from inside the image; None where there is none."""
        if self.config is not None:
            return read_kernel_config(FileBytes(self.config))
        try:
            data = embedded_config(unwrapped(FileBytes(self.image))[0])
        except BootwrightError:
            return None
        return read_kernel_config(Bytes(data, f"{self.image}:config")) if data else None

    def gate(self, arguments: Sequence[str]) -> ModuleGate:
        """What it says to modules when it is started with these arguments."""
        made = UncheckedGate if self.cut_short else ModuleGate
        return made(FileBytes(self.image), self.release, enforcement(self.configuration(), arguments))


def kernel_files(
    origin: str,
    work: Path,
    *,
    folder: Path,
    modules: str | None = None,
    config: str | None = None,
    with_modules: bool = True,
    cut_short_too: bool = False,
    library: Library | None = None,
    progress: Progress,
) -> KernelFiles:
    """The kernel `origin` names: an address, a path below `folder` where there is one, else a catalogue name.

    `work` is an empty folder for what has to be unpacked. Raises `Malformed` when image and modules are not
    of one release, and for an image that is cut short unless with `cut_short_too`, `Refused` or `Missing` for
    what there is not.
    """
    path = folder / Path(origin).expanduser()
    if is_address(origin):
        files = _evolved_origin(_in_folder(local_kernel(origin, progress)), origin)
    elif path.is_dir():
        files = _in_folder(path)
    elif path.is_file():
        files = _in_package(path, work) if _is_package(path) else _described(path, str(path))
    elif "/" in origin or origin.endswith((".deb", ".img", ".efi")):
        raise Missing(f"there is no {path}", hint="paths in a recipe are relative to the recipe's folder")
    else:
        files = _of_catalogue(origin, library or open_library(progress=progress), with_modules=with_modules)
    if not cut_short_too and files.cut_short:
        read_kernel_image(FileBytes(files.image)).require_whole()
    if modules is not None:
        files = _with_modules(files, folder / Path(modules).expanduser())
    if config is not None:
        files = _evolved(files, config=folder / Path(config).expanduser())
    if files.modules is not None and files.modules.name != files.release:
        raise Malformed(
            str(files.modules),
            None,
            f"modules of {files.release}, as the image",
            f"those of {files.modules.name}",
            hint="kernel and modules must come from one build",
        )
    return files


def _evolved_origin(files: KernelFiles, origin: str) -> KernelFiles:
    from attrs import evolve

    return evolve(files, origin=origin)


def _evolved(files: KernelFiles, **changes: Path | None) -> KernelFiles:
    from attrs import evolve

    return evolve(files, **changes)  # type: ignore[arg-type]


def _of_catalogue(name: str, library: Library, *, with_modules: bool) -> KernelFiles:
    kernel = library.get(name, modules=with_modules)
    files = _described(kernel.image, _origin(kernel.name, kernel.provenance))
    return _evolved(files, modules=kernel.modules, dtbs=kernel.dtbs, config=kernel.config)


def _origin(name: str, provenance: Mapping[str, str]) -> str:
    verified = provenance.get("verified", "")
    return f"{name}: {verified}" if verified else name


def _described(image: Path, origin: str) -> KernelFiles:
    source = FileBytes(image)
    facts = read_kernel_image(source)
    if facts.release is None or facts.banner is None:
        raise Malformed(str(image), None, "a kernel release ('Linux version …')", "none in the image")
    if not _RELEASE.fullmatch(facts.release):
        # It becomes the name of a folder.
        raise Malformed(str(image), None, "a release of letters, digits and . _ + ~ -", repr(facts.release))
    return KernelFiles(
        image=image,
        release=facts.release,
        page_size=facts.page_size,
        banner=facts.banner,
        modules=None,
        dtbs=None,
        config=None,
        origin=origin,
        cut_short=bool(facts.cut_short),
    )


def _is_package(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == b"!<arch>\n"


def _in_package(path: Path, work: Path) -> KernelFiles:
    source = FileBytes(path)
    deb = DebReader(SourceStream(source), source.name)
    package = deb.field("Package")
    wanted = wanted_of(deb, load_sources(), source.name)
    extract(deb, wanted, work, source.name)
    if not (work / "vmlinuz").is_file():
        raise Missing(
            f"{source.name} holds no kernel image",
            hint="from Linux 6.19 on it is in linux-binary-…; fetch it by name instead",
        )
    files = _described(work / "vmlinuz", f"{path.name} ({package} {deb.field('Version')})")
    modules = work / "tree/lib/modules" / wanted.release
    return _evolved(
        files,
        modules=modules if (modules / "kernel").is_dir() else None,
        dtbs=_first([work / "tree/dtbs"]),
        config=work / "config" if (work / "config").is_file() else None,
    )


def _in_folder(path: Path) -> KernelFiles:
    """An unpacked package, or a build's output."""
    images = [
        file
        for pattern in ("vmlinuz*", "Image", "Image.*", "boot/vmlinuz*", "usr/lib/modules/*/vmlinuz",
                        "arch/arm64/boot/Image")
        for file in sorted(path.glob(pattern))
        if file.is_file()
    ]  # fmt: skip
    if not images:
        raise Missing(f"{path} holds no vmlinuz and no Image", hint="give the image itself, and its modules")
    files = _described(images[0], str(images[0]))
    if len(images) > 1:
        releases = {_described(image, str(image)).release for image in images}
        if len(releases) > 1:
            raise Refused(
                f"{path} holds several kernels: {', '.join(sorted(releases))}", hint="give one image"
            )
    release = files.release
    modules = _first(
        folder
        for folder in (path / "lib/modules" / release, path / "usr/lib/modules" / release)
        if (folder / "kernel").is_dir()
    )
    dtbs = _first(
        folder
        for folder in (
            path / "dtbs",
            path / "dtbs" / release,
            path / "usr/lib" / f"linux-image-{release}",
            path / "usr/lib/modules" / release / "dtb",
            path / "arch/arm64/boot/dts",
        )
        if folder.is_dir()
    )
    config = next(
        (
            file
            for file in (path / "boot" / f"config-{release}", path / "config", path / ".config",
                         path / "usr/lib/modules" / release / "config")
            if file.is_file()
        ),
        None,
    )  # fmt: skip
    return _evolved(files, modules=modules, dtbs=dtbs, config=config)


def _with_modules(files: KernelFiles, folder: Path) -> KernelFiles:
    candidates = (folder, folder / files.release, folder / "lib/modules" / files.release)
    modules = _first(candidate for candidate in candidates if (candidate / "kernel").is_dir())
    if modules is None:
        raise no_modules_in(folder)
    return _evolved(files, modules=modules)


def _first(paths: Iterable[Path]) -> Path | None:
    return next((path for path in paths if path.is_dir()), None)
