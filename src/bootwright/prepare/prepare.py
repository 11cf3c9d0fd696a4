"""From an image and a board to an image that works there: checked, mended where that is known, recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from attrs import evolve, frozen

from bootwright.formats.sources.address import is_address
from bootwright.foundation import atomic
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import BootwrightError, Missing, Refused
from bootwright.foundation.progress import Progress
from bootwright.foundation.verdict import Verdict
from bootwright.image_boot.boot import on_disk
from bootwright.images.flash.source import check_disk_image
from bootwright.images.flash.source import open_image as open_source
from bootwright.predict.given.gathered import Gathered
from bootwright.prepare.board_image import BoardImage, Target, gathered_of, open_board_image
from bootwright.prepare.condition import condition
from bootwright.prepare.fetching import image_file
from bootwright.prepare.knowledge import Preparation, of_system
from bootwright.prepare.mends.kernel_changes import (
    Catalogue,
    devicetree_changes,
    fetchable,
    kernel_changes,
)
from bootwright.prepare.mends.search import Search, excluded
from bootwright.prepare.mends.small_changes import argument_changes, config_changes
from bootwright.prepare.model import Judged, Mend, MendKind, Setup, Trial
from bootwright.prepare.newer import newer_release
from bootwright.prepare.request import Outcome, Prepared, Request
from bootwright.prepare.seen.record import (
    Record,
    SeenStepping,
    Sighting,
    beside,
    keep_record,
    read_record,
    records_in,
    sightings,
)
from bootwright.prepare.seen.sighted import file_sha256, setup_sha256, with_sightings
from bootwright.prepare.tree_names import kernel_with_tree
from bootwright.prepare.write import Rejected, Work, Written, write

_MOST_WRITTEN = 6
"""Images that are made before it is given up; each takes seconds to minutes."""


def prepare(request: Request, progress: Progress) -> Prepared:
    """Check an image for a board, and where it fails make one that works, if a way is known.

    The image that was given is only read. Raises `Refused` for an output that is there, an image of another
    system, a goal that the board has not; `Missing` and `Malformed` for what cannot be read.
    """
    output = request.output
    earlier = _earlier(request, progress)
    if earlier is not None:
        return _with_newer(earlier, earlier.target)
    if not output.parent.is_dir():
        raise Missing(f"there is no folder {output.parent}", hint="make it first, or name another place")
    atomic.check_new(output, force=request.force)
    _check_disk(request.image)
    seen = tuple(sightings(records_in(output.parent))) if output.parent.is_dir() else ()
    with progress.step(f"check {request.image} for {request.target.title}"):
        trees = request.catalogue.named_trees
        gathered = gathered_of(request.image, request.target, progress, handed_over=trees)
        preparation = _preparation(request, gathered)
        judged = _judge(request.target, gathered, seen, remedies=True)
        target = evolve(request.target, wanted=_wanted(request, preparation, judged))
        judged = evolve(judged, wanted=target.wanted)
    if seen:
        counts = "1 observation counts" if len(seen) == 1 else f"{len(seen)} observations count"
        progress.note(f"{counts} that {'is' if len(seen) == 1 else 'are'} kept in {output.parent.resolve()}")
    looked = _Looked(preparation, gathered, judged)
    prepared = _Run(evolve(request, target=target), looked, seen, progress).result()
    rests_on = condition(gathered, target.board, prepared.image)
    return _with_newer(evolve(prepared, condition=rests_on), target)


def _with_newer(prepared: Prepared, target: Target) -> Prepared:
    """With the release of the image's system that has what the image lacks, where that is known."""
    version, kernel = prepared.record.version, prepared.kernel
    own = kernel.version if kernel is not None else None
    newer = newer_release(prepared.preparation, version, own, prepared.before, target)
    return evolve(prepared, newer=newer)


def _check_disk(image: str) -> None:
    """Raise `Refused` for what is on this machine and no image of a whole disk: only that can be flashed."""
    if is_address(image):
        return
    source = open_source(image)
    try:
        check_disk_image(source)
    except Refused as error:
        raise Refused(error.message, hint="give the image of a whole disk, as it is flashed") from error


def _preparation(request: Request, gathered: Gathered) -> Preparation:
    """The system that the image holds; raises `Refused` where that is another than the one named."""
    named, held = request.preparation, tuple(gathered.os)
    recognised = of_system(held)
    if named is None or not named.systems:
        return recognised
    if held and recognised.id != named.id:
        raise Refused(
            f"{request.image} holds {', '.join(held)}, not {named.title}",
            hint=f"bootwright prepare {request.image} takes any image",
        )
    return named


