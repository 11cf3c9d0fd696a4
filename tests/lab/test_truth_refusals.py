"""Recordings that are not taken: the guest had less to load from than it was given."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from attrs import evolve

from bootwright.foundation.errors import BootwrightError, ToolFailed
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.model import Kernel
from bootwright.lab.truth.recording import Failure, parse
from bootwright.lab.truth.refusals import Given, refuse

GIVEN = Given(modules=16, aliases=15)
WHOLE = b"[ 1.0] bw1: truth tables 16 15\r\n[ 2.0] bw1: truth 7 loads 3 0 0\r\n"


def refused(console: bytes, match: str, given: Given = GIVEN) -> None:
    with pytest.raises(ToolFailed, match=match):
        refuse(console, "bw1", given)


def test_a_guest_that_had_everything_is_taken() -> None:
    refuse(WHOLE, "bw1", GIVEN)
    refuse(WHOLE.replace(b"3 0 0", b"3 2 0"), "bw1", GIVEN)  # some of them the kernel may well refuse
    refuse(WHOLE.replace(b"3 0 0", b"0 0 0"), "bw1", GIVEN)  # nothing was asked for
    refuse(b"", "bw1", GIVEN)


def test_an_archive_that_did_not_arrive_whole_is_refused() -> None:
    refused(WHOLE.replace(b"16 15", b"16 9"), "9 of 15 aliases")
    refused(WHOLE.replace(b"16 15", b"0 0"), "0 of 16 modules")
    refused(b"[ 0.5] Initramfs unpacking failed: write error\r\n" + WHOLE, "not unpacked: .*write error")
    refused(WHOLE.replace(b"3 0 0", b"3 0 2"), "2 files of modules")


def test_modules_that_never_came_are_refused_unless_that_was_asked_for() -> None:
    never = WHOLE.replace(b"3 0 0", b"0 4 0")
    refused(never, "none of the 4 modules")
    refuse(never, "bw1", evolve(GIVEN, forbidden=True))


def test_what_the_guest_itself_prints_is_no_message_of_the_kernel() -> None:
    quoted = b"[ 1.0] bw1: truth 3 failed x: Initramfs unpacking failed: junk\r\n"
    refuse(WHOLE + quoted, "bw1", GIVEN)
    refuse(WHOLE + b"[ 1.0] bw2: truth tables 0 0\r\n", "bw1", GIVEN)  # another boot's mark


@pytest.mark.parametrize(
    "words",
    [
        "macb 6.eth: probe with driver macb failed with error -22",
        "macb: probe of 6.eth failed with error -22",
        "macb: probe of 6.eth rejects match -22",
    ],
)
def test_both_wordings_of_a_failed_probe_are_read(words: str) -> None:
    console = f"[ 1.0] bw1: truth 0 failed {words}\n[ 1.1] bw1: truth 1 end\n".encode()
    truth = parse(console, "bw1", machine="m", kernel="k", release="r", emulator="q")
    assert truth is not None
    assert truth.failures == (Failure("6.eth", "macb", 22),)


def a_kernel() -> Kernel:
    try:
        return open_library().get("debian-6.18-4k", modules=True)
    except BootwrightError as error:
        pytest.skip(str(error))


def cut(archive: bytes) -> bytes:
    """The archive without its end: the last module is cut, and the tables are missing."""
    return archive[: archive.rindex(b"bootwright/truth.modules") - 2000]


def damaged(archive: bytes) -> bytes:
    """The archive with every module (an xz stream) made unreadable."""
    return re.sub(rb"\xfd7zXZ\0", b"\0\0\0\0\0\0", archive)


@pytest.mark.boot
@pytest.mark.download
@pytest.mark.parametrize(
    ("spoil", "match"),
    [(cut, "archive was not unpacked|of 3 modules"), (damaged, "none of the .* could be loaded")],
)
def test_a_boot_from_a_spoilt_archive_is_refused(spoil: object, match: str, tmp_path: Path) -> None:
    from bootwright.lab.truth.machines import truth_machine
    from bootwright.lab.truth.modules import pack
    from bootwright.lab.truth.record import record

    kernel = a_kernel()
    archive = pack(kernel, ["gpio_keys", "qemu_fw_cfg", "virtio_mmio"])
    spoilt = tmp_path / "spoilt.cpio"
    spoilt.write_bytes(spoil(archive.path.read_bytes()))
    machine = truth_machine("virt").with_devicetree(kernel)
    with pytest.raises(ToolFailed, match=match):
        record(kernel, machine, archive=evolve(archive, path=spoilt), settle=2, brief=True)


@pytest.mark.boot
@pytest.mark.download
def test_a_guest_does_not_read_its_own_lines_as_the_kernels() -> None:
    from bootwright.lab.truth.machines import truth_machine
    from bootwright.lab.truth.modules import pack
    from bootwright.lab.truth.record import record

    kernel = a_kernel()
    archive = pack(kernel, ["gpio_keys", "qemu_fw_cfg", "virtio_mmio"])
    machine = truth_machine("virt").with_devicetree(kernel)
    truth, console = record(kernel, machine, archive=archive, settle=2, brief=True)
    stated = re.findall(rb"truth \d+ failed ([^\r\n]*)", console)
    assert stated  # empty virtio slots: the driver's probe gives -ENODEV, which is told on request
    assert not [words for words in stated if b"truth" in words]
    assert {"virtio_mmio", "gpio_keys"} <= set(truth.loaded)
    assert truth.fdt == b""
    assert all(not interface.dhcp for interface in truth.interfaces)
