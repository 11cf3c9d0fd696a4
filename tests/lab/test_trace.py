"""Errors of real kernels followed to the instruction that made them, and what instructions read and write."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.api import Malformed, Missing, Refused, get_kernel, trace_error
from bootwright.cli.kernel.trace import _print
from bootwright.formats.code.a64_flow import Kind, flow, holds
from bootwright.formats.code.module_symbols import text_symbols
from bootwright.formats.kernel.errnos import errno_name, errno_number
from bootwright.foundation.guest import build_with_any
from bootwright.foundation.progress import Silent
from bootwright.lab.machines.debugger import Debugger
from bootwright.lab.probes.boot import TIMEOUT
from bootwright.lab.probes.program import check_program
from bootwright.lab.trace import prove as proofs
from bootwright.lab.trace import record
from bootwright.lab.trace import trace as tracing
from bootwright.lab.trace.assembly import assembly
from bootwright.lab.trace.functions import Functions, as_bytes, from_bytes
from bootwright.lab.trace.guest import Away, Guest, Stage
from bootwright.lab.trace.origin import Guard
from bootwright.lab.trace.places import loaded_modules
from bootwright.lab.trace.prove import not_selected
from bootwright.lab.trace.running import Run

SCHEMA = Path(__file__).parents[2] / "docs/schemas/kernel-trace.schema.json"


@pytest.mark.boot
@pytest.mark.download
def test_error_of_the_first_case() -> None:
    # fs/namespace.c (Linux 6.12), __do_loopback: a mount of no namespace, unless it is of nsfs, is EINVAL.
    traced = trace_error("debian-6.12.117-4k", step="talos-1.12-etc-hosts", prove=True)
    document = traced.as_json()
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert (document["call"], document["errno"]) == ("open_tree", "EINVAL")
    assert document["origin"]["function"] == document["guard"]["function"] == "__do_loopback"
    assert document["origin"]["assembly"] == "mov x0, #-22"
    assert document["guard"]["offset"] == 0x64
    assert [place["function"] for place in document["chain"]] == ["__arm64_sys_open_tree"]
    # With that branch the other way the call, and with it the whole step, works.
    (tried,) = document["proof"]
    assert (tried["is_cause"], tried["guard"], tried["step"]["ok"]) == (True, document["guard"], True)
    # Neither interrupts nor other tasks are in the record.
    assert document["instructions"] < 10_000
    assert not document["other_tasks"]


@pytest.mark.boot
@pytest.mark.download
def test_a_killed_record_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    failing, seen = record._failing, []

    def looked_at(recorder: record._Recorder, away: Away | None, handler: int, errno: int) -> object:
        recorded = failing(recorder, away, handler, errno)
        seen.append((recorder.log.stat().st_size > 100_000, list(tmp_path.iterdir())))
        return recorded

    monkeypatch.setattr(record, "_failing", looked_at)
    trace_error("debian-6.12.117-4k", step="talos-1.12-etc-hosts")
    assert seen == [(True, [])]


@pytest.mark.boot
@pytest.mark.download
def test_error_of_a_module() -> None:
    # fs/squashfs/super.c (Linux 6.18), squashfs_fill_super: blocks smaller than a page are EINVAL.
    traced = trace_error("debian-6.18.15-16k", step="squashfs-4K", probe="filesystems", prove=True).trace
    assert traced.origin is not None
    assert traced.guard is not None
    assert (traced.origin.function, traced.origin.module) == ("squashfs_fill_super", "squashfs")
    assert {value for _, value in traced.guard.tested} == {4096, 16383}
    assert traced.cause is not None


@pytest.mark.boot
@pytest.mark.download
def test_flips_that_share_a_machine_end_as_they_do_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    prove, guest = proofs.prove, proofs.guest
    compared: list[tuple[list[proofs.Flipped], list[proofs.Flipped]]] = []
    started = 0

    @contextlib.contextmanager
    def counted(stage: Stage, *, most_written: int) -> Iterator[Guest]:
        nonlocal started
        started += 1
        with guest(stage, most_written=most_written) as machine:
            yield machine

    def both_ways(
        stage: Stage, recorded: record.RecordedCall, run: Run, guards: list[Guard], *, of_step: bool
    ) -> Iterator[proofs.Flipped]:
        assert of_step
        shared = list(prove(stage, recorded, run, guards[3:8]))
        assert started == 3  # the kernel does not survive the third, which is made once more by itself
        alone = [prove(stage, recorded, run, [guard]) for guard in guards[3:8]]
        compared.append((shared, [*chain.from_iterable(alone)]))
        return iter(shared)

    monkeypatch.setattr(proofs, "guest", counted)
    monkeypatch.setattr(tracing, "prove", both_ways)
    trace_error("debian-6.18.15-16k", step="ext4-64K", probe="filesystems", prove=True)
    ((shared, alone),) = compared
    assert shared == alone
    assert {flipped.errno for flipped in shared} == {"EINVAL", None}


_PROGRAM = """
static long call(long number, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c, x3 __asm__("x3") = d;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}

