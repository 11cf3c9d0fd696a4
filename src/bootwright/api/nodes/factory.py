"""A Talos image before it is made, and a node that comes up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from bootwright.api._common import paths

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.foundation.versions import Version
    from bootwright.kernels.releases import OverlayTrees, Release, Releases
    from bootwright.prepare.factory.foretold import Foretold
    from bootwright.prepare.factory.schematic import Schematic
    from bootwright.prepare.factory.stand_in import StandIn
    from bootwright.prepare.knowledge import Preparation

TALOS_SCHEMA = "bootwright/talos/1"
_SYSTEM = "talos"


@frozen
class ForetoldImage:
    """What is known of a schematic's image before it is made."""

    foretold: Foretold
    address: str
    """Where the factory has the image, once it was given the schematic; empty where its id is not known."""
    installer: str
    """The same image as `talosctl upgrade --image` takes it."""

    @property
    def verdict(self) -> Verdict:
        """`fails` where something certain fails; `works` only with the image's own kernel and devicetrees."""
        return self.foretold.verdict

    @property
    def id(self) -> str:
        """The schematic's id; empty where it is not known (`.foretold.not_known` says why)."""
        return self.foretold.identity

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/talos.schema.json."""
        foretold = self.foretold
        return {
            "schema": TALOS_SCHEMA,
            "verdict": foretold.verdict.value,
            "id": foretold.identity or None,
            "id_not_known": foretold.not_known or None,
            "version": foretold.version.text.removeprefix("v"),
            "kernel": str(foretold.release.kernel) if foretold.release is not None else None,
            "board": foretold.board.id,
            "stepping": foretold.stepping,
            "overlay": {
                "name": foretold.schematic.overlay.name or None,
                "image": foretold.schematic.overlay.image or None,
                "version": _overlay_version(foretold.schematic, foretold.release) or None,
                "devicetrees": foretold.trees.of if foretold.trees is not None else None,
            },
            "remarks": [remark.as_json() for remark in foretold.remarks],
            "judged_with": foretold.judged_with or None,
            "exact": foretold.exact,
            "goals": [goal.as_json() for goal in foretold.goals],
            "hazards": [hazard.as_json() for hazard in foretold.hazards],
            "missing": list(foretold.missing),
            "address": self.address or None,
            "installer": self.installer or None,
        }


def talos(
    schematic: str | Path,
    *,
    version: str | None = None,
    board: str | None = None,
    revision: str | None = None,
    stepping: str | None = None,
    kernel: str | Path | None = None,
    dtbs: str | Path | Sequence[str | Path] = (),
    image: str | Path | None = None,
    progress: Progress | None = None,
) -> ForetoldImage:
    """Say what an image of this schematic will do on a board, before it is made or downloaded.

    `schematic` is the YAML file that the image factory is given; `version` is Talos's [the newest known];
    `board` may be left out where the overlay is one board's. `kernel` is the image's own kernel (a catalogue
    name, `vmlinuz`, a folder) and `dtbs` its devicetrees, where they are at hand: with both the prediction is
    that of `check`, unless the kernel is of another release. `image` is the image itself or its installer (a
    file, a URL, `oci://HOST/NAME:TAG`), where it is at hand: it is checked, and held against version and
    arguments that are asked for. Without any, a kernel on this machine of the same series stands in, and no
    verdict but a certain failure is given; then nothing is fetched.

    Returns a `ForetoldImage`: `.id`, `.verdict`, `.foretold`, `.address`, `.as_json()`. Raises `Malformed`
    for a file that is no schematic, `Refused` for a board or version that does not exist, `Missing` for a
    file that is not there.

        talos("schematic.yaml", version="1.12.6", board="raspberrypi-5", revision="e04171").id
    """
    from bootwright.api.asked import asked_boards
    from bootwright.api.nodes.judging import judged_like
    from bootwright.foundation.errors import Refused
    from bootwright.kernels.releases import RELEASES, version_of
    from bootwright.predict.by_release.by_version import OwnKernel
    from bootwright.predict.by_release.known import Subject, by_versions, hazards_by_versions
    from bootwright.prepare.factory.canonical import NotKnown
    from bootwright.prepare.factory.foretold import (
        Foretold,
        overlays_of,
        remarks_of,
        version_hazards,
        with_release,
    )
    from bootwright.prepare.factory.schematic import load_schematic, schematic_id
    from bootwright.prepare.factory.stand_in import image_itself, stand_in
    from bootwright.prepare.knowledge import PREPARATIONS

    asked = load_schematic(Path(schematic))
    preparation, known = PREPARATIONS.get(_SYSTEM), RELEASES.get(_SYSTEM)
    wanted = version_of(version, known) if version is not None else known.newest
    (chosen,), stepping = asked_boards(
        (board or _board_of(asked, preparation),), revision=revision, stepping=stepping
    )
    release = known.of(wanted)
    try:
        identity, not_known = schematic_id(asked), ""
    except NotKnown as error:
        identity, not_known = "", str(error)
    remarks = list(remarks_of(asked, wanted, chosen, preparation, known))
    own = OwnKernel(release, preparation.systems, known.uname(release)) if release is not None else None
    if own is not None:
        remarks += version_hazards(own)
    trees = (
        known.trees_in(release, _overlay_name(asked), chosen.steppings[0].dtb)
        if release is not None
        else None
    )
    number = wanted.text.removeprefix("v")
    if image is not None and kernel is not None:
        raise Refused("a kernel, and an image with one", hint="give one of --kernel and --image")
    given = str(kernel) if kernel is not None else ""
    stands_in = (
        image_itself(str(image), paths(dtbs))
        if image is not None
        else stand_in(f"{_SYSTEM}-{number}-4k", own, trees, given, paths(dtbs))
    )
    which = {
        "os": f"{_SYSTEM}={number}",
        "revision": revision,
        "stepping": None if revision is not None else stepping,
    }
    subject = Subject(
        title=preparation.title,
        board=chosen,
        stepping=stepping or (chosen.steppings[0].name if len(chosen.steppings) == 1 else None),
        image=_overlay_name(asked),
        overlays=[overlay for overlay in overlays_of(preparation, asked) if overlay.board == chosen.id],
        known=known,
        at_hand=stands_in.exact,
    )
    remarks += by_versions(subject, wanted)
    # Of an image at hand it is said what to change in it, of one to be made which release to ask for.
    instead = () if stands_in.whole else tuple(by_versions(evolve(subject, at_hand=False), wanted))
    like = judged_like(stands_in, asked, chosen, which, own=own, progress=progress)
    remarks += like.remarks
    by_version = tuple(hazards_by_versions(subject, wanted))
    said = {hazard.text for hazard in by_version}
    overlay_words = _overlay_words(asked, release, known)
    missing = _missing(wanted, release, trees, overlay_words, stands_in, lacks=like.lacks)
    foretold = Foretold(
        schematic=asked,
        identity=identity,
        not_known=not_known,
        version=wanted,
        release=release,
        board=chosen,
        stepping=stepping,
        trees=trees,
        remarks=tuple(remarks),
        judged_with=like.words,
        exact=stands_in.exact,
        goals=tuple(with_release(goal, instead) for goal in like.goals),
        hazards=(*by_version, *(hazard for hazard in like.hazards if hazard.text not in said)),
        missing=missing,
    )
    address = installer = ""
    if identity and preparation.images is not None:
        address = preparation.images.address.format(schematic=identity, version=number)
        installer = preparation.images.installer.format(schematic=identity, version=number)
    return ForetoldImage(foretold, address, installer)


def _board_of(schematic: Schematic, preparation: Preparation) -> str:
    from bootwright.foundation.errors import Refused
    from bootwright.prepare.factory.foretold import overlays_of

    boards = [overlay.board for overlay in overlays_of(preparation, schematic) if not overlay.also]
    if len(boards) == 1:
        return boards[0]
    name = schematic.overlay.name
    why = (
        f"the overlay {name} is for several boards"
        if boards
        else "the schematic does not say for which board"
    )
    hint = f"give --board {' or '.join(boards)}" if boards else "give --board NAME (bootwright boards list)"
    raise Refused(why, hint=hint)


def _overlay_name(schematic: Schematic) -> str:
    return schematic.overlay.image.rpartition("/")[2]


def _overlay_version(schematic: Schematic, release: Release | None) -> str:
    return release.overlays.get(_overlay_name(schematic), "") if release is not None else ""


def _overlay_words(schematic: Schematic, release: Release | None, known: Releases) -> str:
    """`sbc-raspberrypi 0.2.0 or newer (which one is not known here)`; empty without an overlay."""
    name = _overlay_name(schematic)
    version, sure = known.overlay_of(release, name) if release is not None and name else ("", False)
    unsure = f"{version} or newer (which one is not known here)" if version else ""
    return f"{name} {version if sure else unsure}".strip()


def _missing(
    version: Version,
    release: Release | None,
    trees: OverlayTrees | None,
    overlay: str,
    stand_in: StandIn,
    *,
    lacks: str,
) -> tuple[str, ...]:
    """What a verdict would need, and how it is had."""
    missing = []
    number = version.text.removeprefix("v")
    if not stand_in.own_kernel:
        missing.append(
            f"Linux {release.kernel} as Talos {number} builds it "
            f"(bootwright kernels fetch {_SYSTEM}-{number}-4k --modules, or --kernel)"
            if release is not None
            else f"the kernel of Talos {number} (--kernel, or --image with the image itself)"
        )
    if overlay and not stand_in.own_trees:
        of = f": {trees.text}" if trees is not None else ", whose version is not known here"
        but = f"; {lacks}" if lacks else ""
        missing.append(
            f"the devicetrees of the overlay {overlay}{of} (--dtb FOLDER, from the image's ESP){but}"
        )
    return tuple(missing)
