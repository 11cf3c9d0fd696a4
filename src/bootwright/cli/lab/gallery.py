"""`bootwright lab gallery`: boot kernels into known failures and see whether the diagnosis names them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bootwright.foundation.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from bootwright.diagnose.model import Diagnosis
    from bootwright.kernels.model import Kernel
    from bootwright.lab.gallery.scenarios import Played, Scenario

_EPILOG = """\b
Examples:
  bootwright lab gallery
  bootwright lab gallery no-root corrupt-zstd --out recordings
  bootwright lab gallery init-exits no-root --kernel debian-6.1-4k --kernel debian-7.3-4k
  bootwright lab gallery --list

Exit status: 0 every cause was named, 1 some were not, 2 usage or bad input.
"""


@click.command(name="gallery", epilog=_EPILOG)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--kernel",
    "chosen",
    multiple=True,
    metavar="KERNEL",
    help="Boot it in place of the scenario's own; repeatable. Without names: the scenarios for any.",
)
@click.option(
    "--every-kernel",
    is_flag=True,
    help="The same with every kernel on this machine (slow: hours on two cores).",
)
@click.option("--list", "listing", is_flag=True, help="List the scenarios.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Keep the consoles there.")
@click.option("--golden", is_flag=True, help="Write recordings beside the signatures, for the tests.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    names: tuple[str, ...],
    *,
    chosen: tuple[str, ...],
    every_kernel: bool,
    listing: bool,
    out: Path | None,
    golden: bool,
    as_json: bool,
) -> int:
    """Boot each scenario of data/gallery in QEMU and compare the diagnosis with what was done to it.

    Messages change from kernel to kernel; with --kernel or --every-kernel the same failures are made with
    others than the one that a scenario names.
    """
    from bootwright.diagnose.engine import diagnose_bytes
    from bootwright.foundation.progress import Lines
    from bootwright.lab.gallery.scenarios import SCENARIOS, play

    scenes = [SCENARIOS.get(name) for name in names or SCENARIOS.names()]
    if golden and (chosen or every_kernel):
        raise Refused(
            "recordings kept as golden come from the scenario's own kernel", hint="leave out --golden"
        )
    if listing:
        for scene in scenes:
            click.echo(f"{scene.name:28} {scene.title}")
        return 0
    progress = Lines()
    kernels, here = _kernels(progress)
    if chosen or every_kernel:
        scenes = _on(scenes, [*chosen, *(here() if every_kernel else ())], everything=not names)
    results = []
    for number, scene in enumerate(scenes, 1):
        on = f" on {scene.kernel}" if chosen or every_kernel else ""
        with progress.step(f"{number}/{len(scenes)} {scene.name}{on}: {scene.title}"):
            played = play(scene, kernels)
        diagnosis = diagnose_bytes(played.console, scene.name, watched=True)
        wrong = _differences(scene, diagnosis)
        for text in wrong:
            progress.note(f"  {text}")
        if out:
            _keep(out / f"{scene.name}{on.replace(' on ', '@')}.log", played.console)
        if golden and not wrong:
            _write_golden(scene, played)
        results.append(_result(scene, played, diagnosis, wrong))
    good = sum(not result["wrong"] for result in results)
    if as_json:
        click.echo(json.dumps({"right": good, "of": len(results), "scenarios": results}, indent=2))
    else:
        click.echo(f"{good} of {len(results)} scenarios diagnosed right")
    return 0 if good == len(results) else 1


def _on(scenes: list[Scenario], kernels: list[str], *, everything: bool) -> list[Scenario]:
    """The scenarios with each of the kernels; of `everything` only those that any kernel must pass."""
    from attrs import evolve

    fitting = [scene for scene in scenes if scene.kernel and (scene.any_kernel or not everything)]
    return [evolve(scene, kernel=kernel) for kernel in dict.fromkeys(kernels) for scene in fitting]


def _kernels(progress: object) -> tuple[Callable[[str, bool], Kernel], Callable[[], list[str]]]:
    """What gets a kernel by its name, and the names of those on this machine."""
    from bootwright.kernels.catalogue import open_library

    library = open_library(progress=progress)  # type: ignore[arg-type]

    def get(name: str, modules: bool) -> Kernel:
        return library.get(name, modules=modules)

    return get, lambda: [listed.name for listed in library.listed() if listed.cached]


def _differences(scene: Scenario, diagnosis: Diagnosis) -> list[str]:
    expected = scene.expected
    findings = [finding for boot in diagnosis.boots for finding in boot.findings]
    serious = [finding for finding in findings if finding.severity.value in {"fatal", "degrading"}]
    wrong = []
    if diagnosis.outcome.value != expected.outcome:
        wrong.append(f"outcome {diagnosis.outcome.value}, expected {expected.outcome}")
    if diagnosis.boots[-1].stage != expected.stage:
        wrong.append(f"stage {diagnosis.boots[-1].stage}, expected {expected.stage}")
    if expected.root is None:
        wrong += [f"{finding.signature} reported: {finding.cause}" for finding in serious]
    elif not serious or serious[0].signature != expected.root:
        first = f"{serious[0].signature}: {serious[0].cause}" if serious else "nothing"
        wrong.append(f"cause {first}, expected {expected.root}")
    elif not any(expected.proof in line.text for line in serious[0].lines):
        wrong.append(f"the proof does not hold {expected.proof!r}")
    return wrong


def _result(scene: Scenario, played: Played, diagnosis: Diagnosis, wrong: list[str]) -> dict[str, Any]:
    return {
        "name": scene.name,
        "title": scene.title,
        "kernel": scene.kernel,
        "machine": played.machine,
        "ended": played.ended,
        "seconds": round(played.seconds, 2),
        "outcome": diagnosis.outcome.value,
        "wrong": wrong,
    }


def _keep(path: Path, console: bytes) -> None:
    from bootwright.foundation.atomic import write_bytes

    write_bytes(path, console)


def _write_golden(scene: Scenario, played: Played) -> None:
    from bootwright.foundation.atomic import write_text
    from bootwright.foundation.places import DATA

    signature = scene.golden or scene.expected.root
    if signature is None:
        folder = DATA / "gallery" / "golden" / scene.name
    else:
        folder = DATA / "signatures" / signature / "golden" / f"gallery-{scene.name}"
    _keep(folder / "console.log", played.console)
    expected: dict[str, Any] = {
        "origin": f"bootwright lab gallery {scene.name} ({scene.kernel or scene.firmware}, {played.machine})",
        "synthetic": False,
        "watched": True,
        "outcome": scene.expected.outcome,
        "stage": scene.expected.stage,
    }
    if scene.expected.root:
        expected |= {"root": scene.expected.root, "proof": scene.expected.proof}
    write_text(folder / "expected.json", json.dumps(expected, indent=2) + "\n")
