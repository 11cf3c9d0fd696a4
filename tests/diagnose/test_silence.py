"""Where a log ends before any program of a system is seen: what watching the console tells."""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import Diagnoser, diagnose_bytes
from bootwright.diagnose.jsonform import as_json
from bootwright.diagnose.model import Diagnosis, Outcome
from bootwright.diagnose.render import as_text
from bootwright.diagnose.signatures.knowledge import load

START = (
    "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
    "[    0.000010] Kernel command line: root=/dev/sda5 ro\n"
    "[    0.500000] smp: Brought up 1 node, 4 CPUs\n"
    "[    0.900000] Freeing initrd memory: 61240K\n"
)
LOADER = "U-Boot 2031.01 (Jan 06 2031 - 12:00:00 +0000)\nDRAM:  1 GiB\nStarting kernel ...\n\n"
DONE = "[    1.143668] Freeing unused kernel image (initmem) memory: 4916K\n"
RUN = DONE + "[    1.155420] Run /init as init process\n"
DRIVERS = "[    1.400000] nvme nvme0: pci function 0000:01:00.0\n[    1.439500]  nvme0n1: p1 p2 p3\n"
MOUNTED = "[    1.100000] VFS: Mounted root (erofs filesystem) readonly on device 8:3.\n"
IN_INITRD = (
    RUN
    + "[    1.628806] systemd[1]: systemd 257.9 running in system mode (+PAM)\n"
    + "[    1.631250] systemd[1]: Running in initrd.\n"
    + '[    3.011949] ignition[660]: no configs at "/usr/lib/ignition/base.d"\n'
)
PREINIT = (
    RUN.replace("/init", "/sbin/init")
    + "[    4.300000] init: Console is alive\n[    4.304617] init: - watchdog -\n"
)
PROCD = "[    9.900000] procd: - early -\n[   10.900000] procd: - init -\n"
AUDIT = '[   14.400000] type=1400 audit(1358499015.2:20): avc: denied { rename } for comm="quux"\n'
LINK = "[    9.100000] r8169 0000:02:00.0 enp2s0: Link is Up - 1Gbps/Full - flow control off\n"


def diagnosed(text: str, *, watched: bool = False) -> Diagnosis:
    return diagnose_bytes(text.encode(), "log", load(), watched=watched)


@pytest.mark.parametrize(
    "end",
    [DONE, RUN, RUN + DRIVERS, MOUNTED, IN_INITRD, PREINIT],
    ids=["done", "first program", "drivers", "root mounted", "systemd in the initramfs", "preinit"],
)
def test_a_watched_console_that_falls_silent_before_any_service_has_failed(end: str) -> None:
    diagnosis = diagnosed(START + end, watched=True)
    assert diagnosis.outcome is Outcome.FAILED
    blamed = diagnosis.blamed
    assert blamed is not None
    assert blamed.finding.signature in {"kernel-silent", "first-program-silent"}
    assert end.splitlines()[-1].partition("] ")[2] in blamed.finding.lines[-1].text


@pytest.mark.parametrize(
    "end",
    [
        RUN + DRIVERS + LINK,
        RUN + DRIVERS + "[    5.000000] Adding 3906044k swap on /dev/zram0.  Priority:100 extents:1\n",
        RUN + DRIVERS + "[   71.000000] random: crng init done\n",
        RUN + "the tests of quux have passed\n",
        RUN + DRIVERS + "[    5.000000] reboot: Power down\n",
    ],
    ids=["network", "swap", "later", "its own words", "switched off"],
)
def test_a_watched_console_on_which_programs_act_has_not(end: str) -> None:
    assert diagnosed(START + end, watched=True).outcome is Outcome.BOOT_OK


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (START + MOUNTED, Outcome.UNKNOWN),
        (START + MOUNTED + "[    1.200000] devtmpfs: mounted\n", Outcome.UNKNOWN),
        (LOADER + START + DONE, Outcome.UNKNOWN),
        (START + DONE, Outcome.UNKNOWN),
        (START + DONE + DRIVERS * 2, Outcome.BOOT_OK),
        (LOADER + START + DONE + "[    1.200000] Checked W+X mappings: passed\n", Outcome.UNKNOWN),
        (LOADER + START + DONE + DRIVERS * 2, Outcome.BOOT_OK),
        (LOADER + START + DONE + AUDIT, Outcome.BOOT_OK),
        (START + IN_INITRD, Outcome.UNKNOWN),
        (START + PREINIT, Outcome.UNKNOWN),
        (START + PREINIT + PROCD, Outcome.BOOT_OK),
        (START + RUN + DRIVERS, Outcome.BOOT_OK),
    ],
    ids=[
        "mounted",
        "beside it",
        "loader",
        "done",
        "drivers after it",
        "its checks",
        "drivers",
        "audit",
        "initrd",
        "preinit",
        "procd",
        "dmesg",
    ],
)
def test_a_log_that_nobody_watched_is_unknown_where_programs_would_be_seen(
    text: str, expected: Outcome
) -> None:
    assert diagnosed(text).outcome is expected


