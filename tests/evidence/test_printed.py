"""Which driver and file of a kernel printed a line."""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.evidence.image import open_artifact
from bootwright.evidence.join import with_artifacts
from bootwright.foundation.progress import Silent

LOG = b"""\
[    0.000000] Linux version 6.18.15+deb13-arm64 (debian-kernel@lists.debian.org) #1 SMP Debian 6.18.15-1
[    3.402113] macb 1f00100000.ethernet eth0: Could not attach PHY (-19)
[    4.000000] systemd[1]: systemd 257.9-1 running in system mode
[    5.211004] systemd[1]: Reached target multi-user.target - Multi-User System.
"""


@pytest.mark.download
def test_the_driver_and_file_of_a_line_are_told() -> None:
    artifact = open_artifact("debian-6.18.15-4k", Silent())
    diagnosis = with_artifacts(diagnose_bytes(LOG), [artifact], None)
    says = [
        evidence.says
        for finding in diagnosis.boots[0].findings
        for evidence in finding.evidence
        if "is printed by" in evidence.says
    ]
    assert says == [
        "Line 2 is printed by drivers/net/ethernet/cadence/macb_main.c (module macb), as an error."
    ]
