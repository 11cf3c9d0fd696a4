"""The compiler that a kernel is built with, and what of this machine goes into its bytes."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping

from attrs import field, frozen

from bootwright.foundation import tools
from bootwright.foundation.choices import one_of
from bootwright.foundation.errors import Missing, Unequipped

NAMES = ("gcc", "llvm")
_PREFIX = "aarch64-linux-gnu-"
_HOST_PROGRAMS = ("make", "flex", "bison", "bc")
_LLVM = ("clang", "ld.lld", "llvm-ar", "llvm-nm", "llvm-objcopy", "llvm-strip")
_OLDEST_LLVM = 13  # scripts/min-tool-version.sh, Linux 6.12
_NEWEST_LLVM = 40


@frozen
class Toolchain:
    """A compiler for arm64."""

    name: str
    version: str
    """The first line of what the compiler says of its version."""
    variables: Mapping[str, str] = field(hash=False)
    """For make: `CROSS_COMPILE`, `LLVM`, `CC`."""
    linker_version: str = ""


def find_toolchain(name: str = "gcc") -> Toolchain:
    """The compiler of that name: across from another architecture, on arm64 its own.

    With ccache where it is installed. Raises `Missing` with all programs that are not there, `Refused` for
    an unknown name.
    """
    one_of(name, NAMES, what="toolchain", kind="toolchains")
    if name == "llvm":
        tools.need_all(_HOST_PROGRAMS, purpose="build a kernel")
        suffix = _llvm_suffix()
        compiler, linker = f"clang{suffix}", f"ld.lld{suffix}"
        variables = {"LLVM": suffix or "1"}
    else:
        prefix = "" if platform.machine() == "aarch64" else _PREFIX
        compiler, linker = f"{prefix}gcc", f"{prefix}ld"
        needed = (*_HOST_PROGRAMS, "gcc", compiler, linker, f"{prefix}objcopy")
        tools.need_all(needed, purpose="build a kernel")
        variables = {"CROSS_COMPILE": prefix} if prefix else {}
    if tools.find("ccache") is not None:
        variables["CC"] = f"ccache {compiler}"
    return Toolchain(name, _version(compiler), variables, _version(linker))


def _llvm_suffix() -> str:
    """Nothing, or what distributions put behind the names, such as `-19`: of the newest that is whole.

    Documentation/kbuild/llvm.rst (Linux 6.12): `LLVM=-19`. Raises `Missing` where no version is whole.
    """
    for suffix in ("", *(f"-{number}" for number in range(_NEWEST_LLVM, _OLDEST_LLVM - 1, -1))):
        if all(tools.find(f"{program}{suffix}") is not None for program in _LLVM):
            return suffix
    lacking = next(program for program in _LLVM if tools.find(program) is None)
    raise Unequipped(
        f"{lacking} is needed to build a kernel with LLVM, and is not installed",
        hint="install clang, lld and llvm",
    )


def _version(program: str) -> str:
    lines = tools.run([program, "--version"], timeout=30).decode("utf-8", "replace").splitlines()
    if not lines:
        raise Missing(f"{program} says nothing of its version", hint="reinstall it")
    return lines[0].strip()


def jobs(given: int | None) -> int:
    """How many compilers run at once: as asked for, else one a processor this process may use."""
    return given if given is not None else len(os.sched_getaffinity(0))
