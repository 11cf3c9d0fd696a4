"""What belongs to a file beside its bytes is kept when its file system is written again."""

from __future__ import annotations

import random
import stat
import subprocess
import sys
from pathlib import Path

import image_kit
import pytest

from bootwright.formats.archives import cpio
from bootwright.formats.archives.initramfs import read_segments
from bootwright.formats.filesystems.attributes import Attributes, Times
from bootwright.formats.filesystems.filesystem import Entry, lookup, walk
from bootwright.formats.filesystems.squashfs import SquashFs
from bootwright.formats.filesystems.squashfs_attributes import SquashAttributes
from bootwright.formats.filesystems.xfs import Xfs
from bootwright.formats.filesystems.xfs_attributes import read_attributes
from bootwright.formats.sources.bytesource import Bytes, FileBytes
from bootwright.foundation.errors import Malformed, Refused, ToolFailed
from bootwright.foundation.progress import Silent
from bootwright.foundation.tools import find
from bootwright.images.change.changes import Changes
from bootwright.images.change.edits import ArgumentEdit
from bootwright.images.change.initramfs_edit import replace_modules
from bootwright.images.change.swap import swap
from bootwright.images.compose.compose import compose
from bootwright.images.opened import open_image
from bootwright.images.parts.kernel_part import KernelFiles
from bootwright.images.parts.module_gate import Enforcement, ModuleGate
from bootwright.images.recipes.reader import find_recipe
from bootwright.images.write import sparse
from bootwright.images.write.ext4_writer import change_ext4, make_ext4
from bootwright.images.write.gpt_writer import NewPartition, disk_size, type_guid, write_gpt
from bootwright.images.write.new_filesystems import EPOCH
from bootwright.images.write.nodes import Node, new_file
from bootwright.images.write.squashfs_writer import make_squashfs
from bootwright.images.write.tar_writer import TarWriter
from bootwright.images.write.xfs_writer import make_xfs

IDENTITY = "11111111-2222-3333-4444-555555555555"
OLD = Times(1_500_000_000_123456789, 1_500_000_001_000000007, 1_500_000_002_5, 1_400_000_000_000000000)
LABEL = {"security.selinux": b"system_u:object_r:boot_t:s0\0"}


def nodes(source: Path) -> dict[str, Node]:
    """A tree with everything that XFS can hold."""
    many = {**LABEL, "user.note": b"N" * 3000, "user.large": bytes(range(256)) * 40, "trusted.t": b"t"}
    return {
        "/": Node(Attributes(stat.S_IFDIR | 0o750, 1, 2, OLD, extended=LABEL)),
        "/A": Node(Attributes(stat.S_IFDIR | 0o1777, 0, 0, OLD)),
        "/A/vmlinuz": Node(Attributes(stat.S_IFREG | 0o4711, 1000, 70000, OLD, extended=many), source),
        "/A/link": Node(Attributes(stat.S_IFLNK | 0o777, 5, 6, OLD, extended=LABEL), target="vmlinuz"),
        "/console": Node(Attributes(stat.S_IFCHR | 0o600, 0, 5, OLD, (5, 1))),
        "/fifo": Node(Attributes(stat.S_IFIFO | 0o640, 3, 4, OLD)),
        "/grub/grub.cfg": new_file(source.with_name("grub.cfg")),
    }


@pytest.fixture(scope="module")
def xfs_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("xfs")
    (folder / "vmlinuz").write_bytes(image_kit.kernel_image())
    (folder / "grub.cfg").write_text("menuentry x {\n  linux /A/vmlinuz a b\n}\n")
    volume = folder / "volume"
    make_xfs(volume, 300 << 20, label="BOOT", identity=IDENTITY, nodes=nodes(folder / "vmlinuz"))
    partition = NewPartition("BOOT", type_guid("linux"), IDENTITY, 1 << 20, 300 << 20)
    with (folder / "image.raw").open("w+b") as file, volume.open("rb") as source:
        file.truncate(disk_size([partition]))
        sparse.copy_range(source.fileno(), 0, 300 << 20, file.fileno(), 1 << 20)
        write_gpt(file.fileno(), disk_size([partition]), IDENTITY, [partition])
    return folder / "image.raw"


