"""What daemons say last of what they watch, on a machine that is up."""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Outcome

UP = (
    "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
    "[    8.000000] systemd[1]: Reached target multi-user.target - Multi-User System.\n"
)
WRONG = (
    "wpa_supplicant[7]: wlan0: CTRL-EVENT-SSID-TEMP-DISABLED "
    'id=0 ssid="A B" auth_failures=1 duration=10 reason='
)
CASES = {
    "ups-lost": (
        "upsmon[7]: Communications with UPS a@b lost",
        "upsmon[7]: Communications with UPS a@b established",
    ),
    "wifi-wrong-key": (
        f"{WRONG}WRONG_KEY",
        "wpa_supplicant[7]: wlan0: CTRL-EVENT-CONNECTED - Connection to x completed",
    ),
    "pool-disk-faulted": (
        "zed[7]: eid=1 class=statechange pool='quux' vdev=sdb1 vdev_state=UNAVAIL",
        "zed[7]: eid=2 class=statechange pool='quux' vdev=sdb1 vdev_state=ONLINE",
    ),
}
FULL = "quuxd[7]: cannot write /var/lib/quux: No space left on device"


@pytest.mark.parametrize("signature", CASES)
def test_the_last_word_counts(signature: str) -> None:
    bad, good = CASES[signature]
    failed = diagnose_bytes(f"{UP}[   20.0] {bad}\n".encode())
    assert failed.outcome is Outcome.DEGRADED
    assert failed.blamed is not None
    assert failed.blamed.finding.signature == signature
    assert diagnose_bytes(f"{UP}[   20.0] {bad}\n[   21.0] {good}\n".encode()).outcome is Outcome.BOOT_OK
    assert diagnose_bytes(f"{UP}[   20.0] {good}\n[   21.0] {bad}\n".encode()).outcome is Outcome.DEGRADED


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        ([FULL, FULL.replace("quux", "frob")], Outcome.DEGRADED),
        ([FULL], Outcome.BOOT_OK),
        (
            [FULL, FULL.replace("quux", "frob"), "systemd-journald[2]: Vacuuming done, freed 8.0M of x"],
            Outcome.BOOT_OK,
        ),
        (["quuxd[7]: cannot watch /a: inotify_add_watch: No space left on device"] * 2, Outcome.BOOT_OK),
    ],
    ids=["two programs", "once", "the journal made room", "watches"],
)
def test_a_full_file_system(lines: list[str], outcome: Outcome) -> None:
    text = "".join(f"[   2{number}.0] {line}\n" for number, line in enumerate(lines))
    assert diagnose_bytes((UP + text).encode()).outcome is outcome


def test_another_reason_than_the_key_is_no_wrong_password() -> None:
    diagnosis = diagnose_bytes(f"{UP}[   20.0] {WRONG}CONN_FAILED\n".encode())
    assert diagnosis.outcome is Outcome.BOOT_OK
