"""The table of layouts: what is on the image, and what of it boots."""

from __future__ import annotations

from attrs import field, frozen
from chain_kit import (
    LINUX,
    XBOOTLDR,
    Files,
    Partition,
    devicetree,
    efi_program,
    grubenv,
    initramfs,
    kernel,
    os_release,
    script_image,
    u_boot,
    uki,
)


@frozen
class Layout:
    """An image and the answer that every command must give."""

    name: str
    partitions: tuple[Partition, ...]
    kernel: str
    """Its place; empty where nothing starts."""
    initramfs: tuple[str, ...] = ()
    devicetree: str = ""
    arguments: str = ""
    config: str = ""
    """The file that `image swap --cmdline` changes; empty for a UKI's own."""
    board: str = ""
    unsure: str = ""
    """A part of the reason why it is not certain; empty where it is."""
    stopped: str = ""
    """A part of the reason why nothing starts."""
    kind: str = ""
    scheme: str = "gpt"
    others: tuple[str, ...] = field(factory=tuple)
    """Places of further kernels in the order in which they would be tried."""


def kernels(*names: str, folder: str = "") -> dict[str, bytes | str]:
    """Kernel and initramfs of each name in a folder of its own."""
    return {
        f"{folder}/{name}/{file}": content
        for name in names
        for file, content in (("vmlinuz", kernel(name)), ("initrd", initramfs(name)))
    }


def grub(*entries: tuple[str, str], head: str = "") -> str:
    """A grub.cfg with an entry for each (title, slot)."""
    text = "".join(
        f'menuentry "{title}" --id {slot} {{\n  linux /{slot}/vmlinuz root={slot} quiet\n'
        f"  initrd /{slot}/initrd\n}}\n"
        for title, slot in entries
    )
    return f"{head}\n{text}"


def entry(slot: str, more: str = "") -> str:
    """A loader entry."""
    return f"title {slot}\nlinux /{slot}/vmlinuz\ninitrd /{slot}/initrd\noptions root={slot}\n{more}"


def extlinux(default: str, *slots: str, more: str = "") -> str:
    """An extlinux.conf with a label for each slot."""
    text = "".join(
        f"label {slot}\n  linux /{slot}/vmlinuz\n  initrd /{slot}/initrd\n  append root={slot}\n{more}"
        for slot in slots
    )
    return (f"default {default}\n" if default else "") + text


BOOTED = {"/EFI/BOOT/BOOTAA64.EFI": efi_program("grub")}
SD_BOOT = {"/EFI/BOOT/BOOTAA64.EFI": efi_program("systemd-boot")}
PI = {"/cmdline.txt": "console=tty1 root=pi\nsecond line\n", "/bcm2712-rpi-5-b.dtb": devicetree("pi5")}
AB = {"/a": kernel("a"), "/b": kernel("b")}
PI_BY_FILTER = {
    **PI,
    "/config.txt": "arm_64bit=1\n[pi4]\nkernel=four.img\n[pi5]\nkernel=five.img\n[all]\n",
    "/four.img": kernel("four"),
    "/five.img": kernel("five"),
}
CM_BY_FILTER = {
    **PI,
    "/config.txt": "kernel=all.img\n[pi4]\nkernel=four.img\n[cm4]\nkernel=module.img\n[all]\n",
    "/all.img": kernel("all"),
    "/four.img": kernel("four"),
    "/module.img": kernel("module"),
}
PREFIX = {
    "/config.txt": "os_prefix=new/\nauto_initramfs=1\n",
    "/cmdline.txt": "root=old",
    "/kernel8.img": kernel("old"),
    "/initramfs8": initramfs("old"),
    "/bcm2711-rpi-4-b.dtb": devicetree("pi4"),
    "/new/cmdline.txt": "root=new",
    "/new/kernel8.img": kernel("new"),
    "/new/initramfs8": initramfs("new"),
}
PI_OS = {
    **PI,
    "/config.txt": "auto_initramfs=1\narm_64bit=1\n",
    "/kernel8.img": kernel("v8"),
    "/initramfs8": initramfs("v8"),
    "/kernel_2712.img": kernel("v8-16k"),
    "/initramfs_2712": initramfs("v8-16k"),
    "/bcm2710-rpi-3-b.dtb": devicetree("pi3"),
}
TWO_UKIS = {
    "/EFI/Linux/kit-9.efi": uki("nine", "root=9", os_release("9")),
    "/EFI/Linux/kit-10.efi": uki("ten", "root=10", os_release("10"), tree="ten"),
}
SCRIPT = """setenv bootargs root=PARTUUID=x quiet
load ${devtype} ${devnum}:${distro_bootpart} ${kernel_addr_r} ${prefix}a/vmlinuz
load ${devtype} ${devnum}:${distro_bootpart} ${fdt_addr_r} ${prefix}board.dtb
load ${devtype} ${devnum}:${distro_bootpart} ${ramdisk_addr_r} ${prefix}a/initrd
booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdt_addr_r}
"""