def _wanted(request: Request, preparation: Preparation, judged: Judged) -> tuple[str, ...]:
    """The goals that decide, of those that this image can be asked about on the board.

    Raises `Refused` for one that the user named and nothing can be said of.
    """
    known = dict.fromkeys(name for verdicts in judged.boards for name in verdicts.goals)
    for name in request.goals:
        if name not in known:
            message = f"nothing can be said of {name} with {request.image}"
            raise no_such(message, name, known, kind="what can be asked")
    return request.goals or tuple(name for name in preparation.goals if name in known) or tuple(known)


def _judge(target: Target, gathered: Gathered, seen: Sequence[Sighting], *, remedies: bool = False) -> Judged:
    return with_sightings(target.judge(gathered, remedies=remedies), gathered, seen)


@frozen
class _Looked:
    """What an image holds, and what that means for the board."""

    preparation: Preparation
    gathered: Gathered
    judged: Judged


class _Run:
    """One request on its way; `result` is the answer."""

    def __init__(
        self, request: Request, looked: _Looked, seen: Sequence[Sighting], progress: Progress
    ) -> None:
        self._request = request
        self._target = request.target
        self._preparation = looked.preparation
        self._gathered = looked.gathered
        self._before = looked.judged
        self._seen = seen
        self._progress = progress
        self._source: tuple[Path | None, str] = (None, "")
        """The image's file on this machine and its SHA-256, once that was asked for."""

    def result(self) -> Prepared:
        """The answer; writes the image where one is made."""
        has_kernel = self._request.catalogue.is_named(self._gathered.kernel)
        if self._before.verdict is Verdict.WORKS and (has_kernel or not self._request.change):
            return self._as_it_is()
        if not self._request.change or (has_kernel and not self._before.fails):
            outcome = Outcome.FAILS if self._before.fails else Outcome.UNKNOWN
            notes = [] if self._before.fails else ["nothing fails for certain, so that nothing was changed"]
            if not any(verdicts.dtb for verdicts in self._before.boards):
                notes.append(self._firmwares_tree())
            return self._without(outcome, (), notes)
        local, digest = image_file(self._request.image, self._progress)
        self._source = (local, digest)
        image = open_board_image(local, self._target, self._progress)
        setup = Setup(self._gathered, image.config_txt)
        notes = []
        search: Search | None = None
        for catalogue in self._catalogues(setup, notes):
            search = self._search(image, catalogue)
            search.begin(setup, self._before)
            written = self._written(image, search)
            if written is not None:
                return self._mended(written, search, notes)
        return self._without(Outcome.FAILS, tuple(search.trials) if search is not None else (), notes)

    def _firmwares_tree(self) -> str:
        """How to say which devicetree the board's own firmware hands over."""
        kernel = kernel_with_tree(self._target.board, self._target.stepping, self._request.catalogue.here)
        like = f", or where it is as in a kernel on this machine: --dtb {kernel}" if kernel else ""
        return f"where the board's firmware brings the devicetree, name that: --dtb FILE{like}"

    def _mended(self, written: Written, search: Search, notes: list[str]) -> Prepared:
        return Prepared(
            Outcome.MENDED,
            self._preparation,
            self._target,
            written.image,
            written.record,
            beside(written.image),
            self._gathered.kernel,
            self._before,
            written.judged,
            tuple(search.trials),
            next(trial for trial in reversed(search.trials) if not trial.rejected),
            (*notes, *written.notes),
            written.cautions,
        )

    def _judged(self, gathered: Gathered) -> Judged:
        return _judge(self._target, gathered, self._seen)

    def _search(self, image: BoardImage, catalogue: Catalogue) -> Search:
        def propose(setup: Setup, judged: Judged, used: frozenset[MendKind]) -> Iterator[Mend]:
            if not catalogue.is_named(setup.gathered.kernel):
                yield from kernel_changes(image, setup, catalogue, modules_only=False)
                return
            for small in (config_changes(image, setup, judged), argument_changes(setup, judged)):
                yield from search.that_matter(tuple(small), setup, judged)
            if not excluded(MendKind.DEVICETREE, used):
                yield from devicetree_changes(image, setup, catalogue)
            if not excluded(MendKind.MODULES, used):
                yield from kernel_changes(
                    image, setup, catalogue, modules_only=excluded(MendKind.KERNEL, used)
                )

        search = Search(propose, self._judged, self._progress)
        return search

    def _written(self, image: BoardImage, search: Search) -> Written | None:
        """The first answer of a search that holds as an image; None where none does."""
        for count, trial in enumerate(search.answers(), 1):
            try:
                with self._progress.step(f"make the image with {trial.title}"):
                    changes = tuple(mend.title for mend in trial.mends)
                    describe = partial(self._record, self._request.output.name, changes)
                    trees = self._request.catalogue.named_trees
                    doing = Work(self._judged, describe, self._progress, trees)
                    return write(image, trial, self._request.output, doing)
            except Rejected as error:
                search.reject(trial, str(error))
            if count >= _MOST_WRITTEN:
                return None
        return None

    def _catalogues(self, setup: Setup, notes: list[str]) -> Iterator[Catalogue]:
        """The kernels here; then with one fetched, and another, as long as the download is within bounds."""
        catalogue = self._request.catalogue
        yield catalogue
        left = catalogue.max_download
        if not left:
            return
        try:
            library = catalogue.library(self._progress)
            listed = library.listed()
        except BootwrightError as error:
            notes.append(f"no other kernel could be looked for: {error.message}")
            return
        for candidate in fetchable(setup, catalogue, listed):
            if candidate.modules_bytes > left:
                continue
            left -= candidate.modules_bytes
            try:
                library.get(candidate.name, modules=True)
            except BootwrightError as error:
                notes.append(f"{candidate.name} could not be fetched: {error.message}")
                return
            yield evolve(catalogue)  # which looks anew for what is here

    def _as_it_is(self) -> Prepared:
        """An image that works needs none made of it; its record is kept under the output's name."""
        path = Path(self._request.image)
        if path.is_file():
            size, digest = path.stat().st_size, on_disk(path, self._progress)[1]
        else:
            size, digest = 0, ""
        self._source = (path if path.is_file() else None, digest)
        record = self._record(str(self._request.image), (), self._gathered, self._before, (digest, size))
        place = beside(self._request.output)
        keep_record(place, record)
        return self._prepared(Outcome.WORKS, record, place, (), [])

    def _without(self, outcome: Outcome, trials: tuple[Trial, ...], notes: list[str]) -> Prepared:
        record = self._record(str(self._request.image), (), self._gathered, self._before)
        return self._prepared(outcome, record, None, trials, notes)

    def _prepared(
        self,
        outcome: Outcome,
        record: Record,
        place: Path | None,
        trials: tuple[Trial, ...],
        notes: list[str],
    ) -> Prepared:
        return Prepared(
            outcome,
            self._preparation,
            self._target,
            self._request.image,
            record,
            place,
            self._gathered.kernel,
            self._before,
            None,
            trials,
            None,
            tuple(notes),
        )

    def _record(
        self,
        image: str,
        changes: tuple[str, ...],
        gathered: Gathered,
        judged: Judged,
        file: tuple[str, int] = ("", 0),
    ) -> Record:
        """The record of `image` (a name or path), whose SHA-256 and size in bytes `file` are."""
        kernel = gathered.kernel
        return Record(
            image=image,
            size=file[1],
            sha256=file[0],
            source=str(self._request.image),
            source_sha256=self._source[1],
            board=self._target.board.id,
            board_title=self._target.title,
            revision=f"{self._target.code:x}" if self._target.code is not None else "",
            stepping=self._target.stepping or "",
            system=self._preparation.id,
            version=next((str(version) for version in gathered.os.values()), ""),
            kernel=kernel.release if kernel is not None else "",
            kernel_version=str(kernel.version) if kernel is not None else "",
            setup_sha256=setup_sha256(gathered),
            page_size=kernel.page_size if kernel is not None else 0,
            steppings=tuple(
                SeenStepping(verdicts.stepping, verdicts.dtb.name, file_sha256(verdicts.dtb))
                for verdicts in judged.boards
                if verdicts.dtb is not None
            ),
            verdicts={
                verdicts.stepping: {name: goal.verdict for name, goal in verdicts.goals.items()}
                for verdicts in judged.boards
            },
            changes=changes,
            wanted=self._target.wanted,
            asked=self._request.digest(self._source[1]),
        )


