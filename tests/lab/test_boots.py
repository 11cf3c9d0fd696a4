"""Real kernels in the real emulator; each recording is shared by the tests that look at it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import attrs
import jsonschema
import pytest
from command_kit import in_process

from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.places import source_tree
from bootwright.foundation.verdict import Verdict
from bootwright.kernels.catalogue import Library, open_library
from bootwright.kernels.model import Kernel
from bootwright.lab.machines.recorded import Recording
from bootwright.lab.machines.recording import load, save
from bootwright.lab.probes import boot as boot_module
from bootwright.lab.probes import probe
from bootwright.lab.probes.boot import boot, plan_boot
from bootwright.lab.probes.judge import trouble, verdict
from bootwright.lab.probes.ktap import ProbeResult, read

pytestmark = [pytest.mark.boot, pytest.mark.download]

NEW_ONLY = {
    "talos-1.12-etc-hosts",
    "talos-1.12-resolv-conf",
    "talos-1.12-cri-hosts",
    "talos-1.14-resolv-conf",
    "bind-detached-descriptor",
    "clone-detached-root",
    "clone-detached-file",
    "move-detached-to-detached",
}
"""What Linux allows since 6.15 (commit c5c12f871a30), and refused with EINVAL before."""


@pytest.fixture(scope="session")
def library() -> Library:
    return open_library()


@pytest.fixture(scope="session")
def old_kernel(library: Library) -> Kernel:
    return library.get("debian-6.12-4k")


@pytest.fixture(scope="session")
def large_pages(library: Library) -> Kernel:
    return library.get("debian-6.12-16k")


@pytest.fixture(scope="session")
def modular(library: Library) -> Kernel:
    return library.get("debian-6.18-4k", modules=True)


@pytest.fixture(scope="module")
def old_boot(old_kernel: Kernel) -> Recording:
    return boot(old_kernel, probe=["mounts"])


def states(result: ProbeResult) -> dict[str, bool | None]:
    return {test.name: test.ok for test in result.tests}


def check_mounts(kernel: Kernel, recording: Recording, *, refused: set[str]) -> None:
    result = read(recording)
    assert recording.ended == "powered-off"
    assert trouble(recording, result) is None
    assert result.complete
    assert result.release == kernel.release
    assert result.page_size == kernel.page_size
    assert len(result.tests) >= 19
    assert {test.name for test in result.tests if not test.ok} == refused
    assert {test.errno for test in result.tests if test.name in refused} <= {"EINVAL"}
    assert verdict(result) is (Verdict.FAILS if refused else Verdict.WORKS)


def test_6_12_refuses_detached_clones_with_4k_pages(old_kernel: Kernel, old_boot: Recording) -> None:
    check_mounts(old_kernel, old_boot, refused=NEW_ONLY)


def test_what_makes_boots_quick_changes_no_result(old_kernel: Kernel, old_boot: Recording) -> None:
    plain = boot(old_kernel, probe=["mounts"], plain=True)
    assert "initcall_blacklist" in old_boot.kernel_arguments
    assert "initcall_blacklist" not in plain.kernel_arguments
    assert read(plain) == read(old_boot)


def test_a_kernel_without_proc_sys_is_told_to_print_all(old_kernel: Kernel, tmp_path: Path) -> None:
    """Else it drops what init says behind the tenth line, as kernels built with EXPERT by allnoconfig did."""
    assert old_kernel.config is not None
    text = old_kernel.config.read_text()
    assert "CONFIG_PROC_SYSCTL=y" in text
    config = tmp_path / "config"
    config.write_text(text.replace("CONFIG_PROC_SYSCTL=y", "# CONFIG_PROC_SYSCTL is not set"))
    without = attrs.evolve(old_kernel, config=config)
    for plain in (True, False):
        planned = plan_boot(without, probe=["mounts"], plain=plain)
        assert "printk.devkmsg=on" in planned.kernel_arguments
        assert (
            "printk.devkmsg=on" not in plan_boot(old_kernel, probe=["mounts"], plain=plain).kernel_arguments
        )


def test_6_12_refuses_them_with_16k_pages_too(large_pages: Kernel) -> None:
    check_mounts(large_pages, boot(large_pages, probe=["mounts"]), refused=NEW_ONLY)


def test_6_18_allows_them_and_page_size_decides_file_systems(modular: Kernel) -> None:
    recording = boot(modular, probe=["all"])
    result = read(recording)
    mounts = attrs.evolve(result, tests=tuple(test for test in result.tests if test.group == "mounts"))
    assert all(test.ok for test in mounts.tests), mounts
    assert {name for name, ok in states(result).items() if not ok} == {"ext4-16K", "ext4-64K", "swap-16K"}
    refusal = next(test for test in result.tests if test.name == "ext4-64K")
    assert refusal.call == "mount"
    assert refusal.errno == "EINVAL"
    assert "bad block size 65536" in refusal.detail
    lease = next(test for test in result.tests if test.name == "dhcp-lease")
    assert "10.0.2.15" in lease.detail
    assert result.complete


def test_macb_gets_a_lease_with_4k_pages(modular: Kernel) -> None:
    result = read(boot(modular, probe=["network"], machine="xlnx-versal-virt"))
    assert result.complete
    assert result.page_size == 4096
    assert set(states(result).values()) == {True}
    details = {test.name: test.detail for test in result.tests}
    assert details["driver"] == "driver macb"
    assert details["dhcp-lease"].startswith("lease 10.0.2.15 on eth")
    assert int(details["interrupts"].split()[-1]) > 0


def test_without_modules_the_guest_says_which_is_not_there(modular: Kernel) -> None:
    result = read(boot(attrs.evolve(modular, modules=None), probe=["filesystems"]))
    assert result.complete
    assert {test.ok for test in result.tests} == {None}
    assert {test.detail for test in result.tests} == {"module loop is not here"}
    assert verdict(result) is Verdict.UNKNOWN


def test_a_panic_is_an_outcome_with_its_reason(old_kernel: Kernel) -> None:
    recording = boot(old_kernel, probe=["mounts"], arguments=["rdinit=/not-there"])
    result = read(recording)
    assert recording.ended == "reset"
    assert "the kernel panicked: VFS: Unable to mount root fs" in (trouble(recording, result) or "")
    assert verdict(result) is Verdict.UNKNOWN


def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """An init with one more probe, which sorts first and so misbehaves before the others."""
    tree = source_tree()
    assert tree is not None
    shutil.copytree(tree / "probes", tmp_path / "probes")
    (tmp_path / "probes/aaa.c").write_text(
        '#include "guest.h"\n'
        f"static int prepare(struct test *tests, int room) {{ (void)tests; (void)room; {code} return 0; }}\n"
        'PROBE planted = { "mounts", prepare, NULL, 1 };\n'
    )
    built = probe.build_with_any(sorted((tmp_path / "probes").glob("*.[ch]")))
    assert built is not None
    (tmp_path / "init").write_bytes(built[0])
    init = probe.Init(tmp_path / "init", hashlib.sha256(built[0]).hexdigest(), built[1])
    monkeypatch.setattr(boot_module, "find_init", lambda sources: init)


def test_a_guest_that_spins_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old_kernel: Kernel
) -> None:
    planted(tmp_path, monkeypatch, "for (;;) ;")
    recording = boot(old_kernel, probe=["mounts"], timeout=4)
    assert recording.ended == "timeout"
    result = read(recording)
    assert not result.complete
    assert result.page_size == 4096
    assert "the guest hung, ended after" in (trouble(recording, result) or "")


def test_a_guest_that_never_stops_printing_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old_kernel: Kernel
) -> None:
    planted(tmp_path, monkeypatch, 'for (;;) say("more and more and more");')
    monkeypatch.setattr("bootwright.lab.machines.run.MOST_CONSOLE", 60_000)
    recording = boot(old_kernel, probe=["mounts"])
    assert recording.ended == "stopped"
    assert len(recording.console) == 60_000
    assert not read(recording).complete


def test_a_granule_the_cpu_lacks_is_refused_before_the_boot(large_pages: Kernel) -> None:
    with pytest.raises(Refused, match="does not support that page size"):
        boot(large_pages, probe=["mounts"], cpu="cortex-a72")


def test_a_silent_guest_is_given_up(large_pages: Kernel) -> None:
    """The header says 4K, the kernel is a 16K one: on this CPU it stops before its first message."""
    lying = attrs.evolve(large_pages, page_size=4096)
    recording = boot(lying, probe=["mounts"], cpu="cortex-a72", silence=3)
    assert recording.ended == "timeout"
    assert recording.console == b""
    assert recording.wall_seconds < 60
    assert "no console output" in (trouble(recording, read(recording)) or "")


def test_no_qemu_is_one_clear_line(
    old_kernel: Kernel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match="qemu-system-aarch64 is needed to boot a kernel"):
        boot(old_kernel, probe=["mounts"])


def test_a_recording_cut_short_is_never_whole(old_boot: Recording) -> None:
    end = old_boot.console.index(b"bootwright: end")
    for cut in range(0, end + 10, 97):
        result = read(attrs.evolve(old_boot, console=old_boot.console[:cut]))
        assert not result.complete
        assert verdict(result) is not Verdict.WORKS


def test_a_recording_keeps_what_was_run(tmp_path: Path, old_boot: Recording, old_kernel: Kernel) -> None:
    save(old_boot, tmp_path)
    again = load(tmp_path)
    assert again == old_boot
    assert read(again) == read(old_boot)
    assert again.kernel_sha256 == hashlib.sha256(old_kernel.image.read_bytes()).hexdigest()
    assert again.command[0].endswith("qemu-system-aarch64")
    offsets = [offset for offset, _ in again.times]
    seconds = [at for _, at in again.times]
    assert offsets == sorted(set(offsets))
    assert seconds == sorted(seconds)
    assert seconds[-1] <= again.wall_seconds


def test_no_emulator_outlives_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old_kernel: Kernel) -> None:
    marker = f"mark.of.this.test={os.getpid()}.{time.monotonic_ns()}"
    program = (
        "from bootwright.kernels.catalogue import open_library\n"
        "from bootwright.lab.probes.boot import boot\n"
        f"kernel = open_library().get({old_kernel.name!r})\n"
        # Without init the kernel waits for a root device for ever.
        f"boot(kernel, probe=['mounts'],"
        f" arguments=['rdinit=/no', 'root=/dev/no', 'rootwait', 'loglevel=7', {marker!r}],"
        " on_console=lambda chunk: print('alive', flush=True))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"alive\n"
        assert emulators(marker)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.communicate()
    until = time.monotonic() + 5
    while emulators(marker) and time.monotonic() < until:
        time.sleep(0.05)
    assert emulators(marker) == []


def emulators(marker: str) -> list[str]:
    processes = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if b"qemu-system" in line.split(b"\0")[0] and marker.encode() in line:
            processes.append(path.parent.name)
    return processes


def test_the_command_line_gives_the_documented_json(tmp_path: Path, old_kernel: Kernel) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bootwright",
            "boot",
            old_kernel.name,
            "--json",
            "--keep",
            str(tmp_path / "kept"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    tree = source_tree()
    assert tree is not None
    schema = json.loads((tree / "docs/schemas/boot.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document["kernel"] == old_kernel.name
    assert document["page_size"] == 4096
    assert {"name": "talos-1.12-etc-hosts", "ok": False, "errno": "EINVAL"}.items() <= document["tests"][
        0
    ].items()
    assert read(load(tmp_path / "kept")).complete


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["debian-6.12-4k", "--probe", "nothing"], "there is no probe 'nothing'"),
        (["debian-6.12-4k", "--machine", "toaster"], "there is no machine 'toaster'"),
        (["./no/such/Image"], "there is no file ./no/such/Image"),
        ([__file__], "expected an arm64 kernel image"),
    ],
)
def test_bad_input_is_one_line_and_a_hint(arguments: list[str], says: str) -> None:
    done = in_process("boot", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert says in lines[-2]
    assert lines[-1].startswith("  hint: ")


def test_overlays_of_descriptors_are_refused_by_6_12_and_paths_work(library: Library) -> None:
    """Talos 1.14's /etc: the descriptors fail, and layers by path take their place; at 16K."""
    old = library.get("debian-6.12-16k", modules=True)
    results = {test.name: test for test in read(boot(old, probe=["overlays"])).tests}
    assert results["talos-1.14-etc-overlay"].errno == "EBADF"
    assert results["overlay-of-attached-descriptors"].errno == "EBADF"
    assert results["talos-1.14-udev-hwdb"].errno == "EINVAL"
    for step in ("overlay-of-paths", "overlay-of-hidden-paths", "hidden-file-by-name"):
        assert results[step].ok, step


def test_overlays_of_descriptors_work_with_6_18(modular: Kernel) -> None:
    tests = read(boot(modular, probe=["overlays"])).tests
    assert len(tests) == 6
    assert all(test.ok for test in tests)
