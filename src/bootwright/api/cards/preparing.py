"""From an image to a card that works on a board; and what was seen after the boot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import paths, reporter, texts

if TYPE_CHECKING:
    from bootwright.boards.model import Board
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.kernels.model import Listed
    from bootwright.prepare.board_image import Target
    from bootwright.prepare.knowledge import Preparation
    from bootwright.prepare.model import Judged
    from bootwright.prepare.published import Published
    from bootwright.prepare.request import Outcome, Prepared

PREPARE_SCHEMA = "bootwright/prepare/1"
_SUFFIXES = frozenset({".xz", ".zst", ".gz", ".bz2", ".lz4", ".raw", ".img", ".iso"})


@frozen
class PreparedCard:
    """What is to be flashed for a board, or why nothing is."""

    prepared: Prepared

    @property
    def outcome(self) -> Outcome:
        """`works` as it is, `mended`, `fails` or `unknown`."""
        return self.prepared.outcome

    @property
    def verdict(self) -> Verdict:
        """Of what is to be flashed."""
        return self.prepared.outcome.verdict

    @property
    def image(self) -> str:
        """What is to be flashed; where nothing works, what was given."""
        return str(self.prepared.image)

    @property
    def record(self) -> Path | None:
        """The record that `observe` adds to; None where nothing is to be flashed."""
        return self.prepared.record_path

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/prepare.schema.json."""
        from bootwright.foundation.verdict import Verdict
        from bootwright.prepare.looking import ADDRESS, signs
        from bootwright.prepare.request import cautions

        prepared, record = self.prepared, self.prepared.record
        works = self.verdict is Verdict.WORKS
        then = prepared.preparation.then.replace("{address}", ADDRESS)
        return {
            "schema": PREPARE_SCHEMA,
            "outcome": prepared.outcome.value,
            "verdict": self.verdict.value,
            "board": {
                "id": prepared.target.board.id,
                "title": prepared.target.title,
                "stepping": prepared.target.stepping,
                "revision": record.revision or None,
            },
            "system": {
                "id": prepared.preparation.id,
                "title": prepared.preparation.title,
                "version": record.version or None,
            },
            "source": record.source,
            "image": str(prepared.image) if works else None,
            "record": str(prepared.record_path) if prepared.record_path is not None else None,
            "wanted": list(prepared.target.wanted),
            "before": _judged(prepared.before),
            "after": _judged(prepared.after) if prepared.after is not None else None,
            "newer": prepared.newer.as_json() if prepared.newer is not None else None,
            "changes": list(record.changes),
            "command": list(prepared.made_by) or None,
            "tried": [trial.as_json() for trial in prepared.trials],
            "flash": ["bootwright", "flash", str(prepared.image), "DEVICE"] if works else None,
            "look": [sign.as_json() for sign in signs(prepared.preparation, prepared.target.board)]
            if works
            else [],
            "then": then or None if works else None,
            "cautions": list(cautions(prepared)),
            "notes": list(prepared.notes),
        }


def _judged(judged: Judged) -> dict[str, Any]:
    first = judged.first
    return {
        "verdict": judged.verdict.value,
        "steppings": {
            verdicts.stepping: {name: goal.verdict.value for name, goal in verdicts.goals.items()}
            for verdicts in judged.boards
        },
        "first_broken": None
        if first is None
        else {
            "stepping": first[0],
            "goal": first[1],
            "node": first[2].node,
            "link": first[2].needs,
            "reason": first[2].reason,
            "remedy": first[2].remedy,
        },
    }