def of_xfs(image: Path) -> dict[str, Attributes]:
    (volume,) = open_image(image).volumes
    assert isinstance(volume.files, Xfs)
    by_path = {}
    for entry in [volume.files.root(), *walk(volume.files)]:
        assert isinstance(entry, Entry)
        by_path[entry.path] = read_attributes(volume.source, volume.files.superblock, entry.handle)
    return by_path


def test_xfs_keeps_owners_times_nodes_links_and_attributes(xfs_image: Path, tmp_path: Path) -> None:
    before = of_xfs(xfs_image)
    wanted = nodes(xfs_image.with_name("vmlinuz"))
    for path, node in wanted.items():
        made, asked = before[path], node.attributes
        assert (made.mode, made.uid, made.gid, made.device) == (
            asked.mode,
            asked.uid,
            asked.gid,
            asked.device,
        )
        assert (made.times, made.extended) == (asked.times, asked.extended), path
    output = swap(xfs_image, tmp_path / "o.raw", Changes(arguments=(ArgumentEdit.parse("+c"),))).image
    after = of_xfs(output)
    changed = {path for path, attributes in after.items() if before[path] != attributes}
    assert changed <= {"/grub/grub.cfg"}
    image_kit.clean(output, tmp_path, 1 << 20, 300 << 20, "xfs")
    (volume,) = open_image(output).volumes
    link = lookup(volume.files, "/A/link", follow=False)
    assert link is not None
    assert link.target == "vmlinuz"


