"""What is known of preparing a system for a board: where its image is, and what to look for after power-on.

`data/preparations/SYSTEM.toml` is of one operating system, `any.toml` of every one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from attrs import field, frozen

from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import LONE, STEM, key
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version

ANY = "any"
"""The file that holds for every system."""

Asked = Literal["led", "lights", "address", "service"]
"""What a person can be asked: the board's status LED, the lights of the Ethernet socket, an address in the
router's list, and whether the system's own service answers there."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,120}")


def _check_name(text: str) -> None:
    if not _NAME.fullmatch(text):
        raise ValueError("letters, digits and . _ / -", text)


@frozen
class Copied:
    """What an overlay's program copies: an artifact, a file or a folder, to the boot partition."""

    source: str = field(metadata=key("from"))
    """Below the overlay's artifacts."""
    target: str = field(default="", metadata=key("to"))
    """Below the partition's root; empty for the root, of a folder."""

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` for a path that leads elsewhere."""
        for path in (self.source, self.target):
            if path.startswith("/") or ".." in path.split("/"):
                raise ValueError("a path without .. and without a slash in front", path)


@frozen
class Overlay:
    """The overlay that an image factory puts into an image for a board."""

    board: str
    image: str
    name: str
    source: str
    since: Version | None = None
    """The first version of the system that has it for the board."""
    also: bool = False
    """It is named after another board, which a schematic with it is about where no board is named."""
    options: tuple[str, ...] = ()
    """The options it reads; others are passed over in silence."""
    config_txt: Mapping[str, str] = field(factory=dict)
    """What a config.txt that replaces the overlay's must still set, for the image to start."""
    bootloader: str = ""
    """What its profile makes images with, as a schematic names it; empty where that is not known."""
    copies: tuple[Copied, ...] = field(default=(), metadata=key("copy"))
    """What its program copies to the boot partition, in order; none where that is not known."""
    writes_config_txt: bool = False
    """Whether it writes config.txt too, which is inside the program."""

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` for a name that is none of an image."""
        _check_name(self.image)
        _check_name(self.name)


@frozen
class Images:
    """Where images of a system are published."""

    address: str
    """With `{schematic}` and `{version}` in it."""
    installer: str
    """The container image to upgrade to, likewise."""
    source: str
    overlays: tuple[Overlay, ...] = field(default=(), metadata=key("overlay"))

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` for an address without its two places."""
        for place in ("{schematic}", "{version}"):
            if place not in self.installer:
                raise ValueError("an image's name with {schematic} and {version}", self.installer)
            if place not in self.address or not self.address.startswith("https://"):
                raise ValueError("an https address with {schematic} and {version}", self.address)


@frozen
class Look:
    """One thing to look for after power-on."""

    name: str
    see: str
    """`{led}` and `{ethernet}` stand for the board's lights, `{address}` for the address that was seen."""
    seconds: int
    """From power-on until it should be there."""
    asks: Asked
    reached: tuple[str, ...] = field(metadata=LONE)
    """The answers with which it is there."""
    missed: tuple[str, ...] = field(metadata=LONE)
    """The answers with which it is not."""
    means: str
    """What it means where it is not there."""
    next: str
    """What to do then."""
    goal: str = ""
    """The goal of a board that it shows."""
    means_alone: str = ""
    """What it means where what comes before it for the same goal was not asked; empty for no difference."""
    next_alone: str = ""
    is_reached: Verdict = Verdict.UNKNOWN
    """What of that goal is known where it is there."""
    is_missed: Verdict = Verdict.UNKNOWN
    """What of that goal is known where it is not there."""
    without_kernel: str = ""
    """How it may be there though no kernel was started; empty for what only a running system shows."""
    system_unknown: bool = False
    """Whether it is asked only where the system is not known; those that are have their own."""
    source: str = ""


@frozen
class Proof:
    """What in a log shows that a goal is reached, or is not."""

    goal: str
    works: tuple[str, ...] = ()
    """Signatures of findings."""
    reached: tuple[str, ...] = ()
    """Milestones that show it, by their labels: `Talos is ready`."""
    fails: tuple[str, ...] = ()
    """Signatures of findings; they count where the finding is serious."""


@frozen
class Preparation:
    """What is known of one operating system."""

    id: str = field(metadata=STEM)
    title: str
    source: str
    systems: tuple[str, ...] = ()
    """Its ID in os-release."""
    goals: tuple[str, ...] = ()
    """The goals of a board that it cannot do without."""
    images: Images | None = None
    look: tuple[Look, ...] = ()
    proof: tuple[Proof, ...] = ()
    service: int = 0
    """The TCP port of the service that waits for a configuration (TLS, HTTP/2); 0 where there is none."""
    service_name: str = ""
    """The common name of that service's certificate, as long as it waits."""
    then: str = ""
    """What to do with it once all of that is seen; `{address}` is the address."""


PREPARATIONS = Kind("preparations", "a system's preparation", Preparation)


def of_system(systems: Sequence[str]) -> Preparation:
    """What is known of the first of these operating systems (IDs of os-release); else what holds for any."""
    for known in PREPARATIONS.all().values():
        if known.id != ANY and any(system in known.systems for system in systems):
            return known
    return PREPARATIONS.get(ANY)


def looks(preparation: Preparation) -> tuple[Look, ...]:
    """What to look for, in its order: what holds for any system, and then the system's own."""
    common = PREPARATIONS.get(ANY).look
    if preparation.id == ANY:
        return common
    return (*(look for look in common if not look.system_unknown), *preparation.look)


def proofs(preparation: Preparation) -> tuple[Proof, ...]:
    """What a log proves: of any system, and of this one."""
    common = PREPARATIONS.get(ANY).proof
    return common if preparation.id == ANY else (*common, *preparation.proof)
