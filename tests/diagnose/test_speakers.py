"""Who speaks in a line, and that each signature is heard from those only who may say it."""

from __future__ import annotations

import re

import pytest

from bootwright.diagnose.closer.devices import DEVICE, facts_of
from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.messages.speaker import kernel_formats, speaker
from bootwright.diagnose.model import Severity
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.patterns import Examiner
from bootwright.diagnose.reading.voice import EEPROM, JETSON, KERNEL, PROGRAM, SPEAKERS, UNKNOWN, voice_of
from bootwright.diagnose.signatures.knowledge import load
from bootwright.formats.messages.model import Call, Format, Owner
from bootwright.lab.machines.firmware import firmware

KNOWLEDGE = load()
LINUX = "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
UBOOT = "U-Boot 2031.01 (Jan 06 2031 - 12:00:00 +0000)\n"
PI = "  3.95 RPi: BOOTLOADER release VERSION:00000000 DATE: 2031/05/08 TIME: 10:00:00\n"


def said(text: str) -> set[str]:
    boots = diagnose_bytes(text.encode(), "log", KNOWLEDGE).boots
    return {
        finding.signature
        for boot in boots
        for finding in boot.findings
        if finding.severity in {Severity.FATAL, Severity.DEGRADING}
    }


@pytest.mark.parametrize(
    ("line", "voice"),
    [
        ("[    1.234567] usb 1-1: quux", KERNEL),
        ("[    1.234567] systemd[1]: quux", PROGRAM),
        ("[    1.234567] [talos] quux", PROGRAM),
        ("[    1.234567] quux[77]: segfault at 0", KERNEL),
        ("Jan  1 00:00:01 host kernel: quux", KERNEL),
        ("Jan  1 00:00:01 host dhclient: quux", PROGRAM),
        ("ноя 05 09:41:15 host systemd[1]: quux", PROGRAM),
        ("[  OK  ] Started quux", PROGRAM),
        ("[***   ] (3 of 8) A start job is running for quux", PROGRAM),
        ("  4.83 Boot mode: SD (01) order f4", EEPROM),
        ("[0000.053] I> MB1 (version: 1.2.0.0)", JETSON),
        ("MMC: quux", UNKNOWN),
    ],
)
def test_a_line_tells_who_speaks(line: str, voice: str) -> None:
    assert voice_of(prefix.split(line.encode())) == voice


@pytest.mark.parametrize(
    ("log", "signature"),
    [
        (
            LINUX + "[    1.9] Run /sbin/init as init process\ncamera: Please insert SD card\n",
            "eeprom-no-boot",
        ),
        ("camera: Please insert SD card\ncamera: quux\n", "eeprom-no-boot"),
        (LINUX + "[    4.2] [drm] failed to init overlay plane Cluster0-win1\n", "eeprom-hat"),
        (LINUX + "[    4.2] quux 4711.dev: pciehp: Slot(1): No link\n", "no-link"),
        (LINUX + "[    4.2] amdgpu: Invalid page size\n", "page-size-program"),
        (LINUX + "[    4.2] bonding: interface quux does not exist!\n", "no-network-device"),
        (LINUX + "quux: error: no such device: frob\n", "grub-failed"),
        (LINUX + "Bad Magic Number\n", "uboot-no-image"),
        (UBOOT + "kernel BUG at quux.c:77!\nquux\n", "kernel-bug"),
    ],
)
def test_words_of_another_speaker_do_not_count(log: str, signature: str) -> None:
    assert signature not in said(log)


@pytest.mark.parametrize(
    ("log", "signature"),
    [
        (PI + "  9.00 Boot mode: SD (01) order f\n  9.95 Please insert SD card\n", "eeprom-no-boot"),
        (UBOOT + "Bad Magic Number\n=> ", "uboot-no-image"),
        (UBOOT + "Starting kernel ...\n\nkernel BUG at quux.c:77!\n", "kernel-bug"),
        ("[12345.678901] U-Boot 2031.01 (Jan 06 2031)\n[12346.000001] Bad Magic Number\n", "uboot-no-image"),
    ],
)
def test_the_right_speaker_is_heard(log: str, signature: str) -> None:
    assert signature in said(log)


def test_every_signature_with_events_names_its_speakers() -> None:
    for signature in KNOWLEDGE.signatures:
        for pattern in signature.patterns:
            assert pattern.speakers, pattern.name
            assert pattern.speakers <= set(SPEAKERS)


_VALUES = re.compile(
    r"%[-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|ll|[hlzjtL])?(%|p[A-Za-z0-9]{0,4}|[a-zA-Z])"
)
_BEFORE = {Call.PRINTK: "", Call.DEVICE: "quux 4711.dev: ", Call.NETWORK: "quux 4711.dev eth0: "}
HOME = {
    "storage": (
        r"drivers/(?:ata|nvme|mmc|scsi|block|md|mtd|ufs|message|nvdimm|target|usb|firewire)/"
        r"|fs/|mm/|kernel/power/swap"
    ),
    "network": r"drivers/(?:net|infiniband|s390/net|ptp|usb|staging|bus|misc|pci)/|net/|kernel/irq/",
    "root": r"init/|fs/|arch/\w+/(?:mm|kernel)/|drivers/(?:block|md)/",
    "firmware": r"(?!)",
    "boot-loader": r"(?!)",
    "user": r"kernel/|arch/|mm/|fs/",
    "talos": r"(?!)",
    "init": r"init/|kernel/|fs/",
}
"""Area of a signature → where in the kernel its events may come from; of the other areas from anywhere."""


