"""SOURCE, as a user gives it, to a tree on this machine."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bootwright.formats.sources.address import is_address
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.formats.sources.streams import Decompressed, SourceStream, Stream, compression_of
from bootwright.formats.sources.url import fetch_url
from bootwright.foundation.cache import KERNEL_TREES
from bootwright.foundation.errors import Malformed, Missing, Refused, ToolFailed
from bootwright.foundation.progress import Progress
from bootwright.workshop.repository import Repository, open_repository
from bootwright.workshop.trees import packages
from bootwright.workshop.trees.contents import content
from bootwright.workshop.trees.model import KernelTree, read_version
from bootwright.workshop.trees.unpack import MOST_BYTES, unpack_tree
from bootwright.workshop.trees.worktree import state, tree_of

_FORMS = "a folder, FOLDER@REF of git, a tarball or its address, or a package such as linux-source-6.12"


def open_tree(given: str, archive: packages.Archive) -> KernelTree:
    """The kernel source that a user names.

    In this order: a folder or file of that name, the name of a package, an address, `FOLDER@REF`. Raises
    `Missing` where there is nothing of that name, `Refused` for what is no kernel source, `Malformed` for
    an archive that is damaged.
    """
    path = Path(given).expanduser()
    if path.is_dir():
        return _folder(path)
    if path.is_file():
        return _tarball(path, str(path.resolve()), archive.progress)
    known = packages.named(given)
    if known is not None:
        return archive.tree(*known)
    if is_address(given):
        if archive.offline:
            raise Missing(f"{given} would have to be fetched", hint="run it once without --offline")
        return _tarball(fetch_url(given, archive.progress), given, archive.progress)
    place, at, reference = given.rpartition("@")
    if at and Path(place).expanduser().is_dir():
        return _reference(
            open_repository(Path(place).expanduser(), hint=f"SOURCE is {_FORMS}"), reference, archive.progress
        )
    if at:
        raise Missing(f"there is no folder {place}", hint=f"SOURCE is {_FORMS}")
    raise Missing(f"there is no kernel source {given}", hint=f"SOURCE is {_FORMS}")


def _folder(path: Path) -> KernelTree:
    folder = path.resolve()
    version = read_version(folder)
    if (folder / ".config").exists() or (folder / "include/config").is_dir():
        # Makefile, target outputmakefile (Linux 6.12): it refuses to build elsewhere then.
        raise Refused(
            f"{path} has been built in, and a kernel cannot be built elsewhere from it",
            hint=f"clean it: make -C {path} mrproper (which removes its .config)",
        )
    try:
        identity = state(open_repository(folder), folder)
        origin = f"{folder}, {identity}"
    except (Refused, Missing, ToolFailed):
        identity = f"files {content(folder)}"
        origin = f"{folder}, {identity[:18]}"
    return KernelTree(folder, version, identity, origin, kept=False)


def _reference(repository: Repository, reference: str, progress: Progress) -> KernelTree:
    commit = repository.commit(reference)
    tree = tree_of(repository, commit)
    where = f"{repository.folder}@{reference}"

    def fill(work: Path) -> None:
        with (
            progress.step(f"take {reference} out of git"),
            repository.stream("archive", "--format=tar", "--prefix=linux/", commit) as stream,
        ):
            unpack_tree(stream, where, work, progress)
            while stream.read(1 << 20):  # what pads the archive
                pass
        read_version(work, where)  # before it is kept

    folder = KERNEL_TREES.kept_folder(f"git-{tree}", fill)
    return KernelTree(
        folder=folder,
        version=read_version(folder),
        identity=f"git tree {tree}",
        origin=f"{repository.folder}, commit {commit} ({reference})",
        kept=True,
    )


def _tarball(path: Path, where: str, progress: Progress) -> KernelTree:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Missing(f"cannot read {path}: {error.strerror}", hint="check its permissions") from error
    if not path.stat().st_size:
        hint = "if it was fetched, that broke off: fetch it again"
        raise Malformed(where, 0, "a tarball of a kernel's source", "an empty file", hint=hint)

    def fill(work: Path) -> None:
        source = FileBytes(path)
        kind = compression_of(source)
        plain: Stream = SourceStream(source)
        with progress.step(f"unpack {path.name}"):
            stream = plain if kind is None else Decompressed(plain, kind, where, limit=MOST_BYTES)
            unpack_tree(stream, where, work, progress)
        read_version(work, where)  # before it is kept

    folder = KERNEL_TREES.kept_folder(digest[:32], fill)
    return KernelTree(
        folder, read_version(folder), f"tarball {digest}", f"{where}, SHA256 {digest}", kept=True
    )
