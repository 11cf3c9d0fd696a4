"""Messages read from machine code that the cross compiler made: a module's, and an image's."""

from __future__ import annotations

import contextlib
import subprocess
import zlib
from array import array
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.kernel.kallsyms import Symbols
from bootwright.formats.messages import table_file
from bootwright.formats.messages.arguments import branches_within, passed
from bootwright.formats.messages.gathering import Gathering
from bootwright.formats.messages.in_image import read_image_code
from bootwright.formats.messages.mining import lines_of, mine
from bootwright.formats.messages.model import Call, Format, Owner
from bootwright.formats.messages.printers import printers
from bootwright.formats.messages.table import table_of
from bootwright.formats.messages.table_file import MARK, pack_table, unpack_table
from bootwright.foundation import tools
from bootwright.foundation.errors import BootwrightError, Malformed

SOURCE = r"""
#include <stdarg.h>
struct device; struct va_format { const char *fmt; va_list *va; };
int _printk(const char *fmt, ...); void _dev_err(const struct device *, const char *fmt, ...);
void _dev_printk(const char *level, const struct device *, const char *fmt, ...);
int dev_err_probe(const struct device *, int error, const char *fmt, ...);
void netdev_info(const void *, const char *fmt, ...);
int snprintf(char *, unsigned long, const char *fmt, ...); void other(const char *);

/* Hands its format on. */
__attribute__((noinline)) void acme_warn(const struct device *dev, const char *fmt, ...) {
    struct va_format vaf; va_list args;
    va_start(args, fmt); vaf.fmt = fmt; vaf.va = &args;
    _dev_printk("\0014", dev, "acme: %pV", &vaf); va_end(args);
}
/* The level is a text before the format, or a mark in it. */
__attribute__((noinline)) void acme_log(const char *level, int n, const char *fmt, ...) {
    struct va_format vaf; va_list args;
    va_start(args, fmt); vaf.fmt = fmt; vaf.va = &args;
    _printk("%sacme %d: %pV\n", level, n, &vaf); va_end(args);
}
int probe(const struct device *dev, int error, int loud, char *text) {
    if (error < -1) return dev_err_probe(dev, error, "no clock %s\n", text);
    for (int i = 0; i < loud; i++) _printk("\0016turn %d of %d\n", i, loud);
    _dev_err(dev, loud ? "loudly lost %d\n" : "softly lost %d\n", error);
    acme_warn(dev, "odd state %d\n", loud);
    acme_log("\0013", loud, "ring %d is full\n", error);
    netdev_info(dev, "Link is Up - %s\n", text);
    snprintf(text, 9, "not a message %d", loud);
    other("nor this one\n");
    _printk("no mark\n");
    _printk("\0013first line\nsecond line %d\n", error);
    return 0;
}
"""
EXPECTED = {
    ("error %pe: no clock %s", Call.DEVICE, 3),
    ("turn %d of %d", Call.PRINTK, 6),
    ("loudly lost %d", Call.DEVICE, 3),
    ("softly lost %d", Call.DEVICE, 3),
    ("acme: odd state %d", Call.DEVICE, 4),
    ("acme %d: ring %d is full", Call.PRINTK, 3),
    ("Link is Up - %s", Call.NETWORK, 6),
    ("no mark", Call.PRINTK, 4),
    ("first line", Call.PRINTK, 3),
    ("second line %d", Call.PRINTK, 3),
}
STUBS = "".join(
    f"void {name}(void) {{}}\n"
    for name in ("_printk", "_dev_err", "_dev_printk", "dev_err_probe", "netdev_info", "snprintf", "other")
)
BASE = 0xFFFF800080000000


def compiled(folder: Path, name: str, source: str, *options: str) -> Path:
    compiler = tools.need("aarch64-linux-gnu-gcc", purpose="compile test code")
    (folder / f"{name}.c").write_text(source)
    tools.run([compiler, "-c", "-ffreestanding", "-fno-builtin", "-mcmodel=small", "-fno-pie",
               "-fno-stack-protector", "-mgeneral-regs-only", *options,
               "-o", folder / f"{name}.o", folder / f"{name}.c"])  # fmt: skip
    return folder / f"{name}.o"


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compiled(tmp_path_factory.mktemp("ko"), "acme", SOURCE, "-O2").read_bytes()


def said(gathering: Gathering) -> set[tuple[str, Call, int | None]]:
    return {(entry.text, entry.call, entry.level) for entry in gathering.formats()}


@pytest.mark.parametrize("level", ["-O1", "-O2", "-Os"])
def test_a_modules_messages(tmp_path: Path, level: str) -> None:
    gathering = Gathering("test")
    gathering.module(compiled(tmp_path, "acme", SOURCE, level).read_bytes(), "kernel/drivers/acme/acme.ko")
    assert said(gathering) == EXPECTED
    assert {owner for entry in gathering.formats() for owner in entry.owners} == {
        Owner("acme", "drivers/acme/acme")
    }
    assert gathering.calls == gathering.told