void _start(void)
{
	/* openat2 of O_RDONLY with a mode, which is EINVAL */
	static const long how[3] = { 0, 0600, 0 };

	call(437, -100, (long)"/", (long)how, sizeof(how));
	call(56, -100, (long)"/nothing", 0, 0); /* openat: ENOENT */
	call(94, 0, 0, 0, 0);
}
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    source, program = tmp_path / "fails.c", tmp_path / "fails"
    source.write_text(_PROGRAM)
    built = build_with_any([source])
    assert built is not None
    program.write_bytes(built[0])
    return program


@pytest.mark.boot
@pytest.mark.download
def test_a_branch_that_leads_past_the_one_that_decided(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip, patience, steps = proofs._flip, [], []

    def looked_at(machine: Guest, *given: object, again: bool, of_step: bool) -> proofs.Flipped:
        patience.append(machine.debugger.patience)
        steps.append(of_step)
        return flip(machine, *given, again=again, of_step=of_step)  # type: ignore[arg-type]

    class Told(Silent):
        @contextlib.contextmanager
        def step(self, text: str) -> Iterator[None]:
            said.append(text)
            yield

    said: list[str] = []
    monkeypatch.setattr(proofs, "_flip", looked_at)
    call = {"program": program, "syscall": "openat", "errno": "ENOENT"}
    trace = trace_error("debian-6.12.117-4k", prove=True, progress=Told(), **call).trace  # type: ignore[arg-type]
    # fs/namei.c (Linux 6.12): step_into refuses a negative dentry; with O_CREAT the file would be made.
    assert trace.guard is not None
    assert trace.cause is not None
    assert trace.guard.place.function == "step_into"
    assert trace.cause.guard.place.function == "path_openat"
    # A branch may leave a lock held, at which the next call waits: not for as long as a boot may take.
    assert all(seconds is not None and seconds < TIMEOUT / 2 for seconds in patience)
    assert trace.proof is not None
    assert [text for text in said if text.startswith("branch ")] == [
        f"branch {number} of at most 12: {tried.guard.place}" for number, tried in enumerate(trace.proof, 1)
    ]
    # Nothing judges how a program ends.
    assert set(steps) == {False}
    assert trace.cause.flipped.step is None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        _print(trace)
    assert "  proved " not in printed.getvalue()
    assert f"  a way round {trace.cause.guard.place}" in printed.getvalue()


def test_a_machine_that_does_not_stop_is_waited_for_as_long_as_is_asked() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(600)
        debugger = Debugger(ours)
        debugger.patience = 0.01
        with pytest.raises(TimeoutError):
            debugger.go_on()
        assert ours.gettimeout() == 600


@pytest.mark.boot
@pytest.mark.download
def test_a_program_of_one_s_own(program: Path) -> None:
    traced = trace_error("debian-6.12.117-4k", program=program, syscall="openat2", errno="EINVAL", prove=True)
    assert str(traced.trace.origin).startswith("build_open_flags+")
    assert traced.trace.cause is not None
    assert traced.verdict.exit_status == 0
    for syscall, errno, expected in (
        ("openatt", "EINVAL", "has no system call openatt"),
        ("open", "ENOENT", "64-bit programs on arm64 have no system call open"),
        ("openat2", "EPERM", "was called once on debian-6.12.117-4k and never returned EPERM"),
    ):
        with pytest.raises(Refused, match=expected) as refused:
            trace_error("debian-6.12.117-4k", program=program, syscall=syscall, errno=errno)
        assert "--syscall openat" in (refused.value.hint or "") or syscall != "open"
    with pytest.raises(Missing, match="the debugger never stopped at __arm64_sys_swapon"):
        trace_error("debian-6.12.117-4k", program=program, syscall="swapon", errno="EPERM")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("EOPNOTSUPP", "EOPNOTSUPP"),
        ("ENOTSUP", "EOPNOTSUPP"),
        ("EWOULDBLOCK", "EAGAIN"),
        ("22", "EINVAL"),
        ("ENOTSUPP", "ENOTSUPP"),
        ("4095", "4095"),
    ],
)
def test_error_numbers_have_the_kernel_s_names(text: str, name: str) -> None:
    assert errno_name(errno_number(text)) == name


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("EINVALL", "did you mean EINVAL?"),
        ("einval", "did you mean EINVAL?"),
        ("EFOO", "number (22)"),
        ("0", "number (22)"),
        ("4096", "number (22)"),
    ],
)
def test_an_errno_that_there_is_not(text: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=f"there is no errno '{text}'") as refused:  # before the kernel is taken
        trace_error(tmp_path / "no-kernel", program=tmp_path / "no-program", syscall="openat", errno=text)
    assert hint in (refused.value.hint or "")


@pytest.mark.download
def test_a_kernel_without_symbols(tmp_path: Path) -> None:
    image = get_kernel("debian-6.12.117-4k").image.read_bytes()
    # The table of tokens has those of one letter in order (scripts/kallsyms.c).
    digits = b"\0".join(bytes([letter]) for letter in b"0123456789")
    (tmp_path / "Image").write_bytes(image.replace(digits, bytes(len(digits))))
    with pytest.raises(Malformed, match="symbol"):
        trace_error(tmp_path / "Image", step="talos-1.12-etc-hosts")


