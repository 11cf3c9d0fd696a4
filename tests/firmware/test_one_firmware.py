"""check and image boot answer alike what devicetree a Raspberry Pi's firmware hands over.

Each case is config.txt and the overlays on the card. `check` comes to its tree through
`predict.given.gather`, image boot through the stage; both must give the same tree, apply the same lines and
leave out the same ones.
What the tree must hold is given by the rules of the Raspberry Pi documentation ("Device Trees, overlays, and
parameters", "config.txt").
"""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve, frozen
from firmware_kit import card, compiled, contents, node

from bootwright.boards.model import board
from bootwright.firmware.stage import stage
from bootwright.formats.devicetree.fdt import Tree
from bootwright.foundation import tools
from bootwright.foundation.progress import Silent
from bootwright.image_boot.handover import firmware_board
from bootwright.image_boot.machine import board_machine
from bootwright.predict.given.gather import _Collection, _folder, _image

BASE = """/dts-v1/;
/ {
  compatible = "raspberrypi,3-model-b", "brcm,bcm2837";
  aliases { serial0 = &uart0; i2c1 = &i2c1; };
  chosen: chosen { bootargs = "coherent_pool=1M"; };
  gpio: gpio { uart0_pins: pins { brcm,pins = <14 15>; }; other: other { brcm,pins = <1>; }; };
  uart0: serial@7e201000 { reg = <0x7e201000 0x200>; pinctrl-0 = <&uart0_pins>; };
  i2c0: i2c0 { status = "disabled"; };
  i2c1: i2c1 { status = "disabled"; clock-frequency = <100000>; };
  spi: spi { status = "disabled"; };
  dev: dev@10 { reg = <0x10>; cells = <1 2 3>; bytes = [0a 0b 0c 0d]; flag; text = "before"; };
  __overrides__ {
    i2c1 = <&i2c1>, "status";
    i2c1_baudrate = <&i2c1>, "clock-frequency:0";
    spi = <&spi>, "status";
    text = <&dev>, "text";
    cell = <&dev>, "cells:4";
    half = <&dev>, "cells;2";
    byte = <&dev>, "bytes.3";
    wide = <&dev>, "wide#0";
    made = <&dev>, "made:8";
    flag = <&dev>, "flag?";
    unflag = <&dev>, "flag!";
    mac = <&dev>, "local-mac-address[";
    lit = <&dev>, "text=fixed", <&dev>, "cells:0=77", <&dev>, "cells:8=",<0x99>;
    ref = <&dev>, "link:0=",<&gpio>;
    path = <&dev>, "console=",&uart0;
    litbytes = <&dev>, "id[=b8:27:eb";
    table = <&dev>, "text{a=alpha,b='bravo, quoted',c,=other}";
    strict = <&dev>, "text{a=alpha}";
    pick = <&dev>, "link:0{0=",<&i2c0>,"1=",<&i2c1>,"}";
    mactable = <&dev>, "local-mac-address[{1=b827eb000001,2=b8:27:eb:00:00:02}";
    addr = <&dev>, "reg:0";
    node = <&dev>, "name";
    args = <&chosen>, "bootargs";
    audio = <&chosen>, "bootargs{on='snd.enable=1',off='snd.enable=0'}";
    both = <&spi>, "status", <&dev>, "cells:0", <&dev>, "extra?";
  };
};
"""
OVERLAYS = {
    "sensor": """/dts-v1/; /plugin/;
/ {
  bus: fragment@0 { target = <&i2c1>; __overlay__ { status = "okay";
    sensor: sensor@76 { reg = <0x76>; compatible = "acme,sensor"; irq = <&gpio 4>; }; }; };
  fragment@1 { target = <&sensor>; __dormant__ { wakeup-source; }; };
  fragment@2 { target = <&sensor>; __overlay__ { sleepy; }; };
  fragment@3 { target-path = "/chosen"; __overlay__ { bootargs = "sensor=1"; }; };
  __overrides__ {
    addr = <&sensor>, "reg:0"; pin = <&sensor>, "irq:4"; wake = <0>, "+1-2"; choose = <0>, "=1!2";
    bus = <&bus>, "target:0{0=",<&i2c0>,"1=",<&i2c1>,"}"; text = <&sensor>, "label"; on = <&sensor>, "status";
  };
};""",
    "export": """/dts-v1/; /plugin/;
/ {
  fragment@0 { target-path = "/"; __overlay__ { pub: public { a; }; priv: private { b; }; }; };
  fragment@1 { target-path = "/aliases"; __overlay__ { public0 = &pub; }; };
  __exports__ { pub = ""; };
};""",
    "uses": "/dts-v1/; /plugin/; / { fragment@0 { target = <&pub>; __overlay__ { used; }; }; };",
    "private": "/dts-v1/; /plugin/; / { fragment@0 { target = <&priv>; __overlay__ { used; }; }; };",
    "late": """/dts-v1/; /plugin/;
/ {
  fragment@0 { target-path = "/"; __overlay__ { gone; }; };
  fragment@1 { target-path = "/nowhere"; __overlay__ { x; }; };
};""",
    "sensor-new": "/dts-v1/; /plugin/; / { fragment@0 { target = <&spi>; __overlay__ { new; }; }; };",
}
MAP = """/dts-v1/;
/ {
  mapped { bcm2835 = "sensor,addr=0x40"; }; old { renamed = "sensor-new"; };
  gone { deprecated = "use sensor"; };
  other { bcm2711; }; sensor { bcm2835; bcm2711 = "sensor-new"; };
};"""
DTB = compiled(BASE).blob
FILES = {
    "kernel8.img": b"kernel",
    "cmdline.txt": b"quiet",
    "bcm2710-rpi-3-b.dtb": DTB,
    "overlays/overlay_map.dtb": compiled(MAP).blob,
    **{f"overlays/{name}.dtbo": compiled(source).blob for name, source in OVERLAYS.items()},
}
Expected = dict[str, dict[str, bytes | None] | None]


