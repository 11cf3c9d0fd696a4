"""A log that ends in a dump of registers, of a stack or of memory, in no report that is known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from attrs import frozen

from bootwright.diagnose.judging.gravity import is_grave
from bootwright.diagnose.judging.shapes import WAITS, is_dump, is_levelled, looks_wrong
from bootwright.diagnose.messages.speaker import is_of_a_device
from bootwright.diagnose.reading.tail import LastLine
from bootwright.diagnose.reading.voice import crashed_program

_AT_END: Final = 4
_OF_A_DUMP: Final = 2
"""Lines at the end; so many of them are of a dump: somebody else may have spoken, too."""
_LONGEST: Final = 120
_GAP: Final = 3
"""Lines of something else within it, information of others not counted."""
_TRAP: Final = re.compile(
    rb"(?i)\b(?:trap|exception|abort|fault|panic|stalls?|blocked for|lock-?up)\b"
    rb"|(?i:\b(?:call trace|backtrace|stack dump)\b)"
    rb"|\b(?:pc|epc|mepc|sepc|elr|rip|eip|nip|lr|sp|esr|cpsr|pstate)\s{0,3}[:=]"
)
"""What a dump after an exception has, other than a table of addresses."""
GOES_ON: Final = re.compile(
    rb"\b(?:dump_stack(?:_lvl)?|show_stack|dump_backtrace)\b(?!\w)"
    rb"|^\s*task:\S.{0,40}\bstate:\w|^\s*#\d+: .{0,120}\{[-.+?]{4,6}\}(?:-\{\d:\d\})?, at: "
    rb"|^\s*Virtual kernel memory layout:|^\s*\.{3} APIC [A-Z]|^---\[ end trace [0-9a-f]+ \]---"
    rb"|^ELF: phdr: |\b(?:warn_slowpath_\w+|__warn)\+0x|^\s*(?:Load Address|Entry Point): "
    rb"|^unchecked MSR access error: |^\S{1,16}\[\d{1,10}\]: syscall \d{1,5}\Z"
)
"""What a kernel prints by choice, going on: a stack (lib/dump_stack.c), the state of a task
(kernel/sched/core.c sched_show_task), its locks (kernel/locking/lockdep.c print_lock; Linux 6.12), where
memory lies (arch/arm/mm/init.c, Linux 4.19), interrupt controllers (arch/x86/kernel/apic/vector.c), and a
report that it closed (kernel/panic.c print_oops_end_marker): what came of that is said in lines of their
own, a register that there is not (arch/x86/mm/extable.c ex_handler_msr), a call that a program asked for in
vain (arch/arm64/kernel/traps.c do_ni_syscall, Linux 3.14). A trap has none. Who loads a kernel tells where
its parts lie: Xen (common/libelf/libelf-loader.c, 4.19), U-Boot (boot/image.c image_print_contents,
2025.01)."""
_BEFORE: Final = 8
"""Lines before it, among which its head is: modules, CPU, hardware, workqueue and state stand between, since
Linux 6.13 the taint, too (lib/dump_stack.c dump_stack_print_info)."""
_SAYS_NO_REASON: Final = re.compile(rb"(?i)\W*(?:aborting|aborted|abort|panic|halting|fatal)\W*\Z")
_PID_OF_INIT: Final = 1
_CRITICAL: Final = 3
"""Level error: what a kernel calls a warning, it gets over."""


@frozen
class Dump:
    """Where it is."""

    head: LastLine
    """What says why, as far as any line does."""
    first: LastLine


def dump_at_end(lines: Sequence[LastLine], known: Iterable[int]) -> Dump | None:
    """The dump with which `lines` end; None where there is none, or a signature knows its head.

    `known` are the numbers of lines that signatures know. A program that crashed is no end of a boot, except
    the first one.
    """
    if sum(is_dump(line.text) for line in lines[-_AT_END:]) < _OF_A_DUMP:
        return None
    begin = len(lines)
    between = 0
    for place in range(len(lines) - 1, max(len(lines) - _LONGEST, 0) - 1, -1):
        if is_dump(lines[place].text):
            begin, between = place, 0
            continue
        between += is_grave(lines[place].raw)
        if between > _GAP:
            break
    before = lines[max(begin - _BEFORE, 0) : begin] or lines[begin : begin + 1]
    if any(before[0].number <= number for number in known):
        return None
    if any(crashed_program(line.text) not in {None, _PID_OF_INIT} for line in before):
        return None
    if any(GOES_ON.search(line.text) is not None for line in (*before, *lines[begin:])):
        return None
    wrong = [
        line
        for line in reversed(before)
        if (looks_wrong(line.text) or is_levelled(line.raw)) and WAITS.search(line.text) is None
    ]
    head = next((line for line in wrong if _SAYS_NO_REASON.match(line.text) is None), next(iter(wrong), None))
    if head is not None and not is_grave(head.raw, least=_CRITICAL):
        return None
    # What a driver says of its device with the stack that led there is no exception.
    by_choice = head is None or is_of_a_device(head.text)
    # Two values below each other may be a driver's.
    by_choice |= sum(is_dump(line.text) for line in lines[begin:]) < _AT_END
    if by_choice and not any(_TRAP.search(line.text) for line in (*before, *lines[begin:])):
        return None
    if head is None:
        # Another console may have spoken in between.
        own = (line for line in reversed(before) if line.voice == lines[begin].voice)
        head = next(own, before[-1])
    return Dump(head, lines[begin])
