"""The order in which a card behind an SD mux is handed over.

The mux and the card reader are stand-ins: labgrid's drivers want devices of udev, which cannot be here.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from bootwright.bench.deploying import Deployer
from bootwright.bench.settings import Deploy
from bootwright.foundation.errors import Missing, Refused, ToolFailed


class USBSDMuxDriver:
    def __init__(self, log: list[str]) -> None:
        self.log = log

    def set_mode(self, mode: str) -> None:
        self.log.append(f"mux {mode}")


class LXAUSBMuxDriver:
    def __init__(self, log: list[str]) -> None:
        self.log = log

    def set_links(self, links: list[str]) -> None:
        self.log.append(f"links {links[0]}")


class USBStorageDriver:
    storage = SimpleNamespace(path="/dev/sdx")

    def __init__(self, log: list[str], *, broken: bool = False) -> None:
        self.log, self.broken = log, broken

    def write_image(self, name: str) -> None:
        if self.broken:
            raise OSError("no medium")
        self.log.append(f"write {name}")


class Target:
    def __init__(self, *drivers: object) -> None:
        self.drivers = drivers

    def activate(self, _: object) -> None:
        pass

    def deactivate(self, _: object) -> None:
        pass


def test_the_card_is_written_at_the_host_and_given_to_the_board() -> None:
    log: list[str] = []
    deployer = Deployer(Target(USBSDMuxDriver(log), USBStorageDriver(log)), Deploy(), "bench.yaml: pi5")
    deployer.check()
    assert deployer.deploy(Path("card.raw")) == "written to /dev/sdx by USBSDMuxDriver"
    assert log == ["mux host", "write card.raw", "mux dut"]


def test_a_card_that_cannot_be_written_goes_back_to_the_board() -> None:
    log: list[str] = []
    target = Target(LXAUSBMuxDriver(log), USBStorageDriver(log, broken=True))
    with pytest.raises(OSError, match="no medium"):
        Deployer(target, Deploy(), "bench.yaml: pi5").deploy(Path("card.raw"))
    assert log == ["links host-device", "links dut-device"]


def test_where_no_way_is_known() -> None:
    for settings in (Deploy(), Deploy(serve="disk.img"), Deploy(boot_files=".")):
        with pytest.raises(Refused, match="pi5"):
            Deployer(Target(), settings, "bench.yaml: pi5").check()


@pytest.mark.parametrize(
    ("command", "error"),
    [(("no-such-program", "{image}"), Missing), (("false", "{image}"), ToolFailed)],
)
def test_a_command_that_cannot_do_it(command: tuple[str, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        Deployer(Target(), Deploy(command=command), "bench.yaml: pi5").deploy(Path("card.raw"))


def test_a_command_that_takes_too_long() -> None:
    slow = Deploy(command=("sh", "-c", "sleep 100 # {image}"), timeout=0.2)
    with pytest.raises(ToolFailed, match=r"did not end in 0\.2 s"):
        Deployer(Target(), slow, "bench.yaml: pi5").deploy(Path("card.raw"))
