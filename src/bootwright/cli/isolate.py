"""`bootwright isolate`: which part of a bad image is to blame?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootwright.cli._values import (
    OneOf,
    asked_boards,
    check_cpu,
    firmware_names,
    image_machines,
    note_goal,
    refuse_given,
)
from bootwright.foundation.errors import Refused

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.image_boot.goal import Goal
    from bootwright.isolate.images import ImageHybrids
    from bootwright.isolate.lab import StoredLab
    from bootwright.isolate.model import Isolated, Predictor, Waiting

SCHEMA = "bootwright/isolate/1"
_MOST_LOG = 64 << 20

_PATH = click.Path(path_type=Path)
_EPILOG = """\b
Examples:
  bootwright isolate --good old.raw --bad new.raw --until 'entering maintenance' --out out/isolate
  bootwright isolate --good old.raw --bad new.raw --until login --out out/isolate --json
  bootwright isolate --good old.img --bad new.img --until login --machine raspi3b --out out/pi3
  bootwright isolate --good old.raw --bad new.raw --until 'link up' --on bench --out out/board
  bootwright isolate … --on bench --out out/board --report fails --of 0a1b2c3d4e5f.img

Mixtures of the two images are made and tried until the smallest difference is found that makes the good one
fail. --on bench makes an image, says what to do with it and ends; flash it, look, and run the same command
with --report works, fails or unknown (or --console LOG): it goes on there, days later too. With --of IMAGE
the same report can be given again after a crash, and counts once.