@frozen
class Answer:
    tree: Tree
    left_out: tuple[str, ...]


def cells(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "big") for value in values)


def by_check(folder: Path, files: dict[str, bytes], dtb: str = "bcm2710-rpi-3-b.dtb") -> Answer:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    collection = _Collection(None, None)
    _folder(collection, folder)
    return resolved(collection, dtb)


def resolved(collection: _Collection, dtb: str) -> Answer:
    """The tree for a Raspberry Pi 3 whose firmware picks `dtb`."""
    three = board("raspberrypi-3")
    three = evolve(three, steppings=(evolve(three.steppings[0], dtb=dtb),))
    firmware_result = collection.result(None).resolve(three, three.steppings[0].name, code=0xA02082)
    return Answer(
        firmware_result.tree,
        tuple(line.removeprefix("config.txt: ") for line in firmware_result.given.unapplied),
    )


def by_image_boot(files: dict[str, bytes]) -> Answer:
    done = stage(card(files), firmware_board(board_machine("raspi3b")), "card")
    assert done.tree is not None, done.log
    mark = "not applied: "
    return Answer(done.tree, tuple(line[len(mark) :] for line in done.warnings if line.startswith(mark)))


def both(folder: Path, config: str, files: dict[str, bytes] = FILES) -> Answer:
    given = {**files, "config.txt": config.encode()}
    answer, other = by_check(folder, given), by_image_boot(given)
    assert contents(answer.tree) == contents(other.tree)
    # The same lines for the same reasons; files are named by where they were found.
    assert [line.partition(":")[0] for line in answer.left_out] == [
        line.replace("config.txt, line", f"{folder}/config.txt, line").partition(":")[0]
        for line in other.left_out
    ]
    return other


