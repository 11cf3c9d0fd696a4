"""Where a history turned: planted histories first, then released kernels that are really booted."""

from __future__ import annotations

import json
import math
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright import api
from bootwright.foundation.errors import Refused
from bootwright.foundation.progress import Silent
from bootwright.foundation.run_folder import Store
from bootwright.foundation.verdict import Verdict
from bootwright.lab.machines.recorded import Recording
from bootwright.workshop.bisect.search import Turn, find_turn
from bootwright.workshop.trials.goal import parse_goal
from bootwright.workshop.trials.noise import Noise, parse_noise
from bootwright.workshop.trials.trials import Observation, Trials, Unbuildable, begin

SCHEMA = Path(__file__).parents[2] / "docs/schemas/kernel-bisect.schema.json"


@define
class Member:
    """A member of a planted history; its 'kernel' is itself: nothing is booted."""

    key: str
    broken: bool = False

    @property
    def title(self) -> str:
        return self.key

    def kernel(self) -> Member:
        if self.broken:
            raise Unbuildable("it does not compile")
        return self


@define
class Planted:
    """A history with one member that turned it, and boots that lie."""

    contains: Sequence[int]
    turned: int
    noise: Noise = field(factory=Noise)
    broken: frozenset[int] = frozenset()
    chance: random.Random = field(factory=lambda: random.Random(1))
    boots: int = 0

    def search(self, folder: Path) -> Turn:
        count = len(self.contains)
        members = [Member(f"m{number}", number in self.broken) for number in range(count)]
        members.append(Member("start", count in self.broken))

        def oracle(kernel: object) -> Observation:
            self.boots += 1
            assert isinstance(kernel, Member)
            number = members.index(kernel)
            new = number < count and bool(self.contains[number] >> self.turned & 1)
            wrong = self.chance.random() < (self.noise.false_fail if not new else self.noise.false_pass)
            return Observation(Verdict.FAILS if new != wrong else Verdict.WORKS, "planted")

        with Store(folder, fresh=True) as store:
            trials = Trials(store, oracle, self.noise, Silent())  # type: ignore[arg-type]
            return find_turn(trials, members, self.contains, new=Verdict.FAILS, cost=1.0)  # type: ignore[arg-type]


def line(count: int) -> list[int]:
    return [(1 << number + 1) - 1 for number in range(count)]


@pytest.mark.parametrize("releases", [2, 3, 4, 5, 8, 9, 12, 16, 17])
def test_boots_over_releases_stay_within_the_bound(releases: int, tmp_path: Path) -> None:
    """ceil(log2 n) + 1, and both sides of the turn were booted."""
    for turned in range(releases - 1):
        planted = Planted(line(releases - 1), turned)
        turn = planted.search(tmp_path)
        assert turn.found == turned
        assert planted.boots <= math.ceil(math.log2(releases)) + 1
        tried = {candidate.title for candidate in turn.tried}
        assert {f"m{turned}", f"m{turned - 1}" if turned else "start"} <= tried


@st.composite
def histories(draw: st.DrawFn) -> list[int]:
    """Any history: each member is made on some earlier ones; the last contains them all."""
    contains: list[int] = []
    for number in range(draw(st.integers(1, 30))):
        mask = 1 << number
        for parent in draw(st.frozensets(st.integers(0, number - 1), max_size=2)) if number else ():
            mask |= contains[parent]
        contains.append(mask)
    contains[-1] = (1 << len(contains)) - 1
    return contains


@settings(max_examples=40, deadline=None)
@given(histories(), st.data())
def test_any_history_without_noise(
    tmp_path_factory: pytest.TempPathFactory, contains: list[int], data: st.DataObject
) -> None:
    turned = data.draw(st.integers(0, len(contains) - 1))
    planted = Planted(contains, turned)
    assert planted.search(tmp_path_factory.mktemp("run")).found == turned
    assert planted.boots <= len(contains) + 1


def test_what_does_not_build_is_passed_over(tmp_path: Path) -> None:
    """A broken stretch in the middle, beside the turn: the rest is narrowed as far as it goes."""
    turn = Planted(line(40), 25, broken=frozenset(range(15, 22))).search(tmp_path / "a")
    assert turn.found == 25
    hidden = Planted(line(40), 18, broken=frozenset(range(15, 22))).search(tmp_path / "b")
    assert hidden.found is None
    assert {member for member, _ in hidden.suspects} == set(range(15, 23))


def test_lying_boots(tmp_path: Path) -> None:
    """One boot in ten lies, over 64 members: the right one in at least 18 of 20, in some 20 boots."""
    right, boots = 0, []
    for seed in range(20):
        chance = random.Random(seed)
        planted = Planted(line(64), chance.randrange(64), Noise(0.1, 0.1), chance=chance)
        right += planted.search(tmp_path).found == planted.turned
        boots.append(planted.boots)
    assert right >= 18
    assert sorted(boots)[10] <= 26


def test_two_turns_are_told(tmp_path: Path) -> None:
    def oracle(kernel: object) -> Observation:
        assert isinstance(kernel, Member)
        fails = kernel.key in {"m0", "m1", "m5", "m6", "m7"}
        return Observation(Verdict.FAILS if fails else Verdict.WORKS, "planted")

    members = [*(Member(f"m{number}") for number in range(8)), Member("start")]
    # A diamond, so that the search sees both: m7 contains two lines.
    contains = [1, 3, 7, 15, 16, 48, 112, 255]
    with Store(tmp_path) as store:
        trials = Trials(store, oracle, Noise(), Silent())  # type: ignore[arg-type]
        turn = find_turn(trials, members, contains, new=Verdict.FAILS, cost=1.0)  # type: ignore[arg-type]
    assert turn.found is None or turn.found in {0, 5}


