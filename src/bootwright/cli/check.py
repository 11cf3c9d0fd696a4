"""`bootwright check`: will this board's devices come up with these artifacts, and if not, why?"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bootwright.boards.model import Board
    from bootwright.bootchain.model import Chain
    from bootwright.formats.sources.compressed import Growth
    from bootwright.predict.given.gathered import Gathered
    from bootwright.predict.verdicts import BoardVerdicts, Together

SCHEMA = "bootwright/check/1"

_EPILOG = """\b
Examples:
  bootwright check debian-6.18.5-4k --board raspberrypi-5 --goal ethernet
  bootwright check debian-6.18.5-4k vendor-dtbs/ --board raspberrypi-5 --revision e04171 --explain
  bootwright check linux-image.deb board.dtb --json
  bootwright check debian-6.12.107-4k --board raspberrypi-5 --os talos=1.12.1
  bootwright check --config config-arm64 bcm2712-rpi-5-b.dtb --board raspberrypi-5
  bootwright check talos.raw.xz --entry B --board raspberrypi-5
  bootwright check debian-6.18.15-4k --board raspberrypi-5 --cmdline "root=/dev/mmcblk0p2 nomodule"
  bootwright check --matrix debian-6.12.107-4k debian-6.18.5-4k --board raspberrypi-5 --goal ethernet
  bootwright check --matrix --board raspberrypi-5 --goal ethernet --html matrix.html

An ARTIFACT is an image (disk, partition, UKI, archive, folder or URL), a kernel (catalogue name, .deb,
folder, Image), a devicetree or a folder of them, a config.txt, or an initramfs. Without --board, every known
board that a devicetree is for is checked. Without --revision or --stepping, every stepping of a board is.

