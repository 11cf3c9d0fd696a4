"""Small disks with one FAT partition, and the trees on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bootwright.formats.filesystems.filesystem import Entry, EntryKind, walk
from bootwright.foundation import tools
from bootwright.images.opened import open_image

MIB = 1 << 20
SIZE = 40 * MIB

Files = dict[str, bytes]


def blob(text: str, **words: str) -> bytes:
    """A devicetree blob of a source, words in it replaced."""
    for name, value in words.items():
        text = text.replace(name, value)
    return tools.run(["dtc", "-q", "-@", "-O", "dtb"], input_bytes=text.encode())


def make_image(path: Path, files: Mapping[str, bytes], workdir: Path, size: int = SIZE) -> Path:
    """A GPT disk with the files on an EFI partition."""
    part = workdir / f"{path.name}.part"
    with part.open("wb") as file:
        file.truncate(size - 2 * MIB)
    tools.run(["mkfs.vfat", "--invariant", "-n", "EFI", part])
    above = {"/".join(name.split("/")[:depth]) for name in files for depth in range(2, name.count("/") + 1)}
    if above:
        tools.run(["mmd", "-i", part, *(f"::{folder}" for folder in sorted(above))])
    for name, data in files.items():
        (workdir / "file").write_bytes(data)
        tools.run(["mcopy", "-i", part, workdir / "file", f"::{name}"])
    with path.open("wb") as file:
        file.truncate(size)
    table = f"label: gpt\nstart=2048, size={(size - 2 * MIB) // 512}, type=uefi, name=EFI\n"
    tools.run(["sfdisk", "--quiet", "--no-tell-kernel", path], input_bytes=table.encode())
    tools.run(["dd", f"if={part}", f"of={path}", "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none"])
    return path


def read_image(path: Path) -> Files:
    """The files of such a disk."""
    (volume,) = open_image(path).volumes
    contents = {}
    for entry in walk(volume.files):
        if isinstance(entry, Entry) and entry.kind is EntryKind.FILE:
            source = volume.files.open(entry)
            contents[entry.path] = source.read(0, source.size)
    return contents
