"""`bootwright check`: will this board's devices come up with these artifacts, and if not, why?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bootwright.api import Checked
    from bootwright.predict.all_devicetrees import AllDevicetrees
    from bootwright.predict.matrix import Matrix

_EPILOG = """\b
Examples:
  bootwright check debian-6.18.5-4k --board raspberrypi-5 --goal ethernet
  bootwright check debian-6.18.5-4k vendor-dtbs/ --board raspberrypi-5 --revision e04171 --explain
  bootwright check debian-6.18.5-4k --devicetrees raspberrypi-firmware --board raspberrypi-5
  bootwright check linux-image.deb board.dtb --json
  bootwright check debian-6.12.107-4k --board raspberrypi-5 --os talos=1.12.1
  bootwright check --config config-arm64 bcm2712-rpi-5-b.dtb --board raspberrypi-5
  bootwright check talos.raw.xz --entry B --board raspberrypi-5
  bootwright check oci://ghcr.io/siderolabs/installer:v1.12.6 --board raspberrypi-5
  bootwright check debian-6.18.15-4k --board raspberrypi-5 --cmdline "root=/dev/mmcblk0p2 nomodule"
  bootwright check --matrix debian-6.12.107-4k debian-6.18.5-4k --board raspberrypi-5 --goal ethernet
  bootwright check --matrix --board raspberrypi-5 --goal ethernet --html matrix.html
  bootwright check debian-7.3.4-4k --board rk3588s-nanopi-r6c.dtb
  bootwright check debian-7.3.4-4k --board friendlyarm,nanopi-r6c --goal ethernet
  bootwright check debian-7.3.4-4k --all-devicetrees --goal ethernet