def esp(*parts: Files) -> Partition:
    """An EFI system partition."""
    return Partition("EFI", {name: data for part in parts for name, data in part.items()})


def boot(*parts: Files, type_: str = LINUX, flag: str = "", filesystem: str = "ext4") -> Partition:
    """A second partition."""
    files = {name: data for part in parts for name, data in part.items()}
    return Partition("BOOT", files, type_, filesystem, flag)


LAYOUTS = (
    # Raspberry Pi: filters, names by default, prefixes.
    Layout("pi filters, pi4", (esp(PI_BY_FILTER),), "EFI:/four.img", arguments="console=tty1 root=pi",
           config="EFI:/cmdline.txt", board="raspberrypi-4", kind="firmware"),
    Layout("pi filters, pi5", (esp(PI_BY_FILTER),), "EFI:/five.img", arguments="console=tty1 root=pi",
           config="EFI:/cmdline.txt", board="raspberrypi-5", kind="firmware"),
    Layout("pi filters, no board", (esp(PI_BY_FILTER),), "EFI:/five.img",
           arguments="console=tty1 root=pi", unsure="depends on the board", others=("EFI:/four.img",)),
    Layout("cm4 filter on a Pi 4", (esp(CM_BY_FILTER),), "EFI:/four.img",
           arguments="console=tty1 root=pi", config="EFI:/cmdline.txt", board="raspberrypi-4"),
    Layout("[all] on a Pi 5", (esp(CM_BY_FILTER),), "EFI:/all.img", arguments="console=tty1 root=pi",
           config="EFI:/cmdline.txt", board="raspberrypi-5"),
    Layout("[all] alone", (esp({**PI, "/config.txt": "[all]\narm_64bit=1\nkernel=k\n", "/k": kernel("k")}),),
           "EFI:/k", arguments="console=tty1 root=pi", config="EFI:/cmdline.txt", kind="firmware"),
    Layout("[none] is never so",
           (esp(PI, AB, {"/config.txt": "kernel=a\n[none]\nkernel=b\n"}),),
           "EFI:/a", arguments="console=tty1 root=pi", config="EFI:/cmdline.txt", board="raspberrypi-5"),
    Layout("a filter on what is not known",
           (esp(PI, AB, {"/config.txt": "kernel=a\n[gpio4=1]\nkernel=b\n"}),),
           "EFI:/a", arguments="console=tty1 root=pi", config="EFI:/cmdline.txt", board="raspberrypi-5",
           unsure="[gpio4=1]"),
    Layout("os_prefix", (esp({**PREFIX, "/new/bcm2711-rpi-4-b.dtb": devicetree("pi4")}),),
           "EFI:/new/kernel8.img", ("EFI:/new/initramfs8",), arguments="root=new",
           config="EFI:/new/cmdline.txt", board="raspberrypi-4"),
    Layout("os_prefix without a devicetree is ignored", (esp(PREFIX),), "EFI:/kernel8.img",
           ("EFI:/initramfs8",), arguments="root=old", config="EFI:/cmdline.txt", board="raspberrypi-4"),
    Layout("default names, pi5", (esp(PI_OS),), "EFI:/kernel_2712.img", ("EFI:/initramfs_2712",),
           arguments="console=tty1 root=pi", config="EFI:/cmdline.txt", board="raspberrypi-5"),
    Layout("default names, pi3", (esp(PI_OS),), "EFI:/kernel8.img", ("EFI:/initramfs8",),
           arguments="console=tty1 root=pi", config="EFI:/cmdline.txt", board="raspberrypi-3"),
    Layout("initramfs and devicetree named",
           (esp({**PI, "/config.txt": "kernel=k\ninitramfs r followkernel\ndevice_tree=t.dtb\n",
                 "/k": kernel("k"), "/r": initramfs("r"), "/t.dtb": devicetree("t")}),),
           "EFI:/k", ("EFI:/r",), "EFI:/t.dtb", "console=tty1 root=pi", "EFI:/cmdline.txt",
           board="raspberrypi-5"),
    Layout("config.txt of another board is not read",
           (esp(PI_BY_FILTER, TWO_UKIS, SD_BOOT),), "EFI:/EFI/Linux/kit-10.efi:.linux",
           ("EFI:/EFI/Linux/kit-10.efi:.initrd",), "EFI:/EFI/Linux/kit-10.efi:.dtb", "root=10",
           board="rock-5b", kind="uki"),
    Layout("a kernel config.txt names is missing",
           (esp({**PI, "/config.txt": "kernel=gone.img\n"}),), "", board="raspberrypi-5",
           stopped="EFI:/gone.img"),
    # Raspberry Pi → U-Boot → …
    Layout("pi, U-Boot, GRUB",
           (esp({"/config.txt": "arm_64bit=1\nkernel=u-boot.bin\n", "/u-boot.bin": u_boot()}, BOOTED),
            boot({"/grub/grub.cfg": grub(("A", "A"), ("B", "B"), head="set default=A")}, kernels("A", "B"))),
           "BOOT:/A/vmlinuz", ("BOOT:/A/initrd",), arguments="root=A quiet", config="BOOT:/grub/grub.cfg",
           kind="grub", others=("BOOT:/B/vmlinuz",)),
    Layout("pi, U-Boot, extlinux",
           (esp({"/config.txt": "arm_64bit=1\nkernel=u-boot.bin\n", "/u-boot.bin": u_boot(),
                 "/extlinux/extlinux.conf": extlinux("a", "a")}, kernels("a")),),
           "EFI:/a/vmlinuz", ("EFI:/a/initrd",), arguments="root=a", config="EFI:/extlinux/extlinux.conf",
           kind="extlinux"),
    # GRUB.
    Layout("GRUB, default by number", (esp(BOOTED),
           boot({"/grub/grub.cfg": grub(("A", "A"), ("B", "B"), head="set default=1")}, kernels("A", "B"))),
           "BOOT:/B/vmlinuz", ("BOOT:/B/initrd",), arguments="root=B quiet", config="BOOT:/grub/grub.cfg",
           others=("BOOT:/A/vmlinuz",)),
    Layout("GRUB A/B by grubenv", (esp(BOOTED),
           boot({"/boot/grub/grub.cfg": grub(("A", "A"), ("B", "B"), head='load_env\nset default="${next}"'),
                 "/boot/grub/grubenv": grubenv(next="B")}, kernels("A", "B"))),
           "BOOT:/B/vmlinuz", ("BOOT:/B/initrd",), arguments="root=B quiet",
           config="BOOT:/boot/grub/grub.cfg"),
    Layout("GRUB, a partition named", (esp(BOOTED, kernels("A")), boot(
        kernels("A"),
        {"/grub/grub.cfg":
            "menuentry x {\n linux (hd0,gpt1)/A/vmlinuz one\n initrd (hd0,gpt1)/A/initrd\n}\n"})),
           "EFI:/A/vmlinuz", ("EFI:/A/initrd",), arguments="one", config="BOOT:/grub/grub.cfg"),
    Layout("GRUB with a devicetree", (esp(BOOTED), boot(
        {"/grub/grub.cfg": "menuentry x {\n linux /A/vmlinuz one\n devicetree /t.dtb\n}\n",
         "/t.dtb": devicetree("t")}, kernels("A"))),
           "BOOT:/A/vmlinuz", (), "BOOT:/t.dtb", "one", "BOOT:/grub/grub.cfg"),
    Layout("GRUB, the default depends on the machine", (esp(BOOTED), boot(
        {"/grub/grub.cfg": grub(("A", "A"), ("B", "B"), head='smbios --set default')}, kernels("A", "B"))),
           "BOOT:/A/vmlinuz", ("BOOT:/A/initrd",), arguments="root=A quiet", config="BOOT:/grub/grub.cfg",
           unsure="smbios"),
    Layout("GRUB starts a UKI", (esp(BOOTED, TWO_UKIS, {
        "/EFI/kit/grub.cfg": "menuentry x {\n chainloader /EFI/Linux/kit-9.efi\n}\n"}),),
           "EFI:/EFI/Linux/kit-9.efi:.linux", ("EFI:/EFI/Linux/kit-9.efi:.initrd",), arguments="root=9"),
    Layout("GRUB's blscfg", (esp(BOOTED), boot(
        {"/grub2/grub.cfg": "set default=kit-9\nblscfg\n", "/loader/entries/kit-9.conf": entry("nine"),
         "/loader/entries/kit-10.conf": entry("ten")}, kernels("nine", "ten"))),
           "BOOT:/nine/vmlinuz", ("BOOT:/nine/initrd",), arguments="root=nine",
           config="BOOT:/loader/entries/kit-9.conf", others=("BOOT:/ten/vmlinuz",)),
    Layout("GRUB and systemd-boot, GRUB starts",
           (esp(BOOTED, kernels("A", "b"), {"/grub/grub.cfg": grub(("A", "A")),
                                            "/loader/entries/b.conf": entry("b")}),),
           "EFI:/A/vmlinuz", ("EFI:/A/initrd",), arguments="root=A quiet", config="EFI:/grub/grub.cfg"),
    Layout("GRUB and systemd-boot, systemd-boot starts",
           (esp(SD_BOOT, kernels("A", "b"), {"/grub/grub.cfg": grub(("A", "A")),
                                             "/loader/entries/b.conf": entry("b")}),),
           "EFI:/b/vmlinuz", ("EFI:/b/initrd",), arguments="root=b", config="EFI:/loader/entries/b.conf"),
    Layout("GRUB and systemd-boot, neither is recognised",
           (esp({"/EFI/BOOT/BOOTAA64.EFI": efi_program()}, kernels("A", "b"),
                {"/grub/grub.cfg": grub(("A", "A")), "/loader/entries/b.conf": entry("b")}),),
           "EFI:/A/vmlinuz", ("EFI:/A/initrd",), arguments="root=A quiet", config="EFI:/grub/grub.cfg",
           unsure="GRUB and systemd-boot are both configured"),
    Layout("a kernel GRUB names is missing",
           (esp(BOOTED), boot({"/grub/grub.cfg": grub(("A", "A"), ("B", "B"))}, kernels("B"))), "",
           stopped="BOOT:/A/vmlinuz"),
    # Loader entries and UKIs.
    Layout("entries without sort keys, by id", (esp(SD_BOOT, kernels("nine", "ten"), {
        "/loader/entries/kit-9.conf": entry("nine", "version 99\n"),
        "/loader/entries/kit-10.conf": entry("ten", "version 1\n")}),),
           "EFI:/ten/vmlinuz", ("EFI:/ten/initrd",), arguments="root=ten",
           config="EFI:/loader/entries/kit-10.conf", kind="loader-entry", others=("EFI:/nine/vmlinuz",)),
    Layout("entries with sort keys, by version", (esp(SD_BOOT, kernels("nine", "ten"), {
        "/loader/entries/z.conf": entry("nine", "sort-key kit\nversion 9\n"),
        "/loader/entries/a.conf": entry("ten", "sort-key kit\nversion 10\n")}),),
           "EFI:/ten/vmlinuz", ("EFI:/ten/initrd",), arguments="root=ten",
           config="EFI:/loader/entries/a.conf", others=("EFI:/nine/vmlinuz",)),
    Layout("loader.conf's pattern", (esp(SD_BOOT, kernels("nine", "ten"), {
        "/loader/loader.conf": "timeout 3\ndefault kit-9*\n",
        "/loader/entries/kit-9.conf": entry("nine"), "/loader/entries/kit-10.conf": entry("ten")}),),
           "EFI:/nine/vmlinuz", ("EFI:/nine/initrd",), arguments="root=nine",
           config="EFI:/loader/entries/kit-9.conf"),
    Layout("@saved is in an EFI variable", (esp(SD_BOOT, kernels("nine", "ten"), {
        "/loader/loader.conf": "default @saved\n",
        "/loader/entries/kit-9.conf": entry("nine"), "/loader/entries/kit-10.conf": entry("ten")}),),
           "EFI:/ten/vmlinuz", ("EFI:/ten/initrd",), arguments="root=ten",
           config="EFI:/loader/entries/kit-10.conf", unsure="EFI variable"),
    Layout("no attempts left", (esp(SD_BOOT, kernels("nine", "ten"), {
        "/loader/entries/kit-9.conf": entry("nine"), "/loader/entries/kit-10+0-3.conf": entry("ten")}),),
           "EFI:/nine/vmlinuz", ("EFI:/nine/initrd",), arguments="root=nine",
           config="EFI:/loader/entries/kit-9.conf", others=("EFI:/ten/vmlinuz",)),
    Layout("an entry whose kernel is missing is left out", (esp(SD_BOOT, kernels("nine"), {
        "/loader/entries/kit-9.conf": entry("nine"), "/loader/entries/kit-10.conf": entry("ten")}),),
           "EFI:/nine/vmlinuz", ("EFI:/nine/initrd",), arguments="root=nine",
           config="EFI:/loader/entries/kit-9.conf"),
    Layout("entries on the extended boot loader partition",
           (esp(SD_BOOT), boot(kernels("x"), {"/loader/entries/x.conf": entry("x", "devicetree /t.dtb\n"),
                                              "/t.dtb": devicetree("t")},
                               type_=XBOOTLDR, filesystem="vfat")),
           "BOOT:/x/vmlinuz", ("BOOT:/x/initrd",), "BOOT:/t.dtb", "root=x", "BOOT:/loader/entries/x.conf"),
    Layout("two UKIs by version", (esp(SD_BOOT, TWO_UKIS),), "EFI:/EFI/Linux/kit-10.efi:.linux",
           ("EFI:/EFI/Linux/kit-10.efi:.initrd",), "EFI:/EFI/Linux/kit-10.efi:.dtb", "root=10", kind="uki",
           others=("EFI:/EFI/Linux/kit-9.efi:.linux",)),
    Layout("UKIs by version, not by name", (esp(SD_BOOT, {
        "/EFI/Linux/z.efi": uki("old", "root=old", os_release("1", image_version="9")),
        "/EFI/Linux/a.efi": uki("new", "root=new", os_release("1", image_version="10"))}),),
           "EFI:/EFI/Linux/a.efi:.linux", ("EFI:/EFI/Linux/a.efi:.initrd",), arguments="root=new"),
    Layout("an entry starts a UKI with its own arguments", (esp(SD_BOOT, TWO_UKIS, {
        "/loader/loader.conf": "default mine.conf\n",
        "/loader/entries/mine.conf": "title mine\nuki /EFI/Linux/kit-9.efi\noptions root=mine\n"}),),
           "EFI:/EFI/Linux/kit-9.efi:.linux", ("EFI:/EFI/Linux/kit-9.efi:.initrd",), arguments="root=mine",
           config="EFI:/loader/entries/mine.conf"),
    Layout("a UKI that UEFI starts itself", (esp(TWO_UKIS, {
        "/EFI/BOOT/BOOTAA64.EFI": uki("own", "root=own", os_release("1"))}),),
           "EFI:/EFI/BOOT/BOOTAA64.EFI:.linux", ("EFI:/EFI/BOOT/BOOTAA64.EFI:.initrd",),
           arguments="root=own", kind="uki"),
    Layout("a kernel that UEFI starts itself", (esp({"/EFI/BOOT/BOOTAA64.EFI": kernel("own")}),),
           "EFI:/EFI/BOOT/BOOTAA64.EFI", kind="efi"),
    # U-Boot.
    Layout("extlinux on the second partition, marked bootable",
           (esp({"/readme": "nothing"}), boot(kernels("a", "b"), {
               "/extlinux/extlinux.conf": extlinux("b", "a", "b")}, flag="LegacyBIOSBootable")),
           "BOOT:/b/vmlinuz", ("BOOT:/b/initrd",), arguments="root=b",
           config="BOOT:/extlinux/extlinux.conf", kind="extlinux", others=("BOOT:/a/vmlinuz",)),
    Layout("extlinux on the second partition, not marked",
           (esp({"/readme": "nothing"}), boot(kernels("a"), {
               "/extlinux/extlinux.conf": extlinux("a", "a")})),
           "BOOT:/a/vmlinuz", ("BOOT:/a/initrd",), arguments="root=a",
           config="BOOT:/extlinux/extlinux.conf", unsure="marked bootable"),
    Layout("extlinux on an active MBR partition",
           (Partition("1", {"/readme": "nothing"}, "c"), Partition("2", {
               **kernels("a"), "/boot/extlinux/extlinux.conf": extlinux("", "a")}, "83", "ext4", "bootable")),
           "2:/a/vmlinuz", ("2:/a/initrd",), arguments="root=a", config="2:/boot/extlinux/extlinux.conf",
           scheme="dos"),
    Layout("extlinux with paths beside it, devicetree",
           (esp({"/extlinux/extlinux.conf": "label x\n kernel ../k\n initrd ../r\n fdt /t.dtb\n append one\n",
                 "/k": kernel("k"), "/r": initramfs("r"), "/t.dtb": devicetree("t")}),),
           "EFI:/k", ("EFI:/r",), "EFI:/t.dtb", "one", "EFI:/extlinux/extlinux.conf"),
    Layout("boot.scr",
           (esp(kernels("a"), {"/boot.scr": script_image(SCRIPT), "/board.dtb": devicetree("t")}),),
           "EFI:/a/vmlinuz", ("EFI:/a/initrd",), "EFI:/board.dtb", "root=PARTUUID=x quiet", "EFI:/boot.scr",
           kind="script"),
    Layout("boot.scr.uimg in /boot", (esp(kernels("a", folder="/boot"), {
        "/boot/boot.scr.uimg": script_image(SCRIPT), "/boot/board.dtb": devicetree("t")}),),
           "EFI:/boot/a/vmlinuz", ("EFI:/boot/a/initrd",), "EFI:/boot/board.dtb", "root=PARTUUID=x quiet",
           "EFI:/boot/boot.scr.uimg", kind="script"),
    Layout("a script that decides on the machine", (esp(kernels("a"), {
        "/boot.scr": script_image("if test ${board} = x; then\nbooti ${a}\nfi\n")}),), "",
           stopped="boot.scr"),
    Layout("U-Boot and UEFI would start different kernels",
           (esp(kernels("a"), BOOTED, {"/extlinux/extlinux.conf": extlinux("a", "a")}),
            boot(kernels("A"), {"/grub/grub.cfg": grub(("A", "A"))})),
           "EFI:/a/vmlinuz", ("EFI:/a/initrd",), arguments="root=a", config="EFI:/extlinux/extlinux.conf",
           unsure="UEFI"),
    Layout("nothing bootable", (esp({"/readme": "nothing"}), boot({"/etc/os-release": "ID=x\n"})), "",
           stopped="no boot"),
)  # fmt: skip
