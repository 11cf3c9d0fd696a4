"""Levels that firmware prints itself, forms that only errors have, and who they make the speaker."""

from __future__ import annotations

import pytest
from diagnosed_kit import diagnosed

from bootwright.diagnose.model import Outcome
from bootwright.diagnose.reading.levels import firmware_level_of, level_of

CBOOT = "[0000.157] I> MB1 (prd-version: 31.5.1)\n[0001.460] I> Welcome to Cboot\n"
SKIBOOT = "[    0.000215468,5] OPAL skiboot-v31.1 starting...\n[    4.193680504,5] CPU: all called in\n"
HSS = "[0.06254] PolarFire(R) SoC Hart Software Services (HSS) - version 31.99\n[0.84310] frob of 512 MiB\n"
SYTERKIT = "[    0.010234][I]  SyterKit v31.4.0 Commit: 81f1a7\n[    0.203991][I] frob size is 1024\n"
SLIM = "============= Intel Slim Bootloader STAGE1A =============\nFDBG: BLD(D IA32) FSP(R)\n"
OPENSBI = "OpenSBI v31.6\nPlatform Features         : medeleg\n"
IPXE = "iPXE 31.1+ (g7a1c) -- Open Source Network Boot Firmware -- https://ipxe.org\nFeatures: DNS HTTP\n"
UEFI = "UEFI firmware (version 2031.02 built at 12:00:00 on Jan 06 2031)\n"
STARTING = 'BdsDxe: starting Boot0002 "quux" from HD(1,GPT,1F)\n'
STEPS = "".join(f"frob of {letter}\n" for letter in "abcdefghijklmnop")
XEN = "(XEN) Xen version 31.19.1 (quux@quux)\n(XEN) System RAM: 8191MB (8388092kB)\n"
SPL = "U-Boot SPL 2031.01 (Jan 06 2031 - 12:00:00 +0000)\n"
UBOOT = "U-Boot 2031.01 (Jan 06 2031 - 12:00:00 +0000)\nDRAM:  1 GiB\n"


@pytest.mark.parametrize(
    ("line", "level"),
    [
        (b"ERROR:   quux", 2),
        (b"[12:00:01] NOTICE:  quux", 5),
        (b"INFO:    quux", 6),
        (b"E/TC:0 0 quux", 3),
        (b"D/TA:  quux", 7),
        (b"[EMERG]  quux", 0),
        (b"[WARN ]  quux", 4),
        (b"[0000.053] C> quux", 2),
        (b"[0000.053] E> quux", 3),
        (b"I> quux", 6),
        (b"[    5.371822431,3] quux", 3),
        (b"[    0.512345][E] quux", 3),
        (b"[8062470429,0] quux", 0),
        (b"[E] quux", 3),
        (b"[F] quux", 2),
        (b"[I] quux", 6),
        (b"INFO: quux", None),
        (b"[  INFO ] quux", None),
        (b"[    5.371822] E quux", None),
        (b"quux E> frob", None),
        (b"MODE> quux", None),
    ],
)
def test_a_level_that_firmware_prints(line: bytes, level: int | None) -> None:
    assert firmware_level_of(line) == level
    assert level_of(line) == level


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (CBOOT, "[0002.312] C> quux of frob"),
        (SKIBOOT, "[    5.371822431,0] quux of frob"),
        (HSS, "[2.31415] frob is 5 vs expected 7"),
        (HSS, "[2.31415] quux failed\n>> "),
        (SYTERKIT, "[    0.512345][E] quux failed"),
        (SLIM, "Quux not found!\n\nSTAGE_1A: System halted!"),
        (OPENSBI, "frob_quux_init: hwirq=1 is delegated"),
        (IPXE, "http://192.0.2.1/quux... Frobs of quux (https://ipxe.org/2d03e13b)\niPXE> "),
        ("[3.925186] HSS_Quux(): PolarFire(R) SoC Hart Software Services (HSS) - 31\n", "[4.15] quux failed"),
        ("[304.48] boot_service(u54_2)::Quux\n", "[304.50] boot_service(u54_2) :: [Error] -> [Idle]"),
        ("[8002470429,5] SkiBoot skiboot-31.1 starting...\n", "[8062470429,0] Quux of frob"),
        ("[0000.125] [L4T TegraBoot] (version 31)\n", "[0000.395] quux failed"),
        ("[1118]DRAM BOOT DRIVE INFO: V31.601\n[1123]quux set to 5\n", "[6202]Failed quux"),
        (
            "Format: Log Type - Time(microsec) - Message - Optional Info\nB -      94 - PBL, Start\n",
            "B - 609355382 - usb: HIGH , 0x9008\nB - 609362519 - usb: ENUM quux\nB - 6093 - usb: ID:0\n",
        ),
        (
            UBOOT + "Hit any key to stop autoboot:  0\nFrobbing\n",
            "Quux file not found\nQuux (31-4) # ls mmc 0:1\n<DIR>       4096 .\n<DIR>       4096 frob\n",
        ),
        ("\nBootROM - 31.73\nBooting from quux\n", "BootROM: Bad quux header\nBootROM: Trying UART\n"),
        ("HELLO! BOOT0 is starting!\n" + STEPS * 3, "init dram fail\n"),
        (XEN + "(XEN) Frob of quux\n" * 3 + "(XEN) System quux\n", "(XEN) FATAL TRAP: vector = 31 (quux)\n"),
        ("\nSLOF ****************************\n Quux = 31\n", "E3404: Quux of frob\n\nReady!\n0 >\n"),
        ("m1n1 v31.4\nHeap\nMMU\n", "quux failed\n"),
        ("[I] Quux r31 starting\n[I] DRAM init done: 512 MiB\n", "[F] frob of quux restarting in 1s...\n"),
        ("Quux 31\nDRAM: 512 MiB\nfrob\nfrobs\n", "frob: quux not found\n"),
        ("FSBL Jb31g9:gd6d9aae:2031-05-08\nDDR quux\nfrob\nfrobs\n", "E:quux failed\n"),
        (
            " BIOS CRC passed (31)\n--=== Boot ===--\nBooting\nBooting\nfrob\nfrobs\n",
            "Quux boot failed.\nlitex> ",
        ),
        (UEFI + STARTING, "Error of quux: Load error"),
        (UEFI + STARTING, "Frob cannot be started\n\n* Hit any key to continue *"),
    ],
)
def test_what_each_firmware_ends_with(start: str, end: str) -> None:
    diagnosis = diagnosed(f"{start}{end}\n")
    assert diagnosis.outcome is Outcome.FAILED
    shown = [line.text for finding in diagnosis.boots[-1].findings for line in finding.lines]
    assert any(end.splitlines()[0].strip() in text for text in shown)


