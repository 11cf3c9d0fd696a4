"""Makes ext4 file systems, and changes them where they lie in an image, without root: mke2fs, debugfs.

debugfs keeps every checksum and leaves all else as it is: owners, times and attributes of other files stay.
It says what went wrong on stderr and exits with 0, so its words and what it wrote are both looked at.
"""

from __future__ import annotations

import posixpath
import re
import stat
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bootwright.formats.filesystems.attributes import Attributes
from bootwright.formats.filesystems.ext4 import Ext
from bootwright.formats.filesystems.filesystem import EntryKind, lookup
from bootwright.formats.sources.bytesource import ByteSource, FileBytes, Part
from bootwright.formats.sources.spool import digest
from bootwright.foundation import tools
from bootwright.foundation.errors import Refused, ToolFailed
from bootwright.images.write.new_filesystems import ENVIRONMENT, EPOCH, allocate, identity
from bootwright.images.write.nodes import NEW, Node, parents, with_parents

# Spelt out, so that another system's mke2fs.conf makes the same. Left out: metadata_csum_seed and
# orphan_file, which GRUB before 2.12 and U-Boot before 2024 do not read.
_FEATURES = (
    "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,"
    "huge_file,dir_nlink,extra_isize,metadata_csum"
)
_ENVIRONMENT = {**ENVIRONMENT, "E2FSPROGS_FAKE_TIME": str(EPOCH), "MKE2FS_CONFIG": "/dev/null"}
_NAME = re.compile(r'[^\x00-\x1f\x7f"<\\][^\x00-\x1f\x7f"\\]*')
"""What debugfs takes as a word in quotes; `<12>` would be an inode."""

_TYPES = {stat.S_IFBLK: "b", stat.S_IFCHR: "c", stat.S_IFIFO: "p"}
_OWNER = re.compile(rb"User:\s*(\d+)\s+Group:\s*(\d+)")
_ATTRIBUTE = re.compile(rb"^  (\S+) \(\d+\)", re.MULTILINE)


def make_ext4(path: Path, size: int, *, label: str, identifier: str, nodes: Mapping[str, Node]) -> None:
    """An ext4 file system in `path` with `nodes` by absolute path, and the directories that hold them.

    `identifier` is its UUID. Raises `Missing` without e2fsprogs, `Refused` for a name that debugfs
    cannot take or where space runs out, `ToolFailed` where the file system is too small to be one.
    """
    mkfs = tools.need("mke2fs", purpose="make an ext4 file system")
    allocate(path, size)
    seed = f"hash_seed={identity(identifier, 'hash seed')}"
    extended = f"{seed},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    tools.run(
        [
            mkfs, "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-m", "0", "-O", _FEATURES,
            "-L", label, "-U", identifier, "-E", extended, path,
        ],
        env=_ENVIRONMENT,
        timeout=600,
    )  # fmt: skip
    tree = {name: node for name, node in with_parents(nodes).items() if name != "/"}
    commands = [command for name, node in tree.items() for command in _creation(name, node)]
    source = FileBytes(path)
    _check_space(source, Ext(source), tree.values())
    _debugfs(str(path), commands, path.with_name(path.name + ".commands"))
    _compare(Ext(FileBytes(path)), tree)


def change_ext4(
    image: Path, offset: int, size: int, *, put: Mapping[str, Path], remove: Iterable[str], work: Path
) -> int:
    """Write and remove files of the ext4 file system in bytes `offset` to `offset + size` of `image`.

    A file that is replaced keeps its owner, permissions and extended attributes. Returns the bytes written.
    Raises `Refused` for a journal that was not replayed (the changes would be undone by it) and where
    space runs out.
    """
    source = _inside(image, offset, size)
    files = Ext(source)
    if "needs recovery" in files.superblock.features:
        raise Refused(
            f"{files.name}: the journal was not replayed, so the file system cannot be changed",
            hint="it was not unmounted: boot or mount the image once, or run e2fsck -p on the partition",
        )
    work.mkdir(parents=True, exist_ok=True)
    target = f"{image}?offset={offset}"
    known = {name for name in put if lookup(files, name, follow=False) is not None}
    owners = _owners(target, sorted(known), work)
    commands = [f"rm {_quoted(name)}" for name in sorted(remove)]
    made: set[str] = set()
    nodes: dict[str, Node] = {}
    for number, (name, given) in enumerate(sorted(put.items())):
        entry = lookup(files, name, follow=False)
        if entry is not None and entry.kind is not EntryKind.FILE:
            raise Refused(f"{files.name}:{name} is not a file")
        for folder in sorted(parents([name])):
            if folder not in made and lookup(files, folder) is None:
                made.add(folder)
                commands += _creation(folder, Node(Attributes(stat.S_IFDIR | 0o755, times=NEW)))
        uid, gid, extended = owners.get(name, (0, 0, ()))
        mode = entry.mode if entry is not None else 0o644
        node = Node(Attributes(stat.S_IFREG | mode, uid, gid, NEW), given)
        nodes[name] = node
        kept = [(attribute, work / f"attribute-{number}-{index}") for index, attribute in enumerate(extended)]
        commands += [
            f"ea_get -f {_quoted(str(path))} {_quoted(name)} {attribute}" for attribute, path in kept
        ]
        commands += [f"rm {_quoted(name)}"] if entry is not None else []
        commands += _creation(name, node)
        commands += [
            f"ea_set -f {_quoted(str(path))} {_quoted(name)} {attribute}" for attribute, path in kept
        ]
    replaced = sum(entry.size for name in {*known, *remove} if (entry := lookup(files, name)))
    _check_space(source, files, nodes.values(), freed=replaced)
    _debugfs(target, commands, work / "commands")
    after = Ext(_inside(image, offset, size))
    _compare(after, nodes)
    left = [name for name in remove if name not in put and lookup(after, name, follow=False) is not None]
    if left:
        raise ToolFailed("debugfs", f"it did not remove {left[0]}")
    return sum(path.stat().st_size for path in put.values())


