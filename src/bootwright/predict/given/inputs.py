"""Finding the kernel a user means: a name of the catalogue, a package, a folder, or an Image."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from bootwright.formats.sources.address import is_address
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.cache import GIVEN_IMAGES, KERNELS
from bootwright.foundation.errors import CUT_SHORT, Malformed, Missing, Refused
from bootwright.foundation.progress import Progress
from bootwright.foundation.versions import Version
from bootwright.inspect.mistaken import refuse_mistaken
from bootwright.inspect.registry import format_of
from bootwright.kernels.model import Kernel
from bootwright.kernels.module_rules import is_release
from bootwright.kernels.modules import no_modules_in

if TYPE_CHECKING:
    from bootwright.formats.kernel.arm64_image import KernelImage

_IMAGES = ("boot/vmlinuz*", "boot/Image*", "vmlinuz*", "Image*", "usr/lib/modules/*/vmlinuz")
_MODULES = ("lib/modules/*", "usr/lib/modules/*", "modules/*")
_CONFIGS = ("boot/config-*", "config-*", "config", ".config")
_DTBS = ("usr/lib/linux-image-*", "boot/dtbs/*", "dtbs", "boot/dtb*", "dtb")


def kernel_at(
    spec: str, progress: Progress, *, modules: Path | None = None, config: Path | None = None
) -> Kernel:
    """The kernel `spec` names, with all its modules where they can be had.

    `modules` (a `/lib/modules/RELEASE` folder) and `config` (a file) replace or complete what comes with it.
    Raises `Missing` where there is none, `Refused` for a name that the catalogue does not have, `Malformed`
    for a file that is not a kernel.
    """
    path = Path(spec)
    if is_address(spec):
        from bootwright.inspect.local import local_kernel

        kernel = evolve(_in_folder(local_kernel(spec, progress)), name=spec, provenance={"file": spec})
    elif path.is_dir():
        kernel = _in_folder(path)
    elif path.is_file():
        kernel = _of_file(path, spec, progress, modules, config)
    elif "/" in spec:
        raise Missing(f"there is no file {spec}", hint="give a kernel's Image, package or folder, or a name")
    else:
        kernel = _of_catalogue(spec, progress)
    return with_parts(kernel, modules=modules, config=config)


def with_parts(kernel: Kernel, *, modules: Path | None, config: Path | None) -> Kernel:
    """A kernel with modules and configuration from elsewhere; raises `Missing` for a folder of no modules."""
    if modules is not None:
        kernel = evolve(kernel, modules=_tree(modules, kernel.release))
    return kernel if config is None else evolve(kernel, config=config)


def _of_catalogue(name: str, progress: Progress) -> Kernel:
    from bootwright.kernels.store import Store

    # A kernel that is here whole is had without the archives' lists, which take long to open.
    store = Store(KERNELS.folder())
    manifest = store.manifest(name)
    if manifest is not None and manifest.modules:
        return store.kernel(manifest)
    from bootwright.kernels.catalogue import open_library

    return open_library(progress=progress).get(name, modules=True)


def _of_file(path: Path, spec: str, progress: Progress, modules: Path | None, config: Path | None) -> Kernel:
    if _is_package(path):
        return _package(path, progress)
    from bootwright.predict.kernel.facts_file import is_facts_file, kernel_of_facts

    if is_facts_file(path):
        if modules is not None:
            raise Refused(f"{path} has its modules", hint="leave --modules out")
        return kernel_of_facts(path)
    source = FileBytes(path)
    if not source.size:
        raise Malformed(str(path), 0, "a kernel", "an empty file", hint=CUT_SHORT)
    if format_of(source) is None:
        refuse_mistaken(source.read(0, min(1 << 16, source.size)), spec)
    return _image(path, modules, config, name=spec)


def _is_package(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == b"!<arch>\n"


def _package(path: Path, progress: Progress) -> Kernel:
    from bootwright.kernels.added import given_kernel

    return evolve(given_kernel(path, progress), name=path.name)


def _in_folder(folder: Path) -> Kernel:
    image = next(_matching_paths(folder, _IMAGES), None)
    if image is None:
        raise Missing(
            f"{folder} holds no kernel image", hint="it should have boot/vmlinuz-… or Image, as packages do"
        )
    kernel = _image(image, None, None, name=folder.name)
    trees = [path for path in _matching_paths(folder, _MODULES) if (path / "kernel").is_dir()]
    modules = next((path for path in trees if path.name == kernel.release), trees[0] if trees else None)
    inside = [path for path in (modules / "config",) if path.is_file()] if modules is not None else []
    dtbs = [
        path for path in _matching_paths(folder, _DTBS) if path.is_dir() and next(path.rglob("*.dtb"), None)
    ]
    if modules is not None and (modules / "dtb").is_dir():
        dtbs.append(modules / "dtb")
    return evolve(
        kernel,
        config=next(iter([*_matching_paths(folder, _CONFIGS), *inside]), None),
        modules=modules,
        dtbs=dtbs[0] if dtbs else None,
    )


def _matching_paths(folder: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    for pattern in patterns:
        yield from sorted(folder.glob(pattern))


def _tree(folder: Path, release: str) -> Path:
    """The folder of modules meant: that of the kernel's release before one of another, which the checks of
    modules then name."""
    for place in (
        *(folder, folder / release, folder / "lib/modules" / release, folder / "usr/lib/modules" / release),
        *(
            path
            for pattern in ("*", "lib/modules/*", "usr/lib/modules/*")
            for path in _trees(folder, pattern)
        ),
    ):
        if (place / "kernel").is_dir() or next(place.glob("*.ko*"), None) is not None:
            return place
    raise no_modules_in(folder)


def _trees(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if is_release(path.name) and path.is_dir())


def _image(path: Path, modules: Path | None, config: Path | None, *, name: str) -> Kernel:
    from bootwright.formats.kernel.arm64_image import read_kernel_image, unwrapped  # not for the catalogue's

    source = FileBytes(path)
    facts = read_kernel_image(source)
    facts.require_whole()
    if facts.release is None:
        raise Malformed(str(path), None, "a kernel release ('Linux version …')", "none in the image")
    image = path
    bare = unwrapped(source)[0]
    data = bare.read(0, bare.size)
    digest = hashlib.sha256(data).hexdigest()
    if facts.wrapping:
        image = GIVEN_IMAGES.kept(digest, lambda: data)
    return Kernel(
        name=name,
        version=_version(facts),
        release=facts.release,
        page_size=facts.page_size or 0,
        image=image,
        image_sha256=digest,
        config=config,
        modules=modules,
        dtbs=None,
        provenance={"file": str(path)},
    )


def _version(facts: KernelImage) -> Version:
    return Version.parse(facts.version or "") or Version(facts.release or "", ((0,), 0))
