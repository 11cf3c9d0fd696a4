"""Source lines of instructions: by addr2line from a file with DWARF, and by name in a source tree."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.formats.programs.elf_note import build_id
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.lab.trace.sources import (
    Definition,
    SourceLine,
    check_build,
    check_tree,
    definition,
    parse_lines,
    source_lines,
    statement,
)

_CODE = """\
#define EINVAL 22
static volatile int seen;
static int refuse(int size);

static inline int is_short(int size)
{
    seen = size;
    return size < 32;
}

SYSCALL_DEFINE1(made_up, int, size)
{
    if (size > 4096)
        return -7;
    return refuse(size);
}

static int
refuse(int size)
{
    if (is_short(size) &&
        size != 7)
        return -EINVAL;
    return 0;
}
"""
_DEFINE = "SYSCALL_DEFINE1(name, type, argument)=int __arm64_sys_##name(type argument)"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "linux/fs").mkdir(parents=True)
    (tmp_path / "linux/Makefile").write_text("VERSION = 6\n")
    (tmp_path / "linux/fs/made_up.c").write_text(_CODE)
    return tmp_path / "linux"


def _built(tree: Path, *flags: str) -> Path:
    """The tree's file as a program at a kernel's address, built where the tree had another place."""
    program = tree.parent / "vmlinux"
    command = ["aarch64-linux-gnu-gcc", "-O1", "-nostdlib", "-static", "-Wl,--build-id=sha1", "-Wl,-e,0"]
    command += [f"-D{_DEFINE}", f"-ffile-prefix-map={tree}=/build/elsewhere", *flags]
    command += ["-Wl,-Ttext=0xffff800080010000", "-o", str(program), str(tree / "fs/made_up.c")]
    subprocess.run(command, check=True)
    return program


def _image(program: Path) -> bytes:
    """What stands for the Image: a program with a build id of its own, as the vDSO, then a note."""
    other = program.with_name("vdso")
    command = [
        "aarch64-linux-gnu-gcc",
        "-O1",
        "-nostdlib",
        "-shared",
        "-Wl,--build-id=sha1",
        "-o",
        str(other),
    ]
    subprocess.run([*command, "-x", "c", "/dev/null"], check=True)
    own = build_id(FileBytes(program))
    assert own is not None
    note = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0" + bytes.fromhex(own)
    return b"Image" + other.read_bytes() + bytes(3) + note


def test_lines_of_inlined_functions(tree: Path) -> None:
    program = _built(tree, "-g")
    start = 0xFFFF800080010000
    by_address = source_lines(program, range(start, start + 64, 4), _image(program), tree)
    lines = {line for inlined in by_address.values() for line in inlined}
    path = "/build/elsewhere/fs/made_up.c"
    assert SourceLine("is_short", path, 7, "seen = size;") in lines
    # A condition over several lines is one statement.
    assert "if (is_short(size) && size != 7)" in {line.text for line in lines}
    innermost = next(
        inlined for inlined in by_address.values() if inlined and inlined[0].function == "is_short"
    )
    assert [line.function for line in innermost] == ["is_short", "refuse", "__arm64_sys_made_up"]


def test_debug_files_that_are_none(tree: Path) -> None:
    program = _built(tree)
    with pytest.raises(Refused, match="has no lines for this kernel"):
        source_lines(program, [0xFFFF800080010000], _image(program), tree)
    with pytest.raises(Refused, match="is of another build"):
        check_build(program, b"an Image of another build")
    (tree / "text").write_text("text")
    with pytest.raises(Malformed, match="expected an ELF file"):
        check_build(tree / "text", b"")
    with pytest.raises(Missing, match="cannot be read"):
        check_build(tree / "none", b"")


def test_definitions_by_name(tree: Path) -> None:
    check_tree(tree)
    assert definition(tree, "__arm64_sys_made_up", "E2BIG") == Definition("fs/made_up.c", 11, ())
    place = definition(tree, "refuse.isra.0", "EINVAL")
    assert place is not None
    assert (place.path, place.with_errno) == ("fs/made_up.c", (23,))
    assert definition(tree, "accept", "EINVAL") is None
    with pytest.raises(Refused, match="no source tree of a kernel"):
        check_tree(tree / "fs")


def test_a_path_never_leads_out_of_the_tree(tree: Path) -> None:
    (tree.parent / "secret.c").write_text("secret\n")
    (tree / "fs/link.c").symlink_to(tree.parent / "secret.c")
    assert statement(tree, "/build/linux/fs/made_up.c", 14) == "return -7;"
    for path in ("../secret.c", "fs/../../secret.c", "fs/link.c", "fs/none.c", "/"):
        assert statement(tree, path, 1) is None
    assert statement(tree, "fs/made_up.c", 10_000) is None


@given(st.text(max_size=300))
def test_any_answer_is_read(output: str) -> None:
    for address, lines in parse_lines(output).items():
        assert address >= 0
        assert all(line > 0 for _, _, line in lines)
