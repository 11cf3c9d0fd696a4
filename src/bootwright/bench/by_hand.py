"""A board without a laboratory: a person puts the card in and switches it; a serial adapter may be there."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from attrs import define, frozen

from bootwright.bench.lines import Address, check_device, speed_of
from bootwright.bench.session import Bench
from bootwright.bench.settings import BoardSettings
from bootwright.boards.addresses import told_address
from bootwright.foundation.errors import Refused
from bootwright.foundation.processes.program import as_root
from bootwright.foundation.progress import Progress


class Person(Protocol):
    """Whoever sits at the board. Raises `EOFError` or `KeyboardInterrupt` where nobody answers."""

    def tell(self, text: str) -> None:
        """Say something that needs no answer."""
        ...

    def wait(self, text: str) -> None:
        """Say what is to be done, and wait until it is."""
        ...

    def choose(self, question: str, choices: tuple[str, ...]) -> str:
        """One of the choices."""
        ...

    def ask(self, question: str) -> str:
        """A text; empty for none."""
        ...


@define
class ByHandBoard:
    """A board that a person handles; see `Board`."""

    person: Person
    address: Address | None
    is_on: bool = False

    @property
    def name(self) -> str:
        """It has none."""
        return "by hand"

    def deploy(self, image: Path) -> str:
        """The person writes the card."""
        command = shlex.join([*as_root(), "flash", str(image), "DEVICE"])
        self.person.tell(f"Write the image to the card: {command}")
        self.person.wait("Put the card in. The board stays switched off")
        return "by hand"

    def power_on(self) -> None:
        """The console is read already: nothing is missed, however long it takes."""
        self.is_on = True
        self.person.wait("Power on, with the network cable in")

    def power_off(self) -> None:
        """Said where it is on."""
        if self.is_on:
            self.person.tell("Switch the board off.")
        self.is_on = False

    def console(self) -> Address | None:
        """The adapter, where there is one."""
        return self.address

    def facts(self) -> dict[str, object]:
        """The adapter alone is known."""
        return {"engine": "by hand", "serial": str(self.address) if self.address is not None else ""}

    def close(self) -> None:
        """Nothing is held."""


@contextlib.contextmanager
def open_by_hand(person: Person, serial: str | None, baud: int, progress: Progress) -> Iterator[Bench]:
    """A board that a person handles; `serial` is the adapter's device, `baud` its speed.

    Raises `Missing` and `Refused` for a device that is not there or is none.
    """
    address = None
    if serial is not None:
        speed_of(baud)
        check_device(serial)
        address = Address("serial", device=serial, speed=baud)
    yield Bench(ByHandBoard(person, address), BoardSettings(), None, (), progress)


@frozen
class Answers:
    """What a person saw, as `observe` takes it; None for what they do not know."""

    lights: str | None
    address: str | None
    led: str | None
    log: str | None
    """A file: a log, or the text of a photo."""

    @property
    def given(self) -> dict[str, str]:
        """What they know, but for the log."""
        answers = {"lights": self.lights, "address": self.address, "led": self.led}
        return {name: answer for name, answer in answers.items() if answer}


def look(person: Person, *, with_led: bool) -> Answers:
    """Ask a person what the board shows: two questions, and what they can give beside.

    `with_led`: the board is known, and so what its status LED means.
    """
    person.tell("Give it two minutes. Then look.")
    lights = person.choose("Are the lights of the Ethernet socket on?", ("on", "off", "?"))
    address = _address(person)
    led, log = "", ""
    if address in {"", "none"}:
        if with_led:
            led = person.ask(
                "Its status LED: off, steady, activity, or LONG+SHORT flashes (Enter: not known)"
            )
        log = person.ask("A file with a log, or with the text of a photo of the screen (Enter: none)")
    return Answers(None if lights == "?" else lights, address or None, led or None, log or None)


def _address(person: Person) -> str:
    """What they give, `none`, or empty where they did not look; asked again where it is neither."""
    while True:
        text = person.ask("The board's address in the router's list (none, if there is none)")
        try:
            return (told_address(text) or "none") if text else ""
        except Refused as error:
            person.tell(f"{error.message}: {error.hint}")