def prepare(
    what: str | Path,
    *,
    board: str,
    revision: str | None = None,
    stepping: str | None = None,
    image: str | Path | None = None,
    version: str | None = None,
    output: str | Path | None = None,
    goals: str | Sequence[str] = (),
    dtbs: str | Path | Sequence[str | Path] = (),
    kernel: str | None = None,
    max_download: int = 250,
    archive: str | None = None,
    offline: bool = False,
    change: bool = True,
    force: bool = False,
    progress: Progress | None = None,
) -> PreparedCard:
    """Check an image for a board, and where it fails make one that works, if a way is known.

    `what` is a system that is known (`talos`), whose published image of `version` is taken unless `image`
    names one; or the image itself, a file or address. `goals` must work [those that the system cannot do
    without]. Devicetrees in `dtbs` (files, folders, or the name of a kernel
    on this machine) are tried first; `kernel` is the kernel that the image is to have. Kernels
    that are not here are fetched up to `max_download` MB. `output` is the new image [named after image and
    board, in the current folder]; it is made only where it works, verified and checked as a file, and an
    existing one is replaced only with `force`. Without `change` nothing is made.

    Returns a `PreparedCard`: `.outcome`, `.image`, `.record`, `.as_json()`. Raises `Refused`, `Missing` and
    `Malformed` for what is asked or given wrongly, and `Missing` for a network or disk that is needed.

        prepare("talos.raw", board="raspberrypi-5", revision="e04171").outcome
    """
    from bootwright.api.asked import asked_boards
    from bootwright.formats.sources.transport import NotThere, Unreachable
    from bootwright.foundation.errors import Missing
    from bootwright.prepare.board_image import Target
    from bootwright.prepare.mends.kernel_changes import Catalogue
    from bootwright.prepare.prepare import prepare as prepare_image
    from bootwright.prepare.request import Request
    from bootwright.prepare.tree_names import devicetrees_named

    wanted = texts(goals)
    boards, chosen_stepping = asked_boards((board,), revision=revision, stepping=stepping, goals=wanted)
    target = Target(boards[0], chosen_stepping, int(revision, 16) if revision is not None else None)
    preparation, given, address = _source(str(what), image, version, boards[0], chosen_stepping)
    only = _resolved(kernel, archive, offline=offline)
    catalogue = Catalogue((), only, 0 if offline else max_download * 10**6, archive, offline)
    trees = devicetrees_named(paths(dtbs), boards[0], chosen_stepping, catalogue.here) if dtbs else ()
    request = Request(
        given if address is None else address.address,
        target,
        Path(output) if output is not None else _output(given, target),
        preparation,
        wanted,
        Catalogue(trees, only, catalogue.max_download, archive, offline),
        change,
        force,
    )
    if address is None:
        return PreparedCard(prepare_image(request, reporter(progress)))
    title = f"{given} for {boards[0].name}"
    against, ask = _against(preparation, address, target) if preparation is not None else ("", "")
    hint = f"{_unknown(preparation, address)}download {address.address} and give it with --image FILE"
    if against:
        reporter(progress).note(f"{title}: {against}; {ask}")
        hint = f"{ask}; else {hint}"
    if offline:
        raise Missing(f"{title} would have to be fetched", hint=hint)
    try:
        return PreparedCard(prepare_image(request, reporter(progress)))
    except (NotThere, Unreachable) as error:
        if address.address not in error.message:
            raise
        reason = error.message.partition(address.address)[2].lstrip(": ")
        raise Missing(f"{title} cannot be fetched: {reason}", hint=hint) from error


def _unknown(preparation: Preparation | None, address: Published) -> str:
    """That a version is not among those that are known, as the beginning of a hint; else nothing."""
    from bootwright.kernels.releases import RELEASES

    known = RELEASES.get(preparation.id) if preparation is not None else None
    if known is None or known.of(address.version) is not None:
        return ""
    number = address.version.text.removeprefix("v")
    return f"no version {number} is known here, the newest is {known.newest}; if there is one, "


def _against(preparation: Preparation, address: Published, target: Target) -> tuple[str, str]:
    """(what is known to speak against a release on the board, which to ask for); empty for nothing."""
    from bootwright.foundation.verdict import Verdict
    from bootwright.predict.by_release.known import by_versions, hazards_by_versions
    from bootwright.prepare.published import subject_of

    subject = subject_of(preparation, target.board, target.stepping)
    if subject is None:
        return "", ""
    said = (*by_versions(subject, address.version), *hazards_by_versions(subject, address.version))
    speaking = [remark for remark in said if remark.remedy.startswith("ask for ")]
    speaking.sort(key=lambda remark: remark.verdict is not Verdict.FAILS)
    if not speaking:
        return "", ""
    first = speaking[0]
    return f"{first.verdict}: {first.text}", first.remedy.replace("ask for ", "ask for --version ", 1)


def _resolved(kernel: str | None, archive: str | None, *, offline: bool) -> Listed | None:
    """A kernel of the catalogue; raises `Refused` for one that there is not."""
    from bootwright.kernels.catalogue import open_library

    if kernel is None:
        return None
    return open_library(archive=archive, offline=offline).resolve(kernel)


def _source(
    what: str, image: str | Path | None, version: str | None, board: Board, stepping: str | None
) -> tuple[Preparation | None, str, Published | None]:
    """(the system that was named, the image or what it is called, where it is published).

    Raises `Refused` for a system or version that is not known, and for an image that is named twice.
    """
    from bootwright.formats.sources.address import is_address
    from bootwright.foundation.errors import Missing, Refused
    from bootwright.prepare.knowledge import PREPARATIONS
    from bootwright.prepare.published import published, system_named

    path = Path(what)
    known = PREPARATIONS.names()
    if is_address(what) or path.exists() or (what not in known and ("/" in what or path.suffix)):
        if image is not None:
            raise Refused(f"two images: {what} and {image}", hint="give one, or a system and --image")
        if version is not None:
            raise Refused("--version is of a system's published images", hint="leave it out beside an image")
        if not is_address(what) and not path.exists():
            raise Missing(f"there is no image {what}", hint="check the name")
        return None, what, None
    preparation = system_named(what)
    if image is None:
        address = published(preparation, board, version, stepping)
        return preparation, f"{what}-{address.version.text.removeprefix('v')}", address
    if version is not None:
        raise Refused("--version and --image both say which image", hint="leave --version out")
    if not is_address(str(image)) and not Path(image).exists():
        raise Missing(f"there is no image {image}", hint="check the name")
    return preparation, str(image), None


def _output(name: str, target: Target) -> Path:
    """`talos-raspberrypi-5-e04171.raw` of `talos.raw.xz`, in the current folder."""
    stem = Path(name.rpartition("/")[2])
    while stem.suffix.lower() in _SUFFIXES:
        stem = stem.with_suffix("")
    words = [stem.name, target.board.id, f"{target.code:x}" if target.code is not None else target.stepping]
    return Path("-".join(word for word in words if word) + ".raw")
