"""`bootwright isolate`: which part of a bad image is to blame?"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.values import Artifact, OneOf, firmware_names, image_machines, refuse_given
from bootwright.foundation.errors import Refused
from bootwright.foundation.processes.program import as_root

if TYPE_CHECKING:
    from bootwright.api import AwaitedReport, Isolation
    from bootwright.isolate.model import Isolated

_PATH = click.Path(path_type=Path)
_EPILOG = """\b
Examples:
  bootwright isolate --good old.raw --bad new.raw --until 'entering maintenance' --out out/isolate
  bootwright isolate --good old.raw --bad new.raw --until login --out out/isolate --json
  bootwright isolate --good old.img --bad new.img --until login --machine raspi3b --out out/pi3
  bootwright isolate --good old.raw --bad new.raw --until 'link up' --on bench --out out/board
  bootwright isolate … --on bench --out out/board --report fails --of 0a1b2c3d4e5f.img
  bootwright isolate --good old.raw --bad new.raw --until login --on bench --env bench.yaml --out out/lab

Mixtures of the two images are made and tried until the smallest difference is found that makes the good one
fail. --on bench makes an image, says what to do with it and ends; flash it, look, and run the same command
with --report works, fails or unknown (or --console LOG): it goes on there, days later too. With --of IMAGE
the same report can be given again after a crash, and counts once. With --env, labgrid's environment file,
the board boots every mixture by itself (docs/bench.md).

Exit status: 0 found, 2 usage or bad input (the good one fails, the bad one works), 3 not found, or a report
is waited for.
"""


@click.command(name="isolate", epilog=_EPILOG)
@click.option("--good", type=Artifact(), required=True, help="An image that reaches the goal.")
@click.option("--bad", type=Artifact(), required=True, help="An image that does not.")
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
@click.option(
    "--env", "environment", type=_PATH, help="With --on bench: labgrid's environment file of a board."
)
@click.option("--target", metavar="NAME", help="With --env: which of its targets.")
@click.option("--fresh", is_flag=True, help="Forget what the folder holds and start over.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/isolate.schema.json).")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    *,
    good: str | Path,
    bad: str | Path,
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
    environment: Path | None,
    target: str | None,
    fresh: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Find the smallest difference between two images that makes one of them fail."""
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    if (report or console or of) and where != "bench":
        raise Refused("reports are for --on bench", hint="with --on qemu every mixture is booted here")
    if target is not None and environment is None:
        raise click.UsageError("--target is one of --env")
    if (board is None) != (board_goal is None):
        raise click.UsageError("--board and --goal go together")
    if stepping is not None and board is None:
        raise click.UsageError("--stepping needs a --board")
    if where == "bench":
        refuse_given({"machine", "cpu", "firmware", "timeout", "memory"}, "is for --on qemu")
    result = api.isolate(
        good,
        bad,
        until=until,
        out=out,
        on=where,
        machine=machine,
        cpu=cpu,
        firmware=firmware,
        timeout=timeout,
        memory=memory,
        repeat=repeat,
        board=board,
        board_goal=board_goal,
        stepping=stepping,
        report=report,
        console=console,
        of=of,
        environment=environment,
        target=target,
        fresh=fresh,
        progress=Silent() if quiet else Lines(),
    )
    if as_json:
        click.echo(json.dumps(result.as_json(), indent=1, ensure_ascii=False))
    elif isinstance(result, api.Isolation):
        _print_found(result)
    else:
        _print_awaited(result)
    return 0 if isinstance(result, api.Isolation) else 3


def _print_awaited(awaited: AwaitedReport) -> None:
    image = awaited.image
    click.echo(f"Try this image: {image}")
    click.echo(f"  it is the good one with {', '.join(sorted(awaited.from_bad))} of the bad one")
    click.echo(f"  1. {shlex.join([*as_root(), 'flash', str(image), '/dev/sdX', '--any-content'])}")
    click.echo("  2. boot the board and see whether it reaches the goal")
    click.echo("  3. run the same command again with --report works, --report fails or --report unknown,")
    click.echo(
        f"     or with --console LOG, and --of {image.name}; what is known is kept in {awaited.folder}"
    )


def _mended(isolated: Isolated) -> str:
    """What is known of the bad image with the culprit taken out, and how."""
    from bootwright.foundation.verdict import Verdict
    from bootwright.isolate.model import Source

    if isolated.mended is Verdict.UNKNOWN:
        return "not known: it could not be tried"
    if isolated.mended_source is Source.GIVEN:
        return "nothing else differs: that is the good image itself, which you say works"
    how = "tried" if isolated.mended_source is Source.EMULATED else "reported from the board"
    what = {
        Verdict.WORKS: "it reaches the goal",
        Verdict.FAILS: "something else makes it fail as well",
    }[isolated.mended]
    return f"{how}: {what}"


def _answers(isolated: Isolated, differences: int) -> None:
    """What was asked of whom, and what was answered; with boots here only how many there were."""
    from bootwright.isolate.model import Source

    sources = [step.answer.source for step in isolated.steps]
    if Source.EMULATED not in sources:
        click.echo("what was asked, and who answered:")
        for step in isolated.steps:
            who = {
                Source.GIVEN: "your --good" if not step.from_bad else "your --bad",
                Source.REPORTED: "you, with --report",
                Source.BENCH: f"the console log: {step.answer.reason}",
                Source.PREDICTED: f"nobody, it follows: {step.answer.reason}",
            }[step.answer.source]
            mixture = f"with {', '.join(sorted(step.from_bad))} of the bad one" if step.from_bad else "itself"
            click.echo(f"  the good image {mixture}: {step.answer.verdict} ({who})")
    boots = f"{isolated.boots} boot{'' if isolated.boots == 1 else 's'}"
    reported = sources.count(Source.REPORTED) + sources.count(Source.BENCH)
    counted = f"{boots} reported" if reported else boots
    given = sources.count(Source.GIVEN)
    rest = len(sources) - isolated.boots - given
    named = f", {given} answers by naming the images" if given else ""
    click.echo(f"{counted} for {differences} differences{named}, {rest} answers without a boot")


def _print_found(result: Isolation) -> None:
    for culprit in result.found.culprits:
        click.echo(f"to blame: {' together with '.join(sorted(culprit))}")
    for proof in result.proofs:
        click.echo(f"  works: {proof['works']}")
        click.echo(f"  fails: {proof['fails']}, which differs by just that")
    click.echo(f"mend it: {result.mend}")
    click.echo(f"  {_mended(result.found)}")
    _answers(result.found, result.parts)
    for note in result.notes:
        click.echo(f"note: {note}")
