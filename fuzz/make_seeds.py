"""Make seeds for the fuzz targets of disks and archives: `python fuzz/make_seeds.py FOLDER [TARGET…]`.

One folder for each target, as atheris and `fuzz/mutate.py` take it. The seeds are not kept in the
repository: they come from the same makers as the tests' images, and so from the tools installed here.
"""

from __future__ import annotations

import gzip
import json
import lzma
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "kits"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "bootchain"))
sys.path.insert(0, str(Path(__file__).parent))

import cattrs
import disk_kit
import seeds_kernels
import talos_kit

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.campaign.model import Campaign, CellRow, PointRow, State, TaskRow
from bootwright.investigate.campaign.told import make_told

_VOLUME_START = 400 << 10
"""Bytes that hold the superblock, inodes and directories of a fresh XFS; the target pads the rest."""


def gpt(folder: Path) -> list[bytes]:
    seeds: list[bytes] = []
    for text in (
        "label: gpt\nfirst-lba: 34\nstart=40,size=100\nsize=50\n",
        "label: dos\nstart=8,size=100\nstart=110,size=200,type=5\nstart=120,size=20\nstart=150,size=20\n",
    ):
        image = disk_kit.sparse(folder / "disk.img", 256 << 10)
        disk_kit.run("sfdisk", "-q", image, text=text)
        seeds.append(image.read_bytes())
    return seeds


def kconfig(_room: Path) -> list[bytes]:
    small = Path(__file__).parents[1] / "tests/kits/small_kernel"
    files = [path.read_bytes() for path in sorted(small.rglob("Kconfig"))]
    config = b'CONFIG_MACB=m\n# CONFIG_PCI is not set\nCONFIG_LOCALVERSION="-x"\nCONFIG_NR_CPUS=0x10\n'
    return [*files, config, b'(A && !B) || C=y || $(cc-option,-f(x)) != "text" && D >= 0x10']


def upstream(_room: Path) -> list[bytes]:
    folder = Path(__file__).parents[1] / "tests/upstream/histories"
    tables = [tomllib.loads(path.read_text()) for path in sorted(folder.glob("*.toml"))]
    texts = [entry["text"] for table in tables for entry in table["file"]]
    looks = [
        '{"schema": "bootwright/upstream-seen/1", "branches": {"linux": {"master": "0"}}, "looked_at": "x"}',
        '{"schema": "bootwright/further/1", "kernels": [], "releases": []}',
        "VFS\nM:\tA <a@example.org>\nL:\tl@example.org\nF:\tfs/*\nN:\tx[0-9]\nX:\tfs/y\n",
    ]
    return [text.encode() for text in [*texts, *looks]]


def fat(folder: Path) -> list[bytes]:
    tree = disk_kit.plant(folder / "tree", many=20, links=False)
    (tree / "holes").unlink()
    return [disk_kit.make_fat(folder / "fat.img", tree, 12, 1474560).read_bytes()]


def xfs(folder: Path) -> list[bytes]:
    tree = disk_kit.plant(folder / "tree", many=30)
    (tree / "a name with spaces and Ümlaut.txt").unlink()
    seeds: list[bytes] = []
    for options in ((), ("-i", "nrext64=1")):
        with disk_kit.make_xfs(folder / "xfs.img", tree, *options).open("rb") as file:
            seeds.append(file.read(_VOLUME_START))
    return seeds


def ext4(folder: Path) -> list[bytes]:
    tree = disk_kit.plant(folder / "tree", many=30)
    seeds: list[bytes] = []
    for kind, features in (("ext4", "inline_data,^has_journal"), ("ext2", "filetype")):
        image = disk_kit.sparse(folder / "ext.img", 8 << 20)
        disk_kit.run("mkfs.ext4", "-q", "-F", "-t", kind, "-b", "1024", "-O", features, "-d", tree, image)
        seeds.append(image.read_bytes().rstrip(b"\0"))
    return seeds


def squashfs(folder: Path) -> list[bytes]:
    tree = disk_kit.plant(folder / "tree", many=20)
    seeds: list[bytes] = []
    for options in (
        ("-noI", "-noF", "-b", "16384"),
        ("-comp", "xz"),
        ("-comp", "zstd", "-noI"),
        ("-comp", "lz4", "-b", "4096"),
        ("-comp", "lzo", "-b", "4096"),
    ):
        image = folder / "image.sqsh"
        disk_kit.run("mksquashfs", tree, image, "-noappend", "-quiet", "-no-progress", *options)
        seeds.append(image.read_bytes())
    return seeds


