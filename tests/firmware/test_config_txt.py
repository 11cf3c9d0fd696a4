from __future__ import annotations

import pytest
from firmware_kit import fuzz_target
from hypothesis import given
from hypothesis import strategies as st

from bootwright.firmware.config_txt import BoardFacts, ConfigTxt, read_config_txt
from bootwright.foundation.errors import Malformed

PI5 = BoardFacts(models=frozenset({"pi5"}), board_type=0x17, serial=0x1234, other={"tryboot": False})
CM5 = BoardFacts(models=frozenset({"pi5", "cm5"}), board_type=0x18)
PI4 = BoardFacts(models=frozenset({"pi4"}), board_type=0x11)


def read(text: str, **files: str) -> ConfigTxt:
    included = {f"{name}.txt": data.encode() for name, data in files.items()}
    return read_config_txt(text.encode(), "config.txt", load=included.get)


def last(config: ConfigTxt, key: str, board: BoardFacts) -> str | None:
    settings = config.values(key, board)
    return settings[-1].value if settings else None


def test_talos_for_the_pi_5_turns_the_uart_off_on_a_pi_5_alone() -> None:
    config = read(
        "kernel=u-boot.bin\narm_64bit=1\narm_boost=1\nenable_uart=1\n[pi5]\nenable_uart=0\n[all]\ndtoverlay=x\n"
    )
    assert last(config, "enable_uart", PI5) == "0"
    assert last(config, "enable_uart", PI4) == "1"
    assert [(setting.value, setting.condition) for setting in config.values("enable_uart")] == [
        ("1", "[all]"),
        ("0", "[pi5]"),
    ]
    assert config.values("dtoverlay")[0].filters == ()
    assert config.values("dtoverlay")[0].line == 8


def test_a_filter_replaces_one_of_its_type_and_joins_others() -> None:
    config = read("[pi4]\na=1\n[pi5]\nb=1\n[gpio4=1]\nc=1\n[board-type=0x18]\nd=1\n[all]\ne=1\n[none]\nf=1\n")
    assert last(config, "a", PI5) is None
    assert last(config, "b", PI5) == "1"
    assert PI5.applies(config.values("c")[0].filters) is None  # who knows what GPIO 4 is
    assert config.values("c")[0].condition == "[pi5][gpio4=1]"
    assert config.values("d")[0].condition == "[board-type=0x18][gpio4=1]"
    assert PI5.applies(config.values("d")[0].filters) is False
    assert CM5.applies(config.values("d")[0].filters) is None
    assert PI5.applies(config.values("e")[0].filters) is True
    assert PI5.applies(config.values("f")[0].filters) is False


def test_serial_tryboot_and_sub_models() -> None:
    config = read("[0x1234]\na=1\n[0x99]\nb=1\n[all]\n[tryboot]\nc=1\n[all]\n[cm5]\nd=1\n")
    assert PI5.applies(config.values("a")[0].filters) is True
    assert PI5.applies(config.values("b")[0].filters) is False
    assert PI5.applies(config.values("c")[0].filters) is False
    assert PI5.applies(config.values("d")[0].filters) is False
    assert CM5.applies(config.values("d")[0].filters) is True


@pytest.mark.parametrize(
    ("filter_", "holds"),
    [
        *(("boot_partition=2", True), ("boot_partition=3", False), ("boot_count<4", True)),
        *(("boot_count>3", False), ("bootvar0&0x8", True), ("bootvar0&6", False), ("bootvar0&0xc=8", True)),
        *(("bootvar0&0xc=12", False), ("boot_arg1=1", None), ("partition=", None), ("boot_count<x", None)),
        *(("boot_count<1=1", None), ("EDID=VSC-TD2220", None), ("gpio4=1", None), ("HDMI:0", None)),
        *(("board-type = 0x17", True), ("board-type=0x11", False), ("board-type=x", None)),
        *(("PI5", True), ("pi500", False), ("pi3+", False), ("none", False), ("0x12345678901234567", False)),
        *(("0xzz", None), ("all", True), ("unheard-of", None)),
    ],
)
def test_each_kind_of_filter(filter_: str, holds: bool | None) -> None:
    facts = BoardFacts(
        models=frozenset({"pi5"}),
        board_type=0x17,
        serial=0x1234,
        variables={"boot_partition": 2, "boot_count": 3, "bootvar0": 8},
    )
    (setting,) = read(f"[{filter_}]\na=1\n").settings
    assert facts.applies(setting.filters) is holds


def test_expressions_and_gpios_replace_one_another_and_none_stays() -> None:
    config = read("[gpio4=1]\na=1\n[gpio5=0]\na=2\n[boot_count=1]\n[partition=2]\na=3\n[none]\n[pi5]\na=4\n")
    assert [setting.condition for setting in config.settings] == [
        "[gpio4=1]",
        "[gpio5=0]",
        "[gpio5=0][partition=2]",
        "[gpio5=0][partition=2][none][pi5]",
    ]
    assert PI5.applies(config.settings[3].filters) is False


def test_includes_stand_in_their_place_and_carry_filters() -> None:
    config = read("a=1\n[pi5]\ninclude more.txt\nb=2\n", more="a=2\n[all]\nb=1\n")
    assert [(setting.key, setting.value, setting.file, setting.line) for setting in config.settings] == [
        ("a", "1", "config.txt", 1),
        ("a", "2", "more.txt", 1),
        ("b", "1", "more.txt", 3),
        ("b", "2", "config.txt", 4),
    ]
    assert config.settings[1].condition == "[pi5]"
    assert config.settings[3].filters == ()


def test_missing_and_circular_includes_are_problems() -> None:
    config = read("include gone.txt\ninclude loop.txt\na=1", loop="include loop.txt\ninclude config.txt\n")
    assert len(config.problems) == 3
    assert "config.txt, line 1: includes gone.txt, which is not there" in config.problems
    assert config.values("a")


def test_an_include_cannot_leave_the_partition() -> None:
    asked: list[str] = []
    read_config_txt(b"include ../../../etc/passwd\n", "config.txt", load=asked.append)
    assert asked == ["etc/passwd"]


def test_initramfs_and_broken_lines() -> None:
    config = read("initramfs initrd.img followkernel\nnonsense\n[pi5\nx = 1 \n# comment=1\n")
    assert config.values("initramfs")[0].value == "initrd.img followkernel"
    assert config.values("x")[0].value == "1"
    assert len(config.problems) == 2
    with pytest.raises(Malformed, match="NUL"):
        read_config_txt(b"a=1\0", "config.txt")


def test_a_line_longer_than_the_firmware_reads_is_told() -> None:
    config = read("dtoverlay=" + "x" * 100)
    assert "98" in config.problems[0]


PIECES = [
    *(b"[pi5]\n", b"[all]\n", b"[none]", b"a=1\n", b"include config.txt\n", b"include b\n"),
    *(b"\n", b"=", b"[", b"]", b"\xff"),
]


@given(st.lists(st.sampled_from(PIECES)))
def test_any_lines_yield_settings_or_our_error(lines: list[bytes]) -> None:
    fuzz_target("config_txt")(b"".join(lines))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_yield_settings_or_our_error(data: bytes) -> None:
    fuzz_target("config_txt")(data)