@pytest.mark.parametrize(
    "log",
    [
        CBOOT + "[0002.310] I> quux not found\n[0002.312] I> frob failed, error = 5\n",
        SKIBOOT + "[    5.371822431,6] FROB: quux not found\n[    5.372822431,7] FROB: quux failed\n",
        HSS + "[2.31415] quux(u54_1)::Init -> quux(u54_1)::Frob\n",
        SYTERKIT + "[    0.512345][I] quux failed, frob once more\n",
        SLIM + "Loading quux\n",
        OPENSBI + "Boot HART ID              : 0\n",
        IPXE + "net0: 52:54:00:12:34:56 using quux\n",
        UEFI + STARTING,
    ],
)
def test_progress_of_each_firmware_is_no_failure_and_no_system(log: str) -> None:
    assert diagnosed(log).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "log",
    [
        XEN
        + "(XEN) Frob of quux\n" * 5
        + "(XEN) *** LOADING DOMAIN 0 ***\n(XEN) *** Serial input to DOM0 (frob to switch)\n",
        SPL + "NOTICE:  BL31: v31.9\nERROR:   QUUX: frob 0x10003\n\n" + UBOOT.splitlines()[0] + "\n",
        SPL + "NOTICE:  BL31: v31.9\nERROR:   QUUX: frob 0x10003\nINFO:    frob of quux\n",
        SPL + "INFO:    Frob of regions\n" * 6,
        UBOOT + 'Frobbing... Unable to read "uboot.env" from mmc0:1...\n',
        "HELLO! BOOT0 is starting!\n" + STEPS + "[mmc]: mmc 2 cmd 1 timeout, err 31\n",
        "--=== Boot ===--\n" + STEPS + "   Timeout\n",
        "I/TC: OP-TEE version: 31.4.0\n" + STEPS * 2 + "E/TC:0 0 quux:121 no frob node\n",
        UBOOT + "Net:   QUUX: can't find frob\n",
        UBOOT
        + "".join(f"quux: no frob{number} found, FROB_NOTFOUND failed\n" for number in range(3))
        + "In: 5\n",
        UBOOT + "EFI boot manager: Cannot load any image\nScanning bootdev 'mmc@fe2b0000.bootdev':\n",
        UBOOT + "quux not found\nHit any key to stop autoboot:  3\n=> ls mmc 0:1\n<DIR>       4096 .\n",
        UBOOT + "quux not found\n=> ls mmc 0:1\n<DIR>       4096 .\n",
        "DDR version 1.19 20311011\nFROB quux is wrong\nquux fail!\nRunBL31 0x40000\n",
        IPXE * 3
        + "net0: 52:54:00:12:34:56 using quux on 0000:00:03.0\nConfiguring (net0)... No configuration methods"
        + " succeeded (https://ipxe.org/040ee119)\nnet1: 52:54:00:12:34:57 using quux on 0000:00:04.0\n",
    ],
)
def test_what_went_on_after_an_error_has_not_ended_with_it(log: str) -> None:
    assert diagnosed(log).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "banner",
    [
        SLIM,
        SKIBOOT,
        HSS,
        SYTERKIT,
        "[0000.056] I> MB1 (version: 31.4.0)\n[0000.170] I> Task: quux\n",
        "DDR V31.18 f366f69a7d\nln\nddrconfig:7\n".replace("V31", "V1"),
        "Welcome to GRUB!\n\n  Booting `Quux'\n\nLoading Linux 31.12 ...\nLoading initial ramdisk ...\n",
    ],
)
def test_a_first_stage_that_starts_again_and_again(banner: str) -> None:
    *_, last = banner.splitlines()
    start = banner + "".join(f"{last} {letter}\n" for letter in "abcd")
    assert diagnosed(start).outcome is Outcome.UNKNOWN
    assert diagnosed(start * 3).outcome is Outcome.FAILED
    assert len(diagnosed(start * 3).boots) == 3


