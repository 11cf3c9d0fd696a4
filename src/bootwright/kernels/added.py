"""Kernels of the user's own: an Image, a vmlinuz, or a package, put beside those of the archives."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve

from bootwright.formats.archives.deb import DebReader
from bootwright.formats.kernel.arm64_image import KernelImage, read_kernel_image, unwrapped
from bootwright.formats.kernel.config import embedded_config
from bootwright.formats.sources.bytesource import ByteSource, FileBytes
from bootwright.formats.sources.streams import SourceStream
from bootwright.foundation import atomic
from bootwright.foundation.cache import GIVEN_KERNELS
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.progress import Progress
from bootwright.foundation.versions import Version
from bootwright.inspect.local import local_kernel
from bootwright.kernels.configuration.given import Of, read_config
from bootwright.kernels.extract import extract, wanted_of
from bootwright.kernels.fetch import check_page_size
from bootwright.kernels.model import Kernel
from bootwright.kernels.modules import no_modules_in
from bootwright.kernels.source import PAGE_NAMES, Source, load_sources
from bootwright.kernels.store import ADDED, Manifest, Store

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,80}")
_MOST_FILES = 200_000


def add_kernel(
    store: Store,
    file: Path,
    *,
    name: str | None,
    modules: Path | None,
    config: Path | None,
    sources: tuple[Source, ...],
    progress: Progress,
    dtbs: Path | None = None,
    origin: str | None = None,
) -> Manifest:
    """Put a kernel into the store as `added-NAME`; NAME is made from its release and page size by default.

    `file` is an arm64 Image in any wrapping, or a .deb in the form of one of the `sources`. `modules` is a
    folder such as `/lib/modules/RELEASE`, `dtbs` one of devicetrees, `origin` where the file really comes
    from. Raises `Malformed` when the file is neither, or image, config and modules do not belong together,
    and `Refused` for a name that is taken by another kernel.
    """
    source = FileBytes(file)
    if name is not None and not _SLUG.fullmatch(name):
        raise Refused(f"{name!r} cannot be a name", hint="use letters, digits and . _ + - only")
    with store.changing(f"{ADDED}-{file.name[:60]}" if name is None else f"{ADDED}-{name}", progress) as work:
        provenance = {
            "file": origin or str(file.resolve()),
            "verified": "nothing: a file of the user's own",
        }
        if source.read(0, min(source.size, 8)) == b"!<arch>\n":
            provenance["package"] = _unpack(source, work, sources)
            source = FileBytes(work / "vmlinuz")
        facts = read_kernel_image(source)
        facts.require_whole()
        if facts.release is None:
            raise Malformed(str(file), None, "a kernel release ('Linux version …')", "none in the image")
        if "/" in facts.release:
            # It names a folder of modules.
            raise Malformed(str(file), None, "a kernel release without '/'", repr(facts.release))
        image = unwrapped(source)[0]
        if config is not None:
            version = Version.parse(_version(facts))
            read_config(config, Of(file.name, facts.release, version, 0))  # its pages are checked below
        _put_config(work / "config", config, image)
        page_size = check_page_size(facts, work / "config", None, str(file))
        if modules is not None:
            _copy_modules(modules, work / "tree", facts.release)
        if dtbs is not None:
            _copy(dtbs, work / "tree/dtbs")
        full_name = f"{ADDED}-{name or _default_name(facts.release, page_size)}"
        digest = store.keep(image)
        known = store.manifest(full_name)
        if known is not None and known.image != digest:
            raise Refused(
                f"{full_name} is another kernel already",
                hint=f"choose a name with --name, or first: bootwright kernels remove {full_name}",
            )
        config_digest = store.keep(FileBytes(work / "config")) if (work / "config").is_file() else None
        lib = work / "tree/lib/modules" / facts.release
        has_modules, has_dtbs = (lib / "kernel").is_dir(), (work / "tree/dtbs").is_dir()
        tree = None
        if (work / "tree").is_dir():
            tree = store.keep_tree(work / "tree", (digest, *_contents(work / "tree")))
        manifest = Manifest(
            name=full_name,
            version=_version(facts),
            release=facts.release,
            flavour="",
            source=ADDED,
            page_size=page_size,
            image=digest,
            image_bytes=facts.file_size,
            config=config_digest,
            tree=tree,
            modules=has_modules,
            dtbs=has_dtbs,
            provenance=provenance,
        )
        store.save(manifest)
        return manifest


def add_from(
    store: Store, address: str, *, name: str | None, sources: tuple[Source, ...], progress: Progress
) -> Manifest:
    """The same for the kernel that something on the network holds, with all that belongs to it."""
    folder = local_kernel(address, progress)
    return add_kernel(
        store,
        folder / "boot/vmlinuz",
        name=name,
        modules=next(iter((folder / "lib/modules").glob("*")), None),
        config=next(iter((folder / "boot").glob("config-*")), None),
        sources=sources,
        progress=progress,
        dtbs=folder / "dtbs" if (folder / "dtbs").is_dir() else None,
        origin=address,
    )


def _unpack(source: FileBytes, work: Path, sources: tuple[Source, ...]) -> str:
    """Everything that a kernel package holds; returns its name and version."""
    deb = DebReader(SourceStream(source), source.name)
    taken = extract(deb, wanted_of(deb, sources, source.name), work, source.name)
    if "vmlinuz" not in taken.files:
        raise Missing(
            f"{source.name} holds no kernel image",
            hint="from Linux 6.19 on the image is in linux-binary-…, not in linux-image-…",
        )
    return f"{taken.package} {taken.version}"


def _put_config(place: Path, given: Path | None, image: ByteSource) -> None:
    """The config that was given, else the one from the package, else the one inside the image."""
    if given is not None:
        source: ByteSource = FileBytes(given)
        atomic.write_bytes(place, source.read(0, source.size))
    elif not place.is_file():
        embedded = embedded_config(image)
        if embedded is not None:
            atomic.write_bytes(place, embedded)


def _copy_modules(folder: Path, tree: Path, release: str) -> None:
    source = folder / release if (folder / release / "kernel").is_dir() else folder
    if not (source / "kernel").is_dir():
        raise no_modules_in(folder)
    _copy(source, tree / "lib/modules" / release)


def _copy(source: Path, target: Path) -> None:
    """The regular files of a folder in place of another."""
    try:
        shutil.rmtree(target, ignore_errors=True)
        for path in _regular_files(source):
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place, follow_symlinks=False)
    except OSError as error:
        raise atomic.explained(error, target) from error


def _regular_files(folder: Path) -> Iterator[Path]:
    count = 0
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            count += 1
            if count > _MOST_FILES:
                raise Malformed(str(folder), None, f"at most {_MOST_FILES} files", "more")
            yield path


def _contents(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                yield f"{path.relative_to(folder)} {hashlib.file_digest(file, 'sha256').hexdigest()}"


def _default_name(release: str, page_size: int) -> str:
    return f"{re.sub(r'[^A-Za-z0-9._+-]', '-', release)[:60]}-{PAGE_NAMES[page_size]}"


def _version(facts: KernelImage) -> str:
    text = facts.version or ""
    if Version.parse(text) is None:
        raise Malformed(facts.origin, None, "a release that starts with a version", repr(facts.release))
    return text


def given_kernel(file: Path, progress: Progress) -> Kernel:
    """The kernel of a file of the user's own, unpacked once and kept by its content outside the catalogue.

    Its name is the file's path. Raises what `add_kernel` raises.
    """
    with file.open("rb") as opened:
        name = hashlib.file_digest(opened, "sha256").hexdigest()[:32]
    folder = GIVEN_KERNELS.folder() / name
    store = Store(folder)
    manifest = store.manifest(f"{ADDED}-{name}")
    if manifest is None:
        with progress.step(f"unpack {file.name}"):
            manifest = add_kernel(
                store, file, name=name, modules=None, config=None, sources=load_sources(), progress=progress
            )
        GIVEN_KERNELS.evict(keep=folder)
    else:
        GIVEN_KERNELS.used(folder)
    return evolve(store.kernel(manifest), name=str(file))
