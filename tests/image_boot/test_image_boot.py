"""Booting an image through its own boot loader; and telling from a console when it is enough."""

from __future__ import annotations

import gzip
import itertools
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from boot_disk_kit import boot_disk
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.verdict import Verdict
from bootwright.image_boot.boot import ImageBoot, boot_image, on_disk
from bootwright.image_boot.goal import Goal, GoalWatch
from bootwright.image_boot.outcome import Hopeless, show
from bootwright.lab.machines import firmware as firmwares
from bootwright.lab.machines.recorded import Recording

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/image-boot.schema.json").read_text())
KTAP = b"[ 1.0] m: KTAP version 1\n[ 1.1] m: 1..2\n  1..9\n  ok 1 x\n[ 1.2] m: ok 1 a\n[ 1.3] m: not ok 2 b\n"


def watched(goal: str | None, *chunks: bytes) -> GoalWatch:
    watch = GoalWatch(Goal.parse(goal) if goal is not None else None)
    for chunk in chunks:
        if watch.feed(chunk):
            break
    return watch


@pytest.mark.parametrize(
    ("goal", "console", "reached"),
    [
        ("entering maintenance", b"[talos] entering maintenance service\n", True),
        ("entering maintenance", b"\x1b[1mentering\x1b[0m maintenance", True),
        ("entering maintenance", b"entering\nmaintenance", False),
        ("login", b"Debian GNU/Linux 13 host ttyAMA0\r\n\r\nhost login: ", True),
        ("login", b"host login: root\r\n", False),
        ("login", b"systemd-logind: New login\n", False),
        ("ktap", KTAP, True),
        ("ktap", KTAP.replace(b"1..2", b"1..3"), False),
        ("ktap", b"[ 1.0] m: ok 1 a\n[ 1.1] m: ok 2 b\n1..2\n", False),
        ("ktap", b"TAP version 13\n1..4\nok 1\nBail out! no memory\n", True),
    ],
)
def test_a_goal_is_seen_however_its_bytes_are_cut(goal: str, console: bytes, reached: bool) -> None:
    assert watched(goal, console).reached is reached
    if goal != "login":  # a prompt is one only while nothing follows it
        assert watched(goal, *(console[i : i + 1] for i in range(len(console)))).reached is reached


@pytest.mark.parametrize(
    ("console", "dead_end"),
    [
        (b"---[ end Kernel panic - not syncing: VFS: Unable to mount root fs ]---\n", "kernel panic"),
        (b"Kernel panic - not syncing: VFS\n[    9.1] Rebooting in 5 seconds..\n", None),
        (b"\x1b[33m\x1b[40mShell> \x1b[0m", "EFI shell"),
        (b"error: no such device.\r\ngrub rescue> ", "GRUB's prompt"),
        (b"No bootable device\r\n=> ", "U-Boot's prompt"),
        (b"x => y\n", None),
    ],
)
def test_a_dead_end_is_seen(console: bytes, dead_end: str | None) -> None:
    assert watched("login", console).dead_end == dead_end


def test_a_kernel_that_gave_up_gets_little_more_time() -> None:
    panic = b"[ 1.0] Kernel panic - not syncing: Attempted to kill init!\n"
    assert watched("login", panic, b"[ 1.1] SMP: stopping secondary CPUs\n").panicked
    assert not watched("login", panic, b"[ 1.1] Rebooting in 5 seconds..\n").panicked
    assert not watched("login", b"Kernel command line: panic=5\n").panicked


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=600), cuts=st.lists(st.integers(0, 600), max_size=6))
def test_any_bytes_are_watched_alike_in_any_chunks(data: bytes, cuts: list[int]) -> None:
    data = data.replace(b"A", b"\x1b[").replace(b"B", b"\x1b]").replace(b"C", b"goal")
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[start:end] for start, end in itertools.pairwise(places)]
    assert watched("goal", *chunks).reached == watched("goal", data).reached


@pytest.mark.parametrize("text", ["", "  ", "two\nlines", "x" * 501])
def test_what_cannot_be_a_goal_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        Goal.parse(text)


