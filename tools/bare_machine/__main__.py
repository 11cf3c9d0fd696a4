"""Run both commands on a bare system: arguments, the order of things, and the end."""

from __future__ import annotations

import argparse
import datetime
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from bare_machine import results
from bare_machine.host import Unfit
from bare_machine.results import Step
from bare_machine.root import USER, Root, check_host

_SUITES = ("bookworm", "trixie")
_REPOSITORY = Path(__file__).resolve().parents[2]
_PAGE = _REPOSITORY / "docs" / "bare-machine.md"
_LIMIT = 3 * 3600.0
"""Seconds for one command; a shared machine may need an hour for all tests."""
# The line is run as printed; a bare system has no sudo, and nobody who answers apt's question.
_AS_ROOT = 'sudo() { DEBIAN_FRONTEND=noninteractive "$@"; }; yes | { %s; }'


class Stopped(Exception):
    """A signal asked for the end."""


class Machine:
    """A bare root, and what was run in it."""

    def __init__(self, root: Root, suite: str, user: str, logs: Path) -> None:
        self.root, self.suite, self.user, self.logs = root, suite, user, logs
        self.steps: list[Step] = []

    def clone(self, bundle: Path) -> None:
        """Clone HEAD into the user's home."""
        shutil.copyfile(bundle, self.root.folder / "tmp/bootwright.bundle")
        (self.root.folder / "tmp/bootwright.bundle").chmod(0o644)
        status, _ = self._run("clone", ["git", "clone", "--quiet", "/tmp/bootwright.bundle", "bootwright"])  # noqa: S108
        if status:
            raise Unfit(f"HEAD was not cloned in {self.root.folder}: see {self.logs}")

    def command(self, name: str) -> bool:
        """`make NAME`; as an ordinary user first what it says is missing, and then that line as root."""
        if self.user != "root":
            printed = self._step(
                f"make {name}", ["make", name], expected=2, log=f"{name}-before", note="nothing installed"
            )
            line = results.install_line(printed)
            if line is None:
                return False
            self._step(line, ["sh", "-c", _AS_ROOT % line], user="root", log=f"{name}-install")
        self._step(f"make {name}", ["make", name], log=name)
        return all(step.good for step in self.steps)

    def _step(
        self,
        shown: str,
        command: Sequence[str],
        *,
        log: str,
        expected: int = 0,
        user: str = "",
        note: str = "",
    ) -> str:
        print(f"{self.suite} {user or self.user}: {shown}", flush=True)
        start = time.monotonic()
        inside = command if user else ["sh", "-c", 'cd bootwright && exec "$@"', "in", *command]
        status, output = self._run(log, inside, user=user or self.user)
        step = Step(
            suite=self.suite,
            user=user or self.user,
            command=shown if len(shown) < 60 else "the line it printed",
            status=status,
            expected=expected,
            seconds=time.monotonic() - start,
            tests=results.tally(output) or note,
        )
        self.steps.append(step)
        print(f"  exit {status} after {step.seconds:.0f} s {step.tests}", flush=True)
        if not step.good:
            print("".join(f"  | {line}\n" for line in output.splitlines()[-15:]), end="", flush=True)
        return output

    def _run(self, name: str, command: Sequence[str], *, user: str = "") -> tuple[int, str]:
        path = self.logs / f"{self.suite}-{self.user}-{name}.log"
        with path.open("wb") as log:
            status = self.root.enter(command, log, user=user or self.user, limit=_LIMIT)
        return status, path.read_text(encoding="utf-8", errors="replace")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 all good, 1 something failed, 2 it could not be tried."""
    options = _options(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        if options.enter:
            return Root(options.enter.resolve()).enter(options.command or ["bash"], None, user=options.user)
        check_host()
        return _try(options)
    except Unfit as error:
        print(f"bare-machine: {error}", file=sys.stderr)
        return 2
    except Stopped as error:
        print(f"bare-machine: stopped by {error}; nothing is left", file=sys.stderr)
        return 130


def _try(options: argparse.Namespace) -> int:
    logs: Path = options.log.resolve()
    logs.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bootwright-bare-"))
    folder.chmod(0o755)
    roots: list[Root] = []
    steps: list[Step] = []
    good = True
    try:
        bundle = folder / "bootwright.bundle"
        commit = _git("rev-parse", "--short", "HEAD")
        _git("bundle", "create", "--quiet", str(bundle), "HEAD")
        if _git("status", "--porcelain", "--untracked-files=no"):
            print("bare-machine: what is not committed is not tried", file=sys.stderr)
        users = ["root", USER] if options.as_ == "both" else [{"root": "root", "user": USER}[options.as_]]
        with (logs / f"{options.suite}-make.log").open("wb") as log:
            print(f"{options.suite}: making a bare system", flush=True)
            roots.append(Root(folder / users[0]))
            roots[0].make(options.suite, log)
            for user in users[1:]:
                roots.append(Root(folder / user))
                roots[-1].copy(roots[0], log)
        for user, root in zip(users, roots, strict=True):
            machine = Machine(root, options.suite, user, logs)
            machine.clone(bundle)
            for name in [options.only] if options.only else ["run", "test"]:
                good = machine.command(name) and good
            steps += machine.steps
        today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
        note = f"{today}, {commit}, {roots[0].versions()}"
        if options.only:
            note += f", only `make {options.only}`"
        lines = [*results.heading(), *results.table(steps), "", f"{options.suite}: {note}"]
        (logs / f"{options.suite}.md").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        print("\n".join(lines), flush=True)
        if options.docs:
            results.keep(_PAGE, options.suite, steps, note)
    finally:
        for root in roots:
            root.end()
        if options.keep:
            shown = [f"tools/bare-machine --enter {root.folder}" for root in roots]
            print("\n".join(["bare-machine: kept; enter by", *shown]), file=sys.stderr)
        else:
            for root in roots:
                root.remove()
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if good else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/bare-machine", description="Run `make run` and `make test` on a bare Debian system."
    )
    parser.add_argument("suite", nargs="?", help="the release of Debian")
    parser.add_argument(
        "--as", dest="as_", choices=("root", "user", "both"), default="both", help="default: both"
    )
    parser.add_argument("--only", choices=("run", "test"), help="one of the two commands")
    parser.add_argument("--keep", action="store_true", help="do not remove the system")
    parser.add_argument(
        "--log", type=Path, default=Path("out/bare-machine"), metavar="DIR", help="%(default)s"
    )
    parser.add_argument("--docs", action="store_true", help="put the result in docs/bare-machine.md")
    parser.add_argument(
        "--enter", type=Path, metavar="FOLDER", help="run a command in a system that was kept"
    )
    parser.add_argument("--user", default="root", help="with --enter: as whom (root, or tester)")
    parser.add_argument("command", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.enter and options.suite:
        options.command = [options.suite, *options.command]
    if not options.enter and (options.suite not in _SUITES or options.command):
        parser.error(f"a suite is needed: {' or '.join(_SUITES)}")
    return options


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", _REPOSITORY, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unfit(f"git {words[0]}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    return done.stdout.strip()


def _stop(number: int, _: FrameType | None) -> None:
    for again in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(again, signal.SIG_IGN)  # what follows is short and must not be cut
    raise Stopped(signal.Signals(number).name)


if __name__ == "__main__":
    sys.exit(main())
