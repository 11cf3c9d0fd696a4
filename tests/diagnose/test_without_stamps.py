"""What the lines tell where nothing stamps them, where somebody else speaks in between, and at the end."""

from __future__ import annotations

import pytest
from diagnosed_kit import diagnosed

from bootwright.diagnose.judging.gravity import WARNING
from bootwright.diagnose.judging.shapes import looks_wrong, named_shape_of
from bootwright.diagnose.model import Outcome
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.levels import level_of

LOADER = "U-Boot 2031.01 (Jan 06 2031 - 12:00:00 +0000)\nDRAM:  1 GiB\n"
STARTS = "Starting kernel ...\n\n"
KERNEL = "Linux version 6.12.5-test (a@b) #1\nVFS: Mounted root (ext4 filesystem) readonly on device 179:2.\n"
INIT = "Freeing unused kernel memory: 1024K\n"
CHATTER = "".join(f"the {word} frobs its quux\n" for word in "abcdefghijklmnopqrstuvwxyz")


def test_programs_are_heard_without_stamps() -> None:
    """A machine that ran its programs and was switched off and on did not fail; one that had none did."""
    boot = LOADER + STARTS + KERNEL + INIT
    assert diagnosed((boot + CHATTER) * 2).outcome is Outcome.BOOT_OK
    assert diagnosed(boot * 2).outcome is Outcome.FAILED


def test_a_kernel_that_speaks_a_minute_after_its_first_program_runs_a_system() -> None:
    boot = (
        "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
        "[    1.900000] Run /sbin/init as init process\n"
        "[{0:>5}.785289] random: crng init done\n"
    )
    assert diagnosed((LOADER + STARTS + boot.format(206)) * 2).outcome is Outcome.BOOT_OK
    assert diagnosed((LOADER + STARTS + boot.format(6)) * 2).outcome is Outcome.FAILED


def test_many_things_that_fail_once_are_no_loop() -> None:
    system = KERNEL + INIT
    files = "".join(f"quux: cannot read image {number}.png\n" for number in range(40))
    again = "".join(f"quux: cannot read image, attempt {number}\n" for number in range(40))
    assert diagnosed(system + files).outcome is Outcome.BOOT_OK
    assert diagnosed(system + again).outcome is Outcome.DEGRADED


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (b"read 12 of 0x1f0 from mmc1", b"read 0 of 0 from mmc1"),
        (b"icon 32.png, error -2", b"icon 32.png, error 0"),
        (b"1-1.2: reset, 3.", b"1-1.2: reset, 0."),
    ],
)
def test_a_number_in_a_name_stays(text: bytes, shape: bytes) -> None:
    assert named_shape_of(text) == shape


def test_a_host_before_the_kernel_is_a_prefix() -> None:
    message = prefix.split(b"quux-7 kernel: frobnicator f0.frob: ready")
    assert (message.text, message.kernel) == (b"frobnicator f0.frob: ready", True)
    assert not prefix.split(b"Loading kernel: vmlinuz").kernel


def test_a_facility_is_a_prefix_without_a_date() -> None:
    """A system log that lost its dates is still one: each line names who spoke, and how grave it is."""
    line = prefix.split(b"quux kern.err kernel: acme 1f0: frobbing failed")
    assert (line.text, line.kernel) == (b"acme 1f0: frobbing failed", True)
    program = prefix.split(b"quux daemon.info frobd: ready")
    assert (program.text, program.stamped_by, program.wall) == (b"frobd: ready", "log", None)
    assert prefix.split(b"kern.quux frobd: ready").stamped_by == ""
    assert level_of(b"Feb 19 00:31:02 quux kern.warn kernel: acme") == WARNING
    assert level_of(b"acme: see kern.c for more") is None


