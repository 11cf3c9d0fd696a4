"""`bootwright check`: will this board's devices come up with these artifacts, and if not, why?"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bootwright.boards.model import Board
    from bootwright.foundation.versions import Version
    from bootwright.predict.gather import Gathered
    from bootwright.predict.model import GoalVerdict

SCHEMA = "bootwright/check/1"

_EPILOG = """\b
Examples:
  bootwright check debian-6.18.5-4k --board raspberrypi-5 --goal ethernet
  bootwright check debian-6.18.5-4k vendor-dtbs/ --board raspberrypi-5 --revision e04171 --explain
  bootwright check linux-image.deb board.dtb --json
  bootwright check debian-6.12.107-4k --board raspberrypi-5 --os talos=1.12.1
  bootwright check talos.raw.xz --entry B --board raspberrypi-5
  bootwright check --matrix debian-6.12.107-4k debian-6.18.5-4k --board raspberrypi-5 --goal ethernet
  bootwright check --matrix --board raspberrypi-5 --goal ethernet --html matrix.html

An ARTIFACT is an image (disk, partition, UKI, archive, folder or URL), a kernel (catalogue name, .deb,
folder, Image), a devicetree or a folder of them, a config.txt, or an initramfs. Without --board, every known
board that a devicetree is for is checked.