def printed(entry: Format) -> bytes:
    """A line of that format with made-up values."""

    def value(match: re.Match[str]) -> str:
        kind = match[1]
        return {"%": "%", "s": "qzx", "c": "c"}.get(kind, "0f00" if kind[0] in "pxX" else "77")

    return (_BEFORE[entry.call] + _VALUES.sub(value, entry.text)).strip().encode()


def test_no_signature_takes_the_words_of_a_kernel_driver_for_its_own() -> None:
    """Every format of the kernels that ship, as the kernel prints it."""
    literals = sorted({literal for pattern in KNOWLEDGE.patterns for literal in pattern.literals})
    examiner = Examiner(KNOWLEDGE.patterns, literals, use_re2=True)
    areas = {signature.name: signature.area for signature in KNOWLEDGE.signatures}
    # What asks for the device's name as well hears its own drivers only, whatever the pattern matches.
    named = [signature for signature in KNOWLEDGE.signatures if not signature.rule.facts]
    # Of a sequence what follows counts only behind its first event.
    rules = {
        name
        for signature in named
        for name in signature.rule.triggers
        if name not in signature.rule.sequence[1:]
    }
    foreign: set[tuple[str, str, bytes]] = set()
    formats = 0
    for entry in kernel_formats():
        formats += 1
        line = printed(entry)
        owners = [owner.file for owner in entry.owners if "/" in owner.file]
        for pattern, _ in examiner.examine(line, kernel=True, voice=KERNEL).matches:
            name = pattern.name.partition("/")[0]
            home = HOME.get(areas.get(name, ""))
            if pattern.name not in rules or KERNEL not in pattern.speakers or home is None:
                continue
            if owners and not any(re.match(home, owner) for owner in owners):
                foreign.add((pattern.name, owners[0], line))
    assert formats > 100_000
    assert foreign == set()


UBOOTS_OWN = {
    "uboot",
    "spl",
    "decompression",
    "no",
    "phy",
    "dhcp",
    "link",
    "loader",
    "boot",
    "efi",
    "silent",
    "kernel-not-loaded",
}
"""Signatures, or their first words, that U-Boot may start: it has a PHY, DHCP, EFI and decompressors."""


def test_no_signature_takes_the_words_of_u_boot_for_its_own() -> None:
    """Every text in a real U-Boot, said by U-Boot at its prompt."""
    image = firmware("uboot").code.read_bytes()
    texts = sorted(set(re.findall(rb"[\x20-\x7e\t]{6,160}", image)))
    assert len(texts) > 3000
    lines = [_VALUES.sub("77", text.decode()).encode() for text in texts if not text.startswith(b"U-Boot 20")]
    foreign = set()
    for line in lines:
        diagnosis = diagnose_bytes(UBOOT.encode() + line + b"\nquux\n", "log", KNOWLEDGE)
        for finding in diagnosis.boots[-1].findings:
            if {finding.signature, finding.signature.partition("-")[0]}.isdisjoint(UBOOTS_OWN):
                foreign.add((finding.signature, finding.severity.value, line))
    assert foreign == set()


def test_a_word_before_a_message_is_no_interface() -> None:
    """A format of few words and any text behind an interface fits what others say behind a word."""
    assert speaker(b"BTRFS: Failed to read block groups: -5") is None
    # Whoever drives hardware says its name and the device's first.
    assert speaker(b"eth0: Failed to read block groups: -5") is None
    said = speaker(b"bond0: now running without any active interface!")
    assert said is not None
    assert said.interface == "bond0"


def test_a_source_is_named_only_where_it_fits_the_driver() -> None:
    """The words alone are in drivers of other things too."""
    for driver, device in ((b"mt7530-mdio", b"mdio-bus:1f"), (b"axp20x-rsb", b"sunxi-rsb-3a3")):
        other = Owner("snd_other", "sound/soc/codecs/other.c")
        own = Owner("own", f"drivers/some/{driver.decode()}.c")
        match = DEVICE.match(driver + b" " + device + b": failed to read register: -110")
        assert match is not None
        assert "file" not in dict(facts_of(match, device, "", [other]))
        assert "module" not in dict(facts_of(match, device, "", [other]))
        assert dict(facts_of(match, device, "", [other, own]))["file"] == own.file
    match = DEVICE.match(b"mv88e6085 d0032004.mdio-mii:01: no answer")
    assert match is not None
    family = Owner("mv88e6xxx", "drivers/net/dsa/mv88e6xxx/mv88e6xxx")
    assert dict(facts_of(match, b"d0032004.mdio-mii:01", "", [family]))["file"] == family.file
