"""Where a system's published image for a board is, by version: an address made of data."""

from __future__ import annotations

from attrs import frozen

from bootwright.boards.model import Board
from bootwright.foundation.choices import hint_for
from bootwright.foundation.errors import Refused
from bootwright.foundation.versions import Version
from bootwright.kernels.releases import RELEASES, version_of
from bootwright.prepare.factory.schematic import Overlay as Asked
from bootwright.prepare.factory.schematic import Schematic, schematic_id
from bootwright.prepare.knowledge import PREPARATIONS, Overlay, Preparation


@frozen
class Published:
    """The image of one version for one board."""

    address: str
    version: Version
    overlay: Overlay


def published(preparation: Preparation, board: Board, version: str | None) -> Published:
    """The image of a version (the newest known without one) for a board.

    Raises `Refused` for a system whose images' place is not known, a board that it has none for, and a
    version that is none or came before the board's image.
    """
    images = preparation.images
    if images is None:
        raise Refused(
            f"where images of {preparation.title} are is not known", hint="give one with --image FILE or URL"
        )
    known_releases = RELEASES.get(preparation.id)
    wanted = known_releases.newest if version is None else version_of(version, known_releases)
    overlays = [overlay for overlay in images.overlays if overlay.board == board.id]
    if not overlays:
        known = dict.fromkeys(overlay.board for overlay in images.overlays)
        raise Refused(
            f"no published image of {preparation.title} is known for {board.name}",
            hint=f"give one with --image FILE; there are such images for {', '.join(known)}",
        )
    fitting = [overlay for overlay in overlays if overlay.since is None or wanted >= overlay.since]
    if not fitting:
        since = min(overlay.since for overlay in overlays if overlay.since is not None)
        raise Refused(
            f"{preparation.title} {wanted} has no image for {board.name}: the first one is of {since}",
            hint=f"ask for --version {since} or newer, or give an image of your own with --image FILE",
        )
    overlay = fitting[-1]
    number = wanted.text.removeprefix("v")
    schematic = schematic_id(Schematic(overlay=Asked(overlay.image, overlay.name)))
    address = images.address.format(schematic=schematic, version=number)
    return Published(address, wanted, overlay)


def system_named(name: str) -> Preparation:
    """The system a user names; raises `Refused` with the one that was meant."""
    known = {preparation.id: preparation for preparation in PREPARATIONS.all().values()}
    if name not in known:
        raise Refused(
            f"{name} is neither a system that is known, nor a file",
            hint=hint_for(name, known, kind="systems", otherwise="give an image: bootwright prepare FILE"),
        )
    return known[name]