Exit status: 0 works, 1 something fails, 2 usage or bad input, 3 nothing fails for certain but something is
unknown, such as which stepping the board is where only one of them works.
"""


@click.command(name="check", epilog=_EPILOG)
@click.argument("artifacts", nargs=-1, metavar="ARTIFACT...")
@click.option(
    "--board", "board_names", multiple=True, metavar="NAME|FILE", help="Only this board. May be repeated."
)
@click.option("--revision", metavar="CODE", help="The board's revision code, such as e04171.")
@click.option("--stepping", metavar="NAME", help="The board's stepping, such as d0 [all].")
@click.option("--goal", "goal_names", multiple=True, metavar="NAME", help="Only this goal. May be repeated.")
@click.option("--os", "os_text", metavar="NAME=VERSION", help="The operating system, such as talos=1.12.1.")
@click.option("--overlay", "overlays", multiple=True, type=click.Path(path_type=Path), help="DTBO to apply.")
@click.option("--modules", type=click.Path(path_type=Path), help="The kernel's /lib/modules/RELEASE.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The kernel's configuration: what it leaves out is not there. Also without a kernel.",
)
@click.option("--entry", metavar="TITLE", help="An image's boot entry, where not the one it boots by itself.")
@click.option("--cmdline", metavar="TEXT", help="The kernel's command line, in place of the boot entry's.")
@click.option(
    "--matrix",
    is_flag=True,
    help="Every kernel with every source of devicetrees; without ARTIFACTs, all kernels on this machine.",
)
@click.option("--explain", is_flag=True, help="Print every link with its evidence.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/check.schema.json).")
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write JUnit XML there.")
@click.option("--sarif", type=click.Path(path_type=Path, dir_okay=False), help="Write SARIF there.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="With --matrix: a heat map.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    *,
    artifacts: tuple[str, ...],
    board_names: tuple[str, ...],
    revision: str | None,
    stepping: str | None,
    goal_names: tuple[str, ...],
    os_text: str | None,
    overlays: tuple[Path, ...],
    modules: Path | None,
    config: Path | None,
    entry: str | None,
    cmdline: str | None,
    matrix: bool,
    explain: bool,
    as_json: bool,
    junit: Path | None,
    sarif: Path | None,
    html: Path | None,
    quiet: bool,
) -> int:
    """Say which goals of a board work with these ARTIFACTs, and where the chain breaks."""
    from bootwright.formats.sources.compressed import Growth
    from bootwright.foundation.progress import Lines, Silent

    progress = Silent() if quiet else Lines()
    if not artifacts and not matrix:
        raise click.UsageError("give at least one ARTIFACT: a kernel or an image")
    if html is not None and not matrix:
        raise click.UsageError("--html is for --matrix")
    if matrix:
        unused = {
            "--os": os_text,
            "--overlay": overlays,
            "--modules": modules,
            "--config": config,
            "--entry": entry,
            "--junit": junit,
            "--sarif": sarif,
            "--explain": explain,
        }
        for option, value in unused.items():
            if value:
                raise click.UsageError(f"{option} is not for --matrix")
    with Growth() as growth:
        if not matrix:
            growth.begin(artifacts[0], progress)  # an image is expanded while the rest is imported
        from bootwright.cli._values import asked_boards, operating_system
        from bootwright.foundation.errors import Refused
        from bootwright.predict.api import OS_GOAL
        from bootwright.predict.given.gather import gather
        from bootwright.predict.verdicts import Asked, answer

        chosen, stepping = asked_boards(board_names, revision=revision, stepping=stepping, goals=goal_names)
        os = operating_system(os_text)
        if matrix:
            if OS_GOAL in goal_names:
                raise Refused(
                    f"{OS_GOAL} is not for --matrix", hint="check the kernels one by one, with --os"
                )
            kernels = artifacts or _kernels_here()
            return _matrix(kernels, chosen, stepping, goal_names, progress, as_json=as_json, html=html)

        def gathered(board: Board | None, growth: Growth | None = None) -> Gathered:
            return gather(
                artifacts,
                progress,
                modules=modules,
                config=config,
                entry=entry,
                cmdline=cmdline,
                board=board,
                growth=growth,
            )

        # One board decides at once what its firmware starts; several may differ.
        found = gathered(chosen[0] if len(chosen) == 1 else None, growth)
    asked = Asked(goal_names, os, overlays, int(revision, 16) if revision is not None else None)
    answered = answer(found, chosen, stepping, asked, gathered)
    judged = answered.judged
    if not judged:
        raise Refused(
            "none of the devicetrees is for a known board",
            hint="see docs/boards.md for the boards, and how to add one; or use bootwright predict",
        )
    return _report(
        judged,
        answered.notes,
        answered.boots,
        artifacts[0],
        explain=explain,
        as_json=as_json,
        junit=junit,
        sarif=sarif,
    )


def _report(
    judged: Sequence[BoardVerdicts],
    notes: Sequence[str],
    boots: Mapping[str, Chain],
    artifact: str,
    *,
    explain: bool,
    as_json: bool,
    junit: Path | None,
    sarif: Path | None,
) -> int:
    from bootwright.foundation.verdict import worst
    from bootwright.predict.verdicts import together

    notes = tuple(dict.fromkeys([*notes, *(note for one in judged for note in one.notes)]))
    answers = together(judged)
    _write_files(judged, answers, junit, sarif, artifact)
    if as_json:
        _print_json(judged, answers, notes, boots)
    else:
        from bootwright.report.check_text import lines, summary

        for note in notes:
            click.echo(_printable(f"note: {note}"))
        for one in judged:
            for line in lines(one.title, one.goals, explain=explain):
                click.echo(_printable(line))
        for line in summary(answers):
            click.echo(_printable(line))
    return worst(answer.verdict for answer in answers).exit_status


def _write_files(
    judged: Sequence[BoardVerdicts],
    answers: Sequence[Together],
    junit: Path | None,
    sarif: Path | None,
    artifact: str,
) -> None:
    if junit is None and sarif is None:
        return
    from bootwright.foundation.atomic import write_text
    from bootwright.report import check_ci

    verdicts = {one.title: one.goals for one in judged}
    open_questions = {
        (one.title, answer.goal): answer.words
        for answer in answers
        if answer.split
        for one in judged
        if one.board is answer.board
    }
    if junit is not None:
        write_text(junit, check_ci.junit(verdicts, open_questions))
    if sarif is not None:
        write_text(sarif, check_ci.sarif(verdicts, artifact, open_questions))


def _print_json(
    judged: Sequence[BoardVerdicts],
    answers: Sequence[Together],
    notes: Sequence[str],
    boots: Mapping[str, Chain],
) -> None:
    import json

    parts = [
        {
            "board": one.board.id,
            "stepping": one.stepping,
            "dtb": str(one.dtb) if one.dtb is not None else None,
            "kernel": one.kernel,
            "boots": boots[one.board.id].as_json() if one.board.id in boots else None,
            "goals": {name: goal.as_json() for name, goal in one.goals.items()},
        }
        for one in judged
    ]
    document: dict[str, Any] = {"schema": SCHEMA}
    document |= parts[0] if len(parts) == 1 else {"boards": parts}
    if len(parts) > 1:
        document["together"] = [
            {
                "board": answer.board.id,
                "goal": answer.goal,
                "verdict": answer.verdict.value,
                "steppings": {name: verdict.value for name, verdict in answer.steppings.items()},
            }
            for answer in answers
        ]
    if notes:
        document["notes"] = list(notes)
    click.echo(json.dumps(document, indent=1))


def _matrix(
    artifacts: tuple[str, ...],
    chosen: Sequence[Board],
    stepping: str | None,
    goal_names: tuple[str, ...],
    progress: Any,  # noqa: ANN401 - foundation.progress.Progress, imported only when needed
    *,
    as_json: bool,
    html: Path | None,
) -> int:
    from bootwright.foundation.atomic import write_text
    from bootwright.foundation.verdict import worst
    from bootwright.predict.matrix import matrix
    from bootwright.report import check_matrix

    table = matrix(artifacts, chosen, goal_names, progress, stepping=stepping)
    if html is not None:
        write_text(html, check_matrix.html(table))
    if as_json:
        import json

        click.echo(json.dumps(table.as_json(), indent=1))
    else:
        for line in check_matrix.lines(table):
            click.echo(_printable(line))
    return worst(table.together().values()).exit_status


def _kernels_here() -> tuple[str, ...]:
    from bootwright.foundation.errors import Missing
    from bootwright.kernels.catalogue import open_library

    store = open_library(offline=True).store
    manifests = [one for name in store.names() if (one := store.manifest(name)) is not None]
    whole = tuple(one.name for one in manifests if one.modules and one.dtbs)
    if not whole:
        raise Missing(
            "no kernel with its modules is on this machine", hint="bootwright kernels fetch NAME --modules"
        )
    return whole


def _printable(text: str) -> str:
    """Names come from files of others: no control sequence reaches the terminal."""
    if not sys.stdout.isatty():
        return text
    return "".join(char if char.isprintable() else "�" for char in text)