def test_a_system_log_without_dates_shows_that_the_machine_went_on() -> None:
    bug = "quux kern.crit kernel: kernel BUG at mm/slub.c:4000!\n"
    began = "quux daemon.info frobd: ready\n"
    assert diagnosed(began + bug).outcome is Outcome.DEGRADED
    assert diagnosed("kernel: " + bug.partition("kernel: ")[2]).outcome is Outcome.FAILED


def test_android_dates_its_lines_without_a_year() -> None:
    line = prefix.split(b"[01-03 09:43:52.288] init: Starting service 'quux'...")
    assert line.text == b"init: Starting service 'quux'..."


def test_a_loader_that_linux_runs_waits_for_what_it_is_to_start() -> None:
    log = "Linux/PowerPC load: \nFinalizing device tree... flat tree at 0x2145d0c0\n"
    menu = diagnosed(f"{log}\x1b[1;1H Petitboot (1.13-p94177c1)\n")
    assert menu.boots[0].stages[-1].label == "Petitboot's menu"
    assert menu.outcome is Outcome.UNKNOWN


def test_a_day_before_a_clock_has_a_time() -> None:
    first, last = (
        prefix.split(f"05/03/2031 10:18:{second} [talos] quux".encode()).wall for second in (33, 45)
    )
    assert first is not None
    assert last is not None
    assert last - first == 12


def test_what_another_console_types_parts_no_answer_from_its_command() -> None:
    typed = LOADER + "=> version\nlab@bench:~$ ls\n" + LOADER.splitlines()[0] + "\n\n=> "
    assert len(diagnosed(typed).boots) == 1


def test_a_dump_is_one_with_a_line_of_somebody_else() -> None:
    trap = "OpenSBI v1.5\nsbi_trap_error: hart1: trap handler failed (error -5)\n"
    dump = "".join(
        f"sbi_trap_error: hart1: {name}=0xffffffffc0207c0e\n" for name in ("mcause", "mepc", "ra", "sp")
    )
    assert diagnosed(trap + dump + "lab@bench:~$ ls\nquux answers\n").outcome is Outcome.FAILED


def test_what_a_kernel_calls_a_warning_ends_nothing() -> None:
    frames = "".join(f"[    0.34000{number}]  frob_quux+0x{number}/0x80\n" for number in range(1, 7))
    begins = "[    0.000000] Linux version 6.12.5-test (a@b) #1\n[    1.9] Run /sbin/init as init process\n"
    head = "[    2.339966] {0}quux: frob failed at rIP: 0xffffffff918657d4\n[    2.339968] Call Trace:\n"
    assert diagnosed(begins + head.format("") + frames).outcome is Outcome.FAILED
    warned = "\n".join(f"<4>{line}" for line in (begins + head.format("") + frames).splitlines())
    assert diagnosed(warned).outcome is not Outcome.FAILED


def test_an_address_that_rises_is_progress() -> None:
    block = "SendCommand: Index = 18\nTransfer mode read\nTransfer mode write\nRead(LBA=0060{0}8)\n"
    reading = LOADER + "".join(block.format(number) for number in range(9))
    assert diagnosed(reading).outcome is Outcome.UNKNOWN
    assert diagnosed(reading.replace("mode read", "mode read: failed")).outcome is Outcome.FAILED


def test_a_second_start_before_a_hand_over_decides_nothing() -> None:
    stage = "U-Boot SPL 2031.01 (Jan 06 2031 - 12:00:00 +0000)\nTrying to boot from MMC1\n"
    assert diagnosed(stage * 2).outcome is Outcome.UNKNOWN
    assert diagnosed(stage * 5).outcome is Outcome.FAILED


def test_the_last_word_of_a_program_stays_so_whatever_the_kernel_says() -> None:
    word = "[  187.185006] [talos] retrying error: failed to download config: network is unreachable\n"
    noise = "".join(f"[  190.0000{number:02}] quux 1.quux: frob {number}\n" for number in range(40))
    assert diagnosed(word).outcome is Outcome.FAILED
    assert diagnosed(word + noise).outcome is Outcome.FAILED


