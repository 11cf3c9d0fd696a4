from __future__ import annotations

import pytest
from disk_kit import fuzz_target
from hypothesis import given
from hypothesis import strategies as st

from bootwright.bootchain.boot_config import (
    read_extlinux,
    read_grub_config,
    read_loader_config,
    read_loader_entry,
)
from bootwright.formats.os_release import Argument, read_command_line, read_os_release
from bootwright.foundation.errors import Malformed

TALOS = b"""
set default="A - Talos v1.12.1"
set fallback="B - Talos v1.12.0"
set timeout=3

insmod all_video
terminal_output console

menuentry "A - Talos v1.12.1" {
  set gfxmode=auto
  linux /A/vmlinuz talos.platform=metal console=tty0 console=ttyAMA10,115200 slab_nomerge= pti=on
  initrd /A/initramfs.xz
}
menuentry "B - Talos v1.12.0" {
  linux /B/vmlinuz talos.platform=metal
  initrd /B/initramfs.xz
}
"""

DEBIAN = b"""
if [ x"${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
fi
set root='hd0,gpt2'
kernelopts="ro quiet"   # a comment
function gfxmode {
  set gfxpayload="${1}"
}
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple' {
  load_video; gfxmode $linux_gfx_mode
  echo 'Loading Linux ...'
  linux /vmlinuz-6.12.107 root=UUID=abc \\
        $kernelopts
  initrd /early.cpio /initrd.img-6.12.107
  devicetree /dtb-6.12.107
}
submenu 'Advanced options' {
  menuentry 'old' { linux /vmlinuz-6.1 root=/dev/sda1; }
}
"""


def test_talos_menu() -> None:
    menu = read_grub_config(TALOS, "grub.cfg")
    assert menu.default == "A - Talos v1.12.1"
    assert menu.timeout == "3"
    first, second = menu.entries
    assert first.title == "A - Talos v1.12.1"
    assert first.kernel == "/A/vmlinuz"
    assert first.initrds == ("/A/initramfs.xz",)
    assert first.devicetree is None
    assert first.arguments.split()[:3] == ["talos.platform=metal", "console=tty0", "console=ttyAMA10,115200"]
    assert first.line == 9
    assert second.kernel == "/B/vmlinuz"


def test_debian_menu_with_quotes_variables_continuations_and_submenus() -> None:
    menu = read_grub_config(DEBIAN, "grub.cfg")
    assert [entry.title for entry in menu.entries] == ["Debian GNU/Linux", "old"]
    first = menu.entries[0]
    assert first.arguments == "root=UUID=abc ro quiet"
    assert first.initrds == ("/early.cpio", "/initrd.img-6.12.107")
    assert first.devicetree == "/dtb-6.12.107"
    assert menu.entries[1].kernel == "/vmlinuz-6.1"


def test_a_config_without_a_menu_is_one_entry() -> None:
    menu = read_grub_config(b"linux /boot/vmlinuz quiet\ninitrd /boot/initrd\nboot\n", "grub.cfg")
    assert [(entry.kernel, entry.arguments, entry.initrds) for entry in menu.entries] == [
        ("/boot/vmlinuz", "quiet", ("/boot/initrd",))
    ]


def test_variables_cannot_grow_without_end() -> None:
    doubling = b"set a=xxxxxxxxxxxxxxxx\n" + b"set a=$a$a\n" * 200 + b"linux /k $a\n"
    assert len(read_grub_config(doubling, "grub.cfg").entries[0].arguments) <= 16384


def test_loader_entries() -> None:
    entry = read_loader_entry(
        b"# made by hand\ntitle\tTalos\nversion 6.18.5\nlinux /k\ninitrd /a\ninitrd /b\noptions x=1\n"
        b"options y\ndevicetree /d.dtb\n",
        "loader/entries/t.conf",
    )
    assert (entry.title, entry.version, entry.kernel) == ("Talos", "6.18.5", "/k")
    assert entry.initrds == ("/a", "/b")
    assert entry.arguments == "x=1 y"
    assert entry.devicetree == "/d.dtb"
    assert read_loader_entry(b"efi /EFI/Linux/x.efi\n", "x.conf").kernel == "/EFI/Linux/x.efi"
    assert read_loader_config(b"timeout 10\ndefault Talos-*\n", "loader.conf").default == "Talos-*"


def test_extlinux() -> None:
    menu = read_extlinux(
        b"DEFAULT l0\nTIMEOUT 50\nlabel l0\n\tmenu label Debian\n\tlinux /vmlinuz\n\tinitrd /initrd\n"
        b"\tfdtdir /usr/lib/dtbs\n\tfdtoverlays /a.dtbo /b.dtbo\n\tappend root=/dev/mmcblk0p2 ro\n"
        b"label l1\n  kernel /old\n  fdt /old.dtb\n",
        "extlinux.conf",
    )
    assert menu.default == "l0"
    first, second = menu.entries
    assert (first.kernel, first.initrds, first.arguments) == (
        "/vmlinuz", ("/initrd",), "root=/dev/mmcblk0p2 ro"
    )  # fmt: skip
    assert first.devicetree_directory == "/usr/lib/dtbs"
    assert first.overlays == ("/a.dtbo", "/b.dtbo")
    assert (second.kernel, second.devicetree) == ("/old", "/old.dtb")
    marked = read_extlinux(b"label a\n linux /a\nlabel b\n menu default\n linux /b\n", "extlinux.conf")
    assert marked.started() == marked.entries[1]
    assert marked.entries[1].lines == {"/b": 5}


def test_command_lines_split_as_the_kernel_splits_them() -> None:
    assert read_command_line(
        'quiet  console=ttyS0,115200 dyndbg="file drivers/net/* +p" slab_nomerge= x\n'
    ) == (
        Argument("quiet", None),
        Argument("console", "ttyS0,115200"),
        Argument("dyndbg", "file drivers/net/* +p"),
        Argument("slab_nomerge", ""),
        Argument("x", None),
    )


def test_os_release_quotes() -> None:
    values = read_os_release(b'ID=talos\nVERSION_ID=\'v1.12.1\'\nPRETTY_NAME="Talos (\\"x\\")"\n# c\n', "os")
    assert values == {"ID": "talos", "VERSION_ID": "v1.12.1", "PRETTY_NAME": 'Talos ("x")'}
    with pytest.raises(Malformed):
        read_os_release(b"\0", "os")


PIECES = [
    *(b"menuentry 'a' {", b"}", b"linux /k $a", b"set a=$a$a", b"\n", b";", b'"', b"'", b"\\", b"{"),
    *(b"label x\n", b"title\n", b"default x\n", b"append $", b"#"),
]


@given(st.lists(st.sampled_from(PIECES)))
def test_any_lines_yield_entries_or_our_error(lines: list[bytes]) -> None:
    fuzz_target("fuzz_boot_config")(b"".join(lines))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_yield_entries_or_our_error(data: bytes) -> None:
    fuzz_target("fuzz_boot_config")(data)
