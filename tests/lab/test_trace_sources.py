"""Source lines of instructions: by addr2line from a file with DWARF, and by name in a source tree."""

from __future__ import annotations

import contextlib
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.formats.code.module_symbols import text_symbols
from bootwright.formats.kernel.build_id import image_build_id
from bootwright.formats.programs.elf_note import build_id
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.lab.trace.debug_files import debug_files, elf_build_id
from bootwright.lab.trace.sources import (
    Definition,
    SourceLine,
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
    by_address = source_lines(program, range(start, start + 64, 4), tree)
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
        source_lines(program, [0xFFFF800080010000], tree)
    own = image_build_id(_image(program))
    assert debug_files(program, own).vmlinux == program
    with pytest.raises(Refused, match=r"is of another build: build id [0-9a-f]{40}, the kernel has 1234"):
        debug_files(program, "1234")
    (tree / "text").write_text("text")
    with pytest.raises(Malformed, match="at byte 0x0: expected an ELF file, found b'text' at its start"):
        debug_files(tree / "text", own)
    (tree / "text").write_bytes(b"")
    with pytest.raises(Malformed, match="found an empty file"):
        debug_files(tree / "text", own)
    (tree / "text").write_bytes(program.read_bytes()[:100])
    with pytest.raises(Malformed, match="expected an ELF file"):
        debug_files(tree / "text", own)
    with pytest.raises(Missing, match="cannot be read"):
        debug_files(tree / "none", own)


def _module(tree: Path, folder: Path, *flags: str) -> tuple[bytes, Path]:
    """(the module as it is loaded, its file of debug information), as Debian's kernel packages are made."""
    folder.mkdir(parents=True, exist_ok=True)
    part, module, debug = (tree.parent / name for name in ("part.o", "whole.ko", "plain.ko"))
    tool = "aarch64-linux-gnu-"
    compiled = [f"{tool}gcc", "-O1", "-g", "-c", "-ffreestanding", "-ffunction-sections", f"-D{_DEFINE}"]
    compiled += ["-fno-inline-functions-called-once"]
    compiled += [f"-ffile-prefix-map={tree}=/build/elsewhere", *flags, "-o", str(part)]
    file = folder / "made-up.ko"
    for command in (
        [*compiled, str(tree / "fs/made_up.c")],
        # The function is not the section's first: its place is one in the section, not in the file.
        [f"{tool}ld", "-r", "--build-id=sha1", "-T", str(_script(tree)), "-o", str(module), str(part)],
        [f"{tool}objcopy", "--only-keep-debug", str(module), str(file)],
        [f"{tool}objcopy", "--strip-debug", str(module), str(debug)],
    ):
        subprocess.run(command, check=True)
    return debug.read_bytes(), file


def _script(tree: Path) -> Path:
    """As the kernel's scripts/module.lds: one `.text` of all functions."""
    script = tree.parent / "module.lds"
    script.write_text("SECTIONS { .init.text 0 : { *(.text.refuse) } .text 0 : { *(.text .text.*) } }")
    return script


def test_lines_of_a_module(tree: Path) -> None:
    package = tree.parent / "package"
    code, file = _module(tree, package / "usr/lib/debug/lib/modules/6.12.0/kernel/fs")
    identity = elf_build_id(BytesIO(code), "module")
    debug = debug_files(package, "0" * 40)
    assert debug.vmlinux is None
    assert debug.of_module("made_up", code) == file
    assert debug.of_module("another", code) is None
    offsets = range(0, text_symbols(code, "module").size, 4)
    by_offset = source_lines(file, offsets, tree, section=".text")
    functions = {line.function for lines in by_offset.values() for line in lines}
    assert functions == {"__arm64_sys_made_up"}  # `refuse` lies in another section, at the same offsets
    texts = {line.text for lines in by_offset.values() for line in lines}
    assert {"if (size > 4096)", "return -7;"} & texts

    # By build id, whatever its name is: what counts first.
    assert identity is not None
    named = tree.parent / "store/.build-id" / identity[:2] / f"{identity[2:]}.debug"
    named.parent.mkdir(parents=True)
    named.write_bytes(file.read_bytes())
    assert debug_files(tree.parent / "store", None).of_module("made_up", code) == named

    # Of another build, and beside it what only looks like a vmlinux.
    other, _ = _module(tree, tree.parent / "other", "-DSIZE=1", "-O2")
    with pytest.raises(Refused, match=r"made-up\.ko is of another build: build id [0-9a-f]{40}, the module"):
        debug.of_module("made_up", other)
    program = _built(tree, "-g")
    whole = package / "usr/lib/debug/boot/vmlinux-6.12.0"
    whole.parent.mkdir(parents=True)
    whole.write_bytes(program.read_bytes())
    (whole.parent / "vmlinux-5").write_text("none")
    assert debug_files(package, image_build_id(_image(program))).vmlinux == whole
    with pytest.raises(Refused, match=r"vmlinux-6\.12\.0 is of another build"):
        debug_files(package, "0" * 40)
    with pytest.raises(Refused, match="has neither a vmlinux nor modules"):
        debug_files(tree / "fs", "0" * 40)


@given(st.binary(max_size=300), st.integers(0, 63), st.integers(0, 255))
def test_any_bytes_have_a_build_id_or_none(data: bytes, at: int, value: int) -> None:
    header = bytearray(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x01\0\xb7\0\x01\0\0\0" + bytes(8))
    header += (64).to_bytes(8, "little") * 2 + bytes(4) + b"\x40\0\x38\0\x01\0\x40\0\x02\0\x01\0"
    header[at] = value
    for candidate in (data, bytes(header) + data):
        with contextlib.suppress(Malformed):
            elf_build_id(BytesIO(candidate), "any")


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
