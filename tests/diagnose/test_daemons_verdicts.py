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
    "update-failed": (
        "swupdate[7]: [FATAL] : SWUPDATE failed [1] Image invalid or corrupted. Not installing ...",
        "swupdate[7]: [INFO ] : SWUPDATE successful ! SWUPDATE successful !",
    ),
    "display-server-failed": (
        "sddm[7]: Could not start Display server on vt 1",
        "sddm-helper[9]: pam_unix(sddm:session): session opened for user frob(uid=1000) by (uid=0)",
    ),
    "volume-group-partial": (
        "lvm[7]:   Refusing activation of partial LV quux/data.  Use '--activationmode partial' to override.",
        "lvm[8]: PV /dev/sdb1 online, VG quux is complete.",
    ),
    "multipath-lost": (
        "multipathd[7]: quux: remaining active paths: 0",
        "multipathd[7]: quux: remaining active paths: 2",
    ),
    "service-died": (
        "systemd[1]: mariadb.service: Failed with result 'exit-code'.",
        "systemd[1]: Started mariadb.service - MariaDB 11.4 database server.",
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


CERTIFICATE = "quuxd[7]: TLS: certificate is not yet valid"
DIED = "systemd[1]: postgresql.service: Failed with result 'exit-code'."
AGAIN = "systemd[1]: quux.service: Scheduled restart job, restart counter is at "
FATAL = 'quux[7]: time="2025-11-30T10:00:20Z" level=fatal msg="cannot read its configuration"'

FULL_AUDIT = "auditd[7]: Audit daemon is suspending logging due to low disk space."
FILES = "quux[7]: accept: Too many open files"
LOGIN = "login[7]: PAM unable to dlopen({}.so): /lib/security/quux: cannot open shared object file"
ISCSI = "iscsid[7]: connect to 198.51.100.7:3260 failed (No route to host)"


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        ([(20, CERTIFICATE)], Outcome.BOOT_OK),
        ([(20, CERTIFICATE), (21, CERTIFICATE), (22, CERTIFICATE)], Outcome.BOOT_OK),
        ([(20, CERTIFICATE), (50, CERTIFICATE), (90, CERTIFICATE)], Outcome.DEGRADED),
        ([(20, DIED)], Outcome.DEGRADED),
        ([(20, "systemd[1]: Stopping postgresql.service - PostgreSQL..."), (21, DIED)], Outcome.BOOT_OK),
        ([(20, DIED.replace("postgresql", "kerneloops"))], Outcome.BOOT_OK),
        ([(20, f"{AGAIN}3.")], Outcome.BOOT_OK),
        ([(20, f"{AGAIN}7."), (21, "systemd[1]: Started quux.service - Quux.")], Outcome.BOOT_OK),
        (
            [(20, f"{AGAIN}7."), (21, "systemd[1]: quux.service: Failed with result 'signal'.")],
            Outcome.DEGRADED,
        ),
        ([(20, f"{AGAIN}41."), (21, "systemd[1]: Started quux.service - Quux.")], Outcome.DEGRADED),
        ([(20, f"{AGAIN}41.".replace("quux", "bluetooth"))], Outcome.BOOT_OK),
        ([(20, FATAL), (30, FATAL), (40, FATAL)], Outcome.DEGRADED),
        ([(20, FULL_AUDIT)], Outcome.DEGRADED),
        ([(20, FILES), (21, FILES)], Outcome.BOOT_OK),
        ([(20, FILES), (21, FILES), (22, FILES)], Outcome.DEGRADED),
        ([(20, "cgroup: fork rejected by pids controller in /system.slice/quux.service")], Outcome.DEGRADED),
        ([(20, LOGIN.format("pam_kwallet5"))], Outcome.BOOT_OK),
        ([(20, LOGIN.format("pam_unix"))], Outcome.DEGRADED),
        ([(20, ISCSI), (25, ISCSI)], Outcome.BOOT_OK),
        ([(20, ISCSI)] * 6, Outcome.DEGRADED),
        (
            [(20, ISCSI)] * 6 + [(60, "iscsid[7]: Connection1:0 to [target: a] is operational now")],
            Outcome.BOOT_OK,
        ),
        ([(20, "systemd[1]: Failed to start fstrim.service - Discard unused blocks.")], Outcome.BOOT_OK),
        ([(20, "exFAT-fs (sda1): Volume was not properly unmounted. Please run fsck.")], Outcome.BOOT_OK),
        ([(20, "F2FS-fs (sda1): Bitmap was wrongly set, blk:77")], Outcome.DEGRADED),
        ([(20, "systemd-oomd[7]: No swap; memory pressure usage will be degraded")], Outcome.BOOT_OK),
        (
            [(20, "systemd-oomd[7]: Killed /user.slice/user-1000.slice/app-frob.scope due to memory used")],
            Outcome.BOOT_OK,
        ),
        ([(20, "systemd-oomd[7]: Killed /system.slice/quux.service due to memory used")], Outcome.DEGRADED),
        ([(20, "udevadm[7]: Timed out for waiting the udev queue being empty.")], Outcome.BOOT_OK),
        ([(20, "systemd-udevd[7]: 0000:01:00.0: Worker [9] processing SEQNUM=8 killed")], Outcome.DEGRADED),
        (
            [(20, "systemd-udevd[7]: 0000:01:00.0: Worker [9] processing SEQNUM=8 is taking a long time")],
            Outcome.BOOT_OK,
        ),
        ([(20, "gdm[7]: Gdm: GdmDisplay: Session never registered, failing")], Outcome.BOOT_OK),
        ([(20, "gdm[7]: Gdm: GdmDisplay: Session never registered, failing")] * 2, Outcome.DEGRADED),
    ],
)
def test_what_comes_once_and_what_stays(lines: list[tuple[int, str]], outcome: Outcome) -> None:
    text = "".join(f"[{seconds:5d}.0] {line}\n" for seconds, line in lines)
    diagnosis = diagnose_bytes((UP + text).encode())
    assert diagnosis.outcome is outcome, diagnosis.blamed and diagnosis.blamed.finding.cause