DEV = "/dev@10"
SENSOR = "/i2c1/sensor@76"
OKAY, DISABLED = b"okay\0", b"disabled\0"
CASES: list[tuple[str, Expected]] = [
    # Strings and status.
    ("dtparam=text=hello", {DEV: {"text": b"hello\0"}}),
    ("dtparam=text=", {DEV: {"text": b"\0"}}),
    ("dtparam=text", {DEV: {"text": b"true\0"}}),
    ("dtparam=i2c1", {"/i2c1": {"status": OKAY}}),
    ("dtparam=i2c1=1", {"/i2c1": {"status": OKAY}}),
    ("dtparam=i2c1=on\ndtparam=i2c1=0", {"/i2c1": {"status": DISABLED}}),
    ("dtparam=i2c1=", {"/i2c1": {"status": b"\0"}}),
    ("dtparam=i2c1=fail-sss", {"/i2c1": {"status": b"fail-sss\0"}}),
    # Names that the firmware makes for the board.
    ("dtparam=i2c_arm=on", {"/i2c1": {"status": OKAY}}),
    ("dtparam=i2c_arm_baudrate=400000", {"/i2c1": {"clock-frequency": cells(400000)}}),
    # Integers of all sizes.
    ("dtparam=cell=5", {DEV: {"cells": cells(1, 5, 3)}}),
    ("dtparam=cell=0x10", {DEV: {"cells": cells(1, 16, 3)}}),
    ("dtparam=cell=010", {DEV: {"cells": cells(1, 8, 3)}}),
    ("dtparam=cell=-1", {DEV: {"cells": cells(1, 0xFFFFFFFF, 3)}}),
    ("dtparam=cell=", {DEV: {"cells": cells(1, 0, 3)}}),
    ("dtparam=cell=up", {DEV: {"cells": cells(1, 2, 3)}}),
    ("dtparam=cell=down", {DEV: {"cells": cells(1, 1, 3)}}),
    ("dtparam=cell=off", {DEV: {"cells": cells(1, 0, 3)}}),
    ("dtparam=half=0x1234", {DEV: {"cells": cells(0x1234, 2, 3)}}),
    ("dtparam=byte=255", {DEV: {"bytes": b"\x0a\x0b\x0c\xff"}}),
    ("dtparam=wide=0x0102030405060708", {DEV: {"wide": bytes(range(1, 9))}}),
    ("dtparam=made=7", {DEV: {"made": cells(0, 0, 7)}}),
    # Booleans.
    ("dtparam=flag=off", {DEV: {"flag": None}}),
    ("dtparam=flag=", {DEV: {"flag": None}}),
    ("dtparam=unflag=on", {DEV: {"flag": None}}),
    ("dtparam=unflag=no", {DEV: {"flag": b""}}),
    # Bytes, literals, tables.
    ("dtparam=mac=aa:bb:cc:dd:ee:ff", {DEV: {"local-mac-address": bytes.fromhex("aabbccddeeff")}}),
    ("dtparam=mac=aabbccddeeff", {DEV: {"local-mac-address": bytes.fromhex("aabbccddeeff")}}),
    ("dtparam=lit=whatever", {DEV: {"text": b"fixed\0", "cells": cells(77, 2, 0x99)}}),
    ("dtparam=path=x", {DEV: {"console": b"/serial@7e201000\0"}}),
    ("dtparam=litbytes", {DEV: {"id": b"\xb8\x27\xeb"}}),
    ("dtparam=table=a", {DEV: {"text": b"alpha\0"}}),
    ("dtparam=table=c", {DEV: {"text": b"c\0"}}),
    ("dtparam=table=b", {DEV: {"text": b"bravo, quoted\0"}}),
    ("dtparam=table=", {DEV: {"text": b"other\0"}}),
    ("dtparam=mactable=2", {DEV: {"local-mac-address": bytes.fromhex("b827eb000002")}}),
    # Names of nodes, the command line, several targets.
    ("dtparam=addr=0x2a", {DEV: None, "/dev@2a": {"reg": cells(0x2A)}}),
    ("dtparam=node=thing", {DEV: None, "/thing": {"reg": cells(0x10)}}),
    ("dtparam=args=loglevel=7", {"/chosen": {"bootargs": b"coherent_pool=1M loglevel=7\0"}}),
    ("dtparam=audio=off", {"/chosen": {"bootargs": b"coherent_pool=1M snd.enable=0\0"}}),
    ("dtparam=both=on,cell=9", {"/spi": {"status": OKAY}, DEV: {"cells": cells(1, 9, 3), "extra": b""}}),
    # Overlays, their parameters, and what they are for.
    ("dtoverlay=sensor", {SENSOR: {"reg": cells(0x76), "sleepy": b"", "wakeup-source": None}}),
    ("dtoverlay=sensor", {"/chosen": {"bootargs": b"coherent_pool=1M sensor=1\0"}}),
    ("dtoverlay=sensor,addr=0x77", {SENSOR: None, "/i2c1/sensor@77": {"reg": cells(0x77)}}),
    ("dtoverlay=sensor\ndtparam=addr=0x77", {SENSOR: None, "/i2c1/sensor@77": {"reg": cells(0x77)}}),
    ("dtoverlay=sensor:addr=0x77", {"/i2c1/sensor@77": {"reg": cells(0x77)}}),
    ("dtoverlay=sensor,bus=0", {"/i2c0": {"status": OKAY}, "/i2c1": {"status": DISABLED}}),
    ("dtoverlay=sensor,wake=off", {SENSOR: {"wakeup-source": b"", "sleepy": None}}),
    ("dtoverlay=sensor,choose=off", {SENSOR: {"wakeup-source": None, "sleepy": b""}}),
    ("dtoverlay=sensor,choose=maybe", {SENSOR: {"wakeup-source": b"", "sleepy": None}}),
    ("dtoverlay=sensor\ndtparam=text=a", {SENSOR: {"label": b"a\0"}, DEV: {"text": b"before\0"}}),
    ("dtoverlay=sensor\ndtparam=cell=9", {DEV: {"cells": cells(1, 9, 3)}}),
    ("dtoverlay=sensor\ndtoverlay=\ndtparam=text=a", {SENSOR: {"label": None}, DEV: {"text": b"a\0"}}),
    ("dtoverlay=sensor\ndtoverlay=none\ndtparam=text=a", {DEV: {"text": b"a\0"}}),
    ("dtoverlay=sensor\ndtoverlay=sensor,addr=1", {SENSOR: {}, "/i2c1/sensor@1": {}}),
    # Labels are private unless exported; aliases follow their node.
    ("dtoverlay=export\ndtoverlay=uses", {"/public": {"used": b""}, "/aliases": {"public0": b"/public\0"}}),
    # The overlay map.
    ("dtoverlay=mapped", {"/i2c1/sensor@40": {"reg": cells(0x40)}}),
    ("dtoverlay=mapped,addr=0x41", {"/i2c1/sensor@41": {"reg": cells(0x41)}}),
    ("dtoverlay=old", {"/spi": {"new": b""}}),
    # Filters.
    ("[pi4]\ndtparam=text=4\n[pi3]\ndtparam=cell=4\n", {DEV: {"text": b"before\0", "cells": cells(1, 4, 3)}}),
    ("[board-type=0x08]\ndtparam=text=8\n[none]\ndtparam=text=9\n", {DEV: {"text": b"8\0"}}),
    ("[pi4]\n[all]\ndtparam=text=all\n", {DEV: {"text": b"all\0"}}),
]


