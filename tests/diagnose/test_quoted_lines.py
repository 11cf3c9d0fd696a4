"""One line that somebody quotes, of first programs, services and what sets a machine up.

The lines are composed after the formats of their programs; none is of a real log.
"""

from __future__ import annotations

import pytest
from diagnosed_kit import diagnosed

from bootwright.diagnose.model import Diagnosis, Outcome

SERIOUS = {Outcome.FAILED, Outcome.DEGRADED}


def first(diagnosis: Diagnosis) -> str:
    return next((finding.signature for boot in diagnosis.boots for finding in boot.findings), "")


@pytest.mark.parametrize(
    ("line", "signature"),
    [
        ('quuxd[41]: time="2026-05-06T07:08:09Z" level=fatal msg="token is not valid"', "program-fatal"),
        ('{"level":"fatal","ts":"2026-05-06T07:08:09Z","msg":"opening quux","error":"crc"}', "program-fatal"),
        ('kubelet[41]: E0506 07:08:09.123456 41 run.go:72] "command failed" err="no quux"', "program-fatal"),
        ('E0506 07:08:09.123456 41 pod_workers.go:9] "Error syncing pod, skipping" err="failed to '
         '\\"StartContainer\\" for \\"etcd\\" with CrashLoopBackOff"', "pod-crash-loop"),
        ("     Active: failed (Result: quux-code) since Wed 2026-05-06", "unit-state"),
        ("systemd[1]: quux.service: Main process exited, code=exited, status=217/USER", "service-died"),
        ("systemd[1]: quux.service: Start request repeated too quickly.", "service-died"),
        ("s6-rc: warning: unable to start service quux: command exited 9", "service-failed"),
        ("runsv quux: fatal: unable to start ./run: access denied", "service-failed"),
        ("cloud-init[41]: 2026-05-06 07:08:09,123 - cc_quux.py[WARNING]: Failed to run module quux (q)",
         "first-boot-setup"),
        ("systemd[1]: Failed to allocate manager object: Permission denied", "systemd-frozen"),
        ("procd: Rebooting as procd has crashed", "init-gave-up"),
        (" * The /quux directory does not exist. Unable to continue.", "init-gave-up"),
        ("dracut-mount[41]: Warning: Can't mount root filesystem", "root-not-reached"),
        ("ERROR: Root device mounted successfully, but /sbin/quux does not exist.", "no-init"),
        ("/init: line 9: can't create /quux: Permission denied", "errors-untold"),
    ],
)  # fmt: skip
def test_a_line_that_means_a_failure_is_one_alone(line: str, signature: str) -> None:
    diagnosis = diagnosed(line)
    assert diagnosis.outcome in SERIOUS
    assert first(diagnosis) == signature


@pytest.mark.parametrize(
    "line",
    [
        'quuxd[41]: time="2026-05-06T07:08:09Z" level=info msg="Waiting: connection error: no socket"',
        'I0506 07:08:09.123456 41 quux.go:9] "Failed to find quux, using another"',
        "ignition[41]: GET error: dial tcp: lookup quux.example: no such host",
        'E0506 07:08:09.123456 41 kubelet.go:9] "Error getting node" err="node \\"quux\\" not found"',
        "/bin/sh: can't access tty; job control turned off",
        "mount_root: jffs2 not ready yet, using temporary tmpfs overlay",
        "     Active: inactive (dead)",
        "ERROR: resume: hibernation device 'UUID=quux' not found",
    ],
)
def test_a_line_that_a_healthy_boot_has_too_is_none(line: str) -> None:
    assert diagnosed(line).outcome not in SERIOUS


@pytest.mark.parametrize(
    "line",
    [
        "● quux.service  loaded failed failed Quux daemon",
        "-- Subject: Unit quux.mount has failed",
        "Job for quux.service failed because the control process exited with error code.",
    ],
)
def test_systemd_names_the_unit_in_each_of_its_ways(line: str) -> None:
    diagnosis = diagnosed(line)
    assert first(diagnosis) == "unit-state"
    assert "quux." in diagnosis.boots[0].findings[0].cause


def test_one_error_of_the_first_program_does_not_end_it_unless_the_boot_needs_that() -> None:
    aside = "init: property 'ro.quux' doesn't exist while expanding '${ro.quux}'\n"
    needed = "init: Could not mount /system: No such file or directory\n"
    assert diagnosed(aside).outcome is Outcome.DEGRADED
    assert diagnosed(needed).outcome is Outcome.FAILED


def test_a_program_that_runs_in_the_end_got_over_its_fatal_error() -> None:
    fatal = 'k3s[41]: time="2026-05-06T07:08:09Z" level=fatal msg="starting: no quux"\n'
    running = 'k3s[52]: time="2026-05-06T07:09:09Z" level=info msg="k3s is up and running"\n'
    assert diagnosed(fatal).outcome is Outcome.DEGRADED
    assert diagnosed(fatal + running).outcome not in SERIOUS


