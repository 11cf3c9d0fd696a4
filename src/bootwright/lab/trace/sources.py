"""Source lines of a kernel's instructions: from its debug information, or by the function's name alone.

With a debug file (a `vmlinux` or a module with DWARF, or what a debug package has) addr2line of binutils
says the lines, inlined functions included; LLVM's the kernel's own. With only a source tree the function's
definition is looked for, and those of its lines that have the errno are listed: which of them it was, the
tree alone does not say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from attrs import frozen

from bootwright.foundation import tools
from bootwright.foundation.errors import Missing, Refused

_ADDR2LINE = ("aarch64-linux-gnu-addr2line", "llvm-addr2line", "llvm-addr2line-19", "llvm-addr2line-14")
_SECONDS = 300.0
_LINE = re.compile(r"(?P<path>.{1,1000}):(?P<line>\d{1,8})(?: \(discriminator \d+\))?\Z")
_FOLDERS = (
    *("fs", "kernel", "mm", "ipc", "block", "security", "io_uring", "init", "lib", "arch/arm64", "crypto"),
    *("net", "drivers", "sound"),
)
"""Where a kernel's code is (Linux 6.12), the small ones first."""
_MOST_FILE = 8 << 20
_MOST_STATEMENT = 8
"""Lines of one statement."""


@frozen
class SourceLine:
    """A line that an instruction was compiled from."""

    function: str
    """The function that the line is in, which may be inlined into the instruction's."""
    path: str
    """As the debug information has it."""
    line: int
    text: str | None
    """The statement that begins there, where a source tree was given that has the file."""


@frozen
class Definition:
    """A function in a source tree."""

    path: str
    """Relative to the tree."""
    line: int
    with_errno: tuple[int, ...]
    """Lines of it that have the errno."""


def source_lines(
    debug: Path, addresses: Sequence[int], tree: Path | None, *, section: str | None = None
) -> dict[int, tuple[SourceLine, ...]]:
    """The lines of instructions, the innermost function first; `debug` has their code's debug information.

    Of a module `section` is the one that `addresses` count from: its file is not linked to a place.
    Raises `Missing` where addr2line is not here, `Refused` for a file without lines, `ToolFailed` when
    addr2line fails.
    """
    # LLVM's takes no section: it cannot tell the sections of a module apart.
    names = _ADDR2LINE if section is None else _ADDR2LINE[:1]
    program = next((path for name in names if (path := tools.find(name)) is not None), None)
    if program is None:
        raise Missing("no addr2line for arm64 is installed", hint="install binutils-aarch64-linux-gnu")
    command: list[str | Path] = [
        *(program, "-a", "-f", "-i", "-e", debug),
        *(("-j", section) if section is not None else ()),
        *(f"{address:#x}" for address in addresses),
    ]
    lines_by_address = parse_lines(tools.run(command, timeout=_SECONDS).decode(errors="replace"))
    if not any(lines_by_address.values()):
        raise Refused(
            f"{debug} has no lines for this kernel's code",
            hint="it was built without debug information, or stripped: give the file of a debug package",
        )
    return {
        address: tuple(
            SourceLine(function, path, line, None if tree is None else statement(tree, path, line))
            for function, path, line in lines
        )
        for address, lines in lines_by_address.items()
    }


def parse_lines(output: str) -> dict[int, list[tuple[str, str, int]]]:
    """(function, path, line) by address, of what addr2line prints with -a, -f and -i."""
    by_address: dict[int, list[tuple[str, str, int]]] = {}
    current: list[tuple[str, str, int]] = []
    function: str | None = None
    for text in output.splitlines():
        if re.fullmatch(r"0x[0-9a-f]{1,16}", text):
            current = by_address.setdefault(int(text, 16), [])
            function = None
        elif function is None:
            function = text[:200]
        else:
            match = _LINE.match(text)
            if match is not None and int(match["line"]):
                current.append((function, match["path"], int(match["line"])))
            function = None
    return by_address


def statement(tree: Path, path: str, line: int) -> str | None:
    """The statement that begins at a line of a source file, on one line; None where the tree lacks it."""
    file = _in_tree(tree, path)
    lines = _read(file) if file is not None else None
    if lines is None or not 0 < line <= len(lines):
        return None
    words: list[str] = []
    for text in lines[line - 1 : line - 1 + _MOST_STATEMENT]:
        words.append(text.strip())
        joined = " ".join(words)
        if joined.count("(") <= joined.count(")"):
            break
    return " ".join(words)[:400]


def definition(tree: Path, function: str, errno: str) -> Definition | None:
    """Where a tree defines a function, and the lines of it that have an errno; None where it does not.

    `function` is a name of the symbol table: what compilers add to it (`.isra.0`) is left out.
    """
    name = function.partition(".")[0].removeprefix("__arm64_sys_")
    system_call = function.startswith("__arm64_sys_")
    start = re.compile(
        rf"^(?:COMPAT_)?SYSCALL_DEFINE\d\({re.escape(name)}\b"
        if system_call
        else rf"^(?!#|/|\*|\s)[\w\s\*]*\b{re.escape(name)}\("
    )
    for path in _sources(tree):
        data = path.read_bytes() if path.stat().st_size <= _MOST_FILE else b""
        if name.encode() not in data:
            continue
        lines = data.decode(errors="replace").splitlines()
        for number, text in enumerate(lines):
            if name in text and start.match(text):
                body = _body(lines, number)
                if body is not None:
                    at = [index + 1 for index in body if re.search(rf"\b{re.escape(errno)}\b", lines[index])]
                    return Definition(path.relative_to(tree).as_posix(), number + 1, tuple(at))
    return None


def _body(lines: Sequence[str], number: int) -> range | None:
    """The lines of the function whose head begins at index `number`; None where it is only declared."""
    for at in range(number, min(number + 20, len(lines))):
        if lines[at].startswith("{"):
            for end in range(at, len(lines)):
                if lines[end].startswith("}"):
                    return range(number, end + 1)
            return None
        if lines[at].rstrip().endswith(";"):
            return None
    return None


def check_tree(tree: Path) -> None:
    """Raises `Refused` for a folder that holds no kernel source."""
    if not (tree / "Makefile").is_file() or not (tree / "fs").is_dir():
        raise Refused(
            f"{tree} is no source tree of a kernel", hint="give the folder that has Makefile and fs/"
        )


def _sources(tree: Path) -> Iterator[Path]:
    for folder in _FOLDERS:
        yield from sorted((tree / folder).rglob("*.c"))


def _in_tree(tree: Path, path: str) -> Path | None:
    """The file of a tree that a path of the build's machine means: its longest end that is there."""
    parts = [part for part in PurePosixPath(path).parts if part not in {"/", ".", ".."}]
    for first in range(len(parts)):
        candidate = tree.joinpath(*parts[first:])
        if candidate.is_file() and candidate.resolve().is_relative_to(tree.resolve()):
            return candidate
    return None


def _read(path: Path) -> list[str] | None:
    try:
        if path.stat().st_size > _MOST_FILE:
            return None
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