def test_what_a_select_would_have_made() -> None:
    x = (5, 7, *[0] * 29)
    csel, csinc, csinv, csneg = (0x9A810000 | kind for kind in (0, 0x400, 0x40000000, 0x40000400))
    assert not_selected(csel, x, held=False) == 5  # x0 = eq ? x0 : x1
    assert [not_selected(word, x, held=True) for word in (csel, csinc, csinv, csneg)] == [
        *(7, 8, 2**64 - 8, 2**64 - 7),
    ]
    assert not_selected(csinv & ~(1 << 31), x, held=True) == 2**32 - 8


@given(st.binary(max_size=300), st.integers(0, 63), st.integers(0, 255))
def test_any_bytes_are_a_program_or_not(data: bytes, at: int, value: int) -> None:
    header = bytearray(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\xb7\0\x01\0\0\0" + bytes(8))
    header += (64).to_bytes(8, "little") + bytes(14) + b"\x38\0\x01\0" + bytes(6)
    header[at] = value
    for candidate in (data, bytes(header) + data):
        with contextlib.suppress(Malformed, Refused):
            check_program(candidate, "fuzz")
        with contextlib.suppress(Malformed):
            text_symbols(candidate, "fuzz").find(0)


@given(st.binary(max_size=200))
def test_modules_are_init_s_own_lines(console: bytes) -> None:
    loaded = loaded_modules(console + b"\n[ 1.0] bwa: # bootwright: module squashfs 0xffffc0007acdd000\r\r\n")
    assert loaded["squashfs"] == 0xFFFFC0007ACDD000


@pytest.mark.boot
@pytest.mark.download
def test_a_step_that_works() -> None:
    with pytest.raises(Refused, match="without an error"):
        trace_error("debian-6.12.117-4k", step="clone-attached")


def test_a_kernel_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="is a folder"):
        trace_error(tmp_path, step="clone-attached")


def test_a_step_that_is_not_there_needs_no_boot(tmp_path: Path) -> None:
    for step, hint in (("clone-atached", "clone-attached"), ("ext4-64K", "add --probe filesystems")):
        with pytest.raises(Refused, match="has no step") as refused:
            trace_error(tmp_path / "no-kernel", step=step)
        assert hint in (refused.value.hint or "")


@given(st.integers(0, (1 << 32) - 1))
def test_every_word_has_a_flow(word: int) -> None:
    step = flow(word)
    assert all(0 <= register <= 31 for register in (*step.writes, *step.reads))
    assert assembly(word, 0x1000)


@pytest.mark.parametrize(
    ("word", "kind", "writes", "reads"),
    [
        (0x928002A0, Kind.PLAIN, (0,), ()),  # mov x0, #-22
        (0x2A0103E0, Kind.PLAIN, (0,), (1,)),  # mov w0, w1
        (0x910003FD, Kind.PLAIN, (29,), (31,)),  # mov x29, sp
        (0x54000100, Kind.CONDITIONAL, (), ()),  # b.eq
        (0x376801E1, Kind.CONDITIONAL, (), (1,)),  # tbnz w1, #13
        (0xD65F03C0, Kind.RETURN, (), (30,)),  # ret
        (0xA94153F3, Kind.PLAIN, (19, 20), ()),  # ldp x19, x20, [sp, #16]
        (0xF9001BF7, Kind.PLAIN, (), ()),  # str x23, [sp, #48]
        (0xEB01009F, Kind.PLAIN, (), (4, 1)),  # cmp x4, x1
    ],
)
def test_instructions_of_a_real_function(
    word: int, kind: Kind, writes: tuple[int, ...], reads: tuple[int, ...]
) -> None:
    step = flow(word)
    assert (step.kind, step.writes, step.reads) == (kind, writes, reads)


def test_conditions() -> None:
    assert holds(0, 0b0100)
    assert holds(1, 0)
    assert holds(14, 0)
    assert not holds(8, 0b0110)
    assert holds(11, 0b1000)


@given(st.lists(st.tuples(st.integers(0, (1 << 64) - 1), st.text("abc_.ẽ", min_size=1)), min_size=1))
def test_functions_are_kept_as_they_are(pairs: list[tuple[int, str]]) -> None:
    pairs.sort()
    functions = Functions([address for address, _ in pairs], [name for _, name in pairs])
    kept = as_bytes(functions)
    again = from_bytes(kept)
    assert (list(again.addresses), list(again.names)) == (functions.addresses, functions.names)
    assert [again.at(address) for address, _ in pairs] == [functions.at(address) for address, _ in pairs]
    assert again.at(pairs[-1][0]) is None  # where the code ends
    for at in (0, len(kept) // 2, len(kept) - 1):
        with pytest.raises(ValueError, match="damaged"):
            from_bytes(kept[:at] + bytes([kept[at] ^ 1]) + kept[at + 1 :])
        with pytest.raises(ValueError, match="damaged"):
            from_bytes(kept[:at])