@pytest.mark.parametrize(("config", "expected"), CASES, ids=[config for config, _ in CASES])
def test_both_hand_over_the_same_devicetree(config: str, expected: Expected, tmp_path: Path) -> None:
    answer = both(tmp_path, f"arm_64bit=1\n{config}\n")
    assert answer.left_out == ()
    for path, properties in expected.items():
        dt_node = answer.tree.node(path)
        if properties is None:
            assert dt_node is None, path
            continue
        assert dt_node is not None, path
        for name, value in properties.items():
            assert dt_node.properties.get(name) == value, f"{path} {name}"


REFUSED = [
    ("dtparam=cell=many", "neither a number"),
    ("dtparam=cell=none", "neither a number"),
    ("dtparam=cell=ON", "neither a number"),
    ("dtparam=cell=08", "neither a number"),
    ("dtparam=flag=perhaps", "neither a number"),
    ("dtparam=mac=xy", "no string of hexadecimal bytes"),
    ("dtparam=strict=b", "not among the values"),
    ("dtparam=audio", "not among the values"),
    ("dtparam=nosuch=1", "no parameter nosuch in bcm2710-rpi-3-b.dtb"),
    ("dtparam=text=\\q", "backslash"),
    ("dtoverlay=sensor,nosuch=1", "no parameter nosuch in sensor.dtbo and bcm2710-rpi-3-b.dtb"),
    ("dtoverlay=absent", "the overlay absent is not among the files"),
    ("dtoverlay=absent\ndtparam=text=a", "its overlay is left out"),
    ("dtoverlay=uses", "no label pub"),
    ("dtoverlay=export\ndtoverlay=private", "no label priv"),
    ("dtoverlay=late", "nothing at the path '/nowhere'"),
    ("dtoverlay=gone", "deprecated: use sensor"),
    ("dtoverlay=other", "not for bcm2835"),
    ("[gpio4=1]\ndtparam=spi=on", "whether [gpio4=1] holds is not known"),
    ("[EDID=X]\ndtoverlay=sensor", "whether [EDID=X] holds is not known"),
]