def lz_blocks(folder: Path) -> list[bytes]:
    """The first data block of squashfs images: right after the superblock and the compression's options."""
    seeds: list[bytes] = []
    for kind, options in (("lz4", 10), ("lzo", 0)):
        image = folder / f"{kind}.sqsh"
        command = ("mksquashfs", folder, image, "-noappend", "-quiet", "-no-progress", "-comp", kind)
        (folder / "data").write_bytes(b"".join(b"line %d\n" % number for number in range(300)))
        disk_kit.run(*command, "-no-fragments")
        seeds.append(image.read_bytes()[96 + options : 96 + options + 1500])
        image.unlink()
    return seeds


def attributes(workdir: Path) -> list[bytes]:
    """Volumes with owners, labels and nodes, made by our own writers."""
    from bootwright.formats.filesystems.attributes import Attributes, Times
    from bootwright.formats.sources.bytesource import Bytes
    from bootwright.images.write.nodes import Node
    from bootwright.images.write.squashfs_writer import make_squashfs
    from bootwright.images.write.tar_writer import TarWriter
    from bootwright.images.write.xfs_writer import make_xfs

    (workdir / "file").write_bytes(b"x" * 5000)
    extended = {"security.selinux": b"boot_t\0", "user.note": b"n" * 900, "trusted.t": b"t" * 5000}
    file = Attributes(0o100755, 1000, 70000, Times.all_at(1), extended=extended)
    node = Attributes(0o020600, 0, 5, Times.all_at(2), (5, 1), {"security.selinux": b"dev_t\0"})
    folder = Attributes(0o040755, 7, 7, Times.all_at(3), extended={"user.root": b"r"})
    nodes = {"/": Node(folder), "/f": Node(file, workdir / "file"), "/c": Node(node)}
    identity = "11111111-2222-3333-4444-555555555555"
    make_xfs(workdir / "xfs.img", 300 << 20, label="X", identity=identity, nodes=nodes)
    with TarWriter(workdir / "tree.tar") as tar:
        tar.add("/f", file, content=Bytes(b"x" * 5000, "f"))
        tar.add("/c", node)
    root = Attributes(0o040755, 0, 0, Times.all_at(3), extended={"user.root": b"r"})
    make_squashfs(workdir / "tree.tar", workdir / "tree.sqsh", "gzip", root=root)
    with (workdir / "xfs.img").open("rb") as volume:
        return [volume.read(_VOLUME_START), (workdir / "tree.sqsh").read_bytes()]


def archive(folder: Path) -> bytes:
    tree = disk_kit.plant(folder / "tree", many=20)
    small = [path for path in tree.rglob("*") if path.name not in {"holes", "vmlinuz"}]
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(small))
    command = [disk_kit.tool("cpio"), "-o", "-H", "newc", "--quiet"]
    return subprocess.run(command, cwd=tree, input=names.encode(), capture_output=True, check=True).stdout


def initramfs(folder: Path) -> list[bytes]:
    data = archive(folder)
    return [data, lzma.compress(data), gzip.compress(data), data + bytes(64) + lzma.compress(data)]


def xz_blocks(folder: Path) -> list[bytes]:
    data = bytes(range(256)) * 400
    (folder / "data").write_bytes(data)
    command = [disk_kit.tool("xz"), "-0", "--block-size=20000", "-c", folder / "data"]
    blocks = subprocess.run(command, capture_output=True, check=True).stdout
    return [blocks, lzma.compress(data), gzip.compress(data), lzma.compress(data, lzma.FORMAT_ALONE)]


def config_txt(_: Path) -> list[bytes]:
    more = b"include a.txt\n[board-type=0x17]\n[gpio4=1]\ninitramfs a followkernel\n[none]\n"
    return [talos_kit.CONFIG_TXT.encode() + more]


def fdt_parameters(_: Path) -> list[bytes]:
    """A base and an overlay whose parameters have every form of a declaration."""
    base = """/dts-v1/; / { gpio { phandle = <1>; }; dev@1 { reg = <1>; phandle = <2>; flag; };
        __symbols__ { gpio = "/gpio"; dev = "/dev@1"; };
        fragment@0 { target = <2>; __overlay__ { inner { x = <1>; }; }; };
        fragment@1 { target-path = "/"; __dormant__ { y; }; };
        __fixups__ { gpio = "/fragment@0:target:0"; };
        __overrides__ { text = <2>,"text{a=1,b='x y',=z}"; addr = <2>,"reg:0"; named = <2>,"name";
            cell = <2>,"w;2=",<7>, <2>,"t=","u"; on = <0>,"+1-0=1!0"; mac = <2>,"m["; flag = <2>,"flag!";
        }; };"""
    made = subprocess.run(
        ["dtc", "-q", "-f", "-O", "dtb"], input=base.encode(), capture_output=True, check=True
    )
    return [made.stdout]


def image_firmware(folder: Path) -> list[bytes]:
    config = b"kernel=vmlinuz\narm_64bit=1\ndtoverlay=header,text=a\ndtparam=addr=7\n[pi3]\nenable_uart=1\n"
    tree = fdt_parameters(folder)[0]
    return [b"\0CUT\0".join((config, tree, tree, b"console=serial0,115200", tree))]


