"""What a service does decides how grave it is that it failed, not a word that its name shares with another's.

The lines have the forms of systemd's messages.
"""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Outcome
from bootwright.diagnose.signatures.knowledge import load

KNOWLEDGE = load()
UP = (
    "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
    "[    1.900000] Run /sbin/init as init process\n"
    "[    5.000000] systemd[1]: Started ssh.service - OpenBSD Secure Shell server.\n"
    "[    6.000000] systemd[1]: Failed to start {}.\n"
    "[    9.000000] systemd[1]: Reached target multi-user.target - Multi-User System.\n"
)
SERVERS = [
    "nfs-server.service - NFS server and services",
    "nfs-kernel-server.service - NFS server and services",
    "NFS server and services",
    "rpcbind.service - RPC bind portmap service",
    "chrony.service - chrony, an NTP client/server",
    "cups.service - CUPS Scheduler",
    "vncserver@1.service - Remote desktop service (VNC)",
    "snapserver.service - Snapcast server",
    "snap.nextcloud.apache.service - Service for snap application nextcloud.apache",
    "Restore iptables firewall rules",
]
HOUSEKEEPERS = [
    "nfs-blkmap.service - pNFS block layout mapping daemon",
    "rpc-statd-notify.service - Notify NFS peers of a restart",
    "snapd.service - Snap Daemon",
    "Snap Daemon",
    "cups-browsed.service - Make remote CUPS printers available locally",
    "Network Time Synchronization",
    "systemd-timesyncd.service - Network Time Synchronization",
    "Synchronize System and HW clocks",
    "Load/Save Random Seed",
    "Save/Restore Sound Card State",
    "Load Kernel Modules",
]


@pytest.mark.parametrize("unit", SERVERS)
def test_what_a_machine_may_be_there_for_is_missed(unit: str) -> None:
    assert diagnose_bytes(UP.format(unit).encode(), "log", KNOWLEDGE).outcome is Outcome.DEGRADED


@pytest.mark.parametrize("unit", HOUSEKEEPERS)
def test_what_keeps_house_may_fail(unit: str) -> None:
    assert diagnose_bytes(UP.format(unit).encode(), "log", KNOWLEDGE).outcome is Outcome.BOOT_OK