def _earlier(request: Request, progress: Progress) -> Prepared | None:
    """The answer to the very same request, where it is there with its image as it was made."""
    output, given = request.output, Path(request.image)
    path = beside(output)
    if request.force or not output.is_file() or not path.is_file() or not given.is_file():
        return None
    try:
        record = read_record(path)
    except BootwrightError:
        return None
    if record.image != output.name or record.size != output.stat().st_size or record.observations:
        return None  # what was seen since may change the answer
    digest = on_disk(given, progress)[1]
    if (
        record.source_sha256 != digest
        or record.asked != request.digest(digest)
        or on_disk(output, progress)[1] != record.sha256
    ):
        return None
    trees = request.catalogue.named_trees
    gathered = gathered_of(str(output), request.target, progress, handed_over=trees)
    preparation = _preparation(request, gathered)
    target = evolve(request.target, wanted=record.wanted)
    judged = target.judge(gathered)
    if judged.verdict is not Verdict.WORKS:
        return None
    source = gathered_of(request.image, request.target, progress, handed_over=trees)
    before = target.judge(source)
    notes = ("the same was prepared before: nothing was done",)
    return Prepared(
        Outcome.MENDED,
        preparation,
        target,
        output,
        record,
        path,
        source.kernel,
        before,
        judged,
        (),
        None,
        notes,
        condition=condition(gathered, target.board, output),
        again=True,
    )