def recorded(console: bytes, *, ended: str = "stopped", **facts: object) -> ImageBoot:
    times = tuple((offset, offset / 100) for offset in range(0, len(console), 10))
    recording = Recording(console, times, ended, ("qemu",), "virt", "QEMU 1", "", "", "", "", 1.0, 1.0)
    given: dict[str, object] = {
        "recording": recording, "reached": False, "goal": "ready", "goal_seconds": None, "dead_end": None,
        "silent": False, "image_sha256": "0" * 64, "firmware": "aavmf",
    }  # fmt: skip
    return ImageBoot(**{**given, **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("boot", "verdict", "said"),
    [
        (recorded(b"ready", reached=True, goal_seconds=2.0), Verdict.WORKS, ""),
        (
            recorded(b"", ended="timeout", silent=True),
            Verdict.FAILS,
            "no console output at all before 'ready'",
        ),
        (recorded(b"hello\n", ended="timeout", silent=True), Verdict.FAILS, "it fell silent before 'ready'"),
        (recorded(b"hello\n", ended="timeout"), Verdict.UNKNOWN, "time ran out while it was still running"),
        (recorded(b"hello\n", ended="reset"), Verdict.FAILS, "it reset itself before 'ready'"),
        (recorded(b"=> ", dead_end="U-Boot's prompt"), Verdict.FAILS, "it stopped at U-Boot's prompt"),
    ],
)
def test_how_a_boot_ended_is_its_verdict(boot: ImageBoot, verdict: Verdict, said: str) -> None:
    shown = show(boot)
    assert shown.verdict is verdict
    assert shown.reason.startswith(said) or said in shown.reason


PANIC = (
    b"[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x411fd070]\n"
    b"[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
)


def test_a_fatal_failure_without_recovery_ends_a_boot() -> None:
    assert Hopeless(patience=-1.0)(PANIC) == "a fatal failure (given -1 s more)"
    assert Hopeless(patience=60.0)(PANIC) is None
    healthy = (
        b"[    0.000000] Booting Linux on physical CPU 0x0\n[    1.0] Run /init as init process\nhello\n"
    )
    assert Hopeless(patience=-1.0)(healthy) is None


def test_time_that_ran_out_after_a_fatal_failure_is_a_failure() -> None:
    shown = show(recorded(PANIC, ended="timeout"))
    assert shown.verdict is Verdict.FAILS
    assert shown.reason.startswith("time ran out; ")


def test_a_milestones_seconds_are_when_its_line_ended() -> None:
    console = b"x" * 995 + b"\n[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x411fd070]\nrest\n"
    (milestone,) = show(recorded(console, ended="timeout")).milestones[:1]
    assert milestone.name == "kernel start"
    assert milestone.seconds == pytest.approx((console.rindex(b"\nrest") // 10 * 10) / 100)


def test_firmware_is_known_or_refused(tmp_path: Path) -> None:
    assert firmwares.FIRMWARE.names() == ["aavmf", "uboot"]
    with pytest.raises(Refused) as refused:
        firmwares.firmware("coreboot")
    assert refused.value.hint is not None
    assert refused.value.hint.endswith("firmware: aavmf, uboot")
    absent = tmp_path / "x.toml"
    absent.write_text(
        'title = "X"\npackage = "x-firmware"\nmachine = "virt"\nsource = "none"\n'
        '[[flash]]\ncode = "/nowhere/x.fd"\n'
    )
    with pytest.raises(Missing) as caught:
        firmwares.installed(firmwares.FIRMWARE.load(absent))
    assert caught.value.hint == "install x-firmware"
    absent.write_text("title = 3\n")
    with pytest.raises(Malformed):
        firmwares.FIRMWARE.load(absent)


def test_no_image_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"data" * 9000)[:40])
    for name in ("none.img", "empty", ".", "cut.gz"):
        with pytest.raises(BootwrightError):
            on_disk(tmp_path / name)


# Real boots.


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk with GRUB, a 16K kernel and the guest's init, as a boot loader finds them on a card."""
    return boot_disk(tmp_path_factory.mktemp("image"))


def _firmware(name: str) -> firmwares.Firmware:
    try:
        return firmwares.firmware(name)
    except Missing as error:
        pytest.skip(f"{error.message}: {error.hint}")


@pytest.mark.boot
@pytest.mark.download
@pytest.mark.parametrize("name", ["aavmf", "uboot"])
def test_an_image_boots_through_its_own_loader(name: str, image: Path) -> None:
    """Firmware, GRUB, a 16K kernel, init; and the image keeps its bytes."""
    before = image.read_bytes()
    boot = boot_image(image, firmware=_firmware(name), until=Goal.parse("ktap"), network=False)
    shown = show(boot)
    assert boot.reached, boot.recording.console[-2000:].decode(errors="replace")
    assert shown.verdict is Verdict.WORKS
    names = [milestone.name for milestone in shown.milestones]
    assert any(name.startswith("Linux 6.12") for name in names)
    assert names[-1] == "goal: ktap"
    assert "boot-loader" in {milestone.stage for milestone in shown.milestones}
    seconds = [milestone.seconds for milestone in shown.milestones]
    assert 0 < seconds[0] <= seconds[-1] <= boot.recording.wall_seconds
    assert b"not ok 1 talos-1.12-etc-hosts" in boot.recording.console
    assert image.read_bytes() == before


@pytest.mark.boot
@pytest.mark.download
def test_the_command_says_in_json_why_a_disk_does_not_boot(image: Path, tmp_path: Path) -> None:
    """The same disk, packed, its boot loader's file gone: UEFI finds nothing to start."""
    loader = _firmware("uboot")
    broken = tmp_path / "disk.img"
    data = image.read_bytes().replace(b"BOOTAA64EFI", b"BROKEN64EFI")
    broken.write_bytes(data)
    packed = tmp_path / "disk.img.gz"
    packed.write_bytes(gzip.compress(data, 1))
    broken.unlink()
    ran = subprocess.run(
        [sys.executable, "-m", "bootwright", "image", "boot", packed, "--until", "login",
         "--firmware", loader.name, "--keep", tmp_path / "kept", "--no-network", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 1, ran.stderr
    document = json.loads(ran.stdout)
    jsonschema.validate(document, SCHEMA)
    assert document["reached"] is False
    assert document["outcome"] == "fails"
    assert (tmp_path / "kept/console.bin").stat().st_size > 100
