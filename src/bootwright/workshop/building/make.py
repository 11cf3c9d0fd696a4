"""One run of a kernel's make: its output in a log, its end in words, and nothing of it outliving us."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

from bootwright.foundation import atomic, tools
from bootwright.foundation.errors import BootwrightError, ToolFailed, Unequipped
from bootwright.foundation.processes.children import ending_with_us
from bootwright.foundation.progress import Progress
from bootwright.workshop.building.failures import first_error, hint_for
from bootwright.workshop.building.toolchain import Toolchain

_STEP = re.compile(rb"^  [A-Z][A-Z0-9_+\[\]]* +\S", re.MULTILINE)
"""A line of Kbuild's short form: `  CC      fs/namespace.o` (scripts/Kbuild.include, Linux 6.12)."""
# Settings of the caller's shell that would change what is built, or speak other words in the log.
_NOT_PASSED = (
    "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "KCFLAGS", "KAFLAGS", "KCPPFLAGS", "KBUILD_OUTPUT",
    "O", "ARCH", "SRCARCH", "CROSS_COMPILE", "LLVM", "CC", "LD", "LOCALVERSION", "KCONFIG_CONFIG",
    "KCONFIG_ALLCONFIG", "INSTALL_MOD_PATH", "INSTALL_MOD_STRIP", "INSTALL_DTBS_PATH", "W", "V", "C",
)  # fmt: skip

# Documentation/kbuild/reproducible-builds.rst (Linux 6.12): what would otherwise be this machine's.
REPRODUCIBLE: Mapping[str, str] = {
    "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 1970",
    "KBUILD_BUILD_USER": "bootwright",
    "KBUILD_BUILD_HOST": "bootwright",
    "KBUILD_BUILD_VERSION": "1",
    # Else scripts/setlocalversion adds a `+` in a git repository.
    "LOCALVERSION": "",
}


@frozen
class Make:
    """Make for one tree and one output folder."""

    tree: Path
    output: Path
    toolchain: Toolchain
    jobs: int
    log: Path
    progress: Progress

    def variables(self) -> dict[str, str]:
        """What every run is given on its command line."""
        # The tree's own path would be in debug information (reproducible-builds.rst, "Absolute filenames").
        paths = f"-fdebug-prefix-map={self.tree}=. -fdebug-prefix-map={self.output}=."
        return {
            "ARCH": "arm64",
            **self.toolchain.variables,
            **REPRODUCIBLE,
            "KCFLAGS": paths,
            "KAFLAGS": paths,
        }

    def build(self, targets: Sequence[str], what: str, variables: Mapping[str, str] | None = None) -> None:
        """Make targets; the log is added to.

        Raises `ToolFailed` with the first error and the name of the log, `Missing` where the disk is full.
        """
        given = {**self.variables(), **(variables or {})}
        command = [
            str(tools.need("make", purpose="build a kernel")), "-C", str(self.tree), f"O={self.output}",
            f"-j{self.jobs}", *(f"{name}={value}" for name, value in given.items()), *targets,
        ]  # fmt: skip
        try:
            self.output.mkdir(parents=True, exist_ok=True)
            log = self.log.open("ab")
        except OSError as error:
            raise atomic.explained(error, self.log) from error
        with self.progress.step(what), log:
            begin = log.tell()
            status = self._ended(command, log.fileno())
        if status != 0:
            raise self._failed(begin, status, " ".join(targets))

    def _ended(self, command: Sequence[str], log: int) -> int:
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED}
        # The locale is C, and steps are told in the short form, so that the log can be read.
        process = subprocess.Popen(
            # Make ends its compilers when it is told to end.
            ending_with_us(command, by=signal.SIGTERM),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**environment, "LC_ALL": "C", "KBUILD_VERBOSE": ""},
            start_new_session=True,
        )
        steps = 0
        try:
            assert process.stdout is not None  # noqa: S101 - as asked for
            while block := os.read(process.stdout.fileno(), 1 << 16):
                self._write(log, block)
                steps += len(_STEP.findall(block))
                self.progress.advance(steps, None, "steps")
            return process.wait()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
                process.wait()

    def _write(self, log: int, block: bytes) -> None:
        try:
            os.write(log, block)
        except OSError as error:
            raise atomic.explained(error, self.log) from error

    def _failed(self, begin: int, status: int, targets: str) -> BootwrightError:
        with self.log.open("rb") as file:
            file.seek(begin)
            text = file.read(64 << 20).decode("utf-8", "replace")
        if "No space left on device" in text:
            return no_space(self.output)
        error = first_error(text) or f"make {targets} ended with status {status}"
        hint = hint_for(text)
        where = f"the whole log is {self.log}"
        return ToolFailed("the build", error, hint=f"{hint}; {where}" if hint else where)


def no_space(folder: Path) -> Unequipped:
    """The error for a disk that has no room to build in a folder."""
    return Unequipped(
        f"no space left to build in {folder}",
        hint="free some (bootwright cache), or set BOOTWRIGHT_CACHE to a folder on a larger disk; "
        "the same command goes on where it stopped",
    )
