"""Which part of a bad image is to blame?"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter

if TYPE_CHECKING:
    from bootwright.boards.model import Board
    from bootwright.foundation.progress import Progress
    from bootwright.image_boot.goal import Goal
    from bootwright.isolate.bench import BoardAttempt
    from bootwright.isolate.images import ImageHybrids
    from bootwright.isolate.lab import StoredLab
    from bootwright.isolate.model import Isolated, Predictor

SCHEMA = "bootwright/isolate/1"
_MOST_LOG = 64 << 20


@frozen
class Isolation:
    """The smallest difference that makes the good image fail, with its proof."""

    found: Isolated
    parts: int
    """Differences at the finest grain that was looked at."""
    mend: str
    """A command that gives the bad image the good one's form of the culprit."""
    proofs: tuple[Mapping[str, Any], ...]
    """For each culprit: an image that works, one that fails, and by what they differ."""
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/isolate.schema.json."""
        return {
            "schema": SCHEMA,
            "culprit": sorted(self.found.culprit),
            "culprits": [sorted(culprit) for culprit in self.found.culprits],
            "steps": [step.as_json() for step in self.found.steps],
            "boots": self.found.boots,
            "parts": self.parts,
            "mend": self.mend,
            "mended": self.found.mended.value,
            "proof": [dict(proof) for proof in self.proofs],
            "notes": list(self.notes),
        }


@frozen
class AwaitedReport:
    """An image that a person has to try on the bench before it can go on."""

    image: Path
    from_bad: frozenset[str]
    """The parts of the bad image that are in it; all others are the good one's."""
    folder: Path
    """Where what is known so far is kept."""

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/isolate.schema.json."""
        return {
            "schema": SCHEMA,
            "waiting": {"image": str(self.image), "parts_from_bad": sorted(self.from_bad)},
        }


def isolate(
    good: str | Path,
    bad: str | Path,
    *,
    until: str,
    out: str | Path,
    on: str = "qemu",
    machine: str = "auto",
    cpu: str | None = None,
    firmware: str = "aavmf",
    timeout: float = 300.0,
    memory: int = 2048,
    repeat: int = 1,
    board: str | None = None,
    board_goal: str | None = None,
    stepping: str | None = None,
    report: str | None = None,
    console: str | Path | None = None,
    of: str | None = None,
    environment: str | Path | None = None,
    target: str | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Isolation | AwaitedReport:
    """Find the smallest difference between two images that makes one of them fail.

    `until` is the goal: a text on the console, `login` or `ktap`. `out` is the folder of the run, which goes
    on where it stopped unless `fresh`. On `qemu` every mixture is booted here (`machine`, `cpu`, `firmware`,
    `timeout` in guest seconds, `memory` in MiB); on `bench` an image is made and an `AwaitedReport` returned:
    call again with `report` (`works`, `fails`, `unknown`) or a `console` log, and `of` naming the image. With
    `environment`, a labgrid environment file, the board of its `target` boots every mixture by itself.
    `board`, `board_goal` and `stepping` predict what can be predicted, which saves boots.

    Raises `Refused` where the good image fails, the bad one works, or nothing differs, and for unknown names;
    `Missing` and `Malformed` for the images, `ToolFailed` when QEMU itself fails.

        result = isolate("old.raw", "new.raw", until="login", out="out/isolate")
        result.as_json()["culprit"]
    """
    from bootwright.api.asked import asked_boards, check_cpu
    from bootwright.api.images import note_goal
    from bootwright.foundation.errors import Refused
    from bootwright.foundation.run_folder import Store
    from bootwright.image_boot.goal import Goal
    from bootwright.isolate.images import ImageHybrids
    from bootwright.isolate.lab import StoredLab
    from bootwright.isolate.model import Source, Waiting
    from bootwright.isolate.search import isolate as search
    from bootwright.isolate.suspects import Suspects

    progress = reporter(progress)
    out = Path(out)
    log_file = Path(console) if console is not None else None
    reported = report is not None or console is not None
    _check_request(
        on, reported=reported or of is not None, predicts=(board, board_goal), environment=environment
    )
    if environment is not None and reported:
        raise Refused("the board tells what it does itself", hint="give --env, or a report")
    goal = Goal.parse(until)
    check_cpu(machine, cpu)
    boards, _ = asked_boards([board] if board else [], stepping=stepping)
    if board_goal is not None:
        boards[0].goal(board_goal)
    note_goal(until, progress)
    raw_good, good_sha = _raw(good, progress)
    raw_bad, bad_sha = _raw(bad, progress)
    about = {"good": good_sha, "bad": bad_sha, "goal": until, "on": on}
    emulator = None
    if on == "qemu":
        from bootwright.image_boot.start import chosen_machine
        from bootwright.isolate.boot import Emulator

        chosen = chosen_machine(raw_good, machine)
        _check_machine(board, chosen, cpu)
        emulator = Emulator.of(
            raw_good, goal, machine=chosen, firmware=firmware, timeout=timeout, memory=memory, cpu=cpu
        )
        about |= emulator.about
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(Store(out, fresh=fresh))
        with progress.step("compare the images"):
            hybrids = ImageHybrids(raw_good, raw_bad, out, progress)
        lab = StoredLab(
            store=store,
            hybrids=hybrids,
            good=raw_good,
            bad=raw_bad,
            everything=frozenset(element.name for element in hybrids.elements()),
            complete=hybrids.complete,
            about=about,
            attempt=emulator
            or _on_board(stack, environment, target, until=until, out=out, progress=progress),
            source=Source.EMULATED if on == "qemu" else Source.BENCH,
            progress=progress,
            repeat=repeat,
        )
        predictor = _predictor(boards, board_goal, stepping, (raw_good, raw_bad), progress)
        with progress.step("check both images"):
            suspects = Suspects.of(hybrids, predictor)
        if report or log_file:
            about_image = Path(of).name if of else None
            _record_report(lab, goal, progress, report=report, console=log_file, of=about_image)
        notes = [*hybrids.notes, *hybrids.remarks, *suspects.notes(), *(emulator.notes if emulator else ())]
        for note in notes:
            progress.note(note)
        try:
            isolated = search(hybrids, lab, suspects)
        except Waiting as waiting:
            return AwaitedReport(waiting.image, waiting.from_bad, store.folder)
        return Isolation(
            isolated,
            hybrids.finest,
            hybrids.mend(isolated.culprit),
            _proofs(isolated, hybrids, lab, out),
            (*notes, *isolated.notes),
        )


def _on_board(
    stack: contextlib.ExitStack,
    environment: str | Path | None,
    target: str | None,
    *,
    until: str,
    out: Path,
    progress: Progress,
) -> BoardAttempt | None:
    """A board that boots mixtures until `stack` ends, where one is given; raises as `open_bench`."""
    if environment is None:
        return None
    from bootwright.bench.session import open_bench
    from bootwright.isolate.bench import BoardAttempt

    bench = stack.enter_context(open_bench(Path(environment), target, progress))
    return BoardAttempt(bench, until, out / "bench")


def _predictor(
    boards: Sequence[Board],
    goal: str | None,
    stepping: str | None,
    images: tuple[Path, Path],
    progress: Progress,
) -> Predictor:
    """What is predicted of mixtures of the good and the bad image; nothing without a goal of a board."""
    from bootwright.isolate.model import NoPrediction
    from bootwright.isolate.predict import BoardPredictor

    if goal is None:
        return NoPrediction()
    return BoardPredictor.of(*images, boards[0], goal, stepping, progress=progress)


def _check_request(
    on: str, *, reported: bool, predicts: tuple[str | None, str | None], environment: str | Path | None
) -> None:
    """Raises `Refused` for what does not go together."""
    from bootwright.foundation.errors import Refused

    if reported and on != "bench":
        raise Refused("reports are for --on bench", hint="with --on qemu every mixture is booted here")
    if environment is not None and on != "bench":
        raise Refused("a board is for --on bench", hint="with --on qemu every mixture is booted here")
    board, board_goal = predicts
    if (board is None) != (board_goal is None):
        raise Refused("a goal to predict is one board's", hint="give both --board and --goal")


def _raw(image: str | Path, progress: Progress) -> tuple[Path, str]:
    """(a raw file of the image, its SHA-256), wherever it lies."""
    from bootwright.image_boot.boot import on_disk
    from bootwright.inspect.local import local_image

    return on_disk(local_image(image, progress), progress)


def _check_machine(board: str | None, machine: str, cpu: str | None) -> None:
    """Raise `Refused` for a CPU model or a board that the machine chosen for the image is not."""
    from bootwright.api.asked import check_chosen_cpu
    from bootwright.foundation.errors import Refused
    from bootwright.image_boot.machine import VIRT, board_machine

    check_chosen_cpu(machine, cpu)
    if board is not None and (machine == VIRT or board_machine(machine).board != board):
        raise Refused(
            f"{board}'s goals are not those of the machine {machine}", hint="--board is for --on bench"
        )


def _console_text(console: Path) -> bytes:
    """The text of a console log, in any wrapping that `diagnose` takes."""
    from bootwright.diagnose.incoming import log_text
    from bootwright.foundation.errors import Missing, Refused

    pieces: list[bytes] = []
    try:
        with console.open("rb") as file:
            read = log_text(file.read, str(console))
            while sum(map(len, pieces)) < _MOST_LOG and (piece := read(_MOST_LOG)):
                pieces.append(piece)
    except OSError as error:
        raise Missing(f"cannot read {console}: {error.strerror}", hint="give a console log") from error
    log = b"".join(pieces)[:_MOST_LOG]
    if not log.strip(b"\0 \r\n\t"):
        raise Refused(f"{console} is empty", hint="a board that printed nothing is told with --report")
    return log


def _record_report(
    lab: StoredLab,
    goal: Goal,
    progress: Progress,
    *,
    report: str | None,
    console: Path | None,
    of: str | None,
) -> None:
    """Keep what a person saw of the image that is waited for; a log alone decides by the goal."""
    from bootwright.foundation.verdict import Verdict
    from bootwright.image_boot.goal import GoalWatch
    from bootwright.isolate.model import Source

    log = b""
    if console is not None:
        log = _console_text(console)
    if report is not None:
        verdict, source, reason = Verdict(report), Source.REPORTED, ""
    else:
        watch = GoalWatch(goal)
        for start in range(0, len(log), 4096):
            if watch.feed(log[start : start + 4096]) and watch.reached:
                break
        verdict = Verdict.WORKS if watch.reached else Verdict.FAILS
        source, reason = Source.BENCH, f"told by {console}"
    names = lab.report(verdict, source, reason, log, of)
    if names is None:
        progress.note(f"{of} was reported already")
    else:
        progress.note(f"reported: {verdict} with {', '.join(sorted(names))} of the bad image")


def _proofs(
    isolated: Isolated, hybrids: ImageHybrids, lab: StoredLab, out: Path
) -> tuple[Mapping[str, Any], ...]:
    """For each culprit a pair of images that differ by just it; made where they are not there yet."""
    proofs = []
    for number, culprit in enumerate(isolated.culprits, start=1):
        path = out / (f"fails-{number}.img" if len(isolated.culprits) > 1 else "fails.img")
        if not path.exists() and not (lab.complete and culprit == lab.everything):
            hybrids.build(culprit, path)
        fails = path if path.exists() else lab.bad
        proofs.append({"works": str(lab.good), "fails": str(fails), "differ_by": sorted(culprit)})
    return tuple(proofs)
