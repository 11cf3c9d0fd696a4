"""The commit, or the release, since which a goal is reached or missed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter, texts

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.kernels.model import Kernel
    from bootwright.workshop.bisect.search import Turn
    from bootwright.workshop.trials.goal import TrialGoal
    from bootwright.workshop.trials.trials import Trials

SCHEMA = "bootwright/kernel-bisect/1"
BUILD_COST = 10.0
"""What building a kernel costs, in boots: 17 CPU seconds where little differs, against 1 to 2."""
MOST_NAMED = 100
"""Suspects that a result names."""


@frozen
class Suspect:
    """A commit or release that may have turned the goal."""

    name: str
    subject: str
    """A commit's subject; empty for a release."""
    probability: float
    before: str
    """The last one of the old way; empty for a commit, whose parents tell."""


@frozen
class Bisected:
    """What `kernel_bisect` found."""

    goal: str
    kind: str
    """`commits` or `releases`."""
    candidates: int
    """How many may have turned it."""
    fix_wanted: bool
    """The older end is the bad one: what mended it is looked for."""
    turn: Turn
    suspects: tuple[Suspect, ...]
    builds: int
    boots: int
    kept_boots: int
    notes: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """`works` where one was found, else `unknown`."""
        from bootwright.foundation.verdict import Verdict

        return Verdict.UNKNOWN if self.turn.found is None else Verdict.WORKS

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/kernel-bisect.schema.json."""
        return {
            "schema": SCHEMA,
            "goal": self.goal,
            "kind": self.kind,
            "candidates": self.candidates,
            "looked_for": "fix" if self.fix_wanted else "regression",
            "verdict": str(self.verdict),
            "contradicted": self.turn.contradicted,
            "suspects": [
                {
                    "name": suspect.name,
                    "subject": suspect.subject,
                    "probability": round(suspect.probability, 6),
                    "before": suspect.before or None,
                }
                for suspect in self.suspects
            ],
            "tried": [
                {
                    "name": tried.title,
                    "passes": tried.passes,
                    "fails": tried.fails,
                    "skipped": tried.skipped or None,
                }
                for tried in self.turn.tried
            ],
            "builds": self.builds,
            "boots": self.boots,
            "kept_boots": self.kept_boots,
            "notes": list(self.notes),
        }


def bisect_releases(
    span: str,
    *,
    goal: str,
    out: str | Path,
    machine: str = "virt",
    noise: str | float = 0,
    timeout: float | None = None,
    offline: bool = False,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Bisected:
    """The first kernel of the catalogue since which `goal` is missed, or reached, between two of them.

    `span` is `GOOD..BAD`, two names as `boot` takes them, whichever is newer. `goal` is `boot`, a probe, a
    step (`mounts:STEP`, `mounts:STEP=EINVAL`) or `console:TEXT`. `noise` is how often a boot lies. `out` is
    the folder of the run: the same call goes on there. With `offline` only kernels on this machine are taken.

    Returns a `Bisected`. Raises `Refused` for an unknown goal or kernel, two kernels that differ in more than
    their version, and ends that do not differ.

        bisect_releases("debian-6.18-4k..debian-6.12-4k", goal="mounts:talos-1.12-etc-hosts", out="out/b")
    """
    from bootwright.api.kernels import get_kernel, list_kernels
    from bootwright.foundation.verdict import Verdict
    from bootwright.kernels.catalogue import open_library
    from bootwright.workshop.bisect.releases import Release, between
    from bootwright.workshop.bisect.search import find_turn
    from bootwright.workshop.repository import parse_span
    from bootwright.workshop.trials.goal import parse_goal

    progress = reporter(progress)
    wanted = parse_goal(goal)
    names = parse_span(span, form="debian-6.18-4k..debian-6.12-4k")
    library = open_library(offline=offline, progress=progress)
    good, bad = (library.resolve(name) for name in names)
    listed = list_kernels(sources=(good.source,), offline=offline, progress=progress)
    line = between(good, bad, [kernel for kernel in listed if kernel.cached or not offline])
    modules = wanted.probe in {"overlays", "filesystems", "network"}

    def get(name: str) -> Kernel:
        return get_kernel(name, modules=modules, offline=offline, progress=progress)

    releases = [Release(kernel, get) for kernel in line]
    fix_wanted = bad.version < good.version
    about = {"what": "releases", "good": good.name, "bad": bad.name, "goal": goal, "machine": machine}

    def search(trials: Trials) -> Turn:
        contains = [(1 << (number + 1)) - 1 for number in range(len(releases) - 1)]
        return find_turn(
            trials,
            [*releases[1:], releases[0]],
            contains,
            new=Verdict.WORKS if fix_wanted else Verdict.FAILS,
            cost=1.0,
        )

    turn, trials = _searched(
        search, about, wanted, out=out, machine=machine, noise=noise, timeout=timeout, fresh=fresh,
        progress=progress,
    )  # fmt: skip
    suspects = tuple(
        Suspect(releases[member + 1].title, "", share, releases[member].title)
        for member, share in turn.suspects
    )
    return Bisected(
        goal,
        "releases",
        len(releases) - 1,
        fix_wanted,
        turn,
        suspects,
        0,
        trials.boots,
        trials.kept_boots,
        (),
    )


def bisect_commits(
    span: str,
    *,
    goal: str,
    out: str | Path,
    repository: str | Path = ".",
    paths: str | Sequence[str] = (),
    first_parents: bool = False,
    page_size: str = "4k",
    fragments: str | Path | Sequence[str | Path] = (),
    presets: str | Sequence[str] = ("probe",),
    toolchain: str = "gcc",
    jobs: int | None = None,
    machine: str = "virt",
    noise: str | float = 0,
    timeout: float | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Bisected:
    """The commit since which `goal` is missed, or reached, between two of a git repository.

    `span` is `GOOD..BAD`, whichever is older. `paths` keeps commits that touch one of them, `first_parents`
    those of the main line. Each kernel is built as `build_kernel` does, whose arguments the others are; what
    does not build is passed over. The rest as for `bisect_releases`.

    Returns a `Bisected`. Raises what `bisect_releases` and `build_kernel` raise, the latter before it
    compiles.

        bisect_commits("v6.14..v6.15", goal="clone-detached-root", repository="linux", out="out/b").suspects
    """
    from bootwright.api.workshop._trying import trying
    from bootwright.foundation.verdict import Verdict
    from bootwright.workshop.bisect.commits import Revision, commits_between
    from bootwright.workshop.bisect.search import find_turn
    from bootwright.workshop.patches.commits import read_commit
    from bootwright.workshop.repository import open_repository, parse_span
    from bootwright.workshop.trials.goal import parse_goal

    progress = reporter(progress)
    parse_goal(goal)
    opened = open_repository(Path(repository))
    good, bad = (opened.commit(name) for name in parse_span(span, form="v6.14..v6.15"))
    history = commits_between(opened, good, bad, paths=texts(paths), first_parents=first_parents)
    notes: tuple[str, ...] = ()
    if history.first_parents and not first_parents:
        notes = ("so many commits lie between them that only the main line was searched",)
    with trying(
        f"{repository}@{history.old_end}",
        goal,
        Path(out),
        {"what": "commits", "good": good, "bad": bad, "paths": " ".join(texts(paths))},
        patches=(),
        page_size=page_size,
        fragments=fragments,
        presets=presets,
        toolchain=toolchain,
        jobs=jobs,
        machine=machine,
        noise=noise,
        timeout=timeout,
        archive=None,
        offline=False,
        fresh=fresh,
        progress=progress,
    ) as attempt:
        revisions = [
            Revision(opened, history.old_end, name, attempt.build)
            for name in (*history.names, history.old_end)
        ]
        turn = find_turn(
            attempt.trials,
            revisions,
            history.contains,
            new=Verdict.WORKS if history.fix_wanted else Verdict.FAILS,
            cost=BUILD_COST,
        )
    suspects = tuple(
        Suspect(history.names[member], read_commit(opened, history.names[member]).subject, share, "")
        for member, share in turn.suspects[:MOST_NAMED]
    )
    trials = attempt.trials
    return Bisected(
        goal,
        "commits",
        len(history.names),
        history.fix_wanted,
        turn,
        suspects,
        len(turn.tried),
        trials.boots,
        trials.kept_boots,
        notes,
    )


def _searched(
    search: Callable[[Trials], Turn],
    about: dict[str, str],
    goal: TrialGoal,
    *,
    out: str | Path,
    machine: str,
    noise: str | float,
    timeout: float | None,
    fresh: bool,
    progress: Progress,
) -> tuple[Turn, Trials]:
    from bootwright.foundation.run_folder import Store
    from bootwright.lab.machines.machine import MACHINES
    from bootwright.lab.probes.boot import TIMEOUT
    from bootwright.workshop.trials.boots import Boots
    from bootwright.workshop.trials.noise import parse_noise
    from bootwright.workshop.trials.trials import Trials, begin

    MACHINES.get(machine)
    share = parse_noise(str(noise))
    boots = Boots(goal, machine, TIMEOUT if timeout is None else timeout)
    with Store(Path(out), fresh=fresh) as store:
        begin(store, about)
        trials = Trials(store, boots, share, progress)
        return search(trials), trials