Exit status: 0 works, 1 something fails, 2 usage or bad input, 3 nothing fails but something is unknown.
"""


@click.command(name="check", epilog=_EPILOG)
@click.argument("artifacts", nargs=-1, metavar="ARTIFACT...")
@click.option(
    "--board", "board_names", multiple=True, metavar="NAME", help="Only this board. May be repeated."
)
@click.option("--revision", metavar="CODE", help="The board's revision code, such as e04171.")
@click.option("--stepping", metavar="NAME", help="The board's stepping, such as d0.")
@click.option("--goal", "goal_names", multiple=True, metavar="NAME", help="Only this goal. May be repeated.")
@click.option("--os", "os_text", metavar="NAME=VERSION", help="The operating system, such as talos=1.12.1.")
@click.option("--overlay", "overlays", multiple=True, type=click.Path(path_type=Path), help="DTBO to apply.")
@click.option("--modules", type=click.Path(path_type=Path), help="The kernel's /lib/modules/RELEASE.")
@click.option("--config", type=click.Path(path_type=Path), help="The kernel's configuration.")
@click.option("--entry", metavar="TITLE", help="An image's boot entry, where not the one it boots by itself.")
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
    matrix: bool,
    explain: bool,
    as_json: bool,
    junit: Path | None,
    sarif: Path | None,
    html: Path | None,
    quiet: bool,
) -> int:
    """Say which goals of a board work with these ARTIFACTs, and where the chain breaks."""
    from bootwright.boards.model import board as board_named
    from bootwright.foundation.errors import Refused
    from bootwright.foundation.progress import Lines, Silent
    from bootwright.predict.gather import gather

    progress = Silent() if quiet else Lines()
    chosen = [board_named(name) for name in board_names]
    if revision is not None:
        if len(chosen) != 1:
            raise Refused("a revision code is one board's", hint="give that board with --board")
        stepping = chosen[0].stepping_of(revision).name
    if stepping is not None:
        for one in chosen:
            one.stepping(stepping)
    if not artifacts and not matrix:
        raise click.UsageError("give at least one ARTIFACT: a kernel or an image")
    if matrix:
        return _matrix(artifacts or _kernels_here(), chosen, goal_names, progress, as_json=as_json, html=html)
    found = gather(artifacts, progress, modules=modules, config=config, entry=entry)
    verdicts = dict(
        _check(
            found,
            chosen,
            stepping,
            goal_names=goal_names,
            os=_os(os_text) or found.os or None,
            overlays=overlays,
            code=int(revision, 16) if revision is not None else None,
        )
    )
    if not verdicts:
        raise Refused(
            "none of the devicetrees is for a known board",
            hint="see docs/boards.md for the boards, and how to add one; or use bootwright predict",
        )
    _write_files({title: goals for title, (_, goals) in verdicts.items()}, junit, sarif, artifacts[0])
    if as_json:
        _print_json(verdicts, found)
    else:
        from bootwright.report.check_text import lines

        for note in found.notes:
            click.echo(_printable(f"note: {note}"))
        for title, (_, goals) in verdicts.items():
            for line in lines(title, goals, explain=explain):
                click.echo(_printable(line))
    return _status(goal for _, goals in verdicts.values() for goal in goals.values())


def _os(text: str | None) -> dict[str, Version] | None:
    from bootwright.foundation.errors import Refused
    from bootwright.foundation.versions import Version

    if text is None:
        return None
    name, _, number = text.partition("=")
    version = Version.parse(number)
    if version is None:
        raise Refused(f"{text!r} is no operating system", hint="it looks like talos=1.12.1")
    return {name: version}


def _check(
    found: Gathered,
    chosen: list[Board],
    stepping: str | None,
    *,
    goal_names: tuple[str, ...],
    os: dict[str, Version] | None,
    overlays: tuple[Path, ...],
    code: int | None = None,
) -> Iterator[tuple[str, tuple[dict[str, Any], dict[str, GoalVerdict]]]]:
    from bootwright.predict.api import OS_GOAL, judge, judge_os, predict

    assert found.kernel is not None  # noqa: S101 - gather() refuses otherwise
    facts = found.facts()
    for board, variant, path in _candidates(found, chosen, stepping):
        tree = found.tree(board, path, overlays, code)
        given = found.given(board)
        solved = predict(facts, tree, board=board, stepping=variant, os=os, given=given)
        wanted = goal_names or tuple(goal.name for goal in board.goals)
        goals = {
            name: judge_os(solved) if name == OS_GOAL else judge(solved, board, board.goal(name))
            for name in wanted
        }
        if any(goal.first_broken is not None and goal.first_broken.lacks for goal in goals.values()):
            from bootwright.predict.elsewhere import with_remedy

            goals = {name: with_remedy(goal, facts) for name, goal in goals.items()}
        if (os is not None or given.filesystems) and OS_GOAL not in goals and not goal_names:
            goals[OS_GOAL] = judge_os(solved)
        about = {"board": board.id, "stepping": variant, "dtb": str(path), "kernel": found.kernel.name}
        title = f"{board.name} {variant} with {found.kernel.name} and {path.name}"
        yield title, (about, goals)


def _candidates(
    found: Gathered, chosen: list[Board], stepping: str | None
) -> Iterator[tuple[Board, str, Path]]:
    """(board, stepping, blob): of the boards asked for, or of all that a blob here is for."""
    from bootwright.artifacts.fdt import read_fdt_file
    from bootwright.boards.model import boards
    from bootwright.foundation.errors import Missing
    from bootwright.predict.gather import blob_for

    for board in chosen:
        one = board.stepping(stepping)
        yield board, one.name, blob_for(found, one.dtb, board)
    if chosen:
        return
    for board in boards():
        for one in board.steppings:
            if stepping is not None and one.name != stepping:
                continue
            try:
                path = blob_for(found, one.dtb, board)
            except Missing:
                continue
            if board.compatible[0] in read_fdt_file(path).compatible:
                yield board, one.name, path


def _write_files(
    verdicts: Mapping[str, Mapping[str, GoalVerdict]], junit: Path | None, sarif: Path | None, artifact: str
) -> None:
    if junit is None and sarif is None:
        return
    from bootwright.foundation.atomic import write_text
    from bootwright.report import check_ci

    if junit is not None:
        write_text(junit, check_ci.junit(verdicts))
    if sarif is not None:
        write_text(sarif, check_ci.sarif(verdicts, artifact))


def _print_json(
    verdicts: Mapping[str, tuple[dict[str, Any], dict[str, GoalVerdict]]], found: Gathered
) -> None:
    import json

    parts = [
        {**about, "goals": {name: goal.as_json() for name, goal in goals.items()}}
        for about, goals in verdicts.values()
    ]
    document: dict[str, Any] = {"schema": SCHEMA}
    document |= parts[0] if len(parts) == 1 else {"boards": parts}
    if found.notes:
        document["notes"] = found.notes
    click.echo(json.dumps(document, indent=1))


def _matrix(
    artifacts: tuple[str, ...],
    chosen: list[Board],
    goal_names: tuple[str, ...],
    progress: Any,  # noqa: ANN401 - foundation.progress.Progress, imported only when needed
    *,
    as_json: bool,
    html: Path | None,
) -> int:
    from bootwright.foundation.atomic import write_text
    from bootwright.predict.matrix import matrix
    from bootwright.report import check_matrix

    table = matrix(artifacts, chosen, goal_names, progress)
    if html is not None:
        write_text(html, check_matrix.html(table))
    if as_json:
        import json

        click.echo(json.dumps(table.as_json(), indent=1))
    else:
        for line in check_matrix.lines(table):
            click.echo(_printable(line))
    return _status_of(cell.verdict for cell in table.cells)


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


def _status(goals: Iterator[GoalVerdict]) -> int:
    return _status_of(goal.verdict for goal in goals)


def _status_of(verdicts: Iterator[Any]) -> int:
    from bootwright.foundation.verdict import Verdict

    present = set(verdicts)
    for verdict in (Verdict.FAILS, Verdict.UNKNOWN):
        if verdict in present:
            return verdict.exit_status
    return 0


def _printable(text: str) -> str:
    """Names come from files of others: no control sequence reaches the terminal."""
    if not sys.stdout.isatty():
        return text
    return "".join(char if char.isprintable() else "�" for char in text)