def test_what_passes_by_itself_counts_once_it_has_not() -> None:
    line = "quuxd[41]: cannot reach peer: dial tcp 192.0.2.9:80: connect: connection refused"
    lasting = "".join(f"May 06 07:{minute:02}:00 node {line}\n" for minute in range(4))
    assert diagnosed(f"May 06 07:00:00 node {line}\n").outcome is Outcome.UNKNOWN
    assert diagnosed(lasting).outcome is Outcome.DEGRADED


def test_a_volume_group_that_comes_after_all_is_no_failure() -> None:
    missing = '  Volume group "quux" not found\n'
    active = '  2 logical volume(s) in volume group "quux" now active\n'
    assert diagnosed(missing).outcome is Outcome.DEGRADED
    assert diagnosed(missing + active).outcome not in SERIOUS


START = """\
[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x410fd083]
[    0.000000] Linux version 6.12.40 (quux@example) #1 SMP
[    0.000000] Machine model: Quux Board
"""
ERROR = "[   12.500000] quux 1.quux: frobbing failed: -110\n"
FINE = "".join(f"[   11.{number}00000] quux {number}.quux: frobbed\n" for number in range(9))


@pytest.mark.parametrize("elision", ["...", "[...]", "<snip>", "(120 lines omitted)", "-- snip --", "…"])
def test_what_follows_lines_that_were_left_out_is_an_excerpt(elision: str) -> None:
    assert diagnosed(START + ERROR).outcome is Outcome.UNKNOWN
    assert diagnosed(f"{START}{elision}\n{ERROR}").outcome is Outcome.DEGRADED
    assert diagnosed(f"{START}{elision}\n{FINE}{ERROR}").outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("text", ["......", "Starting quux ...", "[ ok ]", "cut", "<quux>", "done."])
def test_progress_leaves_nothing_out(text: str) -> None:
    assert diagnosed(f"{START}{text}\n{ERROR}").outcome is Outcome.UNKNOWN


def row(service: str, state: str, health: str, ago: str, event: str) -> str:
    return f"192.0.2.7   {service:10} {state:10} {health:6} {ago} ago   {event}\n"


def test_a_table_of_services_says_since_when_they_do_not_run() -> None:
    lately = row("kubelet", "Waiting", "?", "4s", 'Waiting for service "cri" to be "up"')
    for_long = row("kubelet", "Waiting", "?", "14m4s", 'Waiting for service "cri" to be "up"')
    failed = row("ext-quux", "Failed", "?", "9s", "Failed to create runner: quux")
    sick = row("apid", "Running", "Fail", "1h9m0s", "Health check failed: quux")
    fine = row("kubelet", "Running", "OK", "1h9m0s", "Health check successful")
    assert diagnosed(lately).outcome is Outcome.UNKNOWN
    assert diagnosed(for_long).outcome is Outcome.FAILED
    assert diagnosed(failed).outcome is Outcome.DEGRADED
    assert diagnosed(sick).outcome is Outcome.FAILED
    assert diagnosed(fine).outcome not in SERIOUS


def test_a_dashboard_that_says_ready_is_of_a_boot_that_came_up() -> None:
    assert diagnosed("STAGE  Running\nREADY  True\n").outcome is Outcome.BOOT_OK
    assert diagnosed("STAGE  Booting\nREADY  False\n").outcome is Outcome.UNKNOWN


def test_what_the_kernel_itself_calls_an_error_is_what_few_lines_are_about_in_any_words() -> None:
    words = "quux 4080000.quux: PBL came back with 17 quuxes\n"
    lines = "<6>[    5.888800] quux 4080000.quux: loading from 0x86800000\n<{level}>[    5.936959] " + words
    assert diagnosed(lines.format(level=3)).outcome is Outcome.DEGRADED
    assert diagnosed(lines.format(level=6)).outcome is Outcome.BOOT_OK


@pytest.mark.parametrize(("seconds", "expected"), [(13024, Outcome.DEGRADED), (4, Outcome.FAILED)])
@pytest.mark.parametrize("after", ["", "...\n"])
def test_what_came_hours_after_lines_that_were_left_out_is_of_a_machine_that_was_up(
    seconds: int, expected: Outcome, after: str
) -> None:
    """The banner before the gap is no boot that hung."""
    lockup = f"[{seconds:5}.332817] watchdog: BUG: soft lockup - CPU#8 stuck for 26s! [worker:6331]\n"
    assert diagnosed(f"{START}...\n{lockup}").outcome is expected
    # A gap further on says nothing of what came before it.
    assert diagnosed(f"{START}{lockup}{after}").outcome is Outcome.FAILED