def test_an_initramfs_that_started_again_decides_nothing() -> None:
    boot = (
        "[    0.000000] Linux version 6.12.5-test (a@b) #1\n[    1.900000] Run /init as init process\n"
        "Begin: Running /scripts/init-top ... done.\n"
        + "".join(f"[    3.000000] quux: frobs its {word}\n" for word in "abcdefghijklmnopqrstuvwxyz" * 2)
    )
    assert diagnosed(boot).outcome is Outcome.UNKNOWN
    assert diagnosed(boot * 2).outcome is Outcome.UNKNOWN


def test_what_makes_it_worse_belongs_to_its_proof() -> None:
    lines = (
        "[    2.000000] mmcblk0: mmc0:aaaa QUUX 29.7 GiB (ro)\n"
        "[    2.900000] EXT4-fs (mmcblk0p2): write access unavailable, cannot proceed\n"
    )
    finding = diagnosed(lines).boots[0].findings[0]
    assert finding.signature == "write-protected"
    assert [line.number for line in finding.lines] == [1, 2]


def test_a_comment_of_a_file_that_is_shown_is_no_error() -> None:
    assert not looks_wrong(b"# result in the make process being unable to clean files")
    assert looks_wrong(b"## Error: unable to boot")


def test_what_is_said_again_and_again_lasts() -> None:
    word = (
        '[talos] controller failed {"component": "controller-runtime", "controller": '
        '"siderolink.ManagerController", "error": "error provisioning: quux"}\n'
    )
    started = "[talos] [initramfs] booting Talos v1.13.2\n[talos] entering maintenance service\n"
    assert diagnosed(started + word).outcome is not Outcome.DEGRADED
    assert diagnosed(started + word * 4).outcome is Outcome.DEGRADED


def test_a_crash_long_after_the_start_is_one_in_every_boot_of_a_file() -> None:
    """The file's outcome is judged by the text around a report, as that of its boots is."""
    boot = (
        "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
        "[    1.900000] Run /sbin/init as init process\n"
        "[    4.000000] acme 1f0: ready\n"
        "[   90.000000] Unable to handle kernel NULL pointer dereference at virtual address 08\n"
        "[   90.000001] Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP\n"
        "[   90.000002] CPU: 0 UID: 0 PID: 1 Comm: quux Not tainted 6.12.5-test #1\n"
        "[   90.000003] pc : acme_poll+0x10/0x20\n"
        + "".join(f"[   90.00001{count}]  acme_{count}+0x10/0x20\n" for count in range(9))
    )
    assert diagnosed(boot).outcome is Outcome.DEGRADED
    assert diagnosed(boot * 2).outcome is Outcome.DEGRADED


def test_an_unknown_system_says_that_it_is_ready() -> None:
    text = "FLASH: example\nDHCP:   [  OK  ]\n---System Ready---\nETH3: 100MB (100Base-TX Full Duplex)\n"
    assert diagnosed(text).outcome is Outcome.BOOT_OK


def test_what_a_loader_said_is_no_drivers_error() -> None:
    """It has the form of a driver's message, and some driver has the same words."""
    loader = "U-Boot 2024.01 (Jan 01 2024 - 00:00:00 +0000)\nmmc read: Invalid size\nmmc read: Invalid size\n"
    kernel = "Starting kernel ...\n[    0.000000] Linux version 6.6.0 (a@b) #1\nx login: \n"
    assert diagnosed(loader + kernel).outcome is Outcome.BOOT_OK


SWITCHED_ON = "Decompressing Linux... done.\nBooting the kernel.\n"
MADE_WRITABLE = "EXT4-fs (sda2): re-mounted. Opts: (null)\n"


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        ("eth0: entered promiscuous mode\n", Outcome.BOOT_OK),
        ("frob@quux:~$ \n", Outcome.BOOT_OK),
        ("quux:~$ \n", Outcome.BOOT_OK),
        ("", Outcome.FAILED),
    ],
)
def test_what_had_run_programs_may_be_switched_off_and_on(act: str, expected: Outcome) -> None:
    assert diagnosed((SWITCHED_ON + KERNEL + INIT + act) * 2).outcome is expected