@pytest.mark.parametrize(("turned", "said"), [(-1, "start does not reach"), (99, "m6 reaches the goal")])
def test_an_end_that_is_not_as_said(turned: int, said: str, tmp_path: Path) -> None:
    def oracle(kernel: object) -> Observation:
        return Observation(Verdict.FAILS if turned < 0 else Verdict.WORKS, "planted")

    members = [*(Member(f"m{number}") for number in range(7)), Member("start")]
    with Store(tmp_path) as store, pytest.raises(Refused) as caught:
        find_turn(Trials(store, oracle, Noise(), Silent()), members, line(7), new=Verdict.FAILS, cost=1.0)  # type: ignore[arg-type]
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("goal", "said", "hint"),
    [
        ("boots", "no goal 'boots'", "did you mean boot?"),
        ("mount", "no goal 'mount'", "mounts"),
        ("mounts:talos-1.12-etc-host", "no step", "did you mean talos-1.12-etc-hosts?"),
        ("mounts:ext4-64K", "mounts has no step", "it is a step of filesystems: filesystems:ext4-64K"),
        ("filesystems:ext4-64", "no step", "did you mean ext4-64K?"),
        ("mont:x", "no probe 'mont'", "did you mean mounts?"),
        ("mounts:clone-attached=EINVL", "no errno 'EINVL'", "did you mean EINVAL?"),
        ("clone-attached=", "no errno ''", "its number (22)"),
        ("console:", "is not a goal", "a text of one line"),
        ("?", "no goal", "console:TEXT"),
    ],
)
def test_goals_that_do_not_exist(goal: str, said: str, hint: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_goal(goal)
    assert said in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("wanted", "seen", "reached"),
    [
        ("EWOULDBLOCK", "EAGAIN", Verdict.WORKS),
        ("EOPNOTSUPP", "ENOTSUP", Verdict.WORKS),  # as a probe linked with a C library may print it
        ("ECHRNG", "44", Verdict.WORKS),  # without a name among those that probes print
        ("22", "EINVAL", Verdict.WORKS),
        ("EINVAL", "EPERM", Verdict.FAILS),
        ("EINVAL", "EODD", Verdict.FAILS),
    ],
)
def test_an_errno_has_more_names_than_one(wanted: str, seen: str, reached: Verdict) -> None:
    step = f"not ok 1 clone-attached # open_tree: {seen}"
    said = ("1..1", "  # Subtest: mounts", "  1..1", f"  {step}", "not ok 1 mounts")
    console = "".join(f"bw: {line}\n" for line in said).encode()
    recording = Recording(
        console, (), "powered-off", (), "virt", "QEMU 7.2.22", "", "", "", "bootwright.mark=bw", 1.0, 1.0
    )
    assert parse_goal(f"mounts:clone-attached={wanted}").judge(recording)[0] is reached


@pytest.mark.parametrize("text", ["x", "0.5", "-0.1", "0.1,0.2,0.3", "1..2", ""])
def test_noise_that_is_none(text: str) -> None:
    with pytest.raises(Refused):
        parse_noise(text)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 0.3), st.booleans(), st.integers(0, 10_000))
def test_a_noisy_decision_is_rarely_wrong(share: float, good: bool, seed: int) -> None:
    chance, noise = random.Random(seed), Noise(share, share)
    passes = fails = 0
    while (decided := noise.decide(passes, fails, error=1e-6)) is None:
        shown = good != (chance.random() < share)
        passes, fails = passes + shown, fails + (not shown)
    assert decided is (Verdict.WORKS if good else Verdict.FAILS)


def test_answers_to_another_question_are_not_used(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        begin(store, {"goal": "nothing was booted for this one", "base": "1"})
        begin(store, {"goal": "boot", "base": "1"})
        store.keep("a boot", {}, b"", "2026-01-01T00:00:00Z")
        begin(store, {"goal": "boot", "base": "1"})
        with pytest.raises(Refused, match="goal differ"):
            begin(store, {"goal": "mounts", "base": "1"})


RELEASES = "debian-6.18-4k..debian-6.12-4k"
"""Kernels that other tests boot too; the mended call came with 6.15."""


@pytest.mark.boot
@pytest.mark.download
def test_released_kernels_killed_and_gone_on_with(tmp_path: Path) -> None:
    """Killed after its first boot, the same command boots only what is missing."""
    out = tmp_path / "run"
    command = [
        *(sys.executable, "-m", "bootwright", "kernel", "bisect", "--releases", RELEASES),
        *("--goal", "talos-1.12-etc-hosts", "--out", str(out), "--json"),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not list(out.glob("blobs/*/*")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.2)  # the row follows its console
        process.send_signal(signal.SIGKILL)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    (suspect,) = document["suspects"]
    assert suspect["name"].startswith("debian-6.16.")
    assert document["looked_for"] == "fix"
    assert document["kept_boots"] >= 1
    count = document["candidates"] + 1
    assert document["boots"] + document["kept_boots"] <= math.ceil(math.log2(count)) + 1
    again = api.bisect_releases(RELEASES, goal="talos-1.12-etc-hosts", out=out)
    assert again.boots == 0


def test_kernels_that_are_of_no_line(tmp_path: Path) -> None:
    for span, said in (
        ("debian-6.12.107-4k", "is not a range"),
        ("debian-6.12.107-4k..debian-6.12.107-4k", "of the same version"),
        ("debian-6.12.107-4k..debian-6.12.107-16k", "differ in their page size"),
    ):
        try:
            with pytest.raises(Refused) as caught:
                api.bisect_releases(span, goal="boot", out=tmp_path, offline=True)
        except api.Missing:
            pytest.skip("no kernel is on this machine")
        assert said in caught.value.message