def test_a_form_of_one_firmware_counts_while_it_has_the_machine() -> None:
    uboot = f"{OPENSBI}U-Boot 2031.01 (Jan 06 2031 - 12:00:00 +0000)\n"
    assert diagnosed(f"{OPENSBI}frob_probe: quux 5\n").outcome is Outcome.FAILED
    assert diagnosed(f"{uboot}frob_probe: quux 5\n").outcome is Outcome.UNKNOWN


def test_a_quoted_empty_line_is_no_prompt() -> None:
    quoted = "".join(f"> {line}\n" for line in f"{HSS}[2.3] quux failed\n[2.4] frob\n".splitlines())
    assert diagnosed(f"{quoted}> \n").outcome is not Outcome.FAILED


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (SLIM + "Quux not found!\n\nSTAGE_1B: System halted!\n", "Quux not found!"),
        (
            SKIBOOT + "[    5.37,0] quux failed\n[    5.38,0] Aborting!\nCPU 0004 Backtrace:\n"
            " S: 0000000031e23af0 R: 000000003001b9a8   .quux+0x4c\n"
            " S: 0000000031e23b70 R: 0000000030046d5c   .frob+0x1d0\n",
            "quux failed",
        ),
        (
            IPXE
            + "http://192.0.2.1/quux... Frobs of quux (https://ipxe.org/2d03e13b)\nNo more network devices\n",
            "Frobs of quux",
        ),
    ],
)
def test_a_bare_word_of_giving_up_is_not_the_reason(log: str, reason: str) -> None:
    assert reason in diagnosed(log).boots[-1].findings[0].cause


GRUB = "Welcome to GRUB!\n\n  Booting `Quux'\n\n"


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (GRUB + "frob of quux is gone\nAborted. Press any key to exit.\n", "frob of quux is gone"),
        (
            GRUB + "error: ../../grub-core/quux.c:grub_quux:31:no frob of quux.\n"
            "error: ../../grub-core/frob.c:grub_frob:31:you need to load the kernel first.\n\n"
            "Press any key to continue...\n",
            "no frob of quux",
        ),
        (
            XEN
            + "(XEN) ****\n(XEN) Panic on CPU 0:\n(XEN) frob of quux is 31\n(XEN) ****************\n(XEN) \n"
            "(XEN) Reboot in five seconds...\n",
            "frob of quux is 31",
        ),
        (
            CBOOT + "[0002.31] E> quux failed: 31\n[0002.32] E> Task 31 failed (err: 0x31)\n",
            "quux failed: 31",
        ),
    ],
)
def test_what_led_to_the_last_word_of_a_loader_is_shown(log: str, reason: str) -> None:
    finding = diagnosed(log).boots[-1].findings[0]
    assert any(reason in line.text for line in finding.lines)


def test_a_countdown_is_no_error() -> None:
    log = diagnosed(f"{HSS}Timeout in 31 seconds\nfrob\n>> \n")
    assert log.outcome is Outcome.UNKNOWN


def test_a_firmware_without_a_name_is_one_only_where_no_other_has_shown_itself() -> None:
    named = diagnosed(UBOOT + "frob\n")
    assert "a firmware" not in [stage.label for stage in named.boots[-1].stages]
    unnamed = diagnosed("Quux 31\nDRAM:  1 GiB\nfrob\n")
    assert [stage.label for stage in unnamed.boots[-1].stages] == ["a firmware"]
    assert unnamed.outcome is Outcome.UNKNOWN