@pytest.mark.parametrize(("before", "expected"), [(MADE_WRITABLE, Outcome.DEGRADED), ("", Outcome.FAILED)])
def test_what_is_mounted_beside_a_root_at_work_is_none(before: str, expected: Outcome) -> None:
    damaged = (
        "BTRFS info (device sdb1): disk space caching is enabled\n"
        "BTRFS critical (device sdb1): corrupt leaf: root=1 block=26420 slot=29, unexpected item end\n"
        "BTRFS error (device sdb1): open_ctree failed\n"
    )
    system = "Linux version 6.12.5-test (a@b) #1\n" + INIT + before + "random: crng init done\n"
    made = system + "eth0: entered promiscuous mode\n" + damaged
    assert diagnosed(made).outcome is expected


@pytest.mark.parametrize("stamp", ["[    9.386253] ", ""])
def test_who_speaks_is_told_by_the_form_of_a_message_too(stamp: str) -> None:
    """The kernel's time-outs last, whether its lines have a stamp or not."""
    lines = [
        "input: Quux hotkeys as /devices/platform/quux/input/input10",
        "quux_wmi: SFUN value: 0x37",
        "usbcore: registered new interface driver quux",
        "brcmfmac: brcmf_sdio_htclk: HT Avail timeout (1000000): clkctl 0x50",
    ]
    assert diagnosed("".join(f"{stamp}{line}\n" for line in lines)).outcome is Outcome.DEGRADED


ANOTHER = ("lab@bench:~/quux$ ls -l", "total 48", "  CC      src/quux.o", "On branch quux")


@pytest.mark.parametrize("beside", [0, 4])
def test_an_excerpt_is_measured_without_the_lines_of_another_console(beside: int) -> None:
    said = [f"[    4.2{number:05}] quux: quux stage {number} is set up" for number in range(12)]
    failed = ["[    4.400000] quux: cannot read the frobs of quux: 5", "[    4.500000] quux: quux failed: -5"]
    lines = [*said, *failed]
    for number in range(beside):
        lines.insert(3 * number + 1, ANOTHER[number])
    assert diagnosed("".join(f"{line}\n" for line in lines)).outcome is Outcome.DEGRADED


@pytest.mark.parametrize(("stamp", "expected"), [("[    0.090151] ", Outcome.UNKNOWN), ("", Outcome.FAILED)])
def test_what_has_a_kernels_stamp_after_a_loader_is_no_loaders_last_word(
    stamp: str, expected: Outcome
) -> None:
    assert diagnosed(f"{LOADER}{stamp}frob: registration failed\n").outcome is expected


def test_what_a_program_was_refused_is_no_attempt_at_a_root() -> None:
    system = KERNEL + INIT
    denied = 'audit(0.0:466): avc: denied { write } for name="/" dev="rootfs" permissive=0\n'
    assert diagnosed(f"{system}quux: type=1400 {denied}").outcome is Outcome.BOOT_OK
    assert (
        diagnosed("Linux version 6.12.5-test (a@b) #1\nERROR: cannot mount root\n").outcome is Outcome.FAILED
    )


@pytest.mark.parametrize(("waited", "expected"), [("timeout!", Outcome.DEGRADED), ("done", Outcome.BOOT_OK)])
def test_an_interface_that_was_waited_for_in_vain_is_missed(waited: str, expected: Outcome) -> None:
    """However much the system says after it."""
    network = f"Starting network: Waiting for interface eth0 to appear..... {waited}\n"
    assert diagnosed(KERNEL + INIT + network + CHATTER * 3).outcome is expected