def test_the_first_of_several_units_tells_why() -> None:
    text = (
        "[   20.0] quuxfs[5]: [main] crit: cannot resolve the name of this node\n"
        "[   20.1] systemd[1]: quux-cluster.service: Control process exited, status=255/EXCEPTION\n"
        "[   20.2] systemd[1]: Failed to start quux-cluster.service - Quux cluster.\n"
        "[   20.3] systemd[1]: Failed to start quux-stat.service - Quux statistics.\n"
        "[   20.4] systemd[1]: Failed to start quux-gate.service - Quux gate.\n"
    )
    blamed = diagnose_bytes((UP + text).encode()).blamed
    assert blamed is not None
    assert "cannot resolve the name" in blamed.finding.cause


def test_an_instance_of_a_unit_speaks_by_its_own_name() -> None:
    unit = "quuxdb@15-main.service"
    text = (
        f"[   20.0] systemd[1]: Starting {unit} - Quux 15-main...\n"
        "[   20.1] quuxdb@15-main[9]: PANIC:  could not locate a valid checkpoint record\n"
        "[   20.2] quuxdb@15-main[9]: quux_ctl: could not start server\n"
        f"[   20.3] systemd[1]: {unit}: Can't open PID file /run/quuxdb.pid (yet?) after start: none\n"
        f"[   20.4] systemd[1]: {unit}: Failed with result 'protocol'.\n"
        f"[   20.5] systemd[1]: Failed to start {unit} - Quux 15-main.\n"
    )
    blamed = diagnose_bytes((UP + text).encode()).blamed
    assert blamed is not None
    assert "valid checkpoint record" in blamed.finding.cause


def test_what_a_server_complained_of_before_it_is_ready_is_over() -> None:
    text = (
        "quuxdb-1  | 2025-11-30 10:00:13 0 [Warning] mariadbd: io_uring_queue_init() failed with EPERM\n"
        "quuxdb-1  | 2025-11-30 10:00:14 0 [Note] mariadbd: ready for connections.\n"
    )
    assert diagnose_bytes(text.encode()).outcome is Outcome.BOOT_OK


def test_the_log_below_a_units_status_tells_why() -> None:
    text = """\
\u25cf quux.service - Quux
     Active: activating (auto-restart) (Result: exit-code) since Sat 2025-11-29 08:13:10 UTC; 3s ago

Nov 29 08:13:10 box quux[11]: cannot open /dev/ttyUSB7: Permission denied
Nov 29 08:13:10 box systemd[1]: quux.service: Main process exited, code=exited, status=2/INVALIDARGUMENT
Nov 29 08:13:10 box systemd[1]: quux.service: Failed with result 'exit-code'.
"""
    blamed = diagnose_bytes(text.encode()).blamed
    assert blamed is not None
    assert "ttyUSB7" in blamed.finding.cause


def test_a_machine_without_ipv6_is_on_the_network() -> None:
    refused = "postfix/smtp[9]: connect to mx.example.net[2001:db8::1b]:25: Network is unreachable"
    text = f"[   20.0] {refused}\n[   21.0] {refused}\n[   22.0] {refused}\n"
    assert diagnose_bytes((UP + text).encode()).outcome is Outcome.BOOT_OK
    other = text.replace("[2001:db8::1b]", "[198.51.100.1]")
    assert diagnose_bytes((UP + other).encode()).outcome is Outcome.DEGRADED