An ARTIFACT is an image (disk, partition, UKI, archive, folder, URL or oci://HOST/NAME:TAG), a kernel
(catalogue name, .deb, folder, Image), a devicetree or a folder of them, a config.txt, or an initramfs.
Without --board, every known board that a devicetree is for is checked. Without --revision or --stepping,
every stepping of a board is.
A devicetree that no board's file is for gets goals by what its nodes are for. --board takes the compatible
or the file name of one of the kernel's own as well, with a board's file or without.

Exit status: 0 works, 1 something fails, 2 usage or bad input, 3 nothing fails for certain but something is
unknown, such as which stepping the board is where only one of them works.
"""


@click.command(name="check", epilog=_EPILOG)
@click.argument("artifacts", nargs=-1, metavar="ARTIFACT...")
@click.option(
    "--board",
    "board_names",
    multiple=True,
    metavar="NAME|FILE",
    help="Only this board, by name or its file, or by a devicetree's compatible. May be repeated.",
)
@click.option("--revision", metavar="CODE", help="The board's revision code, such as e04171.")
@click.option("--stepping", metavar="NAME", help="The board's stepping, such as d0 [all].")
@click.option("--goal", "goal_names", multiple=True, metavar="NAME", help="Only this goal. May be repeated.")
@click.option("--os", "os_text", metavar="NAME=VERSION", help="The operating system, such as talos=1.12.1.")
@click.option("--overlay", "overlays", multiple=True, type=click.Path(path_type=Path), help="DTBO to apply.")
@click.option(
    "--devicetrees",
    metavar="NAME|FOLDER",
    help="Devicetrees of a vendor (bootwright devicetrees list), or of a folder: the firmware picks there.",
)
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
@click.option(
    "--all-devicetrees",
    is_flag=True,
    help="Every devicetree that a kernel comes with, or of a folder, whatever board it is for.",
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
    devicetrees: str | None,
    modules: Path | None,
    config: Path | None,
    entry: str | None,
    cmdline: str | None,
    matrix: bool,
    all_devicetrees: bool,
    explain: bool,
    as_json: bool,
    junit: Path | None,
    sarif: Path | None,
    html: Path | None,
    quiet: bool,
) -> int:
    """Say which goals of a board work with these ARTIFACTs, and where the chain breaks."""
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    progress = Silent() if quiet else Lines()
    if not artifacts and not matrix:
        raise click.UsageError("give at least one ARTIFACT: a kernel or an image")
    if html is not None and not matrix:
        raise click.UsageError("--html is for --matrix")
    if matrix or all_devicetrees:
        unused: dict[str, object] = {
            "--os": os_text,
            "--overlay": overlays,
            "--devicetrees": devicetrees,
            "--config": config,
            "--entry": entry,
            "--junit": junit,
            "--sarif": sarif,
            "--explain": explain,
        }
        mode = "--matrix"
        others: dict[str, object] = {"--modules": modules, "--all-devicetrees": all_devicetrees}
        if not matrix:
            others = {"--board": board_names, "--revision": revision, "--stepping": stepping}
            mode = "--all-devicetrees"
        for option, value in (unused | others).items():
            if value:
                raise click.UsageError(f"{option} is not for {mode}")
    if all_devicetrees:
        if len(artifacts) > 2:
            raise click.UsageError("--all-devicetrees takes a kernel, and a folder of devicetrees at most")
        everything = api.check_all_devicetrees(
            *artifacts, goals=goal_names, modules=modules, progress=progress
        )
        return _report_all(everything, as_json=as_json)
    if matrix:
        table = api.check_matrix(
            artifacts,
            boards=board_names,
            revision=revision,
            stepping=stepping,
            goals=goal_names,
            progress=progress,
        )
        return _report_matrix(table, as_json=as_json, html=html)
    checked = api.check(
        artifacts,
        boards=board_names,
        revision=revision,
        stepping=stepping,
        goals=goal_names,
        os=os_text,
        overlays=overlays,
        devicetrees=devicetrees,
        modules=modules,
        config=config,
        entry=entry,
        cmdline=cmdline,
        progress=progress,
    )
    _write_files(checked, junit, sarif, artifacts[0])
    if as_json:
        import json

        click.echo(json.dumps(checked.as_json(), indent=1))
    else:
        _print(checked, explain=explain)
    return checked.verdict.exit_status


def _print(checked: Checked, *, explain: bool) -> None:
    from bootwright.report.checked.text import links, notes, screens, terminal_size

    size = terminal_size().endless if explain else terminal_size()
    remarks = notes(checked.notes, size)
    for line in screens(checked.judged, size.less(len(remarks))):
        click.echo(_printable(line))
    for line in remarks:
        click.echo(_printable(line))
    if explain:
        for verdicts in checked.judged:
            click.echo("")
            for line in links(verdicts, _columns()):
                click.echo(_printable(line))


def _write_files(checked: Checked, junit: Path | None, sarif: Path | None, artifact: str) -> None:
    if junit is None and sarif is None:
        return
    from bootwright.foundation.atomic import write_text
    from bootwright.report.checked import ci as check_ci

    verdicts = {judged.title: judged.goals for judged in checked.judged}
    names = {judged.title: f"{judged.board.id}.{judged.stepping}" for judged in checked.judged}
    open_questions = {
        (judged.title, answer.goal): answer.words
        for answer in checked.answers
        if answer.split
        for judged in checked.judged
        if judged.board is answer.board
    }
    if junit is not None:
        write_text(junit, check_ci.junit(verdicts, open_questions, names))
    if sarif is not None:
        write_text(sarif, check_ci.sarif(verdicts, artifact, open_questions, names))


def _report_matrix(table: Matrix, *, as_json: bool, html: Path | None) -> int:
    from bootwright.foundation.atomic import write_text
    from bootwright.foundation.verdict import worst
    from bootwright.report.checked import matrix as check_matrix

    if html is not None:
        write_text(html, check_matrix.html(table))
    if as_json:
        import json

        click.echo(json.dumps(table.as_json(), indent=1))
    else:
        for line in check_matrix.lines(table, _columns()):
            click.echo(_printable(line))
    return worst(table.together().values()).exit_status


def _report_all(everything: AllDevicetrees, *, as_json: bool) -> int:
    from bootwright.report.checked.devicetrees import lines

    if as_json:
        import json

        click.echo(json.dumps(everything.as_json(), indent=1))
    else:
        # Into a file or another program a devicetree is one line.
        for line in lines(everything, _columns()):
            click.echo(_printable(line))
    return everything.exit_status


def _columns() -> int | None:
    """Of the screen; None for a file or another program."""
    from bootwright.foundation.screen import line_width, screen_size

    return line_width() if screen_size()[0] else None


def _printable(text: str) -> str:
    """Names come from files of others: no control sequence reaches the terminal."""
    if not sys.stdout.isatty():
        return text
    return "".join(char if char.isprintable() else "�" for char in text)
