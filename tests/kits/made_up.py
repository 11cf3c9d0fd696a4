"""An investigation of the real plan whose boots are MADE UP here: no kernel was run for it.

The consoles have the form that probes/ktap.c gives them; what they say follows one rule, below. Real
boots are in tests/investigate and in `make run`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from unittest.mock import patch

from attrs import evolve

from bootwright.foundation.progress import Silent
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.decision.decide import Decision, decide
from bootwright.investigate.plans.plan import Plan
from bootwright.investigate.plans.plan_file import load_plan
from bootwright.investigate.plans.runs import Candidate, Run
from bootwright.investigate.running.execute import Done
from bootwright.investigate.running.investigation import Investigation
from bootwright.investigate.running.loop import Limits, Loop
from bootwright.kernels.model import Kernel
from bootwright.lab.machines.recorded import Recording
from bootwright.lab.probes import ktap

MARK = "bwmadeup"
VERSIONS = ("6.12.107", "6.16.3", "6.18.5")
MOUNTS = (
    "talos-1.12-etc-hosts",
    "talos-1.12-resolv-conf",
    "talos-1.12-cri-hosts",
    "talos-1.11-etc-hosts",
    "classic-bind",
    "attach-first",
)
FILE_SYSTEMS = ("squashfs-4K", "squashfs-128K", "swap-4K")
NETWORK = ("driver", "dhcp-lease")

Rule = Callable[[str, Version, int], str]
"""(test, kernel version, page size) → the errno it fails with, or nothing."""


def as_known(test: str, version: Version, page_size: int) -> str:
    """What the made-up guests say: clones of detached mounts since 6.15, 4K blocks on 4K pages."""
    since = Version.parse("6.15")
    assert since is not None
    if test.startswith("talos-1.12") and version < since:
        return "EINVAL"
    return "EINVAL" if test in {"squashfs-4K", "swap-4K"} and page_size > 4096 else ""


def candidates() -> list[Candidate]:
    return [
        Candidate(
            f"debian-{version}-{pages}k",
            "debian",
            version,
            pages * 1024,
            11_900_000,
            96_000_000,
            11_900_000,
            96_000_000,
        )
        for version in VERSIONS
        for pages in (4, 16)
    ]


class MadeUpLab:
    """Stands where an Executor stands, and makes recordings up by a rule."""

    def __init__(self, rule: Rule, spoil: Callable[[bytes], bytes] = lambda console: console) -> None:
        self.rule, self.spoil = rule, spoil

    def prepare(self, run: Run) -> Kernel:
        assert run.kernel is not None
        version = Version.parse(run.kernel.version)
        assert version is not None
        release = f"{version}+deb13-arm64{'-16k' if run.kernel.page_size > 4096 else ''}"
        return Kernel(
            run.kernel.name, version, release, run.kernel.page_size, Path("Image"), "a" * 64, None, None, None
        )

    def boot_all(self, boots: Sequence[tuple[Run, Kernel, int]]) -> dict[tuple[str, int], Done]:
        return {
            (run.id, number): self._done(run, kernel, number, self._boot(run, kernel))
            for run, kernel, number in boots
        }

    def _boot(self, run: Run, kernel: Kernel) -> Recording:
        console = self.spoil(self._console(run, kernel))
        return Recording(
            console=console,
            times=((0, 0.4), (len(console) // 2, 1.9)),
            ended="powered-off",
            command=("qemu-system-aarch64", "-machine", run.experiment.machine),
            machine=run.experiment.machine,
            machine_version="QEMU 7.2.22",
            kernel_sha256=kernel.image_sha256,
            initramfs_sha256="b" * 64,
            probe_sha256="c" * 64,
            kernel_arguments=f"console=ttyAMA0 bootwright.mark={MARK}",
            wall_seconds=2.6,
            cpu_seconds=2.1,
        )

    def _done(self, run: Run, kernel: Kernel, repeat: int, recording: Recording) -> Done:
        return Done(
            run=run,
            repeat=repeat,
            kernel={"name": kernel.name, "release": kernel.release, "verified": "signature, index, package"},
            recording=recording,
            result=ktap.read(recording),
            recorded_at="2026-01-02T03:04:05+00:00",
            fresh=True,
        )

    def _console(self, run: Run, kernel: Kernel) -> bytes:
        groups = {"mounts": MOUNTS, "filesystems": FILE_SYSTEMS, "network": NETWORK}
        lines = [
            "KTAP version 1",
            f"# bootwright: release {kernel.release}",
            f"# bootwright: page_size {kernel.page_size}",
            f"1..{len(run.experiment.probe)}",
        ]
        for number, probe in enumerate(run.experiment.probe, 1):
            lines += ["  KTAP version 1", f"  # Subtest: {probe}", f"  1..{len(groups[probe])}"]
            for index, test in enumerate(groups[probe], 1):
                errno = self.rule(test, kernel.version, kernel.page_size)
                lines.append(
                    f"  not ok {index} {test} # open_tree: {errno}" if errno else f"  ok {index} {test}"
                )
            lines.append(f"ok {number} {probe}")
        lines.append("# bootwright: end")
        text = "".join(f"[    {1 + index / 100:.6f}] {MARK}: {line}\r\n" for index, line in enumerate(lines))
        return b"[    0.000000] Booting Linux on physical CPU 0x0\r\n" + text.encode()


def investigate(
    plan: Plan,
    rule: Rule = as_known,
    spoil: Callable[[bytes], bytes] = lambda console: console,
    repeat: int = 1,
) -> Investigation:
    lab = MadeUpLab(rule, spoil)
    return a_loop(plan).perform(lab, Silent(), Limits(repeat=repeat, jobs=1, download=1 << 40))  # type: ignore[arg-type]


def a_loop(plan: Plan) -> Loop:
    """As if an emulator that can run everything were here: nothing is run."""
    kept = [
        evolve(
            experiment, only=[f"debian-{VERSIONS[-1]}-{name.rsplit('-', 1)[1]}" for name in experiment.only]
        )
        for experiment in plan.experiment
        if experiment.source != "predicted"
    ]
    with patch("bootwright.investigate.running.loop.runnable", lambda runs: (list(runs), [])):
        return Loop(evolve(plan, experiment=kept), [], candidates())


@cache
def made_up() -> tuple[Investigation, Decision]:
    """The plan of the Pi 5, its boots made up."""
    investigation = investigate(load_plan("talos-rpi5"))
    return investigation, decide(investigation)


KERNELS = ("6.18.15", "7.3.4")
"""The kernels that a devicetree of the first and of the second board works with, made up too; a release has
the first."""


@cache
def made_up_with_boards() -> tuple[Investigation, Decision]:
    """The same, and a prediction for each board, MADE UP: the second needs the newer kernel."""
    plan = load_plan("talos-rpi5")
    factors = {"page_size": "4K", "tree": "mainline", "dtb": "kernel", "talos": "1.12.1"}
    cells = [
        (KERNELS[0], "rpi5-rev-1.0", Verdict.WORKS),
        (KERNELS[0], "rpi5-rev-1.1", Verdict.FAILS),
        (KERNELS[1], "rpi5-rev-1.1", Verdict.WORKS),
    ]
    predicted = [
        Observation(
            id=f"cell-{90 + number}",
            values={name: (level,) for name, level in {**factors, "kernel": kernel, "board": board}.items()},
            outcomes={"ethernet": verdict},
            source=Source.PREDICTED,
            evidence={
                "kernel": f"debian-{kernel}-4k",
                "goals": {
                    "ethernet": {
                        "hazards": [{"name": "bcm2712-d0-pinctrl", "effect": "fails"}]
                        if verdict is Verdict.FAILS
                        else []
                    }
                },
            },
        )
        for number, (kernel, board, verdict) in enumerate(cells)
    ]
    plan = evolve(plan, factor={**plan.factor, "kernel": evolve(plan.factor["kernel"], levels=[*KERNELS])})
    investigation = a_loop(plan).look([*made_up()[0].observations, *predicted])
    investigation = evolve(investigation, plan=plan)  # which says what the boards are
    return investigation, decide(investigation)


def with_texts(plan: Plan, text: str) -> Plan:
    """The plan with `text` in every place where a plan may hold free text."""
    return evolve(
        plan,
        title=text,
        question=text,
        found_at=[text],
        factor={name: evolve(factor, label=text + name) for name, factor in plan.factor.items()},
        outcome={
            name: evolve(outcome, label=text + name, note=text) for name, outcome in plan.outcome.items()
        },
        report=[evolve(report, note=text, found_at=text) for report in plan.report],
        belief=[
            evolve(
                belief,
                says=text,
                set_aside=text if belief.set_aside else "",
                proxy=[evolve(proxy, claim=text, limit=text) for proxy in belief.proxy],
            )
            for belief in plan.belief
        ],
        experiment=[evolve(experiment, how=text, limit=text) for experiment in plan.experiment],
    )


def spoiled(text: str) -> Callable[[bytes], bytes]:
    """Puts `text` into the guest's console: on lines of its own and behind results."""
    hostile = re.sub(r"[\r\n]", " ", text).encode(errors="replace")

    def spoil(console: bytes) -> bytes:
        return console.replace(b"# open_tree: EINVAL", b"# open_tree: EINVAL" + b"\r\n" + hostile).replace(
            b"KTAP version 1\r\n", b"KTAP version 1\r\n" + hostile + b"\r\n", 1
        )

    return spoil