def _inside(image: Path, offset: int, size: int) -> ByteSource:
    return Part(FileBytes(image), offset, size, "the ext4 partition")


def _creation(name: str, node: Node) -> Iterator[str]:
    above, last = posixpath.split(name)
    attributes = node.attributes
    kind = node.kind
    yield f"cd {_quoted(above)}"
    if kind == stat.S_IFDIR:
        yield f"mkdir {_quoted(last)}"
    elif kind == stat.S_IFREG:
        yield f"write {_quoted(str((node.source or Path()).resolve()))} {_quoted(last)}"
    elif kind == stat.S_IFLNK:
        yield f"symlink {_quoted(last)} {_quoted(node.target or '')}"
    elif kind in _TYPES:
        device = " ".join(map(str, attributes.device)) if attributes.is_device else ""
        yield f"mknod {_quoted(last)} {_TYPES[kind]} {device}".rstrip()
    else:
        raise Refused(f"debugfs cannot make {name}, a socket", hint="leave it out")
    if kind != stat.S_IFLNK:
        yield f"sif {_quoted(name)} mode 0{attributes.mode:o}"
    yield f"sif {_quoted(name)} uid {attributes.uid}"
    yield f"sif {_quoted(name)} gid {attributes.gid}"


def _owners(target: str, names: list[str], work: Path) -> dict[str, tuple[int, int, tuple[str, ...]]]:
    """Owner, group and names of the extended attributes of files that are there."""
    owners: dict[str, tuple[int, int, tuple[str, ...]]] = {}
    for name in names:
        output = _debugfs(target, [f"stat {_quoted(name)}", f"ea_list {_quoted(name)}"], work / "commands")
        owner = _OWNER.search(output)
        if owner is None:
            raise ToolFailed("debugfs", f"it reports no owner of {name}")
        extended = tuple(attribute.decode("utf-8", "replace") for attribute in _ATTRIBUTE.findall(output))
        owners[name] = (
            int(owner[1]),
            int(owner[2]),
            tuple(attribute for attribute in extended if _NAME.fullmatch(attribute)),
        )
    return owners


def _check_space(source: ByteSource, files: Ext, nodes: Iterable[Node], *, freed: int = 0) -> None:
    """Documentation/filesystems/ext4/super.rst, s_free_blocks_count (Linux 6.12)."""
    (low,) = struct.unpack("<I", source.read(1024 + 12, 4))
    (high,) = struct.unpack("<I", source.read(1024 + 344, 4))
    unit = files.superblock.block_size
    blocks = low | (high << 32 if "64bit" in files.superblock.features else 0)
    need = sum(-(-node.source.stat().st_size // unit) + 1 for node in nodes if node.source is not None)
    if need > blocks + freed // unit:
        raise Refused(
            f"no space for the files in the ext4 file system: they need {need * unit >> 20} MiB, and "
            f"{blocks * unit >> 20} MiB are free",
            hint="make its partition larger in the recipe, or leave files out",
        )


def _debugfs(target: str, commands: list[str], script: Path) -> bytes:
    """Run commands; returns what it prints.

    Commands that change something say nothing when they succeed; any other word of theirs is a `ToolFailed`.
    """
    program = tools.need("debugfs", purpose="write to an ext4 file system")
    script.write_text(
        "".join(f"{command_line}\n" for command_line in commands), encoding="utf-8", errors="surrogateescape"
    )
    reading = all(command_line.startswith(("stat ", "ea_list ")) for command_line in commands)
    command = [program, *(() if reading else ("-w",)), "-f", script, target]
    output = tools.run(command, env=_ENVIRONMENT, timeout=600, with_messages=True)
    script.unlink()
    for line in () if reading else output.decode("utf-8", "replace").splitlines():
        # It names itself, repeats each command behind its prompt, and numbers the files it writes.
        if line.strip() and not line.startswith(("debugfs ", "debugfs: ", "Allocated inode: ")):
            raise ToolFailed("debugfs", line)
    return output


def _compare(files: Ext, nodes: Mapping[str, Node]) -> None:
    for name, node in nodes.items():
        entry = lookup(files, name, follow=False)
        there = entry is not None and entry.mode == node.attributes.permissions
        if node.kind == stat.S_IFLNK:
            there = entry is not None and entry.target == node.target
        if there and entry is not None and node.source is not None:
            there = digest(files.open(entry)) == digest(FileBytes(node.source))
        if not there:
            raise ToolFailed("debugfs", f"it did not write {name}")


def _quoted(text: str) -> str:
    if not all(_NAME.fullmatch(part) for part in text.split("/") if part):
        raise Refused(f"{text!r} is not a name that debugfs accepts", hint="rename the file")
    return f'"{text}"'
