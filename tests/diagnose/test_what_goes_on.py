"""What the end of a log does not show: a dump that the kernel goes on from, another console's lines."""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Outcome
from bootwright.diagnose.signatures.knowledge import load

_BOOT = (
    b"[    0.000000] Linux version 6.12.48 (build@host) (gcc 14.2.0) #1 SMP\n"
    b"[    0.104118] devtmpfs: initialized\n%b"
    b"[    0.734057] Freeing unused kernel memory: 2080K\n"
    b"[    0.734199] Run /init as init process\n"
)
_LOCKS = (
    b"[    0.282436] 2 locks held by cpuhp/1/13:\n"
    b"[    0.286286]  #0:  (cpuhp_state-up){+.+.}, at: [<ffff0000080e84f0>] cpuhp_thread_fun+0x58/0x260\n"
    b"[    0.294995]  #1:  (wq_pool_mutex){+.+.}, at: [<ffff00000810d7e8>] workqueue_online_cpu+0x40/0x3a8\n"
    b"[    0.303958] stack backtrace:\n"
)


def test_a_log_cut_in_a_list_of_locks_has_not_failed() -> None:
    start = _BOOT.split(b"%b")[0]
    assert diagnose_bytes(start + _LOCKS, "log", load()).outcome is not Outcome.FAILED


_MEMORY = (
    b"[    0.000000] Kernel command line: console=ttyS0,115200 rootwait panic=10\n"
    b"[    0.000000] Memory: 243776K/262144K available (6144K kernel code, 209K rwdata)\n"
    b"[    0.000000] Virtual kernel memory layout:\n"
    b"                   vector  : 0xffff0000 - 0xffff1000   (   4 kB)\n"
    b"                   fixmap  : 0xffc00000 - 0xfff00000   (3072 kB)\n"
    b"                   vmalloc : 0xd0800000 - 0xff800000   ( 752 MB)\n"
)
_APIC = b"[    3.082790] ... APIC ID:      00000000 (0)\n" + b"".join(
    b"[    3.082790] ... APIC %b: 000000ef\n" % register
    for register in (b"VERSION", b"TASKPRI", b"LDR", b"DFR", b"SPIV", b"ESR", b"ICR", b"LVTT", b"LVTERR")
)


@pytest.mark.parametrize("table", [_MEMORY, _APIC], ids=["memory", "apic"])
def test_a_log_cut_in_a_table_printed_by_choice_has_not_failed(table: bytes) -> None:
    start = _BOOT.split(b"%b")[0]
    assert diagnose_bytes(start + table, "log", load()).outcome is not Outcome.FAILED


@pytest.mark.parametrize("doing", [b"", b"starting "])
def test_an_efi_shell_is_no_failure_where_it_is_only_listed(doing: bytes) -> None:
    log = (
        b"BdsDxe: Dumping Boot Options\n"
        + doing
        + (
            b'Boot0001 "UEFI Internal Shell" from Fv(64074AFE)\n'
            if doing
            else b"Boot0001: UEFI Internal Shell\n"
        )
    )
    assert (diagnose_bytes(log, "log", load()).outcome is Outcome.FAILED) == bool(doing)


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        (b"", b"", Outcome.UNKNOWN),
        (b"total 48\n", b"On branch topic\n", Outcome.UNKNOWN),
        (b"total 48\n", b"Starting udev\nMounting root\n", Outcome.BOOT_OK),
        (b"", b"Starting udev\n", Outcome.BOOT_OK),
    ],
)
def test_what_spoke_before_any_program_is_none(before: bytes, after: bytes, outcome: Outcome) -> None:
    assert diagnose_bytes(_BOOT % before + after, "log", load()).outcome is outcome
