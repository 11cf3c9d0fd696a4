"""Errors that pass by themselves and errors that do not: which is which, and what it makes of a quoted line.

The lines are composed after the formats of their programs; none is of a real log.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.judging.errors.error_kinds import ERROR_KIND_FILES, kind_of_error
from bootwright.diagnose.model import Outcome, Severity
from bootwright.diagnose.signatures.knowledge import load
from bootwright.foundation.errors import Malformed

KNOWLEDGE = load()
SERIOUS = {Outcome.FAILED, Outcome.DEGRADED}
READY = "[talos] machine is running and ready"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("dial tcp 192.0.2.9:6443: connect: connection refused", "transient"),
        ("tls: failed to verify: x509: certificate signed by unknown authority", "permanent"),
        ("not yet valid: current time 1970-01-01T00:01Z is before 2026-02-03T00:00Z", "transient"),
        ("pulling quux:v9: resolving quux:v9: not found", "permanent"),
        ("pulling quux:v9: resolving quux:v9: i/o timeout", "transient"),
        ("yaml: line 7: did not find expected key", "permanent"),
        ("write /var/quux: no space left on device", "permanent"),
        ("open /dev/quux: no such file or directory", ""),
        ("exit status 1", ""),
    ],
)
def test_the_innermost_reason_decides(error: str, kind: str) -> None:
    assert kind_of_error(error) == kind


def zap(controller: str, error: str, message: str = "controller failed") -> str:
    return (
        f'{message} {{"component": "controller-runtime", "controller": "{controller}", '
        f'"error": {json.dumps(error)}}}'
    )


def forms(line: str) -> dict[str, str]:
    """One of Talos's lines as a console, talosctl, its log delivery and somebody who quotes it have it."""
    message, _, added = line.partition(" {")
    fields = json.loads("{" + added) if added else {}
    delivered = {"talos-level": "warn", "talos-time": "2026-05-06T07:08:09.123456Z"}
    return {
        "console": f"[   21.500000] [talos] {line}",
        "dmesg": f"192.0.2.7: user: warning: [2026-05-06T07:08:09.123456789Z]: [talos] {line}",
        "runtime": f"192.0.2.7: 2026-05-06T07:08:09.123Z ERROR {line}",
        "kernel log": json.dumps({**delivered, "facility": "user", "msg": f"[talos] {line}"}),
        "service log": json.dumps({**fields, **delivered, "msg": message, "talos-service": "machined"}),
        "quoted": line,
    }


def outcomes(line: str) -> set[Outcome]:
    return {diagnose_bytes(form.encode(), "log", KNOWLEDGE).outcome for form in forms(line).values()}


@pytest.mark.parametrize(
    "line",
    [
        zap("config.AcquireController", "yaml: line 3: mapping values are not allowed here"),
        zap("block.MountController", 'failed to mount "EPHEMERAL": structure needs cleaning'),
        zap("secrets.QuuxController", "parsing: x509: malformed certificate"),
        zap("storage.QuuxReconcileController", "vgcreate: exit status 5", "quux encountered errors"),
        "service[kubelet](Failed): Failed to run pre stage: open /var/lib/kubelet: permission denied",
    ],
)
def test_what_does_not_pass_is_a_failure_even_alone_and_in_any_form(line: str) -> None:
    assert outcomes(line) <= SERIOUS


@pytest.mark.parametrize(
    "line",
    [
        zap("k8s.QuuxApplyController", 'Get "https://127.0.0.1:7445/api": EOF'),
        zap("config.AcquireController", "fetching: dial tcp 192.0.2.9:80: i/o timeout"),
        zap("network.LinkStatusController", "netlink: operation not supported", "error querying quux"),
        zap("files.QuuxController", "stopping: context canceled"),
        "service[etcd](Running): Health check failed: context deadline exceeded",
    ],
)
def test_what_a_healthy_boot_says_for_a_while_is_none(line: str) -> None:
    assert outcomes(line).isdisjoint(SERIOUS)


def test_the_same_over_minutes_is_one_where_the_node_needs_it() -> None:
    line = zap("network.AddressSpecController", "netlink receive: device or resource busy")
    lasting = "".join(f"[{21 + 40 * turn:12.6f}] [talos] {line}\n" for turn in range(5))
    assert diagnose_bytes(lasting.encode(), "log", KNOWLEDGE).outcome is Outcome.FAILED
    aside = lasting.replace("network.AddressSpec", "cluster.DiscoveryService")
    assert diagnose_bytes(aside.encode(), "log", KNOWLEDGE).outcome not in SERIOUS


def test_a_late_attempt_says_that_time_has_passed() -> None:
    line = "[talos] retrying error: fetching http://192.0.2.9/quux: connection refused"
    assert diagnose_bytes(f"[    9.500000] {line}\n".encode(), "log", KNOWLEDGE).outcome not in SERIOUS
    assert diagnose_bytes(f"[  409.500000] {line}\n".encode(), "log", KNOWLEDGE).outcome is Outcome.FAILED


def test_a_service_without_health_checks_works_once_it_is_started_again() -> None:
    of_it = "[talos] service[ext-quux]"
    ended = f"{of_it}(Waiting): Error running Containerd(ext-quux), going to restart forever: exit code 1\n"
    again = f"{of_it}(Running): Started task ext-quux (PID 77) for container ext-quux\n"
    assert diagnose_bytes(ended.encode(), "log", KNOWLEDGE).outcome is Outcome.DEGRADED
    assert diagnose_bytes((ended + again).encode(), "log", KNOWLEDGE).outcome not in SERIOUS
    looping = (ended + again) * 3 + ended
    assert diagnose_bytes(looping.encode(), "log", KNOWLEDGE).outcome is Outcome.DEGRADED


def test_a_permanent_error_that_was_got_past_is_worth_knowing_at_most() -> None:
    line = zap("config.AcquireController", "validating: kubelet image is not valid")
    runtime = '{"component": "controller-runtime", "controller": "config.AcquireController"}'
    loaded = f"machine config loaded successfully {runtime}"
    text = f"[talos] {line}\n[talos] {loaded}\n[talos] {READY}\n"
    diagnosis = diagnose_bytes(text.encode(), "log", KNOWLEDGE)
    assert diagnosis.outcome is Outcome.BOOT_OK
    assert {finding.severity for boot in diagnosis.boots for finding in boot.findings} <= {
        Severity.INFO,
        Severity.HARMLESS,
    }


def test_an_errno_is_known_by_its_name_wherever_it_is_said() -> None:
    assert kind_of_error("statfs: too many levels of symbolic links") == "permanent"
    assert kind_of_error("read: Connection reset by peer") == "transient"


def test_a_name_of_errno_that_there_is_not_is_told(tmp_path: Path) -> None:
    file = tmp_path / "quux.toml"
    file.write_text(
        'source = "quux"\n[[words]]\nkind = "permanent"\nsaid_by = "q"\nerrnos = ["EQUUX"]\n',
        encoding="utf-8",
    )
    with pytest.raises(Malformed, match=r"names of errno.*EQUUX"):
        ERROR_KIND_FILES.load(file)