def boot_config(_: Path) -> list[bytes]:
    return [
        b"set default='a'\nmenuentry 'a' --id $x 'b' {\n linux /k root=$root \\\n quiet\n initrd /i /j\n}\n",
        b"submenu 'more' {\n menuentry 'old' { linux /old; devicetree /d; }\n}\n",
        b"default l0\nlabel l0\n linux /k\n append a\n fdtdir /x\n fdtoverlays /a /b\n",
        b"title x\nlinux /k\ninitrd /i\noptions a=1\noptions b\n",
    ]


def bootchain(_: Path) -> list[bytes]:
    """The small files of the table of layouts that the tests have, at the places where they lie."""
    import fuzz_bootchain
    from layouts import LAYOUTS

    places = {f"/{name}": at for at, name in enumerate(fuzz_bootchain.PLACES)}
    return [
        fuzz_bootchain.packed(
            [
                (places[name] | number << 7, data.encode() if isinstance(data, str) else data)
                for number, partition in enumerate(layout.partitions)
                for name, data in partition.files.items()
                if name in places
            ],
            0x03,
        )
        for layout in LAYOUTS
    ]


def explore(folder: Path) -> list[bytes]:
    kernel = talos_kit.kernel(talos_kit.Talos())
    parts = [talos_kit.devicetree(talos_kit.Talos()), gzip.compress(kernel), *initramfs(folder), *gpt(folder)]
    return [b"\0" + part for part in parts]


def schematic(_: Path) -> list[bytes]:
    whole = b"""overlay:
  name: rpi_5
  image: siderolabs/sbc-raspberrypi
  options: {configTxtAppend: "dtoverlay=x\\n", n: 1}
customization:
  extraKernelArgs: [net.ifnames=0, -console, '1.5']
  meta:
    - key: 10
      value: |
        a: b
  systemExtensions:
    officialExtensions:
      - siderolabs/iscsi-tools
  secureboot: {includeWellKnownCertificates: true}
  diskImage: {sectorSize: 4096}
"""
    return [b"{}", whole]


def campaign_files(_: Path) -> list[bytes]:
    answer = make_told("cell", {"board": "a"}, {"ethernet": Verdict.WORKS}, note="n", by="b", logs=[b"log"])
    unknown = Verdict.UNKNOWN
    task = TaskRow("1", "P0", "t", State.WAITING, unknown, "", "", ["a board"], "", "", 1.0, 0.5, 2.0, [])
    expects = {"ethernet": "unknown"}
    cell = CellRow("c", {"board": "a"}, "board=a", 0.5, ["x"], ["1"], "w", expects, "h", "", "l", ["b"], {})
    point = PointRow("p", "P0 works", "then", holds=False, ends=True, opens=["P1"])
    campaign = Campaign(
        *("plan", "plan", "title", "question?", Verdict.UNKNOWN, ""),
        *(False, ["unknown"], [task], [point], [cell], {"c": {"board": "a"}}, [answer.id], False, "2026"),
    )
    marked = ("KTAP version 1", "1..1", "  # Subtest: mounts", "  1..1", "  ok 1 a", "ok 1 mounts")
    console = "".join(f"[ 1.0] bw1: {line}\n" for line in marked).encode()
    return [*(json.dumps(cattrs.unstructure(row)).encode() for row in (answer, campaign)), console]


SEEDS: Mapping[str, Callable[[Path], list[bytes]]] = {
    **seeds_kernels.SEEDS,
    "attributes": attributes,
    "boot_config": boot_config,
    "bootchain": bootchain,
    "campaign_files": campaign_files,
    "config_txt": config_txt,
    "explore": explore,
    "ext4": ext4,
    "fat": fat,
    "fdt_parameters": fdt_parameters,
    "gpt": gpt,
    "image_firmware": image_firmware,
    "initramfs": initramfs,
    "kconfig": kconfig,
    "lz_blocks": lz_blocks,
    "schematic": schematic,
    "squashfs": squashfs,
    "upstream": upstream,
    "xfs": xfs,
    "xz_blocks": xz_blocks,
}


def make(folder: Path, targets: tuple[str, ...] = tuple(SEEDS)) -> None:
    """Write the seeds of each target into a folder of its name."""
    for target in targets:
        (folder / target).mkdir(parents=True, exist_ok=True)
        workdir = Path(tempfile.mkdtemp(prefix="seeds-"))
        try:
            for number, data in enumerate(SEEDS[target](workdir)):
                (folder / target / f"{number}").write_bytes(data)
        finally:
            shutil.rmtree(workdir)


if __name__ == "__main__":
    make(Path(sys.argv[1]), tuple(sys.argv[2:]) or tuple(SEEDS))