def test_a_file_that_is_replaced_keeps_owner_and_label(xfs_image: Path, tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(image_kit.kernel_image(filler=b"new"))
    changes = Changes(files=(("BOOT:/A/vmlinuz", tmp_path / "new"),))
    made = of_xfs(swap(xfs_image, tmp_path / "o.raw", changes).image)["/A/vmlinuz"]
    assert (made.mode, made.uid, made.gid) == (stat.S_IFREG | 0o4711, 1000, 70000)
    assert made.extended["security.selinux"] == LABEL["security.selinux"]
    assert made.times == Times.all_at(EPOCH)


@pytest.mark.parametrize("extended", [{"user.a b": b"x"}, {"user.empty": b""}, {"other.x": b"x"}])
def test_an_attribute_that_xfs_cannot_get_is_refused(tmp_path: Path, extended: dict[str, bytes]) -> None:
    (tmp_path / "f").write_text("x")
    node = Node(Attributes(stat.S_IFREG | 0o644, extended=extended), tmp_path / "f")
    with pytest.raises(Refused, match="cannot be kept"):
        make_xfs(tmp_path / "x", 300 << 20, label="X", identity=IDENTITY, nodes={"/f": node})


def debugfs(image: Path, request: str, *options: str) -> str:
    done = subprocess.run(
        [find("debugfs"), *options, "-R", request, image], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def ext4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ext4")
    return compose(find_recipe(str(image_kit.recipe(folder, image_kit.EXTLINUX))), folder / "kit.raw").image


def test_ext4_is_made_the_same_and_changed_in_place(ext4: Path, tmp_path: Path) -> None:
    again = compose(find_recipe(str(ext4.with_name("kit.toml"))), tmp_path / "again.raw").image
    assert again.read_bytes() == ext4.read_bytes()
    volume = open_image(ext4).volume("BOOT")
    image_kit.clean(ext4, tmp_path, volume.partition.offset, volume.partition.size, "ext4")
    tree = image_kit.devicetree(tmp_path, "bcm2712-rpi-5-b.dtb", "another build")
    changes = Changes(
        trees=(tree,),
        arguments=(ArgumentEdit.parse("-quiet"),),
        files=(("BOOT:/new/a file", tree),),
        removed=("BOOT:/A/initramfs.xz",),
    )
    made = swap(ext4, tmp_path / "o.raw", changes)
    image_kit.clean(made.image, tmp_path, volume.partition.offset, volume.partition.size, "ext4")
    files = open_image(made.image).volume("BOOT").files
    held = {
        entry.path: files.open(entry).read(0, entry.size)
        for entry in walk(files)
        if isinstance(entry, Entry) and entry.kind == "file"
    }
    assert held["/dtbs/bcm2712-rpi-5-b.dtb"] == held["/new/a file"] == tree.read_bytes()
    assert b"append console=ttyAMA0\n" in held["/extlinux/extlinux.conf"]
    assert "/A/initramfs.xz" not in held
    assert held["/A/vmlinuz"] == ext4.with_name("vmlinuz").read_bytes()


def test_ext4_keeps_what_it_does_not_change(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old" * 5000)
    volume = tmp_path / "volume"
    tree = {
        "/a/f": Node(Attributes(stat.S_IFREG | 0o4750, 1000, 70000), tmp_path / "f"),
        "/a/l": Node(Attributes(stat.S_IFLNK | 0o777), target="f"),
        "/dev/console": Node(Attributes(stat.S_IFCHR | 0o600, device=(5, 1))),
        "/other": new_file(tmp_path / "f"),
    }
    make_ext4(volume, 16 << 20, label="X", identifier=IDENTITY, nodes=tree)
    for path in ("/a/f", "/other"):
        debugfs(volume, f"ea_set {path} security.selinux label_t", "-w")
    before = debugfs(volume, "stat /other")
    (tmp_path / "g").write_bytes(b"new" * 7000)
    put = {"/a/f": tmp_path / "g"}
    assert change_ext4(volume, 0, 16 << 20, put=put, remove=(), work=tmp_path / "w") == 21000
    assert debugfs(volume, "stat /other") == before
    output = debugfs(volume, "stat /a/f")
    assert "Mode:  04750" in output
    assert "User:  1000   Group: 70000" in output
    assert "label_t" in debugfs(volume, "ea_get /a/f security.selinux")
    assert "character special" in debugfs(volume, "stat /dev/console")
    done = subprocess.run([find("e2fsck"), "-fn", volume], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
    with (tmp_path / "large").open("wb") as file:
        file.truncate(17 << 20)
    with pytest.raises(Refused, match="no space"):
        change_ext4(volume, 0, 16 << 20, put={"/x": tmp_path / "large"}, remove=(), work=tmp_path / "w")
    for name in ('/a"b', "/<12>", "/new\nline"):
        with pytest.raises((Refused, ToolFailed)):
            change_ext4(volume, 0, 16 << 20, put={name: tmp_path / "g"}, remove=(), work=tmp_path / "w")
    debugfs(volume, "feature needs_recovery", "-w")
    with pytest.raises(Refused, match="journal"):
        change_ext4(volume, 0, 16 << 20, put=put, remove=(), work=tmp_path / "w")


def modules(folder: Path, release: str) -> KernelFiles:
    tree = folder / "lib/modules" / release
    (tree / "kernel").mkdir(parents=True)
    for name in ("x", "squashfs", "loop"):
        (tree / f"kernel/{name}.ko").write_bytes(image_kit.module(release, name))
    return KernelFiles(Path("k"), release, 4096, "", modules=tree, dtbs=None, config=None, origin="")


GATE = ModuleGate(Bytes(image_kit.kernel_image("6.2"), "kernel"), "6.2", Enforcement(False, "test"))


def squashfs(folder: Path) -> bytes:
    """A root with labels, a device node, a hard link and modules of 6.1."""
    with TarWriter(folder / "root.tar") as tar:

        def add(path: str, mode: int, data: bytes | None = None, **more: object) -> None:
            attributes = Attributes(mode, 7, 8, Times.all_at(1_500_000_000), extended=LABEL, **more)  # type: ignore[arg-type]
            tar.add(path, attributes, content=Bytes(data, path) if data is not None else None)

        for name in ("/lib", "/lib/modules", "/lib/modules/6.1", "/lib/modules/6.1/kernel", "/sbin"):
            add(name, stat.S_IFDIR | 0o755)
        add("/lib/modules/6.1/kernel/x.ko", stat.S_IFREG | 0o644, b"\x7fELF old")
        add("/sbin/init", stat.S_IFREG | 0o4755, b"init" * 1000)
        add("/console", stat.S_IFCHR | 0o620, device=(5, 1))
        tar.add("/sbin/other", Attributes(stat.S_IFREG | 0o4755), link_to="/sbin/init")
    root = Attributes(stat.S_IFDIR | 0o711, 8, 7, Times.all_at(1_500_000_000), extended={"user.root": b"r"})
    make_squashfs(folder / "root.tar", folder / "root.sqsh", "zstd", root=root)
    return (folder / "root.sqsh").read_bytes()


def test_a_squashfs_root_keeps_labels_owners_nodes_and_links(tmp_path: Path) -> None:
    archive = cpio.write(
        [cpio.Member("init", b"#!", stat.S_IFREG | 0o755), cpio.Member("rootfs.sqsh", squashfs(tmp_path))]
    )
    kernel = modules(tmp_path, "6.2")
    path, done = replace_modules(Bytes(archive, "a"), kernel, GATE, tmp_path / "work", Silent())
    assert done.early == ["loop", "squashfs"]
    (segment,) = read_segments(FileBytes(path))
    held = {entry.name: entry for entry in cpio.read(segment.archive)}
    assert cpio.content(segment.archive, held["bootwright/init"]).read(0, 2) == b"#!"
    lines = cpio.content(segment.archive, held["bootwright/modules"])
    assert lines.read(0, lines.size).decode().split() == [
        "/lib/modules/6.2/kernel/loop.ko",
        "/lib/modules/6.2/kernel/squashfs.ko",
    ]
    source = cpio.content(segment.archive, held["rootfs.sqsh"])
    files = SquashFs(source)
    attributes = SquashAttributes(files, source)
    kept_attributes = {
        entry.path: attributes.of(entry.handle) for entry in walk(files) if isinstance(entry, Entry)
    }
    root = attributes.of(files.superblock.root)
    assert (root.mode, root.uid, root.extended) == (stat.S_IFDIR | 0o711, 8, {"user.root": b"r"})
    assert root.times.modified == 1_500_000_000 * 10**9
    init = kept_attributes["/sbin/init"]
    assert (init.mode, init.uid, init.gid, init.extended) == (stat.S_IFREG | 0o4755, 7, 8, LABEL)
    assert (kept_attributes["/sbin/other"], init.links) == (init, 2)
    assert (kept_attributes["/console"].device, kept_attributes["/console"].mode) == (
        (5, 1),
        stat.S_IFCHR | 0o620,
    )
    assert kept_attributes["/lib/modules/6.2/kernel/x.ko"].extended == LABEL
    assert "/lib/modules/6.1" not in kept_attributes
    (tmp_path / "new.sqsh").write_bytes(source.read(0, source.size))
    listed = subprocess.run(["unsquashfs", "-lln", tmp_path / "new.sqsh"], capture_output=True, check=False)
    assert listed.returncode == 0, listed.stderr
    # A second time: what loads modules early is there, and is given the other kernel's.
    other = ModuleGate(Bytes(image_kit.kernel_image("6.3"), "kernel"), "6.3", Enforcement(False, "test"))
    again, twice = replace_modules(
        FileBytes(path), modules(tmp_path / "again", "6.3"), other, tmp_path / "work2", Silent()
    )
    (segment,) = read_segments(FileBytes(again))
    names = [entry.name for entry in cpio.read(segment.archive)]
    assert names.count("init") == names.count("bootwright/init") == 1
    assert not any("6.2" in name for name in names)
    assert not twice.left_out


def test_a_kernel_that_cannot_mount_the_root_is_refused(tmp_path: Path) -> None:
    archive = cpio.write([cpio.Member("init", b"#!"), cpio.Member("rootfs.sqsh", squashfs(tmp_path))])
    kernel = modules(tmp_path, "6.2")
    for name in ("squashfs", "loop"):
        (tmp_path / f"lib/modules/6.2/kernel/{name}.ko").unlink()
    with pytest.raises(Refused, match=r"6\.2 cannot mount the root of this image"):
        replace_modules(Bytes(archive, "a"), kernel, GATE, tmp_path / "work", Silent())
    (tmp_path / "lib/modules/6.2/modules.builtin").write_text("kernel/fs/squashfs.ko\nkernel/loop.ko\n")
    _, done = replace_modules(Bytes(archive, "a"), kernel, GATE, tmp_path / "work3", Silent())
    assert done.early == []


def test_members_of_an_initramfs_keep_owner_time_and_hard_links(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "lib/modules/6.1/kernel").mkdir(parents=True)
    (tree / "lib/modules/6.1/kernel/x.ko").write_bytes(b"\x7fELF old")
    (tree / "busybox").write_bytes(b"busybox" * 100)
    (tree / "sh").hardlink_to(tree / "busybox")
    (tree / "init").symlink_to("sh")
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    archive = subprocess.run(
        [find("cpio"), "-o", "-H", "newc", "--quiet", "-R", "12:34"],
        cwd=tree, input=names.encode(), capture_output=True, check=True,
    ).stdout  # fmt: skip
    path, _ = replace_modules(Bytes(archive, "a"), modules(tmp_path, "6.2"), GATE, tmp_path / "w", Silent())
    listed = subprocess.run(
        [find("cpio"), "-itv", "--quiet", "-n"], input=path.read_bytes(), capture_output=True, check=True
    ).stdout.decode()
    lines = {line.split()[8]: line.split() for line in listed.splitlines()}
    assert lines["sh"][1:4] == lines["busybox"][1:4] == ["2", "12", "34"]
    out = tmp_path / "out"
    out.mkdir()
    command = [find("cpio"), "-id", "--quiet", "--no-preserve-owner"]
    subprocess.run(command, cwd=out, input=path.read_bytes(), check=True, capture_output=True)
    assert (out / "sh").read_bytes() == (out / "busybox").read_bytes() == b"busybox" * 100
    assert (out / "lib/modules/6.2/kernel/x.ko").is_file()


def test_a_name_stands_once_in_an_archive(tmp_path: Path) -> None:
    with TarWriter(tmp_path / "t") as tar:
        tar.file("/a", b"")
        with pytest.raises(Malformed, match="each name once"):
            tar.file("a", b"")
        with pytest.raises(Refused, match="socket"):
            tar.add("/s", Attributes(stat.S_IFSOCK | 0o600))


def test_any_volume_gives_attributes_or_an_error(xfs_image: Path, tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parents[2] / "fuzz"))
    try:
        from fuzz_attributes import one_input
    finally:
        sys.path.pop(0)
    with xfs_image.open("rb") as file:
        file.seek(1 << 20)
        xfs = file.read(400 << 10)
    chance = random.Random(3)
    for seed in (xfs, squashfs(tmp_path)):
        one_input(seed)
        for _ in range(60):
            data = bytearray(seed)
            for _ in range(chance.randint(1, 12)):
                # Inodes and attributes of the XFS lie at 128 to 200 KiB.
                at = (
                    chance.randrange(len(data))
                    if chance.random() < 0.3
                    else chance.randrange(min(128 << 10, len(data) // 2), min(200 << 10, len(data)))
                )
                data[at] = chance.randrange(256)
            one_input(bytes(data))
