"""What GRUB starts by itself, as far as files say: the script of `grub-mkconfig`, its environment block."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.bootchain.boot_config import BootMenu, read_grub_config
from bootwright.bootchain.grub.test import decide
from bootwright.foundation.errors import BootwrightError
from bootwright.inspect.explore import Explorer
from bootwright.inspect.facts import ItemKind

# The commands that grub-mkconfig 2.12 writes for a Debian system, without what only draws.
MKCONFIG = """
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="${saved_entry}"
fi
if [ x"${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi
export menuentry_id_option
function savedefault {
  if [ -z "${boot_once}" ]; then
    saved_entry="${chosen}"
    save_env saved_entry
  fi
}
if loadfont unicode ; then
  set gfxmode=auto
fi
terminal_output gfxterm
if [ "${recordfail}" = 1 ] ; then
  set timeout=30
else
  set timeout=5
fi
menuentry 'Debian' --class debian $menuentry_id_option 'gnulinux-simple-1' {
  if [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
  search --no-floppy --fs-uuid --set=root 1-2-3
  linux /boot/vmlinuz-6.18 root=UUID=1-2-3 ro 'a$b'
  initrd /boot/initrd.img-6.18
}
submenu 'Advanced options' $menuentry_id_option 'gnulinux-advanced-1' {
  menuentry 'Debian, 6.18' $menuentry_id_option 'gnulinux-6.18-advanced' {
    linux /boot/vmlinuz-6.18
  }
  menuentry 'Debian, 6.12' $menuentry_id_option 'gnulinux-6.12-advanced' {
    linux /boot/vmlinuz-6.12
  }
}
if [ -f ${config_directory}/custom.cfg ]; then
  source ${config_directory}/custom.cfg
elif [ -z "${config_directory}" -a -f $prefix/custom.cfg ]; then
  source $prefix/custom.cfg
fi
"""


def environment(**values: str) -> bytes:
    text = "# GRUB Environment Block\n" + "".join(f"{key}={value}\n" for key, value in values.items())
    return text.encode().ljust(1024, b"#")


def menu(text: str, **files: bytes) -> BootMenu:
    return read_grub_config(
        text.encode(),
        "grub.cfg",
        load=lambda path: files.get(path.removeprefix("/boot/grub/").replace(".", "_")),
        folder="/boot/grub",
    )


def started(boot_menu: BootMenu) -> str:
    entry = boot_menu.started()
    assert entry is not None
    return f"{entry.title}: {entry.kernel}"


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        ("", "Debian: /boot/vmlinuz-6.18"),
        ("0", "Debian: /boot/vmlinuz-6.18"),
        ("1>1", "Debian, 6.12: /boot/vmlinuz-6.12"),
        ("gnulinux-advanced-1>gnulinux-6.12-advanced", "Debian, 6.12: /boot/vmlinuz-6.12"),
        ("Advanced options>Debian, 6.12", "Debian, 6.12: /boot/vmlinuz-6.12"),
        ("1", "Debian, 6.18: /boot/vmlinuz-6.18"),
        ("no such entry", "Debian: /boot/vmlinuz-6.18"),
    ],
)
def test_the_saved_entry_is_read_from_the_environment_block(saved: str, expected: str) -> None:
    boot_menu = menu(MKCONFIG, grubenv=environment(saved_entry=saved))
    assert boot_menu.unsure == ""
    assert started(boot_menu) == expected


def test_an_entry_for_the_next_boot_only_comes_first() -> None:
    boot_menu = menu(MKCONFIG, grubenv=environment(saved_entry="0", next_entry="1>1"))
    assert started(boot_menu) == "Debian, 6.12: /boot/vmlinuz-6.12"


def test_without_an_environment_block_the_first_entry_is_started() -> None:
    boot_menu = menu(MKCONFIG)
    assert (boot_menu.unsure, started(boot_menu)) == ("", "Debian: /boot/vmlinuz-6.18")
    assert boot_menu.entries[0].arguments == "root=UUID=1-2-3 ro a$b"
    assert [entry.place for entry in boot_menu.entries] == [(0,), (1, 0), (1, 1)]


def test_where_files_cannot_be_looked_at_the_default_is_not_known_and_it_says_why() -> None:
    boot_menu = read_grub_config(MKCONFIG.encode(), "grub.cfg")
    assert boot_menu.default is None
    assert "depends on" in boot_menu.unsure


def test_a_branch_that_is_never_taken_is_not_in_the_menu_and_an_undecided_one_says_so() -> None:
    text = """
if [ "$grub_platform" = "pc" ]; then
  menuentry bios { linux /bios; }
elif [ "$grub_cpu" = "arm64" ]; then
  menuentry arm { linux /arm; }
else
  menuentry other { linux /other; }
fi
if keystatus --shift; then
  menuentry rescue { linux /rescue; }
fi
menuentry last { linux /last; }
"""
    boot_menu = menu(text)
    assert [entry.title for entry in boot_menu.entries] == ["arm", "rescue", "last"]
    assert [bool(entry.condition) for entry in boot_menu.entries] == [False, True, False]
    assert boot_menu.unsure == ""  # the first entry is certain
    unsure = menu(f"set default=2\n{text}")
    assert "keystatus" in unsure.unsure
    assert menu(f"set default=last\n{text}").unsure == ""
    either = menu(f"{text}\nif keystatus --alt; then set default=arm; else set default=last; fi")
    assert "keystatus" in either.unsure


def test_files_beside_the_configuration_are_followed() -> None:
    boot_menu = menu(f"{MKCONFIG}\n", custom_cfg=b"set default=mine\nmenuentry mine { linux /mine; }")
    assert started(boot_menu) == "mine: /mine"


def test_the_partition_of_an_image_gives_the_environment_block(tmp_path: Path) -> None:
    folder = tmp_path / "boot" / "grub"
    folder.mkdir(parents=True)
    (folder / "grub.cfg").write_text(MKCONFIG)
    (folder / "grubenv").write_bytes(environment(saved_entry="1>1"))
    (item,) = Explorer().artifact(str(tmp_path)).of_kind(ItemKind.GRUB_CONFIG)
    assert item.fact("default") == "1>1"
    assert item.fact("undecided") is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["[", "a", "=", "a", "]"], True),
        (["[", "a", "!=", "a", "]"], False),
        (["!", "[", "-z", "a", "]"], True),
        (["test", "1", "-lt", "0x10"], True),
        (["[", "a", "=", "b", "-o", "c", "=", "c", "]"], True),
        (["[", None, "=", "b", "-o", "c", "=", "c", "]"], True),
        (["[", None, "=", "b", "-a", "c", "=", "d", "]"], False),
        (["[", None, "=", "b", "]"], None),
        (["[", "(", "a", "-a", "", ")", "]"], False),
        (["[", "-s", "/there", "]"], True),
        (["[", "-s", "/empty", "]"], False),
        (["[", "-e", "/empty", "]"], True),
        (["[", "-f", "/gone", "]"], False),
        (["[", "-f", "(hd0)/there", "]"], None),
        (["[", "]"], False),
        (["keystatus"], None),
    ],
)
def test_conditions_with_values_that_are_not_known(words: list[str | None], expected: bool | None) -> None:
    sizes = {"/there": 5, "/empty": 0, "/gone": -1}
    assert decide(words, sizes.get) is expected


LINES = (
    *("if [ -z $x ]; then", "else", "elif test a", "fi", "menuentry a {", "submenu b {", "}", "load_env"),
    *("set default=1", "default=$x", "linux /k", "function f {", "f", "source /f", "while true; do", "done"),
)


@given(st.lists(st.sampled_from(LINES), max_size=30), st.binary(max_size=60))
def test_any_script_gives_a_menu_or_an_error(lines: list[str], noise: bytes) -> None:
    data = "\n".join(lines).encode() + noise
    try:
        boot_menu = read_grub_config(data, "fuzz", load=lambda path: data[: len(path)], folder="/")
    except BootwrightError:
        return
    chosen = boot_menu.started()
    assert chosen is None or chosen in boot_menu.entries