Exit status: 0 found, 2 usage or bad input (the good one fails, the bad one works), 3 not found, or a report
is waited for.
"""


@click.command(name="isolate", epilog=_EPILOG)
@click.option("--good", type=_PATH, required=True, help="An image that reaches the goal.")
@click.option("--bad", type=_PATH, required=True, help="An image that does not.")
@click.option("--until", metavar="GOAL", required=True, help="A text on the console, login, or ktap.")
@click.option(
    "--on", "where", type=OneOf(["qemu", "bench"], "place"), default="qemu", show_default=True,
    help="Boot here, or be told what to flash.",
)  # fmt: skip
@click.option("--out", type=_PATH, required=True, help="Folder of the run: resumes what is there.")
@click.option(
    "--machine", type=OneOf(image_machines, "machine"), default="auto", show_default=True,
    help="virt, raspi3b, or auto: by the good image (with --on qemu).",
)  # fmt: skip
@click.option("--cpu", metavar="MODEL", help="The CPU model of virt, such as cortex-a72.")
@click.option(
    "--firmware",
    type=OneOf(firmware_names, "firmware", "firmware"),
    default="aavmf",
    show_default=True,
    help="aavmf or uboot (with --on qemu).",
)
@click.option("--timeout", type=click.FloatRange(1), default=300.0, show_default=True, help="Guest seconds.")
@click.option("--memory", type=click.IntRange(128, 65536), default=2048, show_default=True, help="MiB.")
@click.option("--repeat", type=click.IntRange(1, 20), default=1, help="Boot each mixture so many times.")
@click.option(
    "--board", metavar="NAME|FILE", help="Predict with this board's definition what can be predicted."
)
@click.option("--goal", "board_goal", metavar="NAME", help="The board's goal to predict, such as ethernet.")
@click.option("--stepping", metavar="NAME", help="The board's stepping, such as d0.")
@click.option(
    "--report", type=OneOf(["works", "fails", "unknown"], "verdict"), help="What the image waited for did."
)
@click.option("--of", metavar="IMAGE", help="Which image the report is about; then it never counts twice.")
@click.option("--console", type=_PATH, help="Its console log; alone it decides by the goal.")
@click.option("--fresh", is_flag=True, help="Forget what the folder holds and start over.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/isolate.schema.json).")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    *,
    good: Path,
    bad: Path,
    until: str,
    where: str,
    out: Path,
    machine: str,
    cpu: str | None,
    firmware: str,
    timeout: float,
    memory: int,
    repeat: int,
    board: str | None,
    board_goal: str | None,
    stepping: str | None,
    report: str | None,
    of: str | None,
    console: Path | None,
    fresh: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Find the smallest difference between two images that makes one of them fail."""
    from bootwright.foundation.progress import Lines, Silent
    from bootwright.foundation.run_folder import Store
    from bootwright.image_boot.boot import on_disk
    from bootwright.image_boot.goal import Goal
    from bootwright.isolate.images import ImageHybrids
    from bootwright.isolate.lab import StoredLab
    from bootwright.isolate.model import NoPrediction, Source, Waiting
    from bootwright.isolate.search import isolate
    from bootwright.isolate.suspects import Suspects

    if (report or console or of) and where != "bench":
        raise Refused("reports are for --on bench", hint="with --on qemu every mixture is booted here")
    if (board is None) != (board_goal is None):
        raise click.UsageError("--board and --goal go together")
    if stepping is not None and board is None:
        raise click.UsageError("--stepping needs a --board")
    if where == "bench":
        refuse_given({"machine", "cpu", "firmware", "timeout", "memory"}, "is for --on qemu")
    goal = Goal.parse(until)
    check_cpu(machine, cpu)
    chosen_boards, _ = asked_boards([board] if board else [], stepping=stepping)
    if board_goal is not None:
        chosen_boards[0].goal(board_goal)
    progress: Progress = Silent() if quiet else Lines()
    note_goal(until, progress)
    raw_good, good_sha = on_disk(good, progress)
    raw_bad, bad_sha = on_disk(bad, progress)
    about = {"good": good_sha, "bad": bad_sha, "goal": until, "on": where}
    emulator = None
    if where == "qemu":
        from bootwright.image_boot.start import chosen_machine
        from bootwright.isolate.boot import Emulator

        chosen = chosen_machine(raw_good, machine)
        _fits(board, chosen, cpu)
        emulator = Emulator.of(
            raw_good, goal, machine=chosen, firmware=firmware, timeout=timeout, memory=memory, cpu=cpu
        )
        about |= emulator.about
    with Store(out, fresh=fresh) as store:
        with progress.step("compare the images"):
            hybrids = ImageHybrids(raw_good, raw_bad, out, progress)
        lab = StoredLab(
            store=store,
            hybrids=hybrids,
            good=raw_good,
            bad=raw_bad,
            everything=frozenset(each.name for each in hybrids.elements()),
            complete=hybrids.complete,
            about=about,
            attempt=emulator,
            source=Source.EMULATED if where == "qemu" else Source.BENCH,
            progress=progress,
            repeat=repeat,
        )
        predictor: Predictor = NoPrediction()
        if board_goal is not None:
            from bootwright.isolate.predict import BoardPredictor

            predictor = BoardPredictor.of(
                raw_good, raw_bad, chosen_boards[0], board_goal, stepping, progress=progress
            )
        with progress.step("check both images"):
            suspects = Suspects.of(hybrids, predictor)
        if report or console:
            _report(lab, goal, progress, report=report, console=console, of=Path(of).name if of else None)
        notes = [*hybrids.notes, *hybrids.remarks, *suspects.notes(), *(emulator.notes if emulator else ())]
        for note in notes:
            progress.note(note)
        try:
            found = isolate(hybrids, lab, suspects)
        except Waiting as waiting:
            return _wait(waiting, store.folder, as_json=as_json)
        return _end(found, hybrids, lab, out, notes=[*notes, *found.notes], as_json=as_json)


def _fits(board: str | None, machine: str, cpu: str | None) -> None:
    from bootwright.image_boot.machine import VIRT, board_machine

    if machine != VIRT and cpu is not None:
        raise Refused(f"{machine} has its own CPU", hint="--cpu is for --machine virt")
    if board is not None and (machine == VIRT or board_machine(machine).board != board):
        raise Refused(
            f"{board}'s goals are not those of the machine {machine}", hint="--board is for --on bench"
        )


def _log(console: Path) -> bytes:
    """The text of a console log, in any wrapping that `diagnose` takes."""
    from bootwright.diagnose.incoming import log_text
    from bootwright.foundation.errors import Missing

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


def _report(
    lab: StoredLab,
    goal: Goal,
    progress: Progress,
    *,
    report: str | None,
    console: Path | None,
    of: str | None,
) -> None:
    from bootwright.foundation.verdict import Verdict
    from bootwright.image_boot.goal import GoalWatch
    from bootwright.isolate.model import Source

    log = b""
    if console is not None:
        log = _log(console)
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


