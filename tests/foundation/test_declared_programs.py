"""Every program that the code, the tests, the benchmarks and the tools run is declared for the set-up."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootwright.foundation import guest, tools
from bootwright.foundation.errors import Missing, ToolFailed
from bootwright.foundation.places import DATA

ROOT = Path(__file__).parents[2]
LIST = ROOT / "tools" / "system-packages.txt"
# Where a program is named: the first argument of these, alone or as the first of a list.
RUNNERS = {"run", "Popen", "check_output", "need", "find", "which", "tool", "start_program", "_must"}
# In every Debian system, whatever else is missing (Essential: yes), and dpkg's and apt's own.
ESSENTIAL = {
    *(
        "bash",
        "sh",
        "cp",
        "diff",
        "dd",
        "env",
        "sha256sum",
        "tar",
        "gzip",
        "dpkg",
        "dpkg-deb",
        "apt-get",
        "apt-config",
    ),
}
# Our own, and what another part of a list already stands for.
# `init` is git's own word, and a program of another kind.
OTHERWISE = {"bootwright", "init", "clang", "zig", "ld.lld", "debootstrap"}
# systemd's own programs are oracles where the machine runs systemd; installing it for them is too much.
OTHERWISE |= {"bootctl", "systemd-analyze"}
# Asked for its registry where it is installed; nothing else is done with it.
OTHERWISE |= {"npm"}


def declared() -> dict[str, str]:
    rows = [line.split() for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    return {row[0]: row[1] for row in rows}


def programs_named(tree: ast.AST) -> Iterator[tuple[str, int, bool]]:
    """Literal names in calls of `RUNNERS`, their lines, and whether they can be nothing else."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0]
            sure = called in {"need", "which", "tool"}
            if isinstance(first, ast.List | ast.Tuple) and first.elts:
                first, sure = first.elts[0], True
            if called in RUNNERS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value, node.lineno, sure


def python_files() -> list[Path]:
    folders = ("src", "tests", "benchmarks", "fuzz", "tools")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def test_every_program_that_is_run_is_declared() -> None:
    known = {*declared(), *ESSENTIAL, *OTHERWISE}
    missing = []
    for path in python_files():
        for name, line, sure in programs_named(ast.parse(path.read_text())):
            # `text.find("…")` names no program, unless one of that name is installed.
            if name not in known and (sure or tools.find(name)):
                missing.append(f"{path.relative_to(ROOT)}:{line}: {name}")
    assert not missing


def test_the_search_finds_what_it_is_for() -> None:
    source = 'tools.run(["mkfs.vfat", "-F"])\nsubprocess.run(("dtc",))\nfind("gpgv")\nshutil.which("xz")\n'
    assert [name for name, _, _ in programs_named(ast.parse(source))] == ["mkfs.vfat", "dtc", "gpgv", "xz"]


def test_programs_of_the_data_are_declared() -> None:
    named = set()
    for path in DATA.rglob("*.toml"):
        if b"program" in (content := path.read_bytes()):
            named |= set(_values(tomllib.loads(content.decode()), "program"))
    assert {"mkfs.ext4", "mksquashfs", "mkswap", "mkfs.btrfs"} <= named <= set(declared())


def test_the_hint_of_every_declared_program_names_its_package() -> None:
    packages = declared()
    wrong = {
        name: (package, packages[name])
        for name, package in tools.PACKAGES.items()
        if packages.get(name, package) != package
    }
    assert not wrong
    assert set(tools.PACKAGES) <= set(packages)


def test_a_program_that_is_not_there_is_one_line_with_a_hint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "_SYSTEM_DIRECTORIES", ())
    for call in (lambda: tools.run(["mkfs.vfat", "x"]), lambda: tools.need("mkfs.vfat", purpose="try")):
        with pytest.raises(Missing, match=r"mkfs\.vfat is needed") as caught:
            call()
        assert caught.value.hint == "install dosfstools"


def test_programs_of_system_folders_are_found_on_an_ordinary_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin")
    assert b"mkfs.fat" in tools.run(["mkfs.vfat", "--help"])


@pytest.mark.parametrize("name", guest.PROGRAMS)
def test_every_guest_program_compiles_without_any_header(name: str, tmp_path: Path) -> None:
    """No `#include <…>`: the C library for arm64 (libc6-dev-arm64-cross) is not asked for."""
    sources = guest.sources_of(name, ROOT / "probes")
    assert any(path.suffix == ".c" for path in sources)
    assert not [path for path in sources if "#include <" in path.read_text()]
    assert guest.program(name).path.read_bytes().startswith(b"\x7fELF")


def test_no_source_for_the_guest_asks_for_a_library() -> None:
    folders = ("probes", "benchmarks", "src", "fuzz")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.[ch]")]
    # An exported probe is a program for its reader's machine, with the C library that is there.
    sources = [path for path in sources if path.parent != ROOT / "probes" / "export"]
    assert sources
    assert not [path for path in sources if "#include <" in path.read_text()]


def test_set_up_names_what_is_missing_in_one_line_to_run(tmp_path: Path) -> None:
    """A system with nothing but a shell: the interpreter, the compiler and the rest are named, once each."""
    for name in ("bash", "dirname", "id", "mktemp", "rm", "cat"):
        (tmp_path / name).symlink_to(Path("/usr/bin", name))
    script = (ROOT / "tools" / "setup-system").read_text()
    hidden = script.replace('PATH="$PATH:/usr/sbin:/sbin"', "").replace('"$(id -u)" -eq 0', '"x" = "y"')
    assert hidden != script
    (tmp_path / "setup-system").write_text(hidden)
    (tmp_path / "system-packages.txt").write_text(LIST.read_text())
    done = subprocess.run(
        ["bash", tmp_path / "setup-system", "run", "test"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    line = next(line for line in done.stderr.splitlines() if "apt-get" in line)
    packages = line.partition("--no-install-recommends ")[2].split()
    assert {"gcc-aarch64-linux-gnu", "python3", "python3-venv", "mtools", "btrfs-progs"} <= set(packages)
    assert len(packages) == len(set(packages))


def test_a_compiler_that_cannot_link_is_no_compiler(tmp_path: Path) -> None:
    """Set-up tries: a cross compiler of that name without its linker is reported as missing."""
    broken = tmp_path / "aarch64-linux-gnu-gcc"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    # The interpreter itself: a version manager's python3 is a script that looks for its own files by PATH.
    (tmp_path / "python3").symlink_to(Path(sys.executable).resolve())
    for name in ("bash", "dirname", "id", "mktemp", "rm", "qemu-system-aarch64"):
        program = tools.find(name)
        (tmp_path / name).symlink_to(program or "/bin/true")
    listing = tmp_path / "system-packages.txt"
    listing.write_text("arm64-compiler gcc-aarch64-linux-gnu run build the guest\n")
    script = (ROOT / "tools" / "setup-system").read_text()
    (tmp_path / "setup-system").write_text(script.replace('"$(id -u)" -eq 0', '"x" = "y"'))
    done = subprocess.run(
        ["bash", tmp_path / "setup-system", "run"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "gcc-aarch64-linux-gnu" in done.stderr


def test_a_failing_program_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match=r"mkfs\.vfat"):
        tools.run(["mkfs.vfat", tmp_path / "none" / "x"])


def _values(table: object, key: str) -> Iterator[str]:
    if isinstance(table, dict):
        for name, value in table.items():
            if name == key and isinstance(value, str):
                yield value
            yield from _values(value, key)
    elif isinstance(table, list):
        for item in table:
            yield from _values(item, key)