def test_what_failed_if_nothing_came_is_said_beside_unknown() -> None:
    text = START + "[    1.500000] ata2: SATA max UDMA/133 abar m512@0xfc700000 port 0xfc700180 irq 38\n"
    diagnosis, watched = diagnosed(text), diagnosed(text, watched=True)
    assert diagnosis.outcome is Outcome.UNKNOWN
    assert watched.outcome is Outcome.FAILED
    assert watched.blamed is not None
    assert diagnosis.if_silent == watched.blamed.finding
    assert watched.if_silent is None
    assert "if nothing came after its last line although you waited, it failed" in " ".join(
        as_text(diagnosis).split()
    )
    assert as_json(diagnosis)["if_silent"]["line"] == 5
    assert as_json(watched)["if_silent"] is None


def test_to_ask_what_silence_would_mean_changes_nothing() -> None:
    diagnoser = Diagnoser("log", load())
    diagnoser.feed(START.encode())
    diagnoser.flush()
    first = diagnoser.snapshot()
    assert first.if_silent is not None
    assert diagnoser.snapshot() == first
    assert diagnoser.snapshot(live=True).if_silent is None
    diagnoser.feed((DONE + MOUNTED + "Debian GNU/Linux 13 example ttyS0\n\nexample login: ").encode())
    diagnoser.flush()
    assert diagnoser.snapshot().outcome is Outcome.BOOT_OK


def test_where_a_program_speaks_last_no_kernel_hangs() -> None:
    text = START + "[   11.000000] acmed[400]: listens on port 22\n"
    assert diagnosed(text).if_silent is None
    assert diagnosed(text, watched=True).outcome is not Outcome.FAILED


def test_who_ended_an_emulator_is_not_what_the_kernel_said_last() -> None:
    text = START + "[    1.000000] quux: frobnicating\nERROR: timed out after 300 s\n"
    blamed = diagnosed(text + "qemu-system-aarch64: terminating on signal 15 from pid 2 (timeout)\n").blamed
    assert blamed is not None
    assert "quux: frobnicating" in blamed.finding.cause


@pytest.mark.parametrize("task", ["modprobe", "(udev-worker)"])
@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("", Outcome.FAILED),
        ("[    3.000000] EXT4-fs (sda5): mounted filesystem 6f1a ro.\n", Outcome.DEGRADED),
    ],
    ids=["nothing mounted", "root mounted"],
)
def test_a_driver_that_hangs_before_any_root_ends_the_boot(task: str, before: str, expected: Outcome) -> None:
    hung = f"[  243.000000] INFO: task {task}:312 blocked for more than 120 seconds.\n"
    assert diagnosed(START + RUN + DRIVERS + before + hung).outcome is expected


@pytest.mark.parametrize(
    "log",
    [
        "U-Boot 2031.01 (Jan 06 2031 - 12:00:00 +0000)\n\nDRAM:  1 GiB\nLoading Environment from MMC... OK\n",
        "RouterBOOT booter 31.4\n\nsetting up quux image... OK\nStarting kernel at 80060000...\n",
        "RouterBOOT booter 31.4\n\nBooting Linux ...\n",
    ],
)
def test_a_loader_that_says_nothing_more_to_who_watched_it_has_failed(log: str) -> None:
    diagnosis, watched = diagnosed(log), diagnosed(log, watched=True)
    last = log.splitlines()[-1]
    assert diagnosis.outcome is Outcome.UNKNOWN
    assert diagnosis.if_silent is not None
    assert diagnosis.if_silent.lines[-1].text == last
    assert watched.outcome is Outcome.FAILED
    assert watched.blamed is not None
    assert watched.blamed.finding.lines[-1].text == last


@pytest.mark.parametrize(
    "end", ["Hit any key to stop autoboot:  2 \n", "Hit any key to stop autoboot:  0 \n=> \n", "=> \n"]
)
def test_a_loader_that_waits_for_somebody_has_not(end: str) -> None:
    assert diagnosed(LOADER.partition("Starting")[0] + end, watched=True).outcome is Outcome.UNKNOWN
