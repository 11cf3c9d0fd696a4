"""A machine that was up and is back in its firmware or loader: what that ends with is the last state."""

from __future__ import annotations

import pytest
from diagnosed_kit import diagnosed
from hypothesis import Phase, find, settings
from hypothesis import strategies as st

from bootwright.diagnose.model import RANKS, Outcome
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.signatures.knowledge import load
from bootwright.diagnose.signatures.model import Marker

UP = (
    "[    0.000000] Linux version 6.31.0\n"
    "[    4.120110] systemd[1]: Reached target multi-user.target - Multi-User System.\n"
    "quux login: \n"
)
RESTARTED = "[  812.110110] reboot: Restarting system\n"
STOPPED = "Cannot read quux\n### ERROR ### Please RESET the board ###\n"
OF_LOADERS = [
    marker
    for marker in load().markers.values()
    if RANKS[marker.stage] < RANKS["kernel"] and not (marker.unnamed or marker.stays)
    if marker.component != "petitboot"
]
"""Petitboot runs under a kernel."""
ASCII = st.characters(min_codepoint=32, max_codepoint=126)


def _shortest(marker: Marker) -> str:
    """A simple line that is the marker's, without anybody's stamp."""
    lines = st.from_regex(marker.pattern.expression, fullmatch=True, alphabet=ASCII)
    first = settings(derandomize=True, database=None, deadline=None, phases=[Phase.generate])
    line = find(lines, _is_bare, settings=first)
    return line if line == line.rstrip() else f"{line}quux"


def _is_bare(line: str) -> bool:
    return prefix.split(line.encode()).text == line.rstrip().encode()


@pytest.mark.parametrize("marker", OF_LOADERS, ids=lambda marker: marker.name)
def test_what_any_loader_ends_with_counts_after_a_boot_that_worked(marker: Marker) -> None:
    line = _shortest(marker)
    for between in (RESTARTED, ""):
        diagnosis = diagnosed(f"{UP}{between}{line}\n{STOPPED}")
        assert [boot.outcome for boot in diagnosis.boots] == [Outcome.BOOT_OK, Outcome.FAILED], line
        assert diagnosis.outcome is Outcome.FAILED


def test_there_are_loaders() -> None:
    assert {"@grub/speaks", "@ipxe/start", "@systemd-boot/start", "@limine/start", "@syslinux/start"} <= {
        marker.name for marker in OF_LOADERS
    }


@pytest.mark.parametrize(
    "line",
    [
        "quux-update[31]: Loading Linux 6.31.0 ...",
        "[   31.400000] Loading Linux 6.31.0 ...",
        "OpenSBI v31.4",
        "Petitboot (v1.31)",
    ],
    ids=["program", "kernel", "beside", "linux"],
)
def test_what_a_running_system_says_is_no_restart(line: str) -> None:
    after = "[   32.000000] quux: link up\n"
    assert len(diagnosed(f"{UP}[   31.000000] quux: link down\n{line}\n{after}").boots) == 1


def test_a_loaders_line_over_which_the_clock_goes_on_is_no_restart() -> None:
    log = f"{UP}[   31.000000] quux: link down\nGNU GRUB  version 31.2\n[   32.000000] quux: link up\n"
    assert len(diagnosed(log).boots) == 1


def test_a_machine_that_waits_in_its_loader_is_not_known_to_have_failed() -> None:
    diagnosis = diagnosed(f"{UP}{RESTARTED}systemd-boot 31\nBoot in 3 s.\n")
    assert diagnosis.outcome is Outcome.BOOT_OK


def test_a_loader_that_tells_the_command_line_itself_has_the_machine_yet() -> None:
    text = (
        "U-Boot 2015.01 (Jan 01 2020 - 00:00:00)\n\nDRAM:  1 GiB\n"
        "Kernel command line: quux=1 buildvariant=user\n"
        "   Uncompressing Kernel Image ... OK\n"
        "   kernel loaded at 0x01080000, end = 0x0290aa00\n"
        "\nStarting kernel ...\n\n"
    )
    diagnosis = diagnosed(text)
    assert len(diagnosis.boots) == 1
    assert diagnosis.outcome is Outcome.UNKNOWN
