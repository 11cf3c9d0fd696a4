"""Small seeds for the readers of kernels, modules, devicetrees and packages.

The mutator runs thousands of inputs a second only on small ones, so instead of a whole kernel there is an
Image of some 20 KB with everything that is looked for: a symbol table in each known layout, drivers, match
tables, code that calls, a banner, an embedded configuration.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import struct
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import disk_kit
import talos_kit
import zstandard

BASE = 0xFFFF800080000000
_DEVICETREE = """/dts-v1/;
/memreserve/ 0x1000 0x2000;
/ { compatible = "acme,board"; model = "Acme"; #address-cells = <1>; #size-cells = <1>;
    interrupt-parent = <&gic>;
    aliases { serial0 = "/soc/serial@1000"; };
    gic: gic { interrupt-controller; #interrupt-cells = <3>; phandle = <1>; };
    soc { compatible = "simple-bus"; ranges;
        clk: clk { #clock-cells = <1>; };
        gpio: gpio@2000 { reg = <0x2000 0x10>; #gpio-cells = <2>; };
        serial@1000 { reg = <0x1000 0x100>; clocks = <&clk 1>, <&clk 2>; interrupts = <0 1 4>; };
        ethernet@3000 { reset-gpios = <&gpio 4 1>; mac-address = [00 11 22 33 44 55]; empty; }; }; };
"""
_MODULE = r"""
#define INFO(tag, text) static const char info_##tag[] __attribute__((section(".modinfo"), used)) = text
INFO(a, "name=demo_mod"); INFO(b, "depends=other-mod,third"); INFO(c, "softdep=pre: early-mod post: late");
INFO(d, "alias=of:N*T*Cacme,eth"); INFO(f, "firmware=acme/fw.bin"); INFO(g, "vermagic=6.12.0 SMP");
struct of_device_id { char name[32], type[32], compatible[128]; const void *data; };
struct device_driver { const char *name; void *bus, *owner, *mod_name; int a, b;
                       const struct of_device_id *of; void *rest[12]; };
struct platform_driver { void *probe, *remove, *shutdown, *suspend, *resume; struct device_driver driver; };
extern int __platform_driver_register(void *, void *);
static const struct of_device_id first[] = { { .compatible = "acme,eth" }, { } };
static struct platform_driver eth = { .driver = { .name = "acme-eth", .of = first } };
int init_module(void) { return __platform_driver_register(&eth, 0); }
"""


_REPORT = b"""\
WARNING: drivers/clk/clk.c:1052 at clk_core_disable+0xb8/0xe0, CPU#3: kworker/u16:4/77
CPU: 3 UID: 0 PID: 77 Comm: kworker/u16:4 Tainted: G        W           6.19.14 #1 PREEMPT
pc : clk_core_disable+0xb8/0xe0 [clk_rp1]
 mutex_lock+0x24/0x88
 [<ffff800080012345>] ? acme_irq+0x4c/0x100
---[ end trace 0000000000000000 ]---
"""
_DEVICES = b"""\
<3>[    3.4] macb 1f00100000.ethernet eth0: Could not attach PHY (-19)
kern  :err   : [    3.5] mmc1: SDHCI controller on 1000fff000.mmc [1000fff000.mmc] using ADMA 64-bit
[    5.1] macb 1f00100000.ethernet eth0: Link is Up - 1Gbps/Full - flow control tx
{"PRIORITY":"3","MESSAGE":"nvme nvme0: Device not ready; aborting initialisation, CSTS=0x0"}
"""
_PRINTING = r"""
#include <stdarg.h>
struct va_format { const char *fmt; va_list *va; };
int _printk(const char *fmt, ...); void _dev_err(const void *, const char *fmt, ...);
void acme_warn(const void *dev, const char *fmt, ...) {
    struct va_format vaf; va_list args;
    va_start(args, fmt); vaf.fmt = fmt; vaf.va = &args; _dev_err(dev, "acme: %pV", &vaf); va_end(args); }
int probe(const void *dev, int n) {
    _dev_err(dev, n ? "lost %d\n" : "never had %d\n", n); acme_warn(dev, "odd %d\n", n);
    return _printk("\0016done with %d\n", n); }
"""


def of_table(*compatibles: bytes) -> bytes:
    return b"".join(bytes(64) + name.ljust(128, b"\0") + bytes(8) for name in compatibles) + bytes(200)


def kallsyms(symbols: list[tuple[int, str]], *, offsets_first: bool, ordered: bool = False) -> bytes:
    """The table that scripts/kallsyms.c makes of (offset, type and name), each letter its own token.

    `ordered`: with the names' order between markers and tokens.
    """

    def padded(data: bytes) -> bytes:
        return data + bytes(-len(data) % 8)

    tokens = b"".join(
        (b"%c" % number if number in b"._$" or bytes([number]).isalnum() else b"x") + b"\0"
        for number in range(256)
    )
    index = struct.pack("<256H", *range(0, 512, 2))
    names, markers = b"", []
    for number, (_, name) in enumerate(symbols):
        if number % 256 == 0:
            markers.append(len(names))
        names += bytes([len(name)]) + name.encode()
    offsets = padded(struct.pack(f"<{len(symbols)}I", *(offset for offset, _ in symbols)))
    offsets += struct.pack("<Q", BASE)
    middle = padded(struct.pack("<I", len(symbols))) + padded(names)
    middle += padded(struct.pack(f"<{len(markers)}I", *markers))
    if ordered:
        middle += padded(b"".join(number.to_bytes(3, "big") for number in range(len(symbols))))
    middle += padded(tokens) + padded(index)
    return offsets + middle if offsets_first else middle + offsets


def image(
    *, offsets_first: bool, ordered: bool = False, functions: bool = False, left_out: bool = False
) -> bytes:
    """An arm64 Image with drivers on several buses, an early table, and more than 256 symbols.

    `functions`: without symbols of data. `left_out`: its pointers are in a RELA table only.
    """
    text_at, data_at, tables_at = 0x200, 0x600, 0xE00
    tables = of_table(b"acme,uart", b"acme,uart2")
    names_at = tables_at + len(tables)
    tables += b"acme-uart\0acme-pci\0acme-i2c\0".ljust(32, b"\0")
    pci_at = tables_at + len(tables)
    tables += struct.pack("<6IQ2I", 0x1DE4, 1, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0, 0, 0, 0) + bytes(40)
    ids_at = tables_at + len(tables)
    tables += b"acme".ljust(24, b"\0") + bytes(8) + bytes(32)
    early_at = (tables_at + len(tables) + 7) & ~7
    tables = tables.ljust(early_at - tables_at, b"\0") + of_table(b"acme,clk")[:200]
    platform, pci, i2c = bytearray(256), bytearray(256), bytearray(256)
    struct.pack_into("<2Q", platform, 0, BASE + text_at, BASE + text_at + 64)
    struct.pack_into("<Q", platform, 40, BASE + names_at)
    struct.pack_into("<Q", platform, 80, BASE + tables_at)
    struct.pack_into("<3Q", pci, 0, BASE + names_at + 10, BASE + pci_at, BASE + text_at)
    struct.pack_into("<Q", i2c, 48, BASE + names_at + 19)
    struct.pack_into("<Q", i2c, 88, BASE + tables_at)
    struct.pack_into("<Q", i2c, 192, BASE + ids_at)
    text = struct.pack("<I", 0x94000010).ljust(64, b"\0") * 8
    symbols = [(0, "T_text"), (text_at, "tacme_probe"), (text_at + 64, "Tof_platform_populate")]
    symbols += [(text_at + 128 + number, f"tf{number}") for number in range(300)]
    symbols += [(data_at - 8, "T_etext"), (data_at, "dacme_uart_driver"), (data_at + 256, "Dacme_pci_driver")]
    symbols += [(data_at + 512, "dacme_i2c_driver"), (data_at + 768, "d__clk_of_table")]
    symbols += [(early_at, "d__of_table_acme"), (early_at + 200, "d__end")]
    head = b"MZ".ljust(8, b"\0") + struct.pack("<3Q", 0, 1 << 20, 0xA) + bytes(24) + b"ARM\x64" + bytes(4)
    data = head.ljust(text_at, b"\0") + text.ljust(data_at - text_at, b"\0")
    data += (bytes(platform) + bytes(pci) + bytes(i2c)).ljust(tables_at - data_at, b"\0") + tables
    data += b"Linux version 6.18.5 (a@b) (gcc) #1 SMP\n\0"
    data += b"IKCFG_ST" + gzip.compress(b"CONFIG_ARM64_4K_PAGES=y\nCONFIG_X=m\n") + b"IKCFG_ED"
    if functions:
        symbols = [symbol for symbol in symbols if symbol[1][0] in "tT"]
    data += bytes(-len(data) % 8)
    whole = data + kallsyms(symbols, offsets_first=offsets_first, ordered=ordered) + bytes(64)
    return without_pointers(whole) if left_out else whole


def without_pointers(data: bytes) -> bytes:
    """What a linker makes that does not apply relocations: zeros, and a table of what belongs there."""
    data += bytes(-len(data) % 8)
    words = list(struct.unpack(f"<{len(data) // 8}Q", data))
    table = b""
    for index, word in enumerate(words):
        if BASE <= word < BASE + len(data):
            table += struct.pack("<3Q", BASE + 8 * index, 1027, word)
            words[index] = 0
    while len(table) < 64 * 24:
        table += table[-24:]
    return struct.pack(f"<{len(words)}Q", *words) + table


def kernel_drivers(_: Path) -> list[bytes]:
    return [
        image(offsets_first=False),
        image(offsets_first=True),
        image(offsets_first=True, ordered=True, functions=True, left_out=True),
    ]


def arm64_image(_: Path) -> list[bytes]:
    bare = image(offsets_first=False)[:6000]
    packed = gzip.compress(bare)
    zboot = b"MZ\0\0zimg" + struct.pack("<II", 64, len(packed)) + bytes(8) + b"gzip".ljust(32, b"\0")
    return [bare, packed, lzma.compress(bare), zboot.ljust(64, b"\0") + packed]


def kernel_config(_: Path) -> list[bytes]:
    text = (
        b'# comment\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_D="x\\"y"\nCONFIG_PAGE_SHIFT=12\n'
    )
    return [text, gzip.compress(text), image(offsets_first=False)[:6000]]


def match_tables(_: Path) -> list[bytes]:
    amba = struct.pack("<2IQ", 0x00041011, 0x000FFFFF, 0) + bytes(16)
    pci = struct.pack("<6IQ2I", 0x1DE4, 1, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0, 0, 0, 0) + bytes(40)
    names = b"acme".ljust(24, b"\0") + bytes(8) + bytes(32)
    return [of_table(b"a,b", b"c,d"), amba, pci, names, b"acme".ljust(32, b"\0") + bytes(48)]


def printing_module(folder: Path) -> list[bytes]:
    """A module that prints, one way or another."""
    (folder / "acme.c").write_text(_PRINTING)
    command = ["aarch64-linux-gnu-gcc", "-c", "-O2", "-mgeneral-regs-only", "-fno-stack-protector"]
    subprocess.run([*command, "-o", folder / "acme.ko", folder / "acme.c"], check=True)
    return [(folder / "acme.ko").read_bytes()]


def module_file(folder: Path) -> list[bytes]:
    (folder / "demo.c").write_text(_MODULE)
    disk_kit.run("aarch64-linux-gnu-gcc", "-c", "-O1", "-o", folder / "demo.ko", folder / "demo.c")
    module = (folder / "demo.ko").read_bytes()
    return [module, lzma.compress(module), gzip.compress(module), zstandard.ZstdCompressor().compress(module)]


def fdt(_: Path) -> list[bytes]:
    command = [disk_kit.tool("dtc"), "-q", "-@", "-I", "dts", "-O", "dtb", "-"]
    made = subprocess.run(command, input=_DEVICETREE.encode(), capture_output=True, check=True).stdout
    return [made, talos_kit.devicetree(talos_kit.Talos())]


def tarred(files: Mapping[str, bytes], style: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=style, bufsize=512) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "../x"
        archive.addfile(link)
    return buffer.getvalue().rstrip(b"\0") + bytes(1024)


def package() -> bytes:
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": gzip.compress(tarred({"control": b"Package: x\nVersion: 1-1\n"})),
        "data.tar.xz": lzma.compress(tarred({"./boot/vmlinuz": b"image" * 40, "./long/" * 20 + "a": b"x"})),
    }
    out = b"!<arch>\n"
    for name, data in parts.items():
        out += f"{name:16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data
        out += b"\n" * (len(data) % 2)
    return out


def tar(_: Path) -> list[bytes]:
    """Digests of a kind that is not verified, so that a change in a blob is read all the same."""
    config = {"architecture": "arm64", "os": "linux", "config": {"Labels": {"a": "b"}}}
    manifest = {"config": {"digest": "md5:c"}, "layers": [{"digest": "md5:d"}]}
    index = {"manifests": [{"digest": "md5:a", "annotations": {"org.opencontainers.image.ref.name": "x"}}]}
    layer = tarred({"etc/os-release": b"ID=talos\n", "usr/.wh.x": b""})
    oci = {
        "oci-layout": b"{}",
        "index.json": json.dumps(index).encode(),
        "blobs/md5/a": json.dumps(manifest).encode(),
        "blobs/md5/c": json.dumps(config).encode(),
        "blobs/md5/d": layer,
    }
    docker = {
        "manifest.json": json.dumps([{"Config": "c", "RepoTags": ["a:b"], "Layers": ["d"]}]).encode(),
        "c": json.dumps(config).encode(),
        "d": gzip.compress(layer),
    }
    long = {"long/" * 40 + "name": b"data"}
    return [tarred(oci), tarred(docker), tarred(long), tarred(long, tarfile.PAX_FORMAT), package()]


def pe(_: Path) -> list[bytes]:
    section = struct.Struct("<8sIIIIIIHHI")
    optional = struct.pack("<HBBIIIII", 0x20B, 1, 0, 512, 0, 0, 0x1000, 0x1000).ljust(240, b"\0")
    optional = optional[:68] + struct.pack("<H", 10) + optional[70:]
    head = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0"
    head += struct.pack("<HHIIIHH", 0xAA64, 3, 0, 0, 0, len(optional), 0x22) + optional
    for number, name in enumerate((b".linux", b".cmdline", b".osrel")):
        head += section.pack(name, 100, 0x1000 * number, 512, 512 + 512 * number, 0, 0, 0, 0, 0x40000020)
    return [head.ljust(512, b"\0") + bytes(56) + b"ARM\x64" + b"quiet\0".rjust(1500, b"a")]


def cpio(_: Path) -> list[bytes]:
    def record(name: bytes, data: bytes, mode: int) -> bytes:
        fields = (1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % value for value in fields) + name + b"\0"
        head += bytes(-len(head) % 4)
        return head + data + bytes(-len(data) % 4)

    parts = record(b"a", b"x" * 9, 0o100644) + record(b"d", b"", 0o40755) + record(b"l", b"a", 0o120777)
    return [parts + record(b"TRAILER!!!", b"", 0)]


def superblocks(_: Path) -> list[bytes]:
    swap = (bytes(28) + b"swap".ljust(16, b"\0")).ljust(4086 - 1024, b"\0") + b"SWAPSPACE2"
    btrfs = (bytes(64) + b"_BHRfS_M").ljust(144, b"\0") + struct.pack("<II", 4096, 16384)
    return [bytes(1024) + swap, btrfs.ljust(0x12B, b"\0") + b"label", b"\x01CD001" + b"LABEL".rjust(60)]


def url(_: Path) -> list[bytes]:
    body = b"b" * 50
    ranged = (
        b'206\nContent-Range: bytes 0-0/50\nETag: "x"\n\nb\n--\n206\nContent-Range: bytes 0-49/50\n\n' + body
    )
    whole = b'200\nContent-Length: 50\nETag: "y"\nLast-Modified: x\n\n' + body
    moved = b"302\nLocation: http://other.invalid/y\n\n\n--\n" + whole
    return [ranged, whole, moved, b"416\n\n", b"206\nContent-Range: bytes 0-0/*\n\nx"]


def registry(_: Path) -> list[bytes]:
    """An index, a manifest, a reference, layers, and a key in its armor."""
    from registry_kit import image, index, layer

    layers = [layer({"a": b"a" * 500}, how) for how in ("gzip", "zstd", "plain")]
    made = image(layers)
    armored = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
    reference = f"oci://ghcr.io/team/image:v1@{made.digest}".encode()
    return [made.manifest, index([made]), reference, armored, *(blob.data for blob in layers)]


_PATCH = b"""From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001
Subject: [PATCH] x

---
diff --git a/x.c b/x.c
index 1..2 100644
--- a/x.c
+++ b/x.c
@@ -1,3 +1,4 @@ int x(void)
 a
-b
+c
+d
 e
"""
_RENAME = b"""diff --git "a/o \\303\\251" b/new
similarity index 90%
rename from "o \\303\\251"
rename to new
diff --git a/m.bin b/m.bin
deleted file mode 100644
Binary files a/m.bin and /dev/null differ
"""

SEEDS: Mapping[str, Callable[[Path], list[bytes]]] = {
    "arm64_image": arm64_image,
    "closer_look": lambda _: [_REPORT, _DEVICES],
    "cpio": cpio,
    "deb": lambda _: [package(), tarred({"a": b"b"}), tarred({"long/" * 40: b"c"}, tarfile.PAX_FORMAT)],
    "fdt": fdt,
    "kernel_config": kernel_config,
    "kernel_drivers": kernel_drivers,
    "match_tables": match_tables,
    "mined_messages": printing_module,
    "modinfo": module_file,
    "linked_code": module_file,
    "module_file": module_file,
    "module_rules": module_file,
    "modprobe": lambda _: [
        b'quiet root=PARTUUID=1-2 module_blacklist=a,b "x y" fw_devlink=off -- nomodule',
        b"# text\nblacklist a-b\ninstall c \\\n /bin/false\noptions d e=1\nsoftdep f pre: g post: h\n",
    ],
    "patch": lambda _: [_PATCH, _PATCH.replace(b"diff --git a/x.c b/x.c\n", b""), _RENAME],
    "pe": pe,
    "registry": registry,
    "superblocks": superblocks,
    "tar": tar,
    "url": url,
}
