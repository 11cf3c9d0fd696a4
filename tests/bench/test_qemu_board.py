"""A boot on a QEMU machine behind labgrid: all is real but the copper.

Its serial pty is exported by a real exporter of a real coordinator; it is switched by an external command,
and driven through a remote place.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import board_kit
import lab_kit
import pytest
from boot_disk_kit import boot_disk

from bootwright import api
from bootwright.foundation.errors import Missing
from bootwright.foundation.verdict import Verdict
from bootwright.lab.machines.firmware import firmware


@pytest.mark.boot
@pytest.mark.download
@pytest.mark.skipif(
    shutil.which("ser2net") is None and not Path("/usr/sbin/ser2net").exists(),
    reason="ser2net is not installed",
)
def test_a_machine_behind_a_coordinator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    try:
        loader = firmware("uboot")
    except Missing as error:
        pytest.skip(f"{error.message}: {error.hint}")
    image = boot_disk(tmp_path)
    command = ["qemu-system-aarch64", "-machine", "virt", "-cpu", "max", "-m", "1024", "-nodefaults"]
    command += ["-no-user-config", "-display", "none", "-chardev", "stdio,id=console,signal=off"]
    command += ["-serial", "chardev:console", *loader.arguments()]
    command += ["-drive", "if=none,id=disk,format=raw,file=card.img", "-device", "virtio-blk-pci,drive=disk"]
    with (
        board_kit.board(tmp_path / "pi5-a", command) as board,
        lab_kit.lab(tmp_path / "lab", {"pi5-a": board}) as address,
    ):
        path = lab_kit.environment(tmp_path / "lab.yaml", address, {"pi5-a": board})
        booted = api.bench_run(image=image, environment=path, until="ktap", timeout=240)
        assert board_kit.power(board, "get") == "off"
    assert booted.verdict is Verdict.WORKS, booted.record.reason
    console = (booted.folder / "console.bin").read_bytes()
    assert b"U-Boot 20" in console
    assert b"not ok 1 talos-1.12-etc-hosts" in console
    names = [milestone.name for milestone in booted.record.milestones]
    assert any(name.startswith("Linux 6.12") for name in names)
    seconds = [milestone.seconds for milestone in booted.record.milestones]
    assert 0 < seconds[0] <= seconds[-1] <= booted.record.seconds
    assert booted.record.facts["places"] == ["pi5-a"]
