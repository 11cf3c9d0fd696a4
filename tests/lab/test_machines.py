from __future__ import annotations

import stat
from pathlib import Path

import pytest

from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.places import data_files
from bootwright.lab.machines import machine as machines
from bootwright.lab.machines import qemu
from bootwright.lab.probes.filesystems import cases

OLD_QEMU = """#!/bin/sh
# A fake: QEMU 6.2 is not to be had here, and only what it says of itself matters to this test.
case "$1" in
  --version) echo "QEMU emulator version 6.2.0 (Debian 1:6.2+dfsg-2)" ;;
  -machine) echo "Supported machines are:"; echo "virt  QEMU 6.2 ARM Virtual Machine" ;;
esac
"""


@pytest.mark.parametrize("path", data_files("machines"), ids=lambda path: path.stem)
def test_each_machine_says_what_it_stands_for(path: Path) -> None:
    machine = machines.MACHINES.load(path)
    assert machine.processors
    assert machine.stands_for
    assert machine.limits
    assert all(granule in {4096, 16384, 65536} for cpu in machine.processors for granule in cpu.granules)


def test_the_cpu_is_chosen_by_granule() -> None:
    virt = machines.MACHINES.get("virt")
    assert 16384 in virt.processor(16384).granules
    with pytest.raises(Refused, match="does not support that page size"):
        virt.processor(16384, model="cortex-a72")
    with pytest.raises(Refused, match="16K pages cannot boot on xlnx-versal-virt"):
        machines.MACHINES.get("xlnx-versal-virt").processor(16384)
    with pytest.raises(Refused, match="no CPU model"):
        virt.processor(4096, model="z80")
    with pytest.raises(Refused, match="there is no machine"):
        machines.MACHINES.get("../virt")


@pytest.mark.parametrize("text", ["", "machine = 3", "= broken", "\x00", "[[cpu]]\nmodel = 1"])
def test_a_bad_machine_file_is_malformed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(Malformed, match=r"bad\.toml"):
        machines.MACHINES.load(path)


def test_no_qemu_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match="qemu-system-aarch64 is needed to boot a kernel") as caught:
        qemu.find()
    assert caught.value.hint == "install qemu-system-arm"


def test_an_old_qemu_is_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "qemu-system-aarch64"
    fake.write_text(OLD_QEMU)
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))
    emulator = qemu.find()
    assert emulator.title == "QEMU 6.2.0"
    virt = machines.MACHINES.get("virt")
    with pytest.raises(Missing, match=r"needs QEMU 7\.2 or later; .* is 6\.2\.0"):
        qemu.check(emulator, virt, virt.processor(4096))


def test_a_qemu_without_the_machine_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "qemu-system-aarch64"
    fake.write_text(OLD_QEMU.replace("6.2", "99.0"))
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))
    versal = machines.MACHINES.get("xlnx-versal-virt")
    with pytest.raises(Missing, match="built without machine xlnx-versal-virt"):
        qemu.check(qemu.find(), versal, versal.processor(4096))


def test_the_real_qemu_is_asked_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path))
    first = qemu.find()
    assert "virt" in first.machines
    monkeypatch.setattr(qemu.tools, "run", lambda *args, **kwargs: pytest.fail("asked again"))
    assert qemu.find() == first


def test_a_damaged_answer_is_asked_for_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path))
    first = qemu.find()
    (kept,) = (tmp_path / "qemu").iterdir()
    kept.write_text('{"version": "banana", "machines": []}')
    assert qemu.find() == first


def test_each_file_system_case_has_its_own_name() -> None:
    names = [case.name for case in cases()]
    assert len(names) == len(set(names)) >= 9
