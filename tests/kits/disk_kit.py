"""Images for the tests, made by the usual tools, without root: the oracles of the readers."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bootwright.formats.filesystems.filesystem import Entry, EntryKind, FileSystem, walk
from bootwright.formats.sources.bytesource import ByteSource, FileBytes, check_range

ROOT = Path(__file__).parents[2]


def tool(name: str) -> str:
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    program = shutil.which(name, path=path)
    assert program, f"{name} is not installed"
    return program


def run(*command: str | Path, cwd: Path | None = None, text: str | None = None) -> str:
    done = subprocess.run(
        [tool(str(command[0])), *map(str, command[1:])],
        cwd=cwd,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1"},
    )
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


_BLOCK = 1 << 20
_ZEROS = bytes(_BLOCK)


def disk_digest(path: Path) -> str:
    """Equal where all bytes are equal: a hash of the blocks that are not zeros, and of where they are.

    Of holes, which are most of a disk, nothing is read.
    """
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as disk:
        handle = disk.fileno()
        size = os.fstat(handle).st_size
        at = 0
        while at < size:
            try:
                at = os.lseek(handle, at, os.SEEK_DATA) // _BLOCK * _BLOCK
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                break  # a hole up to the end
            block = os.pread(handle, _BLOCK, at)
            if block != _ZEROS[: len(block)]:
                digest.update(b"%d\n" % at)
                digest.update(block)
            at += _BLOCK
    digest.update(b"%d" % size)
    return digest.hexdigest()


def sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


def fuzz_target(name: str) -> Callable[[bytes], None]:
    path = ROOT / "fuzz" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    one_input: Callable[[bytes], None] = module.one_input
    return one_input


def plant(folder: Path, *, many: int = 400, links: bool = True) -> Path:
    """A tree with what file systems store in different ways: big and small, many names, sparse, links."""
    folder.mkdir(parents=True)
    (folder / "A").mkdir()
    (folder / "A" / "vmlinuz").write_bytes(bytes(range(256)) * 1500 + b"end")
    (folder / "empty").touch()
    (folder / "tiny").write_bytes(b"x")
    (folder / "a name with spaces and Ümlaut.txt").write_bytes(b"hello\n" * 2000)
    (folder / "deep" / "er" / "still").mkdir(parents=True)
    (folder / "deep" / "er" / "still" / "file").write_bytes(b"deep")
    (folder / "many").mkdir()
    for number in range(many):
        (folder / "many" / f"file-with-a-longer-name-{number:05}").write_bytes(b"%d" % number)
    with (folder / "holes").open("wb") as file:
        for number in range(30):
            file.seek(number * 65536)
            file.write(b"%08d" % number * 600)
        file.truncate(30 * 65536 + 777)
    if links:
        (folder / "short").symlink_to("A/vmlinuz")
        # No part of it longer than a name may be: Python 3.11's rglob follows links, and gives up there.
        (folder / "long").symlink_to("/".join(["x" * 99] * 7))
        (folder / "A" / "up").symlink_to("../tiny")
    return folder


def contents(files: FileSystem) -> dict[str, bytes | str | None]:
    """Path → a file's bytes, a symlink's target, or None for a directory; fails on anything unreadable."""
    contents: dict[str, bytes | str | None] = {}
    for entry in walk(files):
        assert isinstance(entry, Entry), entry
        if entry.kind is EntryKind.FILE:
            source = files.open(entry)
            assert source.size == entry.size
            contents[entry.path] = source.read(0, source.size)
        else:
            contents[entry.path] = entry.target
    return contents


def of_directory(folder: Path) -> dict[str, bytes | str | None]:
    """The same of a directory of this machine, by other means."""
    contents: dict[str, bytes | str | None] = {}
    for path in sorted(folder.rglob("*")):
        name = f"/{path.relative_to(folder)}"
        if path.is_symlink():
            contents[name] = str(path.readlink())
        else:
            contents[name] = path.read_bytes() if path.is_file() else None
    return contents


def xfs_prototype(folder: Path) -> str:
    """A prototype file for `mkfs.xfs -p` that copies a directory (mkfs.xfs(8)); names without blanks."""
    lines = ["/", "0 0", "d--755 0 0"]

    def add(here: Path) -> None:
        for path in sorted(here.iterdir()):
            if path.is_symlink():
                lines.append(f"{path.name} l--777 0 0 {path.readlink()}")
            elif path.is_dir():
                lines.append(f"{path.name} d--755 0 0")
                add(path)
            else:
                lines.append(f"{path.name} ---644 0 0 {path}")
        lines.append("$")

    add(folder)
    return "\n".join([*lines, "$", ""])


def make_xfs(image: Path, folder: Path, *options: str, size: int = 320 << 20) -> Path:
    sparse(image, size)
    prototype = image.with_suffix(".proto")
    prototype.write_text(xfs_prototype(folder))
    run("mkfs.xfs", "-q", "-p", prototype, *options, image)
    return image


def make_fat(image: Path, folder: Path, bits: int, size: int, *options: str) -> Path:
    sparse(image, size)
    run("mkfs.vfat", "-F", str(bits), *options, image)
    for path in sorted(folder.iterdir()):
        run("mcopy", "-s", "-i", image, path, "::/")
    return image


def make_disk(
    image: Path, parts: Sequence[tuple[Path | None, str, str, int]], *, label: str = "gpt", sector: int = 512
) -> Path:
    """A disk of (image or None, type, name, MiB) partitions, each at a whole MiB."""
    total = sum(size for *_, size in parts) + 3
    sparse(image, total << 20)
    lines = [f"label: {label}", f"sector-size: {sector}"]
    start = 1
    for _, kind, name, size in parts:
        named = f", name={name}" if label == "gpt" else ""
        lines.append(f"start={(start << 20) // sector}, size={(size << 20) // sector}, type={kind}{named}")
        start += size
    run("sfdisk", "-q", "--no-tell-kernel", image, text="\n".join([*lines, ""]))
    start = 1
    for part, _, _, size in parts:
        if part is not None:
            copy_into(image, part, start << 20)
        start += size
    return image


def copy_into(image: Path, part: Path, offset: int) -> None:
    """Copy what is not a hole, so that large images stay small."""
    with image.open("r+b") as target, part.open("rb") as source:
        size = part.stat().st_size
        position = 0
        while position < size:
            try:
                position = os.lseek(source.fileno(), position, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(source.fileno(), position, os.SEEK_HOLE)
            source.seek(position)
            target.seek(offset + position)
            target.write(source.read(end - position))
            position = end


class Patched:
    """A source with some of its bytes replaced."""

    def __init__(self, base: ByteSource, patches: Mapping[int, bytes]) -> None:
        self._base = base
        self._patches = patches

    @property
    def name(self) -> str:
        return self._base.name

    @property
    def size(self) -> int:
        return self._base.size

    def read(self, offset: int, size: int) -> bytes:
        check_range(self.name, self.size, offset, size)
        data = bytearray(self._base.read(offset, size))
        for at, patch in self._patches.items():
            for index, byte in enumerate(patch):
                if offset <= at + index < offset + size:
                    data[at + index - offset] = byte
        return bytes(data)


def opened(path: Path) -> ByteSource:
    return FileBytes(path)


def stub() -> bytes:
    """A PE32+ EFI application for arm64 without sections of its own but one, as objcopy wants to see."""
    optional = struct.pack("<HBBIIIII", 0x20B, 1, 0, 512, 0, 0, 0x1000, 0x1000)
    optional += struct.pack("<QIIHHHHHHIIIIHH", 0, 0x1000, 512, 0, 0, 0, 0, 0, 0, 0, 0x2000, 512, 0, 10, 0)
    optional += struct.pack("<QQQQII", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16) + bytes(128)
    coff = struct.pack("<HHIIIHH", 0xAA64, 1, 0, 0, 0, len(optional), 0x0022)
    section = struct.pack("<8sIIIIIIHHI", b".text", 16, 0x1000, 512, 512, 0, 0, 0, 0, 0x60000020)
    head = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + coff + optional + section
    return head.ljust(512, b"\0") + bytes(512)