def _wait(waiting: Waiting, out: Path, *, as_json: bool) -> int:
    if as_json:
        document = {
            "schema": SCHEMA,
            "waiting": {"image": str(waiting.image), "parts_from_bad": sorted(waiting.from_bad)},
        }
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
        return 3
    click.echo(f"Try this image: {waiting.image}")
    click.echo(f"  it is the good one with {', '.join(sorted(waiting.from_bad))} of the bad one")
    click.echo(f"  1. bootwright flash {waiting.image} /dev/sdX --any-content")
    click.echo("  2. boot the board and see whether it reaches the goal")
    click.echo("  3. run the same command again with --report works, --report fails or --report unknown,")
    click.echo(f"     or with --console LOG, and --of {waiting.image.name}; what is known is kept in {out}")
    return 3


def _mended(found: Isolated) -> str:
    """What is known of the bad image with the culprit taken out, and how."""
    from bootwright.foundation.verdict import Verdict
    from bootwright.isolate.model import Source

    if found.mended is Verdict.UNKNOWN:
        return "not known: it could not be tried"
    if found.mended_source is Source.GIVEN:
        return "nothing else differs: that is the good image itself, which you say works"
    how = "tried" if found.mended_source is Source.EMULATED else "reported from the board"
    what = {
        Verdict.WORKS: "it reaches the goal",
        Verdict.FAILS: "something else makes it fail as well",
    }[found.mended]
    return f"{how}: {what}"


def _answers(found: Isolated, differences: int) -> None:
    """What was asked of whom, and what was answered; with boots here only how many there were."""
    from bootwright.isolate.model import Source

    sources = [step.answer.source for step in found.steps]
    if Source.EMULATED not in sources:
        click.echo("what was asked, and who answered:")
        for step in found.steps:
            who = {
                Source.GIVEN: "your --good" if not step.from_bad else "your --bad",
                Source.REPORTED: "you, with --report",
                Source.BENCH: f"the console log: {step.answer.reason}",
                Source.PREDICTED: f"nobody, it follows: {step.answer.reason}",
            }[step.answer.source]
            mixture = f"with {', '.join(sorted(step.from_bad))} of the bad one" if step.from_bad else "itself"
            click.echo(f"  the good image {mixture}: {step.answer.verdict} ({who})")
    boots = f"{found.boots} boot{'' if found.boots == 1 else 's'}"
    reported = sources.count(Source.REPORTED) + sources.count(Source.BENCH)
    counted = f"{boots} reported" if reported else boots
    given = sources.count(Source.GIVEN)
    rest = len(sources) - found.boots - given
    named = f", {given} answers by naming the images" if given else ""
    click.echo(f"{counted} for {differences} differences{named}, {rest} answers without a boot")


def _end(
    found: Isolated, hybrids: ImageHybrids, lab: StoredLab, out: Path, *, notes: list[str], as_json: bool
) -> int:
    mend = hybrids.mend(found.culprit)
    proofs = []
    for number, culprit in enumerate(found.culprits, start=1):
        path = out / (f"fails-{number}.img" if len(found.culprits) > 1 else "fails.img")
        if not path.exists() and not (lab.complete and culprit == lab.everything):
            hybrids.build(culprit, path)
        proofs.append({"works": str(lab.good), "fails": str(path if path.exists() else lab.bad),
                       "differ_by": sorted(culprit)})  # fmt: skip
    if as_json:
        document = {
            "schema": SCHEMA,
            "culprit": sorted(found.culprit),
            "culprits": [sorted(each) for each in found.culprits],
            "steps": [step.as_json() for step in found.steps],
            "boots": found.boots,
            "parts": hybrids.finest,
            "mend": mend,
            "mended": found.mended.value,
            "proof": proofs,
            "notes": notes,
        }
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        for culprit in found.culprits:
            click.echo(f"to blame: {' together with '.join(sorted(culprit))}")
        for proof in proofs:
            click.echo(f"  works: {proof['works']}")
            click.echo(f"  fails: {proof['fails']}, which differs by just that")
        click.echo(f"mend it: {mend}")
        click.echo(f"  {_mended(found)}")
        _answers(found, hybrids.finest)
        for note in notes:
            click.echo(f"note: {note}")
    return 0