def test_a_function_of_another_module_that_hands_a_format_on(module: bytes, tmp_path: Path) -> None:
    source = (
        "void acme_warn(const void *, const char *, ...);"
        'void f(void *dev) { acme_warn(dev, "from elsewhere %d\\n", 1); }'
    )
    caller = compiled(tmp_path, "user", source, "-O2").read_bytes()
    gathering = Gathering("test")
    gathering.module(module, "kernel/acme.ko")
    gathering.module(caller, "kernel/user.ko")
    assert ("acme: from elsewhere %d", Call.DEVICE, 4) in said(gathering)


@pytest.mark.parametrize("level", ["-O1", "-O2"])
def test_an_images_messages(tmp_path: Path, level: str) -> None:
    """The same code, linked: addresses by ADRP and ADD, functions by a symbol table."""
    code, stubs = compiled(tmp_path, "acme", SOURCE, level), compiled(tmp_path, "stubs", STUBS, "-O1")
    elf, flat = tmp_path / "image.elf", tmp_path / "image"
    linker = tools.need("aarch64-linux-gnu-ld", purpose="link test code")
    tools.run([linker, f"-Ttext={BASE:#x}", "-e", "probe", "-o", elf, code, stubs])
    tools.run([tools.need("aarch64-linux-gnu-objcopy", purpose="link"), "-O", "binary", elf, flat])
    listed = subprocess.run(
        [tools.need("aarch64-linux-gnu-nm", purpose="list symbols"), "-n", elf],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    rows = [line.split() for line in listed.splitlines()]
    symbols = Symbols(
        [int(row[0], 16) for row in rows], "".join(row[1] for row in rows), [row[2] for row in rows], BASE
    )
    mined = mine(read_image_code(flat.read_bytes(), symbols).codes, printers())
    texts = {line.text.decode() for _, printed in mined.printed for line in lines_of(printed)}
    assert texts == {text for text, _, _ in EXPECTED}
    assert {(printed.text.decode().strip(), printed.level) for _, printed in mined.printed} >= {
        ("loudly lost %d", 3),
        ("acme: odd state %d", 4),
        ("acme %d: ring %d is full", 3),
    }


@pytest.mark.parametrize("ending", ["", "\\n"])
def test_a_message_without_line_end_can_be_gone_on_with(tmp_path: Path, ending: str) -> None:
    source = (
        "int _printk(const char *, ...); void _dev_err(const void *, const char *, ...);"
        f'void f(void *dev) {{ _printk("\\0016begun %d{ending}", 1); _dev_err(dev, "whole"); }}'
    )
    gathering = Gathering("test")
    gathering.module(compiled(tmp_path, "acme", source, "-O2").read_bytes(), "kernel/acme.ko")
    assert {entry.text: entry.goes_on for entry in gathering.formats()} == {
        "begun %d": not ending,
        "whole": False,  # a device's message is never gone on with
    }


@pytest.mark.parametrize("file", ["3f - 2b", "3f - ."], ids=["before Linux 5.19", "later"])
def test_a_functions_file_is_that_of_its_warning(tmp_path: Path, file: str) -> None:
    """`struct bug_entry` (include/asm-generic/bug.h): the file is relative to the entry, or to its field."""
    source = rf"""
int _printk(const char *, ...);
void f(void) {{
    asm volatile("1: brk 0x800\n .pushsection __bug_table,\"aw\"\n 2: .long 1b - 2b\n .long {file}\n"
        " .short 12, 0\n .popsection\n .pushsection .rodata.names,\"aMS\",@progbits,1\n"
        " 4: .string \"no name\"\n 3: .string \"drivers/acme/ring.c\"\n .popsection");
    _printk("ring is full\n");
}}
"""
    gathering = Gathering("test")
    gathering.module(compiled(tmp_path, "acme", source, "-O2").read_bytes(), "kernel/drivers/acme/acme.ko")
    assert [owner.file for entry in gathering.formats() for owner in entry.owners] == ["drivers/acme/ring.c"]


STORE, LOAD = 0xF90007E1, 0xF94007E1  # str x1, [sp, #8]; ldr x1, [sp, #8]
STORE_PAIR, LOAD_PAIR = 0xA90087E0, 0xA94087E0  # stp x0, x1, [sp, #8]; ldp x0, x1, [sp, #8]
MAKE, MAKE_OTHER, CALL = 0x91000021, 0x91000042, 0x94000001  # add x1, x1, #0; add x2, x2, #0; bl


@pytest.mark.parametrize("register", [1, 0])
@pytest.mark.parametrize(("store", "load"), [(STORE, LOAD), (STORE_PAIR, LOAD_PAIR)], ids=["one", "a pair"])
def test_a_text_kept_on_the_stack_over_a_call_is_passed(store: int, load: int, register: int) -> None:
    made = {0: b"kept in x1"}
    words = array("I", [MAKE, store, CALL, MAKE_OTHER, load, CALL])
    texts = passed(
        words, 5, register, start=0, made=made.get, branches=lambda: branches_within(words, 0, len(words))
    )
    assert texts == ((b"kept in x1",) if register == 1 else ())


def test_another_machines_module_is_refused(module: bytes) -> None:
    other = module[:18] + b"\x3e\0" + module[20:]
    with pytest.raises(Malformed, match="an arm64 module"):
        Gathering("test").module(other, "kernel/x.ko")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_module_is_an_error_or_has_fewer_messages(module: bytes, data: st.DataObject) -> None:
    damaged = bytearray(module[: data.draw(st.integers(0, len(module)))])
    for place, byte in data.draw(st.lists(st.tuples(st.integers(0, len(module)), st.integers(0, 255)))):
        if place < len(damaged):
            damaged[place] = byte
    gathering = Gathering("test")
    try:
        gathering.module(bytes(damaged), "kernel/x.ko")
    except BootwrightError:
        return
    assert all(entry.text for entry in gathering.formats())


OWNERS = st.builds(
    Owner,
    st.sampled_from(["", "macb", "btrfs"]),
    st.sampled_from(["drivers/a.c", "fs/b"]),
)
FORMATS = st.builds(
    Format,
    st.text(
        st.characters(codec="utf-8", exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"),
        min_size=1,
    ),
    st.sampled_from(Call),
    st.one_of(st.none(), st.integers(0, 7)),
    st.lists(OWNERS, min_size=1, max_size=3, unique=True).map(lambda owners: tuple(sorted(owners))),
    st.just(("k",)),
    st.booleans(),
)


@given(st.lists(FORMATS, max_size=12, unique_by=lambda entry: (entry.text, entry.call, entry.level)))
def test_a_tables_file_holds_what_was_put_in(formats: list[Format]) -> None:
    table = unpack_table(pack_table(table_of(formats)), "test")
    assert len(table) == len(formats)
    key = str
    assert sorted(table.formats(), key=key) == sorted(formats, key=key)


@given(
    st.lists(FORMATS, max_size=24, unique_by=lambda entry: (entry.text, entry.call, entry.level)),
    st.integers(1, 5),
)
def test_a_tables_groups_answer_as_one(formats: list[Format], rows: int) -> None:
    table = table_of(formats)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_file, "_ROWS", rows)
        grouped = unpack_table(pack_table(table), "test")
    assert [*grouped.firsts] == sorted(grouped.firsts)
    assert [*grouped.formats()] == [*table.formats()]
    for entry in formats:
        line = entry.text.encode("utf-8", "surrogateescape").replace(b"%s", b"eth0").replace(b"%d", b"7")
        assert grouped.printing(line) == table.printing(line)


def test_a_question_opens_the_groups_of_its_words_only(monkeypatch: pytest.MonkeyPatch) -> None:
    formats = [
        Format(f"probe of {name} failed with error %d", Call.PRINTK, 3, (Owner("", "f"),), ("k",))
        for name in ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel")
    ]
    monkeypatch.setattr(table_file, "_ROWS", 2)
    table = unpack_table(pack_table(table_of(formats)), "test")
    opened: list[int] = []
    open_group = table.open_group
    table.open_group = lambda number: opened.append(number) or open_group(number)
    assert table.printing(b"probe of echo failed with error -5") == (formats[4],)
    assert table.printing(b"probe of echo failed with error -6") == (formats[4],)
    assert len(table.firsts) == 4
    assert len(opened) == len(set(opened)) < 4


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_table_is_an_error_or_says_the_same(changes: list[tuple[int, int]]) -> None:
    whole = pack_table(table_of([Format("text %d", Call.PRINTK, 3, (Owner("m", "f"),), ("k",))]))
    damaged = bytearray(whole)
    for place, byte in changes:
        damaged[place % len(damaged)] = byte
    try:
        table = unpack_table(bytes(damaged), "test")
    except Malformed:
        return
    # Some bits of a frame's header change nothing of what it says.
    assert [*map(str, table.formats())] == [*map(str, unpack_table(whole, "test").formats())]


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_table_that_does_not_fit_itself_is_an_error_when_asked(changes: list[tuple[int, int]]) -> None:
    whole = pack_table(table_of([Format("text %d", Call.PRINTK, 3, (Owner("m", "f"),), ("k",))]))
    body = bytearray(whole[len(MARK) + 4 :])
    for place, byte in changes:
        body[place % len(body)] = byte
    sealed = MARK + zlib.crc32(body).to_bytes(4, "little") + body
    with contextlib.suppress(Malformed):
        table = unpack_table(sealed, "test")
        table.printing(b"text 7")
        list(table.formats())


@pytest.mark.parametrize("data", [b"", MARK, MARK + b"\x28\xb5\x2f\xfd", b"BWMSGS9\n"])
def test_another_file_is_no_table(data: bytes) -> None:
    with pytest.raises(Malformed):
        unpack_table(data, "test")
