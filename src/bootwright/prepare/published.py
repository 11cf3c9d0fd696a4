"""Where a system's published image for a board is, by version: an address made of data."""

from __future__ import annotations

from attrs import frozen

from bootwright.boards.model import Board
from bootwright.foundation.choices import hint_for
from bootwright.foundation.errors import Refused
from bootwright.foundation.versions import Version
from bootwright.kernels.releases import RELEASES, version_of
from bootwright.predict.by_release.known import Subject, advised
from bootwright.prepare.factory.schematic import Overlay as Asked
from bootwright.prepare.factory.schematic import Schematic, schematic_id
from bootwright.prepare.knowledge import PREPARATIONS, Overlay, Preparation


@frozen
class Published:
    """The image of one version for one board."""

    address: str
    version: Version
    overlay: Overlay


def subject_of(preparation: Preparation, board: Board, stepping: str | None) -> Subject | None:
    """A system's published images for a board, as what is known of its releases is asked about them.

    None where there are none, and where the system's releases are not known.
    """
    known = RELEASES.all().get(preparation.id)
    overlays = preparation.images.overlays if preparation.images is not None else ()
    own = [overlay for overlay in overlays if overlay.board == board.id]
    if known is None or not own:
        return None
    image = own[-1].image.rpartition("/")[2]
    return Subject(preparation.title, board, stepping, image, own, known, at_hand=False)


def published(
    preparation: Preparation, board: Board, version: str | None, stepping: str | None = None
) -> Published:
    """The image of a version for a board; without one, of the newest that nothing known speaks against.

    Raises `Refused` for a system whose images' place is not known, a board that it has none for, and a
    version that is none or came before the board's image.
    """
    images = preparation.images
    if images is None:
        raise Refused(
            f"where images of {preparation.title} are is not known", hint="give one with --image FILE or URL"
        )
    known_releases = RELEASES.get(preparation.id)
    subject = subject_of(preparation, board, stepping)
    advice = advised(subject) if subject is not None else None
    wanted = version_of(version, known_releases) if version is not None else known_releases.newest
    if version is None and advice is not None and advice.releases:
        wanted = advice.releases[-1].version
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
        which = (advice.words if advice is not None else "") or f"{since} or newer"
        raise Refused(
            f"{preparation.title} {wanted} has no image for {board.name}: the first one is of {since}",
            hint=f"ask for --version {which}, or give an image of your own with --image FILE",
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