@pytest.mark.parametrize(("config", "why"), REFUSED, ids=[config for config, _ in REFUSED])
def test_both_leave_out_the_same_lines(config: str, why: str, tmp_path: Path) -> None:
    answer = both(tmp_path, f"arm_64bit=1\n{config}\ndtoverlay=\ndtparam=half=1\n")
    assert any(why in line for line in answer.left_out), answer.left_out
    assert node(answer.tree, DEV).cells("cells") == (1, 2, 3)  # what follows is applied all the same
    assert answer.tree.node("/gone") is None


def test_both_follow_the_same_references(tmp_path: Path) -> None:
    tree = both(tmp_path, "arm_64bit=1\ndtparam=ref,pick=1\ndtoverlay=sensor,pin=17\n").tree
    assert node(tree, DEV).cell("link") == node(tree, "/i2c1").cell("phandle")
    assert node(tree, SENSOR).cells("irq") == (node(tree, "/gpio").cell("phandle"), 17)


@pytest.mark.parametrize("readme", [False, True])
def test_both_look_behind_the_same_prefix(readme: bool, tmp_path: Path) -> None:
    new = compiled(BASE.replace('"before"', '"new"')).blob
    files = {
        **FILES,
        "new/kernel8.img": b"new",
        "new/bcm2710-rpi-3-b.dtb": new,
        "new/overlays/sensor.dtbo": FILES["overlays/sensor-new.dtbo"],
    }
    if readme:
        files["new/overlays/README"] = b""
    tree = both(tmp_path, "arm_64bit=1\nos_prefix=new/\ndtoverlay=sensor\n", files).tree
    assert node(tree, DEV).string("text") == "new"
    assert ("new" in node(tree, "/spi")) is readme
    assert (tree.node(SENSOR) is not None) is not readme
    named = both(tmp_path, "arm_64bit=1\ndevice_tree=new/bcm2710-rpi-3-b.dtb\n", files).tree
    assert node(named, DEV).string("text") == "new"


def test_a_whole_image_is_read_alike(tmp_path: Path) -> None:
    """The same partition as a folder and as the FAT file system of a card."""
    new = compiled(BASE.replace('"before"', '"new"')).blob
    files = {
        **FILES,
        "new/kernel8.img": b"new",
        "new/bcm2710-rpi-3-b.dtb": new,
        "new/overlays/README": b"",
        "new/overlays/mapped.dtbo": FILES["overlays/export.dtbo"],
        "new/overlays/sensor.dtbo": FILES["overlays/sensor-new.dtbo"],
        "config.txt": b"arm_64bit=1\nos_prefix=new/\ndtoverlay=mapped\ndtoverlay=sensor\n",
    }
    # Of an image only the names that boards have are taken out.
    own = board("raspberrypi-3").stepping(None).dtb
    files = {name.replace("bcm2710-rpi-3-b.dtb", own): data for name, data in files.items()}
    folder, image = tmp_path / "card", tmp_path / "card.img"
    expected = by_check(folder, files, own)
    tools.run(["mkfs.vfat", "-C", image, "20480"])
    tools.run(["mcopy", "-s", "-i", image, *sorted(folder.iterdir()), "::"])
    collection = _Collection(None, None)
    _image(collection, str(image), Silent())
    tree = resolved(collection, own).tree
    assert contents(tree) == contents(expected.tree)
    assert node(tree, DEV).string("text") == "new"
    assert "a" in node(tree, "/public")
    assert "new" in node(tree, "/spi")
